"""The reports in docs/reports are what the renderer makes of the plans in `examples`, letter by letter.

After a change that is meant: `UPDATE_EXAMPLES=1 make test-unit`, read the difference, and take the pictures again with
`python -m tests.report_pictures`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.paths import ROOT
from ops.report import markdown
from ops.report.changes import digests, read, remainder
from ops.report.command import report
from ops.report.model import load

EXAMPLES = Path(__file__).parent / "examples"
SHOWN = ROOT / "docs" / "reports"
NAMES = sorted(path.name for path in EXAMPLES.iterdir())


def directories(name: str) -> list[Path]:
    return sorted(path.parent for path in (EXAMPLES / name).rglob("result.json"))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_rendered_as_it_is_shown(name: str) -> None:
    """Given the plans of an example, then the comment is the one in the documentation."""
    rendered = markdown.render(load(directories(name)), title="Plan")
    shown = SHOWN / f"{name}.md"
    if os.environ.get("UPDATE_EXAMPLES"):
        shown.write_text(rendered)
    assert shown.read_text() == rendered
    assert shown.with_suffix(".png").is_file(), "no picture: python -m tests.report_pictures"


def test_the_loss_of_data_is_said_first() -> None:
    """Given a real plan that replaces the table, then the table is named above all tables and details."""
    text = (SHOWN / "loss-of-data.md").read_text()
    order = ("hold data that no apply brings back", "aws_dynamodb_table.messages", "|---")
    loss, table, counts = map(text.index, order)
    assert loss < table < counts


def test_the_same_change_in_two_environments_is_shown_once() -> None:
    text = (SHOWN / "same-change-deferred-failed.md").read_text()
    assert text.count("memory_size: 256 → 512") == 1
    assert "the same in 2 units" in text


def test_a_token_in_an_environment_variable_is_in_no_form() -> None:
    """Given a function with a token that no schema marks, then no form of the report has it."""
    where = [str(each) for each in directories("same-change-deferred-failed")]
    for form in ("markdown", "summary", "json", "terminal"):
        done = CliRunner().invoke(report, [*where, "--format", form])
        assert done.exit_code == 0
        assert "WEBHOOK_TOKEN" in done.output
        assert "not-for-your-eyes" not in done.output, form


def test_real_plans_are_equal_to_themselves_and_a_part_of_one_is_its_remainder() -> None:
    """Given a real plan, then without one of its changes it is another plan, and what is left of the first."""
    plan = json.loads((EXAMPLES / "first-plan/welcome/tfplan.json").read_text())
    whole = digests(plan)
    part = digests({**plan, "resource_changes": plan["resource_changes"][1:]})
    assert digests(json.loads(json.dumps(plan))) == whole
    assert part != whole
    assert remainder(part, whole)
    assert not remainder(whole, part)


def test_another_value_of_one_attribute_is_another_plan() -> None:
    plan = json.loads((EXAMPLES / "first-plan/welcome/tfplan.json").read_text())
    whole = digests(plan)
    found = next(each for each in plan["resource_changes"] if each["type"] == "aws_lambda_function")
    found["change"]["after"]["memory_size"] += 1
    assert {address for address, each in digests(plan).items() if each != whole[address]} == {found["address"]}
    assert not remainder(digests(plan), whole)
    assert read(plan)
