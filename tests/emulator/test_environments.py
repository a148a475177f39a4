"""Both environments, with the real Terragrunt and the real provider, in emulators that enforce IAM."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops import message, terragrunt
from ops.environments import Environment
from ops.package import build, code_sha256
from ops.paths import ROOT
from ops.status import pending_changes, survey
from ops.urls import service_url
from tests.conftest import Emulators


def ops(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line as a user runs it."""
    return subprocess.run([sys.executable, "-m", "ops", *arguments], cwd=ROOT, capture_output=True, text=True)


def settings(env: Environment, old: str, new: str) -> None:
    """Edit the env.hcl of `env`."""
    file = env.directory / "env.hcl"
    text = file.read_text()
    assert old in text, f"{file} has no {old}"
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def up(emulators: Emulators) -> subprocess.CompletedProcess[str]:
    """`make up`, from nothing."""
    done = ops("up")
    assert done.returncode == 0, done.stderr
    return done


def function(env: Environment) -> dict[str, Any]:
    """What a release owns: hash and architecture of the code, unpublished and live, and where the alias points."""
    client = env.client("lambda")
    latest = client.get_function_configuration(FunctionName=env.resource_name)
    live = client.get_function_configuration(FunctionName=env.resource_name, Qualifier="live")
    alias = client.get_alias(FunctionName=env.resource_name, Name="live")
    return {
        "latest": (latest["CodeSha256"], latest["Architectures"]),
        "live": (live["CodeSha256"], live["Architectures"], live["Version"]),
        "alias": (alias["FunctionVersion"], alias.get("RoutingConfig"), alias["RevisionId"]),
    }


class TestUp:
    """`make up` on a machine with nothing on it."""

    def test_both_urls_are_printed_and_answer(self, up: subprocess.CompletedProcess[str], emulators: Emulators) -> None:
        for env in emulators.environments.values():
            printed = re.findall(rf"curl (http://\w+\.execute-api\.localhost:{env.port}/{env.name}/welcome)", up.stderr)
            assert printed, f"no URL of {env.name} in:\n{up.stderr}"
            curled = subprocess.run(["curl", "-sS", "-f", printed[0]], capture_output=True, text=True)
            assert json.loads(curled.stdout) == {"message": message.read(env)}, curled.stderr

    def test_status_shows_two_accounts_in_sync(
        self, up: subprocess.CompletedProcess[str], emulators: Emulators
    ) -> None:
        done = ops("status", "--json")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)
        assert {name: (row["status"], row["state"]) for name, row in rows.items()} == {
            "dev": (200, "in sync"),
            "prod": (200, "in sync"),
        }
        assert rows["dev"]["message"] != rows["prod"]["message"]
        assert rows["dev"]["code_sha256"] == rows["prod"]["code_sha256"] == code_sha256(build())

    def test_terragrunt_by_hand_plans_no_change(
        self, up: subprocess.CompletedProcess[str], emulators: Emulators
    ) -> None:
        live = os.environ["WELCOME_ROOT"] + "/live"
        script = f'eval "$({sys.executable} -m ops env)" && cd {live} && terragrunt run --all plan'
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        shown = done.stdout + done.stderr
        assert shown.count("No changes.") == 6, shown
        assert "Succeeded    6" in shown, shown

    def test_a_second_up_changes_nothing(self, up: subprocess.CompletedProcess[str], emulators: Emulators) -> None:
        before = {name: function(env) for name, env in emulators.environments.items()}
        done = ops("up")
        assert done.returncode == 0, done.stderr
        assert {name: function(env) for name, env in emulators.environments.items()} == before

    def test_each_account_has_its_own_state(self, up: subprocess.CompletedProcess[str], emulators: Emulators) -> None:
        for env in emulators.environments.values():
            keys = env.client("s3").list_objects_v2(Bucket=env.state_bucket)["Contents"]
            units = ("delivery", "remote_state", "welcome")
            assert {each["Key"] for each in keys} == {f"{env.name}/{unit}/terraform.tfstate" for unit in units}
            assert env.client("dynamodb").list_tables()["TableNames"] == [env.resource_name, env.lock_table]

    def test_the_lock_table_and_the_bucket_are_hardened(
        self, up: subprocess.CompletedProcess[str], emulators: Emulators
    ) -> None:
        for env in emulators.environments.values():
            dynamodb, s3 = env.client("dynamodb"), env.client("s3")
            backups = dynamodb.describe_continuous_backups(TableName=env.lock_table)["ContinuousBackupsDescription"]
            assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
            assert dynamodb.describe_table(TableName=env.lock_table)["Table"]["DeletionProtectionEnabled"]
            assert s3.get_bucket_versioning(Bucket=env.state_bucket)["Status"] == "Enabled"
            rules = s3.get_bucket_lifecycle_configuration(Bucket=env.state_bucket)["Rules"]
            assert {rule["ID"] for rule in rules} == {"old-versions", "plan-records"}
            policy = json.loads(s3.get_bucket_policy(Bucket=env.state_bucket)["Policy"])
            assert {each["Sid"] for each in policy["Statement"]} == {"OnlyOverTls", "OnlyThisAccount"}


class TestWhatAnApplyNeverTouches:
    """Terraform sets up code and message; afterwards both belong to others."""

    def test_an_edited_message_survives_an_apply(self, up: object, emulators: Emulators) -> None:
        done = ops("message", "--env", "dev", "--text", "Grüße, <b>Welt</b>!")
        assert done.returncode == 0, done.stderr
        emulators.apply(emulators.dev)
        assert message.read(emulators.dev) == "Grüße, <b>Welt</b>!"
        assert pending_changes(emulators.dev) == []

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("{ memory_mb = 256 }", "{ memory_mb = 384 }"),
            ("{ memory_mb = 384 }", '{ architecture = "x86_64", memory_mb = 384 }'),
            ('"Welcome to dev!"', '"Another first message"'),
        ],
        ids=["memory", "architecture", "initial message"],
    )
    def test_code_and_alias_survive_a_changed(self, up: object, emulators: Emulators, old: str, new: str) -> None:
        before, said = function(emulators.dev), message.read(emulators.dev)
        settings(emulators.dev, old, new)
        emulators.apply(emulators.dev)
        assert function(emulators.dev) == before
        assert message.read(emulators.dev) == said
        assert pending_changes(emulators.dev) == []

    def test_code_survives_another_path_of_the_initial_package(self, up: object, emulators: Emulators) -> None:
        before = function(emulators.dev)
        module = emulators.root / "modules" / "welcome"
        (module / "initial.zip").rename(module / "first.zip")
        text = (module / "function.tf").read_text()
        (module / "function.tf").write_text(text.replace("/initial.zip", "/first.zip"))
        emulators.apply(emulators.dev)
        assert function(emulators.dev) == before
        assert pending_changes(emulators.dev) == []

    def test_a_changed_configuration_waits_for_a_release(self, up: object, emulators: Emulators) -> None:
        assert survey(emulators.dev).configuration_pending is True
        assert survey(emulators.prod).configuration_pending is False


class TestIsolation:
    """One environment, one account."""

    def test_a_change_in_dev_leaves_prod_alone(self, up: object, emulators: Emulators) -> None:
        assert survey(emulators.prod).message == "Welcome!"
        assert pending_changes(emulators.prod) == []

    def test_the_provider_refuses_a_wrong_account(self, up: object, emulators: Emulators) -> None:
        settings(emulators.dev, '"111111111111"', '"333333333333"')
        try:
            done = terragrunt.run(
                None,
                ["plan"],
                cwd=emulators.dev.directory / "delivery",
                check=False,
                extra_env={"TG_BACKEND_BOOTSTRAP": "true"},
            )
        finally:
            settings(emulators.dev, '"333333333333"', '"111111111111"')
        assert done.returncode != 0
        assert "333333333333" in done.stdout + done.stderr


class TestBadInput:
    """One sentence, exit code 2, nothing changed."""

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["status", "--env", "stage"], "There is no environment 'stage': live/*/env.hcl has dev, prod."),
            (["message", "--env", "dev", "--text", "  "], "The message is empty"),
            (["message", "--env", "dev", "--text", "x" * 100_000 + "é" * 200_000], "an item holds at most 409,600"),
            (["destroy", "--env", "prod", "--yes"], "prod is protected"),
        ],
        ids=["unknown environment", "empty message", "long message", "protected environment"],
    )
    def test_is_refused(
        self, up: object, emulators: Emulators, tmp_path: Path, arguments: list[str], says: str
    ) -> None:
        if len(arguments[-1]) > 100_000:  # longer than one argument may be on Linux
            (tmp_path / "text").write_text(arguments[-1], encoding="utf-8")
            arguments = [*arguments[:-2], "--file", str(tmp_path / "text")]
        said = message.read(emulators.dev)
        done = ops(*arguments)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert message.read(emulators.dev) == said


class TestEnd:
    """In the order of the file: what comes after is about an environment that goes."""

    def test_state_outlives_a_restart(self, up: object, emulators: Emulators) -> None:
        said = message.read(emulators.dev)
        for command in ("down", "up"):
            done = ops(command)
            assert done.returncode == 0, done.stderr
        assert httpx.get(service_url(emulators.dev), timeout=30).json() == {"message": said}

    def test_destroy_leaves_what_is_protected(self, up: object, emulators: Emulators) -> None:
        done = ops("destroy", "--yes")
        assert done.returncode == 0, done.stderr
        assert "prod is protected and stays" in done.stderr
        dev = emulators.dev
        assert dev.client("dynamodb").list_tables()["TableNames"] == [dev.lock_table]
        assert dev.client("lambda").list_functions()["Functions"] == []
        assert dev.client("apigatewayv2").get_apis()["Items"] == []
        assert dev.client("logs").describe_log_groups(logGroupNamePrefix="/aws/apigateway")["logGroups"] == []
        assert survey(dev).state == "absent"
        assert survey(emulators.prod).status == 200


def test_two_ups_at_once_start_one_emulator_each(emulators: Emulators) -> None:
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: ops("emulator", "start"), range(2)))
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]


def test_a_lock_of_a_killed_run_is_named_with_the_command_that_releases_it(up: object, emulators: Emulators) -> None:
    # Given an apply that was killed while it held the lock
    prod = emulators.prod
    lock = f"{prod.state_bucket}/prod/welcome/terraform.tfstate"
    info = {"ID": "5f024bd5-e8ac-9fd5-4cb1-91aa3297b35d", "Path": lock, "Who": "someone@laptop", "Operation": "Apply"}
    prod.client("dynamodb").put_item(
        TableName=prod.lock_table, Item={"LockID": {"S": lock}, "Info": {"S": json.dumps(info)}}
    )
    settings(prod, "{ memory_mb = 512 }", "{ memory_mb = 640 }")
    # When the environment is brought up again
    done = ops("up", "--env", "prod")
    # Then the sentence says what to run
    assert done.returncode == 1
    assert "prod/welcome is locked by someone@laptop" in done.stderr
    command = re.search(r"^  (eval .+); make up$", done.stderr, re.M)
    assert command, done.stderr
    script = (
        command[1]
        .replace("python3", sys.executable)
        .replace("--working-dir live", f"--working-dir {emulators.root}/live")
    )
    released = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert released.returncode == 0, released.stderr
    # And running it is enough
    assert ops("up", "--env", "prod").returncode == 0
