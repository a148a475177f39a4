"""Who may take which role: a truth table of tokens, by the policy evaluator and, for what decides, by STS itself."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops import environments, terragrunt
from ops.policy import access, jobs
from ops.policy.access import ROLES
from tests.policy.conftest import Delivered

OURS = "example-org@1000001/welcome-service@2000002"
REPOSITORIES = {
    "ours": OURS,
    "a fork": "somebody@77/welcome-service@88",
    "ours renamed": "example-org@1000001/new-name@2000002",
    "ours transferred": "other-org@99/welcome-service@2000002",
    "our name registered by somebody else": "example-org@77/welcome-service@88",
    "another repository of the same owner": "example-org@1000001/website@3000003",
    "ours in the legacy form": "example-org/welcome-service",
    "a name made to look like ours": "example-org@1000001/welcome-service@20000022",
}
# A job with an environment has it in its subject; without one the event decides. None: no environment.
ENVIRONMENTS = (
    None, "dev", "dev-plan", "dev-release", "prod", "prod-plan", "prod-release", "Prod", "prod*", "production", "*",
)  # fmt: skip
EVENTS = ("pull_request", "pull_request_target", "push", "schedule", "workflow_dispatch")
REFS = ("refs/heads/main", "refs/heads/dev", "refs/heads/feature", "refs/pull/7/merge", "refs/tags/v1")
AUDIENCES = ("sts.amazonaws.com", "https://github.com/example-org")


@dataclass(frozen=True)
class Job:
    """A job that asks GitHub for a token."""

    repository: str
    environment: str | None
    event: str
    ref: str

    @property
    def subject(self) -> str:
        if self.environment:
            return f"repo:{self.repository}:environment:{self.environment}"
        context = "pull_request" if self.event.startswith("pull_request") else f"ref:{self.ref}"
        return f"repo:{self.repository}:{context}"


def jobs_of_the_table() -> Iterator[Job]:
    for repository, environment, event, ref in itertools.product(REPOSITORIES.values(), ENVIRONMENTS, EVENTS, REFS):
        yield Job(repository, environment, event, ref)


def may_take(job: Job, environment: str, role: str) -> bool:
    """The rule: our repository, and the GitHub environment of that role; nothing else matters, nothing else will do."""
    wanted = {"plan": f"{environment}-plan", "apply": environment, "release": f"{environment}-release"}[role]
    return job.repository == OURS and job.environment == wanted


def test_every_job_gets_exactly_the_role_of_its_environment(delivered: Delivered) -> None:
    wrong, cells = [], 0
    for job, audience, ((environment, kind), role) in itertools.product(
        jobs_of_the_table(), AUDIENCES, delivered.roles.items()
    ):
        claims = {"sub": job.subject, "aud": audience, "ref": job.ref}
        expected = may_take(job, environment, kind) and audience == "sts.amazonaws.com"
        cells += 1
        if role.trusts(jobs.ISSUER, claims) is not expected:
            wrong.append((environment, kind, claims))

    assert not wrong, f"{len(wrong)} of {cells} cells are wrong, first: {wrong[0]}"
    assert cells == len(REPOSITORIES) * len(ENVIRONMENTS) * len(EVENTS) * len(REFS) * 2 * 6


@pytest.mark.parametrize("missing", ["sub", "aud"])
def test_a_token_without_the_claim_gets_nothing(delivered: Delivered, missing: str) -> None:
    for (environment, kind), role in delivered.roles.items():
        claims = {"sub": f"repo:{OURS}:environment:{environment}", "aud": "sts.amazonaws.com"}
        if kind != "apply":
            claims["sub"] += f"-{kind}"

        assert role.trusts(jobs.ISSUER, claims)
        assert not role.trusts(jobs.ISSUER, {name: value for name, value in claims.items() if name != missing})


def test_another_issuer_gets_nothing(delivered: Delivered) -> None:
    for (environment, kind), role in delivered.roles.items():
        suffix = "" if kind == "apply" else f"-{kind}"
        claims = {"sub": f"repo:{OURS}:environment:{environment}{suffix}", "aud": "sts.amazonaws.com"}

        for issuer in ("gitlab.com", f"{jobs.ISSUER}.example.org", f"{jobs.ISSUER}/enterprise"):
            assert not role.trusts(issuer, claims)


def takes(delivered: Delivered, environment: str, role: str, claims: dict[str, Any]) -> bool:
    """Whether the emulator's STS gives credentials of the role for such a token."""
    env = delivered.emulators.environments[environment]
    try:
        jobs.assume(env, role, claims)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_sts_answers_as_the_table_says(delivered: Delivered) -> None:
    subjects = {job.subject: job for job in jobs_of_the_table()}
    wrong = []
    for subject, (environment, role) in itertools.product(subjects, delivered.roles):
        job, env = subjects[subject], delivered.emulators.environments[environment]
        taken = takes(delivered, environment, role, jobs.claims(env, role, sub=subject, ref=job.ref))
        if taken is not may_take(job, environment, role):
            wrong.append((environment, role, subject))

    assert not wrong


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "different",
    [
        {"exp": int(time.time()) - 1},
        {"aud": "https://github.com/example-org"},
        {"iss": "https://gitlab.com"},
        {"iss": f"https://{jobs.ISSUER}/enterprise"},
    ],
    ids=["expired", "other audience", "other issuer", "issuer of an enterprise"],
)
def test_sts_refuses_a_token_with_the_right_subject_only(
    delivered: Delivered, role: str, different: dict[str, Any]
) -> None:
    right = jobs.claims(delivered.dev, role)

    assert takes(delivered, "dev", role, right)
    assert not takes(delivered, "dev", role, right | different)


def test_a_session_ends_after_an_hour_at_most(delivered: Delivered) -> None:
    for env in delivered.environments:
        for role in ROLES:
            found = env.client("iam").get_role(RoleName=f"{env.resource_name}-{role}")["Role"]

            assert found["MaxSessionDuration"] == 3600


# Claims that can be demanded besides, and what a job of another branch, workflow or repository has instead.
DEMANDED = {
    "job_workflow_ref": "example-org/welcome-service/.github/workflows/deliver.yml@refs/heads/main",
    "ref": "refs/heads/main",
    "repository_id": "2000002",
}
OTHERWISE = {
    "job_workflow_ref": "example-org/welcome-service/.github/workflows/evil.yml@refs/pull/7/merge",
    "ref": "refs/heads/feature",
    "repository_id": "3000003",
}


@pytest.fixture
def demanding(delivered: Delivered) -> Iterator[Delivered]:
    """prod, whose apply role demands more than the subject, for a while."""
    env = delivered.prod
    more = {**environments.github(), "extra_claims": {"apply": DEMANDED}}
    apply = ["run", "--", "apply", "-auto-approve"]
    terragrunt.run(env, [*apply, f"-var=github={json.dumps(more)}"], cwd=env.directory / "delivery")
    yield delivered
    terragrunt.run(env, apply, cwd=env.directory / "delivery")


def test_an_extra_claim_is_demanded_too(demanding: Delivered) -> None:
    env = demanding.prod
    role, right = access.role(env, "apply"), jobs.claims(env, "apply", **DEMANDED)

    def both(claims: dict[str, Any]) -> set[bool]:
        """What the evaluator and what STS say."""
        return {role.trusts(jobs.ISSUER, claims), takes(demanding, "prod", "apply", claims)}

    assert both(right) == {True}
    for claim, other in OTHERWISE.items():
        assert both(right | {claim: other}) == {False}, claim
        assert both({name: value for name, value in right.items() if name != claim}) == {False}, f"no {claim}"
    assert takes(demanding, "prod", "plan", jobs.claims(env, "plan", **OTHERWISE)), "demanded of apply only"
