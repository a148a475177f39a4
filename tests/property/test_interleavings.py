"""Releases that meet, die, or lose an answer, against a Lambda that enforces every condition AWS documents."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from ops.package import code_sha256
from ops.release import history
from ops.release.function import Function
from ops.release.outcome import GaveUp, LostRace, NotReleased, Outcome
from ops.release.publish import upload
from tests.release_actors import Actor, Killed, releasing, rolling_back, take_turns
from tests.release_memory import some
from tests.strict_lambda import Behaviour, Caller, StrictLambda, failing_a_fifth, healthy, raising

INITIAL, OLD, NEW, OTHER = b"initial", b"old", b"new", b"other"
RAISING, FLAKY = b"raising", b"flaky"
PACKAGES = [b"package %d" % number for number in range(40)]
BEHAVIOURS: dict[bytes, Behaviour] = dict.fromkeys((INITIAL, OLD, NEW, OTHER, *PACKAGES), healthy)
BEHAVIOURS |= {RAISING: raising, FLAKY: failing_a_fifth}
STEPS: tuple[tuple[int, ...], ...] = ((), (10,), (10, 50))


@pytest.fixture
def released(in_memory: Any) -> Any:
    """A function with OLD live, after INITIAL; `released(seed)` makes one."""

    def make(seed: int = 0) -> StrictLambda:
        function = StrictLambda(INITIAL, BEHAVIOURS, seed)
        in_memory(function)
        assert Actor(function, releasing(OLD)).run().exit_code == 0
        return function

    return make


def weights(function: StrictLambda) -> dict[str, float]:
    return dict(function.live.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))


@pytest.mark.parametrize("seed", some(range(1000), few=40))
def test_of_two_releases_at_once_one_wins_and_the_other_says_that_it_lost(released: Any, seed: int) -> None:
    # Given two releases of different code that take turns at every call
    function = released(seed)
    actors = [Actor(function, releasing(NEW)), Actor(function, releasing(OTHER))]
    before = function.live_code()
    take_turns(actors, seed)
    # Then each either wins or loses the race, and nothing else
    won = [actor for actor in actors if isinstance(actor.ended, Outcome)]
    lost = [actor for actor in actors if isinstance(actor.ended, LostRace)]
    assert len(won) + len(lost) == 2, [actor.ended for actor in actors]
    # and exactly one wins, unless one began when the other had ended: then the second built on the first
    assert won, "both lost"
    if len(won) == 2:
        first, second = sorted(won, key=lambda actor: int(function.live["FunctionVersion"] == actor.ended.version))
        assert second.ended.previous == first.ended.version
    # and what is live is the winner's, whole, and no user met an error
    assert weights(function) == {}
    assert function.live_code() in {code_sha256(NEW), code_sha256(OTHER)} - {before}
    assert function.live["FunctionVersion"] in {actor.ended.version for actor in won}
    assert {status for _, status in function.users} == {200}


@pytest.mark.parametrize("seed", some(range(300), few=30))
def test_of_two_first_releases_at_once_one_wins_and_its_version_tells_where_it_came_from(
    in_memory: Any, seed: int
) -> None:
    # Given a function that still serves what Terraform created it with
    function = StrictLambda(INITIAL, BEHAVIOURS, seed)
    in_memory(function)
    actors = [Actor(function, releasing(NEW)), Actor(function, releasing(OTHER))]
    take_turns(actors, seed)
    assert all(isinstance(actor.ended, Outcome | LostRace) for actor in actors), [actor.ended for actor in actors]
    # Then what is live was released by one of them, as its description says
    live = function.published[function.live["FunctionVersion"]]
    assert live["CodeSha256"] in {code_sha256(NEW), code_sha256(OTHER)}
    assert history.provenance(live["Description"])["sha256"] == live["CodeSha256"]


@pytest.mark.parametrize("killed_after", some(range(180), few=25, name="call"))
def test_a_release_killed_after_any_call_is_finished_by_the_next(released: Any, killed_after: int) -> None:
    # Given a release that dies after its Nth call
    function = released()
    old = function.live_code()
    victim = Actor(function, releasing(NEW), killed_after=killed_after)
    ended = victim.run()
    # Then users are served whatever the alias says at that moment
    assert all(function.request().status_code == 200 for _ in range(20))
    assert function.live_code() in {old, code_sha256(NEW)}
    # and running it again makes it whole
    again = Actor(function, releasing(NEW)).run()
    assert isinstance(again, Outcome), again
    assert (function.live_code(), weights(function)) == (code_sha256(NEW), {})
    # (one that died after its last move had nothing left to do)
    complete = victim.calls.count("update_alias") == 2 or isinstance(ended, Outcome)
    assert again.outcome == ("already live" if complete else "released")


@pytest.mark.parametrize("killed_after", some(range(180), few=15, name="call"))
def test_a_rollback_after_a_killed_release_takes_it_back(released: Any, killed_after: int) -> None:
    function = released()
    before = function.live["FunctionVersion"]
    Actor(function, releasing(NEW), killed_after=killed_after).run()
    half_done = weights(function)
    moved = function.live["FunctionVersion"] != before
    # When an operator rolls back, whatever the alias says
    outcome = Actor(function, rolling_back()).run()
    # Then the version before the dead release is live alone, or there is nothing to go back to
    if half_done or moved:
        assert (outcome.outcome, function.live["FunctionVersion"]) == ("rolled back", before)
    else:
        assert "No release before" in str(outcome)
    assert weights(function) == {}


@pytest.mark.parametrize("call", some(range(180), few=15, name="call"))
def test_a_request_that_is_sent_twice_because_its_answer_was_lost_changes_nothing(released: Any, call: int) -> None:
    # Given a call that takes effect although its answer is lost, so that the SDK sends it again
    function = released()
    actor = Actor(function, releasing(NEW))
    actor.resend = call
    outcome = actor.run()
    # Then the release finds its own work done and goes on
    assert isinstance(outcome, Outcome), outcome
    assert (function.live_code(), weights(function)) == (code_sha256(NEW), {})


@pytest.mark.parametrize("length", [1, 7, 10_000])
@pytest.mark.parametrize("call", some(range(0, 180, 3), few=12, name="call"))
def test_an_outage_ends_in_a_release_or_in_what_was_before(released: Any, call: int, length: int) -> None:
    # Given AWS that does not answer from the Nth call on, for a number of calls
    function = released()
    old, start = function.live["FunctionVersion"], function.live_code()
    actor = Actor(function, releasing(NEW))
    outage = range(call, call + length)

    def fail(_: str) -> None:
        if len(actor.calls) in outage:
            actor.calls.append("failed")
            raise EndpointConnectionError(endpoint_url="https://lambda")

    actor.before = fail
    outcome = actor.run()
    # Then it is released, or all is as it was, unless AWS never came back: then the message names the state
    live = (function.live["FunctionVersion"], weights(function))
    if isinstance(outcome, Outcome):
        assert function.live_code() == code_sha256(NEW)
        assert live[1] == {}
    elif length < 1000:
        assert isinstance(outcome, NotReleased)
        assert live == (old, {})
        assert function.live_code() == start
        over = len(actor.calls) not in outage
        assert (f"Live is version {old}" if over else "What is live could not be read") in str(outcome)
    else:
        assert isinstance(outcome, GaveUp)
        assert "could not be read" in str(outcome)
    # and the next run, with AWS back, converges
    assert Actor(function, releasing(NEW)).run().exit_code == 0
    assert (function.live_code(), weights(function)) == (code_sha256(NEW), {})


class World:
    """A function under random events, beside the list of versions that should have been live, the latest last."""

    def __init__(self, function: StrictLambda, seed: int) -> None:
        self.function, self.chance, self.seed = function, random.Random(seed), seed
        self.stack = [function.live["FunctionVersion"]]
        self.packages = iter(PACKAGES)

    def release(self) -> None:
        self._released(Actor(self.function, releasing(next(self.packages), self.chance.choice(STEPS))).run())

    def release_what_is_live(self) -> None:
        live = {code_sha256(package): package for package in BEHAVIOURS}[self.function.live_code()]
        self._released(Actor(self.function, releasing(live)).run())

    def release_code_that_raises(self) -> None:
        assert Actor(self.function, releasing(RAISING)).run().exit_code == 4

    def release_code_that_fails_a_fifth(self) -> None:
        assert Actor(self.function, releasing(FLAKY)).run().exit_code == 5

    def apply(self) -> None:
        half_done = weights(self.function)
        self.function.apply(self.chance.choice((128, 512, 1024)))
        assert weights(self.function) == half_done

    def kill_a_release(self) -> None:
        actor = Actor(self.function, releasing(next(self.packages), (10, 50)), self.chance.randrange(260))
        ended = actor.run()
        if self.function.live["FunctionVersion"] != self.stack[-1]:
            self.stack.append(self.function.live["FunctionVersion"])
        assert isinstance(ended, Killed | Outcome)

    def roll_back(self) -> None:
        half_done = weights(self.function)
        ended = Actor(self.function, rolling_back()).run()
        if half_done:
            assert ended.version == self.stack[-1]
        elif len(self.stack) == 1:
            assert ended.exit_code == 2
        else:
            self.stack.pop()
            assert ended.outcome == "rolled back"

    def two_at_once(self) -> None:
        actors = [Actor(self.function, releasing(next(self.packages))) for _ in range(2)]
        take_turns(actors, self.chance.getrandbits(32))
        won = [actor.ended for actor in actors if isinstance(actor.ended, Outcome)]
        for outcome in sorted(won, key=lambda outcome: outcome.version == self.function.live["FunctionVersion"]):
            self._released(outcome)

    def _released(self, outcome: Outcome) -> None:
        assert outcome.exit_code == 0, outcome
        if outcome.outcome == "released":
            self.stack = [*self.stack, outcome.version][-1 - history.REMEMBERED :]


@pytest.mark.parametrize("seed", some(range(500), few=25))
def test_after_any_sequence_of_events_live_is_what_the_last_release_made_it(released: Any, seed: int) -> None:
    world = World(released(seed), seed)
    steps = [name for name in vars(World) if not name.startswith("_")]
    done = []
    for _ in range(12):
        step = world.chance.choice(steps)
        done.append(step)
        getattr(world, step)()
        assert world.function.live["FunctionVersion"] == world.stack[-1], done
        assert step in ("kill_a_release", "apply") or weights(world.function) == {}, done
        assert len(world.function.published) <= 5 + 1 + history.REMEMBERED + 3, "old versions are not pruned"
    assert {status for version, status in world.function.users if version in world.stack} <= {200}, done


def test_code_that_somebody_uploaded_meanwhile_is_not_overwritten(released: Any) -> None:
    # Given a release that read the function before another one uploaded its code
    function = released()
    subject = Function(cast(Any, Caller(function, lambda _: None, lambda: False)), "welcome-dev")
    seen = subject.version()
    upload(subject, OTHER, seen.architecture, seen)
    # When it uploads its own, then it has lost, and the other's code is still there
    with pytest.raises(LostRace):
        upload(subject, NEW, seen.architecture, seen)
    assert subject.version().code_sha256 == code_sha256(OTHER)


def test_old_versions_are_pruned_but_not_those_to_go_back_to(released: Any) -> None:
    function = released()
    for package in PACKAGES[:12]:
        assert Actor(function, releasing(package, (), keep=2)).run().exit_code == 0
    past = history.previous(function.live["Description"])
    assert set(function.published) == {function.live["FunctionVersion"], *past}
    assert len(past) == history.REMEMBERED
