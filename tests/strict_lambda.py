"""A Lambda in memory that enforces what AWS documents and the emulator does not; thousands of runs take seconds.

Enforced: `RevisionId` on code, publishing and alias; `CodeSha256` on publishing; publishing an unchanged `$LATEST`
returns the version that exists; a function being updated refuses updates, and its revision changes once more when
that ends; at most two versions share an alias, both published; weights decide who answers.
Every call passes `before`, where a test may kill the caller, fail the call, or let another caller go first.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx

from ops.environments import Environment
from ops.release.function import ALIAS

NAME = "welcome-dev"
# A real client's exceptions, so that code under test catches what it would catch.
EXCEPTIONS: Any = boto3.client(
    "lambda", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
).exceptions
Behaviour = Callable[[random.Random], int]


def healthy(_: random.Random) -> int:
    return 200


def raising(_: random.Random) -> int:
    raise RuntimeError("broken on purpose")


def failing_a_fifth(chance: random.Random) -> int:
    return 500 if chance.random() < 0.2 else 200


class StrictLambda:
    """The function `welcome-dev`, its versions and its alias. `behaviours` says what a package does, by its bytes."""

    exceptions = EXCEPTIONS

    def __init__(self, initial: bytes, behaviours: dict[bytes, Behaviour], seed: int = 0) -> None:
        self.chance = random.Random(seed)
        self.behaviours = {_sha(package): behaviour for package, behaviour in behaviours.items()}
        self.latest: dict[str, Any] = {
            "Version": "$LATEST", "CodeSha256": _sha(initial), "RevisionId": "", "Description": "", "MemorySize": 256,
            "Architectures": ["arm64"], "LastModified": "2026-01-01T00:00:00", "LastUpdateStatus": "Successful",
            "State": "Active", "Handler": "handler.handler",
        }  # fmt: skip
        self.published: dict[str, dict[str, Any]] = {}
        self.live: dict[str, Any] = {"Name": ALIAS, "FunctionVersion": "$LATEST", "Description": "", "RevisionId": ""}
        self.users: list[tuple[str, int]] = []  # version and status of each request through the alias
        self.newest = 0
        self._revise(self.latest)
        self._revise(self.live)

    # The operations that a release uses, as botocore spells them.

    def get_alias(self, **_: Any) -> dict[str, Any]:
        return copy.deepcopy(self.live)

    def get_function_configuration(self, *, Qualifier: str, **_: Any) -> dict[str, Any]:
        return copy.deepcopy(self._find(self.live["FunctionVersion"] if Qualifier == ALIAS else Qualifier))

    def update_function_code(self, *, ZipFile: bytes, Architectures: list[str], RevisionId: str, **_: Any) -> None:
        self._check(self.latest, RevisionId)
        self._refuse_while_updating()
        self.latest |= {"CodeSha256": _sha(ZipFile), "Architectures": Architectures, "LastUpdateStatus": "InProgress"}
        self._revise(self.latest)

    def publish_version(self, *, CodeSha256: str, RevisionId: str, Description: str, **_: Any) -> dict[str, Any]:
        self._refuse_while_updating()
        if CodeSha256 != self.latest["CodeSha256"]:
            raise _error("InvalidParameterValueException", "CodeSHA256 is different from current CodeSHA256 in $LATEST")
        self._check(self.latest, RevisionId)
        same = ("CodeSha256", "Architectures", "MemorySize")
        last = self.published.get(str(self.newest))
        if last and all(last[key] == self.latest[key] for key in same):
            return copy.deepcopy(last)
        self.newest += 1
        version = copy.deepcopy(self.latest) | {"Version": str(self.newest), "Description": Description}
        self._revise(version)
        self.published[str(self.newest)] = version
        return copy.deepcopy(version)

    def update_alias(
        self, *, FunctionVersion: str, RoutingConfig: dict[str, Any], Description: str, RevisionId: str, **_: Any
    ) -> dict[str, Any]:
        self._check(self.live, RevisionId)
        weights = RoutingConfig["AdditionalVersionWeights"]
        assert len(weights) <= 1, "AWS shares an alias between two versions"
        assert all(self._find(version)["Version"] != "$LATEST" for version in (*weights, FunctionVersion))
        self.live |= {"FunctionVersion": FunctionVersion, "Description": Description}
        self.live.pop("RoutingConfig", None)
        if weights:
            self.live["RoutingConfig"] = copy.deepcopy(RoutingConfig)
        self._revise(self.live)
        return copy.deepcopy(self.live)

    def delete_function(self, *, Qualifier: str, **_: Any) -> None:
        weights = self.live.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        assert Qualifier not in {self.live["FunctionVersion"], *weights}, "pruning must not rely on AWS to refuse"
        del self.published[Qualifier]

    def invoke(self, *, Qualifier: str, **_: Any) -> dict[str, Any]:
        try:
            answer, failed = self._answer(Qualifier), {}
        except RuntimeError as error:
            answer, failed = {"errorMessage": str(error)}, {"FunctionError": "Unhandled"}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    def get_paginator(self, _: str) -> StrictLambda:
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"Versions": copy.deepcopy([self.latest, *self.published.values()])}

    def get_waiter(self, _: str) -> StrictLambda:
        return self

    def wait(self, **_: Any) -> None:
        if self.latest["LastUpdateStatus"] == "InProgress":
            self.latest["LastUpdateStatus"] = "Successful"
            self._revise(self.latest)  # AWS does that: aws-sdk issue 377

    # What happens outside a release.

    def request(self) -> httpx.Response:
        """One request of a user: the alias picks the version by its weights."""
        weights = self.live.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        version = self.live["FunctionVersion"]
        for other, weight in weights.items():
            version = other if self.chance.random() < weight else version
        try:
            answer = self._answer(version)
        except RuntimeError:
            answer = {"statusCode": 500, "headers": {}}
        self.users.append((version, answer["statusCode"]))
        return httpx.Response(answer["statusCode"], headers=answer["headers"])

    def apply(self, memory: int) -> None:
        """Change the configuration as Terraform does."""
        self.latest["MemorySize"] = memory
        self._revise(self.latest)

    def live_code(self) -> str:
        return str(self._find(self.live["FunctionVersion"])["CodeSha256"])

    def _answer(self, version: str) -> dict[str, Any]:
        behaviour = self.behaviours[self._find(version)["CodeSha256"]]
        return {"statusCode": behaviour(self.chance), "headers": {"X-Release": version}}

    def _find(self, version: str) -> dict[str, Any]:
        if version == "$LATEST":
            return self.latest
        if version not in self.published:
            raise _error("ResourceNotFoundException", f"no version {version}")
        return self.published[version]

    def _refuse_while_updating(self) -> None:
        if self.latest["LastUpdateStatus"] == "InProgress":
            raise _error("ResourceConflictException", "an update is in progress")

    def _check(self, current: dict[str, Any], revision: str) -> None:
        if current["RevisionId"] != revision:
            raise _error("PreconditionFailedException", "the RevisionId provided does not match the latest one")

    def _revise(self, what: dict[str, Any]) -> None:
        what["RevisionId"] = f"{self.chance.getrandbits(64):016x}"


class Caller:
    """One caller's view of the function. `before(operation)` runs ahead of each of its calls.

    A call for which `resent()` is true arrives twice: the answer to the first was lost, and the SDK sent it again.
    """

    exceptions = EXCEPTIONS

    def __init__(self, function: StrictLambda, before: Callable[[str], None], resent: Callable[[], bool]) -> None:
        self._function, self._before, self._resent = function, before, resent

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._function, name)
        if name in ("get_paginator", "get_waiter"):
            return lambda *_: self

        def call(**arguments: Any) -> Any:
            self._before(name)
            if self._resent():
                operation(**arguments)
            return operation(**arguments)

        return call

    def get_metric_data(self, **_: Any) -> dict[str, Any]:
        return {"MetricDataResults": []}


class MemoryEnvironment(Environment):
    """An environment whose every client is one `Caller`, and whose URL is the function's alias."""

    caller: Caller

    def client(self, service: str, **_: Any) -> Any:
        if service == "apigatewayv2":
            return _Apis()
        return self.caller

    @classmethod
    def of(cls, caller: Caller) -> MemoryEnvironment:
        env = cls("dev", "111111111111", "eu-central-1", Path(), 0)
        object.__setattr__(env, "caller", caller)
        return env


class _Apis:
    def get_paginator(self, _: str) -> _Apis:
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        yield {"Items": [{"Name": NAME, "ApiId": "api"}]}


def _sha(package: bytes) -> str:
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


def _error(kind: str, message: str) -> Exception:
    error: Exception = getattr(EXCEPTIONS, kind)({"Error": {"Code": kind, "Message": message}}, "Operation")
    return error
