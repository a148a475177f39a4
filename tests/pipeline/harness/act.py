"""Running a workflow file with act, on this machine, and reading what it says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACTIONS = Path(__file__).parents[1] / "actions"
TIMEOUT = 900


@dataclass
class Step:
    """One step of a job that ran."""

    job: str
    name: str
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0
    failed: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Run:
    """One run of a workflow."""

    workflow: str
    event: str
    title: str
    # Result by job: success, failure, or "" if it did not end. Jobs of a matrix are named as on GitHub: test (unit).
    jobs: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # what the workflow file calls a job
    steps: list[Step] = field(default_factory=list)
    outputs: dict[tuple[str, str], str] = field(default_factory=dict)  # by job and step.output
    matrix: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    summaries: list[tuple[str, str]] = field(default_factory=list)  # job and Markdown
    annotations: list[tuple[str, str]] = field(default_factory=list)  # level and text
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0
    killed: bool = False

    @property
    def succeeded(self) -> bool:
        return bool(self.jobs) and set(self.jobs.values()) == {"success"}

    @property
    def running(self) -> list[str]:
        """Jobs that have started and not ended."""
        return [job for job, result in self.jobs.items() if not result]

    @property
    def text(self) -> str:
        """All that the steps printed."""
        return "\n".join(self.log)

    def step(self, job: str, name: str) -> Step:
        """The step `name` of a job. Raises KeyError if it did not run."""
        for step in self.steps:
            if (step.job, step.name) == (job, name):
                return step
        raise KeyError(
            f"{self.workflow} ran no step '{name}' in {job}: {[(step.job, step.name) for step in self.steps]}"
        )

    def read(self, line: str) -> None:
        """Take in one line of act's JSON log."""
        try:
            entry = json.loads(line)
        except ValueError:
            self.log.append(line.rstrip())
            return
        message = str(entry.get("msg", "")).rstrip()
        self.log.append(message)
        identifier, matrix = entry.get("jobID"), entry.get("matrix") or {}
        if not identifier:
            return
        job = f"{identifier} ({', '.join(map(str, matrix.values()))})" if matrix else identifier
        self.jobs.setdefault(job, "")
        self.ids[job], self.matrix[job] = identifier, matrix
        if "jobResult" in entry:
            self.jobs[job] = entry["jobResult"]
        match entry.get("command"):
            case "set-output":
                self.outputs[identifier, f"{entry['stepID'][0]}.{entry['name']}"] = entry["arg"]
            case "summary":
                self.summaries.append((job, entry["content"]))
            case "notice" | "warning" | "error" as level:
                self.annotations.append((level, entry["arg"]))
        self._in_step(entry, job, message)

    def _in_step(self, entry: Mapping[str, Any], job: str, message: str) -> None:
        if "step" not in entry or entry.get("stage") != "Main":
            return
        if not self.steps or (self.steps[-1].job, self.steps[-1].name) != (job, entry["step"]):
            known = [step for step in self.steps if (step.job, step.name) == (job, entry["step"])]
            if known:  # jobs without a dependency run side by side, and so do their lines
                self.steps.remove(known[0])
            self.steps.append(known[0] if known else Step(job, entry["step"]))
        step = self.steps[-1]
        step.lines.append(message)
        if "stepResult" in entry and len(entry.get("stepID", [])) == 1:
            step.seconds = entry.get("executionTime", 0) / 1e9
            step.failed = entry["stepResult"] == "failure"


def actions(checkout: Path) -> list[str]:
    """`--local-repository` for every action that the workflows use: from ACTIONS_DIR if there, else the stand-in."""
    real = Path(os.environ["ACTIONS_DIR"]).resolve() if os.environ.get("ACTIONS_DIR") else None
    options = []
    for name in used_actions(checkout):
        repository, _, _ = name.partition("@")
        place = real / repository if real and (real / repository).is_dir() else ACTIONS / repository
        if not place.is_dir():
            raise FileNotFoundError(f"{repository} has no stand-in in {ACTIONS}: write one, or set ACTIONS_DIR.")
        options += ["--local-repository", f"{name}={place}"]
    return options


def used_actions(checkout: Path) -> list[str]:
    """`OWNER/NAME@COMMIT` of the third-party actions in workflows and composite actions."""
    files = [*(checkout / ".github").rglob("*.yml")]
    words = [line.split() for file in files for line in file.read_text().splitlines() if "uses:" in line]
    found = {part[part.index("uses:") + 1] for part in words}
    return sorted(name for name in found if not name.startswith("./"))


def environment(place: Path) -> dict[str, str]:
    """The environment of a runner: this process's without anything of its user's, of CI, of AWS or of Terraform."""
    private = (
        "ACTIONS_",
        "AWS_",
        "CI",
        "GITHUB_",
        "GIT_",
        "RUNNER_",
        "TARGET",
        "TF_",
        "TG_",
        "WELCOME_",
        "PYTEST_",
        "XDG_",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    # Jobs start `python3`: the interpreter that the project's Python environment was made with, already built.
    interpreter = Path(sys.executable).resolve().parent
    for directory in ("home", "tmp"):
        (place / directory).mkdir(parents=True, exist_ok=True)
    return kept | {
        "HOME": str(place / "home"),
        "PATH": os.pathsep.join([str(interpreter), os.environ["PATH"]]),
        "TMPDIR": str(place / "tmp"),
        "XDG_CACHE_HOME": str(place / "cache"),
        **{name: os.environ[name] for name in ("WELCOME_ENGINE",) if name in os.environ},
    }


def run(
    checkout: Path,
    place: Path,
    run: Run,
    event: Mapping[str, Any],
    *,
    settings: Mapping[str, str],
    token: str,
    options: Sequence[str] = (),
    until: Callable[[str], bool] | None = None,
) -> Run:
    """Run the workflow file `run.workflow` of a checkout as a runner would; fills and returns `run`.

    `settings` are environment variables of every step. With `until`, the runner is killed with everything that it
    started as soon as that is true of a line.
    """
    payload = place / "event.json"
    payload.parent.mkdir(parents=True, exist_ok=True)
    payload.write_text(json.dumps(event))
    command = [
        str(Path(sys.executable).parent / "act"), run.event, "--json", "--eventpath", str(payload),
        "--workflows", f".github/workflows/{run.workflow}.yml", "--platform", "ubuntu-latest=-self-hosted",
        "--no-skip-checkout", "--no-cache-server", "--action-offline-mode", "--defaultbranch", "main",
        "--env-file", os.devnull, "--secret-file", os.devnull, "--var-file", os.devnull, "--secret", "GITHUB_TOKEN",
        "--actor", event["sender"]["login"], *actions(checkout), *options,
    ]  # fmt: skip
    for name, value in settings.items():
        command += ["--env", f"{name}={value}"]
    start = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=checkout,
        env=environment(place) | {"GITHUB_TOKEN": token},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout
        watchdog = threading.Timer(TIMEOUT, kill, [process.pid])
        watchdog.start()
        try:
            for line in process.stdout:
                run.read(line)
                if until and until(line):
                    run.killed = True
                    break
        finally:
            watchdog.cancel()
            if process.poll() is None and (run.killed or sys.exc_info()[0]):
                kill(process.pid)
    run.seconds = time.monotonic() - start
    if run.seconds > TIMEOUT:
        raise TimeoutError(f"{run.workflow} did not end within {TIMEOUT} s:\n{run.text[-3000:]}")
    return run


def kill(pid: int) -> None:
    """End a process and everything it started, at once: what a runner that dies leaves behind is left behind."""
    for each in [*descendants(pid), pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> Iterator[int]:
    """Processes that `pid` started, and those that these started: act puts each step into a group of its own."""
    shown = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in shown.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            yield child
            todo.append(child)
