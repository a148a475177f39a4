"""One step of a release with traffic on the new version: ask until the answer is clear, then move on or back out."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

from ops.release.decide import SequentialTest
from ops.release.function import ALIAS, Function
from ops.release.outcome import CanaryFailed, GaveUp
from ops.release.probe import Probe

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef, MetricDataQueryTypeDef

ONE_IN = 4  # requests that go through the URL; the others go to the new version itself
PROPAGATION = 30.0  # seconds until every API gateway host must have seen a moved alias
METRICS_EVERY = 10.0  # seconds between looks at the metrics while watching users


def watch(probe: Probe, cloudwatch: CloudWatchClient, version: str, seconds: float) -> SequentialTest:
    """Judge `version` by own requests, then for `seconds` by its users. Raises CanaryFailed if it is not good."""
    start = time.monotonic()
    since = datetime.datetime.now(datetime.UTC)
    test = SequentialTest()
    while test.verdict is None:
        _ask(probe, version, test)
    while test.verdict:
        users = _users(cloudwatch, probe.function, version, since)
        if users.verdict is False:
            test = users
        left = seconds - (time.monotonic() - start)
        if not test.verdict or left <= 0:
            break
        time.sleep(min(METRICS_EVERY, left))
        _ask(probe, version, test)
    if not test.verdict:
        raise CanaryFailed(f"{test.failures} of {test.requests} requests failed, the last one: {test.problems[-1]}")
    return test


def arrived(probe: Probe, version: str) -> None:
    """Wait until the URL answers with `version`. Raises CanaryFailed if it answers badly, GaveUp if with another."""
    deadline = time.monotonic() + PROPAGATION
    test = SequentialTest()
    while True:
        answer = probe.users()
        if answer.problem is None and answer.release == version:
            return
        if answer.problem:
            test.add(answer.problem)
            if test.verdict is False:
                raise CanaryFailed(f"The URL fails: {answer.problem}")
        if time.monotonic() > deadline:
            raise GaveUp(f"The URL still answers with version {answer.release} after {PROPAGATION:.0f} s")
        time.sleep(0.2)


def _ask(probe: Probe, version: str, test: SequentialTest) -> None:
    """Count one more request. What another version answers at the URL says nothing about this one."""
    through_url = test.requests % ONE_IN == ONE_IN - 1
    if through_url:
        answer = probe.users()
        if answer.release in (version, None):
            test.add(answer.problem)
            return
    test.add(probe.version(version).problem)


def _users(cloudwatch: CloudWatchClient, function: Function, version: str, since: datetime.datetime) -> SequentialTest:
    """What users met on `version` through the alias since then, as CloudWatch counts it (a minute or two late)."""
    dimensions: list[DimensionTypeDef] = [
        {"Name": "FunctionName", "Value": function.name},
        {"Name": "Resource", "Value": f"{function.name}:{ALIAS}"},
        {"Name": "ExecutedVersion", "Value": version},
    ]
    queries: list[MetricDataQueryTypeDef] = [
        {"Id": name.lower(), "MetricStat": {
            "Metric": {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions},
            "Period": 60, "Stat": "Sum",
        }}
        for name in ("Invocations", "Errors")
    ]  # fmt: skip
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries,
        StartTime=since.replace(second=0, microsecond=0),
        EndTime=datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1),
    )
    counts = {each["Id"]: int(sum(each.get("Values", []))) for each in answer["MetricDataResults"]}
    errors = counts.get("errors", 0)
    test = SequentialTest()
    test.add(None, max(0, counts.get("invocations", 0) - errors))
    test.add(f"CloudWatch counts {errors} errors of users on version {version}", errors)
    return test
