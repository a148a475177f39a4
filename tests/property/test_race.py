"""Two releases at once, as two people would start them, on the emulator behind a gate that enforces every condition."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator

import pytest

from ops.package import code_sha256
from ops.release.outcome import LostRace, NotReleased, Outcome
from ops.release.release import Release
from tests.gate import Gate, standing
from tests.release_actors import quiet
from tests.release_memory import some
from tests.release_stage import HEALTHY, Stage, build_stage, emulator, variant

PATIENT = 10.0  # seconds for an answer: the machine that runs the tests may be busy
numbers = itertools.count()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with emulator(tmp_path_factory.mktemp("race")) as upstream:
        made = build_stage(upstream, "dev")
        with standing(Gate(upstream, made.client)) as endpoint:
            made = Stage(made.through(endpoint), made.api)
            release(made, HEALTHY)
            yield made


def release(stage: Stage, package: bytes) -> Outcome | NotReleased:
    try:
        return Release(package, "c0ffee", "tester", (10,), slowest=PATIENT).to(stage.env, quiet)
    except NotReleased as failure:
        return failure


@pytest.mark.parametrize("seed", some(range(50), few=2))
def test_of_two_releases_started_at_random_offsets_one_wins_and_the_other_exits_3(stage: Stage, seed: int) -> None:
    # Given two releases of different code, the second of which starts while the first is under way
    packages = [variant(next(numbers)) for _ in range(2)]
    offset = random.Random(seed).uniform(0, 3.0)  # seconds; a release takes four or more
    ended: list[Outcome | NotReleased | None] = [None, None]

    def run(index: int) -> None:
        time.sleep(index * offset)
        ended[index] = release(stage, packages[index])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    # Then one of them is live, whole, and the other knows that it is not
    won = [index for index, end in enumerate(ended) if isinstance(end, Outcome)]
    lost = [end for end in ended if isinstance(end, LostRace)]
    assert (len(won), len(lost)) == (1, 1), ended
    assert lost[0].exit_code == 3
    assert stage.version().code_sha256 == code_sha256(packages[won[0]])
    assert stage.alias().weights == {}
    assert stage.get().headers["x-release"] == stage.alias().version
