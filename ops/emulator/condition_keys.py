"""Condition keys that our policies use and MiniStack does not know, as AWS fills them.

Each function returns keys to add to a request's context. They are installed by `ops.emulator.authorization`, run inside
the emulator's process, and are held against the examples of the AWS documentation in `tests/policy/`. A key that a
request does not have is left out, as on AWS: `Null` conditions and `ForAllValues` depend on the difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# What AWS STS evaluates of a GitHub token in a trust policy. Other claims of the token exist, but a condition on one of
# them never matches on AWS, so it must not match here. aud, sub and amr are MiniStack's own.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
GITHUB_CLAIMS = (
    "actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id",
    "workflow",
)  # fmt: skip

# The actions for which AWS compares iam:PermissionsBoundary: those that set it name it in the request …
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
_SETS_BOUNDARY = frozenset({"CreateRole", "CreateUser", "PutRolePermissionsBoundary", "PutUserPermissionsBoundary"})
# … and for those that change what a role or user may do, it is the boundary the role or user already has.
_LIMITED_BY_BOUNDARY = frozenset(
    f"{verb}{entity}{thing}"
    for entity in ("Role", "User")
    for verb, thing in (
        ("Attach", "Policy"), ("Delete", "PermissionsBoundary"), ("Delete", "Policy"), ("Detach", "Policy"),
        ("Put", "Policy"),
    )
)  # fmt: skip

# The actions that hand a role to a service: the request's field, and the service that will use the role.
_PASSED_ROLES = {
    "apigateway:PATCH": ("credentialsArn", "apigateway.amazonaws.com"),
    "apigateway:POST": ("credentialsArn", "apigateway.amazonaws.com"),
    "lambda:CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
}


def leading_keys(request: Mapping[str, Any], hash_keys: Mapping[str, str]) -> dict[str, list[str]]:
    """`dynamodb:LeadingKeys`: the partition key values that a request names.

    `hash_keys` gives the partition key's attribute name of each table. A Scan, or a Query through an index, names none.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    values: list[str] = []
    for table, item in _named_items(request):
        if (attribute := hash_keys.get(table, "")) in item:
            values.append(next(iter(item[attribute].values())))
    if query := _queried_key(request, hash_keys):
        values.append(query)
    return {"dynamodb:LeadingKeys": values} if values else {}


def _named_items(request: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The (table, key or item) pairs of single, batch and transactional requests."""
    if "TableName" in request:
        yield request["TableName"], request.get("Key") or request.get("Item") or {}
    for table, batch in (request.get("RequestItems") or {}).items():
        for key in batch.get("Keys", []) if isinstance(batch, dict) else []:
            yield table, key
        for write in batch if isinstance(batch, list) else []:
            for member in write.values():
                yield table, member.get("Key") or member.get("Item") or {}
    for action in request.get("TransactItems") or []:
        for member in action.values():
            yield member["TableName"], member.get("Key") or member.get("Item") or {}


def _queried_key(request: Mapping[str, Any], hash_keys: Mapping[str, str]) -> str | None:
    """The value that a Query's `KeyConditionExpression` compares the table's partition key with."""
    expression = request.get("KeyConditionExpression")
    attribute = hash_keys.get(request.get("TableName", ""))
    if not expression or attribute is None or "IndexName" in request:
        return None
    names = request.get("ExpressionAttributeNames") or {}
    for name, placeholder in re.findall(r"([#\w.-]+)\s*=\s*(:\w+)", expression):
        if names.get(name, name) == attribute:
            return str(next(iter(request["ExpressionAttributeValues"][placeholder].values())))
    return None


def permissions_boundary(operation: str, parameters: Mapping[str, str], attached: str | None) -> dict[str, str]:
    """`iam:PermissionsBoundary`: the boundary that a request sets, or that its role or user has (`attached`).

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
    """
    boundary = None
    if operation in _SETS_BOUNDARY:
        boundary = parameters.get("PermissionsBoundary")
    elif operation in _LIMITED_BY_BOUNDARY:
        boundary = attached
    return {"iam:PermissionsBoundary": boundary} if boundary else {}


def passed_role(action: str, request: Mapping[str, Any]) -> tuple[str, str] | None:
    """The role that a request passes and the service that gets it (the value of `iam:PassedToService`), if any.

    AWS then checks `iam:PassRole` on that role besides the action itself.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    if action not in _PASSED_ROLES:
        return None
    field, service = _PASSED_ROLES[action]
    return (request[field], service) if request.get(field) else None


def lambda_keys(operation: str, request: Mapping[str, Any], region: str, account: str) -> dict[str, Any]:
    """`lambda:Principal` of a permission, `lambda:Layer` of a function, `lambda:FunctionArn` of a source mapping.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
    """
    if operation == "AddPermission" and "Principal" in request:
        return {"lambda:Principal": request["Principal"]}
    if operation in ("CreateFunction", "UpdateFunctionConfiguration") and request.get("Layers"):
        return {"lambda:Layer": request["Layers"]}
    if operation in ("CreateEventSourceMapping", "UpdateEventSourceMapping") and "FunctionName" in request:
        name = request["FunctionName"]
        arn = name if name.startswith("arn:") else f"arn:aws:lambda:{region}:{account}:function:{name}"
        return {"lambda:FunctionArn": arn}
    return {}


def github_claims(issuer: str, claims: Mapping[str, Any]) -> dict[str, str]:
    """`ISSUER:claim` for every claim of a GitHub token that AWS STS evaluates. `issuer` comes without its scheme."""
    return {f"{issuer}:{name}".lower(): str(claims[name]) for name in GITHUB_CLAIMS if name in claims}


def json_object(body: bytes) -> dict[str, Any]:
    """The request's JSON object; an empty one for a body that is none, which the service itself will refuse."""
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
