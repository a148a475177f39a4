"""Options that more than one of the release commands has."""

from __future__ import annotations

from typing import Any

import click

environment_option = click.option("--env", "name", metavar="ENV", help="The environment; without it, all of them.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print what happened for a program, on stdout.")
slowest_option = click.option(
    "--slowest", default=1.0, show_default=True, metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
    help="An answer that takes longer counts as a failure.",
)  # fmt: skip


class Percentages(click.ParamType[tuple[int, ...]]):
    """Rising percentages of users, such as `10,50`."""

    name = "percentages"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = str(value).split(",")
        steps = tuple(int(part) for part in parts if part.strip().isdigit())
        if len(steps) != len(parts) or list(steps) != sorted(set(steps)) or not all(0 < each < 100 for each in steps):
            self.fail(f"'{value}' is no rising list of percentages between 1 and 99, such as 10,50", param, ctx)
        return steps
