"""Where the service answers, on AWS and on an emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from ops.environments import Environment
from ops.errors import OpsError
from ops.urls import browser_url, service_url

DEV = Environment("dev", "111111111111", "eu-central-1", Path(), 0)


@pytest.fixture
def apis(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The apigatewayv2 client of an empty account."""
    monkeypatch.setenv("TARGET", "aws")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield DEV.client("apigatewayv2")


def test_on_aws_programs_and_people_use_the_same_url(apis: Any) -> None:
    # Given the environment's API among others
    apis.create_api(Name="welcome-prod", ProtocolType="HTTP")
    identifier = apis.create_api(Name="welcome-dev", ProtocolType="HTTP")["ApiId"]
    expected = f"https://{identifier}.execute-api.eu-central-1.amazonaws.com/dev/welcome"
    assert service_url(DEV) == browser_url(DEV) == expected


def test_on_an_emulator_programs_use_a_path_and_people_a_host_name(apis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = apis.create_api(Name="welcome-dev", ProtocolType="HTTP")["ApiId"]
    monkeypatch.setattr("ops.urls.api_id", lambda _: identifier)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4999/")
    assert service_url(DEV) == f"http://127.0.0.1:4999/_aws/execute-api/{identifier}/dev/welcome"
    assert browser_url(DEV) == f"http://{identifier}.execute-api.localhost:4999/dev/welcome"


def test_an_account_without_the_api_says_what_to_do(apis: Any) -> None:
    with pytest.raises(OpsError, match="make apply ENV=dev"):
        service_url(DEV)


def test_two_apis_of_the_name_are_not_guessed_between(apis: Any) -> None:
    for _ in range(2):
        apis.create_api(Name="welcome-dev", ProtocolType="HTTP")
    with pytest.raises(OpsError, match="2 HTTP APIs are named welcome-dev"):
        service_url(DEV)
