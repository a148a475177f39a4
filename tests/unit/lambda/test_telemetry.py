"""The log: one line of JSON a request, which CloudWatch also reads as metrics."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.service_stage import Service, answer

SCHEMA = json.loads(Path(__file__).with_name("emf_schema.json").read_text(encoding="utf-8"))
COUNTS = ("Requests", "Errors", "CacheHits", "ColdStarts")
THROTTLED = answer(400, {"__type": "ThrottlingException", "message": "table welcome-dev"})


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged since last asked, one entry a line."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def request(method: str = "GET", path: str = "/welcome", **headers: str) -> dict[str, Any]:
    return {
        "rawPath": path,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"requestId": "JKJaXmPLvHcESHA=", "stage": "dev", "http": {"method": method}},
    }


def test_each_request_is_one_line(running: Service, capsys: pytest.CaptureFixture[str]) -> None:
    before = time.time() * 1000
    running.send(request())

    [line] = lines(capsys)
    expected = {
        "level": "INFO",
        "method": "GET",
        "path": "/welcome",
        "status": 200,
        "cold_start": True,
        "release": "7",
        "request_id": "JKJaXmPLvHcESHA=",
        "error": None,
        "Environment": "dev",
    }
    assert {name: line[name] for name in expected} == expected
    assert 0 < line["StoreLatency"] <= line["duration"] < 10
    assert before - 1 <= line["_aws"]["Timestamp"] <= time.time() * 1000
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Welcome"
    assert directive["Dimensions"] == [["Environment"]]
    assert {each["Name"]: each["Unit"] for each in directive["Metrics"]} == {
        **dict.fromkeys(COUNTS, "Count"),
        "StoreLatency": "Seconds",
    }


@pytest.mark.parametrize(
    ("event", "fault", "counts", "level"),
    [
        pytest.param(request(), None, (1, 0, 1, 0), "INFO", id="from memory"),
        pytest.param(request(cache_control="no-cache"), None, (1, 0, 0, 0), "INFO", id="read through"),
        pytest.param(request("POST"), None, (1, 0, 0, 0), "INFO", id="not allowed"),
        pytest.param(request(accept="image/png"), None, (1, 0, 0, 0), "INFO", id="not acceptable"),
        pytest.param(request(cache_control="no-cache"), THROTTLED, (1, 0, 0, 0), "WARNING", id="stale"),
    ],
)
def test_metrics_count_what_happened(
    event: dict[str, Any],
    fault: Any,
    counts: tuple[int, ...],
    level: str,
    *,
    running: Service,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Given a warm function that holds the message, when a request comes, then its line tells what it was."""
    running.send()
    lines(capsys)
    running.table.faults = [fault] if fault else []

    running.send(event)

    [line] = lines(capsys)
    assert tuple(line[name] for name in COUNTS) == counts
    assert line["level"] == level
    assert ("StoreLatency" in line) == (event["headers"].get("cache-control") == "no-cache")
    jsonschema.validate(line, SCHEMA)


def test_a_failed_read_is_an_error_with_its_reason(running: Service, capsys: pytest.CaptureFixture[str]) -> None:
    running.table.faults = [THROTTLED]
    running.send()

    [line] = lines(capsys)
    assert line["level"] == "ERROR"
    assert line["status"] == 503
    assert line["error"] == "400 ThrottlingException"
    assert line["Errors"] == 1
    assert line["StoreLatency"] > 0


def test_only_the_first_request_is_a_cold_start(running: Service, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        running.send()

    assert [(line["cold_start"], line["ColdStarts"]) for line in lines(capsys)] == [(True, 1), (False, 0), (False, 0)]


def test_a_bug_is_a_500_for_the_client_and_a_traceback_in_the_log(
    running: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(**_: object) -> None:
        raise RuntimeError("secret of table welcome-dev")

    monkeypatch.setattr(running.handler.store, "read", bug)

    response = running.send(request())

    assert response["statusCode"] == 500
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(response["body"])["detail"] == "The service failed."
    [line] = lines(capsys)
    assert line["level"] == "ERROR"
    assert line["Errors"] == 1
    assert "RuntimeError: secret of table welcome-dev" in line["error"]


@pytest.mark.parametrize("path", ["/" + "x" * 9000, '/"\n{"level": "ERROR"}', "/\ud800"])
def test_a_path_can_neither_flood_nor_forge_the_log(
    path: str, running: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    running.send(request(path=path))

    [line] = lines(capsys)
    assert line["path"] == path[:256]


@pytest.mark.parametrize(
    "event", [request(), request("HEAD"), request("BREW"), {}], ids=["GET", "HEAD", "BREW", "nothing"]
)
def test_each_line_is_valid_by_the_published_schema(
    event: dict[str, Any], running: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """And, which the schema cannot say, each metric and each dimension is a member of the line."""
    running.send(event)

    [line] = lines(capsys)
    jsonschema.validate(line, SCHEMA)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    for metric in directive["Metrics"]:
        assert isinstance(line[metric["Name"]], (int, float))
    for dimension in directive["Dimensions"][0]:
        assert isinstance(line[dimension], str)
