"""What a rehearsal plays: a story of pull requests, deliveries and mistakes, with what has to come of each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from ops.errors import OpsError
from ops.urls import service_url

if TYPE_CHECKING:
    from tests.pipeline.harness.act import Run
    from tests.pipeline.harness.github import Pull
    from tests.pipeline.harness.world import Event, World


# Answers 200, and breaks nearly everything else that the contract promises.
BROKEN = """

def handler(event: object, context: object) -> object:  # type: ignore[no-redef]
    return {"statusCode": 200, "body": "Welcome!"}
"""


class Unexpected(OpsError):
    """The pipeline did something else than it has to."""


@dataclass
class Scene:
    """One part of the story, with what happened in it."""

    title: str
    seconds: float = 0.0
    runs: list[Run] = field(default_factory=list)
    posted: list[tuple[str, str]] = field(default_factory=list)  # where, and the Markdown
    told: list[str] = field(default_factory=list)
    error: str = ""


class Listener:
    """Hears of everything while it happens; this one says nothing."""

    def begins(self, scene: Scene) -> None: ...
    def ran(self, run: Run) -> None: ...
    def posted(self, where: str, body: str) -> None: ...
    def told(self, line: str) -> None: ...
    def ended(self, scene: Scene) -> None: ...


@dataclass
class Story:
    """The story, told in the environment dev. `checks` runs checks.yml as well: lint and the unit tests, a minute."""

    world: World
    listener: Listener = field(default_factory=Listener)
    checks: bool = True
    scenes: list[Scene] = field(default_factory=list)

    def play(self) -> list[Scene]:
        """Play all scenes. Raises Unexpected at the first that does not end as it has to."""
        self.world.on_run = self._ran
        with self._scene("A person sets the accounts up"):
            self.world.bootstrap()
        first = self._first_pull_request()
        self._first_delivery(first)
        overtaking, overtaken = self._two_pull_requests()
        self._change_by_hand()
        self._change_reverted(self._stale_plan(overtaking, overtaken))
        self._failed_release()
        self._fork()
        return self.scenes

    # Scenes ---------------------------------------------------------------------------------------------------------

    def _first_pull_request(self) -> Pull:
        with self._scene("A pull request: checks, and the plan as a comment"):

            def greet(tree: Path) -> None:
                replace(
                    tree / "live/dev/env.hcl",
                    'initial_message    = "Welcome to dev!"',
                    'initial_message    = "Hello from a rehearsal!"',
                )

            pull = self.world.open_pull("greeting", "Greet whoever rehearses", greet)
            with ThreadPoolExecutor() as pool:
                checks = pool.submit(self._checks, pull) if self.checks else None
                self._succeeds(self.world.plan(pull))
                if checks:
                    self._succeeds(checks.result())
            comments = self.world.github.comments_of(pull.number)
            self._expect(len(comments) == 1, f"one comment on the pull request, not {len(comments)}")
            self._expect("aws_lambda_function" in comments[0]["body"], "the function in the plan comment")
            return pull

    def _checks(self, pull: Pull) -> Run:
        return self.world.run("checks", self.world.pull_event(pull), options=("--matrix", "tier:unit"))

    def _first_delivery(self, pull: Pull) -> None:
        with self._scene("Reviewed and merged: applied as planned, released, asked"):
            self._succeeds(self.world.deliver(self.world.merge(pull)))
            answer = self._ask()
            self._expect(answer.json() == {"message": "Hello from a rehearsal!"}, f"the new message, not {answer.text}")

    def _two_pull_requests(self) -> tuple[Pull, Pull]:
        with self._scene("Two more pull requests are planned and reviewed"):

            def shorten(tree: Path) -> None:
                replace(tree / "modules/welcome/alarms.tf", ", then the function's log.", ".")

            def keep_logs(tree: Path) -> None:
                replace(tree / "live/dev/env.hcl", "log_retention_days = 7", "log_retention_days = 14")

            alarms = self.world.open_pull("alarms", "Say less in an alarm", shorten)
            logs = self.world.open_pull("logs", "Keep the logs of dev for two weeks", keep_logs)
            for pull in (alarms, logs):
                self._succeeds(self.world.plan(pull))
            return alarms, logs

    def _change_by_hand(self) -> None:
        with self._scene("Somebody changes the function by hand: an issue about drift"):
            self._by_hand(memory=1024)
            self.world.drift("dev")
            self._expect(len(self._open_issues()) == 1, "one open issue about drift")
            self._expect("memory_size" in str(self._open_issues()[0]["body"]), "the changed memory in the issue")

    def _stale_plan(self, overtaking: Pull, overtaken: Pull) -> Event:
        with self._scene("Both are merged: the first is applied as reviewed, the plan of the other is stale"):
            self._succeeds(self.world.deliver(self.world.merge(overtaking)))
            push = self.world.merge(overtaken)
            run = self.world.deliver(push)
            self._expect(run.jobs["apply"] == "failure", "the job Apply to fail")
            self._expect("release" not in run.jobs, "no release after a stop")
            self._expect(self._log_retention() == 7, "nothing to be applied")
            self._expect(len(self._open_issues()) == 2, "an issue about the delivery beside the one about drift")
            return push

    def _change_reverted(self, push: Event) -> None:
        with self._scene("The change is taken back: the same delivery goes through, and the issues close"):
            self._by_hand(memory=256)
            self._succeeds(self.world.deliver(push))
            self._expect(self._log_retention() == 14, "what was reviewed to be applied")
            self.world.drift("dev")
            self._expect(not self._open_issues(), f"no open issue: {[each['title'] for each in self._open_issues()]}")

    def _failed_release(self) -> None:
        with self._scene("A release that breaks the contract: users never see it"):

            def break_it(tree: Path) -> None:
                with (tree / "lambda/welcome/handler.py").open("a") as code:
                    code.write(BROKEN)

            before = self._ask().headers["x-release"]
            pull = self.world.open_pull("broken", "Simplify the handler", break_it)
            self._succeeds(self.world.plan(pull))
            run = self.world.deliver(self.world.merge(pull))
            self._expect(run.jobs["release"] == "failure", "the job Release to fail")
            answer = self._ask()
            self._expect(
                (answer.status_code, answer.headers["x-release"]) == (200, before), "the release before to answer"
            )
            self._expect(len(self._open_issues()) == 1, "an open issue about the failed release")

    def _fork(self) -> None:
        with self._scene("A pull request of a fork: checks, but no credentials"):
            pull = self.world.open_pull(
                "typo", "Fix a typo", lambda tree: (tree / "typo.md").write_text("fixed"), fork=True
            )
            tokens = len(self.world.issuer.issued)
            run = self.world.plan(pull)
            self._succeeds(run)
            self._expect("plan" not in run.jobs, "no plan")
            self._expect(len(self.world.issuer.issued) == tokens, "no OIDC token")
            self._expect(any("no plan" in text for _, text in run.annotations), "a notice that says so")

    # What scenes are made of ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _scene(self, title: str) -> Iterator[None]:
        scene, start, calls = Scene(title), time.monotonic(), len(self.world.github.calls)
        self.scenes.append(scene)
        self.listener.begins(scene)
        try:
            yield
        except OpsError as error:
            scene.error = str(error)
            raise
        finally:
            scene.seconds = time.monotonic() - start
            for call in self.world.github.calls[calls:]:
                if call.status < 300 and isinstance(call.body, dict) and call.body.get("body"):
                    scene.posted.append((f"{call.actor}: {call.operation} {call.path}", call.body["body"]))
                    self.listener.posted(*scene.posted[-1])
            self.listener.ended(scene)

    def _ran(self, run: Run) -> None:
        self.scenes[-1].runs.append(run)
        self.listener.ran(run)

    def _tell(self, line: str) -> None:
        self.scenes[-1].told.append(line)
        self.listener.told(line)

    def _expect(self, true: bool, what: str) -> None:
        if not true:
            raise Unexpected(f"{self.scenes[-1].title}: expected {what}.")

    def _succeeds(self, run: Run) -> None:
        failed = [step for step in run.steps if step.failed]
        said = "\n".join(failed[0].lines[-15:]) if failed else run.text[-1500:]
        self._expect(run.succeeded, f"{run.title} to succeed, but {run.jobs}:\n{said}\n")

    def _ask(self) -> httpx.Response:
        url = service_url(self.world.environments["dev"])
        answer = httpx.get(url, timeout=10)
        self._tell(
            f"GET {url} → {answer.status_code} {answer.text.strip()} (release {answer.headers.get('x-release')})"
        )
        return answer

    def _by_hand(self, memory: int) -> None:
        env = self.world.environments["dev"]
        env.client("lambda").update_function_configuration(FunctionName=env.resource_name, MemorySize=memory)
        self._tell(f"by hand: {env.resource_name} gets {memory} MB")

    def _log_retention(self) -> int:
        env = self.world.environments["dev"]
        groups = env.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{env.resource_name}")[
            "logGroups"
        ]
        return int(groups[0]["retentionInDays"])

    def _open_issues(self) -> list[dict[str, object]]:
        github = self.world.github
        return [
            each for number, each in github.issues.items() if number not in github.pulls and each["state"] == "open"
        ]


def replace(file: Path, old: str, new: str) -> None:
    """Edit a file. Raises ValueError if `old` is not in it: a scene that changes nothing would prove nothing."""
    text = file.read_text()
    if old not in text:
        raise ValueError(f"{file} has no {old!r}")
    file.write_text(text.replace(old, new, 1))
