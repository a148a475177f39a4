"""The life of an environment, every step under the role of the job that does it in the pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ops.environments import Environment
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


def run(env: Environment) -> Iterator[str]:
    """Live through it on an emulator where the delivery unit is applied. Yields what it is about to do."""
    yield "apply, from nothing"
    _terragrunt(env, "apply", ["apply", "-auto-approve"])
    yield "plan, nothing to change"
    _terragrunt(env, "plan", ["plan", "-detailed-exitcode"])
    yield "release"
    _ops(env, "release", ["release", "--watch", "1"])
    yield "apply, settings and tags change"
    changes = [f"-var={name}={json.dumps(value)}" for name, value in _CHANGES.items()]
    _terragrunt(env, "apply", ["apply", "-auto-approve", *changes], tagged=True)
    yield "release, for the new settings, and prune"
    _ops(env, "release", ["release", "--watch", "1", "--keep", "1"])
    yield "roll back"
    _ops(env, "release", ["rollback"])
    yield "apply, settings and tags go back"
    _terragrunt(env, "apply", ["apply", "-auto-approve"])
    yield "plan, after somebody changed a thing by hand"
    env.client("logs").put_retention_policy(logGroupName=f"/aws/lambda/{env.resource_name}", retentionInDays=1)
    _terragrunt(env, "plan", ["plan", "-detailed-exitcode"], expected=2)
    yield "apply, what can be made again is destroyed and made again"
    _terragrunt(env, "apply", ["destroy", "-auto-approve", *(f"-target={address}" for address in _REPLACEABLE)])
    _terragrunt(env, "apply", ["apply", "-auto-approve"])


def _terragrunt(
    env: Environment, role: str, arguments: Sequence[str], *, tagged: bool = False, expected: int = 0
) -> None:
    # The provider's own way to add a default tag, since the tags are in the generated configuration.
    extra = {"TF_AWS_DEFAULT_TAGS_Change": "yes"} if tagged else {}
    done = jobs.run(env, role, ["run", "--", *arguments], unit="welcome", extra=extra)
    if done.returncode != expected:
        jobs.succeed(done)
        raise AssertionError(f"{arguments} ended with 0 and not {expected}: there should have been something to change")


def _ops(env: Environment, role: str, arguments: Sequence[str]) -> None:
    jobs.succeed(jobs.run(env, role, [*arguments, "--env", env.name]))
