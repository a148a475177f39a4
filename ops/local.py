"""The commands around a laptop: `up`, `down`, `clean`, `env`, `destroy`."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import click

from ops import terragrunt
from ops.console import log, out, step
from ops.emulator import process
from ops.environments import Environment, environments, live_dir, selected, target
from ops.errors import BadInput, OpsError
from ops.identity import announce
from ops.paths import cache_dir, local_dir
from ops.status import survey

env_option = click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")


def each(work: Callable[[Environment], None], envs: Iterable[Environment]) -> None:
    """Do `work` for all environments side by side; the first error is raised when all have ended."""
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(work, env) for env in envs]:
            future.result()


@click.command()
@env_option
@click.option("--json", "as_json", is_flag=True, help="Print what `ops status --json` prints.")
def up(name: str | None, as_json: bool) -> None:
    """From nothing to answering URLs: tools, emulators, every unit, a first release, and a request to each URL."""
    if target() != "local":
        raise BadInput(
            "`make up` is for the laptop. On AWS: `make bootstrap`, then pull requests (README, «A real account»)."
        )
    envs = selected(name)
    with step("tools"):
        terragrunt.environment_variables()
    with step("emulators"):
        each(lambda env: void(process.start(env)), envs)
    each(_serve, envs)
    if as_json:
        out.print_json(json.dumps({env.name: vars(survey(env)) for env in envs}))
    each(_harden_state, envs)


def void(_: object) -> None:
    """Drop a result that the caller has no use for."""


def _serve(env: Environment) -> None:
    """Apply what the URL needs, release the code, and ask the URL."""
    # Imported late: `ops env` and `ops down` need neither boto3 nor the release.
    from ops.package import build
    from ops.release import history
    from ops.release.release import Release

    with step(f"{env.name}: apply delivery and welcome"):
        terragrunt.run(
            env,
            ["run", "--all", "--backend-bootstrap", "--filter", "!remote_state", "--", "apply"],
            log=local_dir() / "logs" / f"up-{env.name}.log",
        )
    with step(f"{env.name}: release"):
        # Nobody uses a laptop's service meanwhile: all at once.
        release = Release(build(), history.current_commit(), history.who(env), steps=())
        release.to(env, lambda _: contextlib.nullcontext())
    answer = survey(env, plan=False)
    if answer.status != 200:
        raise OpsError(
            f"{answer.url} answered {answer.status}, not 200. The emulator's log is {process.log_file(env)}; "
            f"`make status` shows more."
        )
    log.print(f"\n  $ curl {answer.url}\n  {json.dumps({'message': answer.message})}\n", markup=False)


def _harden_state(env: Environment) -> None:
    with step(f"{env.name}: settings of the state bucket (the provider waits 55 s after it first sets a lifecycle)"):
        terragrunt.run(
            env,
            ["run", "--all", "--filter", "remote_state", "--", "apply"],
            log=local_dir() / "logs" / f"up-{env.name}-remote_state.log",
        )


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
            f"{name} is protected: nothing was destroyed. Set `protected = false` and "
            f"`table.deletion_protection = false` in {live_dir() / name / 'env.hcl'}, `make apply ENV={name}`, and try again."
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
