"""docs/github.md: its commands run, and GitHub's published description allows what they send."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from openapi_core.testing import MockRequest

from ops.environments import environments
from ops.paths import ROOT
from tests.pipeline.harness.github import description

# A `gh api` that writes down what it would send. -f is a string; -F turns true, false and numbers into what they are.
GH = r"""#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[2:]
call, content = {"method": "GET"}, None
while arguments:
    word = arguments.pop(0)
    if word == "--method":
        call["method"] = arguments.pop(0)
    elif word == "--input":
        arguments.pop(0)
        content = json.load(sys.stdin)
    elif word in ("-f", "-F"):
        name, _, value = arguments.pop(0).partition("=")
        typed = word == "-F" and (value in ("true", "false") or value.isdigit())
        content = {**(content or {}), name: json.loads(value) if typed else value}
    elif word == "--jq":
        arguments.pop(0)
        print(4711)
    else:
        call["path"] = word
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps({**call, "content": content}) + "\n")
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """What the commands of the page send, block after block."""
    place = tmp_path_factory.mktemp("gh")
    (place / "gh").write_text(GH)
    (place / "gh").chmod(0o755)
    script = "\n".join(re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "github.md").read_text(), re.DOTALL))
    variables = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}", "CALLS": str(place / "calls")}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=variables, check=True, cwd=ROOT)
    return [json.loads(line) for line in (place / "calls").read_text().splitlines()]


def test_every_command_sends_what_githubs_description_allows(calls: list[dict[str, object]]) -> None:
    for call in calls:
        content = json.dumps(call["content"]).encode() if call["content"] else None
        request = MockRequest("http://api", str(call["method"]), f"/{call['path']}", data=content)
        assert description().unmarshal_request(request).errors == [], call


def test_every_github_environment_that_a_role_trusts_is_made_and_those_that_change_things_take_one_branch(
    calls: list[dict[str, object]],
) -> None:
    made = {
        str(call["path"]).rpartition("/")[2] for call in calls if re.search(r"/environments/[\w-]+$", str(call["path"]))
    }
    limited = {
        (str(call["path"]).split("/")[4], call["content"]["name"])  # type: ignore[index]
        for call in calls
        if str(call["path"]).endswith("/deployment-branch-policies")
    }
    names = {env.name: str(env.settings["branch"]) for env in environments()}
    assert made == {f"{name}{suffix}" for name in names for suffix in ("", "-plan", "-release")}
    assert limited == {(f"{name}{suffix}", branch) for name, branch in names.items() for suffix in ("", "-release")}


def test_the_ruleset_protects_the_branches_of_all_environments_with_jobs_that_exist(
    calls: list[dict[str, object]],
) -> None:
    [ruleset] = [call["content"] for call in calls if str(call["path"]).endswith("/rulesets")]
    assert isinstance(ruleset, dict)
    assert set(ruleset["conditions"]["ref_name"]["include"]) == {
        f"refs/heads/{env.settings['branch']}" for env in environments()
    }
    [checks] = [rule["parameters"] for rule in ruleset["rules"] if rule["type"] == "required_status_checks"]
    required = {check["context"] for check in checks["required_status_checks"]}
    text = "".join(file.read_text() for file in Path(ROOT / ".github" / "workflows").glob("*.yml"))
    [tiers] = re.findall(r"tier: \[(.*)\]", text)
    assert required == {"Lint", "Plan", *(f"Test {tier}" for tier in tiers.split(", "))}
