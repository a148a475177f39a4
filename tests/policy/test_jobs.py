"""The jobs of the pipeline under their own roles, under each other's, and taken over by somebody who wants more."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from ops import urls
from ops.environments import Environment
from ops.policy import access, jobs, usage
from ops.policy.access import ROLES, Grant, Role
from ops.policy.lifecycle import Life
from tests.policy.conftest import Delivered

Clients = Callable[[str], Any]
# S3's answer to a HEAD has no body, hence no name of the error; reports cut long lines in the middle.
REFUSED = re.compile("AccessDenied|not authorized to perform|Forbidden|StatusCode: 403")


@pytest.fixture(scope="module")
def life(delivered: Delivered, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """dev, made from nothing and released by the jobs of the pipeline, each under its role."""
    life = Life(delivered.dev, delivered.emulators.root, tmp_path_factory.mktemp("plans"))
    for _ in life.begin():
        pass
    return life


def everything(env: Environment) -> dict[str, Any]:
    """All that a refused job must have left as it was."""
    s3, lambda_, iam = env.client("s3"), env.client("lambda"), env.client("iam")
    configuration = lambda_.get_function_configuration(FunctionName=env.resource_name)
    versions = lambda_.list_versions_by_function(FunctionName=env.resource_name)["Versions"]
    return {
        "objects": sorted(
            (each["Key"], each["VersionId"]) for each in s3.list_object_versions(Bucket=env.state_bucket)["Versions"]
        ),
        "locks": env.client("dynamodb").scan(TableName=env.lock_table)["Items"],
        "message": env.client("dynamodb").scan(TableName=env.resource_name)["Items"],
        "function": {key: configuration.get(key) for key in ("CodeSha256", "MemorySize", "Role", "Environment")},
        "versions": [each["Version"] for each in versions],
        "alias": lambda_.get_alias(FunctionName=env.resource_name, Name="live")["FunctionVersion"],
        "roles": {
            each["RoleName"]: (
                each["AssumeRolePolicyDocument"],
                iam.get_role(RoleName=each["RoleName"])["Role"].get("PermissionsBoundary"),
                iam.list_role_policies(RoleName=each["RoleName"])["PolicyNames"],
                iam.list_attached_role_policies(RoleName=each["RoleName"])["AttachedPolicies"],
            )
            for each in iam.list_roles()["Roles"]
        },
        "policies": {each["Arn"]: each["DefaultVersionId"] for each in iam.list_policies(Scope="Local")["Policies"]},
        "providers": iam.list_open_id_connect_providers()["OpenIDConnectProviderList"],
        "users": iam.list_users()["Users"],
        "apis": [each["ApiId"] for each in env.client("apigatewayv2").get_apis()["Items"]],
    }


def assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    """The job failed, and because it may not."""
    assert done.returncode != 0
    assert REFUSED.search(done.stdout + done.stderr), done.stdout + done.stderr


def test_each_job_succeeds_with_its_own_role(life: Life, delivered: Delivered) -> None:
    with urllib.request.urlopen(urls.service_url(life.env), timeout=10) as answer:
        assert json.load(answer) == {"message": "Welcome to dev!"}
    decisions = usage.read(delivered.log)
    for kind in ROLES:
        assert usage.refused(delivered.roles["dev", kind], decisions) == set()


@pytest.mark.parametrize("role", ["apply", "release"])
def test_a_plan_job_without_the_plan_role_stores_no_record(life: Life, role: str) -> None:
    before = everything(life.env)

    base, head = life._git("rev-parse", "HEAD^"), life._git("rev-parse", "HEAD")
    where = str(life.scratch / role)
    done = jobs.ops(life.env, role, "plan", "--base", base, "--commit", head, "--out", where, "--save-record")

    assert_refused(done)
    assert everything(life.env) == before


@pytest.mark.parametrize("role", ["plan", "release"])
def test_an_apply_job_without_the_apply_role_changes_nothing(life: Life, role: str) -> None:
    before = everything(life.env)

    change = '-var=function={"memory_mb": 1024}'
    done = jobs.terragrunt(life.env, role, "welcome", "apply", "-auto-approve", change)

    assert_refused(done)
    assert everything(life.env) == before


@pytest.mark.parametrize("role", ["plan", "apply"])
def test_a_release_job_without_the_release_role_releases_nothing(life: Life, role: str) -> None:
    before = everything(life.env)

    done = jobs.ops(life.env, role, "release", "--architecture", "x86_64")

    assert_refused(done)
    assert everything(life.env) == before


@pytest.mark.parametrize("unit", ["delivery", "remote_state"])
def test_the_apply_role_cannot_apply_the_units_that_people_apply(life: Life, unit: str) -> None:
    before = everything(life.env)

    done = jobs.terragrunt(life.env, "apply", unit, "apply", "-auto-approve")

    assert_refused(done)
    assert everything(life.env) == before


# More than the job needs


def clients(env: Environment, role: str) -> Clients:
    """Clients with the credentials of a job of `role`."""
    taken = jobs.assume(env, role, jobs.claims(env, role))

    @functools.cache
    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=env.endpoint,
            region_name=env.region,
            aws_access_key_id=taken["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=taken["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=taken["AWS_SESSION_TOKEN"],
        )

    return client


ACCOUNT = "111111111111"
BUCKET = f"welcome-tfstate-{ACCOUNT}-eu-central-1"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
ANYBODY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
)
BOUNDARIES = [f"arn:aws:iam::{ACCOUNT}:policy/welcome-dev-{which}" for which in ("boundary", "pipeline-boundary")]
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{jobs.ISSUER}"
FUNCTION = {"FunctionName": "welcome-dev"}
MESSAGE = {"TableName": "welcome-dev", "Key": {"id": {"S": "welcome"}}}


def lock(unit: str, suffix: str = "") -> dict[str, Any]:
    return {"LockID": {"S": f"{BUCKET}/dev/{unit}/terraform.tfstate{suffix}"}}


Attempt = tuple[str, str, dict[str, Any]]  # service, operation, arguments
# What nobody may, whichever role the job has; {role} is the role itself.
FOR_NOBODY: dict[str, Attempt] = {
    "attach a policy to itself": ("iam", "attach_role_policy", {"RoleName": "{role}", "PolicyArn": ADMIN}),
    "write a policy into itself": (
        "iam", "put_role_policy", {"RoleName": "{role}", "PolicyName": "more", "PolicyDocument": ALLOW_ALL},
    ),
    "let anybody take it": (
        "iam", "update_assume_role_policy", {"RoleName": "{role}", "PolicyDocument": ANYBODY},
    ),
    "drop its boundary": ("iam", "delete_role_permissions_boundary", {"RoleName": "{role}"}),
    "swap its boundary": (
        "iam", "put_role_permissions_boundary", {"RoleName": "{role}", "PermissionsBoundary": ADMIN},
    ),
    "drop the function's boundary": ("iam", "delete_role_permissions_boundary", {"RoleName": "welcome-dev"}),
    "attach a policy to the function's role": (
        "iam", "attach_role_policy", {"RoleName": "welcome-dev", "PolicyArn": ADMIN},
    ),
    "let anybody take the function's role": (
        "iam", "update_assume_role_policy", {"RoleName": "welcome-dev", "PolicyDocument": ANYBODY},
    ),
    **{
        f"rewrite {arn.rsplit('/', 1)[1]}": (
            "iam", "create_policy_version", {"PolicyArn": arn, "PolicyDocument": ALLOW_ALL, "SetAsDefault": True},
        )
        for arn in BOUNDARIES
    },
    "create a role of another name": (
        "iam", "create_role",
        {"RoleName": "welcome-dev-2", "AssumeRolePolicyDocument": ANYBODY, "PermissionsBoundary": BOUNDARIES[0]},
    ),
    "create the role without the boundary": (
        "iam", "create_role", {"RoleName": "welcome-dev", "AssumeRolePolicyDocument": ANYBODY},
    ),
    "create the role with another boundary": (
        "iam", "create_role",
        {"RoleName": "welcome-dev", "AssumeRolePolicyDocument": ANYBODY, "PermissionsBoundary": BOUNDARIES[1]},
    ),
    "create a user": ("iam", "create_user", {"UserName": "backdoor"}),
    "create an access key": ("iam", "create_access_key", {"UserName": "backdoor"}),
    "trust another audience": (
        "iam", "add_client_id_to_open_id_connect_provider", {"OpenIDConnectProviderArn": PROVIDER, "ClientID": "x"},
    ),
    "remove the provider": ("iam", "delete_open_id_connect_provider", {"OpenIDConnectProviderArn": PROVIDER}),
    "trust another issuer": (
        "iam", "create_open_id_connect_provider", {"Url": "https://example.org", "ClientIDList": ["x"]},
    ),
    "take another role": (
        "sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/welcome-dev", "RoleSessionName": "more"},
    ),
    "pass a role of the pipeline to the function": (
        "lambda", "update_function_configuration",
        {**FUNCTION, "Role": f"arn:aws:iam::{ACCOUNT}:role/welcome-dev-apply"},
    ),
    "pass the function's role to the gateway": (
        "apigatewayv2", "create_integration",
        {
            "ApiId": "{api}", "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "1.0",
            "IntegrationSubtype": "EventBridge-PutEvents",
            "CredentialsArn": f"arn:aws:iam::{ACCOUNT}:role/welcome-dev",
        },
    ),
    "put code into a layer": (
        "lambda", "update_function_configuration",
        {**FUNCTION, "Layers": ["arn:aws:lambda:eu-central-1:999999999999:layer:foreign:1"]},
    ),
    "let another account invoke": (
        "lambda", "add_permission",
        {
            **FUNCTION, "Qualifier": "live", "StatementId": "x", "Action": "lambda:InvokeFunction",
            "Principal": "999999999999",
        },
    ),
    "open the function to the internet": (
        "lambda", "create_function_url_config", {**FUNCTION, "AuthType": "NONE", "Qualifier": "live"},
    ),
    "write another environment's state": (
        "s3", "put_object", {"Bucket": BUCKET, "Key": "prod/welcome/terraform.tfstate", "Body": b"{}"},
    ),
    "write the state of the delivery unit": (
        "s3", "put_object", {"Bucket": BUCKET, "Key": "dev/delivery/terraform.tfstate", "Body": b"{}"},
    ),
    "read the state of the remote_state unit": (
        "s3", "get_object", {"Bucket": BUCKET, "Key": "dev/remote_state/terraform.tfstate"},
    ),
    "delete its state": ("s3", "delete_object", {"Bucket": BUCKET, "Key": "dev/welcome/terraform.tfstate"}),
    "delete a version of its state": (
        "s3", "delete_object", {"Bucket": BUCKET, "Key": "dev/welcome/terraform.tfstate", "VersionId": "{version}"},
    ),
    "delete a plan record": ("s3", "delete_object", {"Bucket": BUCKET, "Key": "plans/dev/x/manifest.json"}),
    "stop versioning the state": (
        "s3", "put_bucket_versioning", {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Suspended"}},
    ),
    "open the state bucket": ("s3", "put_bucket_policy", {"Bucket": BUCKET, "Policy": ALLOW_ALL}),
    "delete the state bucket": ("s3", "delete_bucket", {"Bucket": BUCKET}),
    "take the lock of the delivery unit": (
        "dynamodb", "put_item", {"TableName": "welcome-tfstate-lock", "Item": lock("delivery")},
    ),
    "poison the digest of the delivery unit": (
        "dynamodb", "put_item", {"TableName": "welcome-tfstate-lock", "Item": lock("delivery", "-md5")},
    ),
    "delete its digest": (
        "dynamodb", "delete_item", {"TableName": "welcome-tfstate-lock", "Key": lock("welcome", "-md5")},
    ),
    "poison a digest in a batch": (
        "dynamodb", "batch_write_item",
        {"RequestItems": {"welcome-tfstate-lock": [{"PutRequest": {"Item": lock("welcome", "-md5")}}]}},
    ),
    "read all locks": ("dynamodb", "scan", {"TableName": "welcome-tfstate-lock"}),
    "delete the lock table": ("dynamodb", "delete_table", {"TableName": "welcome-tfstate-lock"}),
    "delete the message": ("dynamodb", "delete_item", MESSAGE),
    "edit the message": (
        "dynamodb", "update_item",
        {**MESSAGE, "UpdateExpression": "SET message = :m", "ExpressionAttributeValues": {":m": {"S": "x"}}},
    ),
    "put another message": (
        "dynamodb", "put_item", {"TableName": "welcome-dev", "Item": {"id": {"S": "other"}, "message": {"S": "x"}}},
    ),
    "delete the message table": ("dynamodb", "delete_table", {"TableName": "welcome-dev"}),
    "delete the logs": ("logs", "delete_log_group", {"logGroupName": "/aws/lambda/welcome-dev"}),
}  # fmt: skip
# What one role may, tried by the others.
FOR_ONE: dict[str, tuple[str, Attempt]] = {
    "upload code": ("release", ("lambda", "update_function_code", {**FUNCTION, "ZipFile": b"x"})),
    "publish a version": ("release", ("lambda", "publish_version", FUNCTION)),
    "move the alias": ("release", ("lambda", "update_alias", {**FUNCTION, "Name": "live", "FunctionVersion": "1"})),
    "invoke the function": ("release", ("lambda", "invoke", {**FUNCTION, "Qualifier": "live"})),
    "delete a version": ("release", ("lambda", "delete_function", {**FUNCTION, "Qualifier": "1"})),
    "delete the function": ("apply", ("lambda", "delete_function", FUNCTION)),
    "change the configuration": ("apply", ("lambda", "update_function_configuration", {**FUNCTION, "MemorySize": 128})),
    "overwrite the message": (
        "apply", ("dynamodb", "put_item", {"TableName": "welcome-dev", "Item": {"id": {"S": "welcome"}}}),
    ),
    "write its state": (
        "apply", ("s3", "put_object", {"Bucket": BUCKET, "Key": "dev/welcome/terraform.tfstate", "Body": b"{}"}),
    ),
    "poison its digest": (
        "apply", ("dynamodb", "put_item", {"TableName": "welcome-tfstate-lock", "Item": lock("welcome", "-md5")}),
    ),
    "read a plan record": ("apply", ("s3", "get_object", {"Bucket": BUCKET, "Key": "plans/dev/x/manifest.json"})),
    "forge a plan record": (
        "plan", ("s3", "put_object", {"Bucket": BUCKET, "Key": "plans/dev/x/manifest.json", "Body": b"{}"}),
    ),
}  # fmt: skip


def attempts(role: str) -> Iterator[tuple[str, Attempt]]:
    yield from FOR_NOBODY.items()
    for name, (whose, attempt) in FOR_ONE.items():
        if whose != role:
            yield name, attempt


@pytest.mark.parametrize("role", ROLES)
def test_no_job_gets_more_than_it_needs(life: Life, role: str) -> None:
    env, mine = life.env, clients(life.env, role)
    names = {
        "{role}": f"welcome-dev-{role}",
        "{api}": urls.api_id(env),
        "{version}": env.client("s3").list_object_versions(Bucket=BUCKET)["Versions"][0]["VersionId"],
    }
    before, got = everything(env), []

    for name, (service, operation, arguments) in attempts(role):
        filled = {key: names.get(value, value) if isinstance(value, str) else value for key, value in arguments.items()}
        try:
            getattr(mine(service), operation)(**filled)
            got.append(f"{role} could {name}")
        except ClientError as error:
            if not error.response["Error"]["Code"].startswith("AccessDenied"):
                got.append(f"{role} could try to {name}: {error}")

    assert not got
    assert everything(env) == before


# No less than the job needs


@contextlib.contextmanager
def without(env: Environment, kind: str, grant: Grant) -> Iterator[None]:
    """Take one action out of the role's policy for a while."""
    whole = access.role(env, kind)
    _set_policy(env, kind, whole.without(grant.sid, action=grant.action))
    try:
        yield
    finally:
        _set_policy(env, kind, whole)


def _set_policy(env: Environment, kind: str, role: Role) -> None:
    env.client("iam").put_role_policy(RoleName=role.name, PolicyName=kind, PolicyDocument=json.dumps(role.policy))


def fails_refused(life: Life, delivered: Delivered, kind: str) -> bool:
    """Whether the job of the role, from a fresh checkout and with all of its work to do, fails since it is refused."""
    before = len(usage.read(delivered.log))
    done = {"plan": plan_job, "apply": apply_job, "release": release_job}[kind](life)
    # A refused job may leave its lock, and the next one would fail for that.
    life.env.client("dynamodb").delete_item(TableName=life.env.lock_table, Key=lock("welcome"))
    refused = usage.refused(delivered.roles["dev", kind], usage.read(delivered.log)[before:])
    # A release that could not delete an old version is a release all the same, and says so.
    return bool(refused) and (done.returncode != 0 or "could not be deleted" in done.stdout + done.stderr)


def plan_job(life: Life) -> subprocess.CompletedProcess[str]:
    """The plan of a pull request, before anything was ever delivered, so that some of what it looks for is missing."""
    life.env.client("s3").delete_object(Bucket=BUCKET, Key="ledger/dev/delivery.json")
    where = tempfile.mkdtemp(dir=life.scratch)
    base, head = life._git("rev-parse", "HEAD^"), life._git("rev-parse", "HEAD")
    return jobs.ops(life.env, "plan", "plan", "--base", base, "--commit", head, "--out", where, "--save-record")


def apply_job(life: Life) -> subprocess.CompletedProcess[str]:
    fresh = {"TG_DOWNLOAD_DIR": tempfile.mkdtemp(dir=life.scratch)}
    return jobs.terragrunt(life.env, "apply", "welcome", "apply", "-auto-approve", **fresh)


def release_job(life: Life) -> subprocess.CompletedProcess[str]:
    """A release of something new, with a version that nobody needs to delete."""
    client, name = life.env.client("lambda"), life.env.resource_name
    client.update_function_configuration(FunctionName=name, Description=f"stray {time.time()}")
    client.publish_version(FunctionName=name)
    # Architectures alternate, so every run has something to upload.
    live = client.get_function_configuration(FunctionName=name, Qualifier="live")
    other = {"arm64": "x86_64", "x86_64": "arm64"}[live["Architectures"][0]]
    return jobs.ops(life.env, "release", "release", "--watch", "1", "--keep", "1", "--architecture", other)


@pytest.mark.parametrize(
    ("role", "grant"),
    [
        ("plan", Grant("ReadTheFunction", "lambda:GetPolicy")),
        ("apply", Grant("WriteOwnStates", "s3:PutObject")),
        ("release", Grant("ReleaseCode", "lambda:PublishVersion")),
    ],
)
def test_a_job_fails_without_one_of_its_actions(life: Life, delivered: Delivered, role: str, grant: Grant) -> None:
    """A sample; the long tests take away each one."""
    assert not fails_refused(life, delivered, role)
    with without(life.env, role, grant):
        assert fails_refused(life, delivered, role)


def test_what_plan_and_release_may_do_is_what_they_did(life: Life, delivered: Delivered) -> None:
    decisions = usage.read(delivered.log)

    plan, release = delivered.roles["dev", "plan"], delivered.roles["dev", "release"]

    assert usage.unused(plan, decisions) == []
    assert usage.unused_resources(plan, decisions) == []
    # Only a later release finds a version to delete.
    assert set(usage.unused(release, decisions)) <= {Grant("CheckAndPruneVersions", "lambda:DeleteFunction")}


@pytest.mark.long
def test_every_action_and_every_resource_is_needed_in_a_whole_life(life: Life, delivered: Delivered) -> None:
    for _ in life.go_on():
        pass
    decisions = usage.read(delivered.log)

    for kind in ROLES:
        role = delivered.roles["dev", kind]
        assert usage.unused(role, decisions) == []
        assert usage.unused_resources(role, decisions) == []


@pytest.mark.long
@pytest.mark.parametrize("role", ["plan", "release"])
def test_a_job_fails_without_any_one_of_its_actions(life: Life, delivered: Delivered, role: str) -> None:
    """For real, where one run needs all of them. Apply's are in the test above: each would need a life of its own."""
    spared = []
    for grant in access.role(life.env, role).grants():
        with without(life.env, role, grant):
            if not fails_refused(life, delivered, role):
                spared.append(grant)

    assert spared == []
    assert not fails_refused(life, delivered, role), "with all of its actions it gets through"
