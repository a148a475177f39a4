"""AWS Signature Version 4: the headers that prove who sends a request.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import functools
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote


class Credentials(NamedTuple):
    """One set of access keys; a temporary set has a session token."""

    access_key: str
    secret_key: str
    session_token: str | None = None


class Request(NamedTuple):
    """What is signed, as it is on the wire. Not for S3, which encodes paths differently."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def sign(request: Request, credentials: Credentials, region: str, service: str, at: float) -> dict[str, str]:
    """Return the request's headers and those that sign them all, `at` so many seconds since the epoch."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = {**request.headers, "X-Amz-Date": moment}
    if credentials.session_token:
        headers["X-Amz-Security-Token"] = credentials.session_token

    canonical = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    signed_headers = ";".join(name for name, _ in canonical)
    parts = (
        request.method,
        quote(request.path, safe="/~"),
        "&".join(sorted(request.query.split("&"), key=lambda pair: pair.split("="))),
        *(f"{name}:{value}" for name, value in canonical),
        "",
        signed_headers,
        hashlib.sha256(request.body).hexdigest(),
    )
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()

    date = moment[:8]
    scope = f"{date}/{region}/{service}/aws4_request"
    key = _signing_key(credentials.secret_key, date, region, service)
    signature = _hmac(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}").hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={signed_headers}, Signature={signature}"
    )
    return headers


@functools.lru_cache(maxsize=1)  # it changes once a day or with the credentials
def _signing_key(secret_key: str, *scope: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (*scope, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")
