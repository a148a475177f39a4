"""Releases as actors: run to the end, killed at any call, or taking turns call by call as a seed decides."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ops.errors import OpsError
from ops.release.outcome import Outcome
from ops.release.release import Release
from ops.release.rollback import rollback
from tests.strict_lambda import Caller, MemoryEnvironment, StrictLambda


class Killed(BaseException):
    """What `kill -9` is in memory: nothing catches it, and every later call of the dead raises it again."""


@contextlib.contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@dataclass
class Actor:
    """Somebody who releases or rolls back; afterwards `ended` is an Outcome, an OpsError or Killed."""

    function: StrictLambda
    act: Callable[[MemoryEnvironment], Outcome]
    killed_after: int | None = None
    before: Callable[[str], None] = field(default=lambda _: None)
    resend: int | None = None
    calls: list[str] = field(default_factory=list)
    ended: Any = None

    def run(self) -> Any:
        env = MemoryEnvironment.of(Caller(self.function, self._before, self._resent))
        try:
            self.ended = self.act(env)
        except (OpsError, Killed) as end:
            self.ended = end
        return self.ended

    def _resent(self) -> bool:
        return len(self.calls) - 1 == self.resend

    def _before(self, operation: str) -> None:
        if self.killed_after is not None and len(self.calls) >= self.killed_after:
            raise Killed
        self.before(operation)
        self.calls.append(operation)


def releasing(package: bytes, steps: tuple[int, ...] = (10,), **how: Any) -> Callable[[MemoryEnvironment], Outcome]:
    return lambda env: Release(package, f"commit-{package.decode()}", "tester", steps, **how).to(env, quiet)


def rolling_back(version: str | None = None) -> Callable[[MemoryEnvironment], Outcome]:
    return lambda env: rollback(env, version, 1.0, quiet)


def take_turns(actors: list[Actor], seed: int) -> None:
    """Run actors in threads, one call of one of them at a time. The seed decides whose, in bursts of any length."""
    chance = random.Random(seed)
    turn: list[Actor | None] = [None]
    parked: list[Actor] = []
    change = threading.Condition()

    def park(actor: Actor) -> None:
        with change:
            parked.append(actor)
            change.notify_all()
            change.wait_for(lambda: turn[0] is actor)
            turn[0] = None
            parked.remove(actor)

    for actor in actors:
        actor.before = lambda _, actor=actor: park(actor)  # type: ignore[misc]
    threads = {id(actor): threading.Thread(target=_then_tell, args=(actor, change), daemon=True) for actor in actors}
    for thread in threads.values():
        thread.start()
    current, left = actors[0], 0
    while running := [actor for actor in actors if actor.ended is None]:
        with change:
            assert change.wait_for(
                lambda: turn[0] is None and all(actor in parked or actor.ended is not None for actor in running), 30
            ), "an actor neither calls nor ends"
            able = [actor for actor in running if actor in parked]
            if not able:
                continue
            if left <= 0 or current not in able:
                current, left = chance.choice(able), 1 + int(chance.expovariate(1 / chance.choice((1, 8, 60))))
            left -= 1
            turn[0] = current
            change.notify_all()
    for thread in threads.values():
        thread.join(5)


def _then_tell(actor: Actor, change: threading.Condition) -> None:
    ended = None
    try:
        ended = actor.run()
    except BaseException as bug:  # a bug in the release must fail the test, not hang it
        ended = bug
    with change:
        actor.ended = ended
        change.notify_all()
