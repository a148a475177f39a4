"""What the function costs beside the ways in which others write it: cold start, requests, memory, package.

Each figure is the least of several runs in fresh processes, one subject after the other in each round, so that a busy
machine disturbs all alike. CPU time is what counts: Lambda turns it into latency and money. Wall time depends on what
else the machine does.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from ops.contract import event
from ops.errors import OpsError
from ops.package import build, pack
from ops.paths import ROOT

ROUNDS = 7
REQUESTS = 500
PATIENCE = 60.0  # seconds for one measurement
BASELINES = ROOT / "tests" / "bench"
SUBJECT = Path(__file__).with_name("subject.py")
Answers = queue.Queue[tuple[float, dict[str, Any]]]
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_NAME": "welcome-dev",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_REGION": "eu-central-1",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "CACHE_TTL_SECONDS": "0",
    "ENVIRONMENT": "dev",
    "MESSAGE_KEY": "welcome",
    "POWERTOOLS_SERVICE_NAME": "welcome",
    "TABLE_NAME": "welcome-dev",
}


@dataclass(frozen=True)
class Subject:
    """One way to write the function: a name for people, its files, and the module with the handler."""

    name: str
    package: bytes
    module: str
    extra_bytes: int = 0  # of dependencies that the runtime does not bring


@dataclass(frozen=True)
class Budget:
    """A promise about this service: `measured` may not be above `limit`."""

    name: str
    measured: float
    limit: float

    @property
    def kept(self) -> bool:
        return self.measured <= self.limit


def subjects() -> list[Subject]:
    """This service first, then what it is measured against. Raises OpsError if a dependency is not installed."""
    powertools = find_spec("aws_lambda_powertools")
    if powertools is None or powertools.origin is None:
        raise OpsError(
            "aws-lambda-powertools is not installed: it is in ops/tools/requirements-ops.in, run `make lock`."
        )
    bundled = sum(file.stat().st_size for file in Path(powertools.origin).parent.rglob("*.py"))
    return [
        Subject("this service", build(), "handler"),
        _baseline("boto3 resource (proof of concept)", "poc_resource"),
        _baseline("boto3 client", "boto3_client"),
        _baseline("Powertools and boto3", "powertools_resolver", bundled),
    ]


def _baseline(name: str, module: str, extra_bytes: int = 0) -> Subject:
    source = (BASELINES / f"{module}.py").read_bytes()
    return Subject(name, pack({f"{module}.py": source}), module, extra_bytes)


def rows() -> list[dict[str, Any]]:
    """One row a subject, in seconds and bytes. `request_…` reads the table each time, `cached_…` does not have to."""
    found = subjects()
    with tempfile.TemporaryDirectory() as directory, _table() as endpoint:
        places = {each.name: _unpack(each, Path(directory) / each.module) for each in found}
        empty = min(_measure(places[found[0].name], "", 0, "")["init_cpu"] for _ in range(ROUNDS))
        samples: dict[str, list[dict[str, float]]] = {each.name: [] for each in found}
        for _ in range(ROUNDS):
            for each in found:
                samples[each.name].append(_sample(each, places[each.name], endpoint))
    return [_row(each, samples[each.name], empty) for each in found]


def _sample(subject: Subject, place: Path, endpoint: str) -> dict[str, float]:
    # With an address that refuses at once, the cold start includes what TLS needs and no network.
    sample = {"init_cpu": _measure(place, subject.module, 0, "https://127.0.0.1:1")["init_cpu"]}
    reading = _measure(place, subject.module, REQUESTS, endpoint)
    sample |= {name: reading[name] for name in ("request_cpu", "request_wall", "peak_memory")}
    cached = _measure(place, subject.module, REQUESTS, endpoint, CACHE_TTL_SECONDS="3600")
    sample |= {f"cached_{name}": cached[f"request_{name}"] for name in ("cpu", "wall")}
    sample["first_answer"] = _first_answer(subject, place, endpoint)
    return sample


def _row(subject: Subject, samples: list[dict[str, float]], empty: float) -> dict[str, Any]:
    best = {name: min(sample[name] for sample in samples) for name in samples[0]}
    best["init_cpu"] -= empty
    return {"subject": subject.name, **best, "package_bytes": len(subject.package) + subject.extra_bytes}


def budgets(measured: list[dict[str, Any]]) -> list[Budget]:
    """What the service promises, with what was measured."""
    service, resource, client, _ = measured
    return [
        Budget("cold start: CPU beside the boto3 resource", service["init_cpu"] / resource["init_cpu"], 1 / 6),
        Budget("cold start: CPU beside the boto3 client", service["init_cpu"] / client["init_cpu"], 1 / 5),
        Budget("read: CPU beside the boto3 client", service["request_cpu"] / client["request_cpu"], 1 / 5),
        Budget("request from memory: CPU in seconds", service["cached_cpu"], 150e-6),
        Budget("package: bytes", service["package_bytes"], 24_000),
    ]


def _unpack(subject: Subject, place: Path) -> Path:
    with zipfile.ZipFile(BytesIO(subject.package)) as package:
        package.extractall(place)
    return place


def _environ(endpoint: str, **more: str) -> dict[str, str]:
    # No compiled files are written, as in Lambda with its read-only directory: each cold start compiles the source.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return {**kept, **ENVIRON, "AWS_ENDPOINT_URL": endpoint, "PYTHONDONTWRITEBYTECODE": "1", **more}


def _measure(place: Path, module: str, requests: int, endpoint: str, **more: str) -> dict[str, float]:
    command = [sys.executable, "-P", str(SUBJECT), str(place), module, str(requests)]
    done = subprocess.run(
        command,
        env=_environ(endpoint, **more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise OpsError(f"The bench of {module} failed: {done.stderr.strip()[-500:]}")
    result: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    return result


@contextlib.contextmanager
def _table() -> Iterator[str]:
    command = [sys.executable, "-m", "ops.bench.table"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _first_answer(subject: Subject, place: Path, endpoint: str) -> float:
    """Seconds from the start of the Lambda runtime's own client until the first answer is in."""
    with _runtime_api() as (address, answers):
        environ = _environ(
            endpoint, AWS_LAMBDA_RUNTIME_API=address, LAMBDA_TASK_ROOT=str(place), PYTHONPATH=_path(place)
        )
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "awslambdaric", f"{subject.module}.handler"],
            cwd=place,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answered, response = answers.get(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
    if response.get("statusCode") != http.HTTPStatus.OK:
        raise OpsError(f"{subject.name} answered {response} through the runtime interface.")
    return answered - start


def _path(place: Path) -> str:
    return os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))


class _RuntimeApi(http.server.BaseHTTPRequestHandler):
    """The part of Lambda that a runtime asks for its next event, for one event.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self, *connection: Any, events: queue.Queue[bytes], answers: Answers) -> None:
        self._events, self._answers = events, answers
        super().__init__(*connection)

    def do_GET(self) -> None:
        body = self._events.get()
        if not body:
            return  # the bench is over, and so is the runtime that waits for another event
        headers = {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",  # without it the runtime's client crashes
            "Lambda-Runtime-Aws-Request-Id": "bench",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 5000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:111111111111:function:welcome-dev",
        }
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answers.put((time.perf_counter(), content))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the table of results is the output."""


@contextlib.contextmanager
def _runtime_api() -> Iterator[tuple[str, Answers]]:
    events: queue.Queue[bytes] = queue.Queue()
    answers: Answers = queue.Queue()
    events.put(json.dumps(event("GET", "/dev/welcome", headers={"accept": "application/json"})).encode())
    handler = functools.partial(_RuntimeApi, events=events, answers=answers)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", answers
        events.put(b"")
        server.shutdown()


if __name__ == "__main__":
    measured = rows()
    print(json.dumps(measured, indent=2))
    for budget in budgets(measured):
        print(f"{'kept' if budget.kept else 'BROKEN'}: {budget.name}: {budget.measured:.6g}, limit {budget.limit:.6g}")
