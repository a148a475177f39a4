"""What a role may do: its policy and its boundary as they are in the account, and the evaluator that reads them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate, evaluate_trust_policy, parse_policy_document

from ops.environments import Environment

ROLES = ("plan", "apply", "release")
Document = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One thing that AWS authorizes: an action on a resource, with the condition keys that the request fills."""

    action: str
    resource: str
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant:
    """One action that one statement of a policy allows."""

    sid: str
    action: str


@dataclass(frozen=True)
class Role:
    """A role: who may take it, what its policy says, and what its boundary lets through."""

    arn: str
    trust: Document
    policy: Document
    boundary: Document

    @property
    def name(self) -> str:
        return self.arn.rsplit("/", 1)[-1]

    def allows(self, request: Request) -> bool:
        """Whether the policy allows the request and the boundary lets it through, as AWS evaluates them."""
        account = self.arn.split(":")[4]
        context = EvalContext(
            principal_arn=f"arn:aws:sts::{account}:assumed-role/{self.name}/evaluation",
            principal_type="AssumedRole",
            principal_account=account,
            action=request.action,
            resource_arn=request.resource,
            region="",
            service_context={key.lower(): value for key, value in request.keys.items()},
        )
        result = evaluate(context, [parse_policy_document(self.policy)], [parse_policy_document(self.boundary)])
        return bool(result.decision == "Allow")

    def trusts(self, issuer: str, claims: Mapping[str, Any]) -> bool:
        """Whether a token of `issuer` (without its scheme) with these claims may take the role."""
        account = self.arn.split(":")[4]
        provider = f"arn:aws:iam::{account}:oidc-provider/{issuer}"
        context = EvalContext(
            principal_arn=provider,
            principal_type="WebIdentityUser",
            principal_account=account,
            action="sts:AssumeRoleWithWebIdentity",
            resource_arn=self.arn,
            region="",
            service_context={f"{issuer}:{claim}".lower(): value for claim, value in claims.items()},
        )
        return bool(evaluate_trust_policy(self.trust, provider, context))

    def grants(self) -> Iterator[Grant]:
        """Every action that the policy allows, by statement."""
        for statement in self.policy["Statement"]:
            if statement["Effect"] == "Allow":
                for action in _list(statement["Action"]):
                    yield Grant(statement["Sid"], action)

    def resources(self) -> Iterator[tuple[str, str]]:
        """Every (statement, resource) pair of what the policy allows."""
        for statement in self.policy["Statement"]:
            if statement["Effect"] == "Allow":
                for resource in _list(statement["Resource"]):
                    yield statement["Sid"], resource

    def with_statement(self, statement: Document) -> Role:
        """The role with one more statement in its policy."""
        return replace(self, policy={**self.policy, "Statement": [*self.policy["Statement"], statement]})

    def without(self, sid: str, *, action: str | None = None, resource: str | None = None) -> Role:
        """The role with one action, or one resource, taken out of one statement."""
        policy = copy.deepcopy(self.policy)
        for statement in policy["Statement"]:
            if statement["Sid"] == sid:
                statement["Action"] = [each for each in _list(statement["Action"]) if each != action]
                statement["Resource"] = [each for each in _list(statement["Resource"]) if each != resource]
        # An empty list is no valid statement, and the evaluator reads it as "any".
        policy["Statement"] = [each for each in policy["Statement"] if each["Action"] and each["Resource"]]
        return replace(self, policy=policy)


def role(env: Environment, kind: str) -> Role:
    """The role `kind` (plan, apply or release) of `env`, as it is in the account now."""
    iam, name = env.client("iam"), f"{env.resource_name}-{kind}"
    found = iam.get_role(RoleName=name)["Role"]
    return Role(
        found["Arn"],
        _document(found["AssumeRolePolicyDocument"]),
        _document(iam.get_role_policy(RoleName=name, PolicyName=kind)["PolicyDocument"]),
        managed_policy(env, found["PermissionsBoundary"]["PermissionsBoundaryArn"]),
    )


def managed_policy(env: Environment, arn: str) -> Document:
    """The present version of a managed policy."""
    iam = env.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return _document(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])


def _document(value: str | Document) -> Document:
    """boto3 decodes policy documents, unless the emulator has not encoded them."""
    return json.loads(value) if isinstance(value, str) else value


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
