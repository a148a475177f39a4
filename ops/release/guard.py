"""Whatever ends a release early, users stay where they were, and the message says where that is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from ops.environments import Environment
from ops.release import function
from ops.release.function import Function
from ops.release.outcome import GaveUp, NotReleased
from ops.release.traffic import Traffic


@contextlib.contextmanager
def guarded(env: Environment) -> Iterator[Traffic]:
    """The live alias of `env`, put back as it was if the body raises.

    Raises NotReleased with one sentence each on what went wrong, what is live now, and what to do.
    """
    subject = function.of(env)
    try:
        traffic = Traffic(subject, subject.alias())
    except (BotoCoreError, ClientError) as error:
        raise GaveUp(f"AWS: {error}. Nothing was changed. {live_now(subject)} {GaveUp.advice}") from error
    try:
        yield traffic
    except NotReleased as failure:
        kind = type(failure) if traffic.restore() else GaveUp
        raise kind(f"{failure}. {live_now(subject)} {kind.advice}") from None
    except (BotoCoreError, ClientError) as error:
        traffic.restore()
        raise GaveUp(f"AWS: {error}. {live_now(subject)} {GaveUp.advice}") from error
    except BaseException:  # Ctrl-C, SIGTERM, a bug
        traffic.restore()
        raise


def live_now(subject: Function) -> str:
    """One sentence on what users have at this moment."""
    try:
        alias = subject.alias()
    except (BotoCoreError, ClientError):
        return "What is live could not be read."
    shares = [f"{weight:.0%} on version {version}" for version, weight in alias.weights.items()]
    return f"Live is version {alias.version} of {subject.name}{', with ' if shares else ''}{', '.join(shares)}."
