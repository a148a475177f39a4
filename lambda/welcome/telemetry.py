"""One line of JSON for each request: a log entry, and metrics in CloudWatch's embedded metric format.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import time
from typing import Any

NAMESPACE = "Welcome"
METRICS = {"Requests": "Count", "Errors": "Count", "CacheHits": "Count", "ColdStarts": "Count", "StoreLatency": "Milliseconds"}


def emit(environment: str, values: dict[str, float], **fields: Any) -> None:
    """Write the line. `values` are metrics of METRICS, `fields` what else a reader of the log wants to know."""
    metrics = [{"Name": name, "Unit": METRICS[name]} for name in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Environment"]], "Metrics": metrics}
    embedded = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps({**fields, "Environment": environment, **values, "_aws": embedded}))
