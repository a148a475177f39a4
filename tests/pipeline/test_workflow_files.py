"""What every workflow keeps to, read from the files. zizmor and actionlint check more of it (`make lint`)."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.paths import ROOT
from tests.pipeline.harness.act import ACTIONS, used_actions
from tests.pipeline.harness.workflow import Workflow, workflows

FOUND = workflows(ROOT)
JOBS = [(name, job) for name, workflow in FOUND.items() for job in workflow.jobs]
FILES = sorted((ROOT / ".github").rglob("*.yml"))
# Minutes on GitHub cost money and an apply holds a lock: nothing runs for six hours, the default.
LONGEST = 60


def job_of(workflow: str, job: str) -> dict[str, Any]:
    found: dict[str, Any] = FOUND[workflow].jobs[job]
    return found


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_says_what_its_token_may_do_and_ends_in_time(workflow: str, job: str) -> None:
    assert "permissions" in job_of(workflow, job)
    assert job_of(workflow, job)["timeout-minutes"] <= LONGEST


@pytest.mark.parametrize("workflow", FOUND.values(), ids=FOUND)
def test_a_workflow_grants_nothing_by_default_and_loses_no_run(workflow: Workflow) -> None:
    assert workflow.content["permissions"] == {}
    concurrency = workflow.content["concurrency"]
    only_the_newest_matters = workflow.name == "checks"
    assert only_the_newest_matters or concurrency["queue"] == "max"


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_with_a_role_is_in_a_github_environment_and_the_other_way_round(workflow: str, job: str) -> None:
    has_token = FOUND[workflow].permissions(job).get("id-token") == "write"
    assert has_token == ("environment" in job_of(workflow, job))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name + "/" + file.name)
def test_actions_are_pinned_to_a_commit_with_the_version_beside_it(file: Path) -> None:
    for line in file.read_text().splitlines():
        if "uses:" in line and "uses: ./" not in line:
            assert re.search(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("workflow", FOUND.values(), ids=FOUND)
def test_no_expression_is_pasted_into_a_script(workflow: Workflow) -> None:
    for job in workflow.jobs.values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step["name"]


@pytest.mark.parametrize("workflow", FOUND.values(), ids=FOUND)
def test_no_checkout_leaves_a_token_behind(workflow: Workflow) -> None:
    for job in workflow.jobs.values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_no_workflow_gives_credentials_to_the_code_of_strangers() -> None:
    assert not [name for name, workflow in FOUND.items() if "pull_request_target" in workflow.content["on"]]


def test_every_third_party_action_has_a_stand_in_that_takes_the_inputs_we_give() -> None:
    given: dict[str, set[str]] = {}
    for file in FILES:
        content = yaml.safe_load(file.read_text())
        jobs = content.get("jobs", {"composite": content.get("runs", {})})
        for step in (step for job in jobs.values() for step in job.get("steps", []) if isinstance(job, dict)):
            if "@" in step.get("uses", ""):
                given.setdefault(step["uses"].partition("@")[0], set()).update(step.get("with", {}))
    assert {name.partition("@")[0] for name in used_actions(ROOT)} == set(given)
    for name, inputs in given.items():
        declared = yaml.safe_load((ACTIONS / name / "action.yml").read_text())["inputs"]
        assert inputs <= set(declared), name


def test_a_step_that_talks_to_github_is_the_only_one_with_the_token() -> None:
    for workflow in FOUND.values():
        assert "GITHUB_TOKEN" not in workflow.content.get("env", {})
        for job in workflow.jobs.values():
            assert "GITHUB_TOKEN" not in job.get("env", {})
