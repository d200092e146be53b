"""Mails that are no editions:

the operator's alert, the question whether somebody wants a digest. Planned here, sent by the one outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.delivery.tokens import address_key
from digest.model.feeds import SourceState
from digest.model.mail import Message
from digest.model.people import Subscription
from digest.services.ports import Clock
from digest.storage import deliveries, editions, sources
from digest.storage.engine import Store
from digest.storage.sources import HeldSource

#: One failure is weather; so many in a row, and for so long, want a person.
ALERT_AFTER = 5
ALERT_AFTER_TIME = timedelta(hours=12)
_WORTH = timedelta(days=2)

#: (instant, key, context of templates/mail/alert) -> message
PrintAlert = Callable[[datetime, str, Mapping[str, object]], Message]
#: (digest name, instant, key) -> message
PrintQuestion = Callable[[str, datetime, str], Message]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notify:
    """Tells the operator, once a trouble, by mail."""

    store: Store
    alerts_to: tuple[str, ...]
    print_alert: PrintAlert
    print_question: PrintQuestion
    key: bytes
    clock: Clock

    def sources(self) -> tuple[str, ...]:
        """Plans an alert for each source that has stayed broken;

        gives their ids. Told once until the source recovers.
        """
        if not self.alerts_to:
            return ()
        now = self.clock()
        with self.store.reading() as tx:
            broken = [held for held in sources.all_held(tx) if _wants_a_person(held, now)]
        for held in broken:
            self._tell(held, now)
        return tuple(held.source.id for held in broken)

    def ask(self, subscription: Subscription) -> bool:
        """Plans a confirmation mail; False when this address was asked today already (nobody is bombed)."""
        now = self.clock()
        day = now.date().isoformat()
        message = self.print_question(
            subscription.digest, now, address_key(f"confirmation:{subscription.digest}:{day}", self.key)
        )
        hashed = address_key(subscription.address, self.key)
        row = deliveries.plan_row(
            kind="confirmation",
            address=subscription.address,
            address_key=hashed,
            message_key=message.key,
            now=now,
            digest=subscription.digest,
            subscriber_id=subscription.subscriber_id,
            subscription_id=subscription.id,
            notice_key=day,
            expires_at=now + _WORTH,
        )
        with self.store.transaction() as tx:
            editions.keep_message(tx, message, now)
            return deliveries.plan(tx, [row]) == 1

    def _tell(self, held: HeldSource, now: datetime) -> None:
        name = held.title or held.source.id
        since = held.last_ok_at.strftime("%Y-%m-%d %H:%M UTC") if held.last_ok_at else "it was added"
        context: Mapping[str, object] = {
            "title": f"The source {name} does not answer",
            "lines": (f"{held.failures} fetches in a row have failed; it last worked {since}.", held.detail),
            "advice": f"Look at it with `digest sources check` and its address; we go on trying ({held.source.id}).",
        }
        notice_key = f"source:{held.source.id}:{now.date().isoformat()}"
        message = self.print_alert(now, address_key(notice_key, self.key), context)
        rows = [
            deliveries.plan_row(
                kind="alert",
                address=address,
                address_key=address_key(address, self.key),
                message_key=message.key,
                now=now,
                notice_key=notice_key,
                expires_at=now + _WORTH,
            )
            for address in self.alerts_to
        ]
        with self.store.transaction() as tx:
            editions.keep_message(tx, message, now)
            deliveries.plan(tx, rows)
            sources.mark_alerted(tx, held.source.id, now)


def _wants_a_person(held: HeldSource, now: datetime) -> bool:
    if held.state is not SourceState.BROKEN or held.alerted_at is not None or held.failures < ALERT_AFTER:
        return False
    return held.last_ok_at is None or now - held.last_ok_at >= ALERT_AFTER_TIME
