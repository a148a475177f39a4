"""The command `releases`: what was released, for a program and for a person."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.table import Table

from ops.console import out
from ops.environments import selected
from ops.identity import announce
from ops.release import function, history
from ops.release.function import Function
from ops.release.options import environment_option, json_option


def as_rows(subject: Function) -> list[dict[str, Any]]:
    """One entry a version, newest first; `state` is `live`, `previous`, a share of traffic, or empty."""
    alias = subject.alias()
    past = history.previous(alias.description)
    state = {version: f"{weight:.0%}" for version, weight in alias.weights.items()}
    state = {**({past[0]: "previous"} if past else {}), **state, alias.version: "live"}
    rows = []
    for version in subject.versions():
        origin = history.provenance(version.description)
        rows.append(
            {
                "version": version.number,
                "state": state.get(version.number, ""),
                "commit": origin.get("commit", "unknown"),
                "code_sha256": version.code_sha256,
                "architecture": version.architecture,
                "at": origin.get("at", version.modified),
                "by": origin.get("by", "unknown"),
            }
        )
    return rows


def render(environment: str, rows: list[dict[str, Any]]) -> Table:
    """A table for a terminal: hashes cut to what a person compares."""
    table = Table(title=f"Releases of {environment}", title_justify="left")
    for column in ("version", "state", "commit", "digest", "at", "by"):
        table.add_column(column)
    for row in rows:
        commit, plus, changes = row["commit"].partition("+")
        shown = (
            row["version"],
            row["state"],
            commit[:12] + plus + changes,
            row["code_sha256"][:12],
            row["at"],
            row["by"],
        )
        table.add_row(*shown, style="bold green" if row["state"] == "live" else "")
    return table


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
