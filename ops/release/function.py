"""The function and its live alias as AWS has them: every read, and the shape of what is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ops.environments import Environment
from ops.errors import OpsError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

ALIAS = "live"
UNPUBLISHED = "$LATEST"

# What is not configuration: the code and its architecture (a release's, not Terraform's), and what differs between
# $LATEST and a version published from it although nothing that users see does.
_NOT_CONFIGURATION = {
    "Architectures", "CodeSha256", "CodeSize", "ConfigSha256", "Description", "FunctionArn", "LastModified",
    "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "MasterArn", "ResponseMetadata",
    "RevisionId", "RuntimeVersionConfig", "State", "StateReason", "StateReasonCode", "Version",
}  # fmt: skip


@dataclass(frozen=True)
class Version:
    """A published version, or `$LATEST`: what Terraform and uploads change, and what is published next."""

    number: str
    code_sha256: str
    revision: str
    description: str
    modified: str
    updating: bool
    architecture: str
    configuration: Mapping[str, Any] = field(hash=False)

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Version:
        """A version from an answer of the Lambda API."""
        configuration = {key: value for key, value in answer.items() if key not in _NOT_CONFIGURATION and value}
        snap = configuration.get("SnapStart")
        if snap:  # its status differs by nature: On for a version, Off for $LATEST
            configuration["SnapStart"] = snap.get("ApplyOn")
        return cls(
            number=answer["Version"],
            code_sha256=answer["CodeSha256"],
            revision=answer["RevisionId"],
            description=answer.get("Description", ""),
            modified=answer["LastModified"],
            updating=answer.get("LastUpdateStatus") == "InProgress" or answer.get("State") == "Pending",
            architecture=answer.get("Architectures", ["x86_64"])[0],
            configuration=configuration,
        )


@dataclass(frozen=True)
class Alias:
    """Where the live alias sends users. `revision` takes no part in comparing: it names a moment, not a state."""

    version: str
    weights: Mapping[str, float]
    description: str
    revision: str = field(compare=False)

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Alias:
        """An alias from an answer of the Lambda API."""
        weights = answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        return cls(answer["FunctionVersion"], dict(weights), answer.get("Description", ""), answer["RevisionId"])

    def sharing(self, version: str, percent: int) -> Alias:
        """This alias with `percent` of its traffic on `version` as well."""
        return replace(self, weights={version: percent / 100})


@dataclass(frozen=True)
class Function:
    """The function of one environment."""

    client: LambdaClient
    name: str

    def version(self, qualifier: str = UNPUBLISHED) -> Version:
        """A version, by its number or by the alias that points to it."""
        return Version.read(self.client.get_function_configuration(FunctionName=self.name, Qualifier=qualifier))

    def alias(self) -> Alias:
        """The live alias. Raises OpsError if there is none yet."""
        try:
            return Alias.read(self.client.get_alias(FunctionName=self.name, Name=ALIAS))
        except self.client.exceptions.ResourceNotFoundException:
            raise OpsError(f"{self.name} or its alias '{ALIAS}' does not exist: run `make apply` first.") from None

    def versions(self) -> list[Version]:
        """All published versions, newest first."""
        pages = self.client.get_paginator("list_versions_by_function").paginate(FunctionName=self.name)
        found = [Version.read(each) for page in pages for each in page["Versions"] if each["Version"] != UNPUBLISHED]
        return sorted(found, key=lambda version: int(version.number), reverse=True)


def of(env: Environment) -> Function:
    """The function of `env`. A call that changes it takes well under a second: after ten, the connection is lost."""
    return Function(env.client("lambda", connect_timeout=5, read_timeout=10), env.resource_name)


def configuration_pending(client: LambdaClient, function: str) -> bool:
    """Whether Terraform changed the configuration of `function` after its live version was published."""
    subject = Function(client, function)
    return subject.version().configuration != subject.version(subject.alias().version).configuration
