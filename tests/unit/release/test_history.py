"""What a release writes down: short enough for AWS, and read back as it was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops.release import history

numbers = st.lists(st.integers(1, 10**7).map(str), max_size=12, unique=True).map(tuple)


@given(numbers)
def test_a_history_is_read_back_as_it_was_remembered(versions: tuple[str, ...]) -> None:
    written = history.remember(versions)
    assert len(written) <= 256
    assert history.previous(written) == versions[: history.REMEMBERED]


def test_what_somebody_else_wrote_into_the_alias_is_no_history() -> None:
    assert history.previous("the way in, since 2024") == ()
    assert history.previous(history.INITIAL) == ()


def test_rolling_back_twice_goes_two_releases_back() -> None:
    # Given the releases 3, 5 and 7, of which 7 is live
    past = history.after_release("5", history.after_release("3", ()))
    # When it is rolled back to the one before, twice
    once = history.after_rollback("7", past, past[0])
    twice = history.after_rollback("5", once, once[0])
    # Then 3 is live, and there is nothing before it
    assert (past, once, twice) == (("5", "3"), ("3",), ())


def test_a_version_that_is_not_in_the_history_goes_on_top_of_it() -> None:
    assert history.after_rollback("5", ("3",), "7") == ("5", "3")


@given(st.text(max_size=300))
def test_a_description_fits_into_256_characters_whoever_releases(name: str) -> None:
    written = history.describe("0" * 40 + "+changes", "A" * 43 + "=", history.one_word(name))
    assert len(written) <= 256
    assert history.provenance(written)["sha256"] == "A" * 43 + "="


def test_a_description_that_no_release_wrote_has_no_provenance() -> None:
    assert history.provenance("made by hand") == {}
