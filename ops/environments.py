"""Environments: the directories `live/*/env.hcl`, and how to talk to the AWS account of each."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcl2

from ops.errors import BadInput
from ops.paths import ROOT

if TYPE_CHECKING:
    import boto3

FIRST_PORT = 4566


def target() -> str:
    """`local` (the emulators, the default) or `aws` (credentials and endpoint as the environment has them)."""
    value = os.environ.get("TARGET", "local")
    if value not in ("local", "aws"):
        raise BadInput(f"TARGET is '{value}': use TARGET=local (the default) or TARGET=aws.")
    return value


@dataclass(frozen=True)
class Environment:
    """One directory under `live/`: one AWS account, one region."""

    name: str
    account_id: str
    region: str
    directory: Path
    position: int
    settings: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # all locals of env.hcl

    @property
    def resource_name(self) -> str:
        """Name of the function, the table, the API and the function's role."""
        return f"welcome-{self.name}"

    @property
    def state_bucket(self) -> str:
        return f"welcome-tfstate-{self.account_id}-{self.region}"

    @property
    def lock_table(self) -> str:
        return "welcome-tfstate-lock"

    @property
    def port(self) -> int:
        """Port of the local emulator: 4566, 4567, … in the order of the names; `WELCOME_PORT_<NAME>` moves it."""
        variable = f"WELCOME_PORT_{self.name}"
        value = os.environ.get(variable, str(FIRST_PORT + self.position))
        if not value.isdigit() or not 0 < int(value) < 65536:
            raise BadInput(f"{variable} is '{value}': a port is a number from 1 to 65535.")
        return int(value)

    @property
    def endpoint(self) -> str | None:
        """Where AWS is: the local emulator, what `AWS_ENDPOINT_URL` says, or None for AWS itself."""
        if target() == "local":
            return f"http://127.0.0.1:{self.port}"
        return os.environ.get("AWS_ENDPOINT_URL") or None

    def session(self) -> boto3.Session:
        """A boto3 session in this environment's account: root of the emulator, or the caller's own credentials."""
        import boto3

        if target() == "local":
            # To the emulator, an account's number is the access key of its root. No secret: nothing outside takes it.
            return boto3.Session(self.account_id, "local", region_name=self.region)
        return boto3.Session(profile_name=os.environ.get(f"WELCOME_PROFILE_{self.name}"), region_name=self.region)

    def client(self, service: str, **config: Any) -> Any:
        """A boto3 client of `service` for this environment; `config` goes to `botocore.config.Config`."""
        from botocore.config import Config

        settings: dict[str, Any] = {"retries": {"mode": "standard", "total_max_attempts": 4}, **config}
        return self.session().client(  # type: ignore[call-overload]
            service, endpoint_url=self.endpoint, config=Config(**settings)
        )


def _locals(path: Path) -> dict[str, Any]:
    """The `locals` of an HCL file whose values are literals."""
    with path.open() as handle:
        document = hcl2.load(handle)
    return {key: value for block in document.get("locals", []) for key, value in _plain(block).items()}


def _plain(value: Any) -> Any:
    """Undo what python-hcl2 leaves of the syntax: quoted strings and metadata keys."""
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def live_dir() -> Path:
    """The tree of environments; `WELCOME_ROOT` points the tests at a copy of the checkout."""
    return Path(os.environ.get("WELCOME_ROOT", ROOT)) / "live"


@functools.cache
def _environments(live: Path) -> tuple[Environment, ...]:
    files = sorted(live.glob("*/env.hcl"))
    found = []
    for position, file in enumerate(files):
        values = _locals(file)
        try:
            found.append(
                Environment(file.parent.name, values["account_id"], values["region"], file.parent, position, values)
            )
        except KeyError as missing:
            raise BadInput(f"{file} has no {missing}: an env.hcl names account_id and region.") from None
    return tuple(found)


def environments() -> tuple[Environment, ...]:
    """All environments, in the order of their names."""
    return _environments(live_dir())


def environment(name: str) -> Environment:
    """The environment `name`. Raises BadInput, naming those that exist."""
    for candidate in environments():
        if candidate.name == name:
            return candidate
    known = ", ".join(each.name for each in environments())
    raise BadInput(f"There is no environment '{name}': live/*/env.hcl has {known}.")


def selected(name: str | None) -> tuple[Environment, ...]:
    """The environment `name`, or all of them for None or an empty string (what an unset Make variable gives)."""
    return (environment(name),) if name else environments()


def github() -> dict[str, Any]:
    """`live/github.hcl`: owner, repository and their numeric ids."""
    return _locals(live_dir() / "github.hcl")
