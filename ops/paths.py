"""Where things are: the checkout, its local state, and the cache outside of it. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIVE = ROOT / "live"
LAMBDA = ROOT / "lambda" / "welcome"


def local_dir() -> Path:
    """The directory of everything a local run keeps: emulator state, logs, generated settings.

    `WELCOME_LOCAL_DIR` moves it, which is how tests run beside a `make up` and beside each other.
    """
    return Path(os.environ.get("WELCOME_LOCAL_DIR", ROOT / ".local")).resolve()


def cache_dir() -> Path:
    """The directory of built tools, shared by all checkouts. `WELCOME_CACHE_DIR` moves it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("WELCOME_CACHE_DIR", Path(base) / "welcome-service")).resolve()
