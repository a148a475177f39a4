"""`ops status`: what each environment answers, which release that is, and whether it is as the code says."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table

from ops import terragrunt
from ops.console import log, out
from ops.environments import Environment, selected
from ops.errors import OpsError
from ops.identity import announce
from ops.urls import browser_url, service_url


@dataclass(frozen=True)
class Status:
    """One row of `ops status`. `status` is the HTTP status, `version` the Lambda version behind the alias `live`."""

    url: str | None = None
    status: int | None = None
    message: str | None = None
    version: str | None = None
    code_sha256: str | None = None
    state: str = "absent"
    configuration_pending: bool = False


def survey(env: Environment, *, plan: bool = True) -> Status:
    """Ask the URL, the function and (with `plan`) Terragrunt. An environment that is not there is `absent`."""
    from ops.release.function import configuration_pending

    try:
        url = service_url(env)
        client = env.client("lambda")
        alias = client.get_alias(FunctionName=env.resource_name, Name="live")
        live = client.get_function_configuration(FunctionName=env.resource_name, Qualifier="live")
        pending = configuration_pending(client, env.resource_name)
    except (OpsError, ClientError, BotoCoreError):
        return Status()
    status, message = _ask(url)
    return Status(
        url=browser_url(env),
        status=status,
        message=message,
        version=alias["FunctionVersion"],
        code_sha256=live["CodeSha256"],
        state=("in sync" if in_sync(env) else "drifted") if plan else "unknown",
        configuration_pending=pending,
    )


def _ask(url: str) -> tuple[int | None, str | None]:
    """HTTP status and message of the service; None where there is no answer."""
    try:
        answer = httpx.get(url, timeout=10, headers={"accept": "application/json"})
    except httpx.HTTPError:
        return None, None
    try:
        body = answer.json()
    except ValueError:
        return answer.status_code, None
    return answer.status_code, body.get("message")


def in_sync(env: Environment) -> bool:
    """Whether a plan of all units of `env` changes nothing. Raises OpsError if a unit cannot be planned."""
    return not pending_changes(env)


def pending_changes(env: Environment) -> list[str]:
    """What a plan of all units of `env` would do, such as `update aws_s3_bucket_policy.state`.

    Read from the engine's own event stream, which spares a `show -json` of each plan (half of the time), and checked
    against Terragrunt's report that every unit is in it: exit codes of `run --all` say neither.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        options = ["--report-file", str(report), "--tf-forward-stdout"]
        planned = terragrunt.run(env, ["run", "--all", *options, "--", "plan", "-lock=false", "-json"])
        units = json.loads(report.read_text())
    events = [json.loads(line) for line in planned.stdout.splitlines() if line.startswith("{")]
    summaries = [event for event in events if event["type"] == "change_summary"]
    if len(summaries) != len(units) or not units:
        raise OpsError(f"{len(summaries)} of {len(units)} units were planned: `make plan ENV={env.name}` shows why.")
    changes = [event["change"] for event in events if event["type"] == "planned_change"]
    return [f"{change['action']} {change['resource']['addr']}" for change in changes if change["action"] != "read"]


@click.command()
@click.option("--env", "name", metavar="ENV", help="One environment; all of them without it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object an environment.")
def status(name: str | None, as_json: bool) -> None:
    """Show URL, answer, release and state of each. Exit code 1 if one is not in sync or does not answer 200."""
    envs = selected(name)
    announce(envs)
    terragrunt.environment_variables()  # once, before the threads
    with ThreadPoolExecutor() as pool, log.status("asking …"):
        rows = dict(zip([env.name for env in envs], pool.map(survey, envs), strict=True))
    if as_json:
        out.print_json(json.dumps({each: vars(row) for each, row in rows.items()}))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("environment", "url", "status", "message", "version", "state"):
            table.add_column(heading, overflow="fold", no_wrap=heading == "url")
        for each, row in rows.items():
            state = row.state + (", configuration newer than the live version" if row.configuration_pending else "")
            table.add_row(each, row.url or "-", str(row.status or "-"), row.message or "-", row.version or "-", state)
        out.print(table)
    if any(row.state != "in sync" or row.status != 200 for row in rows.values()):
        raise click.exceptions.Exit(1)
