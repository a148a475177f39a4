"""From an opened pull request to a delivered push, by the commands of the workflows, with a GitHub on loopback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops import apply as apply_module
from ops import environments, records
from ops.apply import apply
from ops.comment import comment
from ops.deliver import command as deliver
from ops.plan import plan
from tests.pipeline.harness.github import BOT, GitHub, Pull, Token
from tests.pipeline.harness.web import serve
from tests.plan_stage import Stage


@dataclass
class Forge:
    """A stage whose repository is on GitHub."""

    stage: Stage
    github: GitHub
    patch: pytest.MonkeyPatch

    def run(self, command: object, *arguments: str) -> Result:
        environments._environments.cache_clear()  # a process of its own would not know the last one's settings
        return CliRunner().invoke(command, arguments)  # type: ignore[arg-type]

    def open(self, name: str, change: Callable[[], object]) -> Pull:
        """A pull request with a change."""
        self.stage.git("checkout", "-q", "-b", name, "main")
        change()
        self.stage.commit(name)
        self.stage.git("push", "-q", "origin", name)
        self.stage.git("checkout", "-q", "main")
        return self.github.open_pull(name, "main", f"Set {name}", "octocat")

    def plan(self, pull: Pull) -> Result:
        """What the job of plan.yml does."""
        self.stage.git("fetch", "-q", "origin", f"refs/pull/{pull.number}/merge")
        self.stage.git("checkout", "-q", "--detach", "FETCH_HEAD")
        out = self.stage.work / f"out-{len(list(self.stage.work.iterdir()))}"
        head, base = self.github.sha(f"refs/pull/{pull.number}/head"), self.stage.git("rev-parse", "HEAD^1")
        planned = self.run(plan, "--env", "dev", "--base", base, "--commit", head, "--out", str(out), "--save-record")
        event = self.stage.work / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": pull.number}}))
        self.patch.setenv("GITHUB_EVENT_PATH", str(event))
        self.run(comment, "--env", "dev", str(out))
        return planned

    def merge(self, pull: Pull, how: str = "squash") -> str:
        """Press the button; what the branch was before."""
        before, after = self.github.merge_pull(pull, how)
        self.check_out(after)
        return before

    def check_out(self, commit: str) -> None:
        self.stage.git("fetch", "-q", "origin", "main")
        self.stage.git("checkout", "-q", "main")
        self.stage.git("merge", "-q", "--ff-only", "FETCH_HEAD")
        self.stage.git("checkout", "-q", "--detach", commit)

    def push(self, change: Callable[[], object]) -> str:
        """A commit on main without a pull request; what the branch was before."""
        self.stage.git("checkout", "-q", "main")
        before = self.stage.head
        change()
        self.stage.commit("direct")
        self.stage.git("push", "-q", "origin", "main")
        return before

    def deliver(self, before: str) -> Result:
        """What the apply job of deliver.yml does."""
        return self.run(apply, "--env", "dev", "--reviewed", "--before", before)

    def end(self, **jobs: str) -> Result:
        """What the last job of deliver.yml does."""
        return self.run(deliver, "--env", "dev", "--jobs", json.dumps({name: {"result": jobs[name]} for name in jobs}))

    def comments(self, pull: Pull) -> list[str]:
        return [each["body"] for each in self.github.comments_of(pull.number)]

    @property
    def issue(self) -> dict[str, str]:
        """The one issue about deliveries."""
        found = [each for number, each in self.github.issues.items() if number not in self.github.pulls]
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
def forge(live: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    service = GitHub(tmp_path / "github", "example-org", "welcome-service", 1, 2)
    service.bare.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(live.root), str(service.bare)], check=True)
    live.git("remote", "add", "origin", str(service.bare))
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "test")
        monkeypatch.setenv(f"{name}_EMAIL", "test@example.org")
    monkeypatch.setattr(apply_module, "LOCK_WAIT_SECONDS", 0)
    with serve(service.serve_api) as url:
        service.url = url
        token = service.token(Token(BOT, lambda: {"issues": "write", "pull-requests": "write"}))
        for name, value in {"GITHUB_API_URL": f"{url}/api", "GITHUB_REPOSITORY": service.full_name,
                            "GITHUB_TOKEN": token, "GITHUB_RUN_ID": "77"}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield Forge(live, service, monkeypatch)
        assert service.invalid == []


def set_c(forge: Forge, value: str) -> Callable[[], None]:
    return lambda: forge.stage.unit("c", value, module="quiet")


def refuse_direct_pushes(forge: Forge) -> None:
    file = forge.stage.root / "live/dev/env.hcl"
    before = forge.push(lambda: file.write_text(file.read_text().replace('= "plan"', '= "refuse"')))
    assert forge.deliver(before).exit_code == 0


@pytest.mark.parametrize("how", ["squash", "merge", "rebase"])
def test_from_the_pull_request_to_the_applied_push(forge: Forge, how: str) -> None:
    """Given a pull request, when it is planned, merged and delivered, then what the comment showed is what is live."""
    pull = forge.open("topic", set_c(forge, "two"))
    assert forge.plan(pull).exit_code == 0
    [shown] = forge.comments(pull)
    assert "**1 to update**" in shown
    assert '"one" → "two"' in shown
    done = forge.deliver(forge.merge(pull, how))
    assert (done.exit_code, done.output.strip().splitlines()[-1]) == (0, "dev/c: applied")
    assert forge.stage.value("c") == "two"
    assert forge.end(apply="success", release="success").exit_code == 0
    assert len(forge.github.issues) == 1


def test_a_stale_plan_stops_comments_and_opens_an_issue_that_a_good_delivery_closes(forge: Forge) -> None:
    """Given two pull requests about one unit, the second planned before the first was merged, then it is stopped."""
    # Given
    first = forge.open("first", set_c(forge, "two"))
    second = forge.open("second", lambda: forge.stage.write("modules/quiet/more.tf", 'output "m" { value = "1" }\n'))
    forge.plan(first)
    forge.plan(second)
    before_first = forge.merge(first)
    first_commit = forge.stage.head
    before_second = forge.merge(second)
    # When the second overtakes the first
    stopped = forge.deliver(before_second)
    # Then
    assert type(stopped.exception).__name__ == "Stopped"
    assert forge.stage.value("c") == "one"
    assert "stopped before the first change" in forge.comments(second)[-1]
    assert "terraform_data.this" in forge.comments(second)[-1]
    assert (forge.issue["title"], forge.issue["state"]) == (
        "Delivery to dev stopped before the first change",
        "open",
    )
    forge.end(apply="failure", release="skipped")
    assert "What an apply would do now" in forge.issue["body"], "the last job keeps what the apply said"
    # When both are delivered in their order
    second_commit = forge.stage.head
    forge.check_out(first_commit)
    assert forge.deliver(before_first).exit_code == 0
    forge.check_out(second_commit)
    assert forge.deliver(before_second).exit_code == 0
    forge.end(apply="success", release="success", ask="success")
    # Then
    assert forge.issue["state"] == "closed"
    assert forge.stage.value("c") == "two"


def test_a_direct_push_is_planned_and_applied_where_the_settings_allow_it(forge: Forge) -> None:
    before = forge.push(set_c(forge, "two"))
    assert forge.deliver(before).exit_code == 0
    assert forge.stage.value("c") == "two"


def test_a_direct_push_is_refused_where_reviews_are_demanded(forge: Forge) -> None:
    """Given `direct_push = "refuse"`, then nothing is applied, and the issue says what to do."""
    refuse_direct_pushes(forge)
    before = forge.push(set_c(forge, "two"))
    done = forge.deliver(before)
    assert type(done.exception).__name__ == "Stopped"
    assert "takes reviewed changes only" in forge.issue["body"]
    assert forge.stage.value("c") == "one"


def test_a_direct_push_that_changes_no_resource_is_fine_everywhere(forge: Forge) -> None:
    """Given `direct_push = "refuse"`, when only documents or code of the function are pushed, nothing is refused."""
    refuse_direct_pushes(forge)
    before = forge.push(lambda: forge.stage.write("lambda/welcome/handler.py", "# code"))
    done = forge.deliver(before)
    assert (done.exit_code, done.output.strip().splitlines()[-1]) == (0, "dev: nothing to apply")


def test_a_commit_after_the_plan_is_not_reviewed(forge: Forge) -> None:
    """Given a pull request that got a commit after its plan, when it is merged, then the old record is not used."""
    refuse_direct_pushes(forge)
    pull = forge.open("topic", set_c(forge, "two"))
    forge.plan(pull)
    forge.stage.git("checkout", "-q", "topic")
    set_c(forge, "three")()
    forge.stage.commit("more")
    forge.stage.git("push", "-q", "origin", "topic")
    forge.github.refresh(pull)
    done = forge.deliver(forge.merge(pull))
    assert "has no complete plan of its head" in str(done.exception)
    assert forge.stage.value("c") == "one"


def test_a_plan_that_failed_leaves_nothing_to_apply(forge: Forge) -> None:
    """Given a pull request whose plan fails, then the comment says why, the command fails, and there is no record."""
    pull = forge.open("topic", lambda: forge.stage.write("modules/quiet/bad.tf", "resource nonsense {\n"))
    planned = forge.plan(pull)
    assert planned.exit_code != 0
    [shown] = forge.comments(pull)
    assert "These units have no plan" in shown
    assert records.get(forge.stage.env, f"plans/dev/{forge.github.sha('refs/pull/1/head')}/manifest.json") is None


def test_two_deliveries_in_the_queue_are_applied_in_their_order(forge: Forge) -> None:
    """Given two reviewed changes of two units merged one after the other, then both are delivered with their plans."""
    first = forge.open("first", set_c(forge, "two"))
    second = forge.open("second", lambda: forge.stage.unit("new", "one", module="quiet"))
    forge.plan(first)
    forge.plan(second)
    before_first = forge.merge(first)
    commit = forge.stage.head
    before_second = forge.merge(second)
    last = forge.stage.head
    forge.check_out(commit)
    assert forge.deliver(before_first).output.strip().endswith("dev/c: applied")
    forge.check_out(last)
    assert forge.deliver(before_second).output.strip().endswith("dev/new: applied")


def test_a_failed_release_is_an_issue_until_it_succeeds(forge: Forge) -> None:
    """Given an apply that went well and a release that failed, then the issue names the job and what to look at."""
    forge.end(apply="success", release="failure", ask="skipped")
    assert forge.issue["title"] == "Delivery to dev failed: release"
    assert "make releases ENV=dev" in forge.issue["body"]
    forge.end(apply="success", release="success", ask="success")
    assert forge.issue["state"] == "closed"
