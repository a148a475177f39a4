"""`ops bench`: measure, and print each figure beside the alternative's and as a ratio."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import click
from rich.table import Table

from ops.console import out, step

# name -> the function that measures it, imported when it is asked for
PARTS = {
    "service": "ops.bench.service:rows",
    "provider": "ops.bench.infrastructure:provider_rows",
    "environments": "ops.bench.infrastructure:growth_rows",
    "report": "ops.bench.report:rows",
    "affected": "ops.bench.pipeline:affected_rows",
    "pipeline": "ops.bench.pipeline:rows",
}


def _measure(part: str) -> list[dict[str, Any]]:
    module, function = PARTS[part].split(":")
    measure: Callable[[], list[dict[str, Any]]] = getattr(importlib.import_module(module), function)
    return measure()


def _cell(row: dict[str, Any], first: dict[str, Any], heading: str) -> str:
    """A figure, and how many times the first row's it is."""
    value, reference = row.get(heading), first.get(heading)
    if not isinstance(value, float | int) or isinstance(value, bool):
        return "-" if value is None else str(value)
    text = f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
    if row is first or not isinstance(reference, float | int) or not reference:
        return text
    return f"{text} ({value / reference:.2g}×)"


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON: seconds and bytes.")
def bench(parts: tuple[str, ...], as_json: bool) -> None:
    """Measure all PARTS, or those named. Ratios are to the first row of each table."""
    results: dict[str, list[dict[str, Any]]] = {}
    for part in parts or PARTS:
        with step(f"measuring {part}"):
            results[part] = _measure(part)
    if as_json:
        out.print_json(json.dumps(results))
        return
    for part, rows in results.items():
        table = Table(title=f"{part} (seconds and bytes)", title_justify="left", box=None, pad_edge=False)
        headings = list(dict.fromkeys(heading for row in rows for heading in row))
        for heading in headings:
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(*[_cell(row, rows[0], heading) for heading in headings])
        out.print(table)
