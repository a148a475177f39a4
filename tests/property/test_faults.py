"""AWS at its worst, by microburst: each call of a release throttled, broken, slow, or cut off before or after it."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ops.package import code_sha256
from ops.release.outcome import NotReleased, Outcome
from ops.release.release import Release
from tests.release_actors import quiet
from tests.release_memory import some
from tests.release_stage import HEALTHY, Stage, StageEnvironment, build_stage, emulator, free_port, process, variant

PATIENT = 10.0  # seconds for an answer: the machine that runs the tests may be busy
BOUND = 150.0  # seconds that a release may take whatever AWS does; it takes 4 undisturbed
ON_THE_FUNCTION = (
    "UpdateAlias",
    "UpdateFunctionCode",
    "PublishVersion",
    "GetFunctionConfiguration",
    "GetAlias",
    "Invoke",
    "ListVersionsByFunction",
    "DeleteFunction",
)
# How microburst recognises each call. It cannot name the last two, which are the only calls on their services.
CALLS = {
    **{name: {"service": "lambda", "operation": name} for name in ON_THE_FUNCTION},
    "GetApis": {"service": "apigateway"},
    "GetMetricData": {"service": "cloudwatch"},
}
FAULTS: dict[str, dict[str, Any]] = {
    "cut-after-it-acted": {"response": {"abort_bytes": 0}, "times": 1},
    "throttled-twice": {"error": {"code": "TooManyRequestsException", "status": 429}, "times": 2},
    "throttled-for-long": {"error": {"code": "TooManyRequestsException", "status": 429}, "times": 12},
    "broken-twice": {"error": {"code": "ServiceException", "status": 500}, "times": 2},
    "broken-for-long": {"error": {"code": "ServiceException", "status": 500}, "times": 12},
    "cut-before-it-acted": {"reset": True, "times": 2},
    "no-answer": {"timeout_ms": 12_000, "times": 1},
}
numbers = itertools.count()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with emulator(tmp_path_factory.mktemp("faults")) as endpoint:
        made = build_stage(endpoint, "dev")
        release(made.env, HEALTHY)
        yield made


@pytest.fixture(scope="module")
def disturbed(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a proxy that breaks what its rules say."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    arguments = ("-m", "microburst", "--upstream", stage.env.url, "--port", endpoint.rpartition(":")[2])
    ready = f"{endpoint}/_microburst/health"
    with process(sys.executable, *arguments, ready=ready, cwd=tmp_path_factory.mktemp("microburst")):
        yield endpoint


def release(env: StageEnvironment, package: bytes) -> Outcome | NotReleased:
    try:
        return Release(package, "c0ffee", "tester", (10,), slowest=PATIENT, keep=1).to(env, quiet)
    except NotReleased as failure:
        return failure


DRILLS = [f"{call} {fault}" for fault in FAULTS for call in CALLS]


@pytest.mark.parametrize("drill", some(DRILLS, few=2, name=""))
def test_a_release_through_a_fault_is_finished_or_put_back(stage: Stage, disturbed: str, drill: str) -> None:
    # Given one kind of call that goes wrong in one way
    call, fault = drill.split()
    rule = {**CALLS[call], **FAULTS[fault]}
    httpx.post(f"{disturbed}/_microburst/rules", json=[rule], timeout=30).raise_for_status()
    httpx.delete(f"{disturbed}/_microburst/fired", timeout=30)
    package, before, version = variant(next(numbers)), stage.alias(), stage.version()
    # When code is released
    start = time.monotonic()
    ended = release(stage.through(disturbed), package)
    seconds = time.monotonic() - start
    # Then the fault was met, and the release is finished or taken back, soon, and says which
    assert httpx.get(f"{disturbed}/_microburst/fired", timeout=30).json(), "the fault never fired"
    assert seconds < BOUND
    if isinstance(ended, Outcome):
        assert stage.version().code_sha256 == code_sha256(package)
        assert (stage.alias().version, stage.alias().weights) == (ended.version, {})
    else:
        assert ended.exit_code in (4, 5, 6)
        assert stage.alias() == before
        assert f"Live is version {version.number}" in str(ended) or "could not be read" in str(ended)
    assert stage.get().status_code == 200
