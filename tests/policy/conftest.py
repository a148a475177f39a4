"""The roles of both environments, as `make bootstrap` makes them, on emulators that write down what they decide."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.environments import Environment
from ops.policy import access
from ops.policy.access import Role
from tests.conftest import Emulators, start_emulators


@dataclass(frozen=True)
class Delivered:
    """Two accounts with their delivery unit applied and nothing else."""

    emulators: Emulators
    log: Path
    roles: dict[tuple[str, str], Role]  # (environment, plan | apply | release)

    @property
    def dev(self) -> Environment:
        return self.emulators.dev

    @property
    def prod(self) -> Environment:
        return self.emulators.prod

    @property
    def environments(self) -> tuple[Environment, ...]:
        return (self.dev, self.prod)

    def boundary_as_role(self, env: Environment) -> Role:
        """A role that may do all that the boundary of the function's role lets through."""
        arn = f"arn:aws:iam::{env.account_id}:policy/{env.resource_name}-boundary"
        anything = {"Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]}
        return Role(
            f"arn:aws:iam::{env.account_id}:role/{env.resource_name}", {}, anything, access.managed_policy(env, arn)
        )


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    log = tmp_path_factory.mktemp("log") / "authorizations"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHORIZATION_LOG", str(log))
        with start_emulators(tmp_path_factory.mktemp("delivered")) as emulators:
            environments = list(emulators.environments.values())
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda env: emulators.apply(env, "delivery"), environments))
            roles = {(env.name, kind): access.role(env, kind) for env in environments for kind in access.ROLES}
            yield Delivered(emulators, log, roles)
