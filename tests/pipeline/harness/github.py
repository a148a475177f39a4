"""A GitHub with one repository: pull requests and issues in memory, commits in a bare repository, both behind HTTP.

Every request to the API is checked against GitHub's published OpenAPI description (`github_api.json`), and so is every
answer that is given. A token may do what the `permissions:` of the running job say, as on GitHub with a private
repository; what was used is recorded.
"""

from __future__ import annotations

import base64
import datetime
import functools
import json
import os
import re
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from tests.pipeline.harness.web import Request, Response

JSON = dict[str, Any]
BODY_LIMIT = 65536  # characters of a comment, an issue or a pull request: longer ones get a 422
BOT = "github-actions[bot]"
DESCRIPTION: JSON = json.loads(Path(__file__).with_name("github_api.json").read_text())
# https://docs.github.com/rest/authentication/permissions-required-for-github-apps. Comments belong to what they are on.
NEEDS: dict[str, tuple[str, str]] = {
    "issues/create": ("issues", "write"),
    "issues/create-comment": ("either", "write"),
    "issues/get": ("either", "read"),
    "issues/get-comment": ("either", "read"),
    "issues/list-comments": ("either", "read"),
    "issues/list-for-repo": ("issues", "read"),
    "issues/update": ("either", "write"),
    "issues/update-comment": ("either", "write"),
    "pulls/get": ("pull-requests", "read"),
    "pulls/list": ("pull-requests", "read"),
    "repos/list-pull-requests-associated-with-commit": ("pull-requests", "read"),
}


@functools.cache
def description() -> OpenAPI:
    """The description, ready to check requests to `http://api`."""
    return OpenAPI.from_dict({**DESCRIPTION, "servers": [{"url": "http://api"}]})


class Refusal(Exception):
    """An answer other than the one that was asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Call:
    """One request to the API."""

    actor: str
    operation: str
    path: str
    status: int
    body: JSON | None


@dataclass
class Token:
    """Who comes with a token, and what it may do at the moment."""

    login: str
    permissions: Callable[[], Mapping[str, str]]
    used: Callable[[str, str], None] = lambda _permission, _level: None


@dataclass
class Pull:
    """A pull request."""

    number: int
    head: str  # branch
    base: str
    author: str
    fork: str | None = None  # full name of the repository it comes from, if that is another one
    merged_as: str | None = None
    merged_at: str | None = None


@dataclass
class GitHub:
    """The repository OWNER/NAME, its bare git repository below `root`, its issues and pull requests."""

    root: Path
    owner: str
    name: str
    owner_id: int
    repository_id: int
    issues: dict[int, JSON] = field(default_factory=dict)
    comments: dict[int, JSON] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # requests that the description does not allow
    faults: list[Response] = field(default_factory=list)  # answers to give instead, one each
    url: str = ""
    _tokens: dict[str, Token] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _ids: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    def __post_init__(self) -> None:
        self._openapi = description()
        self._routes = [
            (method.upper(), re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)), operation["operationId"])
            for path, operations in DESCRIPTION["paths"].items()
            for method, operation in operations.items()
        ]

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def bare(self) -> Path:
        return self.root / self.owner / f"{self.name}.git"

    def token(self, who: Token) -> str:
        """A new token for `who`."""
        text = f"ghs_{secrets.token_hex(18)}"
        self._tokens[text] = who
        return text

    # git ------------------------------------------------------------------------------------------------------------

    def git(self, *arguments: str) -> str:
        """Output of a git command in the bare repository."""
        done = subprocess.run(["git", *arguments], cwd=self.bare, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def sha(self, ref: str) -> str:
        return self.git("rev-parse", ref)

    def open_pull(self, head: str, base: str, title: str, author: str, fork: str | None = None) -> Pull:
        """Open a pull request; its commits are in the bare repository already."""
        number = self._open_issue(title, "", author)["number"]
        pull = self.pulls[number] = Pull(number, head, base, author, fork)
        self.refresh(pull)
        return pull

    def refresh(self, pull: Pull) -> None:
        """Set `refs/pull/N/head` and `refs/pull/N/merge`: what GitHub does when one of the two branches moves."""
        head, base = (
            self.sha(f"refs/{'forks' if pull.fork else 'heads'}/{pull.head}"),
            self.sha(f"refs/heads/{pull.base}"),
        )
        self.git("update-ref", f"refs/pull/{pull.number}/head", head)
        tree = self.git("merge-tree", "--write-tree", base, head)
        merge = self._commit(tree, f"Merge {head} into {base}", base, head)
        self.git("update-ref", f"refs/pull/{pull.number}/merge", merge)

    def merge_pull(self, pull: Pull, method: str = "squash") -> tuple[str, str]:
        """Merge as the button does (squash, merge or rebase); what the base branch was before, and what it is after."""
        with self._lock:
            before, head = self.sha(f"refs/heads/{pull.base}"), self.sha(f"refs/pull/{pull.number}/head")
            tree = self.git("merge-tree", "--write-tree", before, head)
            title = f"{self.issues[pull.number]['title']} (#{pull.number})"
            if method == "rebase":
                after = before
                for commit in self.git("rev-list", "--reverse", f"{before}..{head}").split():
                    picked = self.git("merge-tree", "--write-tree", after, commit)
                    after = self._commit(picked, self.git("log", "-1", "--format=%B", commit), after)
            else:
                after = self._commit(tree, title, before, *([head] if method == "merge" else []))
            self.git("update-ref", f"refs/heads/{pull.base}", after)
            pull.merged_as, pull.merged_at = after, _now()
            self.issues[pull.number] |= {"state": "closed", "closed_at": _now()}
        return before, after

    def _commit(self, tree: str, message: str, *parents: str) -> str:
        options = [option for parent in parents for option in ("-p", parent)]
        return self.git("commit-tree", tree, *options, "-m", message)

    def serve_git(self, request: Request) -> Response:
        """Clone and fetch over HTTP, as `git http-backend` does it."""
        credentials = base64.b64decode(request.headers.get("authorization", "").rpartition(" ")[2]).decode()
        try:
            self._authorise(credentials.partition(":")[2], "contents", "read")
        except Refusal as refusal:
            return Response(refusal.status, str(refusal).encode(), {"www-authenticate": 'Basic realm="GitHub"'})
        path = re.sub(rf"^/{re.escape(self.full_name)}(\.git)?/", f"/{self.full_name}.git/", request.path)
        variables = {
            "CONTENT_LENGTH": str(len(request.body)), "CONTENT_TYPE": request.headers.get("content-type", ""),
            "GIT_HTTP_EXPORT_ALL": "1", "GIT_PROJECT_ROOT": str(self.root), "PATH_INFO": path,
            "QUERY_STRING": request.query_string, "REQUEST_METHOD": request.method,
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        }  # fmt: skip
        done = subprocess.run(
            ["git", "http-backend"], env=os.environ | variables, input=request.body, capture_output=True, check=True
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        return Response(int(headers.pop("Status", "200").split()[0]), body, headers)

    # API ------------------------------------------------------------------------------------------------------------

    def serve_api(self, request: Request) -> Response:
        """A request below `/api`, checked against the description in both directions."""
        path = request.path.removeprefix("/api")
        operation, found = self._route(request.method, path)
        if operation not in NEEDS:
            self.invalid.append(f"{request.method} {path}: not an operation that the workflows are known to use")
            return Response.of(404, {"message": "Not Found"})
        with self._lock:
            content = json.loads(request.body) if request.body else None
            login = "?"
            try:
                if self.faults:
                    answer = self.faults.pop(0)
                else:
                    bearer = request.headers.get("authorization", "").rpartition(" ")[2]
                    login = self._authorise(bearer, *self._needs(operation, found))
                    if (found["owner"], found["repo"]) != (self.owner, self.name):
                        raise Refusal(404, "Not Found")
                    self._check(request, path)
                    handler = getattr(self, "_" + operation.replace("/", "_").replace("-", "_"))
                    answer = handler(login, found, request.query, content or {})
            except Refusal as refusal:
                answer = Response.of(
                    refusal.status, {"message": str(refusal), "documentation_url": "", "status": str(refusal.status)}
                )
            self.calls.append(Call(login, operation, path, answer.status, content))
        if answer.status < 300:
            self._openapi.validate_response(
                MockRequest("http://api", request.method, path, args=dict(request.query), data=request.body),
                MockResponse(answer.body, status_code=answer.status, content_type="application/json"),
            )
        return answer

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        """The operation that a request is for, and the parameters in its path."""
        for each, pattern, operation in self._routes:
            if each == method and (found := pattern.fullmatch(path)):
                return operation, found.groupdict()
        return "", {}

    def _needs(self, operation: str, path: Mapping[str, str]) -> tuple[str, str]:
        """Permission and level for an operation on what the path names."""
        permission, level = NEEDS[operation]
        comment = self.comments.get(int(found)) if (found := path.get("comment_id", "")).isdigit() else None
        number = str(comment["issue_url"]).rpartition("/")[2] if comment else path.get("issue_number", "")
        on_a_pull = number.isdigit() and int(number) in self.pulls
        return ("pull-requests" if on_a_pull else "issues") if permission == "either" else permission, level

    def _authorise(self, token: str, permission: str, level: str) -> str:
        who = self._tokens.get(token)
        if not who:
            raise Refusal(401, "Bad credentials")
        if who.permissions().get(permission) not in ("write", level):
            raise Refusal(403, f"Resource not accessible by integration (needs {permission}: {level})")
        who.used(permission, level)
        return who.login

    def _check(self, request: Request, path: str) -> None:
        asked = MockRequest(
            "http://api", request.method, path, args=dict(request.query), data=request.body,
            content_type=request.headers.get("content-type", "application/json").partition(";")[0],
        )  # fmt: skip
        errors = self._openapi.unmarshal_request(asked).errors
        if errors:
            reason = "; ".join(f"{type(error).__name__}: {error} {error.__cause__ or ''}" for error in errors)
            self.invalid.append(f"{request.method} {path}: {reason}")
            raise Refusal(422, f"Validation Failed: {reason}")

    def _complete(self, schema: JSON, given: Any) -> Any:
        """`given`, with a value for everything else that the schema requires: addresses of pages that do not exist."""
        while "$ref" in schema:
            schema = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for several in ("allOf", "oneOf", "anyOf"):
            if several in schema and "properties" not in schema:
                return self._complete(schema[several][0], given)
        if given is None and schema.get("nullable"):
            return None
        if schema.get("type") == "object" or "properties" in schema:
            values = dict(given or {})
            for name in {*schema.get("required", []), *values}:
                values[name] = self._complete(schema.get("properties", {}).get(name, {}), values.get(name))
            return values
        if schema.get("type") == "array":
            return [self._complete(schema["items"], each) for each in given or []]
        if given is not None:
            return given
        if "enum" in schema:
            return schema["enum"][0]
        blanks: JSON = {"integer": 0, "number": 0, "boolean": False}
        return blanks.get(schema.get("type", ""), f"{self.url}/" if schema.get("format") == "uri" else "")

    def _as(self, name: str, values: JSON) -> JSON:
        completed: JSON = self._complete({"$ref": f"#/components/schemas/{name}"}, values)
        return completed

    def user(self, login: str) -> JSON:
        return self._as("simple-user", {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"})

    def _open_issue(self, title: str, body: str, login: str) -> JSON:
        number = len(self.issues) + 1
        self.issues[number] = {
            "id": next(self._ids), "number": number, "title": title, "body": body, "state": "open", "labels": [],
            "user": self.user(login), "created_at": _now(), "updated_at": _now(), "closed_at": None, "comments": 0,
            "html_url": f"{self.url}/{self.full_name}/issues/{number}",
        }  # fmt: skip
        return self.issues[number]

    def pull_json(self, pull: Pull, schema: str = "pull-request") -> JSON:
        """A pull request as the API and the payloads of events show it."""
        repository = {
            "full_name": self.full_name,
            "name": self.name,
            "id": self.repository_id,
            "owner": self.user(self.owner),
        }
        source = {**repository, "full_name": pull.fork, "fork": True} if pull.fork else repository
        issue = self.issues[pull.number]
        return self._as(
            schema,
            {
                **{
                    key: issue[key]
                    for key in ("id", "number", "title", "body", "state", "user", "created_at", "closed_at")
                },
                "head": {"ref": pull.head, "sha": self.sha(f"refs/pull/{pull.number}/head"), "repo": source},
                "base": {"ref": pull.base, "sha": self.sha(f"refs/heads/{pull.base}"), "repo": repository},
                "html_url": f"{self.url}/{self.full_name}/pull/{pull.number}",
                "merged_at": pull.merged_at,
                "updated_at": _now(),
                "merge_commit_sha": pull.merged_as or self.sha(f"refs/pull/{pull.number}/merge"),
                "labels": issue["labels"],
                **({"merged": bool(pull.merged_as), "mergeable": True} if schema == "pull-request" else {}),
            },
        )

    def _issue(self, number: str) -> JSON:
        issue = self.issues.get(int(number))
        if not issue:
            raise Refusal(404, "Not Found")
        pull = (
            {"pull_request": {"diff_url": "", "html_url": "", "patch_url": "", "url": ""}}
            if int(number) in self.pulls
            else {}
        )
        return self._as("issue", {**issue, **pull})

    def _page(self, path: str, query: Mapping[str, str], found: list[JSON]) -> Response:
        size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        answer = Response.of(200, found[(page - 1) * size : page * size])
        if page * size >= len(found):
            return answer
        following = urlencode({**query, "page": page + 1})
        return Response(200, answer.body, {**answer.headers, "link": f'<{self.url}/api{path}?{following}>; rel="next"'})

    def _issues_create(self, login: str, _path: JSON, _query: Mapping[str, str], content: JSON) -> Response:
        _limit(content)
        issue = self._open_issue(content["title"], content.get("body") or "", login)
        issue["labels"] = [{"name": label} for label in content.get("labels", [])]
        return Response.of(201, self._issue(str(issue["number"])))

    def _issues_get(self, _login: str, path: JSON, _query: Mapping[str, str], _content: JSON) -> Response:
        return Response.of(200, self._issue(path["issue_number"]))

    def _issues_update(self, _login: str, path: JSON, _query: Mapping[str, str], content: JSON) -> Response:
        _limit(content)
        self._issue(path["issue_number"])
        issue = self.issues[int(path["issue_number"])]
        issue |= {key: content[key] for key in ("title", "body", "state") if key in content}
        if "labels" in content:
            issue["labels"] = [{"name": label} for label in content["labels"]]
        issue |= {"updated_at": _now(), "closed_at": _now() if issue["state"] == "closed" else None}
        return Response.of(200, self._issue(path["issue_number"]))

    def _issues_list_for_repo(self, _login: str, path: JSON, query: Mapping[str, str], _content: JSON) -> Response:
        wanted, state = set(filter(None, query.get("labels", "").split(","))), query.get("state", "open")
        found = [
            self._issue(str(number))
            for number, issue in sorted(self.issues.items(), reverse=True)
            if state in ("all", issue["state"])
            and wanted <= {label["name"] for label in issue["labels"]}
            and query.get("creator", issue["user"]["login"]) == issue["user"]["login"]
        ]
        return self._page(f"/repos/{self.full_name}/issues", query, found)

    def _issues_create_comment(self, login: str, path: JSON, _query: Mapping[str, str], content: JSON) -> Response:
        _limit(content)
        self._issue(path["issue_number"])
        comment = self.comment(int(path["issue_number"]), content["body"], login)
        return Response.of(201, comment)

    def comment(self, number: int, body: str, login: str) -> JSON:
        """Add a comment to an issue or a pull request."""
        identifier = next(self._ids)
        self.issues[number]["comments"] += 1
        self.comments[identifier] = self._as(
            "issue-comment",
            {
                "id": identifier, "body": body, "user": self.user(login), "created_at": _now(), "updated_at": _now(),
                "issue_url": f"{self.url}/api/repos/{self.full_name}/issues/{number}",
                "url": f"{self.url}/api/repos/{self.full_name}/issues/comments/{identifier}",
                "html_url": f"{self.url}/{self.full_name}/issues/{number}#issuecomment-{identifier}",
            },
        )  # fmt: skip
        return self.comments[identifier]

    def comments_of(self, number: int) -> list[JSON]:
        """Comments of an issue or a pull request, oldest first."""
        return [each for each in self.comments.values() if each["issue_url"].endswith(f"/issues/{number}")]

    def _issues_list_comments(self, _login: str, path: JSON, query: Mapping[str, str], _content: JSON) -> Response:
        self._issue(path["issue_number"])
        found = self.comments_of(int(path["issue_number"]))
        return self._page(f"/repos/{self.full_name}/issues/{path['issue_number']}/comments", query, found)

    def _issues_get_comment(self, _login: str, path: JSON, _query: Mapping[str, str], _content: JSON) -> Response:
        if int(path["comment_id"]) not in self.comments:
            raise Refusal(404, "Not Found")
        return Response.of(200, self.comments[int(path["comment_id"])])

    def _issues_update_comment(self, _login: str, path: JSON, _query: Mapping[str, str], content: JSON) -> Response:
        _limit(content)
        if int(path["comment_id"]) not in self.comments:
            raise Refusal(404, "Not Found")
        comment = self.comments[int(path["comment_id"])]
        comment |= {"body": content["body"], "updated_at": _now()}
        return Response.of(200, comment)

    def _pulls_get(self, _login: str, path: JSON, _query: Mapping[str, str], _content: JSON) -> Response:
        pull = self.pulls.get(int(path["pull_number"]))
        if not pull:
            raise Refusal(404, "Not Found")
        return Response.of(200, self.pull_json(pull))

    def _pulls_list(self, _login: str, _path: JSON, query: Mapping[str, str], _content: JSON) -> Response:
        state, base = query.get("state", "open"), query.get("base")
        found = [
            self.pull_json(pull, "pull-request-simple")
            for number, pull in sorted(self.pulls.items(), reverse=True)
            if state in ("all", self.issues[number]["state"]) and base in (None, pull.base)
        ]
        return self._page(f"/repos/{self.full_name}/pulls", query, found)

    def _repos_list_pull_requests_associated_with_commit(
        self, _login: str, path: JSON, query: Mapping[str, str], _content: JSON
    ) -> Response:
        """Pull requests that brought the commit to a branch by being merged, and those that hold it."""
        commit = path["commit_sha"]
        found = [
            self.pull_json(pull, "pull-request-simple") for pull in self.pulls.values() if self._holds(pull, commit)
        ]
        return self._page(f"/repos/{self.full_name}/commits/{commit}/pulls", query, found)

    def _holds(self, pull: Pull, commit: str) -> bool:
        if pull.merged_as == commit:
            return True
        own = self.git("rev-list", f"refs/pull/{pull.number}/merge^1..refs/pull/{pull.number}/head").split()
        return commit in own


def _limit(content: JSON) -> None:
    if len(content.get("body") or "") > BODY_LIMIT:
        raise Refusal(422, f"Validation Failed: body is too long (maximum is {BODY_LIMIT} characters)")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
