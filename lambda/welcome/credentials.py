"""Credentials of the function's role, as the Lambda runtime hands them out."""

from __future__ import annotations

import calendar
import json
import time
import urllib.request
from collections.abc import Callable, Mapping

from sigv4 import Credentials

REFRESH_BEFORE = 300.0  # seconds of life that are too few to start with
TIMEOUT = 1.0  # seconds; the endpoint is on the same machine


def provider(environ: Mapping[str, str]) -> Callable[[], Credentials]:
    """Return what gives valid credentials each time it is called.

    A plain function has them in its environment, for as long as the process lives. A function restored by SnapStart
    may outlive them, so there they come from a local endpoint with an end date.
    Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html
    """
    if endpoint := environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return _Endpoint(endpoint, environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", ""))
    return lambda: Credentials(
        environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN")
    )


class _Endpoint:
    """Credentials of the local endpoint, kept until shortly before they expire."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._credentials: Credentials | None = None
        self._expiry = 0.0

    def __call__(self) -> Credentials:
        # The end date is a date, so the wall clock decides; it is right again after a restore, unlike the monotonic one.
        if self._credentials is None or time.time() > self._expiry - REFRESH_BEFORE:
            request = urllib.request.Request(self._url, headers={"Authorization": self._token})  # noqa: S310 (Lambda sets it)
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                answer = json.load(response)
            self._credentials = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"])
            self._expiry = calendar.timegm(time.strptime(answer["Expiration"], "%Y-%m-%dT%H:%M:%SZ"))
        return self._credentials
