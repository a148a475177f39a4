"""Our checkov check against trusts that are right and wrong, and what checkov's own make of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops import pyenv
from ops.paths import ROOT
from ops.policy.jobs import ISSUER

EXACT = {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": "repo:octo@123456/app@456789:environment:prod"}


def with_subject(*subjects: str) -> dict[str, Any]:
    return {"StringEquals": EXACT | {f"{ISSUER}:sub": list(subjects)}}


RIGHT: dict[str, dict[str, Any]] = {
    "environment": {"StringEquals": EXACT},
    "branch": with_subject("repo:octo@123456/app@456789:ref:refs/heads/main"),
    "more_is_demanded": {"StringEquals": EXACT | {f"{ISSUER}:repository_id": "456789"}},
}
WRONG: dict[str, dict[str, Any]] = {
    "no_conditions": {},
    "no_subject": {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"}},
    "no_audience": {"StringEquals": {f"{ISSUER}:sub": EXACT[f"{ISSUER}:sub"]}},
    "other_audience": {"StringEquals": EXACT | {f"{ISSUER}:aud": "https://github.com/octo"}},
    "all_of_the_owner": with_subject("repo:octo/*"),
    "all_of_the_repository": with_subject("repo:octo@123456/app@456789:*"),
    "legacy": with_subject("repo:octo/app:environment:prod"),
    "any_pull_request": with_subject("repo:octo@123456/app@456789:pull_request"),
    "one_of_two_is_wrong": with_subject(EXACT[f"{ISSUER}:sub"], "repo:octo/*"),
    "like": {"StringLike": EXACT},
    "absent_or_equal": {"ForAllValues:StringEquals": EXACT},
    "also_like": {"StringEquals": EXACT, "StringLike": {f"{ISSUER}:sub": "repo:octo*"}},
}


def role(name: str, conditions: dict[str, Any]) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::111111111111:oidc-provider/{ISSUER}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": conditions,
            }
        ],
    }
    return f'resource "aws_iam_role" "{name}" {{\n  assume_role_policy = <<EOT\n{json.dumps(trust)}\nEOT\n}}\n'


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The roles that each check refuses."""
    directory = tmp_path_factory.mktemp("roles")
    (directory / "roles.tf").write_text("".join(role(*each) for each in {**RIGHT, **WRONG}.items()))
    checks = ("CKV_WELCOME_1", "CKV_AWS_393")
    done = subprocess.run(
        [
            str(pyenv.ensure("checkov") / "bin" / "checkov"), "--quiet", "--compact", "--skip-download",
            "--output", "json", "--framework", "terraform",
            "--external-checks-dir", str(ROOT / "tests" / "policy" / "checkov"),
            "--directory", str(directory), *(argument for check in checks for argument in ("--check", check)),
        ],
        cwd=directory, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    report = json.loads(done.stdout)
    found: dict[str, set[str]] = {check: set() for check in checks}
    for each in report["results"]["failed_checks"]:
        found[each["check_id"]].add(each["resource"].removeprefix("aws_iam_role."))
    return found


def test_our_check_accepts_exactly_the_immutable_form(failed: dict[str, set[str]]) -> None:
    assert failed["CKV_WELCOME_1"] == set(WRONG)


def test_the_check_of_checkov_is_still_wrong(failed: dict[str, set[str]]) -> None:
    """When this fails, read their release notes: ours may be unnecessary."""
    assert "environment" in failed["CKV_AWS_393"], "it refused the immutable subject"
    assert "all_of_the_owner" not in failed["CKV_AWS_393"], "it accepted repo:octo/*"


def test_lint_uses_our_check() -> None:
    assert "tests/policy/checkov" in (ROOT / ".checkov.yaml").read_text()
    assert Path(ROOT, "tests", "policy", "checkov", "github_oidc_trust.py").is_file()
