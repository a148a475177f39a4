"""`ops drift`: does an environment still look as the code says? One issue per environment says no, or is closed.

A plan alone does not tell why it has changes. What the engine found different from its state when it looked at AWS
(`resource_drift`) was changed outside; any other change was merged and is not applied.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import click

from ops import github, units
from ops.console import log, out, step
from ops.environments import Environment, selected
from ops.errors import OpsError
from ops.identity import announce
from ops.plan import Result, plan_units
from ops.report import changes, markdown, terminal
from ops.report.changes import Change
from ops.report.model import Report, load

MARKER = "<!-- welcome-service: drift of {} -->"
_HALF = 30_000  # bytes of the issue for each of the two reports


def split(report: Report, plans: dict[str, Any]) -> tuple[Report, Report]:
    """A report as (changed outside, merged but not applied), attribute by attribute. `plans` is plan JSON by unit."""
    outside, merged = [], []
    for unit in report.units:
        drifted = {change.address: change for change in changes.read(plans[unit.name], "resource_drift")} if (
            unit.name in plans
        ) else {}  # fmt: skip
        pairs = [_split(change, drifted.get(change.address)) for change in unit.changes]
        outside.append(dataclasses.replace(unit, changes=tuple(a for a, _ in pairs if a), outputs=()))
        merged.append(dataclasses.replace(unit, changes=tuple(b for _, b in pairs if b)))
    return dataclasses.replace(report, units=tuple(outside)), dataclasses.replace(report, units=tuple(merged))


def _split(change: Change, drift: Change | None) -> tuple[Change | None, Change | None]:
    if drift is None:
        return None, change
    if drift.action == "destroy":  # somebody deleted it: the plan creates it again
        return change, None
    names = {attribute.path for attribute in drift.attributes}
    mine = tuple(each for each in change.attributes if each.path in names)
    rest = tuple(each for each in change.attributes if each.path not in names)
    if not mine:
        return None, change
    return dataclasses.replace(change, attributes=mine), dataclasses.replace(change, attributes=rest) if rest else None


def look(env: Environment, directory: Path) -> tuple[Report, Report]:
    """Plan what the pipeline applies in `env`, as (changed outside, merged but not applied).

    Raises OpsError if a unit cannot be planned.
    """
    found = units.discover(env)
    mine = {name: unit for name, unit in found.items() if not unit.by_hand}
    with step(f"{env.name}: plan {', '.join(mine)}"):
        planned = tuple(unit for unit in plan_units(env, mine, found, directory) if unit.name in mine)
    Result(env.name, units.git(units.root(), "rev-parse", "HEAD").strip(), "", planned).write(directory)
    report = load([directory])
    if report.bad:
        terminal.show(report, out)
        raise OpsError(f"{env.name}: not every unit could be planned, so nothing can be said about drift.")
    plans = {unit.name: json.loads((directory / unit.plan_json).read_text()) for unit in planned if unit.plan_json}
    return split(report, plans)


def issue_body(env: Environment, outside: Report, merged: Report) -> str | None:
    """What the issue says, None if there is nothing to say."""
    parts = []
    run = github.run_url()
    if outside.changed:
        parts.append(
            "Somebody or something changed these in AWS. An apply would put back what the code says: to keep a change, "
            "bring it into the code; to undo it, run the last delivery again.\n\n"
            + markdown.render(outside, title="Changed outside", budget=_HALF, more=f"[the log]({run})")
        )
    if merged.changed or any(unit.status == "deferred" for unit in merged.units):
        parts.append(
            "These are in the code and not in AWS: a delivery failed, or waits.\n\n"
            + markdown.render(merged, title="Merged but not applied", budget=_HALF, more=f"[the log]({run})")
        )
    return "\n".join([f"`{env.name}` does not look as the code says.\n", *parts]) if parts else None


@click.command()
@click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")
@click.option("--json", "as_json", is_flag=True, help="Print true for drift, false for none, by environment.")
def drift(name: str | None, as_json: bool) -> None:
    """Compare AWS with the code; in a workflow, keep the issue of each environment about it."""
    envs = selected(name)
    announce(envs)
    drifted = {}
    for env in envs:
        with tempfile.TemporaryDirectory() as scratch:
            outside, merged = look(env, Path(scratch))
        body = issue_body(env, outside, merged)
        drifted[env.name] = body is not None
        if not as_json:
            for title, report in (("Changed outside", outside), ("Merged but not applied", merged)):
                if report.changed:
                    out.print(f"\n{title}")
                    terminal.show(report, out)
        if "GITHUB_TOKEN" in os.environ:
            url = github.Repository().keep_issue(MARKER.format(env.name), f"Drift in {env.name}", body)
            log.print(f"{env.name}: {'drifted' if body else 'as the code says'} {url}", markup=False)
        else:
            log.print(f"{env.name}: {'drifted' if body else 'as the code says'}", markup=False)
    if as_json:
        click.echo(json.dumps(drifted))
