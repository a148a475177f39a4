"""The stand-ins refuse what the real services refuse: without that, a green rehearsal would mean nothing."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from ops.paths import ROOT
from tests.pipeline.harness import act
from tests.pipeline.harness.github import BODY_LIMIT, GitHub, Token
from tests.pipeline.harness.oidc import ISSUER, Issuer, Refused
from tests.pipeline.harness.web import Request, serve
from tests.pipeline.harness.workflow import Unsupported, Workflow


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    service = GitHub(tmp_path, "example-org", "welcome-service", 1, 2)
    with serve(service.serve_api) as url:
        service.url = url
        yield service


def call(github: GitHub, method: str, path: str, token: str, content: Any = None) -> tuple[int, Any]:
    """Status and JSON of a request to the API."""
    request = urllib.request.Request(
        f"{github.url}/api/repos/example-org/welcome-service{path}",
        method=method,
        data=json.dumps(content).encode() if content is not None else None,
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def token(github: GitHub, **permissions: str) -> str:
    return github.token(
        Token("github-actions[bot]", lambda: {key.replace("_", "-"): level for key, level in permissions.items()})
    )


def test_given_issues_write_an_issue_is_created_found_updated_and_closed(github: GitHub) -> None:
    mine = token(github, issues="write")
    status, issue = call(github, "POST", "/issues", mine, {"title": "Drift", "body": "x", "labels": ["drift"]})
    assert (status, issue["user"]["login"]) == (201, "github-actions[bot]")
    assert call(github, "GET", "/issues?labels=drift", mine)[1][0]["number"] == issue["number"]
    assert call(github, "PATCH", f"/issues/{issue['number']}", mine, {"state": "closed"})[1]["state"] == "closed"
    assert call(github, "GET", "/issues?labels=drift", mine)[1] == []


def test_given_only_issues_read_nothing_is_created(github: GitHub) -> None:
    assert call(github, "POST", "/issues", token(github, issues="read"), {"title": "x"})[0] == 403
    assert github.issues == {}


def test_an_unknown_token_gets_nothing(github: GitHub) -> None:
    assert call(github, "GET", "/issues", "ghs_other")[0] == 401


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/issues", {"body": "no title"}),
        ("POST", "/issues/1/comments", {"text": "no body"}),
        ("GET", "/issues?state=opened", None),
        ("PATCH", "/issues/comments/one", {"body": "x"}),
    ],
)
def test_a_request_that_the_description_forbids_is_refused_and_remembered(
    github: GitHub, method: str, path: str, content: Any
) -> None:
    status, _ = call(github, method, path, token(github, issues="write"), content)
    assert status == 422
    assert len(github.invalid) == 1


def test_an_operation_that_is_not_in_the_description_is_refused_and_remembered(github: GitHub) -> None:
    assert call(github, "PUT", "/subscription", token(github, issues="write"), {})[0] == 404
    assert len(github.invalid) == 1


def test_a_body_longer_than_github_takes_is_refused(github: GitHub) -> None:
    mine = token(github, issues="write")
    call(github, "POST", "/issues", mine, {"title": "x"})
    assert call(github, "POST", "/issues/1/comments", mine, {"body": "x" * BODY_LIMIT})[0] == 201
    assert call(github, "POST", "/issues/1/comments", mine, {"body": "x" * (BODY_LIMIT + 1)})[0] == 422


def test_long_lists_come_in_pages_with_a_link_to_the_next(github: GitHub) -> None:
    mine = token(github, issues="write")
    for number in range(3):
        call(github, "POST", "/issues", mine, {"title": str(number)})
    answer = github.serve_api(
        Request(
            "GET",
            "/api/repos/example-org/welcome-service/issues",
            {"per_page": "2"},
            {"authorization": f"Bearer {mine}"},
            b"",
        )
    )
    assert len(json.loads(answer.body)) == 2
    assert 'rel="next"' in answer.headers["link"]


def ask(issuer: Issuer, bearer: str = "t") -> Any:
    answer = issuer.answer(
        Request("GET", "/oidc/token", {"audience": "sts.amazonaws.com"}, {"authorization": f"Bearer {bearer}"}, b"")
    )
    return answer.status, json.loads(answer.body)


def test_a_token_is_signed_with_the_published_key_and_good_for_minutes() -> None:
    issuer = Issuer(lambda _: {"sub": "repo:o@1/r@2:environment:dev"})
    _, content = ask(issuer)
    key = jwt.PyJWKSet.from_dict(issuer.jwks())[jwt.get_unverified_header(content["value"])["kid"]]
    claims = jwt.decode(content["value"], key, algorithms=["RS256"], audience="sts.amazonaws.com", issuer=ISSUER)
    assert claims["sub"] == "repo:o@1/r@2:environment:dev"
    assert claims["exp"] - claims["iat"] <= 600


def test_a_token_of_another_key_is_told_apart() -> None:
    mine, other = Issuer(lambda _: {}), Issuer(lambda _: {})
    forged = ask(other)[1]["value"]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(
            forged, jwt.PyJWKSet.from_dict(mine.jwks())["rehearsal"], algorithms=["RS256"], audience="sts.amazonaws.com"
        )


def test_a_job_without_the_permission_gets_no_token() -> None:
    def refuse(_: str) -> dict[str, str]:
        raise Refused("no id-token: write")

    assert ask(Issuer(refuse)) == (403, {"message": "no id-token: write"})


WORKFLOW = """
on: {pull_request: {branches: [dev]}}
name: plan
permissions: {}
jobs:
  find:
    outputs: {name: "${{ steps.find.outputs.name }}"}
  plan:
    permissions: {id-token: write}
    environment: ${{ needs.find.outputs.name }}-plan
  odd:
    environment: ${{ github.ref_name }}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    file = tmp_path / "plan.yml"
    file.write_text(WORKFLOW)
    return Workflow.read(file)


def test_the_environment_of_a_job_comes_from_the_outputs_of_the_job_before(workflow: Workflow) -> None:
    assert workflow.environment("plan", {("find", "find.name"): "dev"}, {}) == "dev-plan"
    assert workflow.environment("find", {}, {}) is None


def test_an_expression_that_is_not_known_is_not_guessed(workflow: Workflow) -> None:
    with pytest.raises(Unsupported):
        workflow.environment("odd", {}, {})


def test_a_job_that_asks_for_nothing_has_what_the_workflow_has(workflow: Workflow) -> None:
    assert workflow.permissions("find") == {}
    assert workflow.permissions("plan") == {"id-token": "write"}


def test_a_workflow_starts_on_its_branches_only(workflow: Workflow) -> None:
    assert workflow.starts_on("pull_request", "dev")
    assert not workflow.starts_on("pull_request", "main")
    assert not workflow.starts_on("push", "dev")


def test_a_real_action_takes_the_place_of_its_stand_in_and_the_others_keep_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given ACTIONS_DIR with one checkout, then that action is the real one."""
    (tmp_path / "actions" / "checkout").mkdir(parents=True)
    monkeypatch.setenv("ACTIONS_DIR", str(tmp_path))
    found = dict(each.split("=", 1) for each in act.actions(ROOT) if "=" in each)
    places = {name.partition("@")[0]: Path(place) for name, place in found.items()}
    assert places.pop("actions/checkout") == tmp_path / "actions" / "checkout"
    assert places
    assert all(place == act.ACTIONS / name for name, place in places.items())


def test_a_runner_gets_nothing_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the user")
    monkeypatch.setenv("GITHUB_TOKEN", "of the user")
    variables = act.environment(tmp_path)
    assert "of the user" not in variables.values()
    assert variables["HOME"] == str(tmp_path / "home")
