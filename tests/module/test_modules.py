"""The modules' own tests, with each engine there is, and the usage block of each README against the emulator."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops import terragrunt, toolchain
from ops.environments import Environment
from ops.paths import ROOT
from tests.conftest import Emulators

MODULES = ("delivery", "remote_state", "welcome")
# OpenTofu always: it is what CI and most users have. Terraform where it is installed.
ENGINES = {"tofu": toolchain.ensure("tofu")} | (
    {"terraform": found} if (found := toolchain.on_path("terraform")) else {}
)


def engine(program: Path, directory: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the engine in `directory` with the local provider."""
    variables = {
        **os.environ,
        "TF_CLI_CONFIG_FILE": str(toolchain.cli_config(program)),
        "TF_IN_AUTOMATION": "1",
        **extra,
    }
    return subprocess.run([program, *arguments], cwd=directory, env=variables, capture_output=True, text=True)


@pytest.mark.parametrize("program", ENGINES.values(), ids=ENGINES.keys())
@pytest.mark.parametrize("module", MODULES)
def test_native_tests_pass(module: str, program: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(ROOT / "modules" / module, tmp_path / module))
    initialised = engine(program, copy, "init", "-no-color", "-input=false")
    assert initialised.returncode == 0, initialised.stdout + initialised.stderr
    done = engine(program, copy, "test", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", done.stdout), done.stdout


def usage(module: str) -> str:
    """The first HCL block of the module's README."""
    block = re.search(r"```hcl\n(.+?)```", (ROOT / "modules" / module / "README.md").read_text(), re.S)
    assert block, f"modules/{module}/README.md shows no usage"
    return block[1]


def provider(env: Environment) -> str:
    return f"""
provider "aws" {{
  access_key        = "{env.account_id}"
  secret_key        = "local"
  region            = "{env.region}"
  s3_use_path_style = true
}}
"""


@pytest.mark.parametrize("program", ENGINES.values(), ids=ENGINES.keys())
@pytest.mark.parametrize("module", ["delivery", "welcome"])
def test_usage_in_the_readme_applies(module: str, program: Path, emulators: Emulators, tmp_path: Path) -> None:
    env = emulators.dev
    shutil.copytree(ROOT / "modules", tmp_path / "modules")
    here = tmp_path / "usage"
    here.mkdir()
    (here / "main.tf").write_text(usage(module) + provider(env))
    at = {"AWS_ENDPOINT_URL": str(env.endpoint)}
    for arguments in (["init"], ["apply", "-auto-approve"]):
        done = engine(program, here, *arguments, "-no-color", "-input=false", **at)
        assert done.returncode == 0, done.stdout + done.stderr
    planned = engine(program, here, "plan", "-no-color", "-input=false", "-detailed-exitcode", **at)
    assert planned.returncode == 0, planned.stdout
    gone = engine(program, here, "destroy", "-auto-approve", "-no-color", "-input=false", **at)
    assert gone.returncode == 0, gone.stdout + gone.stderr


def test_usage_of_remote_state_is_the_unit_that_the_emulator_tests_apply() -> None:
    assert usage("remote_state") == (ROOT / "live" / "dev" / "remote_state" / "terragrunt.hcl").read_text()


@pytest.mark.parametrize("module", MODULES)
def test_readme_names_every_input(module: str) -> None:
    directory = ROOT / "modules" / module
    declared = re.findall(r'^variable "(\w+)"', (directory / "variables.tf").read_text(), re.M)
    documented = re.findall(r"^\| `(\w+)` \|", (directory / "README.md").read_text(), re.M)
    assert sorted(documented) == declared, "variables are alphabetical, and all of them are in the README"
    assert len(declared) <= 14


@pytest.mark.parametrize("module", MODULES)
def test_outputs_are_alphabetical(module: str) -> None:
    declared = re.findall(r'^output "(\w+)"', (ROOT / "modules" / module / "outputs.tf").read_text(), re.M)
    assert declared == sorted(declared)


def test_initial_package_holds_the_initial_handler() -> None:
    from ops.package import build

    module = ROOT / "modules" / "welcome"
    assert (module / "initial.zip").read_bytes() == build(module / "initial"), (
        "initial.zip is not what initial/ builds: python -m ops package --source modules/welcome/initial "
        "--output modules/welcome/initial.zip"
    )


def test_environments_differ_in_env_hcl_only() -> None:
    trees: dict[str, dict[str, str]] = {}
    for directory in sorted((ROOT / "live").iterdir()):
        if directory.is_dir():
            files = (file for file in directory.rglob("*") if file.is_file() and file.name != "env.hcl")
            trees[directory.name] = {str(file.relative_to(directory)): file.read_text() for file in files}
    assert trees["dev"] == trees["prod"]
    assert len(trees["dev"]) == 3


def test_units_are_short() -> None:
    for file in (ROOT / "live").rglob("terragrunt.hcl"):
        assert len([line for line in file.read_text().splitlines() if line.strip()]) <= 20, file


def test_mocks_are_never_allowed_on_apply(emulators: Emulators) -> None:
    done = terragrunt.run(emulators.dev, ["render", "--json"], cwd=emulators.dev.directory / "welcome", check=False)
    rendered: dict[str, Any] = json.loads(done.stdout)
    for name, dependency in rendered["dependency"].items():
        assert "apply" not in dependency["mock_outputs_allowed_terraform_commands"], name
