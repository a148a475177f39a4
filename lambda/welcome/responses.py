"""What HTTP asks of an answer: content negotiation, entity tags, problem details. Nothing here knows of AWS."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from http import HTTPStatus
from typing import NamedTuple

import page

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
MEDIA_TYPES = (JSON, TEXT, HTML)  # in order of preference

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


class Response(NamedTuple):
    """An answer; the handler adds the headers that all answers have."""

    status: int
    headers: dict[str, str]
    body: str = ""


def negotiate(accept: str) -> str | None:
    """The media type to answer with, or None if none that exists is acceptable (RFC 9110, section 12.5.1).

    The most specific range decides about a type, the highest weight wins, ties go to the earlier type. Parameters other
    than the weight are ignored and malformed ranges as well; an empty list is the same as no header.
    """
    if not accept.strip(", \t"):
        return JSON
    weights = _weights(accept)
    best, best_weight = None, 0.0
    for media_type in MEDIA_TYPES:
        ranges = (media_type, media_type.split("/")[0] + "/*", "*/*")
        weight = next((weights[each] for each in ranges if each in weights), 0.0)
        if weight > best_weight:
            best, best_weight = media_type, weight
    return best


def _weights(accept: str) -> dict[str, float]:
    """Media range -> weight; of a range that is named twice, the higher one."""
    weights: dict[str, float] = {}
    for element in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in element.split(";"))
        weight = next((each[2:].strip() for each in parameters if each.startswith("q=")), "1")
        if _WEIGHT.fullmatch(weight):
            weights[media_range] = max(float(weight), weights.get(media_range, 0.0))
    return weights


def is_current(if_none_match: str, etag: str) -> bool:
    """Whether the client already has `etag`: weak comparison with a list of tags or `*` (RFC 9110, section 13.1.2)."""
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


@functools.lru_cache(maxsize=len(MEDIA_TYPES))
def represent(message: str, media_type: str, environment: str, release: str) -> Response:
    """The message as `media_type`, with a strong entity tag."""
    headers = {"Content-Type": media_type if media_type == JSON else f"{media_type}; charset=utf-8"}
    if media_type == HTML:
        body = page.render(message, environment, release)
        headers["Content-Security-Policy"] = page.CONTENT_SECURITY_POLICY
    else:
        body = json.dumps({"message": message}, ensure_ascii=False) if media_type == JSON else message
    headers["ETag"] = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    return Response(HTTPStatus.OK, headers, body)


def problem(status: HTTPStatus, detail: str, request_id: str, **headers: str) -> Response:
    """An error as problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail, "instance": request_id}
    return Response(
        status,
        {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(body),
    )
