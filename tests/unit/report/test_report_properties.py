"""Whatever a plan holds, the report keeps its promises."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

from ops.report import markdown, terminal
from ops.report.changes import outputs, read
from ops.report.model import Report, Status, Unit, as_json
from ops.report.secrets import scrub, secret_value

GITHUB_LIMIT = 65_536
PLANTED = "kUq7Zr2Xw9Lm4Tb6Vn8P"  # looks random, and does not occur by chance

# Text that tries to get out of where it stands.
HOSTILE = st.sampled_from(
    [
        "```\n@everyone **bold**", "````", "`", "~~~", "</code></summary><script>alert(1)</script>", "@octocat", "#123",
        "| a | b |", "\n\n# heading", "<!-- marker -->", "](https://evil.example)", "![x](https://evil.example/x.png)",
        "\u202egnp.exe", "\x1b[2J", "a\r\nb", "\x00", "🙂" * 30, "</details>", "&lt;", "\\", "$$x$$", "http://evil.example",
    ]
)  # fmt: skip
TEXT = st.one_of(st.text(max_size=30), HOSTILE, st.builds(lambda a, b: a + b, HOSTILE, HOSTILE))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-10, 10_000), TEXT)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=8
)
NAMES = st.one_of(st.sampled_from(["id", "arn", "name", "tags", "policy"]), TEXT)
ATTRIBUTES = st.dictionaries(NAMES, VALUES, max_size=6)
ACTIONS = st.sampled_from(
    [["no-op"], ["read"], ["create"], ["update"], ["delete"], ["delete", "create"], ["create", "delete"], ["forget"]]
)
TYPES = st.sampled_from(["aws_dynamodb_table", "aws_lambda_function", "aws_iam_role", "terraform_data"])


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    actions = draw(ACTIONS)
    before = None if actions == ["create"] else draw(ATTRIBUTES)
    after = None if actions in (["delete"], ["forget"]) else before if actions == ["no-op"] else draw(ATTRIBUTES)
    unknown = draw(st.dictionaries(st.sampled_from(["id", "arn", "tags"]), st.booleans())) if after is not None else {}
    return {
        "actions": actions, "before": before, "after": after, "after_unknown": unknown,
        "before_sensitive": {}, "after_sensitive": {},
    }  # fmt: skip


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    kind, name = draw(TYPES), draw(TEXT)
    return {"address": f'{kind}.this["{name}"]', "type": kind, "mode": "managed", "change": draw(changes())}


def plan(resource_changes: list[dict[str, Any]], output_changes: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"format_version": "1.2", "resource_changes": resource_changes, "output_changes": output_changes or {}}


STATUSES: st.SearchStrategy[Status] = st.sampled_from(["planned", "planned", "deferred", "failed", "refused"])


@st.composite
def reports(draw: st.DrawFn, most_resources: int = 6) -> Report:
    units = []
    for _ in range(draw(st.integers(0, 4))):
        status = draw(STATUSES)
        found = read(plan(draw(st.lists(resources(), max_size=most_resources)))) if status == "planned" else ()
        units.append(Unit(draw(TEXT), draw(TEXT), status, draw(TEXT), found))
    return Report(tuple(units), draw(TEXT))


def every_form(report: Report) -> dict[str, str]:
    screen = Console(file=io.StringIO(), width=100, color_system=None)
    terminal.show(report, screen)
    return {
        "comment": markdown.render(report, title="Plan"),
        "small": markdown.render(report, title="Plan", budget=9_000),
        "summary": markdown.render(report, title="Plan", budget=markdown.JOB_SUMMARY),
        "json": json.dumps(as_json(report), ensure_ascii=False),
        "terminal": screen.file.getvalue(),  # type: ignore[attr-defined]
    }


def active_text(body: str) -> tuple[str, str]:
    """What GitHub would act on: the text outside of code, and the HTML that is let through. From a real parser."""
    tokens: list[Token] = []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(body):
        tokens += token.children or [token]
    text = " ".join(token.content for token in tokens if token.type == "text")
    markup = " ".join(token.content for token in tokens if token.type in ("html_block", "html_inline"))
    links = [token for token in tokens if token.type in ("link_open", "image", "autolink")]
    assert not links, f"a value became a link: {links}"
    return text, markup


SLOW = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))


@SLOW
@given(reports())
def test_a_report_of_any_plan_is_inert(report: Report) -> None:
    """Given hostile names, values and notes, nothing of them is markup, a mention, a link or a heading."""
    body = markdown.render(report, title="Plan")
    text, markup = active_text(body)
    for trace in ("@", "evil.example", "#123", "$$", "marker"):
        assert trace not in text
    outside = re.sub(r"<code>.*?</code>", "", markup)  # GitHub leaves the inside of <code> alone
    assert not re.sub(r"</?(?:details(?: open)?|summary|sub|code)>|[\w\s·,…±⊘←→~+-]|\b\d+\b", "", outside)
    assert outside.count("<details") == outside.count("</details>") == outside.count("<summary>")


@SLOW
@given(reports())
def test_a_terminal_gets_no_control_character(report: Report) -> None:
    """Given escape sequences and right-to-left marks in a plan, the terminal shows them as text."""
    shown = every_form(report)["terminal"]
    assert not set(shown) & set("\x1b\x00\r\u202e\x07\x08")


@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
@given(reports(), st.integers(60, 200), st.integers(100, 1500), st.sampled_from(["x", "é", "🙂", "`", "\n", "|"]))
def test_a_report_of_any_size_fits_and_keeps_its_summary(
    report: Report, number: int, length: int, character: str
) -> None:
    """Given many and long changes in many units, the comment fits, and says all counts and the worst first."""
    # Given
    huge = [
        {"address": f"aws_dynamodb_table.this[{index}]{character * length}", "type": "aws_dynamodb_table",
         "change": {"actions": ["delete"], "before": {"id": f"{index}", "x": character * length}, "after": None}}
        for index in range(number)
    ]  # fmt: skip
    few = read(plan(huge[:3]))
    many = [Unit("dev", f"unit-{index}{character * length}", "planned", "", few) for index in range(200)]
    report = Report((*report.units, *many, Unit("prod", "welcome", "planned", "", read(plan(huge)))), report.commit)
    for budget in (markdown.COMMENT, 20_000):
        # When
        body = markdown.render(report, title="Plan", budget=budget)
        # Then
        assert len(body) < GITHUB_LIMIT
        assert markdown.size(body) <= budget
        assert f"**{report.counts['destroy']:,} to destroy**" in body
        assert "hold data that no apply brings back" in body
        assert "more" in body


@SLOW
@given(st.lists(resources(), max_size=8))
def test_destroys_come_first(found: list[dict[str, Any]]) -> None:
    """Given changes in any order, then what destroys stands before what updates, and that before what creates."""
    order = [change.action for change in read(plan(found))]
    assert order == sorted(order, key=["destroy", "replace", "forget", "update", "create"].index)


SECRET_NAMES = st.sampled_from(
    ["password", "DB_PASSWORD", "apiKey", "client_secret", "authToken", "private_key", "AWS_SECRET_ACCESS_KEY", "dsn"]
)
SECRET_FORMS = st.sampled_from(
    [
        "AKIAIOSFODNN7EXAMPLE", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "postgres://root:hunter2hunter2@db/x",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE", "xoxb-17653285143-abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln",
        "Bearer abcdefgh12345678", "export TOKEN=abcd1234efgh", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    ]
)  # fmt: skip


def leak(name: str, value: Any, where: str) -> dict[str, Any]:
    """A resource with a secret in one of the places where they are found in the wild."""
    after: dict[str, Any] = {
        "attribute": {name: value},
        "map": {"environment": [{"variables": {name: value}}]},
        "pair": {"container_definitions": json.dumps([{"environment": [{"name": name, "value": value}]}])},
        "list": {"settings": [{"Key": name, "Value": value, "enabled": True}]},
        "json": {"policy": json.dumps({"a": [{name: {"inner": value}}]})},
    }[where]
    return {
        "address": "aws_ecs_task_definition.this", "type": "aws_ecs_task_definition", "mode": "managed",
        "change": {"actions": ["create"], "before": None, "after": after, "after_unknown": {}},
    }  # fmt: skip


PLACES = st.sampled_from(["attribute", "map", "pair", "list", "json"])
# A value that nothing but its name or its mark gives away.
PLAIN = st.builds(lambda text: f"zq{text}qz", st.text(alphabet="bcdfghjklmnp", min_size=6, max_size=14))


@settings(deadline=None, max_examples=60)
@given(SECRET_NAMES, PLAIN, PLACES)
def test_a_value_with_a_secret_name_is_in_no_output(name: str, value: str, where: str) -> None:
    """Given a value that no schema marks, but whose name says what it is, then no form of the report has it."""
    report = Report((Unit("dev", "welcome", "planned", "", read(plan([leak(name, value, where)]))),))
    for form, text in every_form(report).items():
        assert value not in text, f"in the {form} form"


@settings(deadline=None, max_examples=60)
@given(SECRET_FORMS, PLACES, st.sampled_from(["", "url: ", "#!/bin/sh\n"]))
def test_a_value_in_the_form_of_a_secret_is_in_no_output(value: str, where: str, prefix: str) -> None:
    """Given a key, token or password in a value with an innocent name, then no form of the report has it."""
    report = Report((Unit("dev", "welcome", "planned", "", read(plan([leak("setting", prefix + value, where)]))),))
    for form, text in every_form(report).items():
        assert value not in text, f"in the {form} form"
        assert json.dumps(value)[1:-1] not in text, f"in the {form} form"


@SLOW
@given(st.lists(resources(), max_size=3), PLAIN, st.sampled_from(["before", "after"]), st.booleans())
def test_a_sensitive_value_is_in_no_output_wherever_else_it_stands(
    found: list[dict[str, Any]], value: str, side: str, whole: bool
) -> None:
    """Given a value marked sensitive in one attribute, then it is hidden there and wherever a provider repeats it."""
    # Given
    other = "before" if side == "after" else "after"
    marked = {
        "address": "aws_db_instance.this", "type": "aws_db_instance", "mode": "managed",
        "change": {"actions": ["update"], side: {"opaque": {"inner": value}}, other: {"opaque": {"inner": "old"}},
                   f"{side}_sensitive": {"opaque": True if whole else {"inner": True}}, "after_unknown": {}},
    }  # fmt: skip
    repeated = {
        "address": f'aws_x.this["{value}"]', "type": "aws_x", "mode": "managed",
        "change": {"actions": ["create"], "before": None, "after": {"endpoint": f"https://{value}/", value: [value]}},
    }  # fmt: skip
    shown = plan([*found, marked, repeated], {"url": {"actions": ["create"], "before": None, "after": [value]}})
    # When
    report = Report((Unit("dev", "welcome", "planned", "", read(shown), outputs(shown)),))
    # Then
    for form, text in every_form(report).items():
        assert value not in text, f"in the {form} form"


@settings(deadline=None, max_examples=60)
@given(SECRET_NAMES, PLAIN, PLACES, st.sampled_from(["unknown", "text", "absent"]))
def test_a_secret_that_goes_away_is_in_no_output(name: str, value: str, where: str, then: str) -> None:
    """Given a secret, in JSON as well, that becomes unknown, another kind of value or nothing, then it is not shown."""
    found = leak(name, value, where)
    before = found["change"]["after"]
    after = dict.fromkeys(before, "a sentence" if then == "text" else None)
    found["change"] |= {"actions": ["update"], "before": before, "after": after}
    if then == "unknown":
        found["change"]["after_unknown"] = dict.fromkeys(before, True)
    report = Report((Unit("dev", "welcome", "planned", "", read(plan([found]))),))
    for form, text in every_form(report).items():
        assert value not in text, f"in the {form} form"


def test_an_empty_list_that_becomes_unknown_is_one_line() -> None:
    """Given what a replacement does to every computed list, then it is one line, and only says that it is unknown."""
    change = {"actions": ["update"], "before": {"x": []}, "after": {}, "after_unknown": {"x": True}}
    [found] = read(plan([{"address": "a.b", "type": "a", "change": change}]))
    assert [attribute.name for attribute in found.attributes] == ["x"]


def test_a_random_value_is_hidden_and_ordinary_ones_are_not() -> None:
    """Given what real plans are full of, then names, ARNs, digests and sentences are shown and only secrets hidden."""
    shown = {
        "arn": "arn:aws:lambda:eu-central-1:111111111111:function:welcome-dev:live",
        "invoke_arn": "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu/invocations",
        "source_code_hash": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "commit": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "kms_key_arn": "arn:aws:kms:eu-central-1:1:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "policy_arn": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        "message": "A friendly message, even a rather long one, is not a secret at all.",
        "hash_key": "id", "name": "welcome-dev-api-gateway-access-log-group",
        "action": "lambda:UpdateFunctionConfiguration",
        "secret_arn": "arn:aws:secretsmanager:eu-central-1:111111111111:secret:welcome",
    }  # fmt: skip
    assert [name for name, value in shown.items() if secret_value([name], value)] == []
    assert secret_value(["anything"], PLANTED)


def test_the_planted_secret_is_found_in_messages_of_tools() -> None:
    """Given an error message that quotes a token, then the note of the unit has it no more."""
    assert PLANTED not in scrub(f"Error: 403 for key {PLANTED}: denied")
    assert "denied" in scrub(f"Error: 403 for key {PLANTED}: denied")
