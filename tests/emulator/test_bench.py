"""The bench itself: that it measures what it says, and that a broken promise shows. No test asserts a time."""

from __future__ import annotations

from typing import Any

import pytest

from ops.bench import service
from ops.errors import OpsError
from ops.package import pack


def row(**values: float) -> dict[str, Any]:
    return {"init_cpu": 1.0, "request_cpu": 1.0, "cached_cpu": 1.0, "package_bytes": 1_000_000, **values}


def broken(this: dict[str, Any]) -> list[str]:
    return [budget.name for budget in service.budgets([this, row(), row(), row()]) if not budget.kept]


def test_a_service_within_its_budgets_keeps_its_promises() -> None:
    assert broken(row(init_cpu=0.16, request_cpu=0.2, cached_cpu=150e-6, package_bytes=24_000)) == []


def test_each_broken_promise_is_named() -> None:
    assert broken(row(init_cpu=0.21, request_cpu=0.21, cached_cpu=151e-6, package_bytes=24_001)) == [
        "cold start: CPU beside the boto3 resource",
        "cold start: CPU beside the boto3 client",
        "read: CPU beside the boto3 client",
        "request from memory: CPU in seconds",
        "package: bytes",
    ]


def test_every_subject_answers_and_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of the whole bench, the runtime interface included."""
    monkeypatch.setattr(service, "ROUNDS", 1)
    monkeypatch.setattr(service, "REQUESTS", 3)

    rows = service.rows()

    assert len({each["subject"] for each in rows}) == 4
    for each in rows:
        assert all(value > 0 for name, value in each.items() if name != "subject")


def test_a_handler_that_fails_stops_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a function that answers an error, when it is measured, then there is no figure that looks good."""
    failing = service.Subject("failing", pack({"failing.py": b"handler = lambda *_: {'statusCode': 500}"}), "failing")
    monkeypatch.setattr(service, "subjects", lambda: [failing])
    monkeypatch.setattr(service, "ROUNDS", 1)

    with pytest.raises(OpsError, match="The bench of failing failed"):
        service.rows()
