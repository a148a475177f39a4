"""A release's own requests: to one version by its number, past the alias, and to the URL that users have."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from ops import contract
from ops.environments import Environment
from ops.release.function import Function
from ops.urls import service_url

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

ATTEMPTS = 8  # of a smoke test's request
SLOW_IN_A_ROW = 3  # the first may be a cold start
SERVER_ERROR = 500  # and above: the function's own fault
URL_TIMEOUT = 35.0  # seconds; API Gateway itself gives up after 30


class TooSlow(Exception):
    """A smoke test would take minutes, to no end."""


@dataclass(frozen=True)
class Answer:
    """One request's end: what was wrong with it (None: nothing), and the release that answered, if it said."""

    problem: str | None
    release: str | None


@dataclass
class Probe:
    """Sends requests and judges each. An answer slower than `slowest` seconds is a failure like any other."""

    invoker: LambdaClient
    function: Function
    url: str
    slowest: float
    slow_in_a_row: int = 0
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=URL_TIMEOUT))

    @classmethod
    def of(cls, env: Environment, function: Function, slowest: float) -> Probe:
        """A probe of `env`. The SDK repeats what Lambda refuses or loses, but never what the function got wrong."""
        invoker = env.client("lambda", connect_timeout=5, read_timeout=slowest + 30)
        return cls(invoker, function, service_url(env), slowest)

    def invoke(self, version: str, event: dict[str, Any]) -> dict[str, Any]:
        """The response of one version to an event. Raises RuntimeError with what the function reported if it failed."""
        answer = self.invoker.invoke(
            FunctionName=self.function.name, Qualifier=version, Payload=json.dumps(event).encode()
        )
        body: Any = json.loads(answer["Payload"].read())
        if answer.get("FunctionError") or not isinstance(body, dict):
            raise RuntimeError(f"the function reported {body}")
        response: dict[str, Any] = body
        return response

    def steady(self, version: str, event: dict[str, Any]) -> dict[str, Any]:
        """Like `invoke`, but what fails must fail every time: to fail sometimes is a rate, which a canary measures."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(RuntimeError, ValueError):
                response = self._timed(version, event)
                if response.get("statusCode", SERVER_ERROR) < SERVER_ERROR:
                    return response
        return self._timed(version, event)

    def _timed(self, version: str, event: dict[str, Any]) -> dict[str, Any]:
        start = time.monotonic()
        response = self.invoke(version, event)
        self.slow_in_a_row = self.slow_in_a_row + 1 if time.monotonic() - start > self.slowest else 0
        if self.slow_in_a_row >= SLOW_IN_A_ROW:
            raise TooSlow(f"{SLOW_IN_A_ROW} answers in a row took longer than {self.slowest:g} s")
        return response

    def version(self, number: str) -> Answer:
        """`GET /welcome`, sent to exactly this version."""
        start = time.monotonic()
        try:
            response = self.invoke(number, contract.event("GET"))
        except (RuntimeError, ClientError, BotoCoreError, ValueError) as error:
            return Answer(f"version {number}: {error}", number)
        status, headers = response.get("statusCode"), response.get("headers", {})
        return self._judge(f"version {number}", status, headers, time.monotonic() - start)

    def users(self) -> Answer:
        """`GET` on the URL: whichever version the alias picks."""
        start = time.monotonic()
        try:
            response = self.http.get(self.url)
        except httpx.HTTPError as error:
            return Answer(f"{self.url}: {error!r}", None)
        return self._judge(self.url, response.status_code, dict(response.headers), time.monotonic() - start)

    def _judge(self, what: str, status: Any, headers: dict[str, str], seconds: float) -> Answer:
        release = next((value for name, value in headers.items() if name.lower() == "x-release"), None)
        if status != 200:
            return Answer(f"{what}: answered {status}", release)
        if seconds > self.slowest:
            return Answer(f"{what}: took {seconds:.1f} s, {self.slowest:g} s are allowed", release)
        return Answer(None, release)
