"""`ops lint`: everything that reads the code without running it, and `ops lock`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from ops import pyenv, terragrunt, toolchain
from ops.console import log
from ops.emulator.scratch import scratch
from ops.errors import OpsError
from ops.paths import ROOT

MODULES = ("delivery", "remote_state", "welcome")


@dataclass(frozen=True)
class Check:
    """One program that reads the code; exit code 0 means that it found nothing."""

    name: str
    command: list[str]
    cwd: Path = ROOT
    env: dict[str, str] = field(default_factory=dict)

    def run(self) -> tuple[bool, str]:
        done = subprocess.run(
            self.command, cwd=self.cwd, env={**os.environ, **self.env}, capture_output=True, text=True
        )
        return done.returncode == 0, done.stdout + done.stderr


def checks(plans: Path) -> Iterator[Check]:
    """All checks; `plans` holds the plan JSON of every unit."""
    python = [sys.executable, "-m"]
    scripts = Path(sys.executable).parent
    tools = terragrunt.process_environment()
    grunt = str(toolchain.ensure("terragrunt"))
    yield Check("ruff", [*python, "ruff", "check", "."])
    yield Check("ruff format", [*python, "ruff", "format", "--check", "."])
    yield Check("mypy", [*python, "mypy", "ops", "tests"])
    yield Check("mypy lambda", [*python, "mypy", "."], ROOT / "lambda" / "welcome")
    yield Check("bandit", [*python, "bandit", "-q", "-r", "lambda"])
    yield Check("hcl fmt", [grunt, "hcl", "fmt", "--check"], env=tools)
    yield Check("hcl validate", [grunt, "hcl", "validate"], ROOT / "live", env=tools)
    yield Check("fmt", [str(toolchain.engine()), "fmt", "-check", "-recursive", "-diff", "modules"])
    tflint = str(toolchain.ensure("tflint"))
    plugins = {"TFLINT_PLUGIN_DIR": str(toolchain.tflint_plugins())}
    for module in MODULES:
        where = ROOT / "modules" / module
        yield Check(f"tflint {module}", [tflint, f"--config={ROOT / '.tflint.hcl'}", f"--chdir={where}"], env=plugins)
    checkov = [str(pyenv.ensure("checkov") / "bin" / "checkov"), "--quiet", "--compact", "--skip-download"]
    config = ["--config-file", str(ROOT / ".checkov.yaml")]
    yield Check("checkov modules", [*checkov, *config, "--framework", "terraform", "--directory", "modules"])
    # Enriched with the modules, so that the reasons beside the resources hold for the plans as well.
    files = [f"--file={file}" for file in sorted(plans.rglob("*.json"))]
    enriched = ["--framework", "terraform_plan", "--repo-root-for-plan-enrichment", "modules"]
    yield Check("checkov plans", [*checkov, *config, *enriched, *files])
    yield Check("actionlint", [str(toolchain.ensure("actionlint"))])
    yield Check("zizmor", [str(scripts / "zizmor"), "--offline", "--pedantic", "--quiet", "."])


def plan_everything(target: Path) -> None:
    """Write the plan JSON of every unit as it is for a new environment, planned against empty emulators."""
    with tempfile.TemporaryDirectory() as local, scratch(Path(local)):
        terragrunt.run(None, ["run", "--all", "--backend-bootstrap", "--json-out-dir", str(target), "--", "plan"])


@click.command()
def lint() -> None:
    """Run every linter and scanner; no finding is left without a reason beside it."""
    with tempfile.TemporaryDirectory() as scratch_plans:
        plans = Path(scratch_plans)
        start = time.monotonic()
        plan_everything(plans)
        log.print(f"✓ plans for checkov ({time.monotonic() - start:.1f} s)", style="green")
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            found = [(check, pool.submit(check.run)) for check in checks(plans)]
            results = [(check.name, *future.result()) for check, future in found]
    failed = [name for name, passed, _ in results if not passed]
    for name, passed, text in results:
        log.print(f"{'✓' if passed else '✗'} {name}", style="green" if passed else "red", markup=False)
        if not passed:
            log.print(text, markup=False)
    if failed:
        raise OpsError(f"Findings: {', '.join(failed)}.")


@click.command()
def lock() -> None:
    """Lock the Python requirements again: every package by version and hash, no address of any index."""
    for source in sorted(pyenv.LOCKS.glob("requirements-*.in")):
        command = [
            sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--allow-unsafe", "--upgrade",
            "--strip-extras", "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate",
            "--output-file", str(source.with_suffix(".txt")), str(source),
        ]  # fmt: skip
        if subprocess.run(command, cwd=ROOT).returncode:
            raise OpsError(f"{source.name} could not be locked: see above.")
        log.print(f"✓ {source.with_suffix('.txt').name}", style="green", markup=False)
