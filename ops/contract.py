"""The HTTP contract of the service: data in contract.toml, and the one runner of it, wherever the service is."""

from __future__ import annotations

import functools
import http.client
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from ops.console import log, out, step
from ops.environments import selected
from ops.errors import OpsError
from ops.urls import service_url

PATH = "/welcome"
FILE = Path(__file__).with_suffix(".toml")
TIMEOUT = 35.0  # seconds; API Gateway itself gives up after 30
# What must never be in an answer that reports an error.
LEAKS = re.compile(r"arn:aws|\b\d{12}\b|Traceback|dynamodb|botocore|TableName", re.IGNORECASE)

Event = dict[str, Any]
Invoke = Callable[[Event], Mapping[str, Any]]
Put = Callable[[Mapping[str, Any] | None], None]


@dataclass(frozen=True)
class Case:
    """One line of the contract; contract.toml explains the fields."""

    name: str
    status: int
    method: str = "GET"
    path: str = ""
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    type: str | None = None
    body: Any = None
    contains: str | None = None
    allow: str | None = None
    stored: Any = None
    event: Event | None = None
    without: tuple[str, ...] = ()
    gateway: bool = False

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The header lines to send."""
        values = {name: [value] if isinstance(value, str) else value for name, value in self.headers.items()}
        return [(name, value) for name in values for value in values[name]]

    @property
    def needs_event(self) -> bool:
        """Whether only an event can say this, and no HTTP request."""
        return self.event is not None or bool(self.without)


@dataclass(frozen=True)
class Answer:
    """A response; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


@functools.cache
def _table() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@functools.cache
def cases() -> tuple[Case, ...]:
    """All cases of the contract."""
    return tuple(Case(**_expanded(dict(entry))) for entry in _table()["case"])


def headers_of(status: int) -> dict[str, str]:
    """The headers that every answer with this status has, with a regular expression of the value."""
    return {**_table()["always"], **_table()["status"].get(str(status), {})}


def _expanded(entry: dict[str, Any]) -> dict[str, Any]:
    repeat = entry.pop("repeat", None)
    text = json.dumps(entry)
    if repeat:
        text = text.replace("{long}", json.dumps(repeat["text"] * repeat["times"])[1:-1])
    expanded: dict[str, Any] = json.loads(text)
    return expanded


def event(method: str, path: str = PATH, query: str = "", headers: Mapping[str, str] | None = None) -> Event:
    """An event of an HTTP API (payload 2.0), as far as the function looks at it."""
    return {
        "version": "2.0",
        "routeKey": f"ANY {PATH}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": dict(headers or {}),
        "requestContext": {
            "stage": "dev",
            "requestId": "contract",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        },
        "isBase64Encoded": False,
    }


def check(invoke: Invoke, put: Put | None = None) -> list[str]:
    """Run the contract by events and return what is wrong, one sentence each.

    `invoke` hands an event to the function and returns its response. `put` stores an item's attributes (None: removes
    the item); without it, the cases that need an item of their own are left out.
    """
    results = run(by_event(invoke), [case for case in cases() if put or not case.stored], put)
    return [problem for _, problems in results for problem in problems]


def check_url(url: str, put: Put | None = None) -> list[str]:
    """Run the contract against a URL, like `check`; the cases that only an event can say are left out."""
    return [problem for _, problems in run_url(url, put) for problem in problems]


def run_url(url: str, put: Put | None = None) -> Iterator[tuple[Case, list[str]]]:
    """Each case that can be run against a URL, with what is wrong."""
    possible = [case for case in cases() if not case.needs_event and (put or not case.stored)]
    # Over HTTP, what the gateway answers itself is compared by its status only.
    return run(by_http(url), possible, put, trusted=lambda case: not case.gateway)


def run(
    send: Callable[[Case], Answer],
    chosen: list[Case],
    put: Put | None,
    trusted: Callable[[Case], bool] = lambda case: True,
) -> Iterator[tuple[Case, list[str]]]:
    """Send the chosen cases one after the other and judge the answers."""
    for case in chosen:
        if case.stored and put:
            _store(case, send, put)
            # The function may hold an earlier message.
            case = replace(case, headers={**case.headers, "Cache-Control": "no-cache"})  # noqa: PLW2901
        answer = send(_with_etag(case, send))
        problems = judge(case, answer) if trusted(case) else _expect("status", case.status, answer.status)
        yield case, [f"{case.name}: {problem}" for problem in problems]


def _store(case: Case, send: Callable[[Case], Answer], put: Put) -> None:
    if case.status >= http.client.INTERNAL_SERVER_ERROR:
        # Or else the function would rather use the last good message.
        put(None)
        send(Case("forget", 404, headers={"Cache-Control": "no-cache"}))
    put(None if case.stored == "none" else case.stored)


def _with_etag(case: Case, send: Callable[[Case], Answer]) -> Case:
    """The case with the entity tag that its request gets without a condition."""
    if not any("{etag}" in value for _, value in case.lines):
        return case
    plain = replace(case, headers={name: value for name, value in case.headers.items() if name != "If-None-Match"})
    etag = send(plain).headers.get("etag", "")
    condition = str(case.headers["If-None-Match"]).replace("{etag}", etag)
    return replace(case, headers={**case.headers, "If-None-Match": condition})


def by_event(invoke: Invoke) -> Callable[[Case], Answer]:
    """What sends a case as an event."""

    def send(case: Case) -> Answer:
        path, _, query = case.path.partition("?")
        joined = {"User-Agent": "contract"}
        for name, value in case.lines:  # API Gateway joins lines of one name
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        message = {**event(case.method, PATH + path, query, joined), **(case.event or {})}
        response = invoke({name: value for name, value in message.items() if name not in case.without})
        headers = {name.lower(): value for name, value in response.get("headers", {}).items()}
        return Answer(response.get("statusCode", 0), headers, response.get("body", ""))

    return send


def by_http(url: str) -> Callable[[Case], Answer]:
    """What sends a case as a request to a URL."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT)

    def send(case: Case) -> Answer:
        # http.client and not httpx: it sends these headers and no others, in as many lines.
        connection.putrequest(case.method, parts.path + case.path, skip_accept_encoding=True)
        for name, value in [("User-Agent", "contract"), *case.lines]:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read().decode(errors="backslashreplace")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    return send


def judge(case: Case, answer: Answer) -> list[str]:
    """What is wrong with an answer of the function."""
    problems = _expect("status", case.status, answer.status)
    for name, pattern in headers_of(answer.status).items():
        value = answer.headers.get(name.lower(), "")
        if not re.fullmatch(pattern, value):
            problems.append(f"header {name} is '{value}' and not like '{pattern}'")
    if case.allow:
        problems += _expect("header Allow", case.allow, answer.headers.get("allow"))
    if "warning" in answer.headers:
        problems.append(f"the answer is stale: {answer.headers['warning']}")
    silent = case.method == "HEAD" or answer.status in (http.client.NO_CONTENT, http.client.NOT_MODIFIED)
    if silent:
        problems += _expect("body", "", answer.body)
    if answer.status >= http.client.BAD_REQUEST:
        return problems + _judge_problem(answer, silent)
    if case.type:
        problems += _expect("Content-Type", case.type, answer.headers.get("content-type"))
    return problems if silent else problems + _judge_body(case, answer)


def _judge_body(case: Case, answer: Answer) -> list[str]:
    problems = []
    content: Any = answer.body
    if case.type == "application/json":
        try:
            content = json.loads(answer.body)
        except ValueError:
            return [f"the body is not JSON: {answer.body[:80]}"]
        if not (isinstance(content, dict) and content.keys() == {"message"} and isinstance(content["message"], str)):
            problems.append(f"the body is not an object with a message alone: {answer.body[:80]}")
    if case.body is not None:
        problems += _expect("body", case.body, content)
    if case.contains and case.contains not in answer.body:
        problems.append(f"the body does not contain '{case.contains[:80]}'")
    return problems


def _judge_problem(answer: Answer, silent: bool) -> list[str]:
    """Whether an error is described by RFC 9457 and gives nothing away."""
    problems = _expect("Content-Type", "application/problem+json", answer.headers.get("content-type"))
    problems += _expect("Cache-Control", "no-store", answer.headers.get("cache-control"))
    if found := LEAKS.search(answer.body + json.dumps(dict(answer.headers))):
        problems.append(f"the answer gives '{found[0]}' away")
    if silent:
        return problems
    try:
        content = json.loads(answer.body)
    except ValueError:
        return [*problems, f"the body is not JSON: {answer.body[:80]}"]
    expected = {
        "type": "about:blank",
        "title": http.client.responses.get(answer.status),
        "status": answer.status,
        "instance": answer.headers.get("x-request-id"),
    }
    for name, value in expected.items():
        problems += _expect(f"problem's {name}", value, content.get(name))
    return problems if content.get("detail") else [*problems, "the problem has no detail"]


def _expect(what: str, expected: object, found: object) -> list[str]:
    return [] if expected == found else [f"{what} is {_short(found)} and should be {_short(expected)}"]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 100 else f"{text[:80]}… ({len(text)} characters)"


@click.command()
@click.option("--url", help="Where the service answers; without it, the environments' own URLs.")
@click.option("--env", "name", help="The environment; without it, all of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the results for a program.")
def contract(url: str | None, name: str | None, as_json: bool) -> None:
    """Check the HTTP contract against a running service, without writing to its table."""
    urls = [url] if url else [service_url(env) for env in selected(name)]
    results = {}
    for each in urls:
        with step(f"contract of {each}"):
            try:
                found = list(run_url(each))
            except (OSError, http.client.HTTPException) as error:
                raise OpsError(f"{each} does not answer ({error}): is it up? `make status` tells.") from error
        results[each] = {"cases": len(found), "problems": [problem for _, problems in found for problem in problems]}
        log.print(f"{len(found)} of {len(cases())} cases can be asked for over HTTP", markup=False)
    if as_json:
        out.print_json(json.dumps(results))
    broken = [problem for result in results.values() for problem in result["problems"]]  # type: ignore[attr-defined]
    if broken:
        raise OpsError("\n".join([f"{len(broken)} breaches of the contract:", *broken]))
    log.print("the contract holds", style="green")
