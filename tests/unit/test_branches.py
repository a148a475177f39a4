"""Which environment a branch belongs to, read without a parser."""

from pathlib import Path

import pytest
import yaml

from ops import branches
from ops.environments import environments
from ops.paths import LIVE, ROOT


def test_the_short_reader_sees_what_the_parser_sees() -> None:
    parsed = [
        {"name": env.name, "account_id": env.account_id, "region": env.region, "branch": env.settings["branch"]}
        for env in environments()
    ]
    assert list(branches.environments(LIVE)) == parsed


def test_a_branch_belongs_to_one_environment() -> None:
    assert branches.of("main", LIVE)["name"] == "prod"


def test_a_branch_without_an_environment_is_said_to_have_none() -> None:
    with pytest.raises(SystemExit, match=r"Branch feature .* say none"):
        branches.of("feature", LIVE)


def test_a_branch_of_two_environments_is_refused(tmp_path: Path) -> None:
    for name in ("blue", "green"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "env.hcl").write_text('locals {\n  branch = "main"\n}\n')
    with pytest.raises(SystemExit, match="blue and green"):
        branches.of("main", tmp_path)


@pytest.mark.parametrize(("workflow", "event"), [("checks", "push"), ("deliver", "push"), ("plan", "pull_request")])
def test_workflows_start_on_the_branches_of_the_environments(workflow: str, event: str) -> None:
    content = yaml.safe_load((ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text())
    found = content[True][event]["branches"]  # YAML 1.1 reads the key `on` as true
    assert sorted(found) == sorted(env["branch"] for env in branches.environments(LIVE)), (
        f"{workflow}.yml and `branch` in live/*/env.hcl name different branches"
    )
