"""fetch: TLS is verified, with certificates made for the test."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest
from digest.sources.asking.fetch import Fetcher
from tests.sources.servers import answer

FEED = b"<rss version='2.0'><channel><title>t</title></channel></rss>"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1: the path of one file with certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def https(serve, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return serve(answer("200 OK", {}, FEED), tls=context)


def test_a_certificate_of_an_unknown_authority_is_refused_with_the_reason(https):
    with pytest.raises(FetchError) as caught:
        Fetcher("").fetch(FetchRequest(url=https.url(scheme="https"), allow_private=True))
    assert caught.value.what == "the server's TLS certificate or handshake is not acceptable: self-signed certificate"
    assert https.requests == []


def test_a_certificate_that_is_trusted_is_accepted(https, certificate):
    fetcher = Fetcher("", tls=ssl.create_default_context(cafile=str(certificate)))
    assert fetcher.fetch(FetchRequest(url=https.url(scheme="https"), allow_private=True)).body == FEED


def test_a_certificate_for_another_name_is_refused(https, certificate):
    fetcher = Fetcher("", tls=ssl.create_default_context(cafile=str(certificate)))
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(FetchRequest(url=https.url(scheme="https", host="localhost"), allow_private=True))
    assert "Hostname mismatch" in caught.value.what


def test_a_server_without_tls_behind_an_https_address_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 This port speaks plain HTTP\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        with pytest.raises(FetchError) as caught:
            Fetcher("", timeout=2).fetch(FetchRequest(url=url, allow_private=True))
        thread.join()
    assert "TLS" in caught.value.what
