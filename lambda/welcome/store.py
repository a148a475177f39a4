"""The stored message: read from DynamoDB, kept in memory for a while, and used for longer while DynamoDB is down."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import dynamodb

STALE_LIMIT = 86_400.0  # seconds for which an old message is better than none


class Reading(NamedTuple):
    """What a read found. Without a message, `error` tells why DynamoDB gave none, or is None: there is no message."""

    message: str | None
    cached: bool = False
    stale_seconds: float | None = None  # age of a message that could not be read anew
    latency: float | None = None  # seconds that DynamoDB took, if it was asked
    error: str | None = None


class _Held(NamedTuple):
    message: str
    monotonic: float
    wall: float

    def age(self) -> float:
        """Seconds since the message was read.

        The monotonic clock cannot be set back, but stands still in a snapshot; the wall clock knows how long a
        restored process has really been away. The larger of the two never takes an old message for a new one.
        """
        return max(time.monotonic() - self.monotonic, time.time() - self.wall)


class Store:
    """One item of one table, and the last message that was read from it."""

    def __init__(self, client: dynamodb.Client, table: str, key: str, ttl: float) -> None:
        self._client = client
        self._query = {
            "TableName": table,
            "Key": {"id": {"S": key}},
            "ProjectionExpression": "#m",
            "ExpressionAttributeNames": {"#m": "message"},
        }
        self._ttl = ttl
        self._held: _Held | None = None

    def read(self, *, through: bool = False) -> Reading:
        """Return the message, at most `ttl` seconds old if DynamoDB answers; `through` asks it in any case."""
        if not through and self._held and self._held.age() < self._ttl:
            return Reading(self._held.message, cached=True)
        start = time.monotonic()
        try:
            message = self._fetch(consistent=through)
        except dynamodb.Unavailable as failure:
            return self._fallback(time.monotonic() - start, str(failure))
        now = time.monotonic()
        self._held = None if message is None else _Held(message, now, time.time())
        return Reading(message, latency=now - start)

    def _fetch(self, *, consistent: bool) -> str | None:
        answer = self._client.call("GetItem", {**self._query, "ConsistentRead": consistent})
        item: Any = answer.get("Item")
        if not item or not isinstance(item, dict):
            return None  # no item, or an item without the attribute
        value = item.get("message")
        text = value.get("S") if isinstance(value, dict) else None
        if not isinstance(text, str):
            raise dynamodb.Unavailable("the message is not a string")
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: valid in JSON, but impossible to send on
            raise dynamodb.Unavailable("the message is not text") from None
        return text

    def _fallback(self, latency: float, error: str) -> Reading:
        age = self._held.age() if self._held else STALE_LIMIT
        if self._held and age < STALE_LIMIT:
            return Reading(self._held.message, stale_seconds=age, latency=latency, error=error)
        return Reading(None, latency=latency, error=error)
