"""Given a user who guesses, when a command is called wrongly, then help or one sentence follows, never a traceback."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from ops.cli import COMMANDS, ops
from ops.paths import ROOT

CONTEXT = click.Context(ops)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ops", *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    command = ops.get_command(CONTEXT, name)
    assert command
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.show_default, f"{name} {parameter.opts}"


def test_an_unknown_command_ends_with_2() -> None:
    done = run("deploy")
    assert done.returncode == 2
    assert "No such command 'deploy'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_environment_ends_with_2_and_names_those_there_are() -> None:
    done = run("package", "--bogus")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_make_alone_prints_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    documented = set(re.findall(r"^([a-z]+):.*## ", makefile, re.M))
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0
    assert {line.split()[0] for line in shown.stdout.splitlines()} == documented
    promised = (
        "up down status test lint plan apply destroy bootstrap release rollback message rehearse bench clean help"
    )
    assert set(promised.split()) <= documented


def test_the_makefile_calls_commands_that_exist() -> None:
    called = set(re.findall(r"\$\(OPS\) ([a-z]+)", (ROOT / "Makefile").read_text()))
    assert called <= set(COMMANDS)
