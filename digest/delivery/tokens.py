"""Tokens and keys made with HMAC-SHA256, so that nobody can guess or forge them. Pure.

A token is bound to its purpose (confirm, preferences …): one that leaks opens nothing else. Keys come as a list: the
first signs, all of them verify, so a key can be changed while old mails still work. What a token's payload means, and
whether it has expired, is for the caller.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import unicodedata
from collections.abc import Sequence

#: 128 bits: as strong as the secrets beside it, and short enough for a link.
MAC_BYTES = 16
SECRET_BYTES = 16


def sign(purpose: str, payload: bytes, keys: Sequence[bytes]) -> str:
    """URL-safe token that carries ``payload``; equally long payloads give equally long tokens."""
    if not keys:
        raise ValueError("no key to sign with")
    return _encode(payload + _mac(keys[0], purpose, payload))


def verify(purpose: str, token: str, keys: Sequence[bytes]) -> bytes | None:
    """The payload, or None when the token was not made by us for this purpose."""
    raw = _decode(token)
    if raw is None or len(raw) < MAC_BYTES:
        return None
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    # Every key is tried, so that the time tells nothing about which one fits.
    fits = [hmac.compare_digest(mac, _mac(key, purpose, payload)) for key in keys]
    return payload if any(fits) else None


def normal_address(address: str) -> str:
    """The form in which two spellings of one address are equal. Case counts nowhere: no mail provider tells it
    apart.
    """
    return unicodedata.normalize("NFC", address.strip()).casefold()


def address_key(address: str, key: bytes) -> str:
    """64 hex digits that stand for an address on the suppression list, also after the address is erased."""
    return _digest(key, b"address", normal_address(address).encode("utf-8", "surrogatepass")).hex()


def message_id(key: bytes, message_key: str, recipient: int | str) -> str:
    """32 hex digits, the same whenever the same message goes to the same recipient: a repeat can be recognised."""
    return _digest(key, b"message-id", message_key.encode(), str(recipient).encode()).hex()[:32]


def new_secret(random_bytes: bytes) -> str:
    """22 URL-safe characters from 16 random bytes."""
    if len(random_bytes) != SECRET_BYTES:
        raise ValueError(f"a secret is made of {SECRET_BYTES} random bytes, not {len(random_bytes)}")
    return _encode(random_bytes)


def _mac(key: bytes, purpose: str, payload: bytes) -> bytes:
    return _digest(key, b"token", purpose.encode(), payload)[:MAC_BYTES]


def _digest(key: bytes, *fields: bytes) -> bytes:
    """HMAC over the fields, each with its length: ("ab", "c") and ("a", "bc") differ."""
    return hmac.digest(key, b"".join(len(field).to_bytes(4, "big") + field for field in fields), "sha256")


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(token: str) -> bytes | None:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # base64 has several spellings of the same bytes; only the one we make counts.
    return raw if _encode(raw) == token else None
