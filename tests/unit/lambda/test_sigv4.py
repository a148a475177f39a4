"""The signature: equal to botocore's for any request, and to the published vectors."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service_stage import loaded

# Those with a query are not among them: the signer has none, as no call to DynamoDB does.
VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("sigv4_vectors.json").read_text(encoding="utf-8"))

# What botocore leaves out of a signature, because proxies change it, and what both add themselves.
UNSIGNED = {"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id", "connection"}
ADDED = {"authorization", "x-amz-date", "x-amz-security-token", "host", "date"}
TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

words = st.text(TOKEN, min_size=1, max_size=9)
names = words.filter(lambda name: name.lower() not in UNSIGNED | ADDED)
values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
        # botocore also resolves dots and double slashes, which the path of an endpoint has none of.
        "path": st.lists(st.text(TOKEN + "~%_ü€", min_size=1, max_size=9), max_size=3).map("/".join),
        "headers": st.lists(st.tuples(names, values), max_size=4, unique_by=lambda line: line[0].lower()).map(dict),
        "body": st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)),
        "region": st.sampled_from(["eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1"]) | words,
        "service": st.sampled_from(["dynamodb", "sts", "execute-api"]),
        "access_key": words,
        "secret_key": st.text(min_size=1, max_size=40),
        "token": st.none() | st.text(TOKEN + "/+=", min_size=1, max_size=60),
        "at": st.integers(min_value=0, max_value=4_102_444_800),  # up to the year 2100
    }
)


@pytest.fixture(scope="module")
def sigv4() -> Iterator[ModuleType]:
    with loaded(name="sigv4") as module:
        yield module


def signed_by_botocore(request: dict[str, Any]) -> str:
    url = f"https://dynamodb.example.com/{request['path']}"
    unsigned = AWSRequest(request["method"], url, headers=request["headers"], data=request["body"])
    unsigned.headers["Host"] = "dynamodb.example.com"
    credentials = Credentials(request["access_key"], request["secret_key"], request["token"])
    clock = datetime.datetime.fromtimestamp(request["at"], datetime.UTC).replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=clock):
        botocore.auth.SigV4Auth(credentials, request["service"], request["region"]).add_auth(unsigned)
    return str(unsigned.headers["Authorization"])


@pytest.mark.parametrize("examples", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_signature_is_the_one_that_botocore_makes(sigv4: ModuleType, examples: int) -> None:
    """For any method, path, header, body, credentials, region, service and time."""

    @settings(max_examples=examples, deadline=None, database=None)
    @given(requests)
    def compare(sent: dict[str, Any]) -> None:
        compare_signatures(sigv4, sent)

    compare()


def test_ten_thousand_signatures_are_the_ones_that_botocore_makes(sigv4: ModuleType) -> None:
    """As above, but from a plain random generator, ten times as fast as hypothesis: this many are part of every run."""
    random = Random("sigv4")

    def text(most: int, letters: str = TOKEN + " \t%~_=+/äß€ह👋\xa0") -> str:
        return "".join(random.choices(letters, k=random.randint(1, most)))

    for _ in range(10_000):
        headers = {f"x-{name.lower()}": text(20) for name in (text(9, TOKEN) for _ in range(random.randrange(4)))}
        sent = {
            "method": random.choice(["GET", "POST", "PUT", "DELETE"]),
            "path": "/".join(text(9, TOKEN + "~%ü€") for _ in range(random.randrange(3))),
            "headers": headers,
            "body": random.randbytes(random.randrange(200)),
            "region": random.choice(["eu-central-1", "us-east-1", "cn-north-1", text(9, TOKEN)]),
            "service": random.choice(["dynamodb", "sts"]),
            "access_key": text(20, TOKEN),
            "secret_key": text(40),
            "token": random.choice([None, text(60, TOKEN + "/+=")]),
            "at": random.randrange(4_102_444_800),
        }
        compare_signatures(sigv4, sent)


def compare_signatures(sigv4: ModuleType, sent: dict[str, Any]) -> None:
    headers = {**sent["headers"], "Host": "dynamodb.example.com"}

    signed = sigv4.sign(
        sent["method"],
        f"/{sent['path']}",
        headers,
        sent["body"],
        credentials=(sent["access_key"], sent["secret_key"], sent["token"]),
        region=sent["region"],
        service=sent["service"],
        at=sent["at"],
    )

    assert signed["Authorization"] == signed_by_botocore(sent)


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["name"])
def test_a_signature_is_the_published_one(sigv4: ModuleType, vector: dict[str, Any]) -> None:
    sent = {name: value for name, value in vector["headers"].items() if name not in ADDED - {"host"}}
    keys = VECTORS["credentials"]

    signed = sigv4.sign(
        vector["method"],
        vector["path"],
        sent,
        vector["body"].encode(),
        credentials=(keys["access_key"], keys["secret_key"], vector["headers"].get("x-amz-security-token")),
        region=VECTORS["region"],
        service=VECTORS["service"],
        at=datetime.datetime.fromisoformat(VECTORS["at"]).timestamp(),
    )

    assert signed["Authorization"] == vector["authorization"]
    # And the server gets what it needs to check it: each header as it was signed.
    assert {name.lower(): value for name, value in signed.items() if name != "Authorization"} == vector["headers"]
