"""Before any traffic: whether a version keeps the contract, or (on the way back) answers at all."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops import contract
from ops.release.outcome import SmokeFailed
from ops.release.probe import Probe

ATTEMPTS = 8  # of each request
SLOW_IN_A_ROW = 3  # the first may be a cold start
SERVER_ERROR = 500  # and above: the function's own fault


class _TooSlow(Exception):
    """To go on would take minutes, to no end."""


def keeps_contract(probe: Probe, version: str) -> None:
    """Run the whole contract against exactly this version. Raises SmokeFailed.

    What fails must fail every time: to fail sometimes is a rate, which a canary measures.
    """
    slow = 0

    def timed(event: dict[str, Any]) -> dict[str, Any]:
        nonlocal slow
        start = time.monotonic()
        response = probe.invoke(version, event)
        slow = slow + 1 if time.monotonic() - start > probe.slowest else 0
        if slow == SLOW_IN_A_ROW:
            raise _TooSlow(f"{slow} answers in a row took longer than {probe.slowest:g} s")
        return response

    def steady(event: dict[str, Any]) -> dict[str, Any]:
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(RuntimeError, ValueError):
                response = timed(event)
                if response.get("statusCode", SERVER_ERROR) < SERVER_ERROR:
                    return response
        return timed(event)

    try:
        problems = contract.check(steady)
    except (RuntimeError, ValueError, _TooSlow) as error:
        raise SmokeFailed(f"Version {version} fails every time: {error}") from error
    if problems:
        raise SmokeFailed(f"Version {version} breaks the contract {len(problems)} times, first: {problems[0]}")


def answers(probe: Probe, version: str) -> None:
    """Ask a version once. Only its own failure counts: today's contract may be stricter than the code of then."""
    try:
        status = probe.invoke(version, contract.event("GET")).get("statusCode", SERVER_ERROR)
    except (RuntimeError, ClientError, BotoCoreError, ValueError) as error:
        raise SmokeFailed(f"Version {version} does not answer: {error}") from error
    if status >= SERVER_ERROR:
        raise SmokeFailed(f"Version {version} answers {status}")
