"""The Python environments of the project: built once from hash-locked requirements, outside the checkout.

Standard library only: this module runs before there is an environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ops.paths import ROOT, cache_dir

LOCKS = ROOT / "ops" / "tools"


def location(name: str) -> Path:
    """Where the environment `name` lives: keyed by the interpreter and by its locked requirements."""
    lock = LOCKS / f"requirements-{name}.txt"
    version = ".".join(map(str, sys.version_info[:3]))
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return cache_dir() / "python" / f"{name}-{version}-{digest}"


@contextlib.contextmanager
def build_lock(target: Path) -> Iterator[None]:
    """Hold the right to build `target`. A killed holder frees it: the kernel owns the lock, not a file's existence."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / f".{target.name}.lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that builds {target.name} …", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure(name: str) -> Path:
    """Return the environment `name`, building it if it is missing.

    Virtual environments hold absolute paths, so this one is built in place and a marker, written last, says it is
    whole. What a killed build left behind has no marker and is thrown away.
    """
    target = location(name)
    marker = target / ".complete"
    if marker.exists():
        return target
    with build_lock(target):
        if marker.exists():
            return target
        shutil.rmtree(target, ignore_errors=True)
        print(f"python environment '{name}': installing locked packages (once, about a minute) …", file=sys.stderr)
        log = target.parent / f"{name}.log"
        with open(log, "w") as out:
            for command in (
                [sys.executable, "-m", "venv", str(target)],
                [
                    str(target / "bin" / "python"),
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--require-hashes",
                    "--no-deps",
                    "-r",
                    str(LOCKS / f"requirements-{name}.txt"),
                ],
            ):
                if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT).returncode:
                    shutil.rmtree(target, ignore_errors=True)
                    tail = "\n".join(log.read_text().splitlines()[-5:])
                    sys.exit(
                        f"could not build the Python environment '{name}':\n{tail}\n"
                        f"The whole log is in {log}. On Debian, `apt-get install python3-venv` is needed; "
                        "otherwise check that pip reaches a package index and that the disk is not full."
                    )
        marker.touch()
    return target


def enter(name: str) -> None:
    """Go on inside the environment `name`, as the same process."""
    python = ensure(name) / "bin" / "python"
    if Path(sys.prefix).resolve() == python.parent.parent.resolve():
        return
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.execv(python, [str(python), "-m", "ops", *sys.argv[1:]])  # noqa: S606 - no shell is meant
