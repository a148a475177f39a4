"""What aws-actions/configure-aws-credentials does with the inputs that our workflows give it. Standard library only."""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from xml.etree import ElementTree


def token() -> str:
    """The job's OIDC token, as the toolkit of GitHub asks for it."""
    address = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    if not address:
        sys.exit("Could not get an OIDC token: is `id-token: write` among the permissions of the job?")
    url = f"{address}&audience={urllib.parse.quote(os.environ['AUDIENCE'], safe='')}"
    bearer = {"Authorization": f"Bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=bearer), timeout=30) as answer:
            return str(json.load(answer)["value"])
    except urllib.error.HTTPError as error:
        sys.exit(f"The issuer gave no token: {error.read().decode()}")


def sts(parameters: dict[str, str]) -> dict[str, str]:
    """Texts of the answer of an unsigned call to STS, by element name."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_STS") or os.environ["AWS_ENDPOINT_URL"]
    body = urllib.parse.urlencode({"Version": "2011-06-15", **parameters}).encode()
    try:
        with urllib.request.urlopen(endpoint, data=body, timeout=30) as answer:
            elements = ElementTree.fromstring(answer.read()).iter()
    except urllib.error.HTTPError as error:
        sys.exit(f"Could not assume role with OIDC: {error.read().decode()}")
    return {element.tag.rpartition("}")[2]: element.text or "" for element in elements}


def main() -> None:
    """Assume the role, check the account, mask and export."""
    role = os.environ["ROLE"]
    found = sts(
        {
            "Action": "AssumeRoleWithWebIdentity",
            "DurationSeconds": os.environ["DURATION"],
            "RoleArn": role,
            "RoleSessionName": os.environ["SESSION"],
            "WebIdentityToken": token(),
        }
    )
    account = found["Arn"].split(":")[4]
    if os.environ["ACCOUNT"] and account not in os.environ["ACCOUNT"].split(","):
        sys.exit(f"The credentials are of account {account}, allowed is {os.environ['ACCOUNT']}.")
    secrets = {
        "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
        "AWS_SESSION_TOKEN": found["SessionToken"],
    }
    for secret in secrets.values():
        print(f"::add-mask::{secret}")
    region = os.environ["REGION"]
    with open(os.environ["GITHUB_ENV"], "a") as exported:
        for name, value in {**secrets, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}.items():
            exported.write(f"{name}={value}\n")
    print(f"assumed {found['Arn']}")


main()
