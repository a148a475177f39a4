"""Start MiniStack as its console script does, with what our policies need of AWS: `python -m ops.emulator.launcher`.

Settings are MiniStack's own environment variables. Those that a process manager sets:

- `GATEWAY_PORT`, `MINISTACK_ACCOUNT_ID`, `MINISTACK_REGION`: where it listens and whose account it is. Unsigned calls
  (a curl on the API) reach this account only, so each account has a process of its own.
- `PERSIST_STATE=1` and `STATE_DIR`: keep everything in this directory. MiniStack writes it at a graceful stop only,
  this launcher while it runs as well (`ops.emulator.saving`). Bodies of S3 objects have settings of their own,
  `S3_PERSIST` and `S3_DATA_DIR`, and are written at once; this launcher derives both.
- `TMPDIR`: holds a pid file named after the port, `ministack-PORT.pid`.
- `AUTHORIZATION_LOG=file`: append every decision on a role's request (see `ops.emulator.authorization`).

Ready when `GET /_ministack/health` answers 200. A taken port ends the process with exit code 1 and a sentence.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


def main() -> None:
    """Run the emulator until it is told to stop."""
    _defaults()
    # Imported late: MiniStack reads its settings from the environment when it is imported.
    import ministack.app

    from ops.emulator import alarms, api_tags, authorization, one_write, preflight, saving

    alarms.install()
    api_tags.install()
    authorization.install()
    one_write.install()
    preflight.install()
    ministack.app.app = saving.while_running(behind_tls(ministack.app.app))
    ministack.app.main()


def _defaults() -> None:
    os.environ.setdefault("AUTH", "true")
    # MiniStack listens on all interfaces by default. It trusts a 12-digit access key as root: keep it to this machine.
    os.environ.setdefault("BIND_HOST", "127.0.0.1")
    # Listeners on fixed ports (MQTT on 8883, SFTP on 2222), where a second process would collide with the first.
    os.environ["IOT_MTLS_ENABLED"] = "0"
    os.environ["SFTP_ENABLED"] = "0"
    if os.environ.get("PERSIST_STATE") == "1":
        os.environ.setdefault("S3_PERSIST", "1")
        os.environ.setdefault("S3_DATA_DIR", os.path.join(os.environ["STATE_DIR"], "s3"))


def behind_tls(application: Application) -> Application:
    """Treat callers on this machine as if they came through a TLS-terminating proxy.

    The emulator speaks plain HTTP, so `aws:SecureTransport` would be false and a bucket policy that demands TLS, as
    ours does, would refuse everyone. Nothing leaves the machine on the loopback interface, which is what TLS is for.
    """

    async def secured(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and _is_loopback(scope.get("client")):
            headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"x-forwarded-proto"]
            scope = {**scope, "headers": [*headers, (b"x-forwarded-proto", b"https")]}
        await application(scope, receive, send)

    return secured


def _is_loopback(client: tuple[str, int] | None) -> bool:
    return client is not None and ipaddress.ip_address(client[0]).is_loopback


if __name__ == "__main__":
    main()
