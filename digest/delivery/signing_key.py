"""Keys that sign mails: from PEM to a key, from a key to its DNS record, and whether a published record fits it.

RFC 6376 section 3.6 (records), RFC 8301 (RSA sizes), RFC 8463 (Ed25519). Pure but for the chance that makes a new key;
reading the file and asking the DNS are for the caller. `cryptography`, the extra "dkim", is imported when a key is
needed, and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from digest.model.errors import ConfigError
from digest.model.signing import KeyKind, SigningKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

#: RFC 8301: smaller keys must not sign; signers should take at least the second.
LEAST_BITS = 1024
GOOD_BITS = 2048
_MAKE = "digest dkim keygen makes one"
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


def read_key(pem: str, *, where: str, selector: str, domain: str) -> SigningKey:
    """The key of a PEM text: PKCS #8, or RSA's own form (PKCS #1).

    Raises ConfigError for what is no such key, for one that is locked by a password, and for RSA below 1024 bits.
    """
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        raise ConfigError(
            "the key is locked by a password", where=where, try_="store it without one, readable by Digest alone"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError("holds no private key in PEM form", where=where, try_=_MAKE) from error
    if isinstance(private, rsa.RSAPrivateKey):
        if private.key_size < LEAST_BITS:
            raise ConfigError(
                f"the key has {private.key_size} bits; receivers take no signature below {LEAST_BITS} (RFC 8301)",
                where=where,
                try_=_MAKE,
            )
        return _rsa(private, selector, domain)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return _ed25519(private, selector, domain)
    raise ConfigError("the key is neither RSA nor Ed25519, and DKIM knows no other", where=where, try_=_MAKE)


def new_key(kind: KeyKind, *, selector: str, domain: str) -> tuple[str, SigningKey]:
    """A new key, as PEM (PKCS #8) and ready to use. ConfigError without the extra "dkim"."""
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    if kind is KeyKind.RSA:
        private = rsa.generate_private_key(public_exponent=65537, key_size=GOOD_BITS)
        key = _rsa(private, selector, domain)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
        key = _ed25519(private, selector, domain)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode("ascii"), key


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What the DNS says of a key. ``wrong`` is empty where receivers can verify with it; ``doubt`` is worth a look."""

    wrong: str = ""
    doubt: str = ""


def compare(key: SigningKey, records: Sequence[str]) -> Published:
    """Whether the TXT records at ``key.name`` let receivers verify what ``key`` signs (RFC 6376 section 3.6.1)."""
    found = [tags for record in records if "p" in (tags := _tags(record))]
    if not found:
        return Published(wrong="there is no record" if not records else "no record there holds a key (p=)")
    if len(found) > 1:
        return Published(wrong=f"there are {len(found)} records, and receivers take any of them")
    tags = found[0]
    if tags.get("v", "DKIM1") != "DKIM1":
        return Published(wrong=f"the record says v={tags['v'][:40]}, not v=DKIM1")
    if not tags["p"]:
        return Published(wrong="the record revokes the key (its p= is empty)")
    kind = tags.get("k", KeyKind.RSA.value)
    if kind != key.kind.value:
        return Published(wrong=f"the record says k={kind[:40]}, but the key is {key.kind.value}")
    if _decoded(tags["p"]) != key.public:
        return Published(wrong="the record is of another key, or was cut short")
    if "sha256" not in _several(tags.get("h", "sha256")):
        return Published(wrong="the record's h= does not allow sha256")
    if not {"*", "email"} & set(_several(tags.get("s", "*"))):
        return Published(wrong="the record's s= does not allow mail")
    if "y" in _several(tags.get("t", "")):
        return Published(doubt="the record says t=y: receivers treat it as a test, as if nothing was signed")
    return Published()


def _tags(record: str) -> dict[str, str]:
    """A tag list (RFC 6376 section 3.2); blanks around names and inside p= do not count."""
    pairs = (piece.partition("=") for piece in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, equals, value in pairs if equals}


def _several(value: str) -> list[str]:
    return value.lower().split(":")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def ascii_domain(domain: str) -> str:
    """The domain as signatures and the DNS spell it. ValueError for what is none."""
    try:
        plain = domain.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        plain = ""
    if not _DOMAIN.fullmatch(plain):
        raise ValueError(f"{domain[:80]!r} is no domain")
    return plain


def _rsa(private: RSAPrivateKey, selector: str, domain: str) -> SigningKey:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    fill, digest = padding.PKCS1v15(), hashes.SHA256()
    return SigningKey(
        selector=selector,
        domain=domain,
        kind=KeyKind.RSA,
        bits=private.key_size,
        public=private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        sign=lambda header: private.sign(header, fill, digest),
    )


def _ed25519(private: Ed25519PrivateKey, selector: str, domain: str) -> SigningKey:
    return SigningKey(
        selector=selector,
        domain=domain,
        kind=KeyKind.ED25519,
        bits=256,
        public=private.public_key().public_bytes_raw(),
        # RFC 8463 section 3: what is signed is the hash.
        sign=lambda header: private.sign(sha256(header).digest()),
    )


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise ConfigError(
            'signing mails needs the extra "dkim", which is not installed',
            where="[[dkim]]",
            try_="install it with `pip install 'digest-papers[dkim]'`",
        ) from error
