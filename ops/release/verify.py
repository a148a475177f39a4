"""Whether what is live is byte for byte the package of a commit."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import PurePosixPath

from ops.errors import BadInput
from ops.package import pack
from ops.paths import LAMBDA, ROOT


def resolve(commit: str) -> str:
    """The full name of `commit`. Raises BadInput if this repository does not have it."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        raise BadInput(f"This repository has no commit '{commit}': fetch it, or name another.")
    return found.stdout.strip()


def package_of(commit: str) -> bytes:
    """The package that `commit` builds, from git alone: whatever lies in the checkout plays no part."""
    directory = LAMBDA.relative_to(ROOT).as_posix()
    command = ["git", "archive", "--format=tar", commit, "--", directory]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True)
    if archive.returncode:
        raise BadInput(f"Commit {commit} has no {directory}: {archive.stderr.decode().strip()}")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        for member in tar:
            path, content = PurePosixPath(member.name), tar.extractfile(member)
            if content and path.suffix == ".py" and path.parent == PurePosixPath(directory):
                files[path.name] = content.read()
    return pack(files)
