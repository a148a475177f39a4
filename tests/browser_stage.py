"""A stage for tests of the page: headless Chromium over its debugging pipe."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 30.0  # seconds for one answer of the browser


def chromium() -> str:
    """The browser on PATH, or Debian's, installed now. Fails the test if there is neither."""
    if found := next(filter(None, map(shutil.which, NAMES)), None):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *arguments], check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        if found := shutil.which("chromium"):
            return found
    pytest.fail(
        f"The page's test needs a browser: install one of {', '.join(NAMES)} (Debian: apt-get install chromium)."
    )


@dataclass
class Page:
    """One tab of the browser, by the Chrome DevTools Protocol."""

    send_to: int
    receive_from: int
    session: str | None = None
    complaints: list[str] = field(default_factory=list)
    _number: int = 0
    _buffer: bytes = b""
    _loaded: bool = False

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something and return the answer; what the page complains about meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.send_to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str) -> None:
        """Open a URL and wait until it has loaded, and a moment longer for what it would start."""
        self._loaded = False
        self.complaints.clear()
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._next()
        time.sleep(0.2)
        self.evaluate("0")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def look(self, scheme: str, width: int, height: int) -> None:
        """Take a colour scheme and the size of a window."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def picture(self) -> bytes:
        """What a person sees, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self.receive_from], [], [], PATIENCE)[0], "the browser does not answer"
            self._buffer += os.read(self.receive_from, 1 << 16)
        data, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(data)
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case (
                "Log.entryAdded"
                | "Runtime.consoleAPICalled"
                | "Runtime.exceptionThrown"
                | "Page.javascriptDialogOpening"
            ):
                self.complaints.append(json.dumps(message["params"]))
        return message


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """A browser with one tab, gone afterwards."""
    to_browser, from_browser = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            chromium(),
            "--headless=new",
            "--no-sandbox",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        quiet = ["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"]

        def connect() -> None:
            # The browser reads commands from descriptor 3 and answers on 4. Copied first, as either may be in the way.
            reading, writing = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        process = subprocess.Popen(
            [*command, *quiet, "about:blank"],
            preexec_fn=connect,  # noqa: PLW1509 (it copies descriptors and nothing else)
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            page = Page(to_browser[1], from_browser[0])
            target = page.call("Target.createTarget", url="about:blank")["targetId"]
            page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                page.call(f"{domain}.enable")
            yield page
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
            for descriptor in (*to_browser, *from_browser):
                os.close(descriptor)


def take_pictures(page: Page, url: str, directory: Path) -> list[Path]:
    """The page in both colour schemes, as files."""
    files = []
    for scheme in ("light", "dark"):
        page.look(scheme, 960, 540)
        page.open(url)
        files.append(directory / f"page-{scheme}.png")
        files[-1].write_bytes(page.picture())
    return files
