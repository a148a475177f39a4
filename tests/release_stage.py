"""A stage for release tests: an emulator of its own, and functions with everything around them, without Terraform.

Here a function costs milliseconds, so that hundreds of releases can be driven through it. What Terraform does to the
same things is tested with Terraform, in tests/property/test_infrastructure.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from ops.environments import Environment
from ops.package import pack
from ops.paths import LAMBDA, ROOT
from ops.release.function import ALIAS, Alias, Function, Version

ACCOUNT, REGION = "111111111111", "eu-central-1"
# Read once: the tests release variants of one state of the code, even while somebody edits it.
FILES = {path.name: path.read_bytes() for path in LAMBDA.glob("*.py")}
HEALTHY = pack(FILES)
PLACEHOLDER = pack({"handler.py": (ROOT / "modules" / "welcome" / "initial" / "handler.py").read_bytes()})
MESSAGE = "Grüße from the stage"


@dataclass(frozen=True)
class StageEnvironment(Environment):
    """An environment whose endpoint is given, so that a proxy can stand between a release and the emulator."""

    url: str = ""

    @property
    def endpoint(self) -> str:
        return self.url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def process(*command: str, ready: str, cwd: Path, **environment: str) -> Iterator[None]:
    """Run a program until the end of the block; it has started when the URL `ready` answers."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    with (cwd / f"{free_port()}.log").open("w+") as log:
        child = subprocess.Popen(
            command, cwd=cwd, env={**inherited, "PYTHONPATH": str(ROOT), **environment},
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not _answers(ready):
                if child.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{command[:4]} did not start:\n{log.read()[-2000:]}")
                time.sleep(0.1)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def emulator(directory: Path) -> Iterator[str]:
    """The endpoint of an emulator that lives as long as the block."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with process(
        sys.executable, "-m", "ops.emulator.launcher", ready=f"{endpoint}/_ministack/health", cwd=directory,
        GATEWAY_PORT=str(port), MINISTACK_ACCOUNT_ID=ACCOUNT, MINISTACK_REGION=REGION, TMPDIR=str(directory),
        PERSIST_STATE="0",
    ):  # fmt: skip
        yield endpoint


@dataclass(frozen=True)
class Stage:
    """One function with its table, alias and HTTP API."""

    env: StageEnvironment
    api: str

    @property
    def url(self) -> str:
        return f"{self.env.url}/_aws/execute-api/{self.api}/{self.env.name}/welcome"

    @property
    def client(self) -> Any:
        return self.env.client("lambda")

    def through(self, endpoint: str) -> StageEnvironment:
        """The environment as it looks through a proxy."""
        return replace(self.env, url=endpoint)

    def alias(self) -> Alias:
        return Function(self.client, self.env.resource_name).alias()

    def version(self, qualifier: str = ALIAS) -> Version:
        return Function(self.client, self.env.resource_name).version(qualifier)

    def numbers(self) -> list[str]:
        return [each.number for each in Function(self.client, self.env.resource_name).versions()]

    def get(self) -> httpx.Response:
        return httpx.get(self.url, timeout=30)

    def configure(self, **settings: Any) -> None:
        """Change the configuration as an apply of Terraform does: `$LATEST` only."""
        self.client.update_function_configuration(FunctionName=self.env.resource_name, **settings)


def build_stage(endpoint: str, name: str, package: bytes = PLACEHOLDER) -> Stage:
    """Make what modules/welcome makes, as far as a release can tell, in the account that `endpoint` is."""
    env = StageEnvironment(name=name, account_id=ACCOUNT, region=REGION, directory=Path(), position=0, url=endpoint)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "logs:*", "xray:*"], "Resource": "*"}
    iam, dynamodb, functions, apis = (env.client(each) for each in ("iam", "dynamodb", "lambda", "apigatewayv2"))
    role = iam.create_role(RoleName=env.resource_name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=env.resource_name, PolicyName="read", PolicyDocument=_policy(allow))
    dynamodb.create_table(
        TableName=env.resource_name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )  # fmt: skip
    dynamodb.put_item(TableName=env.resource_name, Item={"id": {"S": "welcome"}, "message": {"S": MESSAGE}})
    arn = functions.create_function(
        FunctionName=env.resource_name, Runtime="python3.13", Handler="handler.handler", Role=role, Timeout=5,
        Code={"ZipFile": package}, MemorySize=256, Architectures=["arm64"],
        Environment={"Variables": {
            "CACHE_TTL_SECONDS": "5", "ENVIRONMENT": name, "MESSAGE_KEY": "welcome", "TABLE_NAME": env.resource_name,
        }},
    )["FunctionArn"]  # fmt: skip
    alias = functions.create_alias(FunctionName=env.resource_name, Name=ALIAS, FunctionVersion="$LATEST")
    functions.add_permission(
        FunctionName=env.resource_name, Qualifier=ALIAS, StatementId="api", Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )  # fmt: skip
    api = apis.create_api(Name=env.resource_name, ProtocolType="HTTP")["ApiId"]
    integration = apis.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0", IntegrationUri=alias["AliasArn"]
    )["IntegrationId"]
    apis.create_route(ApiId=api, RouteKey="ANY /welcome", Target=f"integrations/{integration}")
    apis.create_stage(ApiId=api, StageName=name, AutoDeploy=True)
    assert arn.endswith(env.resource_name)
    return Stage(env, api)


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def variant(number: int, *, first: str = "") -> bytes:
    """The real code, made different by a comment; `first` is run at the start of every request."""
    marked = f"# variant {number}\n{FILES['handler.py'].decode()}"
    if first:
        marked += f"\n\n_healthy = handler\n\n\ndef handler(event, context):\n    {first}\n"
        marked += "    return _healthy(event, context)\n"
    return pack({**FILES, "handler.py": marked.encode()})


# Code that must never stay live: it raises on every request, on every fifth, or answers too late.
RAISES = 'raise RuntimeError("broken on purpose")'
FAILS_A_FIFTH = 'if __import__("random").random() < 0.2: raise RuntimeError("broken on purpose")'
SLOW = '__import__("time").sleep(1.3)'
