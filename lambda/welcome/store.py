"""The stored message: kept in memory for a while, and for longer while DynamoDB cannot be read."""

import re
import time

import dynamodb

STALE_LIMIT = 86_400.0  # seconds for which an old message beats none


class Reading:
    """What a read found. With neither `message` nor `error`, there is no message."""

    message: str | None = None
    cached = False
    stale: float | None = None  # age in seconds of a message that could not be read anew
    latency: float | None = None  # seconds that DynamoDB took, if it was asked
    error: str | None = None  # for the log


class Store:
    """One item of one table, and the last message read from it."""

    def __init__(self, client: dynamodb.Client, table: str, key: str, ttl: float) -> None:
        self._client = client
        self._query = {
            "TableName": table,
            "Key": {"id": {"S": key}},
            "ProjectionExpression": "message",
        }
        self._ttl = ttl
        self._message: str | None = None
        self._monotonic = self._wall = 0.0

    def read(self, *, through: bool) -> Reading:
        """Return the message, at most `ttl` seconds old while DynamoDB answers; `through` asks it anyway."""
        found = Reading()
        if self._message is not None and not through and self._age() < self._ttl:
            found.message, found.cached = self._message, True
            return found
        start = time.monotonic()
        try:
            found.message = self._message = self._fetch(consistent=through)
            self._monotonic, self._wall = time.monotonic(), time.time()
        except dynamodb.Unavailable as failure:
            found.error = str(failure)
            if self._message is not None and self._age() < STALE_LIMIT:
                found.message, found.stale = self._message, self._age()
        found.latency = time.monotonic() - start
        return found

    def _age(self) -> float:
        # The monotonic clock stands still in a snapshot, and the other can be set back.
        return max(time.monotonic() - self._monotonic, time.time() - self._wall)

    def _fetch(self, *, consistent: bool) -> str | None:
        item = self._client.call("GetItem", {**self._query, "ConsistentRead": consistent}).get("Item")
        if not item:  # there is none, or it lacks the attribute
            return None
        message = item.get("message") if isinstance(item, dict) else None
        text = message.get("S") if isinstance(message, dict) else None
        # Half of a surrogate pair is valid JSON, but cannot be sent on.
        if not isinstance(text, str) or re.search("[\ud800-\udfff]", text):
            raise dynamodb.Unavailable("the message is not text")
        return text
