"""The contract through the emulator's gateway: the deployed API, function, role and table, with IAM enforced."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from ops import contract
from ops.package import build
from ops.paths import ROOT
from ops.urls import service_url
from tests.conftest import Emulators


@pytest.fixture(scope="module")
def url(deployed: Emulators) -> str:
    """Where the present code answers, as a published version behind the live alias."""
    env = deployed.dev
    function = env.client("lambda")
    name = {"FunctionName": env.resource_name}
    function.update_function_code(**name, ZipFile=build())
    version = function.publish_version(**name)["Version"]
    function.update_alias(**name, Name="live", FunctionVersion=version)
    return service_url(env)


def test_the_contract_holds_through_the_gateway(url: str, deployed: Emulators) -> None:
    """Every case that HTTP can say, those with a message of their own included."""
    env = deployed.dev
    table = env.client("dynamodb")
    key = {"id": {"S": "welcome"}}

    def put(item: Mapping[str, Any] | None) -> None:
        if item is None:
            table.delete_item(TableName=env.resource_name, Key=key)
        else:
            table.put_item(TableName=env.resource_name, Item={**key, **item})

    put({"message": {"S": "Hello"}})
    results = list(contract.run_url(url, put))

    assert [problem for _, problems in results for problem in problems] == []
    assert len(results) >= 60
    put({"message": {"S": "Hello"}})


def test_the_command_checks_a_url_without_writing(url: str) -> None:
    command = [sys.executable, "-m", "ops", "contract", "--url", url, "--json"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    [(checked, result)] = json.loads(done.stdout).items()
    assert checked == url
    assert result["problems"] == []
    assert result["cases"] >= 60


def test_the_command_names_what_is_broken(deployed: Emulators) -> None:
    """Given a URL where something else answers, when the contract is checked, then it fails and says why."""
    command = [sys.executable, "-m", "ops", "contract", "--url", f"{deployed.dev.endpoint}/_ministack/health"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "breaches of the contract" in done.stderr
    assert "GET answers the message as JSON: header X-Release is ''" in done.stderr


def test_the_command_says_when_nothing_answers() -> None:
    command = [sys.executable, "-m", "ops", "contract", "--url", "http://127.0.0.1:1/welcome"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "does not answer" in done.stderr
