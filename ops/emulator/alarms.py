"""Let an alarm on a percentile have no plain statistic, as in AWS: MiniStack answers "Average", an endless difference.

Installed by the launcher, inside the emulator's process.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch


def install() -> None:
    """Drop the statistic that MiniStack adds to the alarm it has just stored."""
    put = cloudwatch._put_metric_alarm

    def corrected(params: Any, cbor_data: dict[str, Any], *rest: Any) -> Any:
        answer = put(params, cbor_data, *rest)
        alarm = cloudwatch._alarms.get(cbor_data.get("AlarmName") or cloudwatch._p(params, "AlarmName"))
        if alarm and alarm.get("ExtendedStatistic"):
            alarm["Statistic"] = None
        return answer

    cloudwatch._put_metric_alarm = corrected
