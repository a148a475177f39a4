"""How the message is read and kept: what DynamoDB is asked, and what time does."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.service_stage import Service, answer, service

READ_THROUGH = {"headers": {"cache-control": "no-cache"}}
THROTTLED = answer(400, {"__type": "ThrottlingException"})


class Clocks:
    """Both clocks of the process, advanced by hand. They start low: a wrong operation then gives another result."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._monotonic, self._wall = 7.0, 11.0
        patch.setattr(time, "monotonic", lambda: self._monotonic)
        patch.setattr(time, "time", lambda: self._wall)

    def pass_by(self, seconds: float, *, monotonic: bool = True, wall: bool = True) -> None:
        self._monotonic += seconds * monotonic
        self._wall += seconds * wall


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def message(response: dict[str, Any]) -> str:
    text: str = json.loads(response["body"])["message"]
    return text


def test_dynamodb_is_asked_for_the_message_alone(running: Service) -> None:
    """Eventually consistent: half the price, and a message may be a moment old."""
    running.send()

    [call] = running.table.calls
    assert call.body == {
        "TableName": "welcome-dev",
        "Key": {"id": {"S": "welcome"}},
        "ProjectionExpression": "message",
        "ConsistentRead": False,
    }
    assert call.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert call.headers["content-type"] == "application/x-amz-json-1.0"
    assert "/eu-central-1/dynamodb/aws4_request" in call.headers["authorization"]
    assert call.headers["x-amz-security-token"] == "token"


def test_a_message_is_kept_for_its_time_and_then_read_anew(running: Service, clocks: Clocks) -> None:
    running.send()
    running.table.put({"message": {"S": "new"}})

    clocks.pass_by(59.9)
    assert message(running.send()) == "Hello"
    clocks.pass_by(0.1)
    assert message(running.send()) == "new"
    assert len(running.table.calls) == 2


def test_the_time_starts_anew_with_each_read(running: Service, clocks: Clocks) -> None:
    running.send()
    clocks.pass_by(60)
    running.send()
    clocks.pass_by(59)
    running.send()

    assert len(running.table.calls) == 2


def test_a_restored_snapshot_does_not_take_an_old_message_for_a_new_one(running: Service, clocks: Clocks) -> None:
    """Given that the monotonic clock stood still, when a request comes, then the wall clock decides."""
    running.send()
    running.table.put({"message": {"S": "new"}})

    clocks.pass_by(3600, monotonic=False)

    assert message(running.send()) == "new"


def test_a_wall_clock_set_back_does_not_keep_a_message_for_ever(running: Service, clocks: Clocks) -> None:
    running.send()
    running.table.put({"message": {"S": "new"}})

    clocks.pass_by(-86_400, monotonic=False)
    clocks.pass_by(60, wall=False)

    assert message(running.send()) == "new"


def test_no_cache_reads_through_and_consistently(running: Service) -> None:
    """Whoever has just written a message wants to see it."""
    running.send()
    running.table.put({"message": {"S": "new"}})

    assert message(running.send(READ_THROUGH)) == "new"
    assert message(running.send()) == "new"
    assert [call.body["ConsistentRead"] for call in running.table.calls] == [False, True]


def test_the_log_has_the_time_that_a_request_took(
    running: Service, clocks: Clocks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = running.handler.client.call

    def slowly(*arguments: Any) -> Any:
        clocks.pass_by(20)
        return fetch(*arguments)

    monkeypatch.setattr(running.handler.client, "call", slowly)

    running.send()

    line = json.loads(capsys.readouterr().out)
    assert line["duration"] == line["StoreLatency"] == 20
    assert line["_aws"]["Timestamp"] == 31_000


def test_zero_seconds_switch_the_cache_off() -> None:
    with service(CACHE_TTL_SECONDS="0") as running:
        first, _ = running.send(), running.send()

        assert len(running.table.calls) == 2
        assert first["headers"]["Cache-Control"] == "no-cache"


def test_others_may_keep_an_answer_as_long_as_the_function_does(running: Service) -> None:
    assert running.send()["headers"]["Cache-Control"] == "public, max-age=60, stale-if-error=86400"


def test_a_stale_message_tells_its_age(running: Service, clocks: Clocks) -> None:
    running.send()
    clocks.pass_by(90)
    running.table.faults = [THROTTLED]

    assert running.send()["headers"]["Age"] == "90"


def test_a_stale_message_can_be_revalidated(running: Service, clocks: Clocks) -> None:
    etag = running.send()["headers"]["ETag"]
    clocks.pass_by(90)
    running.table.faults = [THROTTLED]

    response = running.send({"headers": {"if-none-match": etag}})

    assert response["statusCode"] == 304
    assert response["headers"]["Age"] == "90"


def test_a_message_older_than_a_day_is_not_served_any_more(running: Service, clocks: Clocks) -> None:
    running.send()
    running.table.faults = [THROTTLED] * 3

    clocks.pass_by(86_399)
    assert running.send()["statusCode"] == 200
    for _ in range(2):
        clocks.pass_by(1)
        assert running.send()["statusCode"] == 503


def test_a_removed_message_is_not_served_from_memory(running: Service) -> None:
    """Not even when DynamoDB fails later: there is no good message any more."""
    running.send()
    running.table.put(None)

    assert running.send(READ_THROUGH)["statusCode"] == 404
    running.table.faults = [THROTTLED]
    assert running.send()["statusCode"] == 503


def test_that_there_is_no_message_is_not_remembered(running: Service) -> None:
    running.table.put(None)
    assert running.send()["statusCode"] == 404

    running.table.put({"message": {"S": "first"}})
    assert message(running.send()) == "first"
