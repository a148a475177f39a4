"""The description, the contract and the function say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_spec_validator import validate

from ops import contract
from ops.contract import Answer, Case
from ops.paths import ROOT
from tests.service_stage import Service, service

DESCRIPTION: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
PROBLEM = "application/problem+json"
OPERATIONS: dict[str, Any] = DESCRIPTION["paths"][contract.PATH]
# What a test can't ask the function for by a request: it would be a bug.
UNREACHABLE = {("get", "500"), ("head", "500")}
# Cases of the service's own path and of a method that a description can have.
DESCRIBED = [
    case
    for case in contract.cases()
    if case.method.lower() in OPERATIONS and not case.path.strip("?").startswith(("/", "ed")) and not case.needs_event
]


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service() as started:
        yield started


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    document: Any = {**DESCRIPTION, "servers": [{"url": "http://localhost"}]}
    return OpenAPI.from_dict(document, Config(extra_media_type_deserializers={PROBLEM: json.loads}))


def response_of(method: str, status: int | str) -> dict[str, Any]:
    """The described response of an operation."""
    name: str = OPERATIONS[method.lower()]["responses"][str(status)]["$ref"].rsplit("/", 1)[1]
    response: dict[str, Any] = DESCRIPTION["components"]["responses"][name]
    return response


def test_the_description_is_valid() -> None:
    validate(DESCRIPTION)


@pytest.mark.parametrize("case", DESCRIBED, ids=lambda case: case.name)
def test_each_case_of_the_contract_is_described(case: Case) -> None:
    described = response_of(case.method, case.status)

    expected = {*contract.headers_of(case.status), *(["Allow"] if case.allow else [])}
    assert expected <= described["headers"].keys()
    if case.type:
        assert case.type in described["content"]


def test_everything_that_is_described_has_a_case() -> None:
    described = {
        (method, status, kind)
        for method, operation in OPERATIONS.items()
        for status in operation["responses"]
        for kind in response_of(method, status).get("content", {None: None})
        if (method, status) not in UNREACHABLE and not (method == "head" and status == "503")
    }
    covered = {
        (case.method.lower(), str(case.status), case.type or (PROBLEM if case.status >= 400 else None))
        for case in contract.cases()
    }

    missing = described - covered
    # HEAD has the forms of GET; one case for each would prove nothing more than these two.
    assert missing <= {("head", "200", "text/plain; charset=utf-8")}


@pytest.mark.parametrize("case", DESCRIBED, ids=lambda case: case.name)
def test_what_the_function_answers_is_as_described(case: Case, running: Service, openapi: OpenAPI) -> None:
    running.table.put({"message": {"S": "Hello"}})
    send = contract.by_event(running.send)
    answers: list[Answer] = []

    def recorded(sent: Case) -> Answer:
        answers.append(send(sent))
        return answers[-1]

    list(contract.run(recorded, [case], running.table.put))

    [*_, answer] = answers
    if answer.body:  # the library takes an answer without one for malformed
        kind = answer.headers["content-type"]
        received = MockResponse(answer.body.encode(), answer.status, dict(answer.headers), kind)
        openapi.validate_response(MockRequest("http://localhost", case.method.lower(), contract.PATH), received)
    declared = {name.lower() for name in response_of(case.method, answer.status)["headers"]}
    assert answer.headers.keys() <= declared | {"content-type"}
