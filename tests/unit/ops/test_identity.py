"""Given credentials (moto), when a command is about to use them, then it says whose they are, or refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from moto import mock_aws

from ops.environments import Environment, environment
from ops.errors import BadInput, OpsError
from ops.identity import announce

MOTO_ACCOUNT = "123456789012"


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    monkeypatch.setenv("TARGET", "aws")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield environment("dev")


def test_account_region_and_identity_are_said(env: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    announce([dataclasses.replace(env, account_id=MOTO_ACCOUNT)])
    assert f"dev: account {MOTO_ACCOUNT}, region eu-central-1, as arn:aws:" in capfd.readouterr().err


def test_credentials_of_another_account_are_refused(env: Environment) -> None:
    with pytest.raises(BadInput, match=f"dev is account 111111111111, but the credentials are of {MOTO_ACCOUNT}"):
        announce([env])


def test_no_credentials_are_one_sentence(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_PROFILE", "there-is-none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(OpsError, match="No usable AWS credentials for dev"):
        announce([env])


def test_the_laptop_needs_no_identity(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TARGET", "local")
    announce([environment("dev")])
    assert capfd.readouterr().err == ""
