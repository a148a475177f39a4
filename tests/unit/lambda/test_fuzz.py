"""Fuzzing: no event makes the function raise, answer a 5xx, or answer something that is not HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.service_stage import Service, service

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
media_ranges = st.from_regex(
    r"( ?(text|application|\*|x)/(html|plain|json|\*|y)( ?; ?(q|Q|v)=(0|1|0\.5|1\.|\.5|2|x))?,?){0,6}", fullmatch=True
)
tags = st.from_regex(r'((W/|w/)?"?[a-f*\\,]{0,9}"?,? ?){0,9}', fullmatch=True)
headers = st.dictionaries(
    st.sampled_from(["accept", "Accept", "ACCEPT", "if-none-match", "If-None-Match", "cache-control", "x"]),
    media_ranges | tags | st.text(max_size=200) | anything,
    max_size=4,
)
events = anything | st.fixed_dictionaries(
    {},
    optional={
        "rawPath": st.sampled_from(["/welcome", "/dev/welcome", "/"]) | anything,
        "headers": headers | anything,
        "requestContext": anything
        | st.fixed_dictionaries(
            {},
            optional={
                "stage": st.sampled_from(["dev", "$default", ""]) | anything,
                "requestId": anything,
                "http": anything
                | st.fixed_dictionaries(
                    {"method": st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "get"]) | anything}
                ),
            },
        ),
        "body": anything,
    },
)
contexts = st.none() | anything

HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
CLIENT_ERRORS = {404, 405, 406}


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service() as started:
        yield started


@pytest.mark.parametrize("examples", [500, pytest.param(100_000, marks=pytest.mark.long)])
def test_any_event_has_an_http_answer_that_is_no_server_error(running: Service, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @example(event={"headers": {"accept": "\ud800"}, "rawPath": "\ud800"}, context=None)
    @given(events, contexts)
    def answer_is_sound(event: Any, context: Any) -> None:
        response = running.handler.handler(event, context)

        status, body = response["statusCode"], response["body"]
        assert status in {200, 204, 304} | CLIENT_ERRORS
        assert all(HEADER_VALUE.fullmatch(value) for value in response["headers"].values())
        json.dumps(response)
        body.encode()
        if status in {204, 304}:
            assert body == ""
        if status in CLIENT_ERRORS and body:
            assert json.loads(body)["status"] == status

    answer_is_sound()


@pytest.mark.parametrize("examples", [300, pytest.param(20_000, marks=pytest.mark.long)])
def test_any_answer_of_the_table_is_a_message_or_a_store_failure(examples: int) -> None:
    """Given whatever an item may hold, and things that it may not, when it is read, then nothing else comes of it."""
    values = st.text(max_size=100) | st.text(st.characters(categories=["Cs", "Cc", "Zs"]), max_size=5) | anything
    items = st.dictionaries(st.sampled_from(["message", "other"]), st.dictionaries(st.sampled_from("SNB"), values))

    with service(CACHE_TTL_SECONDS="0") as running:

        @settings(max_examples=examples, deadline=None, database=None)
        @given(items | anything)
        def answer_fits(item: Any) -> None:
            # What was read before must not stand in for what cannot be read now.
            running.handler.store._message = None
            running.handler.client.call = lambda *_: {"Item": item}

            response = running.send()

            try:
                text = item["message"]["S"]
                text.encode()
            except (KeyError, TypeError, IndexError, AttributeError, UnicodeEncodeError):
                assert response["statusCode"] in (404, 503)
            else:
                assert response["statusCode"] == 200
                assert json.loads(response["body"]) == {"message": text}

        answer_fits()
