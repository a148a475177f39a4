"""Going back: the alias alone moves, so it takes seconds and needs neither a build nor the code of then."""

from __future__ import annotations

import time
from dataclasses import replace

from ops.environments import Environment
from ops.errors import BadInput
from ops.release import canary, history, smoke
from ops.release.function import Alias, Function, Version
from ops.release.guard import guarded, live_now
from ops.release.outcome import CanaryFailed, GaveUp, Outcome
from ops.release.probe import Probe
from ops.release.release import Step


def rollback(env: Environment, version: str | None, slowest: float, step: Step) -> Outcome:
    """Make `version` live again, or (None) the one before; a release that is half done is taken back instead.

    Raises BadInput if there is no such version, else what a release raises.
    """
    start = time.monotonic()
    with guarded(env) as traffic:
        subject, now = traffic.function, traffic.now
        target = _target(subject, now, version)
        found = _find(subject, target.version)
        probe = Probe.of(env, subject, slowest)
        if target == now:
            message = f"Version {now.version} of {subject.name} is live already; nothing to do."
            return Outcome(env.name, "already live", message, 0, now.version)
        with step(f"asking version {target.version} whether it still answers"):
            smoke.answers(probe, target.version)
        with step(f"all users back on version {target.version}"):
            traffic.move(target)
    try:  # outside the guard: an operator who goes back must not be brought back
        canary.arrived(probe, target.version)
    except CanaryFailed as failure:
        raise GaveUp(f"{failure}. {live_now(subject)} {GaveUp.advice}") from None
    commit = history.provenance(found.description).get("commit", "")
    message = f"Version {target.version} of {subject.name} is live again; version {now.version} was."
    return Outcome(
        env.name, "rolled back", message, 0, target.version, now.version, commit, found.code_sha256,
        seconds=time.monotonic() - start,
    )  # fmt: skip


def _target(subject: Function, now: Alias, version: str | None) -> Alias:
    """The alias to go back to."""
    past = history.previous(now.description)
    if version == now.version or (now.weights and not version):
        return replace(now, weights={})
    if not version and not past:
        raise BadInput(f"No release before version {now.version} is known: name one of `make releases` in VERSION=.")
    number = version or past[0]
    return Alias(number, {}, history.remember(history.after_rollback(now.version, past, number)), "")


def _find(subject: Function, number: str) -> Version:
    """The published version of that number. Raises BadInput if it does not exist (any more)."""
    versions = {each.number: each for each in subject.versions()}
    if number not in versions:
        raise BadInput(f"{subject.name} has no version {number}, it has {', '.join(versions) or 'none'}.")
    return versions[number]
