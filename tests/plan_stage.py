"""A small live tree for tests of plan and apply: real Terragrunt, engine, state and locks, but no provider.

The resources are `terraform_data`, which every engine has built in, so a plan takes a second. Every stage is an account
of its own in one emulator. `a` has an output that
`b` reads (with a mock), `c` stands alone; `delivery` is one of the units that a person applies.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops import environments, records, terragrunt
from ops.apply import Outcome, apply_reviewed
from ops.emulator.scratch import scratch
from ops.environments import Environment
from ops.plan import Result, plan_change
from ops.records import Planned, Record

_accounts = itertools.count(300000000001)

ROOT_HCL = """
locals { env = read_terragrunt_config(find_in_parent_folders("env.hcl")).locals }
remote_state {
  backend  = "s3"
  generate = { path = "backend.tf", if_exists = "overwrite_terragrunt" }
  config = {
    bucket           = "welcome-tfstate-${local.env.account_id}-${local.env.region}"
    key              = "${local.env.environment}/${basename(get_terragrunt_dir())}/terraform.tfstate"
    region           = local.env.region
    dynamodb_table   = "welcome-tfstate-lock"
    force_path_style = true
    profile          = get_env("WELCOME_PROFILE_dev")
    endpoints        = { for service in ["dynamodb", "iam", "s3", "sts"] : service => get_env("WELCOME_ENDPOINT_dev") }
  }
}
"""
ENV_HCL = """
locals {
  environment = "dev"
  account_id  = "ACCOUNT"
  region      = "eu-central-1"
  branch      = "main"
  direct_push = "plan"
}
"""
MODULE = """
variable "value" { type = string }
resource "terraform_data" "this" { input = var.value }
output "value" { value = var.value }
"""
QUIET_MODULE = """
variable "value" { type = string }
resource "terraform_data" "this" { input = var.value }
"""


def unit_hcl(module: str, value: str, dependency: str = "") -> str:
    block = f"""
    dependency "{dependency}" {{
      config_path                             = "../{dependency}"
      mock_outputs                            = {{ value = "a-mock-value" }}
      mock_outputs_allowed_terraform_commands = ["init", "plan", "validate"]
    }}
    """
    text = f"""
    include "root" {{ path = "${{get_repo_root()}}/terragrunt.hcl" }}
    terraform {{ source = "${{get_repo_root()}}/modules//{module}" }}
    {block if dependency else ""}
    inputs = {{ value = {f"dependency.{dependency}.outputs.value" if dependency else json.dumps(value)} }}
    """
    return textwrap.dedent(text)


@dataclass
class Stage:
    """One environment, `dev`, in a git repository of its own."""

    root: Path
    work: Path

    @property
    def env(self) -> Environment:
        environments._environments.cache_clear()
        return environments.environment("dev")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def unit(self, name: str, value: str = "", *, module: str = "loud", dependency: str = "") -> None:
        self.write(f"live/dev/{name}/terragrunt.hcl", unit_hcl(module, value, dependency))

    def remove(self, path: str) -> None:
        self.git("rm", "-rq", path)

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def plan(self, base: str = "HEAD^1", **options: object) -> tuple[Result, Path]:
        out = self.work / f"plan-{len(list(self.work.iterdir()))}"
        out.mkdir()
        return plan_change(self.env, base, self.head, out, **options), out  # type: ignore[arg-type]

    def review(self, base: str = "HEAD^1", *, head: str = "") -> tuple[str, str]:
        """Plan the checkout as a pull request's job does and save the record; the commit and the record's digest."""
        result, out = self.plan(base)
        assert not result.bad, result.units
        tree, commit = self.git("rev-parse", "HEAD^{tree}"), head or result.commit
        record = Record("dev", commit, result.base, tree, "", {}, result.units)
        return commit, records.save(self.env, record, out)

    def topic(self, name: str, change: Callable[[], object], *, base: str = "main") -> tuple[str, str]:
        """A branch with a change, planned as its merge with the base; the head and the record's digest."""
        self.git("checkout", "-q", "-b", name, base)
        change()
        head = self.commit(name)
        self.git("checkout", "-q", "--detach", base)
        self.git("merge", "-q", "--no-ff", "-m", f"merge ref of {name}", name)
        review = self.review("HEAD^1", head=head)
        self.git("checkout", "-q", "main")
        return review

    def merge(self, name: str, how: str = "squash") -> str:
        """Merge a branch into main as GitHub does; the commit of main before."""
        before = self.head
        if how == "merge":
            self.git("merge", "-q", "--no-ff", "-m", name, name)
        elif how == "rebase":
            self.git("cherry-pick", f"main..{name}")
        else:
            self.git("merge", "-q", "--squash", name)
            self.commit(name)
        return before

    def deliver(self, before: str, *reviews: tuple[str, str]) -> Outcome:
        return apply_reviewed(self.env, reviews, before, "https://example.org/run")

    def apply_everything(self) -> None:
        """What a person does first: all units from nothing."""
        terragrunt.run(self.env, ["run", "--all", "--", "apply"])

    def state(self, unit: str) -> dict[str, object]:
        return dict(json.loads(records.get(self.env, _key(unit)) or b"{}"))

    def value(self, unit: str) -> object:
        """What the one resource of a unit was last applied with, None without it."""
        resources = self.state(unit)["resources"]
        assert isinstance(resources, list)
        return resources[0]["instances"][0]["attributes"]["input"]["value"] if resources else None


def by_name(result: Result) -> dict[str, Planned]:
    return {unit.name: unit for unit in result.units}


def build_tree(root: Path, account: int) -> None:
    """The live tree, not yet committed."""
    for path, text in {
        ".gitignore": ".terragrunt-cache/\n",
        "terragrunt.hcl": ROOT_HCL,
        "modules/loud/main.tf": MODULE,
        "modules/quiet/main.tf": QUIET_MODULE,
        "live/dev/env.hcl": ENV_HCL.replace("ACCOUNT", str(account)),
        "live/dev/a/terragrunt.hcl": unit_hcl("loud", "one"),
        "live/dev/b/terragrunt.hcl": unit_hcl("loud", "", "a"),
        "live/dev/c/terragrunt.hcl": unit_hcl("quiet", "one"),
        "live/dev/delivery/terragrunt.hcl": unit_hcl("loud", "roles"),
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@contextlib.contextmanager
def one_emulator(directory: Path) -> Iterator[None]:
    """An emulator of the environment `dev`, for all stages of a test module."""
    build_tree(directory / "tree", next(_accounts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WELCOME_ROOT", str(directory / "tree"))
        with scratch(directory / "local"):
            yield


@contextlib.contextmanager
def open_stage(directory: Path) -> Iterator[Stage]:
    """A stage of its own in the running emulator: nothing is applied, the backend exists."""
    stage = Stage(directory / "tree", directory / "work")
    stage.work.mkdir(parents=True)
    build_tree(stage.root, next(_accounts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WELCOME_ROOT", str(stage.root))
        terragrunt.environment_variables.cache_clear()
        environments._environments.cache_clear()
        stage.git("init", "-q", "-b", "main")
        stage.commit("start")
        s3, region = stage.env.client("s3"), stage.env.region
        s3.create_bucket(Bucket=stage.env.state_bucket, CreateBucketConfiguration={"LocationConstraint": region})
        stage.env.client("dynamodb").create_table(
            TableName=stage.env.lock_table, KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
        )  # fmt: skip
        yield stage
    terragrunt.environment_variables.cache_clear()
    environments._environments.cache_clear()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with one_emulator(tmp_path_factory.mktemp("emulator")):
        yield


@pytest.fixture
def stage(emulator: None, tmp_path: Path) -> Iterator[Stage]:
    """Nothing is applied."""
    with open_stage(tmp_path) as opened:
        yield opened


_applied: dict[str, bytes] = {}


@pytest.fixture
def live(stage: Stage) -> Stage:
    """Everything is applied: a = one, b reads it, c = one. Done once, then the states are copied: all there is."""
    if not _applied:
        stage.apply_everything()
        _applied.update({name: records.get(stage.env, _key(name)) or b"" for name in ("a", "b", "c", "delivery")})
    for name, state in _applied.items():
        records.put(stage.env, _key(name), state)
    return stage


def _key(unit: str) -> str:
    return f"dev/{unit}/terraform.tfstate"
