"""Tokens that nobody should be believed by: guessed, cut, with a bit turned; of another purpose, reader or place.

Made from good ones, in the ways in which an attacker would who holds some: his own, or those of a forwarded mail.
"""

from __future__ import annotations

import base64
import itertools
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from digest.delivery.tokens import new_secret, return_path, sign
from digest.model.people import Subscription
from digest.services.stamping import CONFIRM, DATA, PREFERENCES, TASTE, Keys, scoped

#: Purposes of signed tokens; of those in links the first three are given out here.
PURPOSES = (PREFERENCES, TASTE, CONFIRM, DATA, "join-form", "return-path")
_URL_SAFE = string.ascii_letters + string.digits + "-_"
_BOUNCES = "digest@example.org"


@dataclass(frozen=True, kw_only=True, slots=True)
class Good:
    """What an installation gave out: by kind, the tokens that are good for it."""

    held: Mapping[str, tuple[str, ...]]
    keys: Keys

    @property
    def every(self) -> frozenset[str]:
        return frozenset(token for tokens in self.held.values() for token in tokens)


def given_out(readers: Sequence[Subscription], day: str, form: str, read_keys: Sequence[str], keys: Keys) -> Good:
    """All kinds of tokens, for some readers."""
    held = {purpose: tuple(scoped(purpose, one.id, day, keys.links) for one in readers) for purpose in PURPOSES[:3]}
    return Good(
        held={
            **held,
            "form": (form,),
            "secret": tuple(one.secret for one in readers),
            "read": tuple(read_keys),
            "path": tuple(return_path(_BOUNCES, number, keys.links) for number in range(1, len(readers) + 1)),
        },
        keys=keys,
    )


def forged(good: Good, number: int, *, seed: int = 1) -> Iterator[tuple[str, str]]:
    """``number`` times (kind that it is tried as, token); none of them was given out for that kind."""
    dice = random.Random(seed)
    ways = itertools.cycle([_guessed, _cut, _turned, _swapped, _another_reader, _foreign, _spelt_otherwise, _joined])
    made = 0
    while made < number:
        kind = dice.choice(list(good.held))
        token = next(ways)(good, kind, dice)
        if _heart(kind, token) not in {_heart(kind, one) for one in good.held[kind]}:
            made += 1
            yield kind, token


def _heart(kind: str, token: str) -> str:
    """What counts of it: of a return path what stands between + and @, in small letters."""
    return token.rpartition("@")[0].rpartition("+")[2].lower() if kind == "path" else token


def _guessed(good: Good, kind: str, dice: random.Random) -> str:
    """The right letters, and the right number of them."""
    like = dice.choice(good.held[kind])
    if kind == "path":
        return f"digest+b{dice.randrange(1, 9999):x}-{dice.randbytes(10).hex()}@example.org"
    alphabet = string.hexdigits[:16] if kind == "read" else _URL_SAFE
    return "".join(dice.choices(alphabet, k=len(like)))


def _cut(good: Good, kind: str, dice: random.Random) -> str:
    token = dice.choice(good.held[kind])
    at = dice.randrange(len(token))
    return dice.choice((token[:at], token[at:], token[:at] + token[at + 1 :]))


def _turned(good: Good, kind: str, dice: random.Random) -> str:
    """A letter or a bit of it is another."""
    token = dice.choice(good.held[kind])
    if kind in ("path", "read"):
        at = dice.randrange(token.find("+b") + 2, len(token.partition("@")[0]))
        return token[:at] + dice.choice(string.hexdigits[:16].replace(token[at], "")) + token[at + 1 :]
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _swapped(good: Good, kind: str, dice: random.Random) -> str:
    """Good for something else; or signed for that by the same key, with the payload of this."""
    if dice.random() < 0.5:
        return dice.choice(good.held[dice.choice([one for one in good.held if one != kind])])
    payload = dice.randrange(1, 99).to_bytes(8, "big") + (2300).to_bytes(4, "big")
    return sign(dice.choice([one for one in PURPOSES if one != _purpose(kind)]), payload, good.keys.links)


def _another_reader(good: Good, kind: str, dice: random.Random) -> str:
    """One reader's name with another's signature, or with the signature of another day."""
    one, two = dice.choice(good.held[kind]), dice.choice(good.held[kind])
    if kind in ("secret", "read"):
        half = len(one) // 2
        return one[:half] + dice.choice(_URL_SAFE) + two[half + 1 :]
    if kind == "path":
        return f"digest+b{dice.randrange(10_000, 99_999):x}-{one.partition('-')[2]}"
    raw = base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))
    payload = bytearray(raw[:-16])
    payload[dice.randrange(len(payload))] ^= 1 + dice.randrange(255)
    return base64.urlsafe_b64encode(bytes(payload) + raw[-16:]).decode().rstrip("=")


def _foreign(good: Good, kind: str, dice: random.Random) -> str:
    """Of another installation, where it would be good."""
    keys = (dice.randbytes(32),)
    number = dice.randrange(1, 50)
    if kind == "secret":
        return new_secret(dice.randbytes(16))
    if kind == "read":
        return dice.randbytes(32).hex()
    if kind == "path":
        return return_path(_BOUNCES, number, keys)
    if kind == "form":
        return sign("join-form", (1_777_872_600).to_bytes(8, "big"), keys)
    return scoped(kind, number, "2026-05-04", keys)


def _spelt_otherwise(good: Good, kind: str, dice: random.Random) -> str:
    """The same bytes in another spelling, and what lenient readers pass over."""
    token = dice.choice(good.held[kind])
    if kind == "path":  # its letters' case is the mail servers' own
        return token.replace("-", dice.choice(("_", "--", "")), 1)
    at = dice.randrange(len(token))
    odd = dice.choice(("=", " ", "\n", "\x00", "%00", "+", "/", "é", "\u200b", "\ud800", "'--"))
    return dice.choice((token + odd, odd + token, token[:at] + odd + token[at:]))


def _joined(good: Good, kind: str, dice: random.Random) -> str:
    """Dots join the secrets of one mail: nothing else of it may count."""
    others = [one for name in good.held if name not in (kind, "secret") for one in good.held[name]]
    return ".".join((dice.choice(others), "", new_secret(dice.randbytes(16)), dice.choice(("..", "", "a.b"))))


def _purpose(kind: str) -> str:
    return {"form": "join-form", "path": "return-path"}.get(kind, kind)
