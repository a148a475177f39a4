"""`ops drift` on the real unit: what was changed outside, and what was merged and is not applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops import environments, github
from ops.drift import issue_body, look
from ops.environments import Environment
from tests.conftest import Emulators


@pytest.fixture
def dev(deployed: Emulators, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr(github, "run_url", lambda: "https://example.org/run")
    return deployed.dev


def settings(dev: Environment, old: str, new: str) -> None:
    file = dev.directory / "env.hcl"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    environments._environments.cache_clear()


def test_drift_is_told_apart_from_what_was_merged_and_goes_away(dev: Environment, tmp_path: Path) -> None:
    """Given a change by hand, then a merged one beside it, each is told where it belongs; undone, there is nothing."""
    # Given an environment as the code says
    outside, merged = look(dev, tmp_path / "1")
    assert issue_body(dev, outside, merged) is None
    # When somebody changes the function's memory and a log group by hand
    functions, logs = dev.client("lambda"), dev.client("logs")
    functions.update_function_configuration(FunctionName=dev.resource_name, MemorySize=999)
    group = f"/aws/apigateway/{dev.resource_name}"
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    outside, merged = look(dev, tmp_path / "2")
    # Then
    [unit] = outside.units
    assert {change.address for change in unit.changes} == {
        "aws_lambda_function.welcome",
        "aws_cloudwatch_log_group.api",
    }
    assert not merged.changed
    body = issue_body(dev, outside, merged)
    assert body
    assert "memory_size: 999 → 256" in body
    assert "Merged but not applied" not in body
    # When the timeout is changed in the code as well, and not applied
    settings(dev, "function           = { memory_mb = 256 }", "function = { memory_mb = 256, timeout_seconds = 9 }")
    outside, merged = look(dev, tmp_path / "3")
    # Then the one function is in both, attribute by attribute
    [function] = [change for change in merged.units[0].changes if change.type == "aws_lambda_function"]
    assert [attribute.name for attribute in function.attributes] == ["timeout"]
    [function] = [change for change in outside.units[0].changes if change.type == "aws_lambda_function"]
    assert [attribute.name for attribute in function.attributes] == ["memory_size"]
    # When all of it is undone
    settings(dev, "function = { memory_mb = 256, timeout_seconds = 9 }", "function           = { memory_mb = 256 }")
    functions.update_function_configuration(FunctionName=dev.resource_name, MemorySize=256)
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    # Then
    assert issue_body(dev, *look(dev, tmp_path / "4")) is None


def test_what_was_deleted_by_hand_was_changed_outside(dev: Environment, tmp_path: Path) -> None:
    """Given an alarm that somebody deleted, then the plan creates it again, and that is drift."""
    dev.client("cloudwatch").delete_alarms(AlarmNames=[f"{dev.resource_name}-api-5xx"])
    outside, merged = look(dev, tmp_path)
    assert [(change.address, change.action) for change in outside.units[0].changes] == [
        ('aws_cloudwatch_metric_alarm.this["api-5xx"]', "create")
    ]
    assert not merged.changed
