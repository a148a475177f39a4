"""The condition keys that the emulator is given, against the examples of the AWS documentation.

Each example policy is the documentation's, with its account and names; the requests are those it is explained with.
"""

from __future__ import annotations

from typing import Any

import pytest

from ops.emulator import condition_keys
from ops.policy.access import Document, Request, Role

ANYTHING: Document = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ISSUER = "token.actions.githubusercontent.com"


def allows(statements: list[Document], action: str, resource: str, keys: dict[str, Any]) -> bool:
    """Whether a role with these statements and no narrower boundary may do it."""
    role = Role("arn:aws:iam::123456789012:role/example", {}, {"Statement": statements}, ANYTHING)
    return role.allows(Request(action, resource, keys))


class TestLeadingKeys:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html"""

    TABLE = "arn:aws:dynamodb:us-west-2:123456789012:table/GameScores"
    HASH_KEYS = {"GameScores": "UserId"}  # noqa: RUF012 - read only
    ALICE = {"UserId": {"S": "alice"}, "GameTitle": {"S": "Galaxy Invaders"}}  # noqa: RUF012
    BOB = {"UserId": {"S": "bob"}, "GameTitle": {"S": "Galaxy Invaders"}}  # noqa: RUF012
    # "AllowAccessToOnlyItemsMatchingUserID", for the user alice.
    OWN_ITEMS = {  # noqa: RUF012
        "Sid": "AllowAccessToOnlyItemsMatchingUserID",
        "Effect": "Allow",
        "Action": [
            "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem",
            "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:Scan",
        ],
        "Resource": [TABLE],
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["alice"]}},
    }  # fmt: skip
    KEY_NAMED = {**OWN_ITEMS, "Condition": OWN_ITEMS["Condition"] | {"Null": {"dynamodb:LeadingKeys": "false"}}}  # type: ignore[operator]  # noqa: RUF012

    @pytest.mark.parametrize(
        ("operation", "request_", "own"),
        [
            ("GetItem", {"TableName": "GameScores", "Key": ALICE}, True),
            ("GetItem", {"TableName": "GameScores", "Key": BOB}, False),
            ("PutItem", {"TableName": "GameScores", "Item": {**ALICE, "TopScore": {"N": "1"}}}, True),
            ("PutItem", {"TableName": "GameScores", "Item": {**BOB, "TopScore": {"N": "1"}}}, False),
            ("UpdateItem", {"TableName": "GameScores", "Key": BOB, "UpdateExpression": "SET a = :a"}, False),
            ("DeleteItem", {"TableName": "GameScores", "Key": ALICE}, True),
            ("BatchGetItem", {"RequestItems": {"GameScores": {"Keys": [ALICE]}}}, True),
            ("BatchGetItem", {"RequestItems": {"GameScores": {"Keys": [ALICE, BOB]}}}, False),
            ("BatchWriteItem", {"RequestItems": {"GameScores": [{"PutRequest": {"Item": ALICE}}]}}, True),
            (
                "BatchWriteItem",
                {"RequestItems": {"GameScores": [{"PutRequest": {"Item": ALICE}}, {"DeleteRequest": {"Key": BOB}}]}},
                False,
            ),
            (
                "Query",
                {
                    "TableName": "GameScores",
                    "KeyConditionExpression": "UserId = :me and begins_with(GameTitle, :g)",
                    "ExpressionAttributeValues": {":me": {"S": "alice"}, ":g": {"S": "G"}},
                },
                True,
            ),
            (
                "Query",
                {
                    "TableName": "GameScores",
                    "KeyConditionExpression": "#u = :other",
                    "ExpressionAttributeNames": {"#u": "UserId"},
                    "ExpressionAttributeValues": {":other": {"S": "bob"}},
                },
                False,
            ),
        ],
    )
    def test_a_user_reaches_their_own_items_only(self, operation: str, request_: Document, own: bool) -> None:
        keys = condition_keys.leading_keys(request_, self.HASH_KEYS)

        assert allows([self.OWN_ITEMS], f"dynamodb:{operation}", self.TABLE, keys) is own

    def test_a_scan_names_no_key_and_passes_unless_the_policy_demands_one(self) -> None:
        keys = condition_keys.leading_keys({"TableName": "GameScores"}, self.HASH_KEYS)

        assert keys == {}
        assert allows([self.OWN_ITEMS], "dynamodb:Scan", self.TABLE, keys), "ForAllValues holds for an absent key"
        assert not allows([self.KEY_NAMED], "dynamodb:Scan", self.TABLE, keys)

    def test_a_transaction_names_the_keys_of_all_its_items(self) -> None:
        request = {
            "TransactItems": [
                {"Put": {"TableName": "GameScores", "Item": self.ALICE}},
                {"Delete": {"TableName": "GameScores", "Key": self.BOB}},
            ]
        }

        assert condition_keys.leading_keys(request, self.HASH_KEYS) == {"dynamodb:LeadingKeys": ["alice", "bob"]}


class TestPassedToService:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#ck_PassedToService"""

    ROLE = "arn:aws:iam::123456789012:role/example"

    def passes(self, to: str) -> bool:
        statement = {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        }
        return allows([statement], "iam:PassRole", self.ROLE, {"iam:PassedToService": to})

    def test_a_function_that_is_created_is_passed_its_role(self) -> None:
        passed = condition_keys.passed_role("lambda:CreateFunction", {"FunctionName": "f", "Role": self.ROLE})

        assert passed == (self.ROLE, "lambda.amazonaws.com")
        assert self.passes(passed[1])

    def test_a_role_for_another_service_is_not_the_same_permission(self) -> None:
        passed = condition_keys.passed_role("apigateway:POST", {"credentialsArn": self.ROLE})

        assert passed == (self.ROLE, "apigateway.amazonaws.com")
        assert not self.passes(passed[1])

    def test_an_update_without_a_role_passes_none(self) -> None:
        assert condition_keys.passed_role("lambda:UpdateFunctionConfiguration", {"MemorySize": 512}) is None


class TestPermissionsBoundary:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate"""

    BOUNDARY = "arn:aws:iam::123456789012:policy/XCompanyBoundaries"
    USER = "arn:aws:iam::123456789012:user/Zhang"
    # "CreateOrChangeOnlyWithBoundary"
    STATEMENT = {  # noqa: RUF012
        "Sid": "CreateOrChangeOnlyWithBoundary",
        "Effect": "Allow",
        "Action": [
            "iam:AttachUserPolicy", "iam:CreateUser", "iam:DeleteUserPolicy", "iam:DetachUserPolicy",
            "iam:PutUserPermissionsBoundary", "iam:PutUserPolicy",
        ],
        "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}},
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("operation", "named", "attached", "allowed"),
        [
            ("CreateUser", BOUNDARY, None, True),
            ("CreateUser", None, None, False),
            ("CreateUser", f"{BOUNDARY}2", None, False),
            ("AttachUserPolicy", None, BOUNDARY, True),
            ("AttachUserPolicy", None, None, False),
            ("AttachUserPolicy", BOUNDARY, None, False),  # naming it does not give it
            ("PutUserPermissionsBoundary", BOUNDARY, None, True),
            ("PutUserPermissionsBoundary", f"{BOUNDARY}2", BOUNDARY, False),
        ],
    )
    def test_a_delegate_makes_users_with_the_boundary_only(
        self, operation: str, named: str | None, attached: str | None, allowed: bool
    ) -> None:
        parameters = {"UserName": "Zhang"} | ({"PermissionsBoundary": named} if named else {})
        keys = condition_keys.permissions_boundary(operation, parameters, attached)

        assert allows([self.STATEMENT], f"iam:{operation}", self.USER, keys) is allowed

    def test_what_does_not_change_permissions_has_no_such_key(self) -> None:
        assert condition_keys.permissions_boundary("GetUser", {"UserName": "Zhang"}, self.BOUNDARY) == {}


class TestLambda:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html"""

    FUNCTIONS = "arn:aws:lambda:us-west-2:123456789012:function"

    def test_an_event_source_mapping_is_limited_by_the_function_it_is_for(self) -> None:
        mapping = "arn:aws:lambda:us-west-2:123456789012:event-source-mapping:*"
        statement = {
            "Effect": "Allow",
            "Action": "lambda:CreateEventSourceMapping",
            "Resource": "*",
            "Condition": {"StringLike": {"lambda:FunctionArn": f"{self.FUNCTIONS}:test-*"}},
        }

        def create(function: str) -> bool:
            keys = condition_keys.lambda_keys(
                "CreateEventSourceMapping", {"FunctionName": function}, "us-west-2", "123456789012"
            )
            return allows([statement], "lambda:CreateEventSourceMapping", mapping, keys)

        assert create("test-orders")
        assert create(f"{self.FUNCTIONS}:test-orders")
        assert not create("live-orders")

    @pytest.mark.parametrize(
        ("principal", "allowed"), [("apigateway.amazonaws.com", True), ("111122223333", False), ("*", False)]
    )
    def test_a_permission_is_limited_by_whom_it_is_for(self, principal: str, allowed: bool) -> None:
        statement = {
            "Effect": "Allow",
            "Action": "lambda:AddPermission",
            "Resource": "*",
            "Condition": {"StringEquals": {"lambda:Principal": "apigateway.amazonaws.com"}},
        }
        keys = condition_keys.lambda_keys("AddPermission", {"Principal": principal}, "us-west-2", "123456789012")

        function = "arn:aws:lambda:us-west-2:123456789012:function:f"
        assert allows([statement], "lambda:AddPermission", function, keys) is allowed

    def test_a_function_is_limited_by_its_layers(self) -> None:
        statements: list[Document] = [
            {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"],
                "Resource": "*",
                "Condition": {"ForAnyValue:StringNotLike": {"lambda:Layer": "arn:aws:lambda:*:123456789012:layer:*:*"}},
            },
        ]

        def configure(*layers: str) -> bool:
            keys = condition_keys.lambda_keys(
                "UpdateFunctionConfiguration", {"Layers": list(layers)}, "us-west-2", "123456789012"
            )
            return allows(statements, "lambda:UpdateFunctionConfiguration", "arn:f", keys)

        assert configure("arn:aws:lambda:us-west-2:123456789012:layer:own:1")
        assert not configure("arn:aws:lambda:us-west-2:999999999999:layer:foreign:1")


class TestGitHubClaims:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif"""

    CLAIMS = {  # noqa: RUF012
        "actor": "octocat",
        "actor_id": "12",
        "enterprise_id": "7",
        "environment": "prod",
        "event_name": "push",
        "job_workflow_ref": "octo/app/.github/workflows/deliver.yml@refs/heads/main",
        "ref": "refs/heads/main",
        "repository": "octo/app",
        "repository_id": 456789,
        "repository_owner_id": "123456",
        "workflow": "deliver",
    }

    @pytest.mark.parametrize("claim", condition_keys.GITHUB_CLAIMS)
    def test_a_trust_policy_can_demand_every_claim_that_sts_evaluates(self, claim: str) -> None:
        keys = condition_keys.github_claims(ISSUER, self.CLAIMS)

        assert keys[f"{ISSUER}:{claim}"] == str(self.CLAIMS[claim])

    @pytest.mark.parametrize("claim", ["event_name", "repository_owner_id"])
    def test_a_claim_that_sts_does_not_evaluate_is_never_there(self, claim: str) -> None:
        assert f"{ISSUER}:{claim}" not in condition_keys.github_claims(ISSUER, self.CLAIMS)
