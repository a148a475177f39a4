"""What a person runs once an account: it says what it will do, does it, may be run again, and adopts what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops import bootstrap
from ops.bootstrap import bootstrap as command
from ops.environments import Environment
from ops.errors import BadInput, OpsError
from ops.policy import jobs
from ops.records import get
from tests.conftest import Emulators

AUDIENCES = ["theirs", jobs.AUDIENCE]


@pytest.fixture(scope="module")
def dev(emulators: Emulators) -> Environment:
    """An account in which another team made the OIDC provider, and uses it for another audience as well."""
    emulators.dev.client("iam").create_open_id_connect_provider(Url=f"https://{jobs.ISSUER}", ClientIDList=AUDIENCES)
    return emulators.dev


def invoke(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, arguments, input=answer)


def resources(env: Environment) -> list[str]:
    state = json.loads(get(env, f"{env.name}/delivery/terraform.tfstate") or "{}")
    return [f"{each['type']}.{each['name']}" for each in state["resources"]]


def test_it_does_nothing_before_the_answer(dev: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    result = invoke("--env", "dev", answer="n\n")

    assert result.exit_code == 1
    said = capfd.readouterr().err + result.output
    assert f"create the state bucket {dev.state_bucket} and the lock table {dev.lock_table}" in said
    assert f"adopt arn:aws:iam::{dev.account_id}:oidc-provider/{jobs.ISSUER}" in said
    assert dev.client("s3").list_buckets()["Buckets"] == []
    assert dev.client("dynamodb").list_tables()["TableNames"] == []


def test_it_makes_the_backend_and_adopts_the_provider_once(dev: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    bootstrap._prepare(dev, ask=False)
    assert "aws_iam_openid_connect_provider.github" in resources(dev)
    capfd.readouterr()

    bootstrap._prepare(dev, ask=True)  # and does not ask: there is nothing to do

    assert "are there" in capfd.readouterr().err


def test_it_ends_with_what_to_set_on_github(dev: Environment) -> None:
    text = bootstrap.settings(dev)

    for name, role in (("dev", "apply"), ("dev-plan", "plan"), ("dev-release", "release")):
        assert f"{name:<14} for welcome-dev-{role}:" in text
        assert f"gh api --method PUT repos/example-org/welcome-service/environments/{name}" in text
    assert text.count("deployment-branch-policies -f name=dev -f type=branch") == 2, "any branch may be planned"


def test_it_refuses_to_trust_the_example_repository_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET", "aws")

    result = invoke("--env", "dev", "--yes")

    assert isinstance(result.exception, BadInput)
    assert "live/github.hcl still names the example repository" in str(result.exception)


def test_it_does_not_adopt_a_provider_that_cannot_work(emulators: Emulators) -> None:
    other = emulators.prod
    other.client("iam").create_open_id_connect_provider(Url=f"https://{jobs.ISSUER}", ClientIDList=["theirs"])

    result = invoke("--env", "prod", "--yes")

    assert isinstance(result.exception, OpsError)
    assert f"add-client-id-to-open-id-connect-provider --client-id {jobs.AUDIENCE}" in str(result.exception)
    assert other.client("s3").list_buckets()["Buckets"] == []


@pytest.mark.long
def test_all_of_it_and_once_more(dev: Environment) -> None:
    """A minute, since the provider waits after it sets a lifecycle (docs/traps.md)."""
    first = invoke("--env", "dev", "--yes")
    assert first.exit_code == 0, first.exception
    provider = f"arn:aws:iam::{dev.account_id}:oidc-provider/{jobs.ISSUER}"
    found = dev.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    assert found["ClientIDList"] == AUDIENCES, "an audience of others stays"
    assert dev.client("s3").get_bucket_versioning(Bucket=dev.state_bucket)["Status"] == "Enabled"

    second = invoke("--env", "dev", "--yes")

    assert second.exit_code == 0, second.exception
    assert "nothing to change" in second.output
    # The hardened bucket still lets a job in: TLS is there, and the account is its own.
    assert jobs.terragrunt(dev, "plan", "welcome", "plan").returncode == 0
    for unit in ("delivery", "remote_state"):
        refused = jobs.terragrunt(dev, "apply", unit, "apply", "-auto-approve")
        assert refused.returncode != 0
        assert re.search("AccessDenied|StatusCode: 403", refused.stdout + refused.stderr)


def test_the_units_of_all_environments_are_the_same() -> None:
    live = Path(bootstrap.__file__).parent.parent / "live"

    assert (live / "dev/delivery/terragrunt.hcl").read_bytes() == (live / "prod/delivery/terragrunt.hcl").read_bytes()
