"""`ops plan`: plan the units of an environment that a change of the code affects, and say the truth about each.

Terragrunt's exit code says little (0 although units failed, 2 for changes): what happened is read from its report file
and from plan JSON. A unit is *deferred*, not planned, when it reads an output that is not there yet or is about to
change: a plan made with a mock or an outdated value would be a plan of something else.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from ops import records, terragrunt, toolchain, units
from ops.console import log, out, step
from ops.environments import Environment, selected
from ops.errors import BadInput, OpsError
from ops.identity import announce
from ops.records import PLAN, Planned, Record
from ops.report import changes, terminal
from ops.report.model import RESULT, load
from ops.units import Unit

_JSON = "tfplan.json"
NOT_RUN = "not run"  # how the error of a unit begins that was not reached
# A lock is held for seconds by a plan and for minutes by an apply: waiting is cheaper than a failed job.
LOCK_TIMEOUT = "-lock-timeout=300s"


@dataclasses.dataclass(frozen=True)
class Result:
    """What `ops plan` leaves in its directory, as result.json beside the plans."""

    environment: str
    commit: str
    base: str
    units: tuple[Planned, ...]
    record: str = ""  # SHA-256 of the manifest, if the record was saved

    @property
    def bad(self) -> bool:
        return any(unit.status in ("failed", "refused") for unit in self.units)

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / RESULT).write_text(json.dumps(dataclasses.asdict(self), indent=1))


def read_result(directory: Path) -> Result:
    """The result in a directory. Raises BadInput if there is none."""
    try:
        content = json.loads((directory / RESULT).read_text())
    except FileNotFoundError:
        raise BadInput(f"{directory} holds no {RESULT}: make one with `ops plan --out {directory}`.") from None
    return Result(**{**content, "units": tuple(Planned.parse(entry) for entry in content["units"])})


def plan_units(
    env: Environment, wanted: Mapping[str, Unit], everything: Mapping[str, Unit], directory: Path
) -> tuple[Planned, ...]:
    """Plan the `wanted` units of this checkout into `directory`, dependencies first in what is returned.

    Units of `everything` that read an output which one of these plans changes are returned as deferred.
    """
    missing = {name: _waits_for(env, unit, everything) for name, unit in wanted.items()}
    ready = {name: unit for name, unit in wanted.items() if not missing[name]}
    planned = _terragrunt_plan(env, ready, directory)
    waits = {name: f"waits for {', '.join(sorted(each))}: not applied yet" for name, each in missing.items() if each}
    for name, unit in everything.items():  # dependencies come first, so what they wait for is known
        reasons = {each for each in unit.dependencies if each in waits}
        moving = {each for each in unit.dependencies if each in planned and _changes_outputs(planned[each], directory)}
        if (reasons or moving) and name not in waits:
            waits[name] = f"waits for {', '.join(sorted(reasons | moving))}, whose outputs it reads"
    for name in waits:
        shutil.rmtree(directory / name, ignore_errors=True)
    deferred = {name: Planned(name, "deferred", note, inputs=everything[name].inputs) for name, note in waits.items()}
    found = {**planned, **deferred}
    return tuple(found[name] for name in everything if name in found)


def _waits_for(env: Environment, unit: Unit, everything: Mapping[str, Unit]) -> set[str]:
    """Dependencies that lack what the unit reads: never applied, or without an output that it has a mock for."""
    missing = set()
    for name in unit.dependencies:
        state = records.applied(env, name)
        if state is None or not state.resources or not unit.mocks.get(name, frozenset()) <= set(state.outputs):
            missing.add(name)
    return missing


def _changes_outputs(unit: Planned, directory: Path) -> bool:
    return unit.status == "planned" and bool(changes.outputs(json.loads((directory / unit.plan_json).read_text())))


def _has_state(env: Environment, name: str) -> bool:
    found = records.applied(env, name) if _known(env, name) else None
    return bool(found and found.resources)


def _known(env: Environment, name: str) -> bool:
    """Whether the role that this runs with was made for the unit, too."""
    try:
        records.applied(env, name)
    except records.NotAllowed:
        return False
    return True


def plan_removed(env: Environment, removed: Mapping[str, Unit], tree: Path, directory: Path) -> tuple[Planned, ...]:
    """Plan the destruction of units that are gone from the code, with the tree that still has them."""
    there = {name: unit for name, unit in removed.items() if _has_state(env, name)}
    return tuple(_terragrunt_plan(env, there, directory, tree=tree).values())


def _terragrunt_plan(
    env: Environment, wanted: Mapping[str, Unit], directory: Path, tree: Path | None = None
) -> dict[str, Planned]:
    if not wanted:
        return {}
    before = _states(env, wanted)
    for name in wanted:
        shutil.rmtree(directory / name, ignore_errors=True)
    arguments = ["--out-dir", str(directory), "--json-out-dir", str(directory)]
    destroy = ["-destroy"] if tree else []
    report = run_all(env, wanted, arguments, ["plan", *destroy, "-input=false", LOCK_TIMEOUT], directory, tree)
    after = _states(env, wanted)
    planned = {}
    for name, unit in wanted.items():
        error = report[name]
        if not error and before[name] != after[name]:
            error = "Its state was changed while it was planned: plan again."
        if not error and not (directory / name / _JSON).is_file():
            error = "There is no plan JSON although Terragrunt reports success: see terragrunt.log."
        if error:
            planned[name] = Planned(name, "failed", error, removed=bool(tree), inputs=unit.inputs)
            continue
        content = json.loads((directory / name / _JSON).read_text())
        planned[name] = Planned(
            name, "planned", "removed from the code" if tree else "", bool(tree), f"{name}/{PLAN}", f"{name}/{_JSON}",
            unit.inputs, records.upstream(env, unit.dependencies), before[name], changes.digests(content),
            records.sha256((directory / name / PLAN).read_bytes()),
        )  # fmt: skip
    return planned


def _states(env: Environment, names: Iterable[str]) -> dict[str, records.State | None]:
    found = {name: records.applied(env, name) for name in names}
    return {name: each.state if each else None for name, each in found.items()}


def run_all(  # noqa: PLR0917 - what to run, on what, and where
    env: Environment,
    names: Iterable[str],
    options: list[str],
    command: list[str],
    directory: Path,
    tree: Path | None = None,
) -> dict[str, str]:
    """Run an engine command in units, in the order of their dependencies; what went wrong in each, empty if nothing.

    Raises OpsError if Terragrunt did not get as far as writing its report.
    """  # fmt: skip
    names = list(names)
    with tempfile.TemporaryDirectory() as scratch:
        file, written = Path(scratch) / "report.json", directory / "terragrunt.log"
        filters = [argument for name in names for argument in ("--filter", f"./{name}")]
        options = [*options, *filters, "--no-filters-file", "--no-color"]
        options += ["--report-file", str(file), "--report-format", "json"]
        cwd = tree / "live" / env.name if tree else None
        done = terragrunt.run(env, ["run", "--all", *options, "--", *command], cwd=cwd, log=written, check=False)
        if not file.is_file():
            tail = "\n".join(written.read_text().splitlines()[-20:])
            raise OpsError(f"terragrunt {command[0]} ended with {done.returncode} and without a report:\n{tail}")
        report = {entry["Name"]: entry for entry in json.loads(file.read_text())}
    return {name: _error(report.get(name)) for name in names}


def _error(entry: Mapping[str, str] | None) -> str:
    if entry is None:
        return "Terragrunt did not run this unit and does not say why: see terragrunt.log."
    if entry["Result"] == "succeeded":
        return ""
    if entry["Result"] == "early exit":
        return f"{NOT_RUN}, since {entry.get('Cause', 'another unit')} failed"
    return str(entry.get("Cause") or entry.get("Reason") or entry["Result"])


def plan_change(env: Environment, base: str, commit: str, directory: Path, *, waiting: Iterable[str] = ()) -> Result:
    """Plan what the change from `base` to this checkout affects in `env`, and the `waiting` units with it.

    Only what the pipeline may apply is planned; units that a person applies are mentioned.
    """
    with units.tree_of(base) as tree:
        now, before = units.discover(env), units.discover(env, tree)
        hit = units.affected(now, before)
        # Once its state was moved, the new unit is like any other.
        renamed = {old: new for old, new in hit.renamed.items() if _has_state(env, old) and not _has_state(env, new)}
        chosen = {name: unit for name, unit in now.items() if name in hit.units or name in set(waiting)}
        mine = {name: unit for name, unit in chosen.items() if not unit.by_hand and name not in renamed.values()}
        unknown = [name for name in mine if not _known(env, name)]
        mine = {name: unit for name, unit in mine.items() if name not in unknown}
        with step(f"{env.name}: plan {', '.join(mine) or 'nothing'} ({len(now) - len(chosen)} units are not affected)"):
            planned = plan_units(env, mine, now, directory)
            gone = {name: unit for name, unit in hit.removed.items() if not unit.by_hand}
            planned += plan_removed(env, gone, tree, directory)
    planned += tuple(_renamed(env, old, new, base) for old, new in renamed.items())
    planned += tuple(_unknown(env, name) for name in unknown)
    by_hand = [name for name, unit in {**chosen, **hit.removed}.items() if unit.by_hand]
    note = f"is applied by a person: make bootstrap ENV={env.name}"
    planned += tuple(Planned(name, "deferred", note) for name in by_hand)
    return Result(env.name, commit, base, planned)


def _unknown(env: Environment, name: str) -> Planned:
    return Planned(
        name, "refused",
        f"The roles of {env.name} were not made for this unit. Add {name} to `units` of `state` in "
        f"live/{env.name}/delivery/terragrunt.hcl, have a person run make bootstrap ENV={env.name}, and plan again.",
    )  # fmt: skip


def _renamed(env: Environment, old: str, new: str, base: str) -> Planned:
    return Planned(
        new, "refused",
        f"{old} was renamed to {new}. Planned as it stands, all its resources would be destroyed and created again.\n"
        f"Move its state first, from this branch, as a person with rights to the state:\n"
        f"  git worktree add --detach ../before {base}\n"
        f"  terragrunt state pull --working-dir ../before/live/{env.name}/{old} > moved.tfstate\n"
        f'  terragrunt state push --working-dir live/{env.name}/{new} "$PWD/moved.tfstate"\n'
        f"  git worktree remove ../before\n"
        f"Then plan again.",
    )  # fmt: skip


def plan_everything(env: Environment, directory: Path) -> Result:
    """Plan all units of `env`, those that a person applies included."""
    found = units.discover(env)
    with step(f"{env.name}: plan {len(found)} units"):
        planned = plan_units(env, found, found, directory)
    return Result(env.name, "", "", planned)


def tools() -> dict[str, str]:
    """Versions of the programs that make plans."""
    found = {}
    for program in (toolchain.engine(), toolchain.ensure("terragrunt")):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        found[program.name] = done.stdout.splitlines()[0]
    return found


@click.command()
@click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")
@click.option("--base", metavar="SHA", help="Plan only what differs from this commit (the HEAD^1 of a merge).")
@click.option("--commit", metavar="SHA", help="The commit that reviewers see: the head of the pull request.")
@click.option("--out", "directory", type=click.Path(path_type=Path), help="Where plans and result.json go.")
@click.option("--save-record", is_flag=True, help="Store the plans for `ops apply --reviewed`.")
def plan(name: str | None, base: str | None, commit: str | None, directory: Path | None, save_record: bool) -> None:
    """Show what an apply would change. Plans hold secrets: keep --out out of artifacts.

    Ends with 1 if a unit could not be planned; the result is complete all the same.
    """
    envs = selected(name)
    if (base or save_record) and not all((name, base, commit, directory)):
        raise BadInput("The plan of a pull request needs all of --env, --base, --commit and --out.")
    announce(envs)
    with tempfile.TemporaryDirectory() as scratch:
        place = directory or Path(scratch)
        place = place.resolve()
        results = []
        for env in envs:
            where = place if name else place / env.name
            where.mkdir(parents=True, exist_ok=True)
            if base and commit:
                ledger = records.read_ledger(env)
                waiting = {*ledger.waiting, *ledger.unfinished} if ledger else set()
                result = plan_change(env, base, commit, where, waiting=waiting)
            else:
                result = plan_everything(env, where)
            if save_record and not result.bad:
                result = _save(env, result, where)
            result.write(where)
            results.append((result, where))
        terminal.show(load(where for _, where in results), out)
    if any(result.bad for result, _ in results):
        raise OpsError("Not every unit could be planned: see above.")


def _save(env: Environment, result: Result, directory: Path) -> Result:
    tree = units.git(units.root(), "rev-parse", "HEAD^{tree}").strip()
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    record = Record(env.name, result.commit, result.base, tree, repository, tools(), result.units)
    digest = records.save(env, record, directory)
    log.print(f"saved the plan record of {result.commit}: SHA-256 {digest}", markup=False)
    return dataclasses.replace(result, record=digest)
