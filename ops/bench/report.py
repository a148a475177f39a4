"""What it costs to report a plan, by its number of changed resources."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

from ops.report import markdown
from ops.report.changes import read
from ops.report.model import Report, Unit

SIZES = (10, 100, 1000)
ATTRIBUTES = 30


def plan(resources: int) -> dict[str, Any]:
    """Plan JSON that changes `resources` resources: creations and updates, 30 attributes each."""
    return {"format_version": "1.2", "resource_changes": [_change(number) for number in range(resources)]}


def _change(number: int) -> dict[str, Any]:
    old, new = ({f"attribute_{n}": f"{when}-{number}-{n}" for n in range(ATTRIBUTES)} for when in ("old", "new"))
    created = number % 2 == 0
    return {
        "address": f"aws_lambda_function.this[{number}]", "type": "aws_lambda_function", "mode": "managed",
        "change": {"actions": ["create" if created else "update"], "before": None if created else old, "after": new,
                   "after_unknown": {"id": created}},
    }  # fmt: skip


def rows() -> list[dict[str, object]]:
    """Seconds and peak memory from plan JSON to the comment and the job summary, and the comment's size."""
    found: list[dict[str, object]] = []
    for size in SIZES:
        content = plan(size)
        start = time.perf_counter()
        length = _both(content)
        seconds = time.perf_counter() - start
        tracemalloc.start()
        _both(content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        row = {"changed resources": size, "seconds": round(seconds, 3), "peak MB": round(peak / 1e6, 1)}
        found.append({**row, "characters": length})
    return found


def _both(content: dict[str, Any]) -> int:
    report = Report((Unit("dev", "welcome", "planned", changes=read(content)),))
    markdown.render(report, title="Plan", budget=markdown.JOB_SUMMARY)
    return len(markdown.render(report, title="Plan"))
