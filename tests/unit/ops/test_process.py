"""Given something in the way of an emulator, when it is started, then one sentence says what to do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.emulator import process
from ops.emulator.scratch import free_port
from ops.environments import Environment, environment
from ops.errors import BadInput, OpsError


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    monkeypatch.setenv("WELCOME_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("WELCOME_PORT_dev", str(free_port()))
    yield environment("dev")
    process.stop(environment("dev"))


def record(env: Environment, pid: int) -> None:
    place = process.directory(env)
    place.mkdir(parents=True)
    (place / "process.json").write_text(json.dumps({"pid": pid, "port": env.port}))


def test_a_port_in_use_is_named(env: Environment) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", env.port))
        other.listen()
        with pytest.raises(BadInput, match=f"Port {env.port} is used by another program.*WELCOME_PORT_dev"):
            process.start(env)


def test_an_emulator_that_ends_at_once_shows_the_end_of_its_log(env: Environment) -> None:
    with pytest.raises(OpsError, match=r"(?s)The emulator of dev ended at once:.*no number.*Its whole log is"):
        process.start(env, {"GATEWAY_PORT": "no number"})


def test_a_pid_that_became_another_process_is_no_emulator(env: Environment) -> None:
    record(env, os.getpid())
    assert process.running(env) is None
    assert process.stop(env) is False


def test_a_dead_process_is_forgotten(env: Environment) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    record(env, child.pid)
    assert process.running(env) is None


def test_starting_twice_starts_one(env: Environment) -> None:
    assert process.start(env) is True
    pid = process.running(env)
    assert process.start(env) is False
    assert process.running(env) == pid


def test_a_narrow_terminal_hides_no_emulator(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")  # ps cuts its lines at COLUMNS, even into a pipe
    process.start(env)
    assert process.running(env)


def test_another_port_for_a_running_emulator_is_refused(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    process.start(env)
    before = env.port
    monkeypatch.setenv("WELCOME_PORT_dev", str(free_port()))
    with pytest.raises(BadInput, match=f"runs on port {before}, not {env.port}: `make down`, then `make up`"):
        process.start(env)


def test_a_killed_emulator_forgets_nothing(env: Environment) -> None:
    # Given an emulator with a table, and half a second without requests
    process.start(env)
    dynamodb = env.client("dynamodb")
    key = {"AttributeName": "id"}
    dynamodb.create_table(
        TableName="kept", BillingMode="PAY_PER_REQUEST",
        KeySchema=[key | {"KeyType": "HASH"}], AttributeDefinitions=[key | {"AttributeType": "S"}],
    )  # fmt: skip
    saved = process.directory(env) / "state" / "dynamodb.json"
    for _ in range(100):
        if saved.exists():
            break
        subprocess.run(["sleep", "0.1"], check=True)
    # When it is killed and started again
    pid = process.running(env)
    assert pid
    os.kill(pid, 9)
    while process.running(env):
        subprocess.run(["sleep", "0.05"], check=True)
    process.start(env)
    # Then the table is there
    assert env.client("dynamodb").list_tables()["TableNames"] == ["kept"]
