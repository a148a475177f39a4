"""The commands around a laptop: `up`, `down`, `clean`, `env`, `destroy`."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import click
from botocore.exceptions import ClientError

from ops import records, terragrunt
from ops.console import log, out, step
from ops.emulator import process
from ops.environments import Environment, environments, live_dir, selected, target
from ops.errors import BadInput, OpsError
from ops.identity import announce
from ops.paths import cache_dir, local_dir
from ops.status import Status, survey

T = TypeVar("T")

env_option = click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")


def each(work: Callable[[Environment], T], envs: Iterable[Environment]) -> list[T]:
    """Do `work` for all environments side by side; the first error is raised when all have ended."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, envs))


@click.command()
@env_option
@click.option("--json", "as_json", is_flag=True, help="Print what `ops status --json` prints.")
def up(name: str | None, as_json: bool) -> None:
    """From nothing to answering URLs: tools, emulators, every unit, a first release, and a request to each URL."""
    if target() != "local":
        raise BadInput("`make up` is for the laptop. On AWS: `make bootstrap`, then pull requests (see README.md).")
    envs = selected(name)
    with step("tools"):
        terragrunt.environment_variables()
    with step("emulators"):
        each(process.start, envs)
    hardened = each(_serve, envs)
    each(_harden_state, [env for env, done in zip(envs, hardened, strict=True) if not done])
    if as_json:
        out.print_json(json.dumps({env.name: vars(survey(env)) for env in envs}))


def _serve(env: Environment) -> bool:
    """See that the URL answers; True if every unit was in sync and the code released already."""
    from ops.package import build, code_sha256

    package = build()
    found = _survey(env)
    complete = found.state == "in sync" and found.code_sha256 == code_sha256(package)
    if not complete:
        _deliver(env, package)
        found = survey(env, plan=False)
    if found.status != 200:
        raise OpsError(
            f"{found.url} answered {found.status}, not 200. The emulator's log is {process.log_file(env)}; "
            f"`make status` shows more."
        )
    answer = json.dumps({"message": found.message}, ensure_ascii=False)
    log.print(f"\n  $ curl {found.url}\n  {answer}\n", markup=False)
    return complete


def _survey(env: Environment) -> Status:
    try:
        return survey(env)
    except OpsError:  # a plan fails where an emulator that was killed lost its lock table: to be applied again
        return Status()


def _deliver(env: Environment, package: bytes) -> None:
    """Apply what the URL needs, and release the code to it."""
    from ops.release import history
    from ops.release.release import Release

    with step(f"{env.name}: apply delivery and welcome"):
        _apply(env, ["--backend-bootstrap", "--filter", "!remote_state"], f"up-{env.name}.log")
    with step(f"{env.name}: release"):
        # Nobody uses a laptop's service meanwhile: all at once.
        release = Release(package, history.current_commit(), history.who(env), steps=())
        release.to(env, lambda _: contextlib.nullcontext())


def _harden_state(env: Environment) -> None:
    with step(f"{env.name}: settings of the state bucket (the provider waits 55 s after it first sets a lifecycle)"):
        _apply(env, ["--filter", "remote_state"], f"up-{env.name}-remote_state.log")


def _apply(env: Environment, options: list[str], log_name: str) -> None:
    """Apply units. If that fails because a killed run left a state locked, say how to release it."""
    try:
        terragrunt.run(env, ["run", "--all", *options, "--", "apply"], log=local_dir() / "logs" / log_name)
    except OpsError as error:
        with contextlib.suppress(ClientError):  # no lock table, no lock
            _refuse_locked(env, error)
        raise


def _refuse_locked(env: Environment, error: OpsError) -> None:
    for unit in (file.parent.name for file in env.directory.glob("*/terragrunt.hcl")):
        holder = records.lock_holder(env, unit)
        if holder:
            release = records.unlock_command(env, unit, str(holder["ID"]))
            raise OpsError(
                f"The state of {env.name}/{unit} is locked by {holder.get('Who')} since {holder.get('Created')}. "
                f"If that run was killed, release the lock and try again:\n"
                f'  eval "$(python3 -m ops env)"; {release}; make up'
            ) from error


@click.command()
@env_option
def down(name: str | None) -> None:
    """Stop the emulators that `up` started; what is in them is kept."""
    for env in selected(name):
        stopped = process.stop(env)
        log.print(f"{env.name}: {'stopped' if stopped else 'was not running'}", markup=False)


@click.command()
def clean() -> None:
    """Stop the emulators and forget everything they held; built tools are kept."""
    for env in environments():
        process.stop(env)
    shutil.rmtree(local_dir(), ignore_errors=True)
    log.print(f"Removed {local_dir()}. The built tools stay in {cache_dir()}.", markup=False)


@click.command()
def env() -> None:
    """Print the settings for using Terragrunt by hand: `eval "$(python -m ops env)"`."""
    for key, value in terragrunt.environment_variables().items():
        out.print(f"export {key}={shlex.quote(value)}", markup=False)


@click.command()
@env_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(name: str | None, yes: bool) -> None:
    """Destroy the service of an unprotected environment; the roles and the state stay, they are set up by bootstrap."""
    envs = selected(name)
    announce(envs)
    protected = [each_env for each_env in envs if each_env.settings.get("protected")]
    if protected and name:
        raise BadInput(
            f"{name} is protected: nothing was destroyed. Set `protected = false` and `table.deletion_protection = "
            f"false` in {live_dir() / name / 'env.hcl'}, `make apply ENV={name}`, and try again."
        )
    for each_env in protected:
        log.print(f"{each_env.name} is protected and stays: see its env.hcl", markup=False)
    for each_env in (each_env for each_env in envs if each_env not in protected):
        if not yes and (target() == "aws" or log.is_terminal):
            click.confirm(
                f"Destroy {each_env.resource_name} in account {each_env.account_id}, its message included?",
                abort=True,
                err=True,
            )
        with step(f"{each_env.name}: destroy {each_env.resource_name}"):
            terragrunt.run(
                each_env,
                ["run", "--all", "--filter", "welcome", "--", "destroy"],
                log=local_dir() / "logs" / f"destroy-{each_env.name}.log",
            )
