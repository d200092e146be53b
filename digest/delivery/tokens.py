"""Tokens and keys made with HMAC-SHA256, so that nobody can guess or forge them. Pure.

A token is bound to its purpose (confirm, preferences …): one that leaks opens nothing else. Keys come as a list: the
first signs, all of them verify, so a key can be changed while old mails still work. What a token's payload means, and
whether it has expired, is for the caller.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

#: 128 bits: as strong as the secrets beside it, and short enough for a link.
MAC_BYTES = 16
SECRET_BYTES = 16

_NUMBER = re.compile(r"[0-9a-f]{1,15}")


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
    return hmac.digest(key, _about(message_key) + _sized(str(recipient).encode()), "sha256").hex()[:32]


def return_path(base: str, delivery_id: int, keys: Sequence[bytes]) -> str:
    """The envelope sender of one delivery (VERP): ``base`` with ``+b1z-MAC`` before its @, MAC 20 hex digits.

    Only digits and small letters: on the way back some servers change the case of a local part.
    """
    local, _, domain = base.rpartition("@")
    return f"{local}+{_path_token(delivery_id, keys[0])}@{domain}"


def read_return_path(address: str, keys: Sequence[bytes]) -> int | None:
    """The delivery that a return path names; None when it was not made by us."""
    token = address.rpartition("@")[0].rpartition("+")[2].lower()
    number = token.partition("-")[0].removeprefix("b")
    if not _NUMBER.fullmatch(number):
        return None
    delivery_id = int(number, 16)
    fits = [
        hmac.compare_digest(token.encode("utf-8", "surrogatepass"), _path_token(delivery_id, key).encode())
        for key in keys
    ]
    return delivery_id if any(fits) else None


def _path_token(delivery_id: int, key: bytes) -> str:
    number = f"{delivery_id:x}"
    return f"b{number}-{_mac(key, 'return-path', number.encode()).hex()[:20]}"


def new_secret(random_bytes: bytes) -> str:
    """22 URL-safe characters from 16 random bytes."""
    if len(random_bytes) != SECRET_BYTES:
        raise ValueError(f"a secret is made of {SECRET_BYTES} random bytes, not {len(random_bytes)}")
    return _encode(random_bytes)


def _mac(key: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.digest(key, _token_of(purpose) + _sized(payload), "sha256")[:MAC_BYTES]


def _digest(key: bytes, *fields: bytes) -> bytes:
    """HMAC over the fields, each with its length: ("ab", "c") and ("a", "bc") differ."""
    return hmac.digest(key, b"".join(map(_sized, fields)), "sha256")


def _sized(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field


# A sender makes some thousand tokens a second; what they have in common is made once.


@lru_cache(maxsize=1024)
def _about(message_key: str) -> bytes:
    return _sized(b"message-id") + _sized(message_key.encode())


@lru_cache(maxsize=64)
def _token_of(purpose: str) -> bytes:
    return _sized(b"token") + _sized(purpose.encode())


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _encode(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def _decode(token: str) -> bytes | None:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # base64 has several spellings of the same bytes; only the one we make counts.
    return raw if _encode(raw) == token else None
