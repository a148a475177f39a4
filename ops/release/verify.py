"""The command `verify`: whether what is live is byte for byte the package of a commit."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import PurePosixPath

import click

from ops.console import log, out
from ops.environments import selected
from ops.errors import BadInput, OpsError
from ops.identity import announce
from ops.package import code_sha256, pack
from ops.paths import LAMBDA, ROOT
from ops.release import function
from ops.release.options import environment_option, json_option


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


@click.command()
@environment_option
@json_option
@click.argument("commit", default="HEAD")
def verify(name: str | None, as_json: bool, commit: str) -> None:
    """Prove that what is live is byte for byte the package of COMMIT. Exit code 1 if it is not."""
    announce(selected(name))
    full = resolve(commit)
    digest = code_sha256(package_of(full))
    live = {env.name: function.of(env).version(function.ALIAS) for env in selected(name)}
    if as_json:
        report = {
            env: {"commit": full, "code_sha256": digest, "live": each.code_sha256, "same": each.code_sha256 == digest}
            for env, each in live.items()
        }
        out.print(json.dumps(report, indent=2), markup=False)
    differing = [env for env, each in live.items() if each.code_sha256 != digest]
    for env, each in live.items():
        verdict = "is not" if env in differing else "is byte for byte"
        log.print(f"{env}: live version {each.number} {verdict} the package of {full}", markup=False)
    if differing:
        raise OpsError(f"{', '.join(differing)}: `python -m ops releases` shows which commits the versions come from.")
