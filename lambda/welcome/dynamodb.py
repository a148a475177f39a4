"""Reads from DynamoDB over one kept-alive connection: bounded in time, tried again once."""

import contextlib
import io
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable
from http.client import OK, HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import sigv4

ATTEMPT_SECONDS = 1.0  # for a whole attempt; two of them must fit well into the function's timeout
CONNECT_SECONDS = 0.5
IDLE_SECONDS = 60.0  # a connection unused for longer may have died unnoticed
TRANSIENT = (OSError, HTTPException, ValueError, KeyError)

# The C library's resolver would give up after 10 s.
os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")


class Unavailable(Exception):
    """DynamoDB gave no usable answer. The text is for the log only."""


class Client:
    """A DynamoDB endpoint, for one call at a time."""

    def __init__(self, endpoint: str, region: str, credentials: Callable[[], sigv4.Credentials]) -> None:
        url = urlsplit(endpoint)
        self._host = url.netloc
        self._path = url.path or "/"
        self._region = region
        self._credentials = credentials
        self._used = time.time()
        self._connection = (
            HTTPSConnection(url.netloc, timeout=CONNECT_SECONDS, context=tls_context())
            if url.scheme == "https"
            else HTTPConnection(url.netloc, timeout=CONNECT_SECONDS)
        )

    def connect(self) -> None:
        """Connect ahead of the first call, which will report what fails here."""
        with contextlib.suppress(OSError):
            self._connection.connect()

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return DynamoDB's answer, or raise Unavailable after about twice ATTEMPT_SECONDS."""
        # The monotonic clock would stand still in a snapshot.
        if time.time() - self._used > IDLE_SECONDS:
            self._connection.close()
        body = json.dumps(parameters).encode()
        try:
            return self._attempt(operation, body)
        except TRANSIENT:
            self._connection.close()
        try:
            return self._attempt(operation, body)
        except TRANSIENT as error:
            self._connection.close()
            raise Unavailable(repr(error)) from error

    def _attempt(self, operation: str, body: bytes) -> dict[str, Any]:
        deadline = time.monotonic() + ATTEMPT_SECONDS
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "Host": self._host,
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        request = sigv4.Request("POST", self._path, "", headers, body)
        headers = sigv4.sign(request, self._credentials(), self._region, "dynamodb", time.time())
        self._connection.response_class = lambda sock, **options: HTTPResponse(  # type: ignore[assignment]
            _Until(deadline, sock),  # type: ignore[arg-type]
            **options,
        )
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        self._used = time.time()
        if response.status >= 500 or not isinstance(answer, dict):
            raise HTTPException(f"{response.status} {answer}")
        if response.status != OK:
            raise Unavailable(f"{response.status} {answer.get('__type')}")
        return answer


class _Until(io.RawIOBase):
    """Reads a socket until a fixed moment. A socket's own timeout starts anew with every byte."""

    def __init__(self, deadline: float, sock: socket.socket) -> None:
        self._deadline = deadline
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """For http.client, which takes this for a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def tls_context() -> ssl.SSLContext:
    """Trust only Amazon Root CA 1 to 4, which vouch for AWS: the system's whole bundle takes 30 ms to load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with open(ssl.get_default_verify_paths().cafile or os.devnull, encoding="utf-8") as bundle:
        certificates = re.findall("-----BEGIN.+?-----END CERTIFICATE-----", bundle.read(), re.DOTALL)
    # The first line of a certificate has its serial number, and these four start alike.
    if roots := "\n".join(each for each in certificates if "AgITBmyf" in each[:80]):
        context.load_verify_locations(cadata=roots)
    else:
        context.load_default_certs()
    return context
