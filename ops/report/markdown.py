"""The report as GitHub Markdown: the comment of a pull request, a job summary, the body of an issue.

Everything that comes from a plan is untrusted text: it stands in code spans and code fences only, whose delimiters are
longer than any run of backticks inside. GitHub resolves no mention, link or markup there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from ops.report.changes import ORDER, Change
from ops.report.lines import SIGNS, clip, diff, visible
from ops.report.model import Report, Unit
from ops.report.secrets import scrub

# GitHub refuses a body above 65,536 characters and a job summary above 1 MiB. Bytes are never fewer than characters.
COMMENT = 65_000
JOB_SUMMARY = 1_000_000
# Shares of a report that its two lists of the summary may take, whatever the plan: together below the whole.
_ALARMS = 0.25
_TABLE = 0.35
_NAME = 150

_TITLES = {
    "destroy": "Destroy", "replace": "Replace", "forget": "Forget (stays in AWS, leaves the state)", "update": "Update",
    "create": "Create", "import": "Import", "move": "Move (no change in AWS)", "output": "Outputs",
}  # fmt: skip
_VERBS = {
    "destroy": "to destroy", "replace": "to replace", "forget": "to forget", "update": "to update",
    "create": "to create", "import": "to import", "move": "to move",
}  # fmt: skip


def size(text: str) -> int:
    return len(text.encode())


def code(text: str) -> str:
    """Untrusted text as a code span that also stands in a table."""
    text = visible(clip(text, _NAME)).replace("|", "\\|")
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if text[:1] in ("`", " ", "") or text[-1:] in ("`", " ", "") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def untrusted_lines(text: str) -> list[str]:
    """A message of a tool, ready for a fence: nothing secret-shaped, no control characters, bounded."""
    return [visible(clip(line, 400)) for line in scrub(text).splitlines()[-60:]]


def fence(lines: Iterable[str], language: str = "diff") -> str:
    body = "\n".join(lines)
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    return f"{ticks}{language}\n{body}\n{ticks}"


def fit(lines: Sequence[str], budget: float, what: str) -> list[str]:
    """As many lines as fit; the last one then says how many are missing."""
    taken: list[str] = []
    for position, line in enumerate(lines):
        budget -= size(line) + 1
        if budget < 0:
            return [*taken, what.format(len(lines) - position)]
        taken.append(line)
    return taken


def render(report: Report, *, title: str, budget: int = COMMENT, more: str = "the job summary") -> str:
    """The whole report in at most `budget` bytes. The summary always fits; details are left out whole, the last first.

    `title` is a line of our own Markdown; `more` says where the rest can be read.
    """
    parts = [f"## {title}", "", _headline(report), ""]
    parts += _alarms(report, budget * _ALARMS)
    parts += _table(report, budget * _TABLE)
    left = budget - size("\n".join(parts)) - 400  # for the last line
    skipped, heading = 0, ""
    for section, block in _blocks(report):
        text = block if section == heading else f"### {section}\n\n{block}"
        if size(text) + 2 > left:
            skipped += 1
            continue
        heading = section
        left -= size(text) + 2
        parts += [text, ""]
    if skipped:
        parts.append(f"**{skipped:,} of the details do not fit here: read them in {more}.**")
    if report.commit:
        parts.append(f"<sub>Planned for {code(report.commit)}. Values that are or look secret are hidden.</sub>")
    return "\n".join(parts).rstrip() + "\n"


def _headline(report: Report) -> str:
    counts = report.counts
    said = [f"**{counts[action]:,} {_VERBS[action]}**" for action in ORDER if counts[action]]
    for status, text in (("deferred", "deferred"), ("failed", "failed"), ("refused", "refused")):
        number = sum(unit.status == status for unit in report.units)
        said += [f"**{number:,} unit{'s' * (number > 1)} {text}**"] if number else []
    if not said and any(unit.outputs for unit in report.units):
        said = ["only outputs change"]
    return ", ".join(said) + "." if said else "No changes."


def _alarms(report: Report, budget: float) -> list[str]:
    """What nobody may overlook: loss of data first, then all other destruction, then units that have no plan."""
    loss: list[str] = []
    other: list[str] = []
    for unit, change in _each(report):
        if change.destructive:
            line = f"> - {_TITLES[change.action].split(' ')[0]} {code(change.address)} in {code(_place(unit))}"
            line += f" {code(change.reason)}" if change.reason else ""
            (loss if change.stateful else other).append(line)
    lines = []
    if loss:
        lines += ["> [!CAUTION]", f"> **{len(loss):,} of these resources hold data that no apply brings back.**", ">"]
        lines += [*fit(loss, budget / 2, "> - … and {:,} more"), ""]
    if other:
        lines += ["> [!WARNING]", f"> **{len(other):,} other resources are destroyed, replaced or forgotten.**", ">"]
        lines += [*fit(other, budget / 4, "> - … and {:,} more"), ""]
    broken = [f"> - {code(_place(unit))} {unit.status}" for unit in report.units if unit.bad]
    if broken:
        lines += ["> [!IMPORTANT]", "> **These units have no plan: nothing can be applied until they have.**", ">"]
        lines += [*fit(broken, budget / 4, "> - … and {:,} more"), ""]
    return lines


def _table(report: Report, budget: float) -> list[str]:
    rows = [
        f"| {code(unit.environment)} | {code(unit.name)} | "
        + " | ".join(str(unit.counts[action] or "") for action in ("create", "update", "replace", "destroy"))
        + f" | {_result(unit)} |"
        for unit in report.units
        if not unit.quiet
    ]
    quiet = [unit for unit in report.units if unit.quiet]
    lines = []
    if rows:
        lines += ["| environment | unit | + create | ~ update | ± replace | - destroy | |"]
        lines += ["|---|---|--:|--:|--:|--:|---|"]
        lines += [*fit(rows, budget, "| … | {:,} more units | | | | | |"), ""]
    if quiet:
        where = sorted({unit.environment for unit in quiet})
        names = ", ".join(fit([code(name) for name in where], 300, "… {:,} more"))
        lines += [f"{len(quiet):,} unit{'s' * (len(quiet) > 1)} without changes in {names}.", ""]
    return lines


def _result(unit: Unit) -> str:
    said: list[str] = [] if unit.status == "planned" else [unit.status]
    rest = [f"{unit.counts[action]} {_VERBS[action]}" for action in ("forget", "import", "move") if unit.counts[action]]
    said += rest + ([f"{len(unit.outputs)} output{'s' * (len(unit.outputs) > 1)}"] if unit.outputs else [])
    if unit.note and unit.status in ("planned", "deferred"):
        said.append(code(unit.note))
    return ", ".join(said)


def _place(unit: Unit) -> str:
    return f"{unit.environment}/{unit.name}"


def _each(report: Report) -> list[tuple[Unit, Change]]:
    """All changes, worst first and those that lose data before others, whatever unit they are in."""
    every = [(unit, change) for unit in report.units for change in unit.changes]
    return sorted(every, key=lambda pair: (ORDER.index(pair[1].action), not pair[1].stateful))


def _blocks(report: Report) -> list[tuple[str, str]]:
    """The details as (heading, block), the most important first. The same change in several units is one block."""
    blocks = [
        ("No plan", f"{code(_place(unit))} {unit.status}\n\n{fence(unit.last_lines, 'text')}")
        for unit in report.units
        if unit.bad
    ]
    changes = [(_TITLES[change.action], unit, change) for unit, change in _each(report)]
    changes += [(_TITLES["output"], unit, change) for unit in report.units for change in unit.outputs]
    groups: dict[tuple[object, ...], tuple[str, list[tuple[str, str]], Change, list[Unit]]] = {}
    for title, unit, change in changes:
        lines = diff(change)
        key = (title, change.address, change.reason, tuple(lines))
        groups.setdefault(key, (title, lines, change, []))[3].append(unit)
    return blocks + [(title, _details(change, lines, units)) for title, lines, change, units in groups.values()]


def _details(change: Change, lines: Sequence[tuple[str, str]], units: Sequence[Unit]) -> str:
    places = ", ".join(fit([_html(_place(unit)) for unit in units], 600, "… {:,} more"))
    reason = f" · {_html(change.reason)}" if change.reason else ""
    number = f" · the same in {len(units)} units" if len(units) > 1 else ""
    opened = " open" if change.destructive and change.stateful else ""
    summary = f"<summary>{SIGNS[change.action]} {_html(change.address)} in {places}{number}{reason}</summary>"
    # `!` is what GitHub's diff colouring has for "changed"; the sign must stand in the first column.
    coloured = [f"{'!' if sign == '~' else sign} {text}" for sign, text in lines]
    body = fence(coloured) if coloured else "No attribute is shown: only what the engine keeps about it changes."
    return f"<details{opened}>{summary}\n\n{body}\n\n</details>"


def _html(text: str) -> str:
    """Untrusted text inside HTML: GitHub leaves `<code>` alone, and there is no Markdown in an HTML block."""
    return f"<code>{html.escape(visible(clip(text, _NAME)))}</code>"
