"""What plans cost: with the emulator build of the provider, and as the number of environments grows."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops import terragrunt, toolchain
from ops.emulator.scratch import scratch
from ops.environments import Environment, environments
from ops.paths import cache_dir

ENVIRONMENTS = (1, 5, 20, 50)
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds and the largest resident process in bytes."""

    wall: float
    memory: int


def measure(command: Sequence[str], cwd: Path, env: dict[str, str]) -> Cost:
    """Run `command` and account for it and all its children. Raises CalledProcessError if it fails."""
    # A process of its own, since the kernel adds up the children of a process and keeps the largest.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        start = time.monotonic()
        done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        os.write(writer, f"{time.monotonic() - start} {used} {done.returncode}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        wall, memory, code = pipe.read().split()
    os.waitpid(child, 0)
    if code != "0":
        raise subprocess.CalledProcessError(int(code), command)
    return Cost(float(wall), int(memory))


def provider_rows() -> list[dict[str, object]]:
    """A no-change plan of one environment with each build of the provider that is on this machine."""
    builds = {"emulator build": None} | ({"whole provider": whole} if (whole := _whole_provider()) else {})
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as local, scratch(Path(local)) as envs:
        env = envs["dev"]
        units = ["--filter", "delivery", "--filter", "welcome"]
        terragrunt.run(env, ["run", "--all", "--backend-bootstrap", *units, "--", "apply"])
        for name, config in builds.items():
            extra = {"TF_CLI_CONFIG_FILE": str(config)} if config else {}
            extra |= {"TG_DOWNLOAD_DIR": f"{local}/{name.split()[0]}"}
            rows.append({"provider": name, **vars(_plan(env, units, extra))})
    return rows


def _plan(env: Environment, units: list[str], extra: dict[str, str]) -> Cost:
    command = [str(toolchain.ensure("terragrunt")), "run", "--all", *units, "--", "plan", "-lock=false"]
    variables = terragrunt.process_environment(extra)
    costs = [measure(command, env.directory, variables) for _ in range(ROUNDS + 1)][1:]  # the first one initialises
    return Cost(min(cost.wall for cost in costs), max(cost.memory for cost in costs))


def _whole_provider() -> Path | None:
    """A CLI configuration for the whole provider, if someone put it into the cache (it takes half an hour to build)."""
    mirror = cache_dir() / "mirror" / "whole"
    if not mirror.exists():
        return None
    file = mirror / "cli.tfrc"
    file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    return file


def growth_rows() -> list[dict[str, object]]:
    """Finding and planning with 1 to 50 environments: all of them, and narrowed to the one unit that changed."""
    return [_growth(count) for count in ENVIRONMENTS]


def _growth(count: int) -> dict[str, object]:
    """Time of a plan of `count` environments, whole and narrowed to one changed unit.

    The units hold a `terraform_data` resource in place of AWS's, and local state: what is measured is Terragrunt
    reading the tree and running the engine, not an emulator with fifty accounts.
    """
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        _generate(tree, count)
        variables = terragrunt.process_environment({"TG_DOWNLOAD_DIR": str(tree / "cache")})
        grunt = [str(toolchain.ensure("terragrunt")), "run", "--all", "--no-filters-file"]
        # From the environment's directory, as `ops plan` does: from live/ Terragrunt parses every environment first.
        changed = [*grunt, "--filter", "./welcome", "--", "plan"]
        measure([*grunt, "--", "init"], tree / "live", variables)
        narrowed = min(measure(changed, tree / "live" / "env0", variables).wall for _ in range(ROUNDS))
        whole = measure([*grunt, "--", "plan"], tree / "live", variables).wall
    return {"environments": count, "units": 3 * count, "whole": whole, "narrowed": narrowed}


def _generate(tree: Path, count: int) -> None:
    """A tree of `count` environments with the three units of a real one."""
    template = environments()[0].directory
    (tree / "terragrunt.hcl").write_text(
        'terraform {\n  source = "${get_parent_terragrunt_dir()}/modules//${basename(get_terragrunt_dir())}"\n}\n'
    )
    for unit in (each.parent.name for each in template.glob("*/terragrunt.hcl")):
        module = tree / "modules" / unit
        module.mkdir(parents=True)
        (module / "main.tf").write_text('resource "terraform_data" "this" {\n  input = "same"\n}\n')
        for number in range(count):
            place = tree / "live" / f"env{number}" / unit
            place.mkdir(parents=True)
            shutil.copy2(template / "env.hcl", place.parent)
            (place / "terragrunt.hcl").write_text(f'include "root" {{\n  path = "{tree}/terragrunt.hcl"\n}}\n')
