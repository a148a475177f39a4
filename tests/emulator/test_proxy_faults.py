"""Fault drills with microburst, a proxy that fails as AWS does, between the function and the emulator's DynamoDB."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ops.environments import Environment
from tests.conftest import Emulators, free_port
from tests.service_stage import Service, Table, loaded

PATIENCE = 20.0  # seconds for the proxy to start
# Each rule fails this often; two attempts are made for what may pass.
RULES: dict[str, dict[str, Any]] = {
    "throttled": {"times": 1, "error": {"code": "ProvisionedThroughputExceededException"}},
    "the account's limit": {"times": 1, "error": {"code": "RequestLimitExceeded", "status": 400}},
    "internal error": {"times": 2, "error": {"code": "InternalServerError"}},
    "expired credentials": {"times": 1, "error": {"code": "ExpiredTokenException", "status": 400}},
    "too slow": {"times": 2, "latency": 3000},
    "a timeout of the proxy": {"times": 2, "timeout_ms": 3000},
    "reset": {"times": 2, "reset": True},
    "truncated": {"times": 2, "response": {"truncate_frac": 0.5}},
    "cut off in the middle": {"times": 2, "response": {"abort_frac": 0.3}},
}
PASSING = [name for name, rule in RULES.items() if rule["times"] == 2]
READ_THROUGH = {"headers": {"cache-control": "no-cache"}}


@pytest.fixture(scope="module")
def proxy(emulators: Emulators) -> Iterator[str]:
    """The address of microburst in front of the emulator of dev, which has a table with a message."""
    env = emulators.dev
    table = env.client("dynamodb")
    table.create_table(
        TableName="welcome-dev",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put_item(TableName="welcome-dev", Item={"id": {"S": "welcome"}, "message": {"S": "Hello"}})
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "microburst", "--port", url.rsplit(":", 1)[1], "--upstream", str(env.endpoint)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(url)
        # The first fault takes the proxy seconds, in which it loads botocore's model of DynamoDB.
        fail(url, "throttled")
        with loaded(_environ(url, env)) as handler:
            handler.handler({}, None)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _environ(proxy: str, env: Environment) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": env.account_id,
        "AWS_ENDPOINT_URL": proxy,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "",
    }


def _wait(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/_microburst/health").is_success:
                return
        time.sleep(0.1)
    pytest.fail(f"microburst did not start on {url}")


@pytest.fixture
def running(proxy: str, emulators: Emulators) -> Iterator[Service]:
    """The function with the credentials of the emulator's root, after a cold start without faults."""
    httpx.post(f"{proxy}/_microburst/rules", json=[], timeout=PATIENCE).raise_for_status()
    httpx.delete(f"{proxy}/_microburst/fired", timeout=PATIENCE).raise_for_status()
    with loaded(_environ(proxy, emulators.dev)) as handler:
        yield Service(handler, Table())


def fail(proxy: str, name: str) -> None:
    rule = {"service": "dynamodb", "operation": "GetItem", **RULES[name]}
    httpx.post(f"{proxy}/_microburst/rules", json=[rule], timeout=PATIENCE).raise_for_status()


def fired(proxy: str) -> int:
    """How many requests the proxy has failed."""
    return len(httpx.get(f"{proxy}/_microburst/fired", timeout=PATIENCE).json())


@pytest.mark.parametrize("name", RULES)
def test_a_fault_is_a_503_within_the_timeouts_and_over_with_the_next_request(
    name: str, running: Service, proxy: str
) -> None:
    fail(proxy, name)

    start = time.monotonic()
    failed = running.send()
    duration = time.monotonic() - start

    assert failed["statusCode"] == 503
    assert duration < 2 * running.handler.dynamodb.ATTEMPT_SECONDS + 1
    assert fired(proxy) == RULES[name]["times"]
    assert json.loads(running.send()["body"]) == {"message": "Hello"}


@pytest.mark.parametrize("name", RULES)
def test_the_last_good_message_outlives_a_fault(name: str, running: Service, proxy: str) -> None:
    running.send()
    fail(proxy, name)

    stale = running.send(READ_THROUGH)

    assert stale["statusCode"] == 200
    assert json.loads(stale["body"]) == {"message": "Hello"}
    assert stale["headers"]["Warning"] == '110 - "Response is Stale"'
    assert "Warning" not in running.send(READ_THROUGH)["headers"]


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_again(name: str, running: Service, proxy: str) -> None:
    """Given a fault that happens once, when the message is read, then the client does not notice."""
    rule = {"service": "dynamodb", "operation": "GetItem", **RULES[name], "times": 1}
    httpx.post(f"{proxy}/_microburst/rules", json=[rule], timeout=PATIENCE).raise_for_status()

    assert json.loads(running.send()["body"]) == {"message": "Hello"}
    assert fired(proxy) == 1
