"""Fault drills: what a client sees while DynamoDB fails in every way there is, and that the next request works."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from tests.service_stage import Fault, Service, Table, answer, loaded, response, service

ATTEMPT = 0.3  # seconds: where a drill waits for the timeout, it is shortened
WAITING = ("silence", "slow headers", "slow body", "not HTTP")
BOUND = 2.0  # two attempts, and what a busy machine adds; no fault may hold a request for longer
ITEM = json.dumps({"Item": {"message": {"S": "Hello"}}}).encode()
HTML = "<html><body>502 Bad Gateway</body></html>"


def error(status: int, name: str) -> Fault:
    return answer(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{name}", "message": "table welcome-dev"})


def silence(connection: socket.socket) -> bool:
    """Accept the request and never answer; the client hangs up."""
    connection.recv(1)
    return False


def drip(connection: socket.socket, data: bytes) -> bool:
    """One byte at a time, each well within a socket's timeout."""
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(ATTEMPT / 10)
    return True


def slow_headers(connection: socket.socket) -> bool:
    return drip(connection, response(200, ITEM))


def slow_body(connection: socket.socket) -> bool:
    connection.sendall(response(200, b"", length=len(ITEM)))
    return drip(connection, ITEM)


def reset_in_the_middle(connection: socket.socket) -> bool:
    connection.sendall(response(200, ITEM)[:-10])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends a reset
    return False


def hangs_up_in_the_middle(connection: socket.socket) -> bool:
    connection.sendall(response(200, ITEM)[:-10])
    return False


def hangs_up_at_once(connection: socket.socket) -> bool:
    return False


def raw(data: bytes) -> Fault:
    def send(connection: socket.socket) -> bool:
        connection.sendall(data)
        return True

    return send


# The fault, and how many requests DynamoDB sees of it: what may pass is tried again once, on a fresh connection.
FAULTS: dict[str, tuple[Fault, int]] = {
    "throttled": (error(400, "ProvisionedThroughputExceededException"), 1),
    "throttled by the account's limit": (error(400, "RequestLimitExceeded"), 1),
    "credentials expired": (error(400, "ExpiredTokenException"), 1),
    "access denied": (error(400, "AccessDeniedException"), 1),
    "an unknown client error": (error(499, "Unknown"), 1),
    "a status that is no success": (answer(199, {}), 1),
    "no such table": (error(400, "ResourceNotFoundException"), 1),
    "internal error": (error(500, "InternalServerError"), 2),
    "unavailable": (error(503, "ServiceUnavailable"), 2),
    "silence": (silence, 2),
    "slow headers": (slow_headers, 2),
    "slow body": (slow_body, 2),
    "reset in the middle": (reset_in_the_middle, 2),
    "hangs up in the middle": (hangs_up_in_the_middle, 2),
    "hangs up at once": (hangs_up_at_once, 2),
    "truncated JSON": (raw(response(200, ITEM[:-5])), 2),
    "a page of HTML with 200": (raw(response(200, HTML.encode())), 2),
    "a page of HTML with 502": (raw(response(502, HTML.encode())), 2),
    "bytes that are no text": (raw(response(200, b"\xff\xfe{}")), 2),
    "chunks without a size": (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n0\r\n\r\n"), 2),
    "no length": (raw(b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n{}"), 2),
    "not HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), 2),
    "a list instead of an object": (answer(200, [1, 2]), 2),
    "a number instead of an object": (answer(200, 5), 2),
    "an item that is a list": (answer(200, {"Item": [1]}), 1),
    "a message that is a list": (answer(200, {"Item": {"message": [1]}}), 1),
    "a message that is a number": (answer(200, {"Item": {"message": {"N": "5"}}}), 1),
    "a message of half a character": (raw(response(200, b'{"Item": {"message": {"S": "\\ud83d"}}}')), 1),
}


CHUNKS = (b"1\r\n{\r\n", b"%X;note=x\r\n" % (len(ITEM) - 2), ITEM[1:-1], b"\r\n1\r\n", b"}\r\n0", b"\r\n\r\n")


def chunked(connection: socket.socket) -> bool:
    """A good answer in chunks, as a proxy may send it, and in pieces that end elsewhere."""
    for piece in (b"HTTP/1.1 200 OK\r\nTransfer-En", b"coding: chunked\r\n\r", b"\n", *CHUNKS):
        connection.sendall(piece)
        time.sleep(0.005)
    return True


@pytest.fixture
def short(name: str) -> Iterator[Service]:
    """The function, with a shorter timeout if the fault called `name` is one that waits for it."""
    with service() as started:
        if name in WAITING:
            started.handler.dynamodb.ATTEMPT_SECONDS = ATTEMPT
        yield started


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_a_503_within_the_timeouts_and_over_with_the_next_request(name: str, short: Service) -> None:
    fault, attempts = FAULTS[name]
    short.table.faults = [fault] * attempts

    start = time.monotonic()
    failed = short.send()
    duration = time.monotonic() - start

    assert failed["statusCode"] == 503
    assert int(failed["headers"]["Retry-After"]) > 0
    assert json.loads(failed["body"])["detail"] == "The message cannot be read now."
    assert duration < BOUND
    assert short.table.faults == []
    assert short.send()["statusCode"] == 200
    assert len(short.table.calls) == attempts + 1


@pytest.mark.parametrize("name", FAULTS)
def test_the_last_good_message_outlives_a_fault(name: str, short: Service) -> None:
    """Given a message read earlier, when it cannot be read again, then it is served, marked as stale."""
    fault, attempts = FAULTS[name]
    first = short.send()
    short.table.faults = [fault] * attempts

    stale = short.send({"headers": {"cache-control": "no-cache"}})

    assert stale["statusCode"] == 200
    assert stale["body"] == first["body"]
    assert stale["headers"]["ETag"] == first["headers"]["ETag"]
    assert 0 <= int(stale["headers"]["Age"]) <= BOUND
    assert stale["headers"]["Warning"] == '110 - "Response is Stale"'
    fresh = short.send({"headers": {"cache-control": "no-cache"}})
    assert "Warning" not in fresh["headers"]
    assert "Age" not in fresh["headers"]


@pytest.mark.parametrize("name", [name for name, (_, attempts) in FAULTS.items() if attempts == 2])
def test_what_may_pass_is_tried_again_on_a_fresh_connection(name: str, short: Service) -> None:
    short.send()
    connections = short.table.connections
    short.table.faults = [FAULTS[name][0]]

    answered = short.send({"headers": {"cache-control": "no-cache"}})

    assert answered["statusCode"] == 200
    assert "Warning" not in answered["headers"]
    assert short.table.connections == connections + 1


def test_a_connection_is_kept(running: Service) -> None:
    for _ in range(5):
        running.send({"headers": {"cache-control": "no-cache"}})

    assert running.table.connections == 1
    assert len(running.table.calls) == 5


def test_an_answer_in_chunks_is_read(running: Service) -> None:
    running.table.faults = [chunked, chunked]

    for _ in range(2):
        response = running.send({"headers": {"cache-control": "no-cache"}})

        assert json.loads(response["body"]) == {"message": "Hello"}
        assert "Warning" not in response["headers"]
    assert running.table.connections == 1
    assert len(running.table.calls) == 2


def test_an_answer_in_small_pieces_is_read(running: Service) -> None:
    def pieces(connection: socket.socket) -> bool:
        for byte in response(200, ITEM):
            connection.sendall(bytes([byte]))
        return True

    running.table.faults = [pieces]

    assert json.loads(running.send()["body"]) == {"message": "Hello"}


def test_bytes_after_the_end_of_an_answer_are_ignored(running: Service) -> None:
    running.table.faults = [raw(response(200, ITEM + b"\r\n", length=len(ITEM)))]

    assert json.loads(running.send()["body"]) == {"message": "Hello"}
    assert len(running.table.calls) == 1


def test_a_kept_connection_that_was_closed_meanwhile_goes_unnoticed(running: Service) -> None:
    """As after a freeze: DynamoDB closed the connection while nobody looked."""
    running.table.faults = [answer(200, json.loads(ITEM), close=True)]
    running.send()
    time.sleep(0.05)  # the end of the connection arrives

    assert running.send({"headers": {"cache-control": "no-cache"}})["statusCode"] == 200
    assert running.table.connections == 2


@pytest.mark.parametrize(("idle", "connections"), [(59.9, 1), (60.1, 2)])
def test_a_connection_idle_for_a_minute_is_not_used_again(
    idle: float, connections: int, running: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restored snapshot: the monotonic clock stood still, and the connection is dead without a sign."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    running.send()
    now += idle

    running.send({"headers": {"cache-control": "no-cache"}})

    assert running.table.connections == connections


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param("http://dynamodb.invalid", id="no such name"),
        pytest.param("http://127.0.0.1:1", id="connection refused"),
        pytest.param("https://127.0.0.1:1", id="connection refused, with TLS"),
    ],
)
def test_an_endpoint_that_is_not_there_is_a_503(endpoint: str) -> None:
    """The name does not resolve, or nothing listens: neither the cold start nor a request may raise."""
    with loaded({"AWS_ENDPOINT_URL": endpoint}) as handler:
        assert handler.handler({}, None)["statusCode"] == 503
        assert handler.handler({}, None)["statusCode"] == 503


def test_an_endpoint_that_accepts_no_connection_is_a_503_within_the_timeouts() -> None:
    """Given a listener whose backlog is full, when the function connects, then it gives up."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        start = time.monotonic()
        with loaded({"AWS_ENDPOINT_URL": "http://{}:{}".format(*listener.getsockname())}) as handler:
            status = handler.handler({}, None)["statusCode"]
            bound = 3 * handler.dynamodb.CONNECT_SECONDS + BOUND  # ahead of time, and twice for the request
        for each in waiting:
            each.close()

        assert status == 503
        assert time.monotonic() - start < bound


def test_a_server_that_speaks_no_tls_is_a_503(running: Service) -> None:
    with Table() as table, loaded({"AWS_ENDPOINT_URL": table.url.replace("http", "https")}) as handler:
        assert handler.handler({}, None)["statusCode"] == 503


def test_missing_credentials_are_a_503(running: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """And they are read for each call: once they are there, the next request works."""
    secret = "secret"
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert running.send()["statusCode"] == 503

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    assert running.send()["statusCode"] == 200


def test_renewed_credentials_are_used_at_once(running: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    running.table.faults = [FAULTS["credentials expired"][0]]
    assert running.send()["statusCode"] == 503

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDRENEWED")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "renewed")
    assert running.send()["statusCode"] == 200
    last = running.table.calls[-1].headers
    assert "Credential=AKIDRENEWED/" in last["authorization"]
    assert last["x-amz-security-token"] == "renewed"


def test_the_resolver_gives_up_in_time(running: Service) -> None:
    """The C library reads this variable before its first look-up; its own default is to try for 10 s."""
    assert re.search(r"timeout:1\b.*attempts:1\b", os.environ["RES_OPTIONS"])


def test_two_attempts_fit_into_the_shortest_timeout_of_the_function(running: Service) -> None:
    """3 s is the least that modules/welcome accepts. A name that does not resolve takes a second of its own."""
    client = running.handler.dynamodb

    assert 2 * client.ATTEMPT_SECONDS + client.CONNECT_SECONDS < 3
