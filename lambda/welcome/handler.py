"""Entry point: one HTTP API event (payload 2.0) in, one answer out, one line in the log."""

from __future__ import annotations

import os
import time
import traceback
from http import HTTPStatus
from typing import Any

import credentials
import dynamodb
import responses
import telemetry
from responses import Response, problem
from store import Reading, Store

PATH = "/welcome"
METHODS = "GET, HEAD, OPTIONS"
RETRY_AFTER_SECONDS = "2"
MAX_LOGGED_PATH = 256
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}

ENVIRONMENT = os.environ["ENVIRONMENT"]
RELEASE = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
REGION = os.environ["AWS_REGION"]
TTL = float(os.environ.get("CACHE_TTL_SECONDS", "10"))
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL") or f"https://dynamodb.{REGION}.amazonaws.com"
CACHING = f"public, max-age={TTL:.0f}, stale-if-error=86400" if TTL else "no-cache"

CLIENT = dynamodb.Client(ENDPOINT, REGION, credentials.provider(os.environ))
STORE = Store(CLIENT, os.environ["TABLE_NAME"], os.environ["MESSAGE_KEY"], TTL)
CLIENT.connect()  # INIT has full CPU at any memory size, which a TLS handshake can use

_cold = True


class Request:
    """What matters of an event. Anything may be missing from it or have an odd type: it is then as if not sent."""

    def __init__(self, event: Any, context: Any) -> None:
        event = _mapping(event)
        about = _mapping(event.get("requestContext"))
        self.method = _text(_mapping(about.get("http")).get("method")) or "GET"
        stage = _text(about.get("stage"))
        path = _text(event.get("rawPath"))
        # API Gateway puts a named stage in front of the path, others that speak payload 2.0 do not.
        self.path = (path.removeprefix(f"/{stage}") if path.startswith(f"/{stage}/") else path) or PATH
        self.id = _text(about.get("requestId")) or _text(getattr(context, "aws_request_id", ""))
        self.headers: dict[str, str] = {}
        for name, value in _mapping(event.get("headers")).items():
            name = str(name).lower()
            self.headers[name] = f"{self.headers[name]}, {_text(value)}" if name in self.headers else _text(value)

    def header(self, name: str) -> str:
        return self.headers.get(name, "")


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one request. Never raises: what goes wrong is logged, and the client gets problem details."""
    global _cold
    start = time.monotonic()
    request, reading, failure = Request(event, context), None, None
    try:
        response, reading = _answer(request)
    except Exception:  # the last line of defence, which is why it takes everything
        failure = traceback.format_exc()
        response = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed.", request.id)
    _log(request, response, reading, failure, time.monotonic() - start)
    _cold = False
    headers = {**SECURITY, "X-Release": RELEASE, "X-Request-Id": request.id, **response.headers}
    body = "" if request.method == "HEAD" else response.body
    return {"statusCode": int(response.status), "headers": headers, "body": body, "isBase64Encoded": False}


def _answer(request: Request) -> tuple[Response, Reading | None]:
    if request.path != PATH:
        return problem(HTTPStatus.NOT_FOUND, f"There is only {PATH} here.", request.id), None
    if request.method == "OPTIONS":
        return Response(HTTPStatus.NO_CONTENT, {"Allow": METHODS}), None
    if request.method not in ("GET", "HEAD"):
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {METHODS}.", request.id, Allow=METHODS), None
    media_type = responses.negotiate(request.header("accept"))
    if media_type is None:
        offer = ", ".join(responses.MEDIA_TYPES)
        return problem(HTTPStatus.NOT_ACCEPTABLE, f"Available are {offer}.", request.id, Vary="Accept"), None

    directives = [each.strip().lower() for each in request.header("cache-control").split(",")]
    reading = STORE.read(through="no-cache" in directives)
    return _from_store(request, reading, media_type), reading


def _from_store(request: Request, reading: Reading, media_type: str) -> Response:
    if reading.message is None and reading.error is None:
        return problem(HTTPStatus.NOT_FOUND, "There is no message yet.", request.id)
    if reading.message is None:
        detail = "The message cannot be read at the moment."
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, request.id, Retry_After=RETRY_AFTER_SECONDS)

    found = responses.represent(reading.message, media_type, ENVIRONMENT, RELEASE)
    headers = {**found.headers, "Cache-Control": CACHING, "Vary": "Accept"}
    if reading.stale_seconds is not None:
        headers |= {"Age": f"{reading.stale_seconds:.0f}", "Warning": '110 - "Response is Stale"'}
    if responses.is_current(request.header("if-none-match"), headers["ETag"]):
        del headers["Content-Type"]
        return Response(HTTPStatus.NOT_MODIFIED, headers)
    return Response(HTTPStatus.OK, headers, found.body)


def _log(request: Request, response: Response, reading: Reading | None, failure: str | None, seconds: float) -> None:
    failed = response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    metrics = {
        "Requests": 1.0,
        "Errors": float(failed),
        "CacheHits": float(bool(reading and reading.cached)),
        "ColdStarts": float(_cold),
    }
    if reading and reading.latency is not None:
        metrics["StoreLatency"] = round(reading.latency * 1000, 3)
    error = failure or (reading.error if reading else None)
    telemetry.emit(
        ENVIRONMENT,
        metrics,
        level="ERROR" if failed else "WARNING" if error else "INFO",
        method=request.method,
        path=request.path[:MAX_LOGGED_PATH],
        status=int(response.status),
        duration_ms=round(seconds * 1000, 3),
        cold_start=_cold,
        release=RELEASE,
        request_id=request.id,
        **({"error": error} if error else {}),
    )
