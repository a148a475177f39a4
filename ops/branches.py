"""Which environment a branch belongs to: `python3 -m ops.branches BRANCH`, in the first job of a workflow.

Every other job waits for that one, and nothing is installed in it: standard library only, hence no HCL parser. What is
read here, one literal a line, is held against the parser's view in `tests/unit/test_branches.py`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LITERAL = re.compile(r'^  (branch|account_id|region)\s*=\s*"([^"]+)"', re.MULTILINE)


def environments(live: Path) -> Iterator[dict[str, str]]:
    """Name, branch, account and region of every environment, in the order of their names."""
    for file in sorted(live.glob("*/env.hcl")):
        yield {"name": file.parent.name, **dict(_LITERAL.findall(file.read_text()))}


def of(branch: str, live: Path) -> dict[str, str]:
    """The environment that `branch` belongs to. Exits with a sentence if there is none, or more than one."""
    found = [env for env in environments(live) if env.get("branch") == branch]
    if len(found) != 1:
        names = " and ".join(env["name"] for env in found) or "none"
        sys.exit(
            f"Branch {branch} has to belong to one environment, but live/*/env.hcl say {names}: see `branch` in them."
        )
    return found[0]


def main(arguments: list[str]) -> None:
    """Print job outputs: `key=value` for one branch, or all environments as JSON without an argument."""
    live = ROOT / "live"
    if arguments:
        print("\n".join(f"{key}={value}" for key, value in of(arguments[0], live).items()))
    else:
        print(f"environments={json.dumps(list(environments(live)))}")


if __name__ == "__main__":
    main(sys.argv[1:])
