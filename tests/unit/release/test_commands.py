"""The commands as a person and a program see them: exit codes, sentences, JSON, and calls that must not be made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.environments import Environment
from ops.errors import OpsError
from ops.package import build, code_sha256
from ops.release import command, function, listing
from ops.release.outcome import NotReleased
from tests.release_actors import Actor, releasing
from tests.strict_lambda import Caller, MemoryEnvironment, StrictLambda, failing_a_fifth, healthy, raising

WRITES = {"update_function_code", "publish_version", "update_alias", "delete_function"}
INITIAL = b"initial"


@pytest.fixture
def stage(in_memory: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`stage(behaviour)`: the commands act on a fresh function; the code that is checked out behaves like that."""

    def make(behaviour: Any = healthy) -> tuple[StrictLambda, list[str]]:
        subject = StrictLambda(INITIAL, {INITIAL: healthy, b"before": healthy, build(): behaviour})
        in_memory(subject)
        calls: list[str] = []
        env = MemoryEnvironment.of(Caller(subject, calls.append, lambda: False))
        for module in (command, listing):
            monkeypatch.setattr(module, "selected", lambda _: (env,))
        monkeypatch.setattr("ops.release.history.who", lambda _: "tester")
        return subject, calls

    return make


def run(subcommand: Any, *arguments: str) -> Any:
    return CliRunner().invoke(subcommand, [*arguments, "--json"])


def test_a_release_says_what_is_live_and_how_to_go_back(stage: Any) -> None:
    subject, _ = stage()
    result = run(command.release)
    report = json.loads(result.stdout)["dev"]
    assert (report["outcome"], report["exit_code"], report["version"]) == ("released", 0, "2")
    assert report["code_sha256"] == code_sha256(build()) == subject.live_code()
    assert "make rollback" in report["message"]


def test_a_second_release_of_the_same_code_writes_nothing(stage: Any) -> None:
    _, calls = stage()
    run(command.release)
    calls.clear()
    result = run(command.release)
    assert json.loads(result.stdout)["dev"]["outcome"] == "already live"
    assert not WRITES & set(calls)


def test_a_changed_configuration_reaches_users_with_the_next_release_of_the_same_code(stage: Any) -> None:
    subject, calls = stage()
    run(command.release)
    client = Caller(subject, lambda _: None, lambda: False)
    assert not function.configuration_pending(client, "welcome-dev")  # type: ignore[arg-type]
    # When Terraform changes the memory size
    subject.apply(1024)
    # Then it is pending, and a release publishes it without uploading the code again
    assert function.configuration_pending(client, "welcome-dev")  # type: ignore[arg-type]
    calls.clear()
    result = run(command.release)
    assert json.loads(result.stdout)["dev"]["outcome"] == "released"
    assert "update_function_code" not in calls
    assert subject.published[subject.live["FunctionVersion"]]["MemorySize"] == 1024
    assert not function.configuration_pending(client, "welcome-dev")  # type: ignore[arg-type]


def test_another_architecture_is_the_releases_to_change(stage: Any) -> None:
    subject, _ = stage()
    run(command.release)
    result = run(command.release, "--architecture", "x86_64")
    assert json.loads(result.stdout)["dev"]["outcome"] == "released"
    assert subject.published[subject.live["FunctionVersion"]]["Architectures"] == ["x86_64"]
    # and without the option it stays
    assert json.loads(run(command.release).stdout)["dev"]["outcome"] == "already live"


@pytest.mark.parametrize(
    ("behaviour", "exit_code", "outcome"),
    [(raising, 4, "smoke test failed"), (failing_a_fifth, 5, "canary failed")],
)
@pytest.mark.parametrize("strategy", ["canary", "all-at-once"])
def test_bad_code_is_refused_and_the_report_says_so(
    stage: Any, behaviour: Any, exit_code: int, outcome: str, strategy: str
) -> None:
    subject, _ = stage(behaviour)
    assert Actor(subject, releasing(b"before")).run().exit_code == 0
    live = dict(subject.live)
    result = run(command.release, "--strategy", strategy)
    assert isinstance(result.exception, NotReleased)
    report = json.loads(result.stdout)["dev"]
    assert (result.exception.exit_code, report["exit_code"], report["outcome"]) == (exit_code, exit_code, outcome)
    assert f"Live is version {live['FunctionVersion']} of welcome-dev." in report["message"]
    assert {**subject.live, "RevisionId": ""} == {**live, "RevisionId": ""}


def test_a_rollback_goes_back_and_a_second_one_has_nowhere_to_go(stage: Any) -> None:
    subject, _ = stage()
    Actor(subject, releasing(b"before")).run()
    run(command.release)
    assert json.loads(run(command.rollback).stdout)["dev"]["outcome"] == "rolled back"
    assert subject.live_code() == code_sha256(b"before")
    result = run(command.rollback)
    assert isinstance(result.exception, OpsError)
    assert (result.exception.exit_code, "VERSION=" in str(result.exception)) == (2, True)


def test_a_rollback_to_a_version_that_does_not_exist_names_those_that_do(stage: Any) -> None:
    stage()
    run(command.release)
    result = run(command.rollback, "--version", "77")
    assert isinstance(result.exception, OpsError)
    assert "has no version 77, it has 2, 1" in str(result.exception)


def test_a_rollback_to_a_version_that_fails_moves_nothing(stage: Any) -> None:
    subject, _ = stage()
    Actor(subject, releasing(b"before")).run()
    run(command.release)
    before = dict(subject.live)
    subject.behaviours[code_sha256(b"before")] = raising
    result = run(command.rollback)
    assert isinstance(result.exception, NotReleased)
    assert (result.exception.exit_code, subject.live) == (4, before)


def test_the_list_of_releases_tells_where_each_version_came_from(stage: Any) -> None:
    stage()
    run(command.release)
    rows = json.loads(run(listing.releases).stdout)["dev"]
    assert [(row["version"], row["state"], row["by"]) for row in rows] == [
        ("2", "live", "tester"),
        ("1", "", "unknown"),
    ]
    assert rows[0]["code_sha256"] == code_sha256(build())
    assert len(rows[0]["commit"].partition("+")[0]) == 40


def test_the_summary_of_a_github_job_names_version_and_commit(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    run(command.release)
    summary = (tmp_path / "summary.md").read_text()
    assert "### ✅ dev: released" in summary
    assert "| live version | `2` |" in summary


@pytest.mark.parametrize("steps", ["", "50,10", "0", "100", "10,10", "ten", "-5"])
def test_steps_that_make_no_sense_are_refused_before_anything_happens(stage: Any, steps: str) -> None:
    _, calls = stage()
    result = CliRunner().invoke(command.release, ["--steps", steps])
    assert (result.exit_code, calls) == (2, [])


def test_an_environment_without_a_function_says_what_to_do(stage: Any) -> None:
    subject, _ = stage()

    def missing(**_: Any) -> None:
        raise subject.exceptions.ResourceNotFoundException({"Error": {}}, "GetAlias")

    subject.get_alias = missing
    result = run(command.release)
    assert isinstance(result.exception, OpsError)
    assert "run `make apply` first" in str(result.exception)


def test_environments_are_released_in_turn_and_the_first_failure_ends_it(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, _ = stage(raising)
    env = MemoryEnvironment.of(Caller(subject, lambda _: None, lambda: False))
    monkeypatch.setattr(command, "selected", lambda _: (env, _unreachable()))
    result = run(command.release)
    assert list(json.loads(result.stdout)) == ["dev"]
    assert subject.live["Description"] == "not released yet"


def _unreachable() -> Environment:
    class Unreachable(MemoryEnvironment):
        def client(self, service: str, **_: Any) -> Any:
            raise AssertionError("the second environment was touched")

    return Unreachable("prod", "222222222222", "eu-central-1", Path(), 1)
