"""What all tiers share: a copy of the tree, and emulators of their own on free ports."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops import terragrunt
from ops.emulator.scratch import copy_tree, free_port, scratch
from ops.environments import Environment

__all__ = ["Emulators", "copy_tree", "free_port", "start_emulators"]

# What a run by hand may have set must not reach a test.
_FOREIGN = ("AWS_", "MAKE", "MFLAGS", "TG_", "TF_", "WELCOME_")
for _name in list(os.environ):
    if _name.startswith(_FOREIGN) and _name not in ("WELCOME_CACHE_DIR", "WELCOME_ENGINE"):
        del os.environ[_name]
os.environ["TARGET"] = "local"


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


@contextlib.contextmanager
def start_emulators(directory: Path) -> Iterator[Emulators]:
    """Emulators below `directory`, and a copy of the tree that every command uses meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WELCOME_ROOT", str(copy_tree(directory / "tree")))
        with scratch(directory / "local") as found:
            yield Emulators(directory / "tree", directory / "local", found)


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """Two emulators of this test module's own."""
    with start_emulators(tmp_path_factory.mktemp("emulators")) as started:
        yield started


@pytest.fixture(scope="module")
def deployed(emulators: Emulators) -> Emulators:
    """Emulators with the delivery and welcome units of both environments applied; no code is released."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(emulators.apply, emulators.environments.values()))
    return emulators
