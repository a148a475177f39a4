"""How a release ends: one exit code for each thing that a caller may have to tell apart."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops.errors import OpsError


class NotReleased(OpsError):
    """A release or rollback that did not happen: its name for programs, and what to do then."""

    outcome = "failed"
    advice = "Correct the cause and run it again."


class LostRace(NotReleased):
    """Somebody else changed the function or its alias since this release read it."""

    outcome = "lost the race"
    advice = "Wait until the other release ends, then run this one again if it is still wanted."
    exit_code = 3


class SmokeFailed(NotReleased):
    """The new version breaks the contract; no traffic ever reached it."""

    outcome = "smoke test failed"
    advice = "Correct the code, or the table it reads, and release again."
    exit_code = 4


class CanaryFailed(NotReleased):
    """The new version failed with traffic on it; the alias was put back as it was."""

    outcome = "canary failed"
    advice = "Correct the code and release again; its log group has the reason."
    exit_code = 5


class GaveUp(NotReleased):
    """AWS did not answer, or did not finish, in the time that a release waits."""

    outcome = "gave up"
    advice = "Run it again when AWS answers: it finishes, or puts back, what is half done."
    exit_code = 6


@dataclass(frozen=True)
class Outcome:
    """What a release or rollback did to one environment; `seconds` is how long it took."""

    environment: str
    outcome: str
    message: str
    exit_code: int = 0
    version: str = ""
    previous: str = ""
    commit: str = ""
    code_sha256: str = ""
    requests: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The fields a program may want; the environment is the key it finds them under."""
        return {key: value for key, value in asdict(self).items() if key != "environment"}


def summarise(outcome: Outcome) -> None:
    """Append the outcome to the summary page of the GitHub job that this runs in, if it runs in one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    mark = "✅" if outcome.exit_code == 0 else "❌"
    rows = {
        "live version": outcome.version,
        "before it": outcome.previous,
        "commit": outcome.commit,
        "CodeSha256": outcome.code_sha256,
        "own requests": str(outcome.requests),
        "seconds": f"{outcome.seconds:.1f}",
    }
    table = "".join(f"| {name} | `{value}` |\n" for name, value in rows.items() if value)
    with Path(path).open("a", encoding="utf-8") as page:
        page.write(f"### {mark} {outcome.environment}: {outcome.outcome}\n\n{outcome.message}\n\n")
        page.write(f"| | |\n|-|-|\n{table}\n")
