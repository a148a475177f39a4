"""Releases of the real code on the emulator: good code reaches users, bad code never does, and going back is quick."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from ops.package import code_sha256
from ops.paths import ROOT
from ops.release.function import configuration_pending
from ops.release.outcome import NotReleased, Outcome
from ops.release.release import Release
from ops.release.rollback import rollback
from tests.release_actors import quiet
from tests.release_stage import FAILS_A_FIFTH, HEALTHY, RAISES, SLOW, Stage, build_stage, emulator, variant


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A function that was released once."""
    with emulator(tmp_path_factory.mktemp("release")) as endpoint:
        made = build_stage(endpoint, "dev")
        assert made.get().status_code == 503  # what Terraform created it with
        release(made, HEALTHY)
        yield made


def release(stage: Stage, package: bytes, steps: tuple[int, ...] = (10,)) -> Outcome:
    return Release(package, "c0ffee", "tester", steps).to(stage.env, quiet)


@contextlib.contextmanager
def users(stage: Stage) -> Iterator[list[int]]:
    """Statuses that a user gets who asks all the time."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.wait(0.02):
                statuses.append(client.get(stage.url).status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def test_released_code_answers_at_the_url_and_nobody_meets_an_error_meanwhile(stage: Stage) -> None:
    before = stage.get().headers["x-release"]
    with users(stage) as statuses:
        outcome = release(stage, variant(1))
    assert (outcome.outcome, outcome.previous) == ("released", before)
    assert stage.get().headers["x-release"] == outcome.version != before
    assert stage.version().code_sha256 == code_sha256(variant(1))
    assert set(statuses) == {200}
    # When the same is released again, then there is nothing to do
    assert release(stage, variant(1)).outcome == "already live"


@pytest.mark.parametrize(
    ("broken", "exit_code"),
    [(RAISES, 4), (FAILS_A_FIFTH, 5), (SLOW, 4)],
    ids=["raises on every request", "fails a fifth of them", "is slow"],
)
def test_code_that_is_put_back_before_a_user_meets_it(stage: Stage, broken: str, exit_code: int) -> None:
    alias, answering = stage.alias(), stage.get().headers["x-release"]
    with users(stage) as statuses, pytest.raises(NotReleased) as refused:
        release(stage, variant(2, first=broken))
    assert refused.value.exit_code == exit_code
    assert f"Live is version {answering} of welcome-dev." in str(refused.value)
    assert stage.alias() == alias
    assert (stage.get().headers["x-release"], set(statuses)) == (answering, {200})


def test_a_rollback_takes_seconds_and_a_second_one_goes_one_release_further(stage: Stage) -> None:
    first = stage.alias().version
    second = release(stage, variant(4), ()).version
    third = release(stage, variant(5), ()).version
    start = time.monotonic()
    assert rollback(stage.env, None, 1.0, quiet).version == second
    assert time.monotonic() - start < 5
    assert rollback(stage.env, None, 1.0, quiet).version == first
    assert stage.get().headers["x-release"] == first
    # and forward again, by its number
    assert rollback(stage.env, third, 1.0, quiet).version == third


def test_a_changed_configuration_stays_away_from_users_until_it_is_released(stage: Stage) -> None:
    release(stage, variant(6), ())
    stage.configure(MemorySize=512)
    assert configuration_pending(stage.client, stage.env.resource_name)
    assert stage.version().configuration["MemorySize"] == 256
    assert release(stage, variant(6), ()).outcome == "released"
    assert stage.version().configuration["MemorySize"] == 512
    assert not configuration_pending(stage.client, stage.env.resource_name)


def command(stage: Stage, *arguments: str) -> subprocess.Popen[str]:
    """The command line as a user runs it, against the stage."""
    port = stage.env.url.rpartition(":")[2]
    return subprocess.Popen(
        [sys.executable, "-m", "ops", *arguments],
        cwd=ROOT,
        env={**os.environ, "CI": "true", "WELCOME_PORT_dev": port},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_line_releases_lists_verifies_and_rolls_back(stage: Stage) -> None:
    before = release(stage, variant(20), ()).version
    stdout, stderr = (released := command(stage, "release", "--env", "dev", "--json")).communicate(timeout=120)
    assert released.returncode == 0, stderr
    report = json.loads(stdout)["dev"]
    assert (report["outcome"], report["previous"]) == ("released", before)
    assert [line for line in stderr.splitlines() if line.startswith("✓ smoke test of version")], "one line an event"
    # When the list is asked for, then the new version is the live one
    listed, _ = command(stage, "releases", "--env", "dev", "--json").communicate(timeout=60)
    rows = json.loads(listed)["dev"]
    assert [row["version"] for row in rows if row["state"] == "live"] == [report["version"]]
    assert rows[0]["commit"] == report["commit"]
    # and verify says whether it is what a commit makes of it
    verified, _ = (verify := command(stage, "verify", "HEAD", "--env", "dev", "--json")).communicate(timeout=60)
    assert (verify.returncode == 0) is json.loads(verified)["dev"]["same"]
    # and it can be taken back
    _, stderr = (back := command(stage, "rollback", "--env", "dev")).communicate(timeout=60)
    assert back.returncode == 0, stderr
    assert stage.alias().version == before


@pytest.mark.parametrize(("stop", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_release_that_is_told_to_stop_puts_the_alias_back(stage: Stage, stop: signal.Signals, exit_code: int) -> None:
    # Given a release from the command line with a share of the users on the new version
    release(stage, variant(21), ())
    before = stage.alias()
    process = command(stage, "release", "--env", "dev", "--watch", "60")
    deadline = time.monotonic() + 120
    while not stage.alias().weights and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert stage.alias().weights, process.communicate()[1]
    # When it is told to stop, as by Ctrl-C or a cancelled job
    process.send_signal(stop)
    process.communicate(timeout=60)
    # Then users are where they were
    assert process.returncode == exit_code
    assert stage.alias() == before
