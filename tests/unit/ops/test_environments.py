"""Given a tree of env.hcl files, when a command asks for environments, then it gets those or one clear sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.environments import environment, environments, github, selected, target
from ops.errors import BadInput


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the environments alpha and beta."""
    for name, account in (("beta", "222222222222"), ("alpha", "111111111111")):
        directory = tmp_path / "live" / name
        directory.mkdir(parents=True)
        (directory / "env.hcl").write_text(
            f'locals {{\n  account_id = "{account}"\n  region = "eu-west-1"\n  welcome = {{ api = {{ n = 1 }} }}\n}}\n'
        )
    (tmp_path / "live" / "github.hcl").write_text('locals {\n  owner = "o"\n  owner_id = "1"\n}\n')
    monkeypatch.setenv("WELCOME_ROOT", str(tmp_path))
    return tmp_path


def test_environments_are_the_directories_with_an_env_hcl(tree: Path) -> None:
    assert [(env.name, env.account_id, env.port) for env in environments()] == [
        ("alpha", "111111111111", 4566),
        ("beta", "222222222222", 4567),
    ]


def test_names_follow_from_the_environment(tree: Path) -> None:
    env = environment("alpha")
    assert env.resource_name == "welcome-alpha"
    assert env.state_bucket == "welcome-tfstate-111111111111-eu-west-1"
    assert env.lock_table == "welcome-tfstate-lock"


def test_nested_settings_are_plain_values(tree: Path) -> None:
    assert environment("alpha").settings["welcome"] == {"api": {"n": 1}}
    assert github() == {"owner": "o", "owner_id": "1"}


def test_an_unset_make_variable_means_all_environments(tree: Path) -> None:
    assert selected("") == selected(None) == environments()


def test_an_unknown_environment_is_named_with_those_that_exist(tree: Path) -> None:
    with pytest.raises(BadInput, match="no environment 'gamma'.*has alpha, beta"):
        environment("gamma")


def test_an_env_hcl_without_an_account_says_what_it_lacks(tree: Path) -> None:
    (tree / "live" / "gamma").mkdir()
    (tree / "live" / "gamma" / "env.hcl").write_text('locals {\n  region = "eu-west-1"\n}\n')
    with pytest.raises(BadInput, match="gamma/env.hcl has no 'account_id'"):
        environments()


@pytest.mark.parametrize("port", ["http", "0", "70000", ""])
def test_a_port_that_is_none_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("WELCOME_PORT_alpha", port)
    with pytest.raises(BadInput, match="a port is a number from 1 to 65535"):
        _ = environment("alpha").port


def test_an_unknown_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET", "azure")
    with pytest.raises(BadInput, match="TARGET=local"):
        target()


def test_the_endpoint_is_the_emulator_unless_the_target_is_aws(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment("beta").endpoint == "http://127.0.0.1:4567"
    monkeypatch.setenv("TARGET", "aws")
    assert environment("beta").endpoint is None
