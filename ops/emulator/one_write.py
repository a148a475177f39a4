"""Answer with head and body in one write, so that a client which is faster at reading than at writing gets all of it.

The AWS SDK for Go closes a request's body as soon as the head of the answer is there. If Go's transport has not noticed
yet that the body was sent, it takes that for an error and closes the connection; a body of the answer that comes in a
second packet is lost then, and the SDK repeats the request: a repeated PutItem of a state lock finds the lock taken.
AWS is too far away for that; an emulator on the same machine answers within the window once in a few thousand requests.
"""

from __future__ import annotations

from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import RawData


def install() -> None:
    """Hold the head of every answer back until its body, or its end, is there."""
    send = TCPServer.protocol_send

    async def held(self: Any, event: Any) -> None:
        if isinstance(event, RawData):
            head, self.head = getattr(self, "head", b""), b""
            # 1xx answers (100 Continue) have no body: the client waits for them.
            if event.data.startswith(b"HTTP/1.1 ") and not event.data.startswith(b"HTTP/1.1 1"):
                self.head = event.data
                return
            event = RawData(head + event.data)
        await send(self, event)

    TCPServer.protocol_send = held  # type: ignore[method-assign]
