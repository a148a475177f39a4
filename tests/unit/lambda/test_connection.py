"""Where DynamoDB is, whom the function trusts to be it, and as whom it calls."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import botocore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ops.package import build
from tests.service_stage import Service, loaded, service

AMAZON = ["Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4"]
BUNDLE = Path(botocore.__file__).with_name("cacert.pem")  # the one that boto3 trusts
ITEM = json.dumps({"Item": {"message": {"S": "Hello"}}}).encode()


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers every request with `content`, and remembers the headers."""

    content: ClassVar[bytes] = ITEM
    seen: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        self.seen.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: Any) -> None:
        """Nothing: a test's output is for the test."""


@contextlib.contextmanager
def serving(content: bytes, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers with `content`, over TLS with a context: its address, and what it has seen."""
    seen: list[dict[str, str]] = []
    handler = type("Handler", (Answering,), {"content": content, "seen": seen})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", seen
        server.shutdown()


def certificate(directory: Path, address: str) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for an address: its file, and the context of a server that has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / "certificate.pem", directory / "key.pem"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def common_names(context: ssl.SSLContext) -> list[str]:
    certificates = [x509.load_der_x509_certificate(each) for each in context.get_ca_certs(binary_form=True)]
    return sorted(str(each.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value) for each in certificates)


def test_amazons_certificate_authorities_are_found_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(BUNDLE))
    with loaded(name="dynamodb") as dynamodb:
        context = dynamodb.tls_context()

    assert common_names(context) == AMAZON
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_system_without_them_is_trusted_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, _ = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    with loaded(name="dynamodb") as dynamodb:
        assert common_names(dynamodb.tls_context()) == ["local"]


def test_the_trusted_certificate_authorities_are_valid_for_another_year() -> None:
    """Fails ahead of time: then look at https://www.amazontrust.com/repository/ for their successors."""
    with loaded({"SSL_CERT_FILE": str(BUNDLE)}, name="dynamodb") as dynamodb:
        ends = [ssl.cert_time_to_seconds(str(each["notAfter"])) for each in dynamodb.tls_context().get_ca_certs()]

    assert min(ends) > time.time() + 365 * 86_400


def test_a_read_over_tls(tmp_path: Path) -> None:
    public, context = certificate(tmp_path, "127.0.0.1")
    with serving(ITEM, context) as (address, seen):
        environ = {"AWS_ENDPOINT_URL": f"https://{address}/some/path", "SSL_CERT_FILE": str(public)}
        with loaded(environ) as handler:
            assert handler.handler({}, None)["statusCode"] == 200
        assert seen[0]["host"] == address
        assert seen[0]["path"] == "/some/path"


def test_a_server_with_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    public, context = certificate(tmp_path, "127.0.0.2")
    with serving(ITEM, context) as (address, seen):
        with loaded({"AWS_ENDPOINT_URL": f"https://{address}", "SSL_CERT_FILE": str(public)}) as handler:
            assert handler.handler({}, None)["statusCode"] == 503
        assert seen == []


def test_a_server_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    _, context = certificate(tmp_path, "127.0.0.1")
    with serving(ITEM, context) as (address, seen):
        with loaded({"AWS_ENDPOINT_URL": f"https://{address}", "SSL_CERT_FILE": str(BUNDLE)}) as handler:
            assert handler.handler({}, None)["statusCode"] == 503
        assert seen == []


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("", (b"dynamodb.eu-west-1.amazonaws.com", 443)),
        ("http://dynamodb.test", (b"dynamodb.test", 80)),
        ("https://dynamodb.test/path", (b"dynamodb.test", 443)),
        ("http://dynamodb.test:8000/", (b"dynamodb.test", 8000)),
    ],
)
def test_an_endpoint_is_called_and_without_one_the_region(
    endpoint: str, address: tuple[bytes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address is really called: what would be connected to is only recorded."""
    called = []

    def refuse(address: tuple[bytes, int], *_: object, **__: object) -> None:
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.create_connection", refuse)
    with loaded({"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-west-1"}):
        assert called == [address]


def test_the_connection_is_opened_by_the_cold_start() -> None:
    """INIT has more CPU than a request: the handshake belongs there."""
    with service() as running:
        end = time.monotonic() + 10
        while not running.table.connections and time.monotonic() < end:
            time.sleep(0.001)

        assert running.table.connections == 1
        running.send()
        assert running.table.connections == 1


def _credentials(lifetime: float, key: str = "ASIARESTORED") -> bytes:
    end = datetime.datetime.fromtimestamp(time.time() + lifetime, datetime.UTC)
    return json.dumps(
        {
            "AccessKeyId": key,
            "SecretAccessKey": "secret",
            "Token": "restored",
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    ).encode()


@pytest.mark.parametrize(("lifetime", "asked"), [(3600, 1), (310, 1), (290, 3), (-60, 3)])
def test_a_restored_process_asks_for_credentials_when_they_are_about_to_expire(lifetime: float, asked: int) -> None:
    """As SnapStart gives them out: by a local endpoint, with an end date."""
    with (
        serving(_credentials(lifetime)) as (address, seen),
        service(CACHE_TTL_SECONDS="0", **_from_endpoint(address)) as running,
    ):
        for _ in range(3):
            assert running.send()["statusCode"] == 200
        last = running.table.calls[-1].headers

    assert len(seen) == asked
    assert seen[0]["authorization"] == "Basic token"
    assert seen[0]["path"] == "/2021-08-23/credentials"
    assert "Credential=ASIARESTORED/" in last["authorization"]
    assert last["x-amz-security-token"] == "restored"


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"AccessKeyId": "a", "SecretAccessKey": "b"}'])
def test_credentials_that_make_no_sense_are_a_503(content: bytes) -> None:
    with serving(content) as (address, _), service(**_from_endpoint(address)) as running:
        assert running.send()["statusCode"] == 503


def test_an_endpoint_of_credentials_that_is_not_there_is_a_503() -> None:
    with service(**_from_endpoint("127.0.0.1:1")) as running:
        assert running.send()["statusCode"] == 503


def test_an_endpoint_of_credentials_that_speaks_no_http_is_a_503() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with service(**_from_endpoint("{}:{}".format(*listener.getsockname()))) as running:
            assert running.send()["statusCode"] == 503


def _from_endpoint(address: str) -> dict[str, str]:
    return {
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic token",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{address}/2021-08-23/credentials",
    }


def test_credentials_without_a_session_token_are_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a person's own are, who runs the function by hand."""
    with service() as running:
        monkeypatch.delenv("AWS_SESSION_TOKEN")
        assert running.send()["statusCode"] == 200
        assert "x-amz-security-token" not in running.table.calls[0].headers


def test_the_package_is_small(running: Service) -> None:
    """24 kB, without anything to compress it: the source is all there is to load."""
    assert len(build()) <= 24_000
