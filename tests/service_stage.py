"""A stage for tests of the function: a table on a real socket, and the code loaded as Lambda would load it."""

from __future__ import annotations

import contextlib
import http.server
import importlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from ops.contract import event
from ops.paths import LAMBDA

MODULES = tuple(path.stem for path in LAMBDA.glob("*.py"))
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_REGION": "eu-central-1",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "CACHE_TTL_SECONDS": "60",
    "ENVIRONMENT": "dev",
    "MESSAGE_KEY": "welcome",
    "TABLE_NAME": "welcome-dev",
}


@contextlib.contextmanager
def loaded(environ: dict[str, str] | None = None, name: str = "handler") -> Iterator[ModuleType]:
    """The function's modules, imported anew: a cold start. `environ` is added to what the Lambda runtime sets."""
    path = [str(LAMBDA), *sys.path]
    with mock.patch.dict(os.environ, {**ENVIRON, **(environ or {})}), mock.patch.object(sys, "path", path):
        for each in MODULES:
            sys.modules.pop(each, None)
        try:
            yield importlib.import_module(name)
        finally:
            for each in MODULES:
                sys.modules.pop(each, None)


@dataclass
class Call:
    """One request that the table received."""

    headers: dict[str, str]
    body: dict[str, Any]
    connection: int


# What happens to a request instead of a proper answer. True: the connection stays open.
Fault = Callable[[socket.socket], bool]


def answer(status: int, content: Any, *, close: bool = False) -> Fault:
    """Answer with this status and JSON; `close` the connection afterwards, without having announced it."""

    def send(connection: socket.socket) -> bool:
        connection.sendall(response(status, json.dumps(content).encode()))
        return not close

    return send


def response(status: int, body: bytes, *, length: int | None = None) -> bytes:
    """A response on the wire; `length` announces another number of bytes than there are."""
    announced = len(body) if length is None else length
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {announced}\r\n\r\n"
    return head.encode() + body


@dataclass
class Table:
    """A server with the shape of DynamoDB that answers GetItem with `item`, unless `faults` has something worse."""

    item: dict[str, Any] | None = field(default_factory=lambda: {"message": {"S": "Hello"}})
    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Table:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A thread in accept() keeps the socket alive until a last connection wakes it up.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self._listener.getsockname())

    def put(self, item: Any) -> None:
        """Store an item's attributes; None removes the item."""
        self.item = item

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed: the test is over
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:  # the client went away
            while line := stream.readline():
                if not line.startswith(b"POST "):
                    return  # not HTTP: a client that expects TLS
                headers = {}
                while (header := stream.readline().decode().rstrip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = json.loads(stream.read(int(headers["content-length"])))
                self.calls.append(Call(headers, body, number))
                fault = self.faults.pop(0) if self.faults else self._item
                if not fault(connection):
                    return

    def _item(self, connection: socket.socket) -> bool:
        if self.item is None:
            return answer(200, {})(connection)
        # As asked for by the projection: the message alone, if there is one.
        return answer(200, {"Item": {name: self.item[name] for name in self.item if name == "message"}})(connection)


@dataclass(frozen=True)
class Service:
    """The loaded function in front of a table."""

    handler: ModuleType
    table: Table

    def send(self, request: Any = None, context: Any = None) -> dict[str, Any]:
        """The function's response to an event; to a plain GET without one."""
        invocation = SimpleNamespace(aws_request_id="lambda-request") if context is None else context
        result: dict[str, Any] = self.handler.handler({} if request is None else request, invocation)
        return result


@contextlib.contextmanager
def service(**environ: str) -> Iterator[Service]:
    """The function in front of a table of its own."""
    with Table() as table, loaded({"AWS_ENDPOINT_URL": table.url, **environ}) as handler:
        yield Service(handler, table)


class _Gateway(http.server.BaseHTTPRequestHandler):
    running: ClassVar[Service]
    lock: ClassVar[threading.Lock]

    def _any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        joined = {name: ",".join(self.headers.get_all(name, ())) for name in self.headers}
        with self.lock:  # Lambda gives a process one request at a time
            response = self.running.send(event(self.command, path, query, joined))
        body = response["body"].encode()
        self.send_response(response["statusCode"])
        for name, value in response["headers"].items():
            self.send_header(name, value)
        if response["statusCode"] not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        """Any method: the base class looks for one called do_ and its name."""
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Nothing: a test's output is for the test."""


@contextlib.contextmanager
def gateway(running: Service) -> Iterator[str]:
    """The function behind an HTTP server: the URL that people and programs open."""
    handler = type("Gateway", (_Gateway,), {"running": running, "lock": threading.Lock()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/welcome"
        server.shutdown()
