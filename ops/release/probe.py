"""A release's own requests: to one version by its number, past the alias, and to the URL that users have."""

from __future__ import annotations

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

URL_TIMEOUT = 35.0  # seconds; API Gateway itself gives up after 30


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
