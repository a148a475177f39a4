"""Given the real workflow files, when the whole story is played, then each scene ends as the pipeline promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.paths import ROOT
from ops.rehearse import page
from ops.rehearse.scenario import Story
from tests.pipeline.harness.workflow import workflows
from tests.pipeline.harness.world import World, world


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Story]]:
    """The story; checks.yml has its own tests, and runs in `make rehearse`."""
    with world(tmp_path_factory.mktemp("rehearsal")) as created:
        story = Story(created, checks=False)
        story.play()
        yield created, story


def test_every_scene_ends_as_promised(played: tuple[World, Story]) -> None:
    _, story = played
    assert {scene.title: scene.error for scene in story.scenes if scene.error} == {}
    assert len(story.scenes) == 9
    assert all(scene.runs for scene in story.scenes[1:])


def test_roles_are_taken_with_the_subject_of_their_environment_only(played: tuple[World, Story]) -> None:
    created, _ = played
    ours = "repo:example-org@1000001/welcome-service@2000002:environment:"
    taken = {(each["workflow"], each["sub"]) for each in created.issuer.issued}
    assert taken == {
        ("plan", f"{ours}dev-plan"),
        ("drift", f"{ours}dev-plan"),
        ("deliver", f"{ours}dev"),
        ("deliver", f"{ours}dev-release"),
    }


def test_no_credential_is_in_any_log(played: tuple[World, Story]) -> None:
    created, story = played
    assert created.issuer.issued, "no token was issued, so there was nothing to leak"
    secrets = [*created.issuer.tokens, *created.tokens]
    for run in (run for scene in story.scenes for run in scene.runs):
        assert not any(secret in run.text for secret in secrets), f"a token in the log of {run.title}"
        assert not re.search(r"eyJ[\w-]{20,}\.[\w-]{20,}\.", run.text), f"a token in the log of {run.title}"
        assert not re.search(r"(?i)(secret_?access_?key|session_?token)\W{1,4}[\w/+=]{16,}", run.text), run.title


def test_the_report_shows_what_was_posted(played: tuple[World, Story], tmp_path: Path) -> None:
    created, story = played
    page.write(tmp_path / "report.html", created, story.scenes)
    text = (tmp_path / "report.html").read_text()
    left = sum(
        len(created.github.comments_of(number)) + bool(issue["body"]) for number, issue in created.github.issues.items()
    )
    while_it_happened = sum(len(scene.posted) for scene in story.scenes)
    assert text.count("<div class=post>") == while_it_happened + left
    assert all(scene.title in text for scene in story.scenes)
    assert "<script" not in text


def test_every_request_to_github_is_one_that_its_description_allows(played: tuple[World, Story]) -> None:
    created, _ = played
    assert created.github.invalid == []
    assert {call.operation for call in created.github.calls} >= {
        "issues/create",
        "issues/update",
        "issues/create-comment",
    }


@pytest.mark.parametrize("name", ["plan", "deliver", "drift"])
def test_no_job_asks_for_a_permission_that_it_does_not_use(played: tuple[World, Story], name: str) -> None:
    """Given all that jobs did in the story, then their `permissions:` are these and no more."""
    created, _ = played
    workflow = workflows(ROOT)[name]
    for job in workflow.jobs:
        used = created.used.get((name, job), set())
        levels = {permission: "read" for permission, _ in used} | {
            each: level for each, level in used if level == "write"
        }
        assert workflow.permissions(job) == levels, f"{job} of {name}.yml"
