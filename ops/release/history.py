"""What a release leaves written down in AWS: where a version came from, and which versions were live before it."""

from __future__ import annotations

import datetime
import os
import re
import subprocess

from botocore.exceptions import BotoCoreError, ClientError

from ops.environments import Environment
from ops.paths import ROOT

# The alias's description carries the history, not the version's: it changes in the same compare-and-swap as the
# move itself, and Lambda answers PublishVersion with an existing version (and its old description) if nothing changed.
_HISTORY = re.compile(r"^before it: ((?:\d+ ?)+)$")
INITIAL = "not released yet"  # the alias while it serves the package that Terraform created the function with
REMEMBERED = 5  # versions; a description holds 256 characters
_LONGEST_NAME = 64


def previous(description: str) -> tuple[str, ...]:
    """The versions that were live before, latest first, as the alias's description has them."""
    match = _HISTORY.match(description)
    return tuple(match[1].split()) if match else ()


def remember(versions: tuple[str, ...]) -> str:
    """The alias's description that `previous` reads back."""
    return f"before it: {' '.join(versions[:REMEMBERED])}" if versions else "first release"


def after_release(live: str, past: tuple[str, ...]) -> tuple[str, ...]:
    """The history once another version replaces `live`."""
    return (live, *(version for version in past if version != live))


def after_rollback(live: str, past: tuple[str, ...], target: str) -> tuple[str, ...]:
    """The history once `target` is live again: rolling back twice goes two releases back, not back and forth."""
    if target in past:
        return past[past.index(target) + 1 :]
    return after_release(live, past)


def describe(commit: str, code_sha256: str, who: str) -> str:
    """The description of a version: what it was built from, and who published it when (UTC)."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"commit={commit} sha256={code_sha256} at={now} by={who}"


def provenance(description: str) -> dict[str, str]:
    """The parts of `describe`'s text; empty for a version that no release published."""
    parts = (part.partition("=") for part in description.split())
    return {key: value for key, equals, value in parts if equals}


def current_commit() -> str:
    """The commit that is checked out, with `+changes` if the function's code differs from it."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if head.returncode:
        return "unknown"
    status = subprocess.run(
        ["git", "status", "--porcelain", "--", "lambda/welcome"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return head.stdout.strip() + ("+changes" if status.stdout else "")


def who(env: Environment) -> str:
    """Who releases: the person that GitHub names, else the last part of the caller's ARN."""
    name = os.environ.get("GITHUB_ACTOR")
    if not name:
        try:
            name = env.client("sts").get_caller_identity()["Arn"].rsplit(":", 1)[-1]
        except (BotoCoreError, ClientError):
            return "unknown"  # no reason to stop: a release that cannot reach AWS ends soon, and says why
    return one_word(name)


def one_word(name: str) -> str:
    """A name as a description can hold it."""
    return re.sub(r"[^\w./@+-]", "-", name)[:_LONGEST_NAME]
