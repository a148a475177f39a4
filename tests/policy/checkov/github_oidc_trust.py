"""A checkov check of our own: a role that trusts GitHub trusts exact jobs of one repository, by its numeric ids.

Checkov's CKV_AWS_358 and CKV_AWS_393 know no `@` in a subject: they refuse the immutable form, which GitHub issues
since 2026-07-15, accept `repo:OWNER/*`, and do not look at the audience at all.
"""

from __future__ import annotations

import json
import re
from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

ISSUER = "token.actions.githubusercontent.com"
SUBJECT = re.compile(r"repo:[\w.-]+@[1-9]\d*/[\w.-]+@[1-9]\d*:(environment:[\w-]+|ref:refs/heads/[\w./-]+)")
AUDIENCE = "sts.amazonaws.com"


# Checkov lives in an environment of its own, where nobody checks types.
class GitHubOidcTrust(BaseResourceCheck):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(
            name="Ensure a role that trusts GitHub demands its audience and the exact, immutable subject of its jobs",
            id="CKV_WELCOME_1",
            categories=[CheckCategories.IAM],
            supported_resources=["aws_iam_role"],
        )

    def scan_resource_conf(self, conf: dict[str, list[Any]]) -> CheckResult:
        policy = (conf.get("assume_role_policy") or [None])[0]
        try:
            document = json.loads(policy) if isinstance(policy, str) else policy
        except ValueError:
            return CheckResult.UNKNOWN  # a reference that only a plan resolves: the plans are scanned as well
        if not isinstance(document, dict):
            return CheckResult.UNKNOWN
        trusting = [each for each in _list(document.get("Statement")) if _trusts_github(each)]
        return CheckResult.PASSED if all(map(_exact, trusting)) else CheckResult.FAILED


def _trusts_github(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    federated = _list(principal.get("Federated")) if isinstance(principal, dict) else [principal]
    return statement.get("Effect") == "Allow" and any(ISSUER in str(each) or each == "*" for each in federated)


def _exact(statement: dict[str, Any]) -> bool:
    """Whether the statement demands, by StringEquals alone, our audience and subjects of the immutable form."""
    conditions = statement.get("Condition") or {}
    demanded = {key.lower(): _list(values) for key, values in conditions.get("StringEquals", {}).items()}
    elsewhere = [key.lower() for operator, keys in conditions.items() if operator != "StringEquals" for key in keys]
    subjects = demanded.get(f"{ISSUER}:sub", [])
    return (
        demanded.get(f"{ISSUER}:aud") == [AUDIENCE]
        and bool(subjects)
        and all(SUBJECT.fullmatch(subject) for subject in subjects)
        and not {f"{ISSUER}:sub", f"{ISSUER}:aud"} & set(elsewhere)
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


check = GitHubOidcTrust()
