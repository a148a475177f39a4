"""What each role may do and may not: a truth table by the evaluator, and the escalations tried for real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ops.environments import Environment
from ops.policy.access import Request
from tests.policy.conftest import Delivered


@dataclass(frozen=True)
class Names:
    """ARNs and keys of one environment."""

    env: Environment

    @property
    def bucket(self) -> str:
        return f"arn:aws:s3:::{self.env.state_bucket}"

    @property
    def function(self) -> str:
        return f"arn:aws:lambda:{self.env.region}:{self.env.account_id}:function:{self.env.resource_name}"

    @property
    def table(self) -> str:
        return f"arn:aws:dynamodb:{self.env.region}:{self.env.account_id}:table/{self.env.resource_name}"

    @property
    def locks(self) -> str:
        return f"arn:aws:dynamodb:{self.env.region}:{self.env.account_id}:table/{self.env.lock_table}"

    @property
    def apis(self) -> str:
        return f"arn:aws:apigateway:{self.env.region}::/apis"

    @property
    def logs(self) -> str:
        return f"arn:aws:logs:{self.env.region}:{self.env.account_id}:log-group:/aws/lambda/{self.env.resource_name}"

    @property
    def alarm(self) -> str:
        return f"arn:aws:cloudwatch:{self.env.region}:{self.env.account_id}:alarm:{self.env.resource_name}-api-5xx"

    def iam(self, entity: str) -> str:
        return f"arn:aws:iam::{self.env.account_id}:{entity}"

    @property
    def role(self) -> str:
        return self.iam(f"role/{self.env.resource_name}")

    @property
    def boundary(self) -> dict[str, str]:
        return {"iam:PermissionsBoundary": self.iam(f"policy/{self.env.resource_name}-boundary")}

    def lock(self, unit: str, suffix: str = "", environment: str | None = None) -> dict[str, list[str]]:
        environment = environment or self.env.name
        return {"dynamodb:LeadingKeys": [f"{self.env.state_bucket}/{environment}/{unit}/terraform.tfstate{suffix}"]}

    def state(self, unit: str, environment: str | None = None) -> str:
        return f"{self.bucket}/{environment or self.env.name}/{unit}/terraform.tfstate"


MESSAGE = {"dynamodb:LeadingKeys": ["welcome"]}
TO_LAMBDA = {"iam:PassedToService": "lambda.amazonaws.com"}
BOTH, PLAN, APPLY, RELEASE, NOBODY = {"plan", "apply"}, {"plan"}, {"apply"}, {"release"}, set[str]()

# Of the function's role: apply needs them, and its policy adds the conditions.
_INSIDE_THE_BOUNDARY = ("CreateRole", "GetRole", "PassRole", "PutRolePolicy")

Row = tuple[str, str, dict[str, Any], set[str]]


def state_rows(names: Names) -> list[Row]:
    own, other = names.env.name, "staging"
    return [
        ("s3:ListBucket", names.bucket, {}, BOTH),
        ("s3:GetObject", names.state("welcome"), {}, BOTH),
        ("s3:GetObject", names.state("delivery"), {}, BOTH),
        ("s3:GetObject", names.state("remote_state"), {}, NOBODY),
        ("s3:GetObject", names.state("welcome", other), {}, NOBODY),
        ("s3:GetObjectVersion", names.state("welcome"), {}, NOBODY),
        ("s3:PutObject", names.state("welcome"), {}, APPLY),
        ("s3:PutObject", names.state("delivery"), {}, NOBODY),
        ("s3:PutObject", names.state("remote_state"), {}, NOBODY),
        ("s3:PutObject", names.state("welcome", other), {}, NOBODY),
        ("s3:DeleteObject", names.state("welcome"), {}, NOBODY),
        ("s3:DeleteObjectVersion", names.state("welcome"), {}, NOBODY),
        ("s3:PutObject", f"{names.bucket}/plans/{own}/c0ffee/manifest.json", {}, PLAN),
        ("s3:GetObject", f"{names.bucket}/plans/{own}/c0ffee/manifest.json", {}, APPLY),
        ("s3:DeleteObject", f"{names.bucket}/plans/{own}/c0ffee/manifest.json", {}, NOBODY),
        ("s3:PutObject", f"{names.bucket}/plans/{other}/c0ffee/manifest.json", {}, NOBODY),
        ("s3:GetObject", f"{names.bucket}/ledger/{own}/delivery.json", {}, BOTH),
        ("s3:PutObject", f"{names.bucket}/ledger/{own}/delivery.json", {}, APPLY),
        ("s3:PutObject", f"{names.bucket}/ledger/{other}/delivery.json", {}, NOBODY),
        *(
            (f"s3:{action}", names.bucket, {}, NOBODY)
            for action in (
                "DeleteBucket", "DeleteBucketPolicy", "PutBucketPolicy", "PutBucketPublicAccessBlock",
                "PutBucketVersioning", "PutEncryptionConfiguration", "PutLifecycleConfiguration",
            )
        ),
        ("dynamodb:GetItem", names.locks, names.lock("welcome"), BOTH),
        ("dynamodb:GetItem", names.locks, names.lock("welcome", "-md5"), BOTH),
        ("dynamodb:GetItem", names.locks, names.lock("delivery", "-md5"), BOTH),
        ("dynamodb:GetItem", names.locks, names.lock("welcome", "", other), NOBODY),
        ("dynamodb:PutItem", names.locks, names.lock("welcome"), BOTH),
        ("dynamodb:DeleteItem", names.locks, names.lock("welcome"), BOTH),
        ("dynamodb:PutItem", names.locks, names.lock("welcome", "-md5"), APPLY),
        ("dynamodb:PutItem", names.locks, names.lock("delivery"), NOBODY),
        ("dynamodb:PutItem", names.locks, names.lock("delivery", "-md5"), NOBODY),
        ("dynamodb:DeleteItem", names.locks, names.lock("welcome", "-md5"), NOBODY),
        ("dynamodb:PutItem", names.locks, names.lock("welcome", "", other), NOBODY),
        ("dynamodb:PutItem", names.locks, {}, NOBODY),
        ("dynamodb:GetItem", names.locks, {}, NOBODY),
        ("dynamodb:Scan", names.locks, {}, NOBODY),
        ("dynamodb:DeleteTable", names.locks, {}, NOBODY),
        ("dynamodb:UpdateTable", names.locks, {}, NOBODY),
        ("dynamodb:UpdateContinuousBackups", names.locks, {}, NOBODY),
    ]  # fmt: skip


def function_rows(names: Names) -> list[Row]:
    function, version, live = names.function, f"{names.function}:3", f"{names.function}:live"
    layer = {"lambda:Layer": ["arn:aws:lambda:eu-central-1:999999999999:layer:foreign:1"]}
    return [
        ("lambda:GetFunction", function, {}, BOTH),
        ("lambda:GetFunctionConfiguration", function, {}, RELEASE),
        ("lambda:CreateFunction", function, {}, APPLY),
        ("lambda:CreateFunction", function, layer, NOBODY),
        ("lambda:CreateFunction", f"{function}-2", {}, NOBODY),
        ("lambda:UpdateFunctionConfiguration", function, {}, APPLY),
        ("lambda:UpdateFunctionConfiguration", function, layer, NOBODY),
        ("lambda:UpdateFunctionCode", function, {}, RELEASE),
        ("lambda:PublishVersion", function, {}, RELEASE),
        ("lambda:CreateAlias", function, {}, APPLY),
        ("lambda:UpdateAlias", function, {}, RELEASE),
        ("lambda:DeleteAlias", function, {}, APPLY),
        ("lambda:InvokeFunction", version, {}, RELEASE),
        ("lambda:InvokeFunction", live, {}, RELEASE),
        ("lambda:InvokeFunction", function, {}, NOBODY),
        ("lambda:DeleteFunction", version, {}, RELEASE),
        ("lambda:DeleteFunction", function, {}, APPLY),
        ("lambda:AddPermission", live, {"lambda:Principal": "apigateway.amazonaws.com"}, APPLY),
        ("lambda:AddPermission", live, {"lambda:Principal": "*"}, NOBODY),
        ("lambda:AddPermission", live, {"lambda:Principal": "999999999999"}, NOBODY),
        ("lambda:AddPermission", function, {"lambda:Principal": "apigateway.amazonaws.com"}, NOBODY),
        ("lambda:CreateFunctionUrlConfig", live, {}, NOBODY),
        ("lambda:UpdateFunctionCode", f"{function}-2", {}, NOBODY),
    ]


def service_rows(names: Names) -> list[Row]:
    return [
        ("dynamodb:DescribeTable", names.table, {}, BOTH),
        ("dynamodb:GetItem", names.table, MESSAGE, BOTH),
        ("dynamodb:GetItem", names.table, {"dynamodb:LeadingKeys": ["other"]}, NOBODY),
        ("dynamodb:Scan", names.table, {}, NOBODY),
        ("dynamodb:PutItem", names.table, MESSAGE, APPLY),
        ("dynamodb:PutItem", names.table, {"dynamodb:LeadingKeys": ["other"]}, NOBODY),
        ("dynamodb:UpdateItem", names.table, MESSAGE, NOBODY),
        ("dynamodb:DeleteItem", names.table, MESSAGE, NOBODY),
        ("dynamodb:DeleteTable", names.table, {}, NOBODY),
        ("dynamodb:CreateTable", names.table, {}, APPLY),
        ("dynamodb:CreateTable", f"{names.table}-2", {}, NOBODY),
        ("apigateway:POST", names.apis, {}, APPLY),
        ("apigateway:GET", names.apis, {}, RELEASE),
        ("apigateway:GET", f"{names.apis}/abc", {}, BOTH),
        ("apigateway:PATCH", f"{names.apis}/abc/stages/dev", {}, APPLY),
        ("apigateway:POST", names.apis.replace("/apis", "/restapis"), {}, NOBODY),
        ("cloudwatch:PutMetricAlarm", names.alarm, {}, APPLY),
        ("cloudwatch:PutMetricAlarm", names.alarm.replace("welcome-", "other-"), {}, NOBODY),
        ("cloudwatch:GetMetricData", "*", {}, RELEASE),
        ("logs:CreateLogGroup", f"{names.logs}:log-stream:", {}, APPLY),
        ("logs:DeleteLogGroup", f"{names.logs}:log-stream:", {}, NOBODY),
        ("logs:GetLogEvents", f"{names.logs}:log-stream:x", {}, NOBODY),
        ("logs:PutRetentionPolicy", f"{names.logs}:log-stream:", {}, APPLY),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:1:secret:x", {}, NOBODY),
        ("ssm:GetParameter", "arn:aws:ssm:eu-central-1:1:parameter/x", {}, NOBODY),
        ("kms:Decrypt", "arn:aws:kms:eu-central-1:1:key/x", {}, NOBODY),
    ]


def identity_rows(names: Names) -> list[Row]:
    function_role, boundary = names.role, names.boundary
    other_boundary = {"iam:PermissionsBoundary": names.iam("policy/other")}
    pipeline = [names.iam(f"role/{names.env.resource_name}-{kind}") for kind in ("plan", "apply", "release")]
    changes = (
        "AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "PassRole",
        "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRole",
    )  # fmt: skip
    return [
        ("iam:GetRole", function_role, {}, BOTH),
        ("iam:CreateRole", function_role, boundary, APPLY),
        ("iam:CreateRole", function_role, other_boundary, NOBODY),
        ("iam:CreateRole", function_role, {}, NOBODY),
        ("iam:CreateRole", f"{function_role}-2", boundary, NOBODY),
        ("iam:PutRolePolicy", function_role, boundary, APPLY),
        ("iam:PutRolePolicy", function_role, {}, NOBODY),
        ("iam:AttachRolePolicy", function_role, boundary, NOBODY),
        ("iam:DeleteRolePermissionsBoundary", function_role, boundary, NOBODY),
        ("iam:PutRolePermissionsBoundary", function_role, boundary, NOBODY),
        ("iam:UpdateAssumeRolePolicy", function_role, {}, NOBODY),
        ("iam:PassRole", function_role, TO_LAMBDA, APPLY),
        ("iam:PassRole", function_role, {"iam:PassedToService": "ec2.amazonaws.com"}, NOBODY),
        ("iam:PassRole", function_role, {}, NOBODY),
        *(
            (f"iam:{action}", role, boundary | (TO_LAMBDA if action == "PassRole" else {}), NOBODY)
            for role in pipeline
            for action in changes
        ),
        *(
            (f"iam:{action}", names.iam(f"policy/{names.env.resource_name}-{which}"), {}, NOBODY)
            for which in ("boundary", "pipeline-boundary")
            for action in ("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "SetDefaultPolicyVersion")
        ),
        ("iam:CreateUser", names.iam("user/x"), {}, NOBODY),
        ("iam:CreateAccessKey", names.iam("user/x"), {}, NOBODY),
        ("iam:CreateOpenIDConnectProvider", names.iam("oidc-provider/example.org"), {}, NOBODY),
        (
            "iam:AddClientIDToOpenIDConnectProvider",
            names.iam("oidc-provider/token.actions.githubusercontent.com"),
            {},
            NOBODY,
        ),
        ("sts:AssumeRole", pipeline[1], {}, NOBODY),
    ]


def rows(env: Environment) -> list[Row]:
    names = Names(env)
    return [*state_rows(names), *function_rows(names), *service_rows(names), *identity_rows(names)]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_each_role_may_do_what_it_is_for_and_nothing_else(delivered: Delivered, environment: str) -> None:
    env = delivered.emulators.environments[environment]
    wrong = [
        f"{kind} {'may not' if kind in allowed else 'may'} {action} on {resource} {keys}"
        for action, resource, keys, allowed in rows(env)
        for kind in ("plan", "apply", "release")
        if delivered.roles[environment, kind].allows(Request(action, resource, keys)) is not (kind in allowed)
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("mine", "theirs"), [("dev", "prod"), ("prod", "dev")])
def test_no_role_may_do_anything_in_another_environment(delivered: Delivered, mine: str, theirs: str) -> None:
    """Accounts keep them apart already; the names do as well, should two environments ever share an account."""
    wrong = [
        (kind, action, resource)
        for action, resource, keys, _ in rows(delivered.emulators.environments[theirs])
        if resource != "*"
        and not resource.startswith("arn:aws:apigateway")  # an API's id says nothing about whose it is
        for kind in ("plan", "apply", "release")
        if delivered.roles[mine, kind].allows(Request(action, resource, keys))
    ]

    assert not wrong


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_policy_attached_in_a_hurry_gets_nobody_past_the_boundary(delivered: Delivered, environment: str) -> None:
    """Given AdministratorAccess, the roles still reach nothing but this environment, and not what guards them."""
    everything = {"Sid": "Administrator", "Effect": "Allow", "Action": "*", "Resource": "*"}
    env = delivered.emulators.environments[environment]
    names = Names(env)
    guarded = [
        row
        for row in rows(env)
        if row[0].startswith(("sts:", "secretsmanager:", "ssm:", "kms:"))
        or (row[0].startswith("iam:") and row[0].partition(":")[2] not in _INSIDE_THE_BOUNDARY)
        or (row[1].startswith(names.bucket) and row[0] not in ("s3:GetObject", "s3:PutObject", "s3:ListBucket"))
        or (row[1] == names.locks and row[0] not in ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"))
        or (row[0] == "s3:PutObject" and ("/delivery/" in row[1] or "/remote_state/" in row[1]))
        or (row[0].startswith("s3:") and "/staging/" in row[1])
    ]
    assert len(guarded) > 40

    wrong = []
    for kind in ("plan", "apply", "release"):
        role = delivered.roles[environment, kind].with_statement(everything)
        wrong += [(kind, *row[:2]) for row in guarded if role.allows(Request(*row[:3]))]

    assert not wrong


def test_a_policy_attached_in_a_hurry_does_not_let_apply_release_code_or_edit_messages(delivered: Delivered) -> None:
    everything = {"Sid": "Administrator", "Effect": "Allow", "Action": "*", "Resource": "*"}
    names, role = Names(delivered.dev), delivered.roles["dev", "apply"].with_statement(everything)

    for action, resource in (
        ("lambda:UpdateFunctionCode", names.function),
        ("lambda:UpdateAlias", names.function),
        ("lambda:PublishVersion", names.function),
        ("lambda:InvokeFunction", f"{names.function}:live"),
        ("dynamodb:UpdateItem", names.table),
        ("dynamodb:DeleteItem", names.table),
        ("dynamodb:BatchWriteItem", names.table),
        ("dynamodb:DeleteTable", names.table),
    ):
        assert not role.allows(Request(action, resource, MESSAGE)), action


def test_the_boundary_of_the_function_lets_it_read_messages_and_write_logs_only(delivered: Delivered) -> None:
    """The apply role writes the policy of the function's role, so the boundary is all that limits it."""
    env = delivered.dev
    names = Names(env)
    function = delivered.boundary_as_role(env)

    allowed = {action for action, resource, keys, _ in rows(env) if function.allows(Request(action, resource, keys))}

    assert allowed == {"dynamodb:GetItem"}
    assert function.allows(Request("logs:PutLogEvents", f"{names.logs}:log-stream:x"))
    assert not function.allows(Request("logs:PutLogEvents", f"{names.logs}-2:log-stream:x"))
    assert not function.allows(Request("dynamodb:GetItem", names.locks, names.lock("welcome")))
