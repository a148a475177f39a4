"""The emulator asks for the permissions that AWS asks for: one test for each thing that MiniStack does otherwise."""

from __future__ import annotations

import io
import itertools
import json
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError

from ops.environments import Environment
from ops.policy import jobs, usage
from tests.conftest import Emulators

FUNCTION = "arn:aws:lambda:eu-central-1:111111111111:function:"
LAMBDA_TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}

Clients = Callable[[str], Any]
_numbers = itertools.count()


def statement(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def settings(role: str) -> dict[str, Any]:
    """What a new function needs besides its name."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context):\n    return {}\n")
    code = {"ZipFile": package.getvalue()}
    return {"Code": code, "Handler": "handler.handler", "Role": role, "Runtime": "python3.13"}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the emulators of this module write what they decide."""
    file = tmp_path_factory.mktemp("log") / "authorizations"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHORIZATION_LOG", str(file))
        yield file


@pytest.fixture(scope="module")
def dev(log: Path, emulators: Emulators) -> Environment:
    return emulators.dev


def new_role(env: Environment, *statements: dict[str, Any]) -> str:
    """A role that the account's root may take, with a policy of these statements; its name."""
    name = f"caller-{next(_numbers)}"
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{env.account_id}:root"}, "Action": "sts:AssumeRole"}
    iam = env.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
    return name


def caller(env: Environment, *statements: dict[str, Any]) -> Clients:
    """Clients with the credentials of a new role that has these statements."""
    role = f"arn:aws:iam::{env.account_id}:role/{new_role(env, *statements)}"
    answer = env.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=env.endpoint,
            region_name=env.region,
            aws_access_key_id=answer["AccessKeyId"],
            aws_secret_access_key=answer["SecretAccessKey"],
            aws_session_token=answer["SessionToken"],
        )

    return client


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    """Whether AWS's answer is that the caller may not; another error is the test's."""
    try:
        call(**arguments)
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("AccessDenied"):
            raise
        return True
    return False


@pytest.fixture(scope="module")
def function_role(dev: Environment) -> str:
    iam = dev.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [LAMBDA_TRUST]})
    return str(iam.create_role(RoleName="function", AssumeRolePolicyDocument=trust)["Role"]["Arn"])


@pytest.fixture(scope="module")
def function(dev: Environment, function_role: str) -> str:
    """A function with two versions and an alias on the first."""
    client, name = dev.client("lambda"), "shared"
    client.create_function(FunctionName=name, **settings(function_role))
    client.publish_version(FunctionName=name)
    client.update_function_configuration(FunctionName=name, MemorySize=256)
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


@pytest.fixture(scope="module")
def trusting(dev: Environment) -> str:
    """A role that trusts every token of GitHub for one subject."""
    iam = dev.client("iam")
    provider = iam.create_open_id_connect_provider(Url=f"https://{jobs.ISSUER}", ClientIDList=["sts.amazonaws.com"])
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider["OpenIDConnectProviderArn"]},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{jobs.ISSUER}:sub": "repo:o@1/r@2:environment:e"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return str(iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=document)["Role"]["Arn"])


class TestLambda:
    def test_moving_an_alias_needs_update_alias_and_not_list_aliases(self, dev: Environment, function: str) -> None:
        mover = caller(dev, statement("lambda:UpdateAlias", FUNCTION + function))("lambda")
        lister = caller(dev, statement("lambda:ListAliases", FUNCTION + function))("lambda")

        assert not refused(mover.update_alias, FunctionName=function, Name="live", FunctionVersion="1")
        assert refused(lister.update_alias, FunctionName=function, Name="live", FunctionVersion="1")
        assert refused(mover.get_alias, FunctionName=function, Name="live")

    def test_a_function_is_created_under_its_own_name(self, dev: Environment, function_role: str) -> None:
        creator = caller(
            dev, statement("lambda:CreateFunction", f"{FUNCTION}mine"), statement("iam:PassRole", function_role)
        )("lambda")
        new = settings(function_role)

        assert not refused(creator.create_function, FunctionName="mine", **new)
        assert refused(creator.create_function, FunctionName="other", **new)

    def test_a_version_can_be_deleted_without_the_right_to_delete_the_function(
        self, dev: Environment, function: str
    ) -> None:
        pruner = caller(dev, statement("lambda:DeleteFunction", f"{FUNCTION}{function}:*"))("lambda")

        assert refused(pruner.delete_function, FunctionName=function)
        assert not refused(pruner.delete_function, FunctionName=function, Qualifier="2")

    def test_an_invocation_is_of_the_alias_that_it_names(self, dev: Environment, function: str) -> None:
        invoker = caller(dev, statement("lambda:InvokeFunction", f"{FUNCTION}{function}:live"))("lambda")

        assert refused(invoker.invoke, FunctionName=function)
        assert not refused(invoker.invoke, FunctionName=function, Qualifier="live")

    def test_creating_it_passes_its_role(self, dev: Environment, function_role: str) -> None:
        new = settings(function_role)
        creator = statement("lambda:CreateFunction", f"{FUNCTION}passing")
        elsewhere = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        here = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}

        for missing in ([], [statement("iam:PassRole", function_role, Condition=elsewhere)]):
            without = caller(dev, creator, *missing)("lambda")
            assert refused(without.create_function, FunctionName="passing", **new)
        allowed = caller(dev, creator, statement("iam:PassRole", function_role, Condition=here))("lambda")
        assert not refused(allowed.create_function, FunctionName="passing", **new)


class TestCloudWatch:
    def test_an_alarm_needs_the_right_to_that_alarm(self, dev: Environment) -> None:
        alarms = "arn:aws:cloudwatch:eu-central-1:111111111111:alarm:"
        owner = caller(dev, statement(["cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms"], f"{alarms}mine-*"))(
            "cloudwatch"
        )
        alarm = {
            "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "MetricName": "m", "Namespace": "n",
            "Period": 60, "Statistic": "Sum", "Threshold": 1.0,
        }  # fmt: skip

        assert not refused(owner.put_metric_alarm, AlarmName="mine-a", **alarm)
        assert refused(owner.put_metric_alarm, AlarmName="other", **alarm)
        assert not refused(owner.describe_alarms, AlarmNames=["mine-a"])
        assert refused(owner.describe_alarms)
        assert refused(owner.get_metric_data, MetricDataQueries=[], StartTime=0, EndTime=60)


class TestLogs:
    def test_log_groups_are_described_as_all_of_the_account(self, dev: Environment) -> None:
        group = "arn:aws:logs:eu-central-1:111111111111:log-group:"
        all_of_them = caller(dev, statement("logs:DescribeLogGroups", f"{group}*"))("logs")
        one = caller(dev, statement("logs:DescribeLogGroups", f"{group}/aws/lambda/one:*"))("logs")

        assert not refused(all_of_them.describe_log_groups, logGroupNamePrefix="/aws/lambda/one")
        assert refused(one.describe_log_groups, logGroupNamePrefix="/aws/lambda/one")

    def test_a_log_group_is_written_as_its_streams(self, dev: Environment) -> None:
        owner = caller(
            dev, statement("logs:CreateLogGroup", "arn:aws:logs:eu-central-1:111111111111:log-group:/own:*")
        )("logs")

        assert not refused(owner.create_log_group, logGroupName="/own")
        assert refused(owner.create_log_group, logGroupName="/foreign")


class TestTags:
    def test_creating_something_with_tags_needs_the_right_to_tag_it(self, dev: Environment) -> None:
        table = "arn:aws:dynamodb:eu-central-1:111111111111:table/tagged"
        new = {
            "TableName": "tagged",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        }
        tags = [{"Key": "k", "Value": "v"}]
        creator = caller(dev, statement("dynamodb:CreateTable", table))("dynamodb")
        tagger = caller(dev, statement(["dynamodb:CreateTable", "dynamodb:TagResource"], table))("dynamodb")

        assert refused(creator.create_table, **new, Tags=tags)
        assert not refused(tagger.create_table, **new, Tags=tags)

    def test_tags_of_a_table_are_listed_by_its_arn(self, dev: Environment) -> None:
        table = "arn:aws:dynamodb:eu-central-1:111111111111:table/"
        reader = caller(dev, statement("dynamodb:ListTagsOfResource", f"{table}tagged"))("dynamodb")

        assert not refused(reader.list_tags_of_resource, ResourceArn=f"{table}tagged")
        assert refused(reader.list_tags_of_resource, ResourceArn=f"{table}other")

    def test_a_changed_tag_of_an_api_is_shown(self, dev: Environment) -> None:
        apis = dev.client("apigatewayv2")
        api = apis.create_api(Name="tagged", ProtocolType="HTTP", Tags={"old": "1"})["ApiId"]
        stage = apis.create_stage(ApiId=api, StageName="s", Tags={"old": "1"})["StageName"]

        arn = f"arn:aws:apigateway:eu-central-1::/apis/{api}"
        for tagged in (arn, f"{arn}/stages/{stage}"):
            apis.tag_resource(ResourceArn=tagged, Tags={"new": "2"})
            apis.untag_resource(ResourceArn=tagged, TagKeys=["old"])

        assert apis.get_api(ApiId=api)["Tags"] == {"new": "2"}
        assert apis.get_stage(ApiId=api, StageName=stage)["Tags"] == {"new": "2"}

    def test_tagging_an_api_is_a_request_on_its_tags(self, dev: Environment) -> None:
        api = dev.client("apigatewayv2").create_api(Name="plain", ProtocolType="HTTP")["ApiId"]
        arn = f"arn:aws:apigateway:eu-central-1::/apis/{api}"
        tags = "arn:aws:apigateway:eu-central-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Fapis%2F*"
        tagger = caller(dev, statement("apigateway:POST", tags))("apigatewayv2")

        assert not refused(tagger.tag_resource, ResourceArn=arn, Tags={"k": "v"})
        assert refused(tagger.untag_resource, ResourceArn=arn, TagKeys=["k"])


class TestIam:
    def test_a_policy_and_a_provider_are_resources_of_their_own(self, dev: Environment) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement("s3:GetObject")]})
        policies = caller(dev, statement("iam:CreatePolicy", "arn:aws:iam::111111111111:policy/mine"))("iam")

        assert not refused(policies.create_policy, PolicyName="mine", PolicyDocument=document)
        assert refused(policies.create_policy, PolicyName="other", PolicyDocument=document)
        foreign = "arn:aws:iam::111111111111:oidc-provider/example.org"
        assert refused(policies.delete_open_id_connect_provider, OpenIDConnectProviderArn=foreign)


class TestBuckets:
    def test_what_is_not_there_is_a_secret_without_the_right_to_list(self, dev: Environment) -> None:
        name = "missing-objects"
        dev.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": dev.region})
        reader = statement("s3:GetObject", f"arn:aws:s3:::{name}/*")
        lister = statement("s3:ListBucket", f"arn:aws:s3:::{name}")

        assert refused(caller(dev, reader)("s3").get_object, Bucket=name, Key="k")
        with pytest.raises(ClientError, match="NoSuchKey"):
            caller(dev, reader, lister)("s3").get_object(Bucket=name, Key="k")


class TestTransport:
    def test_a_bucket_that_demands_tls_answers_on_this_machine(self, dev: Environment) -> None:
        root, name = dev.client("s3"), "tls-only"
        both = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": both, "Condition": insecure}
        root.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": dev.region})
        root.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))

        owner = caller(dev, statement("s3:*", both))("s3")

        assert not refused(owner.put_object, Bucket=name, Key="k", Body=b"")

    def test_an_answer_comes_whole(self, dev: Environment) -> None:
        """In one packet: a head that comes first makes the AWS SDK for Go lose the rest of one answer in thousands."""
        request = f"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1:{dev.port}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", dev.port), timeout=10) as connection:
            for _ in range(20):
                connection.sendall(request)
                head, _, body = connection.recv(1 << 20).partition(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                assert len(body) == int(length.split(b":")[1])


class TestWebIdentity:
    @pytest.mark.parametrize(
        ("different", "expected"),
        [
            ({}, True),
            ({"exp": int(time.time()) - 1}, False),
            ({"aud": "https://github.com/o"}, False),  # not in the provider's list
            ({"iss": "https://example.org"}, False),  # no provider of the account
        ],
        ids=["as it should be", "expired", "other audience", "other issuer"],
    )
    def test_a_token_that_aws_would_not_read_is_not_trusted(
        self, dev: Environment, trusting: str, different: dict[str, Any], expected: bool
    ) -> None:
        claims = {
            "aud": "sts.amazonaws.com", "exp": int(time.time()) + 60, "iss": f"https://{jobs.ISSUER}",
            "sub": "repo:o@1/r@2:environment:e",
        }  # fmt: skip
        token = jwt.encode(claims | different, "", algorithm="none")
        assume = dev.client("sts").assume_role_with_web_identity

        assert refused(assume, RoleArn=trusting, RoleSessionName="test", WebIdentityToken=token) is not expected


def test_what_a_role_asks_for_is_written_down(log: Path, dev: Environment) -> None:
    before = len(usage.read(log))
    reader = caller(dev, statement("dynamodb:ListTables"))("dynamodb")

    reader.list_tables()
    assert refused(reader.describe_table, TableName="t")

    assert [(each.request.action, each.allowed) for each in usage.read(log)[before:]] == [
        ("dynamodb:ListTables", True),
        ("dynamodb:DescribeTable", False),
    ]
