"""Given a fresh copy of the repository, when the README is followed from top to bottom, then each command works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.emulator.scratch import free_port
from ops.paths import ROOT

BLOCK = re.compile(
    r"(?P<reason><!-- not run by the tests: (?:.+?) -->\n\s*)?(?P<fence> *)```sh\n(?P<code>.+?)\n *```", re.S
)


def blocks() -> list[tuple[str, str]]:
    """The command blocks of the README: code, and why it is not run (empty: it is)."""
    text = (ROOT / "README.md").read_text()
    return [(match["code"], (match["reason"] or "").strip()) for match in BLOCK.finditer(text)]


RUN = [code for code, reason in blocks() if not reason]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A clone with what is tracked, as it is in the working tree, on ports of its own."""
    copy = tmp_path_factory.mktemp("readme") / "clone"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "clone"]):
        subprocess.run([*git, *arguments], cwd=copy, check=True)
    variables = {key: value for key, value in os.environ.items() if key not in ("WELCOME_LOCAL_DIR", "WELCOME_ROOT")}
    variables |= {
        f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    variables |= {f"WELCOME_PORT_{name}": str(free_port()) for name in ("dev", "prod", "stage")}
    yield copy, variables
    subprocess.run(["make", "-s", "clean"], cwd=copy, env=variables, check=True)


def test_every_block_is_run_or_says_why_not() -> None:
    assert (ROOT / "README.md").read_text().count("```sh\n") == len(blocks())
    reasons = {reason for _, reason in blocks() if reason}
    assert all(len(reason) > len("<!-- not run by the tests:  -->") + 8 for reason in reasons)
    assert RUN[0] == "make up"


@pytest.mark.parametrize("code", RUN, ids=[code.split("\n")[0] for code in RUN])
def test_commands_of_the_readme(checkout: tuple[Path, dict[str, str]], code: str) -> None:
    copy, variables = checkout
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code], cwd=copy, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{code}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    assert "Traceback" not in done.stderr
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=copy, capture_output=True, text=True).stdout
    assert changed == "", f"{code}\nleft changes behind:\n{changed}"
