"""Terminal output: one console for people on stderr, results on stdout."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

from rich.console import Console

# stderr carries progress, stdout carries what a program may read. rich itself honours NO_COLOR and a pipe;
# CI logs are not terminals, and an animated line there is noise.
_plain = bool(os.environ.get("CI"))
log = Console(stderr=True, highlight=False, force_terminal=False if _plain else None, soft_wrap=True)
out = Console(
    highlight=False,
    force_terminal=False if _plain else None,
    soft_wrap=True,
    width=None if sys.stdout.isatty() else 200,  # a table in a pipe is not cut to the 80 columns of no terminal
)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Show that `what` is under way, then how long it took, in seconds."""
    start = time.monotonic()
    status = log.status(f"{what} …") if log.is_terminal else contextlib.nullcontext()
    if not log.is_terminal:
        log.print(f"{what} …", markup=False)
    try:
        with status:
            yield
    except BaseException:
        log.print(f"✗ {what} ({time.monotonic() - start:.1f} s)", style="red", markup=False)
        raise
    log.print(f"✓ {what} ({time.monotonic() - start:.1f} s)", style="green", markup=False)
