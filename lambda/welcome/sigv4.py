"""AWS Signature Version 4: the headers that prove who sends a request.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple


class Credentials(NamedTuple):
    """One set of access keys; `session_token` comes with every temporary set."""

    access_key: str
    secret_key: str
    session_token: str | None = None


class Request(NamedTuple):
    """What is signed. `path` and `query` are as on the wire; S3, which encodes a path once only, is not supported."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""


def sign(request: Request, credentials: Credentials, region: str, service: str, at: float) -> dict[str, str]:
    """Return the request's headers plus those that sign all of them; `at` is in seconds since the epoch."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = {**request.headers, "X-Amz-Date": moment}
    if credentials.session_token:
        headers["X-Amz-Security-Token"] = credentials.session_token

    canonical_headers = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = sorted(canonical_headers)
    signed_headers = ";".join(names)
    canonical_request = "\n".join(
        (
            request.method,
            urllib.parse.quote(request.path, safe="/~"),
            "&".join(sorted(request.query.split("&"))),
            *(f"{name}:{canonical_headers[name]}" for name in names),
            "",
            signed_headers,
            hashlib.sha256(request.body).hexdigest(),
        )
    )

    date = moment[:8]
    scope = f"{date}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    signature = _hmac(_signing_key(credentials.secret_key, date, region, service), to_sign).hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={signed_headers}, Signature={signature}"
    )
    return headers


# The key changes once a day or with the credentials, so four of the five HMACs need not be repeated.
@functools.lru_cache(maxsize=1)
def _signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")
