"""One measurement of one handler, in a fresh interpreter: `python -P subject.py DIRECTORY MODULE REQUESTS`.

Prints JSON on stderr (stdout is the handler's log). Nothing is imported before the clock has been read that a handler
would have to import itself.
"""

import sys
import time

EVENT = {
    "version": "2.0",
    "rawPath": "/welcome",
    "rawQueryString": "",
    "headers": {"accept": "application/json"},
    "requestContext": {"requestId": "bench", "stage": "$default", "http": {"method": "GET", "path": "/welcome"}},
    "isBase64Encoded": False,
}


def main() -> None:
    """Import the handler, if one is named, then send it as many requests."""
    directory, module, requests = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if module:
        sys.path.insert(0, directory)
        handler = __import__(module).handler
    result = {"init_cpu": time.process_time()}  # since the process began
    if requests:
        assert handler(EVENT, None)["statusCode"] == 200
        walls = []
        cpu = time.process_time()
        for _ in range(requests):
            start = time.perf_counter()
            handler(EVENT, None)
            walls.append(time.perf_counter() - start)
        result["request_cpu"] = (time.process_time() - cpu) / requests
        result["request_wall"] = sorted(walls)[requests // 2]
    import json
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    result["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps(result), file=sys.stderr)


main()
