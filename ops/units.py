"""Units: which there are, what each is made from, and which of them a change of the code affects.

A unit is affected when the content of anything that it reads differs, not when a commit touches something: the digest
of its inputs is compared between two trees. The same digest later says whether a reviewed plan is still about this
code, whatever became of the commits in between (squash, rebase, merge).
"""

from __future__ import annotations

import contextlib
import graphlib
import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import hcl2

from ops import terragrunt
from ops.environments import Environment, live_dir
from ops.errors import BadInput, OpsError

# Applied by a person (`make bootstrap`), never by the pipeline: whoever can change these can give itself any right.
BY_HAND = ("delivery", "remote_state")

# The tools that make a plan are part of what it is made from.
_TOOLS = tuple(f"ops/tools/{name}/go.mod" for name in ("opentofu", "provider", "terragrunt"))
# In a module's directory, but no part of what a plan is made from.
_NO_INPUT = ("README.md", ".tftest.hcl", ".tofutest.hcl")
_LOCAL_MODULE = re.compile(r'^\s*source\s*=\s*"(\.\.?/[^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Unit:
    """One unit of an environment, as found in one tree."""

    name: str  # its directory, relative to that of the environment
    dependencies: tuple[str, ...]  # names of the units whose outputs it reads, or that come before it
    inputs: str  # digest of the content of every file that it is made from
    source: str = ""  # the module, as its terragrunt.hcl writes it; empty if the root derives it from the name
    module: str = ""  # digest of the module's code, wherever it is
    mocks: Mapping[str, frozenset[str]] = field(default_factory=dict)  # dependency -> outputs it has mocks for

    @property
    def by_hand(self) -> bool:
        return self.name in BY_HAND


def git(root: Path, *arguments: str) -> str:
    """Output of a git command in `root`. Raises OpsError with git's own words."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OpsError(f"git {' '.join(arguments[:3])} failed in {root}: {done.stderr.strip()}")
    return done.stdout


def root() -> Path:
    """The top of the checkout that holds the live tree."""
    return live_dir().resolve().parent


def discover(env: Environment, tree: Path | None = None) -> dict[str, Unit]:
    """The units of `env` by name, dependencies first, in this checkout or in another `tree`.

    Raises OpsError if Terragrunt cannot parse them, or does not find one that is there.
    """
    tree = (tree or root()).resolve()
    directory = tree / "live" / env.name
    if not directory.is_dir():
        return {}
    # A filter file in the directory would narrow what is found, so a change could hide its own plan: not read.
    arguments = ["find", "--json", "--dependencies", "--reading", "--no-filters-file", "--no-hidden"]
    done = terragrunt.run(env, arguments, cwd=directory, check=False)
    if done.returncode:
        raise OpsError(f"terragrunt find failed in {directory}:\n{done.stderr[-3000:]}")
    every = sorted(git(tree, "ls-files", "-co", "--exclude-standard").splitlines())
    found = {}
    entries = json.loads(done.stdout)
    # Terragrunt leaves out units that depend on each other in a circle, and says so in its log only. A unit that is not
    # found would look removed.
    lost = {Path(path).parent for path in every if Path(path).name == "terragrunt.hcl" and (tree / path).exists()}
    lost = {path.relative_to(f"live/{env.name}") for path in lost if path.is_relative_to(f"live/{env.name}")}
    lost -= {Path(entry["path"]) for entry in entries}
    if lost:
        names = ", ".join(sorted(map(str, lost)))
        raise OpsError(f"Terragrunt does not find {names} in {env.name}: do they depend on each other in a circle?")
    for entry in entries:
        if entry["type"] != "unit":
            raise BadInput(f"{directory / entry['path']} is a {entry['type']}: only units are supported here.")
        files = _files(tree, directory, entry, every)
        name, dependencies = entry["path"], tuple(entry.get("dependencies", ()))
        source, mocks = _written(directory / name, dependencies)
        found[name] = Unit(name, dependencies, _digest(tree, files), source, _code(tree, files), mocks)
    order = graphlib.TopologicalSorter({name: unit.dependencies for name, unit in found.items()}).static_order()
    return {name: found[name] for name in order if name in found}


def _files(tree: Path, directory: Path, entry: Mapping[str, object], every: list[str]) -> set[str]:
    """Everything that a unit is made from: its directory, what it reads, the whole of its modules, the tools' pins."""
    reading = entry.get("reading", [])
    assert isinstance(reading, list)
    read = {(directory / str(path)).resolve().relative_to(tree).as_posix() for path in reading}
    # Terragrunt names the .tf files of the module; templates and other files beside them count as well, and so do
    # modules that it calls by a relative path.
    modules: set[str] = set()
    todo = {Path(path).parent.as_posix() for path in read if path.endswith((".tf", ".tofu"))}
    while todo:
        module = todo.pop()
        modules.add(module)
        for file in (*(tree / module).glob("*.tf"), *(tree / module).glob("*.tofu")):
            for source in _LOCAL_MODULE.findall(file.read_text()):
                called = (tree / module / source).resolve().relative_to(tree).as_posix()
                todo |= {called} - modules
    here = (directory / str(entry["path"])).relative_to(tree).as_posix()
    folders = tuple(f"{folder}/" for folder in {here, *modules})
    own = {path for path in every if path.startswith(folders)} | read | {path for path in _TOOLS if path in every}
    return {path for path in own if not path.endswith(_NO_INPUT)}


def _digest(tree: Path, files: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        file = tree / path
        content = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "absent"
        digest.update(f"{path}\0{content}\0".encode())
    return digest.hexdigest()


def _code(tree: Path, files: Iterable[str]) -> str:
    """A digest of Terraform code that stays the same when its directory is renamed."""
    every = sorted((tree / path).read_bytes() for path in files if path.endswith((".tf", ".tofu")))
    return hashlib.sha256(b"\0".join(every)).hexdigest() if every else ""


def _written(directory: Path, dependencies: Iterable[str]) -> tuple[str, dict[str, frozenset[str]]]:
    """What a terragrunt.hcl says and `find` does not: its module, and the outputs that it has mocks for."""
    with (directory / "terragrunt.hcl").open() as handle:
        document = hcl2.load(handle)
    source = next((str(block["source"]) for block in document.get("terraform", []) if "source" in block), "")
    blocks = [block for labelled in document.get("dependency", []) for block in labelled.values()]
    mocks = {
        name: frozenset(str(key).strip('"') for key in block["mock_outputs"])
        for block in blocks
        for name in dependencies
        if isinstance(block.get("mock_outputs"), dict) and str(block["config_path"]).strip('"').endswith(f"/{name}")
    }
    return source, mocks


@contextlib.contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """A checkout of another commit beside this one, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="welcome-") as parent:
        tree = Path(parent).resolve() / "tree"
        git(root(), "worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            yield tree
        finally:
            git(root(), "worktree", "remove", "--force", str(tree))


@dataclass(frozen=True)
class Affected:
    """What a change of the code does to the units of one environment."""

    units: dict[str, Unit]  # new or made from other content than before, dependencies first
    removed: dict[str, Unit]  # gone, dependents first: to be destroyed as the old tree has them
    renamed: dict[str, str]  # old name -> new name
    untouched: int


def _same_module(one: Unit, other: Unit) -> bool:
    return bool(one.source and one.source == other.source) or bool(one.module and one.module == other.module)


def affected(now: Mapping[str, Unit], before: Mapping[str, Unit]) -> Affected:
    """Compare two trees.

    A unit that is gone while a new one uses the same module was renamed: planned one by one, a rename would be a
    destruction and a creation.
    """
    changed = {name: unit for name, unit in now.items() if name not in before or before[name].inputs != unit.inputs}
    gone = {name: unit for name, unit in reversed(list(before.items())) if name not in now}
    new = [name for name in changed if name not in before]
    renamed = {}
    for old, unit in gone.items():
        match = next((name for name in new if _same_module(unit, now[name])), None)
        if match:
            renamed[old] = match
            new.remove(match)
    removed = {name: unit for name, unit in gone.items() if name not in renamed}
    return Affected(changed, removed, renamed, len(now) - len(changed))
