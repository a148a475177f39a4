"""Reads from DynamoDB over one kept-alive connection: bounded in time, tried again once.

No http.client: it would double what a cold start imports.
"""

import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable

import sigv4

ATTEMPT_SECONDS = 1.0  # for a whole attempt; two of them must fit well into the function's timeout
CONNECT_SECONDS = 0.5
IDLE_SECONDS = 60.0  # a connection unused for longer may have died unnoticed

# The C library's resolver would give up after 10 s.
os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")


class Unavailable(Exception):
    """DynamoDB gave no usable answer. The text is for the log only."""


class Client:
    """A DynamoDB endpoint, for one call at a time."""

    def __init__(self, endpoint: str, region: str, credentials: Callable[[], sigv4.Credentials]) -> None:
        scheme, _, rest = endpoint.partition("://")
        self._host, _, path = rest.partition("/")
        self._path = f"/{path}"
        self._region = region
        self._credentials = credentials
        self._tls = tls_context() if scheme == "https" else None
        self._socket: socket.socket | None = None
        self._used = 0.0

    def connect(self) -> None:
        """Connect ahead of the first call, which will report what fails here."""
        try:
            self._connect()
        except OSError:
            self._close()

    def call(self, operation: str, parameters: dict[str, object], *, again: bool = True) -> dict[str, object]:
        """Return DynamoDB's answer, or raise Unavailable after about twice ATTEMPT_SECONDS."""
        # The monotonic clock would stand still in a snapshot.
        if time.time() - self._used > IDLE_SECONDS:
            self._close()
        try:
            return self._attempt(operation, json.dumps(parameters).encode())
        except (OSError, ValueError, KeyError) as error:
            self._close()
            if again:
                return self.call(operation, parameters, again=False)
            raise Unavailable(repr(error)) from error

    def _connect(self) -> socket.socket:
        host, _, port = self._host.partition(":")
        # In bytes, as the codec for names in text takes a while to load.
        address = host.encode(), int(port or (443 if self._tls else 80))
        connection = socket.create_connection(address, CONNECT_SECONDS)  # type: ignore[arg-type]
        self._socket = self._tls.wrap_socket(connection, server_hostname=address[0]) if self._tls else connection
        self._used = time.time()
        return self._socket

    def _close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def _attempt(self, operation: str, body: bytes) -> dict[str, object]:
        deadline = time.monotonic() + ATTEMPT_SECONDS
        connection = self._socket or self._connect()
        headers = {
            "Content-Length": str(len(body)),
            "Content-Type": "application/x-amz-json-1.0",
            "Host": self._host,
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        headers = sigv4.sign(
            "POST",
            self._path,
            headers,
            body,
            credentials=self._credentials(),
            region=self._region,
            service="dynamodb",
            at=time.time(),
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"POST {self._path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        status, content = _receive(connection, deadline)
        answer = json.loads(content)
        self._used = time.time()
        if status >= 500 or not isinstance(answer, dict):
            raise ValueError(f"{status} {answer}")
        if status != 200:
            raise Unavailable(f"{status} {answer.get('__type')}")
        return answer


def _receive(connection: socket.socket, deadline: float) -> tuple[int, bytes]:
    """Status and body of a response, complete by the deadline however slowly it comes."""
    data = b""
    while True:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("closed")
        data += more
        if head := re.match(rb"HTTP/1.. (\d{3}).*?\r\n\r\n", data, re.DOTALL):
            body, fields = data[head.end() :], head[0].lower()
            if b"\r\ntransfer-encoding: chunked" in fields:
                if body.endswith(b"0\r\n\r\n"):
                    return int(head[1]), _joined(body)
            elif len(body) >= int(fields.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]):
                return int(head[1]), body


def _joined(chunks: bytes) -> bytes:
    body = b""
    while size := int(re.split(b"[;\r]", chunks)[0], 16):
        chunks = chunks.partition(b"\n")[2]
        body, chunks = body + chunks[:size], chunks[size + 2 :]
    return body


def tls_context() -> ssl.SSLContext:
    """Trust only Amazon Root CA 1 to 4, which vouch for AWS: the system's whole bundle takes 30 ms to load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with open(ssl.get_default_verify_paths().cafile or os.devnull, encoding="utf-8") as bundle:
        certificates = bundle.read().split("-----BEGIN ")
    # The first line of a certificate has its serial number, and these four start alike.
    if roots := "".join(f"-----BEGIN {each}" for each in certificates if "AgITBmyf" in each[:80]):
        context.load_verify_locations(cadata=roots)
    else:
        context.load_default_certs()
    return context
