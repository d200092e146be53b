"""Feedback: what comes back by mail. A mail with an unsubscribe token is obeyed, and only then taken out of the box.

Mail without one, or with a token nobody has, is not touched: a person may want to read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from digest.delivery.inbound import read_inbound
from digest.model.people import SubscriptionState
from digest.services.ports import Clock
from digest.storage import people
from digest.storage.engine import Store

Handle = TypeVar("Handle")
#: Secrets in one token: a mail that joins more digests than this does not exist.
_MOST_SECRETS = 50


class Heard(StrEnum):
    """What a mail was."""

    LEFT = "left"
    """It asked to leave, and the person has left by it (or had before)."""
    UNKNOWN = "unknown"
    """It asked to leave with a token that nobody has."""
    UNRELATED = "unrelated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Obeyed:
    """What a round through the mailbox did. ``ended`` counts subscriptions, the others mails."""

    read: int = 0
    left: int = 0
    ended: int = 0
    unknown: int = 0
    unrelated: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Feedback:
    """Obeys mails."""

    store: Store
    clock: Clock

    def obey(self, mails: Iterable[tuple[Handle, bytes]], acknowledge: Callable[[Handle], None]) -> Obeyed:
        """Reads (handle, raw mail) one by one; each that was obeyed is acknowledged after its commit."""
        read, ended = 0, 0
        tally = dict.fromkeys(Heard, 0)
        for handle, raw in mails:
            read += 1
            heard, changed = self.one(raw)
            tally[heard] += 1
            ended += changed
            if heard is Heard.LEFT:
                acknowledge(handle)
        return Obeyed(
            read=read,
            left=tally[Heard.LEFT],
            ended=ended,
            unknown=tally[Heard.UNKNOWN],
            unrelated=tally[Heard.UNRELATED],
        )

    def one(self, raw: bytes) -> tuple[Heard, int]:
        """Obeys one mail, as a mail server's pipe hands it over: (what it was, how many subscriptions ended by it)."""
        inbound = read_inbound(raw)
        if inbound is None:
            return Heard.UNRELATED, 0
        now = self.clock()
        with self.store.transaction() as tx:
            secrets = [part for part in inbound.token.split(".")[:_MOST_SECRETS] if part]
            found = [one for secret in secrets if (one := people.by_secret(tx, secret)) is not None]
            ended = sum(people.set_state(tx, one.id, SubscriptionState.UNSUBSCRIBED, now) for one in found)
        return (Heard.LEFT if found else Heard.UNKNOWN), ended
