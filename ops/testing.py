"""`ops test`: the tiers of tests, cheapest first."""

from __future__ import annotations

import subprocess
import sys
import time

import click

from ops.console import log
from ops.errors import OpsError
from ops.paths import ROOT

TIERS = {
    "unit": ["tests/unit", "tests/contract"],
    "module": ["tests/module"],
    "policy": ["tests/policy"],
    "emulator": ["tests/emulator", "tests/property"],
    "pipeline": ["tests/pipeline"],
}
# The whole of what the tiers above run a seeded sample of: minutes to hours.
LONG = {
    "unit-full": "tests/unit",
    "policy-full": "tests/policy",
    "property": "tests/property",
    "pipeline-full": "tests/pipeline",
}


@click.command()
@click.argument("tier", required=False, type=click.Choice([*TIERS, *LONG]))
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def test(tier: str | None, pytest_options: tuple[str, ...]) -> None:
    """Run all tiers in order, or one; options after `--` go to pytest."""
    failed = [name for name in ([tier] if tier else TIERS) if not _run(name, pytest_options)]
    if failed:
        raise OpsError(f"Tests failed: {', '.join(failed)}. One tier again: `make test-{failed[0]}`.")


def _run(tier: str, options: tuple[str, ...]) -> bool:
    paths = TIERS[tier] if tier in TIERS else [LONG[tier]]
    chosen = "" if tier in LONG else "not long"
    log.rule(f"tests: {tier}")
    start = time.monotonic()
    # Two files side by side, each with emulators of its own: much of the time is the provider waiting for something.
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", chosen, *paths, *options]
    done = subprocess.run(command, cwd=ROOT)
    log.print(f"{tier}: {time.monotonic() - start:.0f} s, {'failed' if done.returncode else 'passed'}", markup=False)
    return done.returncode == 0
