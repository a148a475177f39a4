"""One line of JSON a request: a log entry, and metrics in CloudWatch's embedded metric format."""

import json
import time
from typing import Any

from store import Reading


def emit(reading: Reading, **fields: Any) -> None:
    """Write the line: `fields` and what was read. Times are in seconds."""
    failed = fields["status"] >= 500
    metrics: dict[str, float] = {
        "Requests": 1,
        "Errors": int(failed),
        "CacheHits": int(reading.cached),
        "ColdStarts": int(fields["cold_start"]),
    }
    if reading.latency is not None:
        metrics["StoreLatency"] = reading.latency
    units = [{"Name": name, "Unit": "Seconds" if name == "StoreLatency" else "Count"} for name in metrics]
    directive = {"Namespace": "Welcome", "Dimensions": [["Environment"]], "Metrics": units}
    embedded = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    level = "ERROR" if failed else "WARNING" if reading.error else "INFO"
    print(json.dumps({"level": level, **fields, "error": reading.error, **metrics, "_aws": embedded}))
