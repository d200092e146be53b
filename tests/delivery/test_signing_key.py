"""Keys from files, their DNS records, and what a wrong record is told to be."""

from __future__ import annotations

import base64
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from digest.delivery.signing_key import ascii_domain, compare, new_key, read_key
from digest.model.errors import ConfigError
from digest.model.signing import KeyKind, SigningKey

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def pem(private: object, form: str = "PKCS8", password: bytes | None = None) -> str:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), locked
    ).decode()


def read(text: str) -> SigningKey:
    return read_key(text, where="key.pem", selector="s", domain="d.example")


@pytest.mark.parametrize("kind", KeyKind)
def test_a_new_key_reads_back_as_itself(kind):
    text, key = new_key(kind, selector="s", domain="d.example")
    assert read(text) == key
    assert (key.bits, key.name) == ({"rsa": 2048, "ed25519": 256}[kind.value], "s._domainkey.d.example")
    assert read(text).sign(b"x") == key.sign(b"x")


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_both_forms_of_an_rsa_key_are_read(form):
    key = read(pem(PRIVATE, form))
    assert (key.kind, key.bits, key.algorithm) == (KeyKind.RSA, 1024, "rsa-sha256")
    assert load_der_public_key(key.public) == PRIVATE.public_key()


# A key of 512 bits, which the library no longer makes.
SMALL = """-----BEGIN RSA PRIVATE KEY-----
MIIBOgIBAAJBANxYdXqOGfAeKEKscDbux0j+/g6ouC7/4IxDKJFoSSpfDtHqKMW6
NoQcqcxvvZVxA1vEk7jcgCvCcT2N4kHzJ+cCAwEAAQJAEfsV+x5Fd5a+alJwBcuO
b6J/UOrrvMocpNWGJfeAoPhh/bDH+XGDoWU9PKC/NyELArtCGo2exKibrYUcyl6m
YQIhAP62O6TiLm6F4WbHjtjwJBMU2EITW5pqI1ZmubTEqs5tAiEA3XW7paxUleEV
/WzA7LGK36Ewoo2VIWMQP+IWgiU7SyMCIQCvwMS1CBCr2JtoVQh/Lmxl8jsqlLrf
eJ87jhRT5GRLnQIgYjHo4T33R3nFaVhGdu0GOcBcM0d5/5LQSrMx7cUadGcCIA1E
ckXxCbrMpV1uS46Ii03fazucOwXhckZBdlJnjZrn
-----END RSA PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no private key"),
        ("hello", "no private key"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        (pem(PRIVATE)[:200], "no private key"),
        (pem(PRIVATE, password=b"secret"), "locked by a password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
        (pem(dsa.generate_private_key(1024)), "neither RSA nor Ed25519"),
        (SMALL, "512 bits"),
        (
            PRIVATE.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "no private key",
        ),
    ],
)
def test_what_is_no_key_is_refused_by_name(text, what):
    with pytest.raises(ConfigError, match=what) as told:
        read(text)
    assert (told.value.where, bool(told.value.try_)) == ("key.pem", True)
    assert "BEGIN" not in str(told.value)


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match=r"digest-papers\[dkim\]"):
        read(pem(PRIVATE))
    with pytest.raises(ConfigError, match=r"digest-papers\[dkim\]"):
        new_key(KeyKind.RSA, selector="s", domain="d.example")


def test_a_record_is_cut_into_strings_that_join_to_it():
    key = new_key(KeyKind.RSA, selector="s", domain="d.example")[1]
    name, _, rest = key.zone_line.partition(" IN TXT ")
    strings = rest.strip("() ").split('" "')
    assert name == "s._domainkey.d.example."
    assert len(strings) == 2
    assert max(map(len, strings)) <= 256
    assert "".join(strings).strip('"') == key.record


def test_an_ed25519_record_holds_the_bare_key():
    """As in RFC 8463 section 4.2."""
    seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    key = read(pem(ed25519.Ed25519PrivateKey.from_private_bytes(seed)))
    assert key.record == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


KEY = read(pem(PRIVATE))
P = base64.b64encode(KEY.public).decode()


@pytest.mark.parametrize(
    ("records", "wrong", "doubt"),
    [
        ((KEY.record,), "", ""),
        ((f"p={P}",), "", ""),
        ((f"v=DKIM1;k=rsa ; h=sha1:sha256; s=email:x; t=s; n=a note; p = {P[:90]} {P[90:]} ;",), "", ""),
        (("v=spf1 -all", KEY.record), "", ""),
        ((), "there is no record", ""),
        (("v=spf1 -all",), "no record there holds a key (p=)", ""),
        ((KEY.record, KEY.record), "there are 2 records, and receivers take any of them", ""),
        (("v=DKIM1; p=",), "the record revokes the key (its p= is empty)", ""),
        ((f"v=DKIM2; p={P}",), "the record says v=DKIM2, not v=DKIM1", ""),
        ((f"v=DKIM1; k=ed25519; p={P}",), "the record says k=ed25519, but the key is rsa", ""),
        ((f"v=DKIM1; p={P[:-8]}",), "the record is of another key, or was cut short", ""),
        (("v=DKIM1; p=not base64!",), "the record is of another key, or was cut short", ""),
        ((f"v=DKIM1; h=sha1; p={P}",), "the record's h= does not allow sha256", ""),
        ((f"v=DKIM1; s=tlsrpt; p={P}",), "the record's s= does not allow mail", ""),
        (
            (f"v=DKIM1; t=s:y; p={P}",),
            "",
            "the record says t=y: receivers treat it as a test, as if nothing was signed",
        ),
    ],
)
def test_a_published_record_is_compared_with_the_key(records, wrong, doubt):
    found = compare(KEY, records)
    assert (found.wrong, found.doubt) == (wrong, doubt)


@pytest.mark.parametrize(
    ("given", "spelt"), [("Example.ORG.", "example.org"), ("bücher.example", "xn--bcher-kva.example"), ("a", "a")]
)
def test_a_domain_is_spelt_as_the_dns_does(given, spelt):
    assert ascii_domain(given) == spelt


@pytest.mark.parametrize("given", ["", "a..b", "a b", "-a.b", "x" * 64 + ".org", "a;b", "a\r\nb", "ü" * 90])
def test_what_is_no_domain_is_refused(given):
    with pytest.raises(ValueError, match="is no domain"):
        ascii_domain(given)
