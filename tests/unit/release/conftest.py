"""Fixtures of the release tests."""

from tests.release_memory import in_memory

__all__ = ["in_memory"]
