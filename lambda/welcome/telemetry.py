"""One line of JSON a request: a log entry, and metrics in CloudWatch's embedded metric format."""

import json
import time

from store import Reading


def emit(reading: Reading, *, status: int, cold_start: bool, **fields: object) -> None:
    """Write the line: what was read, and the request. Times are in seconds."""
    failed = status >= 500
    metrics: dict[str, float] = {
        "Requests": 1,
        "Errors": int(failed),
        "CacheHits": int(reading.cached),
        "ColdStarts": int(cold_start),
    }
    if reading.latency is not None:
        metrics["StoreLatency"] = reading.latency
    units = [{"Name": name, "Unit": "Seconds" if name == "StoreLatency" else "Count"} for name in metrics]
    directive = {"Namespace": "Welcome", "Dimensions": [["Environment"]], "Metrics": units}
    embedded = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    level = "ERROR" if failed else "WARNING" if reading.error else "INFO"
    known = {"level": level, "status": status, "cold_start": cold_start, "error": reading.error}
    print(json.dumps({**known, **fields, **metrics, "_aws": embedded}))
