"""Write the emulator's state while it runs, not only when it stops: a killed emulator forgets a second, not a session.

MiniStack writes objects of S3 at once and all the rest at a graceful stop. After a `kill -9` the two would not fit:
state files that name resources which are gone, and a bucket without the settings that the provider insists on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

QUIET_SECONDS = 0.5  # a save waits for a pause between requests …
LATEST_SECONDS = 5.0  # … but not longer than this

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


def while_running(application: Application) -> Application:
    """Save shortly after every request that may have changed something, if state is kept at all."""
    if os.environ.get("PERSIST_STATE") != "1":
        return application
    saver = Saver()

    async def saved(scope: Scope, receive: Any, send: Any) -> None:
        await application(scope, receive, send)
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            saver.changed()

    return saved


class Saver:
    """Saves on the event loop, where no request is half-way through a change of the same state."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    def changed(self) -> None:
        """Plan a save, or put off the planned one."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._since = loop.time()
        else:
            self._timer.cancel()
        wait = min(QUIET_SECONDS, max(0.0, self._since + LATEST_SECONDS - loop.time()))
        self._timer = loop.call_later(wait, self._save)

    def _save(self) -> None:
        from ministack import app
        from ministack.core import persistence

        self._timer = None
        persistence.save_all(app._build_persistence_save_dict())
