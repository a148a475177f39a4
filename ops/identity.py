"""Who is about to act, and where: said before a command that could touch a real account does anything."""

from __future__ import annotations

from collections.abc import Iterable

from botocore.exceptions import BotoCoreError, ClientError

from ops.console import log
from ops.environments import Environment, target
from ops.errors import BadInput, OpsError


def announce(envs: Iterable[Environment]) -> None:
    """With TARGET=aws print account, region and identity of each environment.

    Raises BadInput if the credentials are of another account than the environment's, OpsError if there are none.
    """
    if target() == "local":
        return
    for env in envs:
        try:
            caller = env.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise OpsError(
                f"No usable AWS credentials for {env.name}: {error}. "
                f"Sign in, or name a profile in WELCOME_PROFILE_{env.name}."
            ) from error
        if caller["Account"] != env.account_id:
            raise BadInput(
                f"{env.name} is account {env.account_id}, but the credentials are of {caller['Account']} "
                f"({caller['Arn']}): nothing was done. Sign in to the right account, or set WELCOME_PROFILE_{env.name}."
            )
        log.print(f"{env.name}: account {caller['Account']}, region {env.region}, as {caller['Arn']}", markup=False)
