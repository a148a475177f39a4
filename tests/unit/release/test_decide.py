"""The canary's decision: soon if the evidence is clear, and wrong about one time in a thousand."""

from __future__ import annotations

import random

import pytest

from ops.release.decide import ERROR, LIMIT, SequentialTest


def decide(rate: float, chance: random.Random) -> SequentialTest:
    test = SequentialTest()
    while test.verdict is None:
        test.add("failed" if chance.random() < rate else None)
    return test


def test_a_version_that_never_fails_is_accepted_after_73_requests() -> None:
    test = decide(0.0, random.Random(0))
    assert (test.verdict, test.requests) == (True, 73)


def test_a_version_that_always_fails_is_refused_after_3_requests() -> None:
    test = decide(1.0, random.Random(0))
    assert (test.verdict, test.requests) == (False, 3)


def test_one_failed_request_alone_refuses_nothing_and_is_made_up_for_by_25_good_ones() -> None:
    test = SequentialTest()
    test.add("a cold start")
    while test.verdict is None:
        test.add(None)
    assert (test.verdict, test.requests) == (True, 98)


@pytest.mark.parametrize(
    ("rate", "verdict", "most"),
    [(0.01, True, 140), (0.10, False, 110), (0.20, False, 30), (0.50, False, 10)],
)
def test_of_many_versions_hardly_any_is_misjudged_and_few_requests_are_spent(
    rate: float, verdict: bool, most: int
) -> None:
    chance = random.Random(1)
    tests = [decide(rate, chance) for _ in range(4000)]
    wrong = sum(test.verdict is not verdict for test in tests) / len(tests)
    assert wrong <= 3 * ERROR  # three sigma above what the test promises, for 4000 draws
    assert sum(test.requests for test in tests) / len(tests) < most


def test_without_a_decision_in_time_a_version_is_refused() -> None:
    # Given a version in the grey: one request in 26 fails, which moves the evidence neither way
    test = SequentialTest()
    while test.verdict is None:
        test.add("grey" if test.requests % 25 == 0 else None)
    assert (test.verdict, test.requests) == (False, LIMIT)


def test_rates_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="acceptable"):
        SequentialTest(acceptable=0.2, unacceptable=0.1)
