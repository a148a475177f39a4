"""Entry point: one HTTP API event (payload 2.0) in, one answer out, one line in the log."""

import itertools
import os
import re
import time

import answers
import credentials
import dynamodb
import telemetry
from answers import Response, problem
from store import Reading, Store

PATH = "/welcome"
METHODS = "GET, HEAD, OPTIONS"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}

env = os.environ
ENVIRONMENT = env["ENVIRONMENT"]
RELEASE = env["AWS_LAMBDA_FUNCTION_VERSION"]
REGION = env["AWS_REGION"]
TTL = float(env["CACHE_TTL_SECONDS"])
CACHE_CONTROL = f"public, max-age={TTL:.0f}, stale-if-error=86400" if TTL else "no-cache"

client = dynamodb.Client(
    env.get("AWS_ENDPOINT_URL") or f"https://dynamodb.{REGION}.amazonaws.com",
    REGION,
    credentials.provider(env),
)
client.connect()  # INIT has full CPU at any memory size, good for a TLS handshake
store = Store(client, env["TABLE_NAME"], env["MESSAGE_KEY"], TTL)
invocations = itertools.count()


class Request:
    """What matters of an event. What is missing or of an odd type counts as not sent."""

    def __init__(self, event: object, context: object) -> None:
        fields = _mapping(event)
        about = _mapping(fields.get("requestContext"))
        self.method = _text(_mapping(about.get("http")).get("method")) or "GET"
        self.path = _text(fields.get("rawPath")) or PATH
        self.stage = _text(about.get("stage"))
        self.id = re.sub("[^!-~]", "", _text(about.get("requestId", getattr(context, "aws_request_id", ""))))
        self.reading = Reading()
        self._headers: dict[str, list[str]] = {}
        for name, value in _mapping(fields.get("headers")).items():
            self._headers.setdefault(str(name).lower(), []).append(_text(value))

    def header(self, name: str) -> str:
        return ",".join(self._headers.get(name, ()))


def _mapping(value: object) -> dict[object, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def handler(event: object, context: object) -> dict[str, object]:
    """Answer one request, whatever happens."""
    start = time.monotonic()
    request = Request(event, context)
    try:
        status, headers, body = _answer(request)
    except Exception:  # the last line of defence
        import traceback

        request.reading.error = traceback.format_exc()
        status, headers, body = problem(500, "The service failed.", request.id)
    telemetry.emit(
        request.reading,
        method=request.method,
        path=request.path[:256],
        status=status,
        duration=time.monotonic() - start,
        cold_start=next(invocations) == 0,
        release=RELEASE,
        request_id=request.id,
        Environment=ENVIRONMENT,
    )
    return {
        "statusCode": status,
        "headers": {**SECURITY, "X-Release": RELEASE, "X-Request-Id": request.id, **headers},
        "body": "" if request.method == "HEAD" else body,
    }


def _answer(request: Request) -> Response:
    # API Gateway puts the stage's name in front, others that send payload 2.0 do not.
    if request.path not in (PATH, f"/{request.stage}{PATH}"):
        return problem(404, f"There is only {PATH} here.", request.id)
    if request.method == "OPTIONS":
        return 204, {"Allow": METHODS}, ""
    if request.method not in ("GET", "HEAD"):
        return problem(405, f"Use {METHODS}.", request.id, {"Allow": METHODS})
    media_type = answers.negotiate(request.header("accept"))
    if not media_type:
        detail = f"There is {', '.join(answers.MEDIA_TYPES)}."
        return problem(406, detail, request.id, {"Vary": "Accept"})
    directives = request.header("cache-control").lower().replace(" ", "").split(",")
    reading = request.reading = store.read(through="no-cache" in directives)
    if reading.message is None and reading.error:
        return problem(503, "The message cannot be read now.", request.id, {"Retry-After": "2"})
    if reading.message is None:
        return problem(404, "There is no message.", request.id)
    status, headers, body = answers.represent(reading.message, media_type, ENVIRONMENT, RELEASE)
    headers = {**headers, "Cache-Control": CACHE_CONTROL, "Vary": "Accept"}
    if reading.stale is not None:
        headers |= {"Age": f"{reading.stale:.0f}", "Warning": '110 - "Response is Stale"'}
    if answers.is_current(request.header("if-none-match"), headers["ETag"]):
        return 304, headers, ""
    return status, headers, body
