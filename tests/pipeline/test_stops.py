"""Given the real workflow files, when something is not as it was reviewed, then nothing is applied, and it is said.

The decisions themselves have their tests in tests/emulator (all of them in `make test`); here the jobs make them, with
their roles and their tokens. `make test-pipeline-full` runs the long ones, too.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops import records, terragrunt, toolchain
from ops.environments import Environment
from ops.package import build, code_sha256
from ops.rehearse.scenario import replace
from ops.testing import TIERS
from tests.pipeline.harness.act import Run
from tests.pipeline.harness.github import Pull
from tests.pipeline.harness.world import Event, World, world

CREATE = ["run", "--all", "--filter", "welcome", "--", "apply"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with the service in dev; prod is bootstrapped only."""
    with world(tmp_path_factory.mktemp("town")) as created:
        created.bootstrap()
        terragrunt.run(created.environments["dev"], CREATE)
        created.variables["WELCOME_LOCK_WAIT"] = "0"
        yield created
        assert created.github.invalid == [], "the API got requests that GitHub's description does not allow"


@pytest.fixture
def dev(town: World) -> Environment:
    return town.environments["dev"]


def memory(env: Environment) -> int:
    """Memory of the function, in MB."""
    found = env.client("lambda").get_function_configuration(FunctionName=env.resource_name)
    return int(found["MemorySize"])


def setting(old: str, new: str, name: str = "dev") -> Callable[[Path], object]:
    """An edit of an env.hcl."""
    return lambda tree: replace(tree / "live" / name / "env.hcl", old, new)


def memory_of(size: int) -> Callable[[Path], object]:
    """An edit of the memory of the function in dev, whatever it is."""

    def edit(tree: Path) -> None:
        file = tree / "live" / "dev" / "env.hcl"
        file.write_text(re.sub(r"memory_mb = \d+", f"memory_mb = {size}", file.read_text()))

    return edit


def planned(town: World, branch: str, edit: Callable[[Path], object]) -> tuple[Pull, Run]:
    """A pull request into dev, and the run of its plan."""
    pull = town.open_pull(branch, f"Change {branch}", edit)
    return pull, town.plan(pull)


def plan_comment(town: World, pull: Pull) -> str:
    [comment] = town.github.comments_of(pull.number)
    return str(comment["body"])


# Plan records that somebody touched ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reviewed:
    """A push whose pull request was planned, not delivered yet, and the objects of its plan record."""

    push: Event
    pull: Pull
    manifest: str
    plan: str


@pytest.fixture(scope="module")
def reviewed(town: World) -> Reviewed:
    pull, run = planned(town, "retention", setting("log_retention_days = 7", "log_retention_days = 14"))
    assert run.succeeded, run.text[-3000:]
    env = town.environments["dev"]
    prefix = f"plans/dev/{town.github.sha(f'refs/pull/{pull.number}/head')}/"
    keys = [
        each["Key"] for each in env.client("s3").list_objects_v2(Bucket=env.state_bucket, Prefix=prefix)["Contents"]
    ]
    [plan] = [key for key in keys if key.endswith(".tfplan")]
    return Reviewed(town.merge(pull), pull, f"{prefix}manifest.json", plan)


@pytest.fixture
def tampered(town: World, dev: Environment, reviewed: Reviewed) -> Iterator[Callable[[str, bytes], Run]]:
    """Change an object of the record, deliver; afterwards the record is as it was."""
    before = {key: records.get(dev, key) for key in (reviewed.manifest, reviewed.plan)}

    def deliver(key: str, content: bytes) -> Run:
        records.put(dev, key, content)
        return town.deliver(reviewed.push)

    yield deliver
    for key, content in before.items():
        assert content is not None
        records.put(dev, key, content)


def assert_nothing_was_applied(run: Run, town: World) -> None:
    groups = town.environments["dev"].client("logs").describe_log_groups()["logGroups"]
    assert {each["retentionInDays"] for each in groups} == {7}
    assert run.jobs["apply"] == "failure"
    assert "release" not in run.jobs
    [issue] = [each for each in town.github.issues.values() if each["title"].startswith("Delivery to dev")]
    assert issue["state"] == "open"


def test_a_tampered_plan_file_is_not_applied(
    town: World, dev: Environment, reviewed: Reviewed, tampered: Callable[[str, bytes], Run]
) -> None:
    plan = records.get(dev, reviewed.plan) or b""
    run = tampered(reviewed.plan, plan[:-1] + bytes([plan[-1] ^ 1]))
    assert_nothing_was_applied(run, town)
    assert "as reviewed: nothing was applied" in run.text


@pytest.mark.long
def test_a_tampered_manifest_is_not_believed(
    town: World, dev: Environment, reviewed: Reviewed, tampered: Callable[[str, bytes], Run]
) -> None:
    manifest = (records.get(dev, reviewed.manifest) or b"").replace(b'"planned"', b'"deferred"')
    run = tampered(reviewed.manifest, manifest)
    assert_nothing_was_applied(run, town)
    assert "is not the one that was reviewed" in run.text


@pytest.mark.long
def test_the_record_of_another_pull_request_is_not_used(
    town: World, dev: Environment, reviewed: Reviewed, tampered: Callable[[str, bytes], Run]
) -> None:
    manifest = (records.get(dev, reviewed.manifest) or b"").replace(reviewed.manifest.split("/")[2].encode(), b"0" * 40)
    run = tampered(reviewed.manifest, manifest)
    assert_nothing_was_applied(run, town)


# Runners that die, and what they hold --------------------------------------------------------------------------------


def test_a_runner_that_is_killed_leaves_a_lock_that_is_named_and_running_again_finishes(
    town: World, dev: Environment
) -> None:
    """Given a runner that dies while it applies, then the next run says whose lock is left and how it is released."""
    pull, _ = planned(town, "memory", memory_of(384))
    push = town.merge(pull)
    killed = town.deliver(push, until=lambda line: "apply welcome" in line and _locked(dev))
    assert killed.killed
    holder = records.lock_holder(dev, "welcome")
    assert holder, "the runner was killed too late to leave its lock"

    stopped = town.deliver(push)
    assert stopped.jobs["apply"] == "failure"
    command = re.search(
        r"terragrunt run (--working-dir live/dev/welcome -- force-unlock -force ([\w-]+))", stopped.text
    )
    assert command, stopped.text[-3000:]
    assert command[2] == holder["ID"]
    _by_hand(town, shlex.split(command[1]))

    assert town.deliver(push).jobs["apply"] == "success"
    assert memory(dev) == 384
    ledger = records.read_ledger(dev)
    assert ledger
    assert ledger.unfinished == set()


def _locked(env: Environment) -> bool:
    """Wait until the apply holds its lock."""
    deadline = time.monotonic() + 60
    while not records.lock_holder(env, "welcome"):
        assert time.monotonic() < deadline, "the apply took no lock"
        time.sleep(0.01)
    return True


def _by_hand(town: World, arguments: list[str]) -> None:
    """Run the command that was printed, as a person in the checkout would."""
    program = [str(toolchain.ensure("terragrunt")), "run", *arguments]
    variables = terragrunt.process_environment()
    subprocess.run(program, cwd=town.desk, env=variables, check=True, capture_output=True)


# Pushes that nobody reviewed -----------------------------------------------------------------------------------------


def test_a_direct_push_to_prod_is_refused(town: World) -> None:
    push = town.push("main", "Quickly", setting("memory_mb = 512", "memory_mb = 1024", "prod"))
    run = town.deliver(push)
    assert run.jobs["apply"] == "failure"
    assert "takes reviewed changes only" in run.text
    assert records.applied(town.environments["prod"], "welcome") is None


# Pull requests side by side -------------------------------------------------------------------------------------------


@pytest.mark.long
def test_two_pull_requests_planned_on_the_same_base_are_both_delivered(town: World, dev: Environment) -> None:
    """Given two plans and two merges, then the second is planned again and comes to what was reviewed."""
    first, _ = planned(town, "first", memory_of(320))
    second, _ = planned(town, "second", setting("deletion_protection = false", "deletion_protection = true"))
    one, two = town.merge(first), town.merge(second)
    assert town.deliver(one).jobs["apply"] == "success"
    run = town.deliver(two)
    assert run.jobs["apply"] == "success", run.text[-3000:]
    assert "something moved since the review" in run.text
    table = dev.client("dynamodb").describe_table(TableName=dev.resource_name)["Table"]
    assert table["DeletionProtectionEnabled"]


@pytest.mark.long
def test_an_unrelated_merge_leaves_a_reviewed_plan_good(town: World, dev: Environment) -> None:
    """Given a plan, and a merge of other files after it, then the saved plan itself is applied."""
    pull, _ = planned(town, "memory-again", memory_of(448))
    other, _ = planned(town, "unrelated", note("Unrelated."))
    assert town.deliver(town.merge(other)).jobs["apply"] == "success"
    run = town.deliver(town.merge(pull, "merge"))
    assert run.jobs["apply"] == "success", run.text[-3000:]
    assert "something moved since the review" not in run.text


# Changes with little or nothing to do --------------------------------------------------------------------------------


def note(text: str) -> Callable[[Path], object]:
    """An edit of a document."""
    return lambda tree: (tree / "docs" / "note.md").write_text(f"{text}\n")


def test_checks_run_lint_and_every_tier_without_credentials(town: World) -> None:
    """Given a Makefile that only says what it is asked for, then checks.yml asks for lint and for each tier."""

    def only_say(tree: Path) -> None:
        (tree / "Makefile").write_text("%:\n\t@echo asked for $@, credentials $${AWS_ACCESS_KEY_ID:-none}\n")

    pull = town.open_pull("makefile", "Say what is asked for", only_say)
    issued = len(town.issuer.issued)
    run = town.run("checks", town.pull_event(pull))
    assert run.succeeded, run.text[-3000:]
    asked = set(re.findall(r"asked for (\S+), credentials none", run.text))
    assert asked == {"lint", *(f"test-{tier}" for tier in TIERS)}
    assert len(town.issuer.issued) == issued


def test_a_change_of_documents_plans_nothing(town: World) -> None:
    pull, run = planned(town, "words", note("More words."))
    assert run.succeeded, run.text[-3000:]
    assert "o changes" in plan_comment(town, pull)


@pytest.mark.long
def test_a_change_of_the_functions_code_alone_plans_nothing_and_is_released(town: World, dev: Environment) -> None:
    def comment(tree: Path) -> None:
        with (tree / "lambda" / "welcome" / "answers.py").open("a") as code:
            code.write("# Another version of the code.\n")

    pull, _ = planned(town, "code", comment)
    assert "o changes" in plan_comment(town, pull)
    run = town.deliver(town.merge(pull))
    assert run.succeeded, run.text[-3000:]
    client = dev.client("lambda")
    live = client.get_alias(FunctionName=dev.resource_name, Name="live")["FunctionVersion"]
    found = client.get_function_configuration(FunctionName=dev.resource_name, Qualifier=live)
    assert found["CodeSha256"] == code_sha256(build(town.desk / "lambda" / "welcome"))


# Changes of the tree -------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_removed_unit_is_planned_as_its_destruction(town: World) -> None:
    pull, run = planned(town, "removed", lambda tree: shutil.rmtree(tree / "live" / "dev" / "welcome"))
    assert run.succeeded, run.text[-3000:]
    assert "aws_dynamodb_table.messages" in plan_comment(town, pull)
    assert "to destroy" in plan_comment(town, pull)


@pytest.mark.long
def test_a_renamed_unit_is_refused_with_the_commands_that_move_it(town: World) -> None:
    def rename(tree: Path) -> None:
        """A unit is an instance of the module of its name, so both are renamed."""
        for parent in ("live/dev", "live/prod", "modules"):
            (tree / parent / "welcome").rename(tree / parent / "greeting")

    pull, run = planned(town, "renamed", rename)
    assert run.jobs["plan"] == "failure"
    assert "terragrunt state push" in plan_comment(town, pull)
    assert "to destroy" not in plan_comment(town, pull)


@pytest.mark.long
def test_a_new_unit_that_the_roles_were_not_made_for_is_refused_with_what_to_do(town: World) -> None:
    def another(tree: Path) -> None:
        for parent in ("live/dev", "modules"):
            shutil.copytree(tree / parent / "welcome", tree / parent / "another")

    pull, run = planned(town, "another", another)
    assert run.jobs["plan"] == "failure"
    assert "make bootstrap ENV=dev" in plan_comment(town, pull)


@pytest.mark.long
def test_a_new_environment_in_a_pull_request_does_not_disturb_the_others(town: World) -> None:
    def staging(tree: Path) -> None:
        shutil.copytree(tree / "live" / "dev", tree / "live" / "staging")
        file = tree / "live" / "staging" / "env.hcl"
        for old, new in (('"dev"', '"staging"'), ('"dev" ', '"staging" '), ("111111111111", "333333333333")):
            replace(file, old, new)

    pull, run = planned(town, "staging", staging)
    assert run.succeeded, run.text[-3000:]
    assert "o changes" in plan_comment(town, pull)
