"""Running Terragrunt with the pinned tools, on the emulators or on AWS."""

from __future__ import annotations

import configparser
import functools
import hashlib
import io
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ops import toolchain
from ops.environments import Environment, environments, live_dir, target
from ops.errors import OpsError
from ops.paths import local_dir

# An engine that is told to stop finishes the calls under way; GitHub kills a cancelled job after 10 seconds anyway.
STOP_SECONDS = 120


@functools.cache
def environment_variables() -> dict[str, str]:
    """What `ops env` exports: with these, `terragrunt` by hand does what the commands do.

    On the emulators every environment has its own endpoint and its own profile, in a configuration file that replaces
    the user's: a shell with these variables cannot reach a real account. On AWS only the tools are named.
    """
    engine = toolchain.engine()
    programs = [toolchain.ensure("terragrunt"), engine]
    directories = dict.fromkeys(str(program.parent) for program in programs)  # an ordered set
    path = [each for each in os.environ.get("PATH", "").split(os.pathsep) if each not in directories]
    variables = {
        "PATH": os.pathsep.join([*directories, *path]),
        # Not below live/: a working directory remembers its backend, and refuses another endpoint or engine.
        "TG_DOWNLOAD_DIR": str(local_dir() / "terragrunt" / _backend_key(engine)),
        "TG_NON_INTERACTIVE": "true",
        "TG_TF_PATH": str(engine),
    }
    if target() == "aws":
        # Rehearsals are runs against "AWS" whose endpoint is an emulator: no registry is needed there either.
        return variables | ({"TF_CLI_CONFIG_FILE": str(toolchain.cli_config(engine))} if _emulated() else {})
    variables |= {
        "AWS_CONFIG_FILE": str(_profiles()),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TF_CLI_CONFIG_FILE": str(toolchain.cli_config(engine)),
    }
    for env in environments():
        variables |= {
            f"WELCOME_ENDPOINT_{env.name}": str(env.endpoint),
            f"WELCOME_PROFILE_{env.name}": env.resource_name,
        }
    return variables


def _backend_key(engine: Path) -> str:
    where = [f"{env.name}={env.endpoint}" for env in environments()]
    return hashlib.sha256("\n".join([engine.name, target(), *where]).encode()).hexdigest()[:8]


def _emulated() -> bool:
    return bool(os.environ.get("AWS_ENDPOINT_URL"))


def _profiles() -> Path:
    """Write the AWS configuration file of the emulators: one profile an environment, root of its account."""
    profiles = configparser.ConfigParser()
    for env in environments():
        profiles[f"profile {env.resource_name}"] = {
            "aws_access_key_id": env.account_id,
            "aws_secret_access_key": "local",
            "endpoint_url": str(env.endpoint),
            "region": env.region,
        }
    text = io.StringIO()
    profiles.write(text)
    file = local_dir() / "aws.config"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text() != text.getvalue():
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_text(text.getvalue())
        aside.replace(file)
    return file


def process_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a Terragrunt process: the caller's, without ambient credentials when the target is local."""
    inherited = dict(os.environ)
    if target() == "local":
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_PROFILE",
            "AWS_ENDPOINT_URL",
        ):
            inherited.pop(name, None)
    return {**inherited, **environment_variables(), **(extra or {})}


def _finish(process: subprocess.Popen[bytes]) -> int:
    """Wait for Terragrunt. Told to stop meanwhile, let it stop by itself: it saves state and releases its locks."""
    try:
        return process.wait()
    except BaseException as reason:
        if not isinstance(reason, KeyboardInterrupt):  # a terminal sends Ctrl-C to both; a second one aborts the engine
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


def run(
    env: Environment | None,
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    extra_env: dict[str, str] | None = None,
    log: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run `terragrunt ARGUMENTS` in the directory of `env` (None: of all of them), or in `cwd`.

    With `log` the output goes to that file, otherwise it is captured. Raises OpsError with the end of the output and
    the exit code of Terragrunt if it fails, unless `check` is off.
    """
    directory = cwd or (env.directory if env else live_dir())
    command = [str(toolchain.ensure("terragrunt")), *arguments]
    environment = process_environment(extra_env)
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as handle:
            process = subprocess.Popen(command, cwd=directory, env=environment, stdout=handle, stderr=handle)
            done = subprocess.CompletedProcess[str](command, _finish(process))
        output = log.read_text()
    else:
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
        output = done.stdout + done.stderr
    if check and done.returncode:
        where = f"\nThe whole output is in {log}." if log else ""
        tail = "\n".join(output.splitlines()[-25:])
        raise OpsError(f"terragrunt {' '.join(arguments[:4])} failed in {directory}:\n{tail}{where}")
    return done
