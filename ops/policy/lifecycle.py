"""The life of an environment, every step under the role of the job that does it in the pipeline."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.environments import Environment
from ops.errors import OpsError
from ops.plan import read_result
from ops.policy import jobs

# Every setting that an update can change has to be changed here, or its action looks unused.
_CHANGES = {
    "alarms": {"p99_latency_ms": 900},
    "api": {"throttling_rate_limit": 40},
    "function": {"memory_mb": 512, "reserved_concurrency": 5},
    "log_retention_days": 60,
    "table": {"deletion_protection": True, "point_in_time_recovery": False},
}
# Everything that an apply may make again after it is gone; tables and log groups are not among it.
_REPLACEABLE = ("aws_apigatewayv2_api.welcome", "aws_iam_role.function")

# What `ops apply --reviewed` does once it has found out, from GitHub, what was reviewed.
_APPLY = """
import sys
from ops.apply import apply_reviewed
from ops.environments import environment
name, commit, record, base = sys.argv[1:]
apply_reviewed(environment(name), [(commit, record)], base)
"""


@dataclass(frozen=True)
class Life:
    """An environment on an emulator where the delivery unit is applied, and a tree of its own that may be edited."""

    env: Environment
    tree: Path  # a git repository
    scratch: Path  # plans

    def begin(self) -> Iterator[str]:
        """From nothing to users being served. Yields what it is about to do."""
        yield "plan: a pull request, from nothing"
        base = self._git("rev-parse", "HEAD")
        commit = self._commit("memory_mb = 256", "memory_mb = 320")
        record = self.plan_job(base, commit)
        yield "apply: the reviewed plan"
        jobs.succeed(jobs.python(self.env, "apply", "-c", _APPLY, self.env.name, commit, record, base))
        yield "plan: nothing to change"
        self.terragrunt("plan", ["plan", "-detailed-exitcode"])
        yield "release"
        self._ops("release", "release", "--watch", "1")

    def go_on(self) -> Iterator[str]:
        """Everything that an environment which serves users sees later."""
        yield "apply: settings and tags change"
        changes = [f"-var={name}={json.dumps(value)}" for name, value in _CHANGES.items()]
        self.terragrunt("apply", ["apply", "-auto-approve", *changes], tagged=True)
        yield "release: for the new settings, and prune"
        self._ops("release", "release", "--watch", "1", "--keep", "1")
        yield "release: roll back"
        self._ops("release", "rollback")
        yield "apply: settings and tags go back"
        self.terragrunt("apply", ["apply", "-auto-approve"])
        yield "plan: somebody changed a thing by hand"
        group = f"/aws/lambda/{self.env.resource_name}"
        self.env.client("logs").put_retention_policy(logGroupName=group, retentionInDays=1)
        self.terragrunt("plan", ["plan", "-detailed-exitcode"], expected=2)
        yield "apply: what can be made again is destroyed and made again"
        self.terragrunt("apply", ["destroy", "-auto-approve", *(f"-target={address}" for address in _REPLACEABLE)])
        self.terragrunt("apply", ["apply", "-auto-approve"])

    def plan_job(self, base: str, commit: str) -> str:
        """Plan the change between two commits and store the record; its digest."""
        where = self.scratch / commit
        self._ops("plan", "plan", "--base", base, "--commit", commit, "--out", str(where), "--save-record")
        return read_result(where).record

    def terragrunt(self, role: str, arguments: Sequence[str], *, tagged: bool = False, expected: int = 0) -> None:
        """Run an engine command in the welcome unit. Raises OpsError if it does not end with `expected`."""
        # The provider's own way to add a default tag, since the tags are in the generated configuration.
        extra = {"TF_AWS_DEFAULT_TAGS_Change": "yes"} if tagged else {}
        done = jobs.terragrunt(self.env, role, "welcome", *arguments, **extra)
        if done.returncode != expected:
            jobs.succeed(done)
            raise OpsError(f"{arguments} ended with 0, not {expected}: there should have been something to change.")

    def _ops(self, role: str, command: str, *arguments: str) -> None:
        jobs.succeed(jobs.ops(self.env, role, command, *arguments))

    def _commit(self, old: str, new: str) -> str:
        file = self.env.directory / "env.hcl"
        file.write_text(file.read_text().replace(old, new))
        author = ("-c", "user.name=lifecycle", "-c", "user.email=lifecycle@example.org", "-c", "commit.gpgsign=false")
        self._git(*author, "commit", "-q", "-a", "-m", f"{old} -> {new}")
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.tree, capture_output=True, text=True, check=True
        ).stdout.strip()
