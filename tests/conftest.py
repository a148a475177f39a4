"""What all tiers share: a copy of the tree, and emulators of their own on free ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops import environments as environments_module
from ops import terragrunt
from ops.emulator import process
from ops.environments import Environment
from ops.paths import ROOT

# What a run by hand may have set must not reach a test.
for _name in list(os.environ):
    if _name.startswith(("AWS_", "TG_", "TF_", "WELCOME_")) and _name not in ("WELCOME_CACHE_DIR", "WELCOME_ENGINE"):
        del os.environ[_name]
os.environ["TARGET"] = "local"


def free_port() -> int:
    """A port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def copy_tree(destination: Path) -> Path:
    """A copy of what Terragrunt reads, as a git repository of its own: tests may edit it."""
    destination.mkdir(parents=True)
    shutil.copy2(ROOT / "terragrunt.hcl", destination)
    for directory in ("live", "modules"):
        shutil.copytree(ROOT / directory, destination / directory)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "copy"]):
        subprocess.run([*git, *arguments], cwd=destination, check=True)
    return destination


@dataclass(frozen=True)
class Emulators:
    """Two running emulators with nothing in them, and the tree that deploys into them."""

    root: Path
    local: Path
    environments: dict[str, Environment]

    @property
    def dev(self) -> Environment:
        return self.environments["dev"]

    @property
    def prod(self) -> Environment:
        return self.environments["prod"]

    def apply(self, env: Environment, *units: str) -> None:
        """Apply `units` of `env` (without any: delivery and welcome), creating the backend if need be."""
        chosen = [f"--filter={unit}" for unit in units or ("delivery", "welcome")]
        terragrunt.run(env, ["run", "--all", "--backend-bootstrap", *chosen, "--", "apply"])


def start_emulators(patch: pytest.MonkeyPatch, directory: Path) -> Iterator[Emulators]:
    """Start the emulators below `directory` on free ports, and stop them whatever happens."""
    root, local = copy_tree(directory / "tree"), directory / "local"
    patch.setenv("WELCOME_ROOT", str(root))
    patch.setenv("WELCOME_LOCAL_DIR", str(local))
    for name in ("dev", "prod"):
        patch.setenv(f"WELCOME_PORT_{name}", str(free_port()))
    terragrunt.environment_variables.cache_clear()
    found = {env.name: env for env in environments_module.environments()}
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(process.start, found.values()))
        yield Emulators(root, local, found)
    finally:
        for env in found.values():
            process.stop(env)
        terragrunt.environment_variables.cache_clear()


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """Two emulators of this test module's own."""
    with pytest.MonkeyPatch.context() as patch:
        yield from start_emulators(patch, tmp_path_factory.mktemp("emulators"))


@pytest.fixture(scope="module")
def deployed(emulators: Emulators) -> Emulators:
    """Emulators with the delivery and welcome units of both environments applied; no code is released."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(emulators.apply, emulators.environments.values()))
    return emulators
