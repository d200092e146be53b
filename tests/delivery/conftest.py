"""A certificate authority made for this test run, and a server certificate for localhost."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    file: Path
    """What to trust: the server's own certificate, or the authority's that signed it."""
    server: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Certificate:
    return certified(tmp_path_factory.mktemp("certificate"))


def certified(folder: Path, *, since: int = -1, days: int = 1, signed_by_itself: bool = True) -> Certificate:
    """A server of that name; ``since`` and ``days`` bound its certificate, in days from now. Not ``signed_by_itself``:
    the file holds the authority that signed it.
    """
    key, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)

    def made(name: str, issuer: str, public: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=since))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        )
        if public is key:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    own = made("localhost", "localhost", key, key) if signed_by_itself else made("localhost", "Us", key, authority)
    cert_file, key_file, trusted = folder / "cert.pem", folder / "key.pem", folder / "trusted.pem"
    cert_file.write_bytes(own)
    trusted.write_bytes(own if signed_by_itself else made("Us", "Us", authority, authority))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert_file, key_file)
    return Certificate(trusted, server)
