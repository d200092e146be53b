"""One effect for each idempotency key: a request that comes again gets the answer that the first one got.

A key is held while its request is worked on, and the answer is kept beside it for a day. Both are transactions of their
own, for the work has its own. A process that dies between the work and the keeping leaves a held key behind; when its
time is over, the request is done once more. So what is done under a key must be safe to do twice: a second call finds
the first one's work, and its answer may say so.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from digest.services.ports import Clock
from digest.storage import access
from digest.storage.engine import Store

KEPT = timedelta(hours=24)
#: No request is worked on for longer: a locked database is waited for 15 s, a letter is printed within a second.
_HELD = timedelta(minutes=2)


class Refusal(Enum):
    BUSY = "busy"
    """The same request is being worked on."""
    OTHER = "other"
    """The key belongs to another request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A key that is ours for now."""

    token_id: int
    key: str
    holder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What the first request was answered: an HTTP status and a JSON document."""

    status: int
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Once:
    """Keys of tokens."""

    store: Store
    lasting: bytes = field(repr=False)
    new_holder: Callable[[], str]
    """A new name for each call, of at most 64 characters."""
    clock: Clock

    def take(self, token_id: int, key: str, request: str) -> Hold | Answered | Refusal:
        """The key, or what is known under it. ``request`` is all that makes one request another."""
        now = self.clock()
        hold = Hold(token_id=token_id, key=self._hidden(f"key {key}"), holder=self.new_holder())
        wanted = self._hidden(f"request {request}")
        with self.store.transaction() as tx:
            known = access.hold(
                tx,
                token_id,
                hold.key,
                request=wanted,
                holder=hold.holder,
                now=now,
                until=now + _HELD,
                keep_until=now + KEPT,
            )
        if known is None:
            return hold
        if known.request != wanted:
            return Refusal.OTHER
        return Refusal.BUSY if known.status is None else Answered(status=known.status, body=known.body)

    def keep(self, hold: Hold, answered: Answered) -> None:
        with self.store.transaction() as tx:
            access.keep(tx, hold.token_id, hold.key, hold.holder, status=answered.status, body=answered.body)

    def let_go(self, hold: Hold) -> None:
        """Frees a key under which nothing was done."""
        with self.store.transaction() as tx:
            access.let_go(tx, hold.token_id, hold.key, hold.holder)

    def _hidden(self, text: str) -> str:
        return hmac.digest(self.lasting, f"idempotency {text}".encode(), "sha256").hex()
