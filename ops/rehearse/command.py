"""`ops rehearse`: play the story in the terminal, and leave a report."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

import click
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from ops import toolchain
from ops.console import log, out
from ops.errors import OpsError
from ops.paths import local_dir
from ops.rehearse import page
from ops.rehearse.scenario import Listener, Scene, Story
from tests.pipeline.harness.act import Run
from tests.pipeline.harness.world import world


class Narrator(Listener):
    """Tells the story on a terminal."""

    def begins(self, scene: Scene) -> None:
        log.print()
        log.rule(scene.title, align="left")

    def ran(self, run: Run) -> None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for step in run.steps:
            mark = "[red]✗[/red]" if step.failed else "[green]✓[/green]"
            table.add_row(mark, step.job, step.name, f"{step.seconds:.1f} s")
        log.print(f"{run.title} ({run.event}, {run.seconds:.1f} s)", style="bold", markup=False)
        log.print(Padding(table, (0, 0, 0, 2)))
        for level, text in run.annotations:
            log.print(f"  {level}: {text}", markup=False, style="yellow")

    def posted(self, where: str, body: str) -> None:
        log.print(Panel(Markdown(_readable(body)), title=where, title_align="left", border_style="dim"))

    def told(self, line: str) -> None:
        log.print(f"  {line}", markup=False, style="cyan")

    def ended(self, scene: Scene) -> None:
        log.print(f"{'✗' if scene.error else '✓'} {scene.seconds:.1f} s", style="red" if scene.error else "green")


def _readable(body: str) -> str:
    """Markdown for a terminal, which has no collapsible blocks and hides no comments."""
    lines = [line for line in body.splitlines() if not line.startswith(("<!--", "<details", "</details", "<sub"))]
    return "\n".join(line.replace("<summary>", "**").replace("</summary>", "**") for line in lines)


@click.command()
@click.option("--html", "file", type=click.Path(dir_okay=False, path_type=Path), help="Where the report goes.")
@click.option("--json", "as_json", is_flag=True, help="Print scenes, steps and seconds as JSON.")
@click.option("--keep", is_flag=True, help="Keep the directory of the rehearsal.")
def rehearse(file: Path | None, as_json: bool, keep: bool) -> None:
    """Run the pipeline with the real workflow files: from a pull request to the answering URL, and what can go wrong.

    Everything is on this machine: emulators and a GitHub of its own, on free ports. ACTIONS_DIR names a folder with
    third-party actions (OWNER/NAME) to use in place of the stand-ins.
    """
    file = file or local_dir() / "rehearsal.html"
    for tool in ("terragrunt", "tflint", "tflint-ruleset-aws", "actionlint"):
        toolchain.ensure(tool)  # before the clock starts: runners build nothing
    place = Path(tempfile.mkdtemp(prefix="welcome-rehearsal-"))
    start = time.monotonic()
    failure: OpsError | None = None
    try:
        with world(place) as created:
            story = Story(created, Narrator())
            try:
                story.play()
            except OpsError as error:
                failure = error
            page.write(file, created, story.scenes)
    finally:
        if keep:
            log.print(f"kept {place}", markup=False)
        else:
            shutil.rmtree(place, ignore_errors=True)
    log.print(f"\n{time.monotonic() - start:.0f} s in all; the report is {file}", markup=False)
    if as_json:
        out.print_json(json.dumps([_as_json(scene) for scene in story.scenes]))
    if failure:
        raise failure


def _as_json(scene: Scene) -> dict[str, object]:
    runs = [
        {
            "workflow": run.workflow, "seconds": round(run.seconds, 2), "jobs": run.jobs,
            "steps": [{"job": step.job, "step": step.name, "seconds": round(step.seconds, 2)} for step in run.steps],
        }
        for run in scene.runs
    ]  # fmt: skip
    return {"scene": scene.title, "seconds": round(scene.seconds, 2), "passed": not scene.error, "runs": runs}
