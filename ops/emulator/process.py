"""The emulators as processes: one an account, started, found again and stopped by what is in the local directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from ops import pyenv
from ops.environments import Environment
from ops.errors import BadInput, OpsError
from ops.paths import ROOT, local_dir

START_SECONDS = 60
STOP_SECONDS = 30


def directory(env: Environment) -> Path:
    """Where the emulator of `env` keeps its state, its log and its pid."""
    return local_dir() / "emulator" / env.name


def log_file(env: Environment) -> Path:
    return directory(env) / "emulator.log"


def _pid_file(env: Environment) -> Path:
    return directory(env) / "process.json"


def running(env: Environment) -> int | None:
    """The pid of the emulator that was started for `env`, None if it does not run (any more)."""
    try:
        pid = int(json.loads(_pid_file(env).read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None
    # A pid is used again after a reboot: what runs under it must be the launcher.
    shown = subprocess.run(["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True).stdout
    return pid if "ops.emulator.launcher" in shown and not shown.lstrip().startswith("Z") else None


def healthy(env: Environment) -> bool:
    """Whether the emulator of `env` answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{env.port}/_ministack/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def start(env: Environment, extra_env: dict[str, str] | None = None) -> bool:
    """Start the emulator of `env` and wait until it answers. False if it ran already.

    Raises BadInput if another program has the port, OpsError with the end of its log if it does not come up.
    """
    place = directory(env)
    place.mkdir(parents=True, exist_ok=True)
    with pyenv.build_lock(place):  # two `make up` at once start one emulator
        if running(env):
            recorded = json.loads(_pid_file(env).read_text())["port"]
            if recorded != env.port:
                raise BadInput(
                    f"The emulator of {env.name} runs on port {recorded}, not {env.port}: `make down`, then `make up`."
                )
            _wait(env, None)
            return False
        _refuse_taken_port(env)
        with log_file(env).open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ops.emulator.launcher"],
                cwd=place,
                env=_settings(env) | (extra_env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for `make up`, not for the emulator
            )
        _pid_file(env).write_text(json.dumps({"pid": process.pid, "port": env.port}))
        try:
            _wait(env, process)
        except BaseException:
            process.terminate()
            raise
    return True


def _settings(env: Environment) -> dict[str, str]:
    place = directory(env)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return inherited | {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(env.port),
        "MINISTACK_ACCOUNT_ID": env.account_id,
        "MINISTACK_REGION": env.region,
        "PERSIST_STATE": "1",
        "PYTHONPATH": str(ROOT),
        "STATE_DIR": str(place / "state"),
        "TMPDIR": str(place),
    }


def _refuse_taken_port(env: Environment) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", env.port))
        except OSError:
            raise BadInput(
                f"Port {env.port} is used by another program: stop it, or choose another with WELCOME_PORT_{env.name}."
            ) from None


def _wait(env: Environment, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not healthy(env):
        if process and process.poll() is not None:
            tail = "\n".join(log_file(env).read_text().splitlines()[-8:])
            raise OpsError(f"The emulator of {env.name} ended at once:\n{tail}\nIts whole log is {log_file(env)}.")
        if time.monotonic() > deadline:
            raise OpsError(
                f"The emulator of {env.name} does not answer on port {env.port}. "
                f"`make down` ends it, its log is {log_file(env)}."
            )
        time.sleep(0.1)


def stop(env: Environment) -> bool:
    """Stop the emulator of `env` and wait until its state is written. False if it did not run."""
    pid = running(env)
    if not pid:
        _pid_file(env).unlink(missing_ok=True)
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while running(env):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            _pid_file(env).unlink(missing_ok=True)
            raise OpsError(f"The emulator of {env.name} did not stop and was killed: its last second may be lost.")
        time.sleep(0.1)
    _pid_file(env).unlink(missing_ok=True)
    return True
