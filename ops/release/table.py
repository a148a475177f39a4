"""The list of releases, for a program and for a person."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from ops.release import history
from ops.release.function import Function


def as_rows(function: Function) -> list[dict[str, Any]]:
    """One entry a version, newest first; `state` is `live`, `previous`, a share of traffic, or empty."""
    alias = function.alias()
    past = history.previous(alias.description)
    state = {version: f"{weight:.0%}" for version, weight in alias.weights.items()}
    state = {**({past[0]: "previous"} if past else {}), **state, alias.version: "live"}
    rows = []
    for version in function.versions():
        origin = history.provenance(version.description)
        rows.append({
            "version": version.number,
            "state": state.get(version.number, ""),
            "commit": origin.get("commit", "unknown"),
            "code_sha256": version.code_sha256,
            "architecture": version.architecture,
            "at": origin.get("at", version.modified),
            "by": origin.get("by", "unknown"),
        })
    return rows


def render(environment: str, rows: list[dict[str, Any]]) -> Table:
    """A table for a terminal: hashes cut to what a person compares."""
    table = Table(title=f"Releases of {environment}", title_justify="left")
    for column in ("version", "state", "commit", "digest", "at", "by"):
        table.add_column(column)
    for row in rows:
        commit, plus, changes = row["commit"].partition("+")
        table.add_row(
            row["version"], row["state"], f"{commit[:12]}{plus}{changes}", row["code_sha256"][:12], row["at"], row["by"],
            style="bold green" if row["state"] == "live" else "",
        )  # fmt: skip
    return table
