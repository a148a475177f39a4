"""What HTTP asks of an answer: negotiation, entity tags, problem details."""

import functools
import hashlib
import json
import re

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
MEDIA_TYPES = (JSON, TEXT, HTML)  # in order of preference
TITLES = {
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


Response = tuple[int, dict[str, str], str]  # status, headers of its own, body


def negotiate(accept: str) -> str | None:
    """The media type to answer with, or None if none is acceptable (RFC 9110, section 12.5.1).

    A range with a malformed weight is ignored, and so are other parameters.
    """
    if not accept.strip(", \t"):
        return JSON
    weights: dict[str, float] = {}
    for element in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in element.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        if _WEIGHT.fullmatch(weight):
            weights[media_range] = max(float(weight), weights.get(media_range, 0.0))

    def weight_of(media_type: str) -> float:
        ranges = (media_type, re.sub("/.*", "/*", media_type), "*/*")
        return next((weights[each] for each in ranges if each in weights), 0.0)

    best = max(MEDIA_TYPES, key=weight_of)
    return best if weight_of(best) else None


def is_current(if_none_match: str, etag: str) -> bool:
    """Whether the client has `etag`, by weak comparison (RFC 9110, section 13.1.2)."""
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


@functools.lru_cache(maxsize=len(MEDIA_TYPES))
def represent(message: str, media_type: str, environment: str, release: str) -> Response:
    """The message as `media_type`, with a strong entity tag."""
    headers = {"Content-Type": media_type if media_type == JSON else f"{media_type}; charset=utf-8"}
    if media_type == HTML:
        import page  # not for a program's cold start

        body = page.render(message, environment, release)
        headers["Content-Security-Policy"] = page.CONTENT_SECURITY_POLICY
    else:
        body = json.dumps({"message": message}, ensure_ascii=False) if media_type == JSON else message
    headers["ETag"] = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    return 200, headers, body


def problem(status: int, detail: str, instance: str, headers: dict[str, str] | None = None) -> Response:
    """An error as problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail, "instance": instance}
    common = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    return status, {**common, **(headers or {})}, json.dumps(body)
