"""Make `github_api.json`: the part of GitHub's published OpenAPI description that the pipeline uses.

    npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-*.tgz
    python tests/pipeline/harness/trim_openapi.py package/generated/api.github.com.json

The whole description has 13 MB and a thousand operations; a test that had to fetch it would need the network, and a
reviewer could not see what is relied on. Examples and prose are dropped, everything that validates is kept as it is.
(@octokit/openapi is under the MIT licence, © GitHub.)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OPERATIONS = frozenset(
    {
        # what docs/github.md sets
        "actions/set-allowed-actions-repository",
        "actions/set-custom-oidc-sub-claim-for-repo",
        "actions/set-fork-pr-contributor-approval-permissions-repository",
        "actions/set-github-actions-default-workflow-permissions-repository",
        "actions/set-github-actions-permissions-repository",
        "repos/create-deployment-branch-policy",
        "repos/create-or-update-environment",
        "repos/create-repo-ruleset",
        "teams/get-by-name",
        # what the workflows ask for
        "issues/create",
        "issues/create-comment",
        "issues/get",
        "issues/get-comment",
        "issues/list-comments",
        "issues/list-for-repo",
        "issues/update",
        "issues/update-comment",
        "pulls/get",
        "pulls/list",
        "repos/list-pull-requests-associated-with-commit",
    }
)
_PROSE = frozenset({"description", "example", "examples", "externalDocs", "summary", "tags", "x-github"})


def _without_prose(node: Any, within: str = "") -> Any:
    """`node`, the value of the key `within`, without prose."""
    if isinstance(node, list):
        return [_without_prose(each) for each in node]
    if not isinstance(node, dict):
        return node
    if within in ("properties", "parameters", "schemas"):  # their keys are names, not keywords: all of them stay
        return {name: _without_prose(each) for name, each in node.items()}
    if within == "responses":  # OpenAPI demands a description of each
        return {
            name: each if "$ref" in each else {"description": ""} | _without_prose(each) for name, each in node.items()
        }
    return {key: _without_prose(value, key) for key, value in node.items() if key not in _PROSE}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    here = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return here.union(*map(_references, node.values()))


def trim(description: dict[str, Any]) -> dict[str, Any]:
    """The operations in OPERATIONS, and the components that these refer to, directly or not."""
    paths: dict[str, Any] = {}
    for path, operations in description["paths"].items():
        kept = {method: each for method, each in operations.items() if each.get("operationId") in OPERATIONS}
        if kept:
            paths[path] = _without_prose(kept)
    missing = OPERATIONS - {each["operationId"] for operations in paths.values() for each in operations.values()}
    if missing:
        sys.exit(f"the description has no {', '.join(sorted(missing))}")
    components: dict[str, Any] = {}
    todo = _references(paths)
    while todo:
        _, _, kind, name = todo.pop().split("/")
        if name not in components.get(kind, {}):
            found = _without_prose({name: description["components"][kind][name]}, kind)
            components[kind] = components.get(kind, {}) | found
            todo |= _references(found)
    ordered = {kind: dict(sorted(members.items())) for kind, members in sorted(components.items())}
    head = {key: description[key] for key in ("openapi", "servers")}
    info = {key: description["info"][key] for key in ("title", "version")}
    return {**head, "info": info, "paths": dict(sorted(paths.items())), "components": ordered}


if __name__ == "__main__":
    trimmed = trim(json.loads(Path(sys.argv[1]).read_text()))
    Path(__file__).with_name("github_api.json").write_text(json.dumps(trimmed, indent=1) + "\n")
