"""`ops policy`: what each role may do, and with --record how that compares with what the pipeline really did."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from rich.table import Table

from ops import terragrunt
from ops.console import log, out, step
from ops.emulator.scratch import copy_tree, scratch
from ops.environments import selected
from ops.errors import OpsError
from ops.identity import announce
from ops.policy import access, usage
from ops.policy.access import ROLES, Role
from ops.policy.lifecycle import Life

_Roles = Mapping[tuple[str, str], Role]  # (environment, role)


@click.command()
@click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")
@click.option("--record", is_flag=True, help="Live through an environment on an emulator of its own and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for a program, on stdout.")
def policy(name: str | None, record: bool, as_json: bool) -> None:
    """Show which actions each role may use, as the policies in the account have it.

    With --record on an emulator that is made for it, with the code of this checkout: a few minutes, after which it ends
    with 1 if a role asked for something that it may not, or may do something that no step of the life needed.
    """
    if record:
        with tempfile.TemporaryDirectory() as directory:
            report = _recorded(name, Path(directory).resolve(), quiet=as_json)
    else:
        envs = selected(name)
        announce(envs)
        report = {"table": _table({(env.name, kind): access.role(env, kind) for env in envs for kind in ROLES})}
    if as_json:
        out.print_json(json.dumps(report))
    else:
        _show(report)
    if any(found["refused"] or found["unused"] for found in report.get("usage", {}).values()):
        raise OpsError("The policies and what the pipeline does differ: see above, then modules/delivery.")


def _recorded(name: str | None, directory: Path, *, quiet: bool) -> dict[str, dict[str, dict[str, list[str]]]]:
    """Make an account, live in it, and report on the roles of one environment (default: the first)."""
    os.environ["WELCOME_ROOT"] = str(copy_tree(directory / "tree"))
    os.environ["AUTHORIZATION_LOG"] = str(directory / "authorizations")
    env_name = selected(name)[0].name
    with scratch(directory / "local") as environments:
        env = environments[env_name]
        with step(f"{env.name}: roles"):
            terragrunt.run(env, ["run", "--all", "--backend-bootstrap", "--filter", "delivery", "--", "apply"])
        life = Life(env, directory / "tree", directory / "plans")
        for what in _all(life):
            if not quiet:
                log.print(f"{env.name}: {what}", markup=False)
        roles = {(env.name, kind): access.role(env, kind) for kind in ROLES}
    decisions = usage.read(directory / "authorizations")
    return {
        "table": _table(roles),
        "usage": {
            role.name: {
                "refused": sorted(usage.refused(role, decisions)),
                "unused": [f"{grant.action} ({grant.sid})" for grant in usage.unused(role, decisions)],
                "on AWS only": [grant.action for grant in role.grants() if grant.sid.startswith(usage.ON_AWS_ONLY)],
            }
            for role in roles.values()
        },
    }


def _all(life: Life) -> Iterator[str]:
    yield from life.begin()
    yield from life.go_on()


def _table(roles: _Roles) -> dict[str, dict[str, list[str]]]:
    """Action → environment → the roles that may use it on something."""
    table: dict[str, dict[str, list[str]]] = {}
    for (environment, kind), role in roles.items():
        for action in sorted({grant.action for grant in role.grants()}):
            table.setdefault(action, {}).setdefault(environment, []).append(kind)
    return dict(sorted(table.items()))


def _show(report: Mapping[str, Mapping[str, Mapping[str, list[str]]]]) -> None:
    environments = sorted({environment for row in report["table"].values() for environment in row})
    table = Table("action", *(f"{environment} {kind}" for environment in environments for kind in ROLES), box=None)
    for action, row in report["table"].items():
        may = (kind in row.get(environment, []) for environment in environments for kind in ROLES)
        table.add_row(action, *("yes" if each else "·" for each in may))
    out.print(table)
    for role, found in report.get("usage", {}).items():
        out.print(f"\n{role}", style="bold", markup=False)
        for what, text in (
            ("refused", "used, but not granted"),
            ("unused", "granted, but not used"),
            ("on AWS only", "granted for AWS, where no emulator asks for it (the reason is in modules/delivery)"),
        ):
            out.print(f"  {text}: {', '.join(found[what]) or 'nothing'}", markup=False)
