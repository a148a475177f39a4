"""What the roles asked for on an emulator, from its authorization log, and how that compares with what they may do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ops.policy.access import Grant, Request, Role

# Statements that no run on an emulator can need, each with its reason beside it in modules/delivery.
ON_AWS_ONLY = "OnAwsOnly"

# Asked for, refused, and not missed. sts:GetCallerIdentity is not here: AWS lets everybody do that.
NOT_MISSED = {
    "kms:DescribeKey": "the provider wants to hide the key that AWS manages for a table, and goes on without an answer",
}
ALWAYS_ALLOWED = frozenset({"sts:GetCallerIdentity"})


@dataclass(frozen=True)
class Decision:
    """What a role asked for and whether it got it."""

    role: str
    request: Request
    allowed: bool


def read(log: Path) -> list[Decision]:
    """The decisions in an authorization log, in the order in which they were made; none if there is no log."""
    if not log.exists():
        return []
    found = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        found.append(
            Decision(entry["role"], Request(entry["action"], entry["resource"], entry["keys"]), entry["allowed"])
        )
    return found


def requests_of(role: Role, decisions: Iterable[Decision]) -> list[Request]:
    """What the role asked for and got, each request once."""
    asked = [
        each.request
        for each in decisions
        if each.role == role.name and each.allowed and each.request.action not in ALWAYS_ALLOWED
    ]
    return [each for index, each in enumerate(asked) if each not in asked[:index]]


def unused(role: Role, decisions: Iterable[Decision]) -> list[Grant]:
    """Grants that could be taken away without any of the requests being refused."""
    requests = requests_of(role, decisions)
    return [
        grant
        for grant in role.grants()
        if not grant.sid.startswith(ON_AWS_ONLY)
        and _all_allowed(role.without(grant.sid, action=grant.action), requests)
    ]


def unused_resources(role: Role, decisions: Iterable[Decision]) -> list[tuple[str, str]]:
    """The (statement, resource) pairs that could be taken away without any of the requests being refused."""
    requests = requests_of(role, decisions)
    return [
        (sid, resource)
        for sid, resource in role.resources()
        if not sid.startswith(ON_AWS_ONLY) and _all_allowed(role.without(sid, resource=resource), requests)
    ]


def refused(role: Role, decisions: Iterable[Decision]) -> set[str]:
    """Actions that the role asked for and did not get, except those that nobody misses."""
    return {
        each.request.action
        for each in decisions
        if each.role == role.name and not each.allowed and each.request.action not in NOT_MISSED
    }


def _all_allowed(role: Role, requests: Iterable[Request]) -> bool:
    return all(role.allows(request) for request in requests)
