"""The report for a person at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.report.changes import ORDER, Change
from ops.report.lines import SIGNS, clip, diff, visible
from ops.report.model import Report, Unit

_STYLES = {
    "destroy": "bold red", "replace": "bold magenta", "forget": "magenta", "update": "yellow", "create": "green",
    "import": "cyan", "move": "cyan", "-": "red", "~": "yellow", "+": "green",
}  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print the details first and the summary last, where the eye is when a command ends."""
    for unit in report.units:
        if unit.quiet:
            continue
        console.print(Text(f"\n{_place(unit)}", style="bold"), Text(_said(unit), style="dim"))
        if unit.bad:
            for line in unit.last_lines:
                console.print(Text(f"  {line}", style="red"))
        for change in (*unit.changes, *unit.outputs):
            _change(change, console)
    console.print()
    console.print(_summary(report))
    for unit in report.units:
        for change in unit.changes:
            if change.destructive and change.stateful:
                what = f"{change.action.upper()} {visible(change.address)} in {_place(unit)}"
                console.print(Text(f"{what}: it holds data that no apply brings back", style="bold red"))


def _place(unit: Unit) -> str:
    return visible(f"{unit.environment}/{unit.name}")


def _said(unit: Unit) -> str:
    if unit.status == "planned":
        return visible(unit.note)
    return unit.status + (f": {visible(unit.note)}" if unit.status == "deferred" else "")


def _change(change: Change, console: Console) -> None:
    head = Text(f"  {SIGNS[change.action]} {visible(change.address)}", style=_STYLES[change.action])
    if change.reason:
        head.append(f"  {visible(change.reason)}", style="dim")
    console.print(head)
    for sign, text in diff(change):
        console.print(Text(f"      {sign} {clip(text, 2_000)}", style=_STYLES.get(sign, "dim")))


def _summary(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("environment", "unit", ""):
        table.add_column(name)
    for action in ORDER:
        if report.counts[action]:
            table.add_column(action, justify="right", style=_STYLES[action])
    for unit in report.units:
        status = "no changes" if unit.quiet else unit.status
        counts = [str(unit.counts[action] or "") for action in ORDER if report.counts[action]]
        table.add_row(Text(visible(unit.environment)), Text(visible(unit.name)), status, *counts)
    return table
