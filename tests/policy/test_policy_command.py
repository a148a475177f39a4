"""`ops policy`: the table of what each role may do, and the verdict after a recorded life."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.policy import usage
from ops.policy.access import Grant, Role
from ops.policy.command import policy

ANYTHING = {"Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.mark.usefixtures("delivered")
def test_it_shows_each_action_by_environment_and_role(capfd: pytest.CaptureFixture[str]) -> None:
    result = CliRunner().invoke(policy, ["--json"])

    assert result.exit_code == 0, result.exception
    table = json.loads(capfd.readouterr().out or result.output)["table"]
    assert table["lambda:UpdateFunctionCode"] == {"dev": ["release"], "prod": ["release"]}
    assert table["s3:PutObject"] == {"dev": ["plan", "apply"], "prod": ["plan", "apply"]}
    assert not [action for action in table if "*" in action]


def recorded(log: Path, *lines: tuple[str, str, bool]) -> list[usage.Decision]:
    log.write_text(
        "".join(
            json.dumps({"role": "r", "action": action, "resource": resource, "keys": {}, "allowed": allowed}) + "\n"
            for action, resource, allowed in lines
        )
    )
    return usage.read(log)


def role(*statements: tuple[str, list[str], list[str]]) -> Role:
    policy = {
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
            for sid, actions, resources in statements
        ]
    }
    return Role("arn:aws:iam::111111111111:role/r", {}, policy, ANYTHING)


def test_what_nothing_asked_for_is_unused(tmp_path: Path) -> None:
    granted = role(("Read", ["s3:GetObject", "s3:ListBucket"], ["arn:a", "arn:b"]), ("OnAwsOnlyLog", ["logs:X"], ["*"]))

    decisions = recorded(tmp_path / "log", ("s3:GetObject", "arn:a", True))

    assert usage.unused(granted, decisions) == [Grant("Read", "s3:ListBucket")]
    assert usage.unused_resources(granted, decisions) == [("Read", "arn:b")]


def test_what_two_statements_grant_is_unused_in_both(tmp_path: Path) -> None:
    granted = role(("One", ["s3:GetObject"], ["arn:a"]), ("Two", ["s3:GetObject"], ["arn:*"]))

    decisions = recorded(tmp_path / "log", ("s3:GetObject", "arn:a", True))

    assert usage.unused(granted, decisions) == [Grant("One", "s3:GetObject"), Grant("Two", "s3:GetObject")]


def test_what_was_refused_is_told_unless_nobody_misses_it(tmp_path: Path) -> None:
    decisions = recorded(
        tmp_path / "log",
        ("s3:PutObject", "arn:a", False),
        ("kms:DescribeKey", "arn:k", False),
        ("sts:GetCallerIdentity", "*", True),
    )

    assert usage.refused(role(), decisions) == {"s3:PutObject"}
    assert usage.requests_of(role(), decisions) == []


def test_without_a_log_nothing_was_asked_for(tmp_path: Path) -> None:
    assert usage.read(tmp_path / "absent") == []
