"""The contract in process, and the runner of it: a contract that cannot fail says nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ops import contract
from ops.contract import Case
from tests.service_stage import Service, service


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service() as started:
        yield started


@pytest.mark.parametrize("case", contract.cases(), ids=lambda case: case.name)
def test_the_function_keeps_the_contract(case: Case, running: Service) -> None:
    running.table.put({"message": {"S": "Hello"}})

    [(_, problems)] = contract.run(contract.by_event(running.send), [case], running.table.put)

    assert problems == []


def test_the_contract_is_large_enough() -> None:
    """And each case has a name of its own, by which a failure can be found."""
    names = [case.name for case in contract.cases()]

    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_a_version_that_keeps_the_contract_passes_without_writing_to_the_table(running: Service) -> None:
    running.table.put({"message": {"S": "Hello"}})

    assert contract.check(running.send) == []
    assert running.table.item == {"message": {"S": "Hello"}}


def _header(name: str, value: str | None) -> Callable[[dict[str, Any]], None]:
    def change(response: dict[str, Any]) -> None:
        headers = {key: old for key, old in response["headers"].items() if key != name}
        response["headers"] = headers if value is None else {**headers, name: value}

    return change


def _only(status: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(response: dict[str, Any]) -> None:
        if response["statusCode"] == status:
            response.update(fields)

    return change


PROBLEM = {
    "type": "about:blank",
    "title": "Method Not Allowed",
    "status": 405,
    "detail": "Use GET.",
    "instance": "contract",
}
BREACHES = {
    "no security header": _header("X-Content-Type-Options", None),
    "no release": _header("X-Release", ""),
    "no request id": _header("X-Request-Id", None),
    "no Vary": _header("Vary", None),
    "a weak entity tag": _header("ETag", 'W/"0123456789abcdef0123456789abcdef"'),
    "another content type": _header("Content-Type", "text/xml"),
    "a stale answer": _header("Warning", '110 - "Response is Stale"'),
    "another list of methods": _header("Allow", "GET"),
    "a table's ARN in an error": _header("X-Debug", "arn:aws:dynamodb:eu-central-1:table/x"),
    "an error that may be cached": _header("Cache-Control", "public, max-age=60, stale-if-error=1"),
    "a body with 304": _only(304, body="{}"),
    "a body with 204": _only(204, body="{}"),
    "200 for everything": lambda response: response.update(statusCode=200),
    "a body that is not JSON": _only(200, body="Hello"),
    "a body with more than the message": _only(200, body='{"message": "Hello", "table": "x"}'),
    "a message that is no text": _only(200, body='{"message": 5}'),
    "an error that is not JSON": _only(405, body="no"),
    "an error of another instance": _only(405, body=json.dumps(PROBLEM | {"instance": "another"})),
    "an error without a detail": _only(405, body=json.dumps(PROBLEM | {"detail": ""})),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found(breach: str, running: Service) -> None:
    """Given a function that breaks the contract in one way, when the contract runs, then it says so."""

    def broken(event: contract.Event) -> dict[str, Any]:
        response = running.send(event)
        BREACHES[breach](response)
        return response

    assert contract.check(broken) != []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("a message of emoji in JSON, in UTF-8 and not escaped", {"S": "another"}),
        ("a message of emoji on the page", {"S": "another"}),
        ("an item with a message that is a number is unusable", {"S": "a good one"}),
    ],
)
def test_a_wrong_message_is_found(name: str, wrong: dict[str, str], running: Service) -> None:
    """Given a table that gives back something else than what was stored, when the case runs, then it fails."""
    [case] = [each for each in contract.cases() if each.name == name]

    [(_, problems)] = contract.run(
        contract.by_event(running.send), [case], lambda item: running.table.put({"message": wrong})
    )

    assert problems != []
