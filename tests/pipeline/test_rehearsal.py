"""Given the real workflow files, when the whole story is played, then each scene ends as the pipeline promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.rehearse import page
from ops.rehearse.scenario import Story
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


def test_no_credential_is_in_any_log(played: tuple[World, Story]) -> None:
    created, story = played
    assert created.issuer.issued, "no token was issued, so there was nothing to leak"
    for run in (run for scene in story.scenes for run in scene.runs):
        assert not re.search(r"eyJ[\w-]{20,}\.[\w-]{20,}\.", run.text), f"a token in the log of {run.title}"
        assert not re.search(r"(?i)(secret_?access_?key|session_?token)\W{1,4}[\w/+=]{16,}", run.text), run.title


def test_the_report_shows_what_was_posted(played: tuple[World, Story], tmp_path: Path) -> None:
    created, story = played
    page.write(tmp_path / "report.html", created, story.scenes)
    text = (tmp_path / "report.html").read_text()
    assert text.count("<div class=post>") == sum(
        len(created.github.comments_of(number)) + bool(issue["body"]) for number, issue in created.github.issues.items()
    )
    assert "<script" not in text
