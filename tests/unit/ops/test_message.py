"""Given a table (moto), when a message is written, then it is read back, or nothing has changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from moto import mock_aws

from ops import message
from ops.environments import Environment, environment
from ops.errors import BadInput, OpsError


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    monkeypatch.setenv("TARGET", "aws")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield dataclasses.replace(environment("dev"))


@pytest.fixture
def table(env: Environment) -> Environment:
    env.client("dynamodb").create_table(
        TableName=env.resource_name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    message.write(env, "before")
    return env


@pytest.mark.parametrize("text", ["Hello", "Grüße 👋 <b>", "שלום", "a\nb", "x" * 200_000])
def test_a_message_is_read_back(table: Environment, text: str) -> None:
    message.write(table, text)
    assert message.read(table) == text


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_message_changes_nothing(table: Environment, text: str) -> None:
    with pytest.raises(BadInput, match="empty"):
        message.write(table, text)
    assert message.read(table) == "before"


@pytest.mark.parametrize("text", ["x" * 409_600, "é" * 204_800], ids=["characters", "bytes"])
def test_a_message_that_does_not_fit_into_an_item_changes_nothing(table: Environment, text: str) -> None:
    with pytest.raises(BadInput, match="an item holds at most 409,600"):
        message.write(table, text)
    assert message.read(table) == "before"


def test_editing_keeps_other_attributes(table: Environment) -> None:
    client = table.client("dynamodb")
    client.put_item(
        TableName=table.resource_name, Item={"id": {"S": "welcome"}, "message": {"S": "a"}, "note": {"S": "kept"}}
    )
    message.write(table, "b")
    item = client.get_item(TableName=table.resource_name, Key={"id": {"S": "welcome"}})["Item"]
    assert item == {"id": {"S": "welcome"}, "message": {"S": "b"}, "note": {"S": "kept"}}


def test_without_a_table_the_next_step_is_named(env: Environment) -> None:
    for act in (lambda: message.read(env), lambda: message.write(env, "x")):
        with pytest.raises(OpsError, match="make apply ENV=dev"):
            act()
