"""`ops comment`: keep the one plan comment of a pull request.

Beside what people read, it carries the SHA-256 of the plan record: what a reviewer saw is what a delivery may apply.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from ops import github
from ops.console import log
from ops.environments import environment
from ops.errors import BadInput
from ops.plan import Result, read_result
from ops.report import markdown
from ops.report.model import RESULT, load

MARKER = "<!-- welcome-service: plan of {} -->"
_RECORD = "<!-- record: {} -->"


def body(result: Result, directory: Path, more: str) -> str:
    """The comment of a plan, below GitHub's limit."""
    record = json.dumps({"commit": result.commit, "record": result.record})
    head = _RECORD.format(record)
    budget = markdown.COMMENT - len(head) - len(MARKER) - 100  # of the environment's name
    rendered = markdown.render(load([directory]), title=f"Plan for `{result.environment}`", more=more, budget=budget)
    return f"{head}\n{rendered}"


def reviewed_record(text: str, commit: str) -> str:
    """The SHA-256 of the record that a comment is about, empty if it is about another commit or has none."""
    found = re.search(re.escape(_RECORD).replace(r"\{\}", r"(\{.*\})"), text)
    content = json.loads(found[1]) if found else {}
    return str(content.get("record", "")) if content.get("commit") == commit else ""


def pull_number() -> int:
    """The pull request of this workflow run. Raises BadInput outside of one."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    event = json.loads(Path(path).read_text()) if path else {}
    if "pull_request" not in event:
        raise BadInput("This is no run for a pull request: name one with --pull.")
    return int(event["pull_request"]["number"])


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--env", "name", metavar="ENV", required=True, help="The environment.")
@click.option("--pull", "number", type=int, help="The pull request; default: the one of this workflow run.")
def comment(directory: Path, name: str, number: int | None) -> None:
    """Show the plans in DIRECTORY (from `ops plan --out`) in the pull request, and in the job summary."""
    env = environment(name)
    number = number or pull_number()
    repository, marker, run = github.Repository(), MARKER.format(env.name), github.run_url()
    more = f"[the job summary]({run})" if run else "the job summary"
    if not (directory / RESULT).exists():
        # Better than the comment of an older commit, which would still look like this one's.
        repository.keep_comment(number, marker, f"## Plan for `{env.name}`\n\nThere is no plan: see {more}.")
        raise BadInput(f"{directory} holds no {RESULT}: the plan ended before it could say anything.")
    result = read_result(directory)
    github.summarise(
        markdown.render(load([directory]), title=f"Plan for `{env.name}`", budget=markdown.JOB_SUMMARY, more="the plan")
    )
    url = repository.keep_comment(number, marker, body(result, directory, more), head=result.commit)
    log.print(url or f"{result.commit} is not the head of #{number} any more: its plan is not shown", markup=False)
