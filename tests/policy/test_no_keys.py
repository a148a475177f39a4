"""There is no IAM user, no access key and no long-lived secret: not in a module, not in a workflow."""

from __future__ import annotations

import re
import subprocess

from ops.paths import ROOT

# What a secret looks like, whatever it is called.
_SECRETS = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"  # access key ids
    r"|-----BEGIN (RSA |EC |OPENSSH )?PRIVATE KEY-----"
    r"|\bgh[pousr]_[0-9A-Za-z]{36}\b|\bgithub_pat_[0-9A-Za-z_]{82}\b"
    r"|aws_secret_access_key\s*[=:]\s*[\"']?[0-9A-Za-z/+]{40}\b"
)


def tracked(*patterns: str) -> dict[str, str]:
    """Text of the tracked files that match."""
    done = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    found = {}
    for name in done.stdout.splitlines():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            found[name] = content.decode()
    return found


def test_no_module_makes_a_user_or_a_key() -> None:
    made = re.compile(r'resource "aws_iam_(user|access_key|group|user_\w+)"')

    assert [name for name, text in tracked("*.tf", "*.hcl").items() if made.search(text)] == []


def test_no_workflow_reads_a_secret_but_the_token_of_the_job() -> None:
    read = re.compile(r"secrets\.(?!GITHUB_TOKEN\b)|aws-secret-access-key|aws-access-key-id")

    workflows = tracked(".github")

    assert len(workflows) > 3
    assert [name for name, text in workflows.items() if read.search(text)] == []


def test_no_file_holds_a_secret() -> None:
    everything = tracked(".")

    assert len(everything) > 100
    # The tests of the report plant secrets, to see that it hides them.
    held = [name for name, text in everything.items() if _SECRETS.search(text)]
    assert [name for name in held if not name.startswith("tests/unit/report/")] == []
