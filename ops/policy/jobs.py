"""Being a job of the pipeline on an emulator: a token as GitHub would issue it, the role's credentials, the command."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import jwt
from botocore import UNSIGNED
from botocore.config import Config

from ops import terragrunt as _terragrunt
from ops import toolchain
from ops.environments import Environment, github
from ops.errors import OpsError
from ops.paths import ROOT, local_dir

if TYPE_CHECKING:
    from mypy_boto3_sts.client import STSClient

AUDIENCE = "sts.amazonaws.com"
ISSUER = "token.actions.githubusercontent.com"


def github_environment(env: Environment, role: str) -> str:
    """The GitHub environment whose jobs may take `role` of `env`."""
    return env.name if role == "apply" else f"{env.name}-{role}"


def claims(env: Environment, role: str, **different: Any) -> dict[str, Any]:
    """The claims of the token that GitHub issues to a job that is meant for `role` of `env`."""
    repository = github()
    name = github_environment(env, role)
    return {
        "actor": "someone",
        "actor_id": "3000003",
        "aud": AUDIENCE,
        "environment": name,
        "exp": int(time.time()) + 300,
        "iss": f"https://{ISSUER}",
        "ref": "refs/heads/main",
        "repository": f"{repository['owner']}/{repository['repository']}",
        "repository_id": repository["repository_id"],
        "sub": (
            f"repo:{repository['owner']}@{repository['owner_id']}"
            f"/{repository['repository']}@{repository['repository_id']}:environment:{name}"
        ),
    } | different


def assume(env: Environment, role: str, token_claims: Mapping[str, Any]) -> dict[str, str]:
    """Exchange a token with these claims for credentials of `role`, as variables of a process.

    Raises botocore's ClientError if the role does not trust it. No signature: the emulator does not read one.
    """
    answer = _sts(str(env.endpoint), env.region).assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{env.account_id}:role/{env.resource_name}-{role}",
        RoleSessionName="job",
        WebIdentityToken=jwt.encode(dict(token_claims), "", algorithm="none"),
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer["SessionToken"],
    }


@functools.cache
def _sts(endpoint: str, region: str) -> STSClient:
    """A client without credentials, as a job has none before it has a role."""
    return boto3.client("sts", endpoint_url=endpoint, region_name=region, config=Config(signature_version=UNSIGNED))


def variables(env: Environment, role: str) -> dict[str, str]:
    """The process environment of a job that has taken `role`: no profile and no root credentials of an emulator."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TF_"))}
    tools = {key: value for key, value in _terragrunt.environment_variables().items() if key.startswith(("TG_", "TF_"))}
    return {
        **inherited,
        **tools,
        **assume(env, role, claims(env, role)),
        "AWS_ENDPOINT_URL": str(env.endpoint),
        "AWS_REGION": env.region,
        "TARGET": "aws",
        "TG_DOWNLOAD_DIR": str(local_dir() / "jobs"),  # a job starts from nothing, not from what root initialised
    }


def ops(env: Environment, role: str, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m ops COMMAND --env ENV …` as a job that has taken `role`."""
    return python(env, role, "-m", "ops", command, "--env", env.name, *arguments)


def python(env: Environment, role: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter as a job that has taken `role`."""
    return _run([sys.executable, *arguments], ROOT, variables(env, role))


def terragrunt(
    env: Environment, role: str, unit: str, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run an engine command in a unit of `env` as a job that has taken `role`, with `more` environment variables."""
    program = [str(toolchain.ensure("terragrunt")), "run", "--", *arguments]
    return _run(program, env.directory / unit, variables(env, role) | more)


def _run(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)


def succeed(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The process, if it succeeded. Raises OpsError with the end of what it said otherwise."""
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise OpsError(f"{' '.join(map(str, done.args[:6]))} ended with {done.returncode}:\n{tail}")
    return done
