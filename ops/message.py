"""`ops message`: read or edit the message that an environment answers with."""

from __future__ import annotations

from typing import TextIO

import click

from ops.console import log, out
from ops.environments import Environment, environment
from ops.errors import BadInput, OpsError
from ops.identity import announce

MESSAGE_KEY = "welcome"
# An item's limit is 400 KB (DynamoDB quotas: 409,600 bytes) with names and values counted as UTF-8.
ITEM_LIMIT = 400 * 1024
_OVERHEAD = len("id") + len(MESSAGE_KEY) + len("message")


def read(env: Environment) -> str:
    """The message in the table of `env`, read consistently. Raises OpsError if there is none."""
    client = env.client("dynamodb")
    try:
        answer = client.get_item(TableName=env.resource_name, Key={"id": {"S": MESSAGE_KEY}}, ConsistentRead=True)
    except client.exceptions.ResourceNotFoundException:
        raise OpsError(f"There is no table {env.resource_name}: run `make apply ENV={env.name}` first.") from None
    if "message" not in answer.get("Item", {}):
        raise OpsError(
            f"The table {env.resource_name} holds no message: `make message ENV={env.name} TEXT=…` sets one."
        )
    return str(answer["Item"]["message"]["S"])


def write(env: Environment, text: str) -> None:
    """Set the message. Raises BadInput for an empty one, or one that does not fit into a DynamoDB item."""
    if not text.strip():
        raise BadInput("The message is empty: nothing was changed. Pass TEXT='…'.")
    size = len(text.encode()) + _OVERHEAD
    if size > ITEM_LIMIT:
        raise BadInput(
            f"The message is {size:,} bytes long, an item holds at most {ITEM_LIMIT:,}: nothing was changed."
        )
    client = env.client("dynamodb")
    try:
        client.update_item(
            TableName=env.resource_name,
            Key={"id": {"S": MESSAGE_KEY}},
            UpdateExpression="SET message = :text",
            ExpressionAttributeValues={":text": {"S": text}},
        )
    except client.exceptions.ResourceNotFoundException:
        raise OpsError(f"There is no table {env.resource_name}: run `make apply ENV={env.name}` first.") from None


@click.command()
@click.option("--env", "name", metavar="ENV", required=True, help="The environment whose message it is.")
@click.option("--text", help="The new message. Without it the present one is printed.")
@click.option(
    "--file", "file", type=click.File("r", encoding="utf-8"), help="Read the new message from a file, - for stdin."
)
def message(name: str, text: str | None, file: TextIO | None) -> None:
    """Show or edit the message of an environment; no apply ever puts the old one back."""
    env = environment(name)
    announce([env])
    if file:
        text = file.read()
    if text is None:
        out.print(read(env), markup=False)
        return
    write(env, text)
    log.print(f"{env.name} now says: {text[:200]}", markup=False)
