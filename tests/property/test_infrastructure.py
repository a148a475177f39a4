"""Terraform and releases on the same function, in any order: an apply never touches code, traffic or message.

Each seed is a sequence of events on an environment of its own: the real module, engine and provider, on the emulator.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ops import toolchain
from ops.message import read, write
from ops.package import code_sha256
from ops.paths import ROOT
from ops.release import history
from ops.release.outcome import LostRace, NotReleased, Outcome
from ops.release.release import Release
from ops.release.rollback import rollback
from tests.gate import Gate, standing
from tests.release_actors import quiet
from tests.release_memory import some
from tests.release_stage import ACCOUNT, RAISES, REGION, Stage, StageEnvironment, emulator, variant

PATIENT = 10.0  # seconds for an answer: the machine that runs the tests may be busy
EVENTS = 4
PROVIDER = """
variable "tag" {{
  type = string
}}

provider "aws" {{
  access_key = "{account}"
  region     = "{region}"
  secret_key = "local"

  default_tags {{
    tags = {{ Tag = var.tag }}
  }}
}}
"""
packages = itertools.count()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with emulator(tmp_path_factory.mktemp("infrastructure")) as started:
        yield started


@pytest.fixture(scope="module")
def initialised(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised directory: the provider is installed once for all sequences."""
    directory = tmp_path_factory.mktemp("engine")
    shutil.copytree(ROOT / "modules" / "welcome", directory, dirs_exist_ok=True)
    (directory / "provider.tf").write_text(PROVIDER.format(account=ACCOUNT, region=REGION))
    Infrastructure(directory, "any", endpoint).engine("init", "-input=false")
    return directory


@dataclass
class Infrastructure:
    """The module as one environment has it: its files, its variables and its state."""

    directory: Path
    name: str
    endpoint: str
    variables: dict[str, Any] = field(default_factory=dict)

    def engine(self, *arguments: str, expected: tuple[int, ...] = (0,)) -> int:
        program = toolchain.engine()
        variables = {
            **os.environ,
            "TF_CLI_CONFIG_FILE": str(toolchain.cli_config(program)),
            "TF_IN_AUTOMATION": "1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        done = subprocess.run(
            [program, *arguments, "-no-color"], cwd=self.directory, env=variables, capture_output=True, text=True
        )
        assert done.returncode in expected, done.stdout + done.stderr
        return done.returncode

    def apply(self) -> None:
        self._write()
        self.engine("apply", "-auto-approve", "-input=false")

    def plan_is_empty(self) -> bool:
        self._write()
        return self.engine("plan", "-detailed-exitcode", "-input=false", expected=(0, 2)) == 0

    def edit(self, old: str, new: str) -> None:
        """Edit the module itself."""
        text = (self.directory / "function.tf").read_text()
        assert old in text
        (self.directory / "function.tf").write_text(text.replace(old, new))

    def _write(self) -> None:
        (self.directory / "terraform.tfvars.json").write_text(json.dumps(self.variables))


class World:
    """One environment under random events, and what the last release or edit made of it."""

    def __init__(self, infrastructure: Infrastructure, seed: int) -> None:
        self.chance = random.Random(seed)
        self.infrastructure = infrastructure
        self.env = StageEnvironment(infrastructure.name, ACCOUNT, REGION, Path(), 0, url=infrastructure.endpoint)
        infrastructure.variables = {
            "environment": self.env.name, "function": {}, "log_retention_days": 7, "tag": "first",
            "table": {"deletion_protection": False},
        }  # fmt: skip
        infrastructure.apply()
        self.stage = Stage(self.env, self.env.client("apigatewayv2").get_apis()["Items"][-1]["ApiId"])
        self.message = read(self.env)
        self.past: list[str] = []  # versions that were live, the latest last
        self.latest: set[str] = set()  # hashes that `$LATEST` may have: what the last release, dead or lost, uploaded
        self.release()

    # The events. Each says what it did to the code; everything else must be as it was.

    def release(self) -> None:
        steps = self.chance.choice(((), (10,)))
        self._released(_release(self.env, self._package(), steps))

    def release_that_fails(self) -> None:
        ended = _release(self.env, self._package(first=RAISES))
        assert (ended.exit_code, self.stage.alias().weights) == (4, {}), ended

    def roll_back(self) -> None:
        if self.stage.alias().weights:
            assert rollback(self.env, None, PATIENT, quiet).version == self.past[-1]
        elif len(self.past) > 1:
            self.past.pop()
            assert rollback(self.env, None, PATIENT, quiet).version == self.past[-1]

    def killed_release(self) -> None:
        """Die anywhere, or (half of the time) with users on both versions."""
        call = self.chance.choice((self.chance.randrange(1, 280), self.chance.randrange(108, 195)))
        before = self.latest
        package, pid = self._package(), multiprocessing.Value("i", 0)
        self.latest |= before

        def kill(number: int, _: str) -> None:
            if number == call:
                os.kill(pid.value, signal.SIGKILL)

        with standing(Gate(self.env.url, self.stage.client, kill)) as endpoint:
            child = multiprocessing.get_context("fork").Process(
                target=_in_child, args=(self.stage.through(endpoint), package, pid)
            )
            child.start()
            child.join(120)
        live = self.stage.version()
        if live.number != self.past[-1]:
            assert live.code_sha256 == code_sha256(package)
            self.past.append(live.number)

    def two_releases(self) -> None:
        ended: list[Outcome | NotReleased] = []
        both = [self._package() for _ in range(2)]
        self.latest |= {code_sha256(package) for package in both}
        with standing(Gate(self.env.url, self.stage.client)) as gate:  # which enforces the conditions of PublishVersion
            env = self.stage.through(gate)
            threads = [
                threading.Thread(target=lambda code: ended.append(_release(env, code)), args=[it]) for it in both
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
        assert sorted(each.exit_code for each in ended) == [0, LostRace.exit_code], ended
        self._released(next(each for each in ended if isinstance(each, Outcome)))

    def edited_message(self) -> None:
        self.message = f"Message {self.chance.random()}"
        write(self.env, self.message)

    def apply_changed_settings(self) -> None:
        function = self.infrastructure.variables["function"]
        for change in self.chance.sample(("memory", "variables", "architecture", "retention", "tags", "message"), 3):
            match change:
                case "memory":
                    function["memory_mb"] = self.chance.choice((128, 256, 512, 1024))
                case "variables":
                    function["cache_ttl_seconds"] = self.chance.choice((1, 2, 3))
                case "architecture":
                    function["architecture"] = self.chance.choice(("arm64", "x86_64"))
                case "retention":
                    self.infrastructure.variables["log_retention_days"] = self.chance.choice((3, 14, 30))
                case "tags":
                    self.infrastructure.variables["tag"] = f"tag {self.chance.random()}"
                case "message":
                    self.infrastructure.variables["initial_message"] = f"First {self.chance.random()}"
        self._apply()

    def apply_edited_module(self) -> None:
        """Another role policy, and the initial package under another path."""
        new = f"initial{self.chance.randrange(1000)}"
        zipped = next(self.infrastructure.directory.glob("initial*.zip"))
        self.infrastructure.edit(f"/{zipped.name}", f"/{new}.zip")
        zipped.rename(zipped.with_name(f"{new}.zip"))
        if self.chance.random() < 0.5:
            self.infrastructure.edit(
                '"xray:PutTelemetryRecords"', '"xray:GetSamplingRules", "xray:PutTelemetryRecords"'
            )
        self._apply()

    def _package(self, first: str = "") -> bytes:
        """Code that nobody has released yet."""
        package = variant(next(packages), first=first)
        self.latest = {code_sha256(package)}
        return package

    def _apply(self) -> None:
        before = (self.stage.alias().revision, self.stage.version("$LATEST").code_sha256, self._architectures())
        self.infrastructure.apply()
        assert (self.stage.alias().revision, self.stage.version("$LATEST").code_sha256, self._architectures()) == before

    def _architectures(self) -> tuple[str, str]:
        return self.stage.version().architecture, self.stage.version("$LATEST").architecture

    def _released(self, ended: Outcome | NotReleased) -> None:
        assert isinstance(ended, Outcome), ended
        self.past = [*self.past, ended.version][-1 - history.REMEMBERED :]

    def check(self, event: str) -> None:
        """What must be true after every event."""
        alias, answer = self.stage.alias(), self.stage.get()
        assert alias.version == self.past[-1]
        assert self.stage.version("$LATEST").code_sha256 in self.latest
        assert event in HALF_DONE or not alias.weights
        assert (answer.status_code, answer.headers["x-release"]) == (200, self.past[-1])
        assert read(self.env) == self.message
        assert self.infrastructure.plan_is_empty(), (
            "Terraform would change what it has just applied, or what is not its"
        )


HALF_DONE = ("killed_release", "apply_changed_settings", "apply_edited_module", "edited_message")


def _release(env: StageEnvironment, package: bytes, steps: tuple[int, ...] = (10,)) -> Outcome | NotReleased:
    try:
        return Release(package, "c0ffee", "tester", steps, slowest=PATIENT).to(env, quiet)
    except NotReleased as failure:
        return failure


def _in_child(env: StageEnvironment, package: bytes, pid: Any) -> None:
    pid.value = os.getpid()
    Release(package, "c0ffee", "tester", (10,), slowest=PATIENT).to(env, quiet)
    os._exit(0)


@pytest.mark.parametrize("seed", some(range(300), few=1))
def test_after_any_sequence_of_events_everything_is_as_its_owner_made_it(
    endpoint: str, initialised: Path, tmp_path: Path, seed: int
) -> None:
    copy = Path(shutil.copytree(initialised, tmp_path / "module", symlinks=True))
    world = World(Infrastructure(copy, f"s{seed}", endpoint), seed)
    events = [name for name in vars(World) if not name.startswith("_") and name != "check"]
    done: list[str] = []
    try:
        world.check("release")
        for _ in range(EVENTS):
            done.append(world.chance.choice(events))
            getattr(world, done[-1])()
            world.check(done[-1])
    except AssertionError as failure:
        failure.add_note(f"seed {seed}: {done}")
        raise
    finally:
        world.stage.client.delete_function(FunctionName=world.env.resource_name)  # ends its processes
