"""AWS Signature Version 4: the headers that prove who sends a request.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import functools
import hashlib
import hmac
import re
import time

Credentials = tuple[str, str, str | None]  # access key, secret key, session token if temporary


def sign(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    at: float,
) -> dict[str, str]:
    """Return the headers of a request and those that sign it, `at` so many seconds since the epoch.

    Everything is as on the wire, without a query. Not for S3, which encodes paths differently.
    """
    access_key, secret_key, session_token = credentials
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = {**headers, "X-Amz-Date": moment}
    if session_token:
        headers["X-Amz-Security-Token"] = session_token

    canonical = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    signed_headers = ";".join(name for name, _ in canonical)
    parts = (
        method,
        _quote(path),
        "",
        *(f"{name}:{value}" for name, value in canonical),
        "",
        signed_headers,
        hashlib.sha256(body).hexdigest(),
    )
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()

    date = moment[:8]
    scope = f"{date}/{region}/{service}/aws4_request"
    key = _signing_key(secret_key, date, region, service)
    signature = _hmac(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}").hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
    )
    return headers


def _quote(path: str) -> str:
    return re.sub(rb"[^A-Za-z0-9/._~-]", lambda found: b"%%%02X" % ord(found[0]), path.encode()).decode()


@functools.lru_cache(maxsize=1)  # it changes once a day or with the credentials
def _signing_key(secret_key: str, *scope: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (*scope, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")
