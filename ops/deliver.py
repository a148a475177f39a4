"""Delivering a push: find what was reviewed, apply that, and keep one issue an environment about what went wrong.

`ops apply --reviewed` is the first job of deliver.yml, releasing the code the second, asking the URL the third, each
with rights of its own. `ops deliver` is the last one: it runs whatever the others did, opens the issue if one of them
failed, and closes it when all is well again.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from ops import comment, github, records, units
from ops.apply import Outcome, Stopped, Unfinished, apply_directly, apply_reviewed
from ops.console import log
from ops.environments import Environment, environment
from ops.errors import BadInput, OpsError
from ops.plan import plan_change
from ops.report import markdown

ISSUE = "<!-- welcome-service: delivery to {} -->"
RESULT = "<!-- welcome-service: delivery of {} to {} -->"
_NOTHING = "0" * 40


@dataclass(frozen=True)
class Reviews:
    """What a push consists of, as far as it was reviewed."""

    pulls: tuple[github.Pull, ...]
    records: tuple[tuple[str, str], ...]  # (commit, SHA-256 of its record)
    missing: str = ""  # why this push is not, or not wholly, a reviewed one


def find_reviews(env: Environment, repository: github.Repository, before: str) -> Reviews:
    """The pull requests that make up the push from `before` to this checkout, oldest first.

    Commits that somebody pushed along with a pull request need not be told apart: what they change is in no record, so
    an apply does not get past it.
    """
    commits = units.git(units.root(), "rev-list", "--first-parent", f"{before}..HEAD").split()
    pulls = repository.merged(str(env.settings["branch"]), commits)
    reviewed, missing = [], [] if pulls else ["no pull request was merged with it"]
    for pull in pulls:
        text = repository.comment(pull.number, comment.MARKER.format(env.name))
        record = comment.reviewed_record(text, pull.head)
        if record:
            reviewed.append((pull.head, record))
        else:
            missing.append(f"#{pull.number} has no complete plan of its head {pull.head}")
    return Reviews(tuple(pulls), tuple(reviewed), "; ".join(missing))


def deliver(env: Environment, before: str) -> Outcome:
    """Apply what was reviewed for this push. Without a review: plan and apply, or refuse, as env.hcl says.

    Raises what `apply_reviewed` raises, after it is told in the pull requests and in the environment's issue.
    """
    repository, run = github.Repository(), github.run_url()
    if before == _NOTHING:  # a new branch
        before = units.git(units.root(), "rev-parse", "HEAD^1").strip()
    reviews = find_reviews(env, repository, before)
    try:
        outcome = _apply(env, reviews, before, run)
    except OpsError as error:
        _tell_failure(env, repository, reviews, error, run)
        raise
    text = "\n".join(f"- {line}" for line in outcome.lines(env))
    github.summarise(f"## Applied to `{env.name}`\n\n{text}")
    if outcome.waiting:
        _tell(env, repository, reviews, f"## Delivered to `{env.name}`, not all of it yet\n\n{text}\n")
    return outcome


def _apply(env: Environment, reviews: Reviews, before: str, run: str) -> Outcome:
    if not reviews.missing:
        return apply_reviewed(env, reviews.records, before, run)
    with tempfile.TemporaryDirectory() as scratch:
        ledger = records.read_ledger(env)
        waiting = {*ledger.waiting, *ledger.unfinished} if ledger else set()
        result = plan_change(env, before, _head(), Path(scratch), waiting=waiting)
        harmless = not result.bad and not any(unit.changes for unit in result.units)
        if not harmless and env.settings.get("direct_push") != "plan":
            raise Stopped(
                f"Not everything in this push was reviewed: {reviews.missing}. {env.name} takes reviewed changes only "
                "(direct_push in its env.hcl), so nothing was applied. Revert it, and open a pull request instead."
            )
        log.print(f"not reviewed: {reviews.missing}", markup=False)
        result.write(Path(scratch))
        return apply_directly(env, result, Path(scratch), before, run)


def _head() -> str:
    return units.git(units.root(), "rev-parse", "HEAD").strip()


def _tell(env: Environment, repository: github.Repository, reviews: Reviews, text: str) -> None:
    """In each pull request of the push, in a comment of its own: the plan comment stays what was reviewed."""
    for pull in reviews.pulls:
        repository.keep_comment(pull.number, RESULT.format(_head(), env.name), text)


def _tell_failure(env: Environment, repository: github.Repository, reviews: Reviews, error: OpsError, run: str) -> None:
    what = "stopped before the first change" if isinstance(error, Stopped) else "failed"
    if isinstance(error, Unfinished):
        what = "stopped half-way"
    message = markdown.fence(markdown.untrusted_lines(str(error)), "text")
    text = f"Delivering {markdown.code(_head())} to `{env.name}` {what}"
    text += f" ([log]({run})).\n\n{message}\n" if run else f".\n\n{message}\n"
    report = error.report if isinstance(error, Stopped) else None
    if report:
        title = "What an apply would do now"
        text += "\n" + markdown.render(report, title=title, budget=markdown.COMMENT // 2, more="the log")
    _tell(env, repository, reviews, text)
    url = repository.keep_issue(ISSUE.format(env.name), f"Delivery to {env.name} {what}", text)
    github.summarise(text)
    log.print(f"told in {url}", markup=False)


@click.command("deliver")
@click.option("--env", "name", metavar="ENV", required=True, help="The environment.")
@click.option("--jobs", metavar="JSON", envvar="JOBS", required=True, help="The `needs` context of the last job.")
def command(name: str, jobs: str) -> None:
    """Open, update or close the environment's issue about deliveries, by how the jobs before this one ended."""
    env, repository = environment(name), github.Repository()
    try:
        results = {job: str(content["result"]) for job, content in json.loads(jobs).items()}
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"--jobs is not the JSON of a `needs` context: {error!r}") from None
    failed = [job for job, result in results.items() if result in ("failure", "cancelled")]
    marker = ISSUE.format(env.name)
    if not failed:
        repository.keep_issue(marker, "", None)
        return
    if _head() in repository.issue(marker):
        return  # the apply has said more than this could
    run = github.run_url()
    text = f"Delivering {markdown.code(_head())} to `{env.name}`: {', '.join(failed)} failed ([log]({run})).\n\n"
    text += f"What is live: `make status ENV={env.name}`, `make releases ENV={env.name}`. Run the failed jobs again "
    text += "when the cause is gone; this issue is closed by the next delivery that succeeds.\n"
    log.print(repository.keep_issue(marker, f"Delivery to {env.name} failed: {', '.join(failed)}", text), markup=False)
