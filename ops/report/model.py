"""One report: the units of one or more environments, and what happened to each when it was planned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ops.errors import BadInput
from ops.report.changes import ORDER, UNKNOWN, Attribute, Change, outputs, read
from ops.report.lines import clip, visible
from ops.report.secrets import scrub

Status = Literal["planned", "deferred", "failed", "refused"]
RESULT = "result.json"


@dataclass(frozen=True)
class Unit:
    """One unit of a report. `note` says why a unit was deferred, failed or refused, and what is special otherwise."""

    environment: str
    name: str
    status: Status
    note: str = ""
    changes: tuple[Change, ...] = ()
    outputs: tuple[Change, ...] = ()

    @property
    def counts(self) -> Counter[str]:
        return Counter(change.action for change in self.changes)

    @property
    def quiet(self) -> bool:
        """Nothing to look at."""
        return self.status == "planned" and not self.changes and not self.outputs

    @property
    def bad(self) -> bool:
        """There is no plan, and something has to be done about it."""
        return self.status in ("failed", "refused")

    @property
    def last_lines(self) -> list[str]:
        """The end of a long note, such as a tool's error message."""
        return [visible(clip(line, 400)) for line in self.note.splitlines()[-40:]]


@dataclass(frozen=True)
class Report:
    """What `ops plan` found, ready to be written. `commit` is what was planned, as a reviewer knows it."""

    units: tuple[Unit, ...]
    commit: str = ""

    @property
    def changed(self) -> bool:
        return any(unit.changes or unit.outputs for unit in self.units)

    @property
    def bad(self) -> bool:
        """Whether a unit could not be planned: the report is then not the whole truth."""
        return any(unit.bad for unit in self.units)

    @property
    def counts(self) -> Counter[str]:
        return sum((unit.counts for unit in self.units), Counter())


def load(directories: Iterable[Path]) -> Report:
    """The report of what `ops plan --out DIRECTORY` left in these directories.

    Raises BadInput if one of them holds no result.
    """
    units: list[Unit] = []
    commit = ""
    for directory in directories:
        try:
            result = json.loads((directory / RESULT).read_text())
        except FileNotFoundError:
            raise BadInput(f"{directory} holds no {RESULT}: make one with `ops plan --out {directory}`.") from None
        commit = commit or result.get("commit", "")
        units += [_unit(result["environment"], entry, directory) for entry in result["units"]]
    return Report(tuple(sorted(units, key=lambda unit: (unit.environment, unit.name))), commit)


def _unit(environment: str, entry: dict[str, Any], directory: Path) -> Unit:
    changes: tuple[Change, ...] = ()
    changed_outputs: tuple[Change, ...] = ()
    if entry["status"] == "planned":
        plan = json.loads((directory / entry["plan_json"]).read_text())
        changes, changed_outputs = read(plan), outputs(plan)
    return Unit(environment, entry["name"], entry["status"], scrub(entry.get("note", "")), changes, changed_outputs)


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs, with the same values hidden as everywhere else."""
    return {
        "commit": report.commit,
        "counts": {action: report.counts[action] for action in ORDER if report.counts[action]},
        "units": [
            {
                "environment": unit.environment,
                "name": unit.name,
                "status": unit.status,
                "note": unit.note,
                "changes": [_change(change) for change in unit.changes],
                "outputs": [_change(change) for change in unit.outputs],
            }
            for unit in report.units
        ],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "type": change.type,
        "action": change.action,
        "reason": change.reason,
        "holds_data": change.stateful,
        "attributes": [_attribute(each) for each in change.attributes],
    }


def _attribute(attribute: Attribute) -> dict[str, Any]:
    if attribute.hidden:
        return {"name": attribute.name, "hidden": True}
    return {
        "name": attribute.name,
        "before": attribute.before,
        "after": None if attribute.after is UNKNOWN else attribute.after,
        "known_after_apply": attribute.after is UNKNOWN,
    }
