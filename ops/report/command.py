"""`ops report`: write what `ops plan` found as a comment, a job summary, JSON or for a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ops.console import out
from ops.report import markdown, terminal
from ops.report.model import as_json, load


@click.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["markdown", "summary", "json", "terminal"]), default="terminal",
    show_default=True, help="markdown fits a comment (65,536 characters), summary a job summary (1 MiB).",
)  # fmt: skip
@click.option("--title", default="Plan", show_default=True, help="Heading of the Markdown forms.")
def report(directories: tuple[Path, ...], form: str, title: str) -> None:
    """Show what the plans in DIRECTORIES (from `ops plan --out`) would change."""
    found = load(directories)
    if form == "terminal":
        terminal.show(found, out)
    elif form == "json":
        click.echo(json.dumps(as_json(found), indent=2))
    else:
        budget = markdown.COMMENT if form == "markdown" else markdown.JOB_SUMMARY
        click.echo(markdown.render(found, title=title, budget=budget), nl=False)
