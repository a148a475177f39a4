"""DynamoDB calls over one kept-alive connection, bounded in time, tried again once. For calls that only read."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import roots
import sigv4

ATTEMPT_SECONDS = 1.0  # one attempt as a whole; two of them must fit well into the function's timeout
CONNECT_SECONDS = 0.5
MAX_ANSWER_BYTES = 4_000_000  # an item has at most 400 kB, and JSON escapes can make six bytes of one


class Unavailable(Exception):
    """DynamoDB gave no usable answer. The text names a cause for the log and must not reach a client."""


class _Temporary(Unavailable):
    """The same call may succeed on another connection."""


class Client:
    """A DynamoDB endpoint. One call at a time, which is how Lambda uses a process."""

    def __init__(self, endpoint: str, region: str, credentials: Callable[[], sigv4.Credentials]) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        self._path = parts.path or "/"
        self._host = parts.netloc
        self._region = region
        self._credentials = credentials
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(parts.netloc, timeout=CONNECT_SECONDS, context=_tls())
        else:
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=CONNECT_SECONDS)

    def connect(self) -> None:
        """Open the connection ahead of the first call. A failure is left for that call to find and report."""
        with contextlib.suppress(OSError):
            self._connection.connect()

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return DynamoDB's answer. Raises Unavailable, after at most twice ATTEMPT_SECONDS."""
        body = json.dumps(parameters).encode()
        try:
            return self._attempt(operation, body)
        except _Temporary:
            # Most likely a connection that died while the process was frozen: the next one is new.
            return self._attempt(operation, body)

    def _attempt(self, operation: str, body: bytes) -> dict[str, Any]:
        deadline = time.monotonic() + ATTEMPT_SECONDS
        try:
            status, data = self._exchange(self._signed(operation, body), body, deadline)
            answer = json.loads(data)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise _Temporary(type(error).__name__) from error
        if status == http.client.OK and isinstance(answer, dict):
            return answer
        self._connection.close()
        reason = f"{status} {answer.get('__type', '') if isinstance(answer, dict) else ''}"
        raise (_Temporary if status >= http.client.INTERNAL_SERVER_ERROR else Unavailable)(reason)

    def _signed(self, operation: str, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "Host": self._host,
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        request = sigv4.Request("POST", self._path, headers, body)
        return sigv4.sign(request, self._credentials(), self._region, "dynamodb", time.time())

    def _exchange(self, headers: dict[str, str], body: bytes, deadline: float) -> tuple[int, bytes]:
        self._connection.response_class = lambda sock, **options: http.client.HTTPResponse(  # type: ignore[assignment]
            _Until(sock, deadline),  # type: ignore[arg-type]
            **options,
        )
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read(MAX_ANSWER_BYTES)


class _Until(io.RawIOBase):
    """Reads a socket until a fixed moment. A socket's own timeout starts anew with every byte that arrives."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _tls() -> ssl.SSLContext:
    """A context that trusts the certificate authorities of AWS and no others.

    Loading five certificates instead of the system's bundle saves about 30 ms of every cold start.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=base64.b64decode(roots.DER))
    return context
