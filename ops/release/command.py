"""The commands `release` and `rollback`."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from ops.console import log, out, step
from ops.environments import Environment, selected
from ops.identity import announce
from ops.release.options import Percentages, environment_option, json_option, slowest_option
from ops.release.outcome import NotReleased, Outcome, summarise
from ops.release.release import Release
from ops.release.rollback import rollback as roll_back


@click.command()
@environment_option
@json_option
@slowest_option
@click.option("--strategy", type=click.Choice(["canary", "all-at-once"]), default="canary", show_default=True)
@click.option("--steps", type=Percentages(), default="10,50", show_default=True, help="Shares of users before all.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    show_default=True,
    help="Watch the users' errors in CloudWatch this long at each step, beside the release's own requests.",
)
@click.option("--keep", type=click.IntRange(min=1), default=5, show_default=True, help="Newest versions to keep.")
@click.option("--architecture", type=click.Choice(["arm64", "x86_64"]), help="Processor; default: the live one's.")
def release(  # noqa: PLR0917 - one parameter an option
    name: str | None,
    as_json: bool,
    slowest: float,
    strategy: str,
    steps: tuple[int, ...],
    watch: float,
    keep: int,
    architecture: str | None,
) -> None:
    """Build the function's code and make it live, step by step, or leave everything as it was."""
    how = {
        "steps": () if strategy == "all-at-once" else steps,
        "watch": watch,
        "slowest": slowest,
        "keep": keep,
        "architecture": architecture,
    }
    _each(name, as_json, lambda env: Release.of_checkout(env, **how).to(env, step))


@click.command()
@environment_option
@json_option
@slowest_option
@click.option("--version", metavar="NUMBER", help="The version to go back to; default: the one that was live before.")
def rollback(name: str | None, as_json: bool, slowest: float, version: str | None) -> None:
    """Make the previous release live again, within seconds."""
    _each(name, as_json, lambda env: roll_back(env, version or None, slowest, step))


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
