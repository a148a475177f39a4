"""Credentials of the function's role, as the Lambda runtime hands them out."""

import json
import time
from collections.abc import Callable, Mapping

from sigv4 import Credentials

REFRESH_BEFORE = 300.0  # seconds of life that are too few to start with


def provider(environ: Mapping[str, str]) -> Callable[[], Credentials]:
    """Return what gives valid credentials at each call: the environment's, or a local endpoint's under SnapStart.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html
    """
    if url := environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return _Endpoint(url, environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    return lambda: (environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN"))


class _Endpoint:
    """Keeps what the endpoint gives until shortly before it expires."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._expiry = 0.0

    def __call__(self) -> Credentials:
        if time.time() > self._expiry - REFRESH_BEFORE:
            import datetime
            import http.client

            host, _, path = self._url.removeprefix("http://").partition("/")
            connection = http.client.HTTPConnection(host, timeout=1)
            try:
                connection.request("GET", f"/{path}", headers={"Authorization": self._token})
                answer = json.load(connection.getresponse())
            except http.client.HTTPException as error:
                raise OSError(error) from error
            self._credentials = answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"]
            self._expiry = datetime.datetime.fromisoformat(answer["Expiration"]).timestamp()
        return self._credentials
