"""`ops bootstrap`: what a person with admin rights does once an account, and again when the roles change.

The pipeline cannot do it: whoever can change these units can give itself any right. All of it may be run again: what is
there already is left as it is.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import click
from botocore.exceptions import ClientError

from ops import terragrunt, units
from ops.console import log, out, step
from ops.environments import Environment, github, selected, target
from ops.errors import BadInput, OpsError
from ops.identity import announce
from ops.plan import Result, plan_units, run_all
from ops.policy.access import ROLES
from ops.policy.jobs import AUDIENCE, ISSUER, github_environment
from ops.records import get
from ops.report import terminal
from ops.report.model import load

_PLACEHOLDER = "example-org"
_PROVIDER = "aws_iam_openid_connect_provider.github"


@click.command()
@click.option("--env", "name", metavar="ENV", help="The environment to set up; all of them without it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def bootstrap(name: str | None, yes: bool) -> None:
    """Set up an account for the pipeline: state bucket, lock table, OIDC provider, boundaries and roles."""
    envs = selected(name)
    if target() == "aws" and not os.environ.get("AWS_ENDPOINT_URL") and github()["owner"] == _PLACEHOLDER:
        raise BadInput(
            "live/github.hcl still names the example repository, so roles of yours would trust somebody else's jobs. "
            "Put in your owner, repository and their numeric ids; nothing was done."
        )
    announce(envs)
    for env in envs:
        _prepare(env, ask=not yes)
        _units(env, ask=not yes)
        out.print(settings(env), markup=False)


def _prepare(env: Environment, *, ask: bool) -> None:
    """What has to be there before anything can be planned: the backend, and the account's only OIDC provider."""
    missing = [
        what
        for what, there in (
            (f"state bucket {env.state_bucket}", _bucket_exists(env)),
            (f"lock table {env.lock_table}", _table_exists(env)),
        )
        if not there
    ]
    adopted = _provider_to_adopt(env)
    intentions = [f"create the {' and the '.join(missing)}"] if missing else []
    intentions += [f"adopt {adopted}, since an account can have only one"] if adopted else []
    if not intentions:
        log.print(f"{env.name}: state bucket, lock table and OIDC provider are there", markup=False)
        return
    log.print(f"{env.name}: will {', and '.join(intentions)}, in account {env.account_id}", markup=False)
    if ask:
        click.confirm("Go on?", abort=True, err=True)
    delivery = env.directory / "delivery"
    with step(f"{env.name}: {', '.join(intentions)}"):
        if missing:
            terragrunt.run(env, ["backend", "bootstrap"], cwd=delivery)
        if adopted:
            terragrunt.run(env, ["run", "--", "import", "-input=false", _PROVIDER, adopted], cwd=delivery)


def _bucket_exists(env: Environment) -> bool:
    try:
        env.client("s3").head_bucket(Bucket=env.state_bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return False
        raise OpsError(
            f"The bucket name {env.state_bucket} is taken and not readable ({error}): it belongs to somebody else, or "
            "these credentials lack s3:ListBucket. Nothing was done."
        ) from error
    return True


def _table_exists(env: Environment) -> bool:
    client = env.client("dynamodb")
    try:
        client.describe_table(TableName=env.lock_table)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _units(env: Environment, *, ask: bool) -> None:
    """Plan the units that people apply, show the plans, and apply exactly these."""
    everything = units.discover(env)
    mine = {name: unit for name, unit in everything.items() if unit.by_hand}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch).resolve()
        with step(f"{env.name}: plan {', '.join(mine)}"):
            planned = plan_units(env, mine, everything, directory)
        result = Result(env.name, "", "", tuple(unit for unit in planned if unit.name in mine))
        result.write(directory)
        terminal.show(load([directory]), out)
        if result.bad:
            raise OpsError(f"{env.name}: not every unit could be planned, see above. Nothing was applied.")
        changed = [unit.name for unit in result.units if unit.changes]
        if not changed:
            log.print(f"{env.name}: nothing to change", markup=False)
            return
        if ask:
            click.confirm(f"Apply {', '.join(changed)} in account {env.account_id}?", abort=True, err=True)
        with step(f"{env.name}: apply {', '.join(changed)}"):
            errors = run_all(env, changed, ["--out-dir", scratch], ["apply", "-input=false"], directory)
        for name, error in errors.items():
            if error:
                raise OpsError(f"{env.name}/{name} was not applied: {error}\nCorrect it and run this again.")


def _provider_to_adopt(env: Environment) -> str | None:
    """ARN of the account's OIDC provider for GitHub if somebody else made it: AWS refuses a second one."""
    listed = env.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    existing: str | None = next(
        (each["Arn"] for each in listed if each["Arn"].endswith(f":oidc-provider/{ISSUER}")), None
    )
    if existing is None:
        return None
    audiences = env.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=existing)["ClientIDList"]
    if AUDIENCE not in audiences:
        raise OpsError(
            f"The OIDC provider of account {env.account_id} does not know the audience {AUDIENCE}: nothing was done. "
            f"Add it: aws iam add-client-id-to-open-id-connect-provider --client-id {AUDIENCE} "
            f"--open-id-connect-provider-arn {existing}"
        )
    if not _bucket_exists(env):
        return existing
    state = json.loads(get(env, f"{env.name}/delivery/terraform.tfstate") or "{}")
    known = {f"{each['type']}.{each['name']}" for each in state.get("resources", [])}
    return None if _PROVIDER in known else existing


def settings(env: Environment) -> str:
    """What has to be set on GitHub for `env`, as text and as commands."""
    repository = f"{github()['owner']}/{github()['repository']}"
    branch = env.settings["branch"]
    names = {role: github_environment(env, role) for role in ROLES}
    lines = [
        "",
        f"{env.name} is ready in account {env.account_id}. What is left is on GitHub: three environments of",
        f"{repository}, since each role trusts the jobs of one of them. No variables, no secrets: workflows",
        "know the roles by name.",
        "",
        *(
            f"  {names[role]:<14} for {env.resource_name}-{role}: jobs of "
            + ("any branch, its role writes plan records only" if role == "plan" else f"the branch {branch} only")
            for role in ROLES
        ),
        "",
        "As commands (docs/github.md has the rules for branches and workflows, once a repository):",
        "",
    ]
    for role in ROLES:
        lines += _commands(f"repos/{repository}/environments/{names[role]}", None if role == "plan" else branch)
    return "\n".join(lines)


def _commands(environment: str, branch: str | None) -> list[str]:
    if branch is None:
        return [f"  gh api --method PUT {environment}"]
    return [
        f"  gh api --method PUT {environment} -F 'deployment_branch_policy[protected_branches]=false' \\",
        "    -F 'deployment_branch_policy[custom_branch_policies]=true'",
        f"  gh api --method POST {environment}/deployment-branch-policies -f name={branch} -f type=branch",
    ]
