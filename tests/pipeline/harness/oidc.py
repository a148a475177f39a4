"""The OIDC issuer of GitHub Actions: RS256 tokens for jobs, and the keys to check them with."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.pipeline.harness.web import Request, Response

ISSUER = "https://token.actions.githubusercontent.com"
KEY_ID = "rehearsal"


class Refused(Exception):
    """The job gets no token; the message says why."""


class Issuer:
    """Signs tokens for whoever has a request token.

    `claims` turns a request token into the claims of the job that runs, or raises Refused.
    """

    def __init__(self, claims: Callable[[str], Mapping[str, Any]]) -> None:
        self._claims = claims
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.issued: list[Mapping[str, Any]] = []
        self.tokens: list[str] = []

    def answer(self, request: Request) -> Response:
        """Requests below `/oidc`."""
        if request.path == "/oidc/.well-known/openid-configuration":
            return Response.of(200, {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/.well-known/jwks"})
        if request.path == "/oidc/.well-known/jwks":
            return Response.of(200, self.jwks())
        if request.path == "/oidc/token":
            scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or "audience" not in request.query:
                return Response.of(400, {"message": "a bearer token and an audience are needed"})
            try:
                return Response.of(200, {"value": self.sign(request.query["audience"], self._claims(bearer))})
            except Refused as refusal:
                return Response.of(403, {"message": str(refusal)})
        return Response.of(404, {"message": "Not Found"})

    def jwks(self) -> dict[str, Any]:
        """The public key, as GitHub publishes its own."""
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]}

    def sign(self, audience: str, claims: Mapping[str, Any]) -> str:
        """A token good for five minutes, as GitHub's are."""
        now = int(time.time())
        times = {"iat": now, "nbf": now - 300, "exp": now + 300, "jti": str(uuid.uuid4())}
        whole = {"iss": ISSUER, "aud": audience, **times, **claims}
        self.issued.append(whole)
        token = jwt.encode(whole, self._key, algorithm="RS256", headers={"kid": KEY_ID})
        self.tokens.append(token)
        return token
