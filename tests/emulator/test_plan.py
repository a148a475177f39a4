"""`ops plan` on a live tree: what is planned, what is not, and why."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ops import terragrunt, units
from ops.errors import OpsError
from ops.plan import plan_everything, read_result
from ops.records import Ledger
from ops.report import changes
from ops.report.model import load
from tests.plan_stage import Stage, by_name, unit_hcl


def test_only_what_reads_a_changed_file_is_planned(live: Stage) -> None:
    """Given an applied tree, when one unit's value changes, then that unit is planned and the others are not."""
    live.unit("c", "two", module="quiet")
    live.commit()
    result, out = live.plan()
    assert [(unit.name, unit.status) for unit in result.units] == [("c", "planned")]
    plan = json.loads((out / "c/tfplan.json").read_text())
    assert [(change.address, change.action) for change in changes.read(plan)] == [("terraform_data.this", "update")]


def test_a_module_file_affects_every_unit_that_uses_it(live: Stage) -> None:
    """Given a template beside a module's code, when it changes, then all users of the module are planned."""
    live.write("modules/loud/extra.txt", "read by file() one day")
    live.commit()
    assert set(by_name(live.plan()[0])) == {"a", "b", "delivery"}


def test_a_module_that_a_module_calls_affects_its_users(live: Stage) -> None:
    """Given a module that calls another by a relative path, when the inner one changes, then the users are planned."""
    live.write("modules/inner/main.tf", "")
    live.write("modules/quiet/inner.tf", 'module "inner" {\n  source = "../inner"\n}\n')
    live.commit()
    live.write("modules/inner/main.tf", "locals { x = 1 }\n")
    live.commit()
    assert set(by_name(live.plan()[0])) == {"c"}


def test_files_that_no_unit_reads_affect_nothing(live: Stage) -> None:
    """Given a change of documents, of a module's README and of its tests, then there is nothing to plan."""
    live.write("docs/page.md", "words")
    live.write("modules/loud/README.md", "words")
    live.write("modules/loud/tests/it.tftest.hcl", "")
    live.commit()
    result, _ = live.plan()
    assert [unit.name for unit in result.units] == []


def test_the_environments_settings_affect_all_its_units(live: Stage) -> None:
    """Given a changed env.hcl, then every unit is planned, since each reads it."""
    live.write("live/dev/env.hcl", (live.root / "live/dev/env.hcl").read_text() + "# changed\n")
    live.commit()
    assert set(by_name(live.plan()[0])) == {"a", "b", "c", "delivery"}


def test_main_having_moved_on_removes_nothing(live: Stage) -> None:
    """Given a unit added on main after the branch was cut, when the merge is planned, then that unit is untouched."""
    # Given
    live.git("checkout", "-q", "-b", "topic")
    live.unit("c", "two", module="quiet")
    live.commit("topic")
    live.git("checkout", "-q", "main")
    live.unit("late", "one", module="quiet")
    live.commit("main moved on")
    # When: what GitHub checks out for a pull request
    live.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    result, _ = live.plan("HEAD^1")
    # Then
    assert [(unit.name, unit.removed) for unit in result.units] == [("c", False)]


def test_a_filter_file_does_not_narrow_a_plan(live: Stage) -> None:
    """Given a pull request that brings a filter file, then its changes are planned all the same."""
    live.write("live/dev/.terragrunt-filters", "./a\n")
    live.unit("c", "two", module="quiet")
    live.commit()
    assert set(by_name(live.plan()[0])) == {"c"}


def test_a_unit_whose_dependency_is_not_applied_is_deferred(stage: Stage) -> None:
    """Given nothing is applied, when all is planned, then no mock reaches a plan: who would need one is deferred."""
    out = stage.work / "out"
    result = by_name(plan_everything(stage.env, out))
    assert result["a"].status == "planned"
    assert (result["b"].status, result["b"].note) == ("deferred", "waits for a: not applied yet")
    assert not (out / "b").exists()
    assert "a-mock-value" not in "".join(file.read_text() for file in out.rglob("*.json"))


def test_a_unit_that_reads_a_changing_output_is_deferred(live: Stage) -> None:
    """Given a change of an output, then the unit that reads it is deferred although none of its own files changed."""
    live.unit("a", "two")
    live.commit()
    result = by_name(live.plan()[0])
    assert result["a"].status == "planned"
    assert (result["b"].status, result["b"].note) == ("deferred", "waits for a, whose outputs it reads")


def test_a_unit_that_reads_an_output_which_is_not_there_yet_is_deferred(live: Stage) -> None:
    """Given an applied dependency without an output that the unit has a mock for, then the mock is not used."""
    text = unit_hcl("loud", "", "a").replace('value = "a-mock-value"', 'value = "a-mock-value", fresh = "a-mock-too"')
    live.write("live/dev/b/terragrunt.hcl", text.replace("outputs.value", "outputs.fresh"))
    live.commit()
    assert by_name(live.plan()[0])["b"].note == "waits for a: not applied yet"


def test_deferral_goes_down_the_whole_chain(live: Stage) -> None:
    """Given d reads b reads a, when a's output changes, then both wait."""
    live.unit("d", dependency="b")
    live.unit("a", "two")
    live.commit()
    result = by_name(live.plan()[0])
    assert {name: unit.status for name, unit in result.items()} == {"a": "planned", "b": "deferred", "d": "deferred"}


def test_a_failed_unit_says_why_and_the_others_are_planned(live: Stage) -> None:
    """Given one unit with an error, then the report has the engine's words, and the other unit its plan."""
    live.write("live/dev/bad/terragrunt.hcl", unit_hcl("quiet", "x").replace('value = "x"', "unknown_input = 1"))
    live.unit("c", "two", module="quiet")
    live.commit()
    result, out = live.plan()
    found = by_name(result)
    assert (found["bad"].status, found["c"].status) == ("failed", "planned")
    assert 'The input variable "value"' in found["bad"].note or "No value for required variable" in found["bad"].note
    result.write(out)
    assert load([out]).bad


def test_a_removed_unit_is_planned_as_its_destruction(live: Stage) -> None:
    """Given a unit that is gone from the code, then its destruction is planned, from the tree that still has it."""
    live.remove("live/dev/c")
    live.commit()
    result, out = live.plan()
    assert [(unit.name, unit.status, unit.removed) for unit in result.units] == [("c", "planned", True)]
    assert [change.action for change in changes.read(json.loads((out / "c/tfplan.json").read_text()))] == ["destroy"]


def test_a_removed_unit_that_was_never_applied_needs_no_plan(stage: Stage) -> None:
    stage.remove("live/dev/c")
    stage.commit()
    assert stage.plan()[0].units == ()


def test_a_renamed_unit_is_refused_and_the_printed_commands_move_it(live: Stage) -> None:
    """Given a unit in another directory, then it is refused; after the commands it prints, nothing would change."""
    # Given
    live.git("mv", "live/dev/c", "live/dev/moved")
    live.commit()
    # When
    refused = by_name(live.plan()[0])["moved"]
    # Then
    assert refused.status == "refused"
    assert "c was renamed to moved" in refused.note
    # When
    commands = [line for line in refused.note.splitlines() if line.startswith("  ")]
    script = "\n".join(["set -e", *commands])
    done = subprocess.run(
        ["bash", "-c", script], cwd=live.root, env=terragrunt.process_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Then
    result, _ = live.plan()
    assert [(unit.name, unit.status, unit.changes) for unit in result.units] == [("moved", "planned", {})]


def test_units_that_a_person_applies_are_mentioned_and_not_planned(live: Stage) -> None:
    """Given a change of the delivery unit, then the pipeline does not plan it, and says who applies it."""
    live.unit("delivery", "more roles")
    live.commit()
    result = by_name(live.plan()[0])
    assert result["delivery"].status == "deferred"
    assert "make bootstrap ENV=dev" in result["delivery"].note


def test_units_of_an_unfinished_delivery_are_planned_with_the_next_change(live: Stage) -> None:
    """Given units that a delivery left over, then the next pull request's plan has them too."""
    live.unit("c", "two", module="quiet")
    live.commit()
    assert set(by_name(live.plan(waiting=["a"])[0])) == {"a", "c"}
    assert Ledger("x", "failed", {"a": "applied", "c": "not applied"}).unfinished == {"c"}


def test_units_in_a_circle_are_refused(stage: Stage) -> None:
    stage.unit("a", dependency="b")
    with pytest.raises(OpsError, match="depend on each other in a circle"):
        units.discover(stage.env)


def test_an_environment_without_a_bucket_says_what_to_do(stage: Stage) -> None:
    """Given an account that was never bootstrapped, then the error names the command."""
    stage.env.client("s3").delete_bucket(Bucket=stage.env.state_bucket)
    with pytest.raises(OpsError, match="make bootstrap ENV=dev"):
        plan_everything(stage.env, stage.work / "out")


def test_a_new_environment_in_the_change_does_not_disturb_the_others(live: Stage) -> None:
    """Given a pull request that adds a directory with one env.hcl that differs, then this environment has no change."""
    text = (live.root / "live/dev/env.hcl").read_text().replace('"dev"', '"next"')
    live.write("live/next/env.hcl", text)
    live.write("live/next/a/terragrunt.hcl", unit_hcl("loud", "one"))
    live.commit()
    assert live.plan()[0].units == ()


def test_a_result_is_read_back_as_it_was_written(live: Stage, tmp_path: Path) -> None:
    live.unit("c", "two", module="quiet")
    live.commit()
    result, out = live.plan()
    result.write(out)
    assert read_result(out) == result
