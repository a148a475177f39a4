"""Releases in memory: the connection to a StrictLambda, and how many of a property's cases `make test` runs."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from ops import contract
from tests.strict_lambda import StrictLambda


def some(values: Iterable[Any], few: int, name: str = "seed") -> Any:
    """Parametrise by `values`; those after the first `few` run in `make test-property` only (marker `long`).

    A failure's id, such as `[seed17]`, replays it.
    """
    return [
        pytest.param(value, id=f"{name}{value}", marks=pytest.mark.long if position >= few else ())
        for position, value in enumerate(values)
    ]


class Clock:
    """Time that passes only while something sleeps: waiting a minute takes none."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Connect a release to a StrictLambda: `in_memory(function)` routes the URL to it, and stops the clock."""
    client = httpx.Client

    def connect(function: StrictLambda) -> None:
        transport = httpx.MockTransport(lambda _: function.request())
        monkeypatch.setattr("ops.release.probe.httpx.Client", functools.partial(client, transport=transport))

    clock = Clock()
    for module in ("canary", "probe", "release", "rollback", "smoke", "traffic"):
        monkeypatch.setattr(f"ops.release.{module}.time", clock)
    # The contract is the real code's, which does not run here: a version that answers 200 keeps it.
    monkeypatch.setattr(contract, "check", _answers_200)
    return connect


def _answers_200(invoke: Any) -> list[str]:
    status = invoke(contract.event("GET"))["statusCode"]
    return [] if status == 200 else [f"GET: {status}"]
