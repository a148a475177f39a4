"""The commands `release`, `rollback`, `releases` and `verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from ops.console import log, out, step
from ops.environments import Environment, selected
from ops.errors import OpsError
from ops.identity import announce
from ops.package import build, code_sha256
from ops.release import function, history
from ops.release.outcome import NotReleased, Outcome, summarise
from ops.release.release import Release
from ops.release.rollback import rollback as roll_back
from ops.release.table import as_rows, render
from ops.release.verify import package_of, resolve

environment_option = click.option("--env", "name", metavar="ENV", help="The environment; without it, all of them.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print what happened for a program, on stdout.")
slowest_option = click.option(
    "--slowest", default=1.0, show_default=True, metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
    help="An answer that takes longer counts as a failure.",
)  # fmt: skip


class Percentages(click.ParamType):
    """Rising percentages of users, such as `10,50`."""

    name = "percentages"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = str(value).split(",")
        steps = tuple(int(part) for part in parts if part.strip().isdigit())
        if len(steps) != len(parts) or list(steps) != sorted(set(steps)) or not all(0 < each < 100 for each in steps):
            self.fail(f"'{value}' is no rising list of percentages between 1 and 99, such as 10,50", param, ctx)
        return steps


@click.command()
@environment_option
@json_option
@slowest_option
@click.option("--strategy", type=click.Choice(["canary", "all-at-once"]), default="canary", show_default=True)
@click.option("--steps", type=Percentages(), default="10,50", show_default=True, help="Shares of users before all.")
@click.option("--watch", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", show_default=True,
              help="Watch the users' errors in CloudWatch this long at each step, beside the release's own requests.")
@click.option("--keep", type=click.IntRange(min=1), default=5, show_default=True, help="Newest versions to keep.")
@click.option("--architecture", type=click.Choice(["arm64", "x86_64"]), help="Processor; default: the live one's.")
def release(
    name: str | None, as_json: bool, slowest: float, strategy: str, steps: tuple[int, ...], watch: float, keep: int,
    architecture: str | None,
) -> None:
    """Build the function's code and make it live, step by step, or leave everything as it was."""
    package, commit = build(), history.current_commit()
    steps = () if strategy == "all-at-once" else steps

    def one(env: Environment) -> Outcome:
        wanted = Release(package, commit, history.who(env), steps, watch, slowest, keep, architecture)
        return wanted.to(env, step)

    _each(name, as_json, one)


@click.command()
@environment_option
@json_option
@slowest_option
@click.option("--version", metavar="NUMBER", help="The version to go back to; default: the one that was live before.")
def rollback(name: str | None, as_json: bool, slowest: float, version: str | None) -> None:
    """Make the previous release live again, within seconds."""
    _each(name, as_json, lambda env: roll_back(env, version or None, slowest, step))


@click.command()
@environment_option
@json_option
def releases(name: str | None, as_json: bool) -> None:
    """List the releases: version, commit, digest, when, by whom, and which one is live."""
    announce(selected(name))
    rows = {env.name: as_rows(function.of(env)) for env in selected(name)}
    if as_json:
        out.print(json.dumps(rows, indent=2), markup=False)
        return
    for env, found in rows.items():
        out.print(render(env, found))


@click.command()
@environment_option
@json_option
@click.argument("commit", default="HEAD")
def verify(name: str | None, as_json: bool, commit: str) -> None:
    """Prove that what is live is byte for byte the package of COMMIT. Exit code 1 if it is not."""
    announce(selected(name))
    full = resolve(commit)
    digest = code_sha256(package_of(full))
    live = {env.name: function.of(env).version(function.ALIAS) for env in selected(name)}
    if as_json:
        report = {
            env: {"commit": full, "code_sha256": digest, "live": each.code_sha256, "same": each.code_sha256 == digest}
            for env, each in live.items()
        }
        out.print(json.dumps(report, indent=2), markup=False)
    differing = [env for env, each in live.items() if each.code_sha256 != digest]
    for env, each in live.items():
        verdict = "is not" if env in differing else "is byte for byte"
        log.print(f"{env}: live version {each.number} {verdict} the package of {full}", markup=False)
    if differing:
        raise OpsError(f"{', '.join(differing)}: `python -m ops releases` shows which commits the versions come from.")


def _each(name: str | None, as_json: bool, act: Callable[[Environment], Outcome]) -> None:
    """Act on the chosen environments in turn, stop at the first that fails, and report on all that were tried."""
    announce(selected(name))
    outcomes: list[Outcome] = []
    failure: NotReleased | None = None
    for env in selected(name):
        try:
            outcomes.append(act(env))
        except NotReleased as error:
            failure = error
            outcomes.append(Outcome(env.name, error.outcome, str(error), error.exit_code))
        summarise(outcomes[-1])
        if failure:
            break
        log.print(f"{env.name}: {outcomes[-1].message}", markup=False)
    if as_json:
        out.print(json.dumps({each.environment: each.as_json() for each in outcomes}, indent=2), markup=False)
    if failure:
        raise failure
