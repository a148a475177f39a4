"""Everything around the workflows: the repository and its people, the emulators, and a runner for each event.

What act leaves out is done here as GitHub does it: triggers, one token a run with the permissions of the running job,
no OIDC token for forks, `environment` and its branch rule in the subject of the token.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops import terragrunt, toolchain
from ops.emulator.scratch import scratch
from ops.environments import Environment, github
from ops.paths import ROOT, cache_dir
from tests.pipeline.harness import act
from tests.pipeline.harness.act import Run
from tests.pipeline.harness.github import BOT, GitHub, Pull, Token
from tests.pipeline.harness.oidc import Issuer, Refused
from tests.pipeline.harness.web import Request, Response, serve
from tests.pipeline.harness.workflow import Workflow, workflows

JSON = dict[str, Any]
AUTHOR, REVIEWER, OUTSIDER = "alice", "bob", "mallory"


@dataclass(frozen=True)
class Event:
    """Something that starts workflows."""

    name: str
    payload: JSON
    branch: str  # base of a pull request, or what was pushed to
    ref: str
    sha: str
    fork: bool = False


@dataclass
class _Running:
    event: Event
    workflow: Workflow
    run: Run
    number: int


@dataclass
class World:
    """A repository on a GitHub of its own, and two accounts on emulators of their own."""

    place: Path
    github: GitHub
    environments: Mapping[str, Environment]
    runs: list[Run] = field(default_factory=list)
    used: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)  # permissions by workflow and job
    tokens: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)  # for every step, beside what GitHub sets
    on_run: Callable[[Run], None] = lambda _run: None
    _running: dict[str, _Running] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.issuer = Issuer(self._claims)

    def answer(self, request: Request) -> Response:
        """Whatever comes to this GitHub over HTTP."""
        if request.path.startswith("/oidc/"):
            return self.issuer.answer(request)
        return self.github.serve_api(request) if request.path.startswith("/api/") else self.github.serve_git(request)

    def bootstrap(self) -> None:
        """What `make bootstrap` does in every account, but for the settings of the state bucket (55 s of waiting)."""
        command = ["run", "--all", "--backend-bootstrap", "--filter", "delivery", "--", "apply"]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda env: terragrunt.run(env, command), self.environments.values()))

    # People ---------------------------------------------------------------------------------------------------------

    @property
    def desk(self) -> Path:
        """The clone that everybody works in."""
        return self.place / "desk"

    def git(self, *arguments: str) -> str:
        identity = ["-c", f"user.name={AUTHOR}", "-c", f"user.email={AUTHOR}@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.desk, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(
        self, branch: str, message: str, edit: Callable[[Path], object], base: str = "dev", *, fork: bool = False
    ) -> str:
        """Commit what `edit` does to a checkout of `branch` (made from `base` if it is new), and push it. Its id."""
        space = "forks" if fork else "heads"
        known = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", f"refs/{space}/{branch}"],
            cwd=self.github.bare,
            capture_output=True,
        )
        self.git("fetch", "--quiet", "origin", f"refs/heads/{base}" if known.returncode else f"refs/{space}/{branch}")
        self.git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
        edit(self.desk)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "--force", "origin", f"HEAD:refs/{space}/{branch}")
        return self.git("rev-parse", "HEAD")

    def open_pull(
        self, branch: str, title: str, edit: Callable[[Path], object], base: str = "dev", *, fork: bool = False
    ) -> Pull:
        """Commit, push, open a pull request. Workflows are started by `planned` and `checked`."""
        self.commit(branch, title, edit, base, fork=fork)
        source = f"{OUTSIDER}/{self.github.name}" if fork else None
        return self.github.open_pull(branch, base, title, OUTSIDER if fork else AUTHOR, source)

    def pull_event(self, pull: Pull, action: str = "opened") -> Event:
        """The event of a pull request that was opened or pushed to."""
        self.github.refresh(pull)
        details = {"action": action, "number": pull.number, "pull_request": self.github.pull_json(pull)}
        payload = details | self._common(pull.author)
        ref = f"refs/pull/{pull.number}/merge"
        return Event("pull_request", payload, pull.base, ref, self.github.sha(ref), fork=bool(pull.fork))

    def push_event(self, branch: str, before: str, after: str) -> Event:
        payload = {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "deleted": False,
            **self._common(AUTHOR),
        }
        return Event("push", payload, branch, f"refs/heads/{branch}", after)

    def schedule_event(self) -> Event:
        """What starts a scheduled workflow: always on the default branch."""
        return Event("schedule", self._common(AUTHOR), "main", "refs/heads/main", self.github.sha("refs/heads/main"))

    def _common(self, login: str) -> JSON:
        owner = self.github.user(self.github.owner)
        repository = {
            "default_branch": "main",
            "full_name": self.github.full_name,
            "html_url": f"{self.github.url}/{self.github.full_name}",
            "id": self.github.repository_id,
            "name": self.github.name,
            "owner": owner,
            "private": True,
        }
        return {"repository": repository, "sender": self.github.user(login)}

    # Workflows ------------------------------------------------------------------------------------------------------

    def plan(self, pull: Pull, action: str = "opened") -> Run:
        """plan.yml for a pull request."""
        return self.run("plan", self.pull_event(pull, action))

    def merge(self, pull: Pull, method: str = "squash") -> Event:
        """Merge a pull request; the push that this is."""
        return self.push_event(pull.base, *self.github.merge_pull(pull, method))

    def push(self, branch: str, message: str, edit: Callable[[Path], object]) -> Event:
        """A direct push, past every pull request."""
        before = self.github.sha(f"refs/heads/{branch}")
        return self.push_event(branch, before, self.commit(branch, message, edit))

    def deliver(self, event: Event, until: Callable[[str], bool] | None = None) -> Run:
        """deliver.yml for a push."""
        return self.run("deliver", event, until=until)

    def drift(self, environment: str) -> Run:
        """drift.yml, for one environment of its matrix: each has an endpoint of its own here."""
        return self.run("drift", self.schedule_event(), environment=environment)

    def run(
        self,
        workflow: str,
        event: Event,
        *,
        environment: str | None = None,
        options: tuple[str, ...] = (),
        until: Callable[[str], bool] | None = None,
    ) -> Run:
        """Run one workflow for an event, as its file is in the commit of the event."""
        number = next(self._numbers)
        checkout = self._checkout(event.sha, number)
        found = workflows(checkout)[workflow]
        if not found.starts_on(event.name, event.branch):
            raise AssertionError(f"{found.file} does not start on {event.name} of {event.branch}")
        run = Run(workflow, event.name, f"{workflow} #{number}")
        request_token = secrets.token_hex(16)
        running = self._running[request_token] = _Running(event, found, run, number)
        token = self.github.token(
            Token(BOT, lambda: self._permissions(running), lambda name, level: self._note(running, name, level))
        )
        self.tokens += [token, request_token]
        env = self.environments[environment] if environment else self._environment_of(event.branch)
        narrowed = ("--matrix", f"name:{environment}") if environment else ()
        try:
            act.run(
                checkout,
                self.place / f"runner-{number}",
                run,
                event.payload,
                settings=self._settings(running, request_token, env),
                token=token,
                options=(*options, *narrowed),
                until=until,
            )
        finally:
            del self._running[request_token]
            shutil.rmtree(checkout, ignore_errors=True)
            self.runs.append(run)
        self.on_run(run)
        return run

    def _checkout(self, sha: str, number: int) -> Path:
        """What GitHub reads workflow files from: the commit of the event."""
        checkout = self.place / f"workflows-{number}"
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(self.github.bare), str(checkout)], check=True)
        for arguments in (["fetch", "--quiet", "origin", sha], ["checkout", "--quiet", "--detach", sha]):
            subprocess.run(["git", *arguments], cwd=checkout, check=True)
        for file in (checkout / ".github" / "workflows").glob("*.yml"):
            # act serialises nothing whatever `concurrency` says, and its schema is older than this one key.
            file.write_text(file.read_text().replace("  queue: max\n", ""))
        return checkout

    def _environment_of(self, branch: str) -> Environment:
        return next(env for env in self.environments.values() if env.settings["branch"] == branch)

    def _settings(self, running: _Running, request_token: str, env: Environment) -> dict[str, str]:
        event, url = running.event, self.github.url
        settings = {
            "AWS_ENDPOINT_URL": str(env.endpoint),
            "GITHUB_API_URL": f"{url}/api",
            "GITHUB_REF": event.ref,
            "GITHUB_REF_NAME": event.ref.partition("/")[2].partition("/")[2],
            "GITHUB_REPOSITORY": self.github.full_name,
            "GITHUB_REPOSITORY_OWNER": self.github.owner,
            "GITHUB_RUN_ID": str(running.number),
            "GITHUB_RUN_NUMBER": str(running.number),
            "GITHUB_SERVER_URL": url,
            "SHA_REF": event.sha,  # act's name for what becomes GITHUB_SHA
            "WELCOME_CACHE_DIR": str(cache_dir()),
            **self.variables,
        }
        if event.name == "pull_request":
            settings |= {
                "GITHUB_BASE_REF": event.branch,
                "GITHUB_HEAD_REF": event.payload["pull_request"]["head"]["ref"],
            }
        if not event.fork:
            settings |= {
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/oidc/token?api-version=2.0",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": request_token,
            }
        return settings

    def _job(self, running: _Running) -> str:
        """The job that asks. act does not say who asks, so there must be only one that could."""
        jobs = running.run.running
        if len(jobs) != 1:
            raise Refused(f"which of the jobs {jobs} of {running.workflow.file} asks cannot be told")
        return jobs[0]

    def _permissions(self, running: _Running) -> Mapping[str, str]:
        """Of all jobs that run now: what they have in common, and only reading for a fork."""
        # A job can be faster than the reading of act's log, which says that it began.
        end = time.monotonic() + 5
        while not running.run.running and time.monotonic() < end:
            time.sleep(0.01)
        each = [running.workflow.permissions(running.run.ids[job]) for job in running.run.running]
        common = set.intersection(*(set(one.items()) for one in each)) if each else set()
        return {name: "read" if running.event.fork else level for name, level in common}

    def _note(self, running: _Running, permission: str, level: str) -> None:
        for job in running.run.running:
            self.used.setdefault((running.workflow.name, running.run.ids[job]), set()).add((permission, level))

    def _claims(self, request_token: str) -> JSON:
        """Claims of the job that asks, as GitHub makes them."""
        running = self._running.get(request_token)
        if not running:
            raise Refused("this request token is of no running workflow")
        instance, event, workflow = self._job(running), running.event, running.workflow
        job = running.run.ids[instance]
        if workflow.permissions(job).get("id-token") != "write":
            raise Refused(f"{job} of {workflow.file} has no `id-token: write`")
        name = workflow.environment(job, running.run.outputs, running.run.matrix[instance])
        owner, repository = (
            f"{self.github.owner}@{self.github.owner_id}",
            f"{self.github.name}@{self.github.repository_id}",
        )
        context = (
            f"environment:{name}" if name else "pull_request" if event.name == "pull_request" else f"ref:{event.ref}"
        )
        if name:
            self._deployment_branches(name, event.ref)
        self._note(running, "id-token", "write")
        file = f"{self.github.full_name}/.github/workflows/{workflow.file}@{event.ref}"
        return {
            "sub": f"repo:{owner}/{repository}:{context}",
            "actor": event.payload["sender"]["login"],
            "actor_id": str(event.payload["sender"]["id"]),
            "base_ref": event.branch if event.name == "pull_request" else "",
            **({"environment": name} if name else {}),
            "event_name": event.name,
            "head_ref": event.payload["pull_request"]["head"]["ref"] if event.name == "pull_request" else "",
            "job_workflow_ref": file,
            "job_workflow_sha": event.sha,
            "ref": event.ref,
            "ref_type": "branch",
            "repository": self.github.full_name,
            "repository_id": str(self.github.repository_id),
            "repository_owner": self.github.owner,
            "repository_owner_id": str(self.github.owner_id),
            "repository_visibility": "private",
            "run_attempt": "1",
            "run_id": str(running.number),
            "run_number": str(running.number),
            "runner_environment": "github-hosted",
            "sha": event.sha,
            "workflow": workflow.name,
            "workflow_ref": file,
            "workflow_sha": event.sha,
        }

    def _deployment_branches(self, environment: str, ref: str) -> None:
        """The branch rule of a GitHub environment (docs/github.md): E and E-release take the branch of E only."""
        for env in self.environments.values():
            allowed = f"refs/heads/{env.settings['branch']}"
            if environment in (env.name, f"{env.name}-release") and ref != allowed:
                raise Refused(f"{ref} is not allowed to deploy to {environment}, only {allowed} is")


@contextlib.contextmanager
def world(place: Path, accounts: Path | None = None) -> Iterator[World]:
    """A world below `place`, made from this checkout as it is, until the block ends.

    `accounts` is the place of an ended world whose accounts these are to be copies of; without it they are empty.
    """
    if accounts:
        for state in accounts.glob("local/emulator/*/state"):
            shutil.copytree(state, place / state.relative_to(accounts))
    desk = place / "desk"
    seed(desk)
    toolchain.cli_config(toolchain.engine())  # runners use what is built, and build nothing
    with contextlib.ExitStack() as stack:
        stack.enter_context(_variables(TARGET="local", WELCOME_ROOT=str(desk)))
        found = stack.enter_context(scratch(place / "local"))
        names = github()
        service = GitHub(
            place / "git", names["owner"], names["repository"], int(names["owner_id"]), int(names["repository_id"])
        )
        created = World(place, service, found)
        service.url = stack.enter_context(serve(created.answer))
        publish(desk, service)
        yield created


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Set environment variables of this process until the block ends."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def seed(desk: Path) -> None:
    """Copy this checkout, uncommitted changes included, into a new repository with one commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (desk / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, desk / name)
    identity = ["-c", f"user.name={AUTHOR}", "-c", f"user.email={AUTHOR}@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet", "-b", "main"], ["add", "--all"], ["commit", "--quiet", "-m", "The service"]):
        subprocess.run(["git", *identity, *arguments], cwd=desk, check=True)


def publish(desk: Path, service: GitHub) -> None:
    """Make the bare repository behind GitHub from the seeded one: branches main and dev on the same commit."""
    service.bare.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(desk), str(service.bare)], check=True)
    for setting in (
        ("user.name", "GitHub"),
        ("user.email", "noreply@github.example"),
        ("uploadpack.allowAnySHA1InWant", "true"),
    ):
        service.git("config", *setting)
    service.git("branch", "dev", "main")
    for arguments in (["remote", "add", "origin", str(service.bare)], ["checkout", "--quiet", "--detach"]):
        subprocess.run(["git", *arguments], cwd=desk, check=True)
