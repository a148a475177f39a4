"""Emulators for a while: on free ports, with nothing in them, gone afterwards. For tests, lint and rehearsals."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ops import terragrunt
from ops.emulator import process
from ops.environments import Environment, environments
from ops.paths import ROOT


def free_port() -> int:
    """A port that nothing listens on right now.

    Below the range from which systems take ports for outgoing connections: one of those could take it before we do.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def copy_tree(destination: Path) -> Path:
    """A copy of what Terragrunt reads, as it is in this checkout, in a git repository of its own that may be edited."""
    destination.mkdir(parents=True)
    shutil.copy2(ROOT / "terragrunt.hcl", destination)
    for directory in ("live", "modules"):
        shutil.copytree(ROOT / directory, destination / directory)
    git = ["git", "-c", "user.name=ops", "-c", "user.email=ops@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "copy"]):
        subprocess.run([*git, *arguments], cwd=destination, check=True)
    return destination


@contextlib.contextmanager
def scratch(local: Path) -> Iterator[dict[str, Environment]]:
    """Emulators of all environments, their state below `local`. Changes `os.environ` until the block ends."""
    names = [env.name for env in environments()]
    settings = {f"WELCOME_PORT_{name}": str(free_port()) for name in names} | {"WELCOME_LOCAL_DIR": str(local)}
    before = {key: os.environ.get(key) for key in settings}
    os.environ.update(settings)
    terragrunt.environment_variables.cache_clear()
    found = {env.name: env for env in environments()}
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(process.start, found.values()))
        yield found
    finally:
        for env in found.values():
            process.stop(env)
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
        terragrunt.environment_variables.cache_clear()
