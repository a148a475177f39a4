"""One release: small steps, each of which the next run may repeat after a crash."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.environments import Environment
from ops.package import build, code_sha256
from ops.release import canary, history, smoke
from ops.release.function import UNPUBLISHED, Alias, Version
from ops.release.guard import guarded
from ops.release.outcome import LostRace, Outcome
from ops.release.probe import Probe
from ops.release.publish import prune, publish, settled, upload
from ops.release.traffic import Traffic

Step = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Release:
    """What to release and how: percentages of users on the way to 100, and limits."""

    package: bytes
    commit: str
    who: str
    steps: tuple[int, ...] = (10, 50)
    watch: float = 0.0  # seconds that users are watched at each step, beside the release's own requests
    slowest: float = 1.0  # seconds
    keep: int = 5  # versions
    architecture: str | None = None  # None: the one that is live

    @classmethod
    def of_checkout(cls, env: Environment, **how: Any) -> Release:
        """The code that is checked out, released as `how` says: the fields from `steps` on."""
        return cls(build(), history.current_commit(), history.who(env), **how)

    def to(self, env: Environment, step: Step) -> Outcome:
        """Make the package, and the configuration that Terraform applied last, live in `env`.

        Raises NotReleased (LostRace, SmokeFailed, CanaryFailed or GaveUp); its message names what is live then.
        """
        start = time.monotonic()
        with guarded(env) as traffic:
            outcome = self._run(env, traffic, step)
        if outcome.outcome == "released":
            _prune(traffic, self.keep)
        return replace(outcome, seconds=time.monotonic() - start)

    def _run(self, env: Environment, traffic: Traffic, step: Step) -> Outcome:
        subject, digest = traffic.function, code_sha256(self.package)
        probe = Probe.of(env, subject, self.slowest)
        latest = settled(subject)
        self._tidy(traffic, latest, step)
        live = subject.version(traffic.now.version)
        architecture = self.architecture or live.architecture
        if _same(live, latest, digest, architecture):
            message = f"Version {live.number} of {subject.name} is this package already; nothing to do."
            return Outcome(env.name, "already live", message, 0, live.number, "", self.commit, digest)
        with step(f"uploading {len(self.package)} bytes"):
            latest = upload(subject, self.package, architecture, latest)
        with step("publishing a version"):
            new = publish(subject, latest, history.describe(self.commit, digest, self.who)).number
        with step(f"smoke test of version {new}"):
            smoke.keeps_contract(probe, new)
        requests = self._shift(env, probe, traffic, new, step)
        message = f"Version {new} of {subject.name} is live, version {live.number} was; `make rollback` goes back."
        return Outcome(env.name, "released", message, 0, new, live.number, self.commit, digest, requests)

    def _tidy(self, traffic: Traffic, latest: Version, step: Step) -> None:
        """Undo what a killed release left, and pin an alias that follows `$LATEST`, which uploads would change."""
        if traffic.now.weights:
            with step("putting back an alias that a killed (or still running) release left half moved"):
                traffic.accept(replace(traffic.now, weights={}))
        if traffic.now.version == UNPUBLISHED:
            with step("pinning the alias to a version of what it serves"):
                if traffic.function.alias() != traffic.now:  # `latest` was read later: is it still what users have?
                    raise LostRace("Another release moved the alias")
                first = publish(traffic.function, latest, history.INITIAL)
                traffic.accept(Alias(first.number, {}, history.INITIAL, ""))

    def _shift(self, env: Environment, probe: Probe, traffic: Traffic, new: str, step: Step) -> int:
        """Move users to version `new` in steps; returns how many requests of its own that took."""
        cloudwatch, requests, replaced = env.client("cloudwatch"), 0, traffic.now
        unreleased = replaced.description == history.INITIAL  # nobody is served yet, and nothing worth going back to
        for percent in () if unreleased else self.steps:
            with step(f"{percent} % of users on version {new}"):
                traffic.move(replaced.sharing(new, percent))
                requests += canary.watch(probe, cloudwatch, new, self.watch).requests
        past = () if unreleased else history.after_release(replaced.version, history.previous(replaced.description))
        with step(f"all users on version {new}"):
            traffic.move(Alias(new, {}, history.remember(past), ""))
            canary.arrived(probe, new)
            requests += canary.watch(probe, cloudwatch, new, 0).requests
        return requests


def _same(live: Version, latest: Version, digest: str, architecture: str) -> bool:
    """Whether users have this code, architecture and configuration already, as a published version."""
    return (live.code_sha256, live.architecture) == (digest, architecture) and (
        live.configuration == latest.configuration
    )


def _prune(traffic: Traffic, keep: int) -> None:
    """Delete old versions. The release is complete by now: what cannot be deleted is left for the next one."""
    try:
        prune(traffic.function, traffic.now, keep)
    except (BotoCoreError, ClientError) as error:
        logging.getLogger(__name__).warning("old versions could not be deleted: %s", error)
