"""How many: `make test` runs the first few seeds of each property, `make test-property` (marker `long`) all of them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest

from ops import contract
from tests.property.strict import StrictLambda


def some(values: Iterable[Any], few: int, name: str = "seed") -> Any:
    """Parametrise by `values`; those after the first `few` are long. A failure's id, such as `[seed17]`, replays it."""
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
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Connect a release to a StrictLambda: `in_memory(function)` routes the URL to it, and stops the clock."""
    client = httpx.Client

    def connect(function: StrictLambda) -> None:
        transport = httpx.MockTransport(lambda _: function.request())
        monkeypatch.setattr("ops.release.probe.httpx.Client", functools.partial(client, transport=transport))

    clock = Clock()
    for module in ("canary", "probe", "release", "rollback", "traffic"):
        monkeypatch.setattr(f"ops.release.{module}.time", clock)
    # The contract is the real code's, which does not run here: a version that answers 200 keeps it.
    monkeypatch.setattr(contract, "check", _answers_200)
    yield connect


def _answers_200(invoke: Any) -> list[str]:
    status = invoke(contract.event("GET"))["statusCode"]
    return [] if status == 200 else [f"GET: {status}"]
