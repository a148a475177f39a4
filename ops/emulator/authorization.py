"""Make MiniStack ask for the permissions that AWS asks for. Installed by the launcher, inside the emulator's process.

MiniStack evaluates policies faithfully, but for some requests it evaluates the wrong thing: another action than AWS
(UpdateAlias as ListAliases), no resource where AWS has one (CreateFunction), or nothing at all (CloudWatch's CBOR
protocol, iam:PassRole). A policy written for AWS would then fail, or worse, pass. The policies are right and the
emulator is not, so it is corrected here; `tests/policy/test_emulator_authorization.py` has a test for each correction.

`AUTHORIZATION_LOG=file` appends a JSON line for each decision on a role's request, which is what `ops policy` reads:
{"role": …, "action": …, "resource": …, "keys": condition keys of the service, "allowed": …}.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cbor2
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import cognito, dynamodb, iam, s3, sts

from ops.emulator import condition_keys

# Carries what else a request needs from where it is read to where it is judged; no policy can name this key.
_ALSO = "ministack:also"
# Creating something with tags needs the right to tag it as well.
# https://docs.aws.amazon.com/service-authorization/latest/reference/ (the dependent actions of each)
_TAGGED_ON_CREATION = {
    "apigateway:POST": "apigateway:TagResource",
    "cloudwatch:PutMetricAlarm": "cloudwatch:TagResource",
    "dynamodb:CreateTable": "dynamodb:TagResource",
    "iam:CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
    "iam:CreatePolicy": "iam:TagPolicy",
    "iam:CreateRole": "iam:TagRole",
    "lambda:CreateFunction": "lambda:TagResource",
    "logs:CreateLogGroup": "logs:TagResource",
}


def install() -> None:
    """Put the corrections into MiniStack's modules, which look these functions up for every request."""
    # The one table that turns paths into operations for every other REST service; its own code for Lambda guesses.
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]
    _replace(iam_actions, "extract_iam_action", _action)
    _replace(iam_actions, "extract_resource_arn", _resource)
    _replace(iam_actions, "dynamodb_service_context", _dynamodb_context)
    _replace(iam_actions, "request_tag_context", _request_context)
    _replace(iam_evaluator, "enforce", _enforce)
    _replace(sts, "_web_identity_principal", _web_identity_principal)


def _replace(module: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Let `replacement` answer instead of the module's function, which it gets as its first argument."""
    original = getattr(module, name)
    setattr(module, name, lambda *args, **kwargs: replacement(original, *args, **kwargs))


@dataclass(frozen=True)
class Request:
    """A request as MiniStack hands it to the functions that find its action and its resource."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the request names: the fields of its CBOR or JSON body, or its query and form parameters."""
        if "cbor" in self.headers.get("content-type", ""):
            decoded: Mapping[str, Any] = cbor2.loads(self.body) if self.body else {}
            return decoded
        return condition_keys.json_object(self.body) or flat(self.query)

    @property
    def operation(self) -> str | None:
        """The operation, from where AWS's protocols put it: path (REST, CBOR), target header (JSON), form (query)."""
        if self.service == "lambda":
            found: str | None = iam_actions._match_rest_action(self.service, self.method, self.path, self.query)
            return found
        if "/operation/" in self.path:
            return self.path.rsplit("/", 1)[-1]
        return self.headers.get("x-amz-target", "").rpartition(".")[2] or flat(self.query).get("Action")


def _action(original: Callable[..., str | None], *of: Any) -> str | None:
    request = Request(*of)
    if request.service == "lambda" and request.operation:
        # AWS names this one action differently from its operation.
        return "lambda:InvokeFunction" if request.operation == "Invoke" else f"lambda:{request.operation}"
    if request.service == "monitoring" and request.operation:
        return f"cloudwatch:{request.operation}"
    return original(*of)


def _resource(original: Callable[..., str], *of: Any) -> str:
    *parts, region, account = of
    request = Request(*parts)
    named = {
        "dynamodb": _tagged_table,
        "iam": _iam_entity,
        "lambda": _function,
        "logs": _log_group,
        "monitoring": _alarm,
    }.get(request.service)
    return (named and named(request, region, account)) or original(*of)


def _function(request: Request, region: str, account: str) -> str | None:
    prefix = f"arn:aws:lambda:{region}:{account}:function:"
    if request.operation == "CreateFunction":
        return prefix + str(request.parameters.get("FunctionName"))
    if (qualifier := flat(request.query).get("Qualifier")) and "/functions/" in request.path:
        # A version or an alias that an operation is limited to is a resource of its own.
        return f"{prefix}{request.path.split('/functions/')[1].split('/')[0]}:{qualifier}"
    return None


def _log_group(request: Request, region: str, account: str) -> str | None:
    prefix = f"arn:aws:logs:{region}:{account}:log-group:"
    if request.operation == "DescribeLogGroups":
        return f"{prefix}:log-stream:"
    if name := request.parameters.get("logGroupName"):
        return f"{prefix}{name}:log-stream:{request.parameters.get('logStreamName', '')}"
    return None


def _iam_entity(request: Request, _region: str, account: str) -> str | None:
    if request.operation == "CreatePolicy":
        return f"arn:aws:iam::{account}:policy/{request.parameters.get('PolicyName')}"
    return request.parameters.get("OpenIDConnectProviderArn")


def _tagged_table(request: Request, _region: str, _account: str) -> str | None:
    return request.parameters.get("ResourceArn")


def _alarm(request: Request, region: str, account: str) -> str | None:
    """The alarm that is named; metrics have no ARN, so requests about them are about `*`."""
    parameters = request.parameters
    name = parameters.get("AlarmName") or next(iter(parameters.get("AlarmNames") or []), None)
    if name is None and request.operation == "DescribeAlarms":
        name = "*"
    return f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}" if name else parameters.get("ResourceARN")


def _dynamodb_context(original: Callable[..., dict[str, Any]], body: bytes) -> dict[str, Any]:
    hash_keys = {name: table["pk_name"] for name, table in dynamodb._tables.items()}
    return original(body) | condition_keys.leading_keys(condition_keys.json_object(body), hash_keys)


def _request_context(original: Callable[..., dict[str, Any]], *of: Any) -> dict[str, Any]:
    service, action, body, query = of
    context, request, operation = original(*of), condition_keys.json_object(body), action.partition(":")[2]
    if service == "iam":
        parameters = flat(query)
        context |= condition_keys.permissions_boundary(operation, parameters, _attached_boundary(parameters))
    if service == "lambda":
        context |= condition_keys.lambda_keys(operation, request, get_region(), get_account_id())
    also: list[tuple[str, str | None, dict[str, Any]]] = []
    if passed := condition_keys.passed_role(action, request):
        role, receiver = passed
        also.append(("iam:PassRole", role, {"iam:PassedToService": receiver}))
    if ("aws:TagKeys" in context or request.get("tags")) and action in _TAGGED_ON_CREATION:
        also.append((_TAGGED_ON_CREATION[action], None, {}))
    return context | ({_ALSO: also} if also else {})


def _attached_boundary(parameters: Mapping[str, str]) -> str | None:
    for store, name in ((iam._roles, "RoleName"), (iam._users, "UserName")):
        if entity := store.get_scoped(get_account_id(), None, parameters.get(name, "")):
            boundary: str | None = entity.get("PermissionsBoundary")
            return boundary
    return None


def _enforce(original: Callable[..., Any], access_key: str, action: str, service: str, region: str, **of: Any) -> Any:
    """Judge the action, then what else it needs: the first refusal is the answer, None is consent."""
    context, own = dict(of.get("service_context") or {}), of.get("resource_arn", "*")
    also = context.pop(_ALSO, [])
    if "::/tags/" in own:  # API Gateway: this is the tagging itself
        also = []
    if action == "s3:GetObject" and (bucket := _bucket_of_missing_object(own)):
        also = [("s3:ListBucket", bucket, {})]
    for checked, on, keys in [(action, own, context), *also]:
        resource = on or own
        of_service = "iam" if checked.startswith("iam:") else service
        denied = original(access_key, checked, of_service, region, resource_arn=resource, service_context=keys)
        _record(access_key, {"action": checked, "resource": resource, "keys": keys, "allowed": denied is None})
        if denied:
            return denied
    return None


def _bucket_of_missing_object(arn: str) -> str | None:
    """The bucket of an object that does not exist: without s3:ListBucket, S3 answers 403 and not 404.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    name, _, key = arn.removeprefix("arn:aws:s3:::").partition("/")
    bucket = s3._buckets.get_scoped(get_account_id(), None, name)
    return f"arn:aws:s3:::{name}" if bucket is not None and key not in bucket["objects"] else None


def _record(access_key: str, decision: dict[str, Any]) -> None:
    log = os.environ.get("AUTHORIZATION_LOG")
    principal = iam_evaluator.resolve_principal(access_key or "", get_account_id()) if log else None
    if log and isinstance(principal, iam_evaluator.PrincipalInfo) and principal.type == "AssumedRole":
        with open(log, "a") as lines:
            lines.write(json.dumps({"role": principal.arn.split("/")[1]} | decision) + "\n")


def _web_identity_principal(original: Callable[..., Any], token: str, provider_id: str, role_arn: str) -> Any:
    """The provider and the condition keys of a token; no provider, hence no trust, for one that AWS would not read.

    AWS refuses an expired token, an issuer without a provider in the account, and an audience that the provider does
    not list. It also verifies the signature, which an emulator without GitHub's keys cannot.
    """
    principal, keys = original(token, provider_id, role_arn)
    provider = iam._oidc_providers.get_scoped(role_arn.split(":")[4], None, principal)
    try:
        claims = cognito._decode_id_token_unverified(token)
        trusted = claims["exp"] > time.time() and claims["aud"] in provider["ClientIDList"]
    except (KeyError, TypeError, ValueError):
        trusted = False
    if not trusted:
        return "", {}
    return principal, keys | condition_keys.github_claims(principal.rpartition("oidc-provider/")[2], claims)


def flat(query: Mapping[str, Any]) -> dict[str, str]:
    """Query parameters with one value each; MiniStack keeps lists of them."""
    return {name: value[0] if isinstance(value, list) else value for name, value in query.items() if value}
