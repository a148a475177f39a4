"""A proxy in front of the emulator: it counts calls, can act on each, and enforces what the emulator does not."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_PUBLISH = re.compile(r"^POST /2015-03-31/functions/([^/]+)/versions$")
_UPLOAD = re.compile(r"^PUT /2015-03-31/functions/([^/]+)/code$")
Answer = tuple[int, list[tuple[str, str]], bytes]


class Gate:
    """`answered(number, call)` runs after the emulator has done each call, before the caller hears of it."""

    def __init__(
        self, upstream: str, client: Any, answered: Callable[[int, str], None] = lambda number, call: None
    ) -> None:
        self.upstream, self.client, self.answered = urlsplit(upstream).netloc, client, answered
        self.calls: list[str] = []
        self._count = threading.Lock()
        self._code = threading.Lock()  # to check a condition and to act on it is one step, as it is in AWS

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        call = f"{method} {path.partition('?')[0]}"
        publish = _PUBLISH.match(call)
        with self._code if publish or _UPLOAD.match(call) else contextlib.nullcontext():
            answer = (publish and self._refuse(publish[1], json.loads(body))) or self._forward(
                method, path, headers, body
            )
        with self._count:
            self.calls.append(call)
            number = len(self.calls)
        self.answered(number, call)
        return answer

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            connection.request(method, path, body, headers)  # with the caller's Host, which its signature covers
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _refuse(self, name: str, wanted: dict[str, Any]) -> Answer | None:
        """What AWS answers to PublishVersion if `CodeSha256` or `RevisionId` is not that of `$LATEST`."""
        latest = self.client.get_function_configuration(FunctionName=name)
        if wanted.get("CodeSha256", latest["CodeSha256"]) != latest["CodeSha256"]:
            return _error(400, "InvalidParameterValueException", "CodeSHA256 is different from current CodeSHA256")
        if wanted.get("RevisionId", latest["RevisionId"]) != latest["RevisionId"]:
            return _error(412, "PreconditionFailedException", "The RevisionId provided does not match the latest")
        return None


def _error(status: int, kind: str, message: str) -> Answer:
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", kind)]
    return status, headers, json.dumps({"Type": "User", "message": message}).encode()


@contextlib.contextmanager
def standing(gate: Gate) -> Iterator[str]:
    """The endpoint that leads through `gate`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: two wait for each other, 40 ms a time (Nagle and delayed ACK)
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with contextlib.suppress(ConnectionResetError):  # the caller was killed between two calls
                super().handle()

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = gate.handle(self.command, self.path, dict(self.headers), body)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the caller was killed
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass

        def log_message(self, format: str, *arguments: Any) -> None:
            """A test's output is what the test says."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
