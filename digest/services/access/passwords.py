"""Passwords of operators, kept as scrypt hashes (RFC 7914). Pure.

A hash is one line: ``scrypt:LN:R:P:SALT:KEY``, salt and key in URL-safe Base64; N is two to the power of LN. The
parameters stand in it, so that they can grow while old hashes still work.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

#: OWASP's "Password Storage Cheat Sheet" names N=2^15, r=8, p=3 among the least that resist guessing: 32 MB, 0.2 s.
_LN, _R, _P = 15, 8, 3
SALT_BYTES = 16
_KEY_BYTES = 32
#: What a configuration may ask of the memory and the processor at most: eight times the usual.
_MOST_LN, _MOST_R, _MOST_P = 18, 8, 8
_FORM = re.compile(r"scrypt:([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2}):([A-Za-z0-9_-]{11,86}):([A-Za-z0-9_-]{43})")
LEAST, MOST = 12, 1_000

#: Takes as long as a real one and fits nothing: for a name that nobody has.
NOBODY = f"scrypt:{_LN}:{_R}:{_P}:{'A' * 22}:{'A' * 43}"


def problem(password: str) -> str:
    """What is wrong with a new password; "" when it will do. Length is all that counts (NIST SP 800-63B)."""
    if len(password) < LEAST:
        return f"it has {len(password)} characters; at least {LEAST} are needed"
    if len(password) > MOST:
        return f"it has {len(password)} characters; at most {MOST} are taken"
    return ""


def hashed(password: str, salt: bytes) -> str:
    """The line for the configuration. ``salt`` is ``SALT_BYTES`` random bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt is {SALT_BYTES} random bytes, not {len(salt)}")
    return f"scrypt:{_LN}:{_R}:{_P}:{_text(salt)}:{_text(_derived(password, salt, _LN, _R, _P))}"


def is_hash(text: str) -> bool:
    """Whether a line is a hash that can be tried with a reasonable effort."""
    return _parts(text) is not None


def fits(password: str, line: str) -> bool:
    """Whether a password is the one behind a hash."""
    parts = _parts(line)
    if parts is None or len(password) > MOST:
        return False
    ln, r, p, salt, key = parts
    return hmac.compare_digest(_derived(password, salt, ln, r, p), key)


def _parts(text: str) -> tuple[int, int, int, bytes, bytes] | None:
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    ln, r, p = (int(one) for one in match.groups()[:3])
    if not (1 <= ln <= _MOST_LN and 1 <= r <= _MOST_R and 1 <= p <= _MOST_P):
        return None
    try:
        salt, key = (base64.urlsafe_b64decode(one + "=" * (-len(one) % 4)) for one in match.groups()[3:])
    except binascii.Error:
        return None
    return ln, r, p, salt, key


def _derived(password: str, salt: bytes, ln: int, r: int, p: int) -> bytes:
    room = 128 * r * (2**ln + p + 2)
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=2**ln, r=r, p=p, maxmem=room, dklen=_KEY_BYTES
    )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
