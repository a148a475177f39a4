"""`verify`: a commit of a repository of its own, and a function that runs its package or does not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.errors import BadInput, OpsError
from ops.package import build, code_sha256
from ops.release import verify
from tests.strict_lambda import Caller, MemoryEnvironment, StrictLambda, healthy


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit of a function, and changes on top that no commit has."""
    source = tmp_path / "lambda" / "welcome"
    source.mkdir(parents=True)
    (source / "handler.py").write_text("committed = True\n")
    (source / "README.md").write_text("not packaged\n")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    monkeypatch.setattr(verify, "ROOT", tmp_path)
    monkeypatch.setattr(verify, "LAMBDA", source)
    return source


def running(package: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = StrictLambda(package, {package: healthy})
    env = MemoryEnvironment.of(Caller(subject, lambda _: None, lambda: False))
    monkeypatch.setattr(verify, "selected", lambda _: (env,))


def test_the_package_of_a_commit_is_proven_to_be_live_whatever_lies_in_the_checkout(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the commit's package live, and a checkout with changes
    running(build(repository), monkeypatch)
    (repository / "handler.py").write_text("changed = True\n")
    # When it is verified, then it is the commit's
    result = CliRunner().invoke(verify.verify, ["HEAD", "--json"])
    assert result.exception is None
    assert json.loads(result.stdout)["dev"]["same"] is True


def test_code_that_no_commit_has_is_told_apart(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "handler.py").write_text("changed = True\n")
    running(build(repository), monkeypatch)
    result = CliRunner().invoke(verify.verify, ["--json"])
    assert isinstance(result.exception, OpsError)
    report: dict[str, Any] = json.loads(result.stdout)["dev"]
    assert (result.exception.exit_code, report["same"], report["live"]) == (1, False, code_sha256(build(repository)))


@pytest.mark.parametrize("commit", ["no-such-branch", "--output=/tmp/x", "HEAD~7"])
def test_a_commit_that_is_not_there_is_refused(repository: Path, commit: str) -> None:
    with pytest.raises(BadInput, match="no commit"):
        verify.resolve(commit)
