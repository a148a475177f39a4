"""From a package to a published version, and from too many versions to a few."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from ops.package import code_sha256
from ops.release.function import ALIAS, UNPUBLISHED, Alias, Function, Version
from ops.release.history import previous
from ops.release.outcome import LostRace

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import WaiterConfigTypeDef

_EVERY_SECOND: WaiterConfigTypeDef = {"Delay": 1, "MaxAttempts": 120}
_ATTEMPTS = 5  # publishing again after Terraform changed the configuration at the same moment


def settled(function: Function) -> Version:
    """`$LATEST` once AWS has finished changing it: until then its revision changes by itself."""
    latest = function.version()
    if latest.updating:
        function.client.get_waiter("function_updated").wait(FunctionName=function.name, WaiterConfig=_EVERY_SECOND)
        latest = function.version()
    return latest


def upload(function: Function, package: bytes, architecture: str, seen: Version) -> Version:
    """Make `package` the code of `$LATEST` if nobody touched it since it was `seen`. Raises LostRace otherwise."""
    digest = code_sha256(package)
    if (seen.code_sha256, seen.architecture) == (digest, architecture):
        return seen
    client = function.client
    # Refused: by another release, or since this one's own request was sent twice. What is there afterwards tells.
    with contextlib.suppress(
        client.exceptions.PreconditionFailedException, client.exceptions.ResourceConflictException
    ):
        client.update_function_code(
            FunctionName=function.name,
            ZipFile=package,
            Architectures=[architecture],  # type: ignore[list-item]  # AWS knows which ones there are
            RevisionId=seen.revision,
        )
    latest = settled(function)
    if (latest.code_sha256, latest.architecture) != (digest, architecture):
        raise LostRace("Another release uploaded its code")
    return latest


def publish(function: Function, latest: Version, description: str) -> Version:
    """Publish `$LATEST` as it was read; a configuration that changed meanwhile is published with it.

    Raises LostRace if the code is no longer the one that was read.
    """
    client = function.client
    digest = latest.code_sha256
    for _ in range(_ATTEMPTS):
        if latest.code_sha256 != digest:
            break
        try:
            answer = client.publish_version(
                FunctionName=function.name,
                CodeSha256=digest,
                RevisionId=latest.revision,
                Description=description,
            )
        except (client.exceptions.PreconditionFailedException, client.exceptions.ResourceConflictException):
            latest = settled(function)
            continue
        except client.exceptions.InvalidParameterValueException:  # how AWS says that CodeSha256 does not match
            latest = settled(function)
            if latest.code_sha256 == digest:
                raise  # it meant something else
            break
        published = Version.read(answer)
        if published.code_sha256 != digest:  # an emulator that ignores both conditions published another's code
            break
        if published.updating:
            client.get_waiter("published_version_active").wait(
                FunctionName=function.name, Qualifier=published.number, WaiterConfig=_EVERY_SECOND
            )
        return published
    raise LostRace("Another release uploaded its code before this one was published")


def prune(function: Function, alias: Alias, keep: int) -> list[str]:
    """Delete old versions: all but the live one, those before it, those with traffic, and the newest `keep`."""
    wanted: Collection[str] = {alias.version, *alias.weights, *previous(alias.description), UNPUBLISHED, ALIAS}
    superfluous = [each.number for each in function.versions()[keep:] if each.number not in wanted]
    for number in superfluous:
        function.client.delete_function(FunctionName=function.name, Qualifier=number)
    return superfluous
