"""Fixtures of the function's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service_stage import Service, service


@pytest.fixture
def running() -> Iterator[Service]:
    """The function after a cold start, in front of a table that says Hello."""
    with service() as started:
        yield started
