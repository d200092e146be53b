"""Tokens of the JSON API: made once and shown once, kept as a hash, and known again when somebody brings one.

A token is 32 random bytes, so it needs no slow hash, and nobody finds one by trying.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from digest.model.errors import NotFound, StorageError, UsageError
from digest.services.ports import Clock
from digest.storage import access
from digest.storage.access import ApiToken
from digest.storage.engine import Store

__all__ = ["SCOPES", "ApiToken", "Made", "Tokens"]

#: What a token may open. Editions are printed by nobody's word, so nothing writes them.
SCOPES = (
    "subscribers:read",
    "subscribers:write",
    "digests:read",
    "digests:write",
    "editions:read",
    "entries:read",
    "entries:write",
    "deliveries:read",
    "deliveries:write",
    "suppressions:read",
    "suppressions:write",
)
#: Says to people and to scanners of leaked secrets what it is.
_PREFIX = "digest_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TOKEN = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
#: When a token was used is right to this.
_USED_EVERY = timedelta(hours=1)
_MOST_DAYS = 3_650


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A new token; ``secret`` is shown now and never again."""

    secret: str = field(repr=False)
    token: ApiToken


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """Gives, shows, knows and takes back tokens."""

    store: Store
    new_secret: Callable[[], bytes]
    """32 random bytes."""
    clock: Clock

    def add(self, name: str, scopes: Sequence[str], *, days: int | None = None) -> Made:
        """A token of that name, for so many days or until it is revoked. Raises UsageError."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name[:100]!r} is not a name", where="NAME", try_="write letters, digits, dots and -")
        wanted = tuple(scope for scope in SCOPES if scope in scopes)
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise UsageError(
                f'there is no scope "{unknown[0][:100]}"', where="--scope", try_=f"known are: {', '.join(SCOPES)}"
            )
        if not wanted:
            raise UsageError("it would open nothing", where="--scope", try_=f"name some of: {', '.join(SCOPES)}")
        if days is not None and not 1 <= days <= _MOST_DAYS:
            raise UsageError(f"{days} is not a number of days", where="--expires", try_=f"1 to {_MOST_DAYS}")
        secret = _PREFIX + base64.urlsafe_b64encode(self.new_secret()).decode().rstrip("=")
        now = self.clock()
        expires_at = now + timedelta(days=days) if days is not None else None
        with self.store.transaction() as tx:
            made = access.add(tx, name=name, hashed=_hash(secret), scopes=wanted, now=now, expires_at=expires_at)
        if made is None:
            raise UsageError("there is a token of this name", where=name, try_="choose another, or revoke that one")
        return Made(secret=secret, token=made)

    def listing(self) -> tuple[ApiToken, ...]:
        with self.store.reading() as tx:
            return access.listing(tx)

    def revoke(self, name: str) -> None:
        """Takes a token back; its next request is refused. Raises NotFound."""
        with self.store.transaction() as tx:
            if not access.remove(tx, name):
                raise NotFound("there is no such token", where=name[:100], try_="`digest tokens list` shows them")

    def known(self, secret: str) -> ApiToken | None:
        """Whose secret it is; None for one that is not ours, or over. That it was used is noted once an hour."""
        if not _TOKEN.fullmatch(secret):
            return None
        hashed, now = _hash(secret), self.clock()
        with self.store.reading() as tx:
            token = access.by_hash(tx, hashed)
        if token is None or (token.expires_at is not None and token.expires_at <= now):
            return None
        if token.last_used_at is None or now - token.last_used_at >= _USED_EVERY:
            # A database that cannot be written keeps nobody from reading.
            with contextlib.suppress(StorageError), self.store.transaction() as tx:
                access.used(tx, token.id, now, every=_USED_EVERY)
        return token


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
