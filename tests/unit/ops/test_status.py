"""Given what Terragrunt prints and reports, when the state is asked for, then only what is in sync is taken for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops import status, terragrunt
from ops.environments import environment
from ops.errors import OpsError

SUMMARY = {"type": "change_summary", "changes": {"add": 0}}
REPORT = [{"Name": "delivery", "Result": "succeeded"}, {"Name": "welcome", "Result": "succeeded"}]


def change(action: str, address: str) -> dict[str, Any]:
    return {"type": "planned_change", "change": {"action": action, "resource": {"addr": address}}}


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Terragrunt print these events and report these units."""

    def answer(events: list[dict[str, Any]], report: list[dict[str, str]] | None = None) -> None:
        def run(_: object, arguments: list[str], **__: object) -> subprocess.CompletedProcess[str]:
            Path(arguments[arguments.index("--report-file") + 1]).write_text(
                json.dumps(REPORT if report is None else report)
            )
            text = "\n".join(["some prose", *[json.dumps(event) for event in events]])
            return subprocess.CompletedProcess(arguments, 0, text, "")

        monkeypatch.setattr(terragrunt, "run", run)

    return answer


def test_no_change_is_in_sync(planned: Any) -> None:
    planned([SUMMARY, change("read", "data.aws_region.current"), SUMMARY])
    assert status.in_sync(environment("dev"))


@pytest.mark.parametrize("action", ["create", "update", "replace", "delete", "import"])
def test_each_kind_of_change_is_none(planned: Any, action: str) -> None:
    planned([SUMMARY, change(action, "aws_lambda_alias.live"), SUMMARY])
    assert status.pending_changes(environment("dev")) == [f"{action} aws_lambda_alias.live"]
    assert not status.in_sync(environment("dev"))


def test_a_unit_that_was_not_planned_is_no_unit_in_sync(planned: Any) -> None:
    planned([SUMMARY])
    with pytest.raises(OpsError, match="1 of 2 units were planned: `make plan ENV=dev` shows why"):
        status.in_sync(environment("dev"))


def test_no_unit_at_all_is_not_in_sync(planned: Any) -> None:
    planned([], [])
    with pytest.raises(OpsError, match="0 of 0"):
        status.in_sync(environment("dev"))
