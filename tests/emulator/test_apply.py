"""`ops apply --reviewed`: exactly what was reviewed is applied, or nothing is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from ops import apply, records, terragrunt
from ops.apply import APPLIED, FAILED, UNTOUCHED, Stopped, Unfinished
from ops.errors import OpsError
from ops.paths import ROOT
from ops.plan import plan_units
from ops.records import FINISHED, Ledger
from tests.plan_stage import QUIET_MODULE, Stage

# Its creation fails while it is applied, until the file is there: the resource is tainted then.
FAILING = """
resource "terraform_data" "fails" {
  input = var.value
  provisioner "local-exec" {
    command = "test ${var.value} != bad -o -e /nonexistent/welcome || { echo it fails while it is applied; exit 1; }"
  }
}
"""


SLOW = """
variable "value" { type = string }
resource "terraform_data" "this" {
  input = var.value
  provisioner "local-exec" {
    command = "sleep 3"
  }
}
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "LOCK_WAIT_SECONDS", 0)


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the units that an apply planned again: none as long as saved plans are used."""
    planned: list[str] = []
    original = plan_units

    def spy(env: object, wanted: dict[str, object], *rest: object) -> object:
        planned.extend(wanted)
        return original(env, wanted, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(apply, "plan_units", spy)
    return planned


def set_c(stage: Stage, value: str) -> Callable[[], None]:
    return lambda: stage.unit("c", value, module="quiet")


def two_units(stage: Stage) -> Callable[[], None]:
    def change() -> None:
        stage.unit("c", "two", module="quiet")
        stage.unit("new", "1", module="quiet")

    return change


# The record is found and used.


@pytest.mark.parametrize("how", ["squash", "merge", "rebase"])
def test_the_saved_plan_is_applied_however_it_was_merged(live: Stage, how: str, again: list[str]) -> None:
    """Given a reviewed change, when it is merged and nothing else moved, then its saved plan is what is applied."""
    review = live.topic("topic", set_c(live, "two"))
    before = live.merge("topic", how)
    assert live.deliver(before, review).units == {"c": APPLIED}
    assert live.value("c") == "two"
    assert again == []
    ledger = records.read_ledger(live.env)
    assert ledger
    assert (ledger.commit, ledger.status, ledger.units) == (live.head, FINISHED, {"c": APPLIED})


def test_a_record_stays_good_when_an_unrelated_merge_moved_the_base(live: Stage, again: list[str]) -> None:
    """Given two reviewed changes of different units, when both are merged in a row, then both saved plans are used."""
    live.unit("d", "one", module="quiet")
    live.commit()
    live.apply_everything()
    first = live.topic("first", set_c(live, "two"))
    second = live.topic("second", lambda: live.unit("d", "two", module="quiet"))
    before = live.merge("first")
    live.deliver(before, first)
    before = live.merge("second")
    assert live.deliver(before, second).units == {"d": APPLIED}
    assert (live.value("c"), live.value("d")) == ("two", "two")
    assert again == []


def test_two_pull_requests_in_one_push_are_applied_together(live: Stage) -> None:
    """Given two reviewed changes that reach the branch in one push, then the changes of both records are applied."""
    first = live.topic("first", set_c(live, "two"))
    second = live.topic("second", lambda: live.unit("new", "one", module="quiet"))
    before = live.merge("first")
    live.merge("second")
    assert live.deliver(before, first, second).units == {"c": APPLIED, "new": APPLIED}
    assert (live.value("c"), live.value("new")) == ("two", "one")


def test_a_change_that_needs_nothing_applies_nothing(live: Stage) -> None:
    """Given a reviewed pull request about documents, then there is nothing to apply, and that is fine."""
    review = live.topic("topic", lambda: live.write("docs/page.md", "words"))
    assert live.deliver(live.merge("topic"), review).units == {}


# Something moved.


def test_when_the_code_moved_and_the_changes_are_the_same_they_are_applied(live: Stage, again: list[str]) -> None:
    """Given a related merge that changes no resource, then a new plan comes to the same, and is applied."""
    review = live.topic("topic", set_c(live, "two"))
    live.write("modules/quiet/main.tf", QUIET_MODULE + "# a comment\n")
    live.commit("a comment in the module")
    before = live.merge("topic")
    assert live.deliver(before, review).units == {"c": APPLIED}
    assert again == ["c"]
    assert live.value("c") == "two"


def test_when_a_related_merge_makes_the_changes_others_nothing_is_applied(live: Stage) -> None:
    """Given two reviewed changes of one unit, the first delivered, then the second is stale and is stopped."""
    # Given: one sets c to two, the other adds an output, both reviewed on top of one
    first = live.topic("first", set_c(live, "two"))
    second = live.topic("second", lambda: live.write("modules/quiet/more.tf", 'output "more" { value = "1" }\n'))
    before_first = live.merge("first")
    # When: nobody delivered the first, so the second would bring its change along
    before_second = live.merge("second")
    with pytest.raises(Stopped, match=r"not reviewed: terraform_data\.this") as stop:
        live.deliver(before_second, second)
    # Then
    assert live.value("c") == "one"
    assert records.read_ledger(live.env) is None
    assert stop.value.report
    assert stop.value.report.changed
    # And when the first is delivered, the second is good again: its own change is all that is left
    live.git("checkout", "-q", "HEAD~1")
    live.deliver(before_first, first)
    live.git("checkout", "-q", "main")
    assert live.deliver(before_second, second).units == {"c": APPLIED}


def test_when_the_state_moved_the_saved_plan_is_not_used(live: Stage, again: list[str]) -> None:
    """Given somebody who applied the change by hand meanwhile, then it is no more what was reviewed."""
    review = live.topic("topic", set_c(live, "two"))
    before = live.merge("topic")
    live.apply_everything()
    with pytest.raises(Stopped, match="reviewed but not planned any more"):
        live.deliver(before, review)
    assert again == ["c"]


def test_a_changed_output_of_a_dependency_makes_a_saved_plan_stale(live: Stage, again: list[str]) -> None:
    """Given a plan made with an output that has changed since, then it is not used, though its files are the same."""
    # Given
    base = live.head
    live.unit("d", dependency="a", module="quiet")
    live.commit("d")
    review = live.review(base)
    live.unit("a", "three")
    terragrunt.run(live.env, ["run", "--all", "--filter", "./a", "--", "apply"])
    live.git("checkout", "-q", "--", ".")
    # When, then
    with pytest.raises(Stopped, match=r"dev/d: reviewed with other values: terraform_data\.this"):
        live.deliver(base, review)
    assert again == ["d"]


def test_a_unit_that_the_push_affects_and_nobody_reviewed_stops_it(live: Stage) -> None:
    """Given a commit pushed along with a reviewed pull request, then what it changes is not applied, nor the rest."""
    review = live.topic("topic", set_c(live, "two"))
    before = live.merge("topic")
    live.unit("new", "smuggled", module="quiet")
    live.commit("pushed along")
    with pytest.raises(Stopped, match=r"dev/new: not reviewed: terraform_data\.this"):
        live.deliver(before, review)
    assert live.value("c") == "one"


# Somebody tampered.


def _object(stage: Stage, suffix: str) -> str:
    found = stage.env.client("s3").list_objects_v2(Bucket=stage.env.state_bucket, Prefix="plans/dev/")["Contents"]
    return next(str(each["Key"]) for each in found if each["Key"].endswith(suffix))


def test_a_tampered_plan_is_not_applied(live: Stage) -> None:
    """Given a saved plan that somebody replaced, then its digest gives it away before anything is applied."""
    review = live.topic("topic", set_c(live, "two"))
    before = live.merge("topic")
    key = _object(live, ".tfplan")
    records.put(live.env, key, b"x" + (records.get(live.env, key) or b""))
    with pytest.raises(OpsError, match=r"not .* as reviewed"):
        live.deliver(before, review)
    assert live.value("c") == "one"


def test_a_tampered_manifest_is_not_believed(live: Stage) -> None:
    """Given a manifest that somebody changed, plan and digest matching, then it is not the one that was reviewed."""
    review = live.topic("topic", set_c(live, "two"))
    before = live.merge("topic")
    key = _object(live, "manifest.json")
    manifest = json.loads(records.get(live.env, key) or b"")
    manifest["units"][0]["sha256"] = "0" * 64
    records.put(live.env, key, json.dumps(manifest).encode())
    with pytest.raises(OpsError, match="not the one that was reviewed"):
        live.deliver(before, review)
    assert live.value("c") == "one"


def test_the_record_of_another_pull_request_is_not_used(live: Stage) -> None:
    """Given a record copied to the key of another commit, then it says itself that it is about something else."""
    other = live.topic("other", set_c(live, "three"))
    review = live.topic("topic", set_c(live, "two"))
    before = live.merge("topic")
    manifest = records.get(live.env, f"plans/dev/{other[0]}/manifest.json") or b""
    records.put(live.env, f"plans/dev/{review[0]}/manifest.json", manifest)
    with pytest.raises(OpsError, match="not the one that was reviewed"):
        live.deliver(before, review)
    with pytest.raises(OpsError, match=f"is about commit {other[0]}"):
        live.deliver(before, (review[0], other[1]))
    assert live.value("c") == "one"


def test_a_record_with_a_path_for_a_name_is_refused() -> None:
    """Given a manifest whose unit is called ../../x, then nothing is written there."""
    with pytest.raises(OpsError, match="no name of a unit"):
        records.Planned.parse({"name": "../../x", "status": "planned"})


def test_without_a_record_nothing_is_applied(live: Stage) -> None:
    review = live.topic("topic", set_c(live, "two"))
    before = live.merge("topic")
    live.env.client("s3").delete_object(Bucket=live.env.state_bucket, Key=_object(live, "manifest.json"))
    with pytest.raises(Stopped, match="no plan record"):
        live.deliver(before, review)


# Removed, deferred.


def test_a_removed_unit_is_destroyed_as_reviewed(live: Stage, again: list[str]) -> None:
    """Given a reviewed removal, then what is left is an empty state, and the file of the unit is not needed for it."""
    review = live.topic("topic", lambda: live.remove("live/dev/c"))
    before = live.merge("topic")
    assert live.deliver(before, review).units == {"c": APPLIED}
    assert live.state("c")["resources"] == []
    assert again == []


def test_a_deferred_unit_is_applied_after_what_it_waited_for(live: Stage) -> None:
    """Given an environment that allows a direct push, then the unit that waited is applied in the same run."""
    review = live.topic("topic", lambda: live.unit("a", "two"))
    outcome = live.deliver(live.merge("topic"), review)
    assert outcome.units == {"a": APPLIED, "b": APPLIED}
    assert live.value("b") == "two"


def test_a_deferred_unit_waits_for_a_review_where_reviews_are_demanded(live: Stage) -> None:
    """Given an environment that takes reviewed changes only, then the unit waits, and the next plan has it."""
    settings = (live.root / "live/dev/env.hcl").read_text().replace('direct_push = "plan"', 'direct_push = "refuse"')
    live.write("live/dev/env.hcl", settings)
    live.commit("refuse")
    review = live.topic("topic", lambda: live.unit("a", "two"))
    outcome = live.deliver(live.merge("topic"), review)
    assert (outcome.units, outcome.waiting) == ({"a": APPLIED}, ("b",))
    assert live.value("b") == "one"
    ledger = records.read_ledger(live.env)
    assert ledger
    assert list(ledger.waiting) == ["b"]


# Half-way.


def _make_c_fail(stage: Stage) -> tuple[str, str]:
    """A reviewed change whose apply creates one resource and then fails, beside one of `new` that succeeds."""

    def change() -> None:
        stage.write("modules/quiet/fails.tf", FAILING)
        stage.unit("c", "bad", module="quiet")
        stage.write("modules/plain/main.tf", QUIET_MODULE)
        stage.unit("new", "one", module="plain")

    return stage.topic("topic", change)


def test_a_failure_says_what_was_applied_and_what_was_not(live: Stage) -> None:
    """Given an apply that fails in one unit, then the others are applied, the ledger says so, and nothing is locked."""
    review = _make_c_fail(live)
    before = live.merge("topic")
    with pytest.raises(Unfinished, match="it fails while it is applied"):
        live.deliver(before, review)
    ledger = records.read_ledger(live.env)
    assert ledger
    assert (ledger.status, ledger.units) == ("failed", {"c": FAILED, "new": APPLIED})
    assert records.lock_holder(live.env, "c") is None


def test_running_the_job_again_finishes_what_is_left(live: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a delivery that stopped half-way, when the cause is gone and it runs again, then the rest is applied."""
    # Given: the runner dies after the first of two units
    review = live.topic("topic", two_units(live))
    before = live.merge("topic")
    engine = apply._engine

    def dies(env: object, names: object, *rest: object) -> dict[str, str]:
        engine(env, ["c"], *rest)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(apply, "_engine", dies)
        with pytest.raises(KeyboardInterrupt):
            live.deliver(before, review)
    ledger = records.read_ledger(live.env)
    assert ledger
    assert (ledger.status, ledger.unfinished) == ("started", {"c", "new"})
    # When
    outcome = live.deliver(before, review)
    # Then
    assert outcome.units == {"new": APPLIED}
    assert (live.value("c"), live.value("new")) == ("two", "1")


def test_a_tainted_resource_of_a_failed_apply_is_finished(live: Stage) -> None:
    """Given a creation that failed, then the second run makes it again: that is the creation that was reviewed."""
    marker = live.work / "ready"
    text = FAILING.replace("/nonexistent/welcome", str(marker))

    def change() -> None:
        live.write("modules/quiet/fails.tf", text)
        live.unit("c", "bad", module="quiet")

    review = live.topic("topic", change)
    before = live.merge("topic")
    with pytest.raises(Unfinished):
        live.deliver(before, review)
    marker.touch()
    assert live.deliver(before, review).units == {"c": APPLIED}


def test_later_deliveries_wait_behind_an_unfinished_one(live: Stage) -> None:
    """Given a delivery that stopped half-way, then the next one is refused, whatever it is about."""
    review = _make_c_fail(live)
    before = live.merge("topic")
    with pytest.raises(Unfinished):
        live.deliver(before, review)
    unfinished = live.head
    later = live.topic("later", lambda: live.unit("d", "one", module="plain"))
    before = live.merge("later")
    with pytest.raises(Stopped, match=f"The delivery of {unfinished} is not finished: c in dev"):
        live.deliver(before, later)


def test_a_later_delivery_that_was_planned_on_top_takes_over(live: Stage) -> None:
    """Given a delivery that cannot be finished, when a reviewed change has its units, then that one goes on."""
    review = _make_c_fail(live)
    before = live.merge("topic")
    with pytest.raises(Unfinished):
        live.deliver(before, review)
    fix = live.topic("fix", set_c(live, "good"))
    outcome = live.deliver(live.merge("fix"), fix)
    assert outcome.units == {"c": APPLIED}
    assert live.value("c") == "good"


def test_a_lock_stops_before_the_first_change_and_says_who_and_how(live: Stage) -> None:
    """Given somebody who holds the lock of one unit, then nothing is applied, and the printed command releases it."""
    review = live.topic("topic", two_units(live))
    before = live.merge("topic")
    path = f"{live.env.state_bucket}/dev/c/terraform.tfstate"
    info = {"ID": "5f0b7a0e-0000-4000-8000-000000000001", "Operation": "OperationTypeApply", "Who": "somebody@laptop",
            "Version": "1.11.4", "Created": "2026-01-01T00:00:00Z", "Path": path, "Info": ""}  # fmt: skip
    live.env.client("dynamodb").put_item(
        TableName=live.env.lock_table, Item={"LockID": {"S": path}, "Info": {"S": json.dumps(info)}}
    )
    with pytest.raises(Stopped, match="somebody@laptop") as stop:
        live.deliver(before, review)
    assert records.applied(live.env, "new") is None
    command = re.search(r"^  (terragrunt .*force-unlock.*)$", str(stop.value), re.MULTILINE)
    assert command
    done = subprocess.run(
        command[1].split(), cwd=live.root, env=terragrunt.process_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert live.deliver(before, review).units == {"c": APPLIED, "new": APPLIED}


def test_a_ledger_knows_what_is_left() -> None:
    assert Ledger("x", "failed", {"a": APPLIED, "b": FAILED, "c": UNTOUCHED}).unfinished == {"b", "c"}
    assert Ledger("x", FINISHED, {"a": APPLIED}).unfinished == set()


# A person's apply.


def test_a_persons_apply_plans_and_applies_until_no_unit_waits(stage: Stage) -> None:
    """Given nothing is applied, then one command applies all units, those that wait for others after these."""
    assert apply.apply_by_hand(stage.env, yes=False).units == dict.fromkeys(["a", "b", "c", "delivery"], APPLIED)
    assert apply.apply_by_hand(stage.env, yes=False).units == {}


def test_a_persons_apply_does_not_destroy_unasked(live: Stage) -> None:
    """Given a change that destroys a resource and nobody to ask, then nothing is applied, and --yes would."""
    live.write("modules/quiet/main.tf", 'variable "value" { type = string }\n')
    with pytest.raises(OpsError, match="run it in a terminal, or with --yes"):
        apply.apply_by_hand(live.env, yes=False)
    assert live.value("c") == "one"
    assert apply.apply_by_hand(live.env, yes=True).units == {"c": APPLIED}


def test_an_apply_that_is_told_to_stop_lets_the_engine_stop_by_itself(live: Stage) -> None:
    """Given an apply under way, when its job is cancelled, then the state is whole and no lock is left."""
    live.write("modules/slow/main.tf", SLOW)
    live.unit("new", "1", module="slow")
    script = f"""
import os, pathlib, signal, threading, time
from ops import records, terragrunt
from ops.environments import environment
signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(143)))
def stop():
    while records.lock_holder(environment("dev"), "new") is None:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=stop, daemon=True).start()
log = pathlib.Path({str(live.work / "log")!r})
terragrunt.run(environment("dev"), ["run", "--all", "--filter", "./new", "--", "apply"], log=log)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 143, done.stderr
    assert records.lock_holder(live.env, "new") is None
    assert records.applied(live.env, "new") is not None
