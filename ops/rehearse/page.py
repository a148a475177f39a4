"""The HTML report of a rehearsal: everything that was posted, as a reader on GitHub would see it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from ops.rehearse.scenario import Scene
    from tests.pipeline.harness.act import Run
    from tests.pipeline.harness.world import World

# Comments hold HTML on purpose (collapsible blocks); what they quote from plans was made inert by `ops report`.
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --dim: #59636e; --good: #1a7f37; --bad: #cf222e }
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --soft: #151b23; --dim: #9198a1; --good: #3fb950; --bad: #f85149 }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
pre, code { font: 13px/1.45 ui-monospace, monospace; background: var(--soft); border-radius: 4px }
pre { padding: .75rem; overflow-x: auto } code { padding: .1rem .3rem } pre code { padding: 0 }
table { border-collapse: collapse; font-size: 14px }
td, th { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left }
.post { border: 1px solid var(--line); border-radius: 6px; margin: 1rem 0 }
.post > header { background: var(--soft); padding: .4rem 1rem }
.post > div { padding: .2rem 1rem } .dim { color: var(--dim) } .good { color: var(--good) } .bad { color: var(--bad) }
td.number { text-align: right; font-variant-numeric: tabular-nums }
"""


def write(file: Path, world: World, scenes: list[Scene]) -> None:
    """Write the report of a rehearsal, one file without anything to load."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Rehearsal</title><style>{_STYLE}</style><h1>Rehearsal of the pipeline</h1>"
        + "".join([*_overview(scenes), *_scenes(scenes), *_state(world)]),
        encoding="utf-8",
    )


def _overview(scenes: list[Scene]) -> Iterator[str]:
    total = sum(scene.seconds for scene in scenes)
    yield f"<p>{len(scenes)} scenes in {total:.0f} seconds, on emulators and a GitHub on loopback.</p><table>"
    for number, scene in enumerate(scenes, 1):
        mark = "<span class=bad>✗</span>" if scene.error else "<span class=good>✓</span>"
        link = f"<a href='#scene{number}'>{_text(scene.title)}</a>"
        yield f"<tr><td>{mark} {link}<td class=number>{scene.seconds:.1f} s</tr>"
    yield "</table>"


def _scenes(scenes: list[Scene]) -> Iterator[str]:
    for number, scene in enumerate(scenes, 1):
        yield f"<h2 id=scene{number}>{_text(scene.title)}</h2>"
        for line in scene.told:
            yield f"<p>{_text(line)}</p>"
        for run in scene.runs:
            yield from _run(run)
        for what, body in scene.posted:
            yield f"<div class=post><header class=dim>{_text(what)}</header><div>{_MARKDOWN.render(body)}</div></div>"
        if scene.error:
            yield f"<p class=bad>{_text(scene.error)}</p>"


def _run(run: Run) -> Iterator[str]:
    rows = "".join(
        f"<tr><td>{_text(step.job)}<td class={'bad' if step.failed else 'good'}>{_text(step.name)}"
        f"<td class=number>{step.seconds:.1f} s</tr>"
        for step in run.steps
    )
    log = "\n".join(f"[{step.job}] {step.name}\n{step.text}\n" for step in run.steps)
    yield f"<h3>{_text(run.title)} <span class=dim>{run.event}, {run.seconds:.1f} s</span></h3><table>{rows}</table>"
    yield from (f"<p>{level}: {_text(text)}</p>" for level, text in run.annotations if level != "error")
    yield from (
        f"<details><summary>Summary of {_text(job)}</summary>{_MARKDOWN.render(text)}</details>"
        for job, text in run.summaries
    )
    yield f"<details><summary>Log</summary><pre>{_text(log)}</pre></details>"


def _state(world: World) -> Iterator[str]:
    yield "<h2>What is left on GitHub</h2>"
    for number, issue in world.github.issues.items():
        kind = "Pull request" if number in world.github.pulls else "Issue"
        yield f"<h3>{kind} #{number}: {_text(issue['title'])} <span class=dim>{issue['state']}</span></h3>"
        posts: list[dict[str, Any]] = [issue] if issue["body"] else []
        for post in [*posts, *world.github.comments_of(number)]:
            author, body = _text(post["user"]["login"]), _MARKDOWN.render(post["body"])
            yield f"<div class=post><header class=dim>{author}</header><div>{body}</div></div>"


def _text(value: object) -> str:
    return html.escape(str(value))
