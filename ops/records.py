"""What the pipeline remembers in the state bucket of an environment E: states, locks, plan records and the ledger.

    E/UNIT/terraform.tfstate   read here only (lineage, serial, names of outputs); Terraform writes it
    plans/E/COMMIT/manifest.json, plans/E/COMMIT/SHA256.tfplan
                               a plan record: what was planned for the head of a pull request
    ledger/E/delivery.json     the last delivery: what was applied, what is still to be

What the roles need for it, beyond running Terraform (all in this one bucket):

    plan     s3:PutObject on plans/E/*                          and s3:GetObject on ledger/E/*
    apply    s3:GetObject on plans/E/*,  s3:GetObject + s3:PutObject on ledger/E/*
             dynamodb:GetItem on its own lock items (who holds a lock is said before anything is applied)
    release  nothing

Nobody but the plan role can write a record, nobody but the apply role can read one, and a record counts only with the
SHA-256 that stands in the comment that reviewers read: docs/decisions/apply-what-was-reviewed.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ops.environments import Environment
from ops.errors import OpsError

JSON = dict[str, Any]
PLAN = "tfplan.tfplan"  # what Terragrunt calls a saved plan, in a directory named by the unit
FINISHED = "finished"


class NotAllowed(OpsError):
    """The role may not read this. For a state: the roles were not made for its unit."""


def get(env: Environment, key: str) -> bytes | None:
    """An object of the state bucket, None if there is none.

    Raises NotAllowed without access, OpsError without a bucket.
    """
    try:
        body: bytes = env.client("s3").get_object(Bucket=env.state_bucket, Key=key)["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchKey":
            return None
        if code == "NoSuchBucket":
            raise OpsError(
                f"{env.name} has no state bucket {env.state_bucket} yet: run `make bootstrap ENV={env.name}` first."
            ) from None
        text = f"s3://{env.state_bucket}/{key} cannot be read: {error}"
        raise (NotAllowed(text) if code == "AccessDenied" else OpsError(text)) from error
    return body


def put(env: Environment, key: str, body: bytes) -> None:
    """Write an object of the state bucket. Raises OpsError if it cannot be written."""
    try:
        env.client("s3").put_object(Bucket=env.state_bucket, Key=key, Body=body)
    except ClientError as error:
        raise OpsError(f"s3://{env.state_bucket}/{key} cannot be written: {error}") from error


@dataclass(frozen=True)
class State:
    """Which state a plan was made on. A saved plan can be applied to no other."""

    lineage: str
    serial: int


@dataclass(frozen=True)
class Applied:
    """What a unit's state says to others."""

    state: State
    outputs: Mapping[str, Any]  # name -> value and type
    resources: int


def applied(env: Environment, unit: str) -> Applied | None:
    """The state of a unit, None if it was never applied."""
    body = get(env, f"{env.name}/{unit}/terraform.tfstate")
    if not body:
        return None
    state = json.loads(body)
    return Applied(State(state["lineage"], state["serial"]), state["outputs"], len(state["resources"]))


def upstream(env: Environment, dependencies: Iterable[str]) -> str:
    """A digest of what a unit reads of its dependencies: a plan made with other values is a plan of something else."""
    found = {name: applied(env, name) for name in dependencies}
    return sha256(json.dumps({name: each and each.outputs for name, each in found.items()}, sort_keys=True).encode())


def lock_holder(env: Environment, unit: str) -> JSON | None:
    """Who holds the lock of a unit's state: ID, Who, Operation, Created. None if it is free."""
    key = {"LockID": {"S": f"{env.state_bucket}/{env.name}/{unit}/terraform.tfstate"}}
    item = env.client("dynamodb").get_item(TableName=env.lock_table, Key=key, ConsistentRead=True).get("Item")
    return json.loads(item["Info"]["S"]) if item and "Info" in item else None


def unlock_command(env: Environment, unit: str, lock_id: str) -> str:
    """What releases a lock whose holder is dead."""
    return f"terragrunt run --working-dir live/{env.name}/{unit} -- force-unlock -force {lock_id}"


@dataclass(frozen=True)
class Planned:
    """What became of one unit in one `ops plan`: part of its result, and of the record."""

    name: str
    status: str  # planned, deferred, failed or refused, as in a report
    note: str = ""
    removed: bool = False  # gone from the code: the plan destroys it, made from the tree before
    plan: str = ""  # the saved plan, relative to the result
    plan_json: str = ""
    inputs: str = ""  # digest of all that the unit is made from
    upstream: str = ""  # digest of the outputs of the units that it depends on
    state: State | None = None  # None: never applied
    changes: dict[str, dict[str, str]] = field(default_factory=dict)  # see ops.report.changes.digests
    sha256: str = ""  # of the saved plan

    @classmethod
    def parse(cls, entry: JSON) -> Planned:
        """Raises OpsError for a name that leads out of the environment's directory: a record is not trusted."""
        if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", entry["name"]):
            raise OpsError(f"'{entry['name']}' is no name of a unit: the plan record was not written by `ops plan`.")
        state = entry.get("state")
        return cls(**{**entry, "state": State(**state) if state else None})


@dataclass(frozen=True)
class Record:
    """A plan record: what was planned, for which commit, from which trees, with which tools."""

    environment: str
    commit: str  # head of the pull request
    base: str  # what the tree was compared with
    tree: str  # git's id of the tree that was planned
    repository: str
    tools: dict[str, str]
    units: tuple[Planned, ...]

    def dump(self) -> bytes:
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True).encode()


def save(env: Environment, record: Record, directory: Path) -> str:
    """Store a record and return the SHA-256 of its manifest.

    The manifest is written last and names each plan by content: a run that is killed half-way, or that overlaps with
    another one for the same commit, leaves no mixture of two records.
    """
    for unit in record.units:
        if unit.plan:
            put(env, _plan_key(env, record.commit, unit), (directory / unit.plan).read_bytes())
    manifest = record.dump()
    put(env, f"plans/{env.name}/{record.commit}/manifest.json", manifest)
    return sha256(manifest)


def _plan_key(env: Environment, commit: str, unit: Planned) -> str:
    return f"plans/{env.name}/{commit}/{unit.sha256}.tfplan"


def load(env: Environment, commit: str, digest: str, repository: str) -> Record | None:
    """The record of a commit, None if there is none (never planned, or expired).

    Raises OpsError if it is not the one with this digest, or is about something else: somebody changed it after the
    review, and nothing may be applied.
    """
    manifest = get(env, f"plans/{env.name}/{commit}/manifest.json")
    if manifest is None:
        return None
    if sha256(manifest) != digest:
        raise OpsError(
            f"The plan record of {commit} is not the one that was reviewed (SHA-256 {sha256(manifest)}, reviewed "
            f"{digest}): nothing was applied. Find out who wrote to the plan records, and plan the pull request again."
        )
    content = json.loads(manifest)
    record = Record(**{**content, "units": tuple(Planned.parse(entry) for entry in content["units"])})
    for what, found, expected in (
        ("environment", record.environment, env.name),
        ("commit", record.commit, commit),
        ("repository", record.repository, repository),
    ):
        if found != expected:
            raise OpsError(f"The plan record of {commit} is about {what} {found}, not {expected}: nothing was applied.")
    return record


def fetch(env: Environment, commit: str, units: Sequence[Planned], directory: Path) -> None:
    """Download saved plans to where an apply looks for them. Raises OpsError if one is missing or was changed."""
    for unit in units:
        body = get(env, _plan_key(env, commit, unit))
        if body is None or sha256(body) != unit.sha256:
            found = "is missing" if body is None else f"has SHA-256 {sha256(body)}, not {unit.sha256} as reviewed"
            raise OpsError(
                f"The saved plan of {env.name}/{unit.name} for {commit} {found}: nothing was applied. "
                "Have the pull request planned again, and find out who wrote to the plan records."
            )
        file = directory / unit.name / PLAN
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Ledger:
    """The last delivery to an environment."""

    commit: str  # what was delivered
    status: str  # started, failed or finished
    units: Mapping[str, str]  # name -> applied, failed, not applied
    waiting: Sequence[str] = ()  # units to be planned and reviewed with the next pull request
    run: str = ""  # address of the job

    @property
    def unfinished(self) -> set[str]:
        """Units that the delivery was to apply and did not, or not for sure."""
        return set() if self.status == FINISHED else {name for name, what in self.units.items() if what != "applied"}


def read_ledger(env: Environment) -> Ledger | None:
    body = get(env, f"ledger/{env.name}/delivery.json")
    return Ledger(**json.loads(body)) if body else None


def write_ledger(env: Environment, ledger: Ledger) -> None:
    put(env, f"ledger/{env.name}/delivery.json", json.dumps(dataclasses.asdict(ledger), indent=1).encode())
