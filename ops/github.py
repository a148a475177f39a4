"""GitHub's API as the pipeline uses it: PyGithub, with retries that never post anything twice.

All the endpoints (checked against GitHub's published description in tests/pipeline):

    GET   /repos/{owner}/{repo}/pulls                     which pull requests a push consists of
    GET   /repos/{owner}/{repo}/pulls/{number}            is this commit still the head
    GET   /repos/{owner}/{repo}/issues/{number}/comments  our own comment
    POST  /repos/{owner}/{repo}/issues/{number}/comments
    PATCH /repos/{owner}/{repo}/issues/comments/{id}
    GET   /repos/{owner}/{repo}/issues                    our own issue
    POST  /repos/{owner}/{repo}/issues
    PATCH /repos/{owner}/{repo}/issues/{number}

Settings are the runner's: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN, GITHUB_SERVER_URL, GITHUB_RUN_ID.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import github as pygithub
import requests
from github.Issue import Issue
from github.IssueComment import IssueComment
from github.NamedUser import NamedUser
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from ops.errors import OpsError

# The login that a workflow's token writes with. A comment with our marker by anybody else is not ours.
AUTHOR = "github-actions[bot]"
ATTEMPTS = 6
_LONGEST_PAUSE = 60

Result = TypeVar("Result")


def _transient(error: BaseException) -> bool:
    """5xx, conflicts, rate limits (primary 403 or 429, secondary 403) and connections that broke."""
    if isinstance(error, pygithub.RateLimitExceededException):
        return True
    if isinstance(error, pygithub.GithubException):
        return error.status >= 500 or error.status in (409, 429)
    return isinstance(error, requests.ConnectionError | requests.Timeout)


def _pause(state: RetryCallState) -> float:
    """Seconds: what GitHub asks for, else 1, 2, 4 …"""
    error = state.outcome and state.outcome.exception()
    asked = (getattr(error, "headers", None) or {}).get("retry-after", "")
    return min(float(asked) if str(asked).isdigit() else 2.0 ** (state.attempt_number - 1), _LONGEST_PAUSE)


def persist(work: Callable[[], Result]) -> Result:
    """Call `work` until GitHub answers it. `work` looks before it writes, so that a lost answer is no second comment.

    Raises OpsError with GitHub's words when it does not help to try again, or no more.
    """
    retrying = Retrying(
        retry=retry_if_exception(_transient), wait=_pause, stop=stop_after_attempt(ATTEMPTS), reraise=True,
        sleep=time.sleep,
    )  # fmt: skip
    try:
        return retrying(work)
    except (pygithub.GithubException, requests.RequestException) as error:
        raise OpsError(f"GitHub refused or did not answer: {error}") from error


@dataclass(frozen=True)
class Pull:
    """A merged pull request. `head` is the commit that was reviewed last."""

    number: int
    head: str


class Repository:
    """The repository of this workflow run."""

    def __init__(self) -> None:
        try:
            token, self.name = os.environ["GITHUB_TOKEN"], os.environ["GITHUB_REPOSITORY"]
        except KeyError as missing:
            raise OpsError(f"{missing} is not set: this runs in a GitHub workflow, with the job's token.") from None
        client = pygithub.Github(
            auth=pygithub.Auth.Token(token), base_url=os.environ.get("GITHUB_API_URL", "https://api.github.com"),
            timeout=30, retry=None, seconds_between_requests=0, seconds_between_writes=0, lazy=True, per_page=100,
        )  # fmt: skip
        self._repository = client.get_repo(self.name)
        # Made, not fetched: a workflow's token may not read users.
        self._author = NamedUser(client.requester, {}, {"login": AUTHOR}, completed=True)

    def head(self, number: int) -> str:
        """The present head of a pull request."""
        return persist(lambda: self._repository.get_pull(number).complete().head.sha)

    def merged(self, branch: str, commits: Collection[str]) -> list[Pull]:
        """The pull requests whose merge is one of these commits of `branch`, oldest first.

        GitHub names in each the merge commit, the squashed commit, or the last one of a rebase. A merge is an update,
        so the pull requests of a push are among those updated last.
        """

        def look() -> list[Pull]:
            last = self._repository.get_pulls(state="closed", base=branch, sort="updated", direction="desc")
            found = [
                (pull.merged_at, Pull(pull.number, pull.head.sha))
                for pull in islice(last, 100)
                if pull.merged_at and pull.merge_commit_sha in commits
            ]
            return [pull for _, pull in sorted(found, key=lambda pair: pair[0])]

        return persist(look)

    def find_comment(self, number: int, marker: str) -> IssueComment | None:
        """Our comment with this marker in a pull request."""
        comments = self._repository.get_issue(number).get_comments()
        return next((each for each in comments if each.user.login == AUTHOR and each.body.startswith(marker)), None)

    def comment(self, number: int, marker: str) -> str:
        """Text of our comment with this marker, empty without one."""

        def look() -> str:
            found = self.find_comment(number, marker)
            return found.body if found else ""

        return persist(look)

    def keep_comment(self, number: int, marker: str, body: str, *, head: str = "") -> str:
        """Create our comment or update it in place; its address. With `head`, not for an older commit (then: empty)."""

        def write() -> str:
            # Asked again at each attempt: between two of them the pull request may have got a new commit.
            if head and self._repository.get_pull(number).complete().head.sha != head:
                return ""
            found = self.find_comment(number, marker)
            if found is None:
                return self._repository.get_issue(number).create_comment(f"{marker}\n{body}").html_url
            if found.body != f"{marker}\n{body}":
                found.edit(f"{marker}\n{body}")
            return found.html_url

        return persist(write)

    def keep_issue(self, marker: str, title: str, body: str | None) -> str:
        """Keep one issue open with this body, or closed for None; its address, empty if there never was one.

        It is the same issue every time, opened again when need be, so that its history stays in one place.
        """

        def write() -> str:
            found = self._find_issue(marker)
            if body is None:
                if found is not None and found.state == "open":
                    self._repository.get_issue(found.number).edit(state="closed", state_reason="completed")
                return found.html_url if found else ""
            text = f"{marker}\n{body}"
            if found is None:
                return self._repository.create_issue(title, text).html_url
            if (found.state, found.body, found.title) != ("open", text, title):
                self._repository.get_issue(found.number).edit(title=title, body=text, state="open")
            return found.html_url

        return persist(write)

    def issue(self, marker: str) -> str:
        """Text of our open issue with this marker, empty without one."""

        def look() -> str:
            found = self._find_issue(marker)
            return found.body if found and found.state == "open" else ""

        return persist(look)

    def _find_issue(self, marker: str) -> Issue | None:
        ours = self._repository.get_issues(state="all", creator=self._author)
        return next((each for each in ours if (each.body or "").startswith(marker)), None)


def run_url() -> str:
    """Address of the workflow run, empty outside of one."""
    if "GITHUB_RUN_ID" not in os.environ:
        return ""
    server, name = os.environ.get("GITHUB_SERVER_URL", "https://github.com"), os.environ.get("GITHUB_REPOSITORY", "")
    return f"{server}/{name}/actions/runs/{os.environ['GITHUB_RUN_ID']}"


def summarise(text: str) -> None:
    """Add to the job summary, if there is one."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(path, "a") as handle:
            handle.write(text + "\n")
