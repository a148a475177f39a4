"""`kill -9` after each call of a release in a process of its own, on the emulator: the next run finishes the work."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ops.package import code_sha256
from ops.release.outcome import Outcome
from ops.release.release import Release
from tests.gate import Gate, standing
from tests.release_actors import quiet
from tests.release_memory import some
from tests.release_stage import HEALTHY, Stage, StageEnvironment, build_stage, emulator, variant

PATIENT = 10.0  # seconds for an answer: the machine that runs the tests may be busy
# A release makes about 273 calls on the emulator. It is killed after each one that reads or writes, and after every
# tenth of its requests to the new version, which differ in nothing.
UPLOAD, PUBLISH, SHARE, PROMOTE, LAST = 5, 10, 104, 197, 273
CALLS = sorted({
    *range(1, PUBLISH + 2), *range(PUBLISH, LAST, 10), *range(SHARE - 1, SHARE + 3), *range(PROMOTE - 2, PROMOTE + 3),
    *range(LAST - 2, LAST + 2),
})  # fmt: skip
numbers = itertools.count()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with emulator(tmp_path_factory.mktemp("crash")) as endpoint:
        made = build_stage(endpoint, "dev")
        release(made.env, HEALTHY)
        yield made


def release(env: StageEnvironment, package: bytes) -> Outcome:
    return Release(package, "c0ffee", "tester", (10,), slowest=PATIENT).to(env, quiet)


@contextlib.contextmanager
def users(stage: Stage) -> Iterator[list[int]]:
    """Statuses that a user gets who asks all the time."""
    seen: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                seen.append(client.get(stage.url).status_code)
                time.sleep(0.02)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(30)


@pytest.mark.parametrize("call", some([SHARE, UPLOAD, *CALLS], few=2, name="call"))
def test_a_killed_release_is_finished_by_the_next_and_users_never_notice(
    stage: Stage, call: int, tmp_path: Path
) -> None:
    # Given a release in another process, which is killed when its Nth call has been done but not yet answered
    package = variant(next(numbers))
    before = stage.version().code_sha256
    pid = multiprocessing.Value("i", 0)

    def kill(number: int, _: str) -> None:
        if number == call:
            os.kill(pid.value, signal.SIGKILL)

    with standing(Gate(stage.env.url, stage.client, kill)) as endpoint, users(stage) as statuses:
        child = multiprocessing.get_context("fork").Process(
            target=_in_child, args=(stage.through(endpoint), package, pid)
        )
        child.start()
        child.join(120)
        # Then it is dead (or had fewer calls to make), and users have the old code or the new one
        assert child.exitcode in (-signal.SIGKILL, 0)
        assert stage.version().code_sha256 in (before, code_sha256(package))
        # When it is run again
        outcome = release(stage.env, package)
    # Then it is whole, and nobody got anything but an answer
    assert outcome.exit_code == 0
    assert stage.version().code_sha256 == code_sha256(package)
    assert (stage.alias().weights, stage.alias().version) == ({}, outcome.version)
    assert stage.get().headers["x-release"] == outcome.version
    assert set(statuses) == {200}
    if outcome.outcome == "released":  # one that was live already writes nothing, so it deletes nothing either
        assert len(stage.numbers()) <= 5 + 1 + 5, "old versions are not pruned"


def _in_child(env: StageEnvironment, package: bytes, pid: object) -> None:
    pid.value = os.getpid()  # type: ignore[attr-defined]
    release(env, package)
    os._exit(0)
