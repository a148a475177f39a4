"""What the pipeline costs: each step from a pull request to the answering URL, and how few units a change plans."""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ops import units
from ops.environments import environments

ENVIRONMENTS, UNITS = 20, 5


def rows() -> list[dict[str, object]]:
    """Seconds of each step of the rehearsal's first pull request (to the comment) and of its delivery (to the curl)."""
    from ops.rehearse.scenario import Story
    from tests.pipeline.harness.world import world

    with tempfile.TemporaryDirectory() as place, world(Path(place)) as created:
        story = Story(created, checks=False)
        story.play()
    found: list[dict[str, object]] = []
    for what, scene in (("pull request to comment", story.scenes[1]), ("merge to curl", story.scenes[2])):
        for run in scene.runs:
            found.append({"what": what, "step": "all", "seconds": round(run.seconds, 2)})
            found += [{"what": what, "step": step.name, "seconds": round(step.seconds, 2)} for step in run.steps]
    return found


def affected_rows() -> list[dict[str, object]]:
    """Of 100 units in 20 environments: how many are planned when one file changes, and how long that takes to tell."""
    changes: dict[str, Callable[[Path], object]] = {
        "one environment's env.hcl": lambda tree: _append(tree / "live" / "env0" / "env.hcl"),
        "one module": lambda tree: _append(tree / "modules" / "unit0" / "main.tf"),
        "one unit": lambda tree: _append(tree / "live" / "env0" / "unit0" / "terragrunt.hcl"),
        "the root file": lambda tree: _append(tree / "terragrunt.hcl"),
        "a README": lambda tree: (tree / "README.md").write_text("changed"),
    }
    return [{"changed": what, **_affected(edit)} for what, edit in changes.items()]


def _append(file: Path) -> None:
    file.write_text(file.read_text() + "# changed\n")


def _affected(edit: Callable[[Path], object]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        trees = Path(place, "before").resolve(), Path(place, "after").resolve()
        for tree in trees:
            _generate(tree)
        edit(trees[1])
        template = environments()[0]
        planned, start = 0, time.monotonic()
        for number in range(ENVIRONMENTS):
            env = dataclasses.replace(template, name=f"env{number}", directory=trees[1] / "live" / f"env{number}")
            before, now = (units.discover(env, tree) for tree in trees)
            planned += len(units.affected(now, before).units)
        seconds = (time.monotonic() - start) / ENVIRONMENTS
    return {"planned": planned, "of": ENVIRONMENTS * UNITS, "seconds an environment": round(seconds, 2)}


def _generate(tree: Path) -> None:
    """20 environments of 5 units, each a unit of the module of its name, as in the real tree."""
    tree.mkdir()
    (tree / "terragrunt.hcl").write_text(
        'locals {\n  env = read_terragrunt_config(find_in_parent_folders("env.hcl")).locals\n}\n'
        'terraform {\n  source = "${get_parent_terragrunt_dir()}/modules//${basename(get_terragrunt_dir())}"\n}\n'
    )
    for unit in (f"unit{number}" for number in range(UNITS)):
        (tree / "modules" / unit).mkdir(parents=True)
        (tree / "modules" / unit / "main.tf").write_text('resource "terraform_data" "this" {}\n')
        for name in (f"env{number}" for number in range(ENVIRONMENTS)):
            place = tree / "live" / name / unit
            place.mkdir(parents=True)
            (place.parent / "env.hcl").write_text(f'locals {{\n  environment = "{name}"\n}}\n')
            (place / "terragrunt.hcl").write_text('include "root" {\n  path = "${get_repo_root()}/terragrunt.hcl"\n}\n')
    subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
