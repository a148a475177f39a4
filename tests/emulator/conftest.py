"""Fixtures of the tests of plan and apply: see `tests/plan_stage.py`."""

from tests.plan_stage import emulator, live, stage

__all__ = ["emulator", "live", "stage"]
