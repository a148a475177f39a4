"""Comments and issues, against a GitHub that checks every request with the published description."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import github
from ops.comment import MARKER, body, reviewed_record
from ops.errors import OpsError
from ops.plan import Result
from ops.records import Planned
from tests.pipeline.harness.github import BOT, GitHub, Token
from tests.pipeline.harness.web import Response, serve

TEXT = "<!-- ours -->"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """A repository with one pull request (#1) whose head is `head`."""
    found = GitHub(tmp_path, "example-org", "welcome-service", 1, 2)
    found.bare.mkdir(parents=True)
    found.git("init", "-q", "--bare", "-b", "main")
    for name, value in {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_COMMITTER_NAME": "t",
                        "GIT_COMMITTER_EMAIL": "t@example.org"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    tree = found.git("hash-object", "-t", "tree", "-w", "/dev/null")
    start = found.git("commit-tree", tree, "-m", "start")
    found.git("update-ref", "refs/heads/main", start)
    found.git("update-ref", "refs/heads/topic", found.git("commit-tree", tree, "-p", start, "-m", "topic"))
    with serve(found.serve_api) as url:
        found.url = url
        found.open_pull("topic", "main", "A change", "octocat")
        token = found.token(Token(BOT, lambda: {"issues": "write", "pull-requests": "write"}))
        for name, value in {"GITHUB_API_URL": f"{url}/api", "GITHUB_REPOSITORY": found.full_name,
                            "GITHUB_TOKEN": token}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        yield found
        assert found.invalid == []


def head(service: GitHub) -> str:
    return service.sha("refs/pull/1/head")


def bodies(service: GitHub) -> list[str]:
    return [each["body"] for each in service.comments_of(1)]


def test_there_is_one_comment_updated_in_place(service: GitHub) -> None:
    """Given two plans of a pull request, then the second one's text stands in the comment of the first."""
    repository = github.Repository()
    first = repository.keep_comment(1, TEXT, "one", head=head(service))
    assert repository.keep_comment(1, TEXT, "two", head=head(service)) == first
    assert bodies(service) == [f"{TEXT}\ntwo"]


def test_the_same_text_is_not_written_again(service: GitHub) -> None:
    """Given a comment that says so already, then nothing is written: nobody gets a mail."""
    repository = github.Repository()
    for _ in range(2):
        repository.keep_comment(1, TEXT, "one")
    assert [call.operation for call in service.calls if call.operation.startswith("issues/update")] == []


def test_a_comment_of_somebody_else_with_our_marker_is_left_alone(service: GitHub) -> None:
    """Given a person who quotes our comment, then theirs is not edited, and ours is made."""
    service.comment(1, f"{TEXT}\nlook at this", "octocat")
    github.Repository().keep_comment(1, TEXT, "ours")
    assert bodies(service) == [f"{TEXT}\nlook at this", f"{TEXT}\nours"]
    assert github.Repository().comment(1, TEXT) == f"{TEXT}\nours"


def test_the_comment_is_found_behind_a_hundred_others(service: GitHub) -> None:
    """Given a long discussion, then our comment is found on a later page of it."""
    for number in range(130):
        service.comment(1, f"comment {number}", "octocat")
    repository = github.Repository()
    repository.keep_comment(1, TEXT, "one")
    repository.keep_comment(1, TEXT, "two")
    assert [text for text in bodies(service) if text.startswith(TEXT)] == [f"{TEXT}\ntwo"]


def test_an_older_commit_does_not_overwrite_a_newer_one(service: GitHub) -> None:
    """Given a new commit in the pull request, when the plan of the old one ends late, then it is not shown."""
    old = head(service)
    tree = service.git("rev-parse", f"{old}^{{tree}}")
    service.git("update-ref", "refs/heads/topic", service.git("commit-tree", tree, "-p", old, "-m", "newer"))
    service.refresh(service.pulls[1])
    repository = github.Repository()
    repository.keep_comment(1, TEXT, "new", head=head(service))
    assert repository.keep_comment(1, TEXT, "old", head=old) == ""
    assert bodies(service) == [f"{TEXT}\nnew"]


SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait.", "documentation_url": "x"}


@pytest.mark.parametrize(
    "fault",
    [
        Response.of(500, {"message": "x"}), Response.of(502, {"message": "x"}), Response.of(409, {"message": "x"}),
        Response.of(429, {"message": "slow down"}), Response.of(403, SECONDARY),
    ],
    ids=["500", "502", "409", "429", "secondary rate limit"],
)  # fmt: skip
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_passing_fault_is_waited_out(service: GitHub, fault: Response, position: int) -> None:
    """Given a fault at any of the calls, then the comment is there once in the end."""
    answers = iter([None] * position + [fault, fault])
    handle = service.serve_api

    def faulty(request: object) -> Response:
        answer = next(answers, None)
        return answer or handle(request)  # type: ignore[arg-type]

    with serve(faulty) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_API_URL", f"{url}/api")
        github.Repository().keep_comment(1, TEXT, "one", head=head(service))
    assert bodies(service) == [f"{TEXT}\none"]


def test_a_lost_answer_is_no_second_comment(service: GitHub) -> None:
    """Given GitHub made the comment and the answer got lost, then the next attempt finds it."""
    handle, lost = service.serve_api, [True]

    def forgetful(request: object) -> Response:
        answer = handle(request)  # type: ignore[arg-type]
        return Response.of(502, {}) if answer.status == 201 and lost and lost.pop() else answer

    with serve(forgetful) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_API_URL", f"{url}/api")
        github.Repository().keep_comment(1, TEXT, "one")
    assert bodies(service) == [f"{TEXT}\none"]


def test_the_pause_is_the_one_that_github_asks_for(service: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    service.faults[:] = [Response(403, json.dumps(SECONDARY).encode(), {"retry-after": "7"})]
    github.Repository().comment(1, TEXT)
    assert pauses == [7]


def test_what_does_not_pass_is_told_in_githubs_words(service: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a token that may not comment, then there is one attempt and the error says what is missing."""
    monkeypatch.setenv("GITHUB_TOKEN", service.token(Token(BOT, lambda: {"issues": "read"})))
    with pytest.raises(OpsError, match="not accessible by integration"):
        github.Repository().keep_comment(1, TEXT, "one")


def test_one_issue_is_opened_updated_closed_and_opened_again(service: GitHub) -> None:
    """Given drift that comes and goes, then it is the same issue every time."""
    repository = github.Repository()
    first = repository.keep_issue(TEXT, "Drift", "one")
    assert repository.keep_issue(TEXT, "Drift", "two") == first
    assert repository.issue(TEXT) == f"{TEXT}\ntwo"
    repository.keep_issue(TEXT, "", None)
    assert repository.issue(TEXT) == ""
    assert repository.keep_issue(TEXT, "Drift", "three") == first
    assert [(issue["state"], issue["body"]) for issue in service.issues.values() if issue["title"] == "Drift"] == [
        ("open", f"{TEXT}\nthree")
    ]


def test_nothing_to_close_opens_nothing(service: GitHub) -> None:
    assert github.Repository().keep_issue(TEXT, "", None) == ""
    assert len(service.issues) == 1


@pytest.mark.parametrize("how", ["squash", "merge", "rebase"])
def test_the_pull_request_of_a_push_is_found(service: GitHub, how: str) -> None:
    """Given a pull request merged in one of three ways, then it is found by what the branch became, with its head."""
    reviewed = head(service)
    before, _after = service.merge_pull(service.pulls[1], how)
    commits = service.git("rev-list", "--first-parent", f"{before}..main").split()
    assert github.Repository().merged("main", commits) == [github.Pull(1, reviewed)]
    assert github.Repository().merged("dev", commits) == []


def test_a_comment_carries_the_digest_of_its_record(tmp_path: Path) -> None:
    """Given a comment for one head, then its record is found for that head only."""
    result = Result("dev", "a" * 40, "b" * 40, (Planned("c", "deferred", "waits"),), record="f" * 64)
    result.write(tmp_path)
    text = MARKER.format("dev") + "\n" + body(result, tmp_path, "the summary")
    assert reviewed_record(text, "a" * 40) == "f" * 64
    assert reviewed_record(text, "b" * 40) == ""
    assert reviewed_record("", "a" * 40) == ""
