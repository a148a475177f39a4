"""`ops apply`: apply exactly what was planned and read, by a reviewer in a pull request or by a person at a terminal.

With `--reviewed`, everything is decided for all units before the first one is applied: a saved plan is used if nothing
that it was made from has moved; where something has, the unit is planned again and has to come to the changes that were
reviewed. Why so: docs/decisions/apply-what-was-reviewed.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from ops import records, units
from ops.console import log, out, step
from ops.environments import Environment, selected, target
from ops.errors import BadInput, OpsError
from ops.identity import announce
from ops.plan import LOCK_TIMEOUT, NOT_RUN, Result, plan_everything, plan_removed, plan_units, run_all
from ops.records import FINISHED, Ledger, Planned, Record
from ops.report import changes, terminal
from ops.report.model import Report, load
from ops.units import Unit

APPLIED, FAILED, UNTOUCHED = "applied", "failed", "not applied"
LOCK_WAIT_SECONDS = int(os.environ.get("WELCOME_LOCK_WAIT", "120"))


class Stopped(OpsError):
    """Nothing was applied, because what would happen is not what was reviewed. Exit code 3."""

    exit_code = 3

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report  # what would happen now, for those who have to decide


class Unfinished(OpsError):
    """Some units were applied and others were not. Exit code 4."""

    exit_code = 4


@dataclass
class Outcome:
    """What an apply did, unit by unit."""

    units: dict[str, str] = field(default_factory=dict)  # name -> applied, failed, not applied
    notes: dict[str, str] = field(default_factory=dict)  # why, and what to do
    waiting: tuple[str, ...] = ()  # need a plan and a review of their own, with the next pull request

    @property
    def good(self) -> bool:
        return all(what == APPLIED for what in self.units.values())

    def lines(self, env: Environment) -> list[str]:
        """One line a unit."""
        said = [f"{env.name}/{name}: {what}" + self._note(name) for name, what in self.units.items()]
        said += [f"{env.name}/{name}: waits for a plan of its own, with the next pull request" for name in self.waiting]
        return said or [f"{env.name}: nothing to apply"]

    def _note(self, name: str) -> str:
        return f"\n{self.notes[name]}" if name in self.notes else ""


@dataclass(frozen=True)
class Approved:
    """What a review decided: the records, and the changes per unit that they add up to."""

    records: Sequence[Record]

    def planned(self, name: str) -> list[tuple[str, Planned]]:
        """(commit, plan) of a unit in each record that has one."""
        every = [(record.commit, unit) for record in self.records for unit in record.units]
        return [(commit, unit) for commit, unit in every if unit.name == name and unit.status == "planned"]

    def changes(self, name: str) -> dict[str, dict[str, str]]:
        """The reviewed changes of a unit: none if it was in no plan."""
        return {address: each for _, unit in self.planned(name) for address, each in unit.changes.items()}

    def names(self, status: str) -> set[str]:
        return {unit.name for record in self.records for unit in record.units if unit.status == status}


@dataclass(frozen=True)
class Trees:
    """The units of an environment in this checkout, and as they were before the delivery."""

    now: Mapping[str, Unit]
    before: Mapping[str, Unit]
    old: Path  # the checkout of before: a removed unit is destroyed with it

    def unit(self, name: str) -> Unit | None:
        return self.now.get(name) or self.before.get(name)

    def split(self, names: Iterable[str]) -> tuple[dict[str, Unit], dict[str, Unit]]:
        """The units that exist, dependencies first, and those that were removed, dependents first."""
        wanted = set(names)
        removed = {name: unit for name, unit in reversed(list(self.before.items())) if name not in self.now}
        return (
            {name: unit for name, unit in self.now.items() if name in wanted},
            {name: unit for name, unit in removed.items() if name in wanted},
        )


def apply_reviewed(env: Environment, reviews: Sequence[tuple[str, str]], base: str, run: str = "") -> Outcome:
    """Apply what was reviewed for these commits, each given with the SHA-256 of its record.

    `base` is the commit before the delivery, `run` the address of the job. Raises Stopped before anything is applied if
    what would happen is not what was reviewed, Unfinished if an apply failed half-way.
    """
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    found = []
    for commit, digest in reviews:
        record = records.load(env, commit, digest, repository)
        if record is None:
            raise Stopped(f"There is no plan record of {commit} (any more): have the pull request planned again.")
        found.append(record)
    approved, commit = Approved(found), _head()
    ledger = records.read_ledger(env)
    again = bool(ledger and ledger.commit == commit and ledger.status != FINISHED)
    with tempfile.TemporaryDirectory() as scratch, units.tree_of(base) as old:
        trees = Trees(units.discover(env), units.discover(env, old), old)
        hit = units.affected(trees.now, trees.before)
        names = {*hit.units, *hit.removed, *approved.names("planned")} - approved.names("deferred")
        names -= {name for name in names if (unit := trees.unit(name)) and unit.by_hand}
        with step(f"{env.name}: compare {', '.join(sorted(names)) or 'nothing'} with what was reviewed"):
            plans = _preflight(env, approved, names, trees, Path(scratch), again=again)
        _refuse_to_overtake(env, ledger, commit, plans)
        deferred = [name for name in trees.now if name in approved.names("deferred") and not trees.now[name].by_hand]
        delivery = Delivery(env, trees, Path(scratch), commit, run)
        return delivery.follow(delivery.apply(plans), deferred)


def apply_directly(env: Environment, result: Result, directory: Path, base: str, run: str = "") -> Outcome:
    """Apply plans that nobody reviewed: for an environment whose settings allow a direct push."""
    if result.bad:
        raise Stopped("Not every unit could be planned: nothing was applied.", load([directory]))
    commit = _head()
    with units.tree_of(base) as old:
        trees = Trees(units.discover(env), units.discover(env, old), old)
        plans = [unit for unit in result.units if unit.status == "planned"]
        _refuse_to_overtake(env, records.read_ledger(env), commit, plans)
        deferred = [unit.name for unit in result.units if unit.status == "deferred" and unit.name not in units.BY_HAND]
        delivery = Delivery(env, trees, directory, commit, run)
        return delivery.follow(delivery.apply(plans), deferred)


def _head() -> str:
    return units.git(units.root(), "rev-parse", "HEAD").strip()


def _preflight(
    env: Environment, approved: Approved, names: Iterable[str], trees: Trees, directory: Path, *, again: bool
) -> list[Planned]:
    """The plans to apply, in `directory`: saved ones where nothing moved, new ones that come to the same elsewhere."""
    good: list[Planned] = []
    moved: set[str] = set()
    for name in names:
        unit, found = trees.unit(name), approved.planned(name)
        if unit is None:
            raise Stopped(f"{env.name}/{name} was planned, and is in the code no more: plan the pull request again.")
        if len(found) == 1 and _still_true(env, found[0][1], unit):
            records.fetch(env, found[0][0], [found[0][1]], directory)
            good.append(found[0][1])
        else:
            moved.add(name)
    if not moved:
        return good
    log.print(f"something moved since the review: planning {', '.join(sorted(moved))} again", markup=False)
    present, removed = trees.split(moved)
    fresh = [unit for unit in plan_units(env, present, trees.now, directory) if unit.name in moved]
    fresh += plan_removed(env, removed, trees.old, directory)
    wrong = {unit.name: text for unit in fresh if (text := _differs(unit, approved.changes(unit.name), again=again))}
    if wrong:
        Result(env.name, _head(), "", tuple(fresh)).write(directory)
        lines = "\n".join(f"- {env.name}/{name}: {text}" for name, text in sorted(wrong.items()))
        raise Stopped(
            f"What an apply would do now is not what was reviewed, so nothing was applied:\n{lines}\n"
            "Open a pull request (a revert, or an update of the branch) to have the present plan reviewed.",
            load([directory]),
        )
    return good + fresh


def _still_true(env: Environment, plan: Planned, unit: Unit) -> bool:
    """Whether all that a saved plan was made from is as it was: code, tools, outputs that it reads, its own state."""
    state = records.applied(env, plan.name)
    return (
        plan.inputs == unit.inputs
        and plan.upstream == records.upstream(env, unit.dependencies)
        and plan.state == (state.state if state else None)
    )


def _differs(fresh: Planned, reviewed: Mapping[str, Mapping[str, str]], *, again: bool) -> str:
    """How a new plan differs from the reviewed changes, empty if it does not.

    After a delivery that stopped half-way (`again`), what is left of the reviewed changes is fine as well.
    """
    if fresh.status != "planned":
        return f"{fresh.status}: {fresh.note}"
    if fresh.changes == reviewed or (again and changes.remainder(fresh.changes, reviewed)):
        return ""
    more = sorted(set(fresh.changes) - set(reviewed))
    less = sorted(set(reviewed) - set(fresh.changes))
    other = sorted(each for each in set(reviewed) & set(fresh.changes) if reviewed[each] != fresh.changes[each])
    said = (("not reviewed", more), ("reviewed but not planned any more", less), ("reviewed with other values", other))
    return "; ".join(f"{what}: {', '.join(addresses)}" for what, addresses in said if addresses)


def _refuse_to_overtake(env: Environment, ledger: Ledger | None, commit: str, plans: Iterable[Planned]) -> None:
    """Wait behind a delivery that is not finished, unless this one was planned on top of it and finishes it."""
    if not ledger or ledger.commit == commit:
        return
    left = ledger.unfinished - {unit.name for unit in plans}
    if left:
        raise Stopped(
            f"The delivery of {ledger.commit} is not finished: {', '.join(sorted(left))} in {env.name}. Nothing was "
            f"applied. Run its job again first ({ledger.run or 'see the ledger'}), then this one; or have these units "
            "planned with another pull request."
        )


def _wait_for_locks(env: Environment, names: Iterable[str]) -> None:
    """Raise Stopped if somebody holds the lock of a unit and keeps it: better now than after half of the units."""
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    for name in names:
        while holder := records.lock_holder(env, name):
            if time.monotonic() >= deadline:
                raise Stopped(
                    f"{env.name}/{name} is locked: {_held(holder)}\nNothing was applied. If that process is dead, "
                    f"release its lock and run this again:\n  {records.unlock_command(env, name, holder['ID'])}"
                )
            time.sleep(2)


def _held(holder: records.JSON) -> str:
    return f"{holder['Operation']} by {holder['Who']} since {holder['Created']} (lock {holder['ID']})"


@dataclass(frozen=True)
class Delivery:
    """One delivery under way: what it is about, and the directory with its plans."""

    env: Environment
    trees: Trees
    directory: Path
    commit: str
    run: str  # address of the job

    def record(self, status: str, outcome: Outcome) -> None:
        ledger = Ledger(self.commit, status, outcome.units, outcome.waiting, self.run)
        records.write_ledger(self.env, ledger)

    def apply(self, plans: Iterable[Planned]) -> Outcome:
        """Apply plans. The ledger is written before and after, so that a killed job leaves a trace."""
        present, removed = self.trees.split(unit.name for unit in plans if unit.changes)
        outcome = Outcome(dict.fromkeys([*present, *removed], UNTOUCHED))
        _wait_for_locks(self.env, outcome.units)
        if not outcome.units:
            return outcome
        self.record("started", outcome)
        with step(f"{self.env.name}: apply {', '.join(outcome.units)}"):
            errors = _engine(self.env, present, self.directory)
            for name in removed:
                if not any(errors.values()):  # an old unit may be what a new one still has to get away from
                    errors |= _engine(self.env, [name], self.directory, self.trees.old)
        for name, error in errors.items():
            outcome.units[name] = UNTOUCHED if error.startswith(NOT_RUN) else FAILED if error else APPLIED
            if error:
                outcome.notes[name] = error.strip() + _lock_left(self.env, name)
        self.record(FINISHED if outcome.good else "failed", outcome)
        if not outcome.good:
            raise Unfinished(
                "\n".join(["The apply stopped half-way:", *outcome.lines(self.env)])
                + "\nRun the job again when the cause is gone: it finishes what is left. Later deliveries wait for it."
            )
        return outcome

    def follow(self, outcome: Outcome, deferred: Iterable[str]) -> Outcome:
        """Units that waited for others can be planned now: applied where a direct push is, else left to a review."""
        waiting = list(deferred)
        while waiting and self.env.settings.get("direct_push") == "plan":
            present, _ = self.trees.split(waiting)
            fresh = plan_units(self.env, present, self.trees.now, self.directory)
            Result(self.env.name, self.commit, "", fresh).write(self.directory)
            if any(unit.status == "failed" for unit in fresh):
                raise Stopped("A unit that waited for others could not be planned.", load([self.directory]))
            ready = [unit for unit in fresh if unit.status == "planned"]
            if not ready:
                break
            outcome.units |= self.apply(ready).units
            waiting = [unit.name for unit in fresh if unit.status == "deferred"]
        outcome.waiting = tuple(waiting)
        if outcome.units or outcome.waiting:
            self.record(FINISHED, outcome)
        return outcome


def _engine(env: Environment, names: Iterable[str], directory: Path, tree: Path | None = None) -> dict[str, str]:
    names = list(names)
    if not names:
        return {}
    # The same units as were planned: Terragrunt fails at a unit without a saved plan.
    return run_all(env, names, ["--out-dir", str(directory)], ["apply", "-input=false", LOCK_TIMEOUT], directory, tree)


def _lock_left(env: Environment, name: str) -> str:
    """What to do if a failed apply could not release its lock."""
    holder = records.lock_holder(env, name)
    if not holder:
        return ""
    return f"\nIts lock is still held: {_held(holder)}\n  {records.unlock_command(env, name, holder['ID'])}"


def apply_by_hand(env: Environment, *, yes: bool) -> Outcome:
    """Plan everything, show it, ask where it matters, and apply those very plans; again until no unit waits."""
    total = Outcome()
    while True:
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch)
            result = plan_everything(env, directory)
            result.write(directory)
            report = load([directory])
            terminal.show(report, out)
            if result.bad:
                raise OpsError(f"{env.name}: not every unit could be planned, so nothing was applied.")
            todo = [unit for unit in result.units if unit.changes]
            waiting = tuple(unit.name for unit in result.units if unit.status == "deferred")
            if not todo:
                return replace(total, waiting=waiting)
            _ask(env, report, yes=yes)
            with step(f"{env.name}: apply {', '.join(unit.name for unit in todo)}"):
                errors = _engine(env, [unit.name for unit in todo], directory)
            total.units |= {name: FAILED if error else APPLIED for name, error in errors.items()}
            total.notes |= {name: error.strip() + _lock_left(env, name) for name, error in errors.items() if error}
            if not total.good:
                raise Unfinished("\n".join(["The apply stopped half-way:", *total.lines(env)]))
            if not waiting:
                return total


def _ask(env: Environment, report: Report, *, yes: bool) -> None:
    """Ask before anything is lost, and before anything at all happens in a protected environment on AWS."""
    loses = any(change.destructive for unit in report.units for change in unit.changes)
    guarded = target() == "aws" and env.settings.get("direct_push") != "plan"
    if yes or not (loses or guarded):
        return
    what = "destroy or replace resources" if loses else "change"
    if not sys.stdin.isatty():
        raise BadInput(f"This would {what} in {env.name}: run it in a terminal, or with --yes.")
    click.confirm(f"{what.capitalize()} in {env.name}, account {env.account_id}?", abort=True, err=True)


@click.command()
@click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reviewed", is_flag=True, help="Apply what was reviewed for the push that is checked out.")
@click.option("--before", metavar="SHA", help="With --reviewed: the commit of the branch before the push.")
def apply(name: str | None, yes: bool, reviewed: bool, before: str | None) -> None:
    """Plan, show and apply; or, with --reviewed, apply exactly what the pull requests of a push had reviewed.

    Ends with 3 if nothing was applied because it is not what was reviewed, with 4 if an apply stopped half-way.
    """
    if reviewed and not (name and before):
        raise BadInput("--reviewed goes with --env and --before.")
    envs = selected(name)
    announce(envs)
    for env in envs:
        if reviewed and before:
            from ops.deliver import deliver  # here, since it imports this module

            outcome = deliver(env, before)
        else:
            outcome = apply_by_hand(env, yes=yes)
        out.print("\n".join(outcome.lines(env)), markup=False)
