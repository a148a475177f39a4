"""Where the service answers, for programs and for people."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from ops.console import out
from ops.environments import Environment, environment
from ops.errors import OpsError


def api_id(env: Environment) -> str:
    """Id of the HTTP API of `env`. Raises OpsError if there is none, or (names are not unique) more than one."""
    pages = env.client("apigatewayv2").get_paginator("get_apis").paginate()
    found = [api["ApiId"] for page in pages for api in page["Items"] if api["Name"] == env.resource_name]
    if not found:
        raise OpsError(f"There is no HTTP API {env.resource_name}: run `make apply ENV={env.name}` first.")
    if len(found) > 1:
        raise OpsError(f"{len(found)} HTTP APIs are named {env.resource_name} ({', '.join(found)}): remove the strays.")
    return str(found[0])


def service_url(env: Environment) -> str:
    """The URL of the service that programs call from here.

    An emulator's is a path of its endpoint: the form with the API's id as a host name needs `*.localhost` to resolve,
    which curl and browsers do themselves and Python does not.
    """
    identifier = api_id(env)
    if env.endpoint:
        return f"{env.endpoint.rstrip('/')}/_aws/execute-api/{identifier}/{env.name}/welcome"
    return _aws_url(env, identifier)


def browser_url(env: Environment) -> str:
    """The URL of the service for people: what curl and a browser open."""
    identifier = api_id(env)
    if env.endpoint:
        return f"http://{identifier}.execute-api.localhost:{urlsplit(env.endpoint).port}/{env.name}/welcome"
    return _aws_url(env, identifier)


def _aws_url(env: Environment, identifier: str) -> str:
    return f"https://{identifier}.execute-api.{env.region}.amazonaws.com/{env.name}/welcome"


@click.command()
@click.option("--env", "name", metavar="ENV", required=True, help="The environment to ask for.")
def url(name: str) -> None:
    """Print the URL of the service: `curl "$(python -m ops url --env dev)"`."""
    out.print(service_url(environment(name)), markup=False)
