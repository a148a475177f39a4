"""The stored message: kept in memory for a while, and for longer while DynamoDB cannot be read."""

import time
from typing import NamedTuple

import dynamodb

STALE_LIMIT = 86_400.0  # seconds for which an old message is better than none


class Reading(NamedTuple):
    """What a read found. With neither `message` nor `error`, there is no message."""

    message: str | None
    cached: bool = False
    stale: float | None = None  # age in seconds of a message that could not be read anew
    latency: float | None = None  # seconds that DynamoDB took, if it was asked
    error: str | None = None  # for the log


class _Held(NamedTuple):
    message: str
    monotonic: float
    wall: float

    def age(self) -> float:
        """In seconds. The monotonic clock stands still in a snapshot, and the other can be set back."""
        return max(time.monotonic() - self.monotonic, time.time() - self.wall)


class Store:
    """One item of one table, and the last message read from it."""

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
        """Return the message, at most `ttl` seconds old while DynamoDB answers; `through` asks it in any case."""
        held = self._held
        if held and not through and held.age() < self._ttl:
            return Reading(held.message, cached=True)
        start = time.monotonic()
        try:
            message = self._fetch(consistent=through)
        except dynamodb.Unavailable as failure:
            latency = time.monotonic() - start
            if held and held.age() < STALE_LIMIT:
                return Reading(held.message, stale=held.age(), latency=latency, error=str(failure))
            return Reading(None, latency=latency, error=str(failure))
        now = time.monotonic()
        self._held = None if message is None else _Held(message, now, time.time())
        return Reading(message, latency=now - start)

    def _fetch(self, *, consistent: bool) -> str | None:
        item = self._client.call("GetItem", {**self._query, "ConsistentRead": consistent}).get("Item")
        if not item:  # there is none, or it lacks the attribute
            return None
        try:
            message: str = item["message"]["S"]
            message.encode()  # half of a surrogate pair is valid JSON, but cannot be sent on
        except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as error:
            raise dynamodb.Unavailable(f"the message is not text: {error!r}") from error
        return message
