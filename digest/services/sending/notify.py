"""The operator's alerts: mails that are no editions, planned here, sent by the one outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.delivery.tokens import address_key
from digest.model.editions import Digest
from digest.model.feeds import SourceState
from digest.model.mail import DeliveryState, Message
from digest.rendering import remarks
from digest.services.ports import Clock
from digest.services.status.hush import hushes
from digest.services.status.usual import WEEKS, Hush, is_expected
from digest.storage import deliveries, editions, people, sources, trouble
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.sources import HeldSource
from digest.storage.trouble import FAILED, WAITING, Publication

#: One failure is weather; so many in a row, and for so long, want a person.
ALERT_AFTER = 5
ALERT_AFTER_TIME = timedelta(hours=12)
#: From so many tried mails on a share of failures says something about the sending, not about a few readers.
ALERT_FROM_TRIED = 20
#: Over one in so many.
ALERT_ONE_IN = 4
#: A relay that refuses for a moment is weather, too.
ALERT_AFTER_REFUSING = timedelta(minutes=30)
_WORTH = timedelta(days=2)
_WEEKS_BACK = timedelta(weeks=WEEKS + 1)

#: (instant, key, context of templates/mail/alert) -> message
PrintAlert = Callable[[datetime, str, Mapping[str, object]], Message]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notify:
    """Tells the operator, once a trouble, by mail."""

    store: Store
    digests: tuple[Digest, ...]
    alerts_to: tuple[str, ...]
    print_alert: PrintAlert
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

    def silences(self) -> tuple[str, ...]:
        """Plans an alert for each source that has been silent for unusually long, and for each digest with readers
        that printed nothing where it usually does; gives their names. Told once a silence: it ends when something
        comes.
        """
        if not self.alerts_to:
            return ()
        now = self.clock()
        told: list[str] = []
        with self.store.reading() as tx:
            silent = hushes(tx, now)
            fresh = [
                (held, one)
                for held in sources.all_held(tx)
                if (one := silent.get(held.source.id)) and not trouble.was_alerted(tx, _key_of(held, one))
            ]
        for held, one in fresh:
            self._tell_silent(held, one, now)
            told.append(held.source.id)
        told += [digest.name for digest in self.digests if self._tell_empty(digest, now)]
        return tuple(told)

    def deliveries(self, *, refused: tuple[datetime, str] | None = None) -> tuple[str, ...]:
        """Plans an alert for each digest whose newest mails do not get through; gives their names. Told once a
        publication.

        ``refused``: since when no relay could be used, and why.
        """
        if not self.alerts_to:
            return ()
        now = self.clock()
        told: list[str] = []
        for digest in self.digests:
            with self.store.reading() as tx:
                found = trouble.newest(tx, digest.name, now - _WORTH)
                if found is None or trouble.was_alerted(tx, key := f"deliveries:{digest.name}:{found.local_date}"):
                    continue
                lines = _failures(tx, found, now)
                if refused is not None and not {digest.name, "*"} & set(deliveries.paused(tx)):
                    lines = (*_refusal(*refused, found, now), *lines)
            if lines:
                self._alert(key, f"Mails of {digest.title} do not get through", lines, _advice(digest.name, found), now)
                told.append(digest.name)
        return tuple(told)

    def _tell(self, held: HeldSource, now: datetime) -> None:
        name = held.title or held.source.id
        since = held.last_ok_at.strftime("%Y-%m-%d %H:%M UTC") if held.last_ok_at else "it was added"
        self._alert(
            f"source:{held.source.id}:{now.date().isoformat()}",
            f"The source {name} does not answer",
            (f"{held.failures} fetches in a row have failed; it last worked {since}.", held.detail),
            f"Look at it with `digest sources check` and its address; we go on trying ({held.source.id}).",
            now,
            lambda tx: sources.mark_alerted(tx, held.source.id, now),
        )

    def _tell_silent(self, held: HeldSource, silent: Hush, now: datetime) -> None:
        name = held.title or held.source.id
        self._alert(
            _key_of(held, silent),
            f"The source {name} is silent",
            (f"It {silent.sentence}.", held.detail),
            f"Look at its page, and at it with `digest sources check` and its address ({held.source.id}).",
            now,
        )

    def _tell_empty(self, digest: Digest, now: datetime) -> bool:
        """Tells that a digest printed nothing where it usually does, unless that was told since it last printed."""
        with self.store.reading() as tx:
            if not people.has_readers(tx, digest.name):
                return False
            before = editions.printed_publicly(tx, digest.name, since=now - _WEEKS_BACK)
            if not before or before[0][1] or now - before[0][0].at > _WORTH:
                return False
            slot = before[0][0]
            alike = [printed for one, printed in before[1:] if one.local_date.weekday() == slot.local_date.weekday()]
            last = next((one for one, printed in before if printed), None)
            if last is None or not is_expected(alike):
                return False
            key = f"silence:{digest.name}:{last.local_date}"
            found = editions.public_on(tx, digest.name, slot.local_date)
            if found is None or trouble.was_alerted(tx, key):
                return False
        some = sum(printed > 0 for printed in alike[:WEEKS])
        lines = (
            f"Of the last {len(alike[:WEEKS])} editions of a {slot.local_date:%A}, {some} printed something.",
            remarks.sentences(found.reason),
            *map(remarks.for_operator, found.notes),
        )
        advice = f"`digest silence --digest {digest.name} --on {slot.local_date}` tells it again, of any day."
        title = f"{digest.title} of {slot.local_date:%d %B %Y} printed nothing"
        self._alert(key, title, lines, advice, now)
        return True

    def _alert(
        self,
        notice_key: str,
        title: str,
        lines: tuple[str, ...],
        advice: str,
        now: datetime,
        also: Callable[[Tx], None] = lambda tx: None,
    ) -> None:
        """Plans one alert to every operator; ``also`` is written with it."""
        context: Mapping[str, object] = {"title": title, "lines": lines, "advice": advice}
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
            also(tx)


def _key_of(held: HeldSource, silent: Hush) -> str:
    """A silence is named by what came last before it."""
    return f"silent:{held.source.id}:{silent.since:%Y-%m-%dT%H:%M:%S}"


def _failures(tx: Tx, found: Publication, now: datetime) -> tuple[str, ...]:
    """What failed, how often, and what was answered; nothing while it is few. Many relays put off what they see for the
    first time, so what is deferred counts after a while only.
    """
    is_late = found.waits_since is not None and now - found.waits_since >= ALERT_AFTER_REFUSING
    failed = found.number(*FAILED) - (0 if is_late else found.number(DeliveryState.DEFERRED))
    tried = failed + found.number(DeliveryState.ACCEPTED)
    if tried < ALERT_FROM_TRIED or failed * ALERT_ONE_IN <= tried:
        return ()
    counted = (state for state in FAILED if is_late or state is not DeliveryState.DEFERRED)
    each = ", ".join(f"{number} {state.value}" for state in counted if (number := found.number(state)))
    lines = [f"Of the {tried} mails of {found.local_date:%d %B %Y} that were tried, {failed} failed: {each}."]
    said, number = trouble.answer(tx, found)
    if said:
        lines.append(f"The most frequent answer ({number} of them): {said}")
    return tuple(lines)


def _refusal(since: datetime, problem: str, found: Publication, now: datetime) -> tuple[str, ...]:
    """That no relay can be used; nothing while no mail has waited for long."""
    if found.waits_since is None or now - max(since, found.waits_since) < ALERT_AFTER_REFUSING:
        return ()
    waiting = found.number(*WAITING)
    mails = "1 mail waits" if waiting == 1 else f"{waiting} mails wait"
    return (f"No mail server could be used since {since:%Y-%m-%d %H:%M} UTC; {mails}.", problem)


_DOUBT = (
    "Whether the uncertain ones arrived, the relay's log tells (`digest deliveries reconcile --log FILE`), "
    "or you do (`digest deliveries resolve`)."
)


def _advice(name: str, found: Publication) -> str:
    unsure = found.number(DeliveryState.UNCERTAIN)
    return " ".join(
        (
            f"`digest doctor` looks at the mail server, `digest deliveries list --digest {name}` at the mails;",
            f"`digest deliveries pause --digest {name}` stops the sending meanwhile.",
            "What is deferred is tried again; the papers of rejected mails come with the next edition.",
            *([_DOUBT] if unsure else []),
        )
    )


def _wants_a_person(held: HeldSource, now: datetime) -> bool:
    if held.state is not SourceState.BROKEN or held.alerted_at is not None or held.failures < ALERT_AFTER:
        return False
    return held.last_ok_at is None or now - held.last_ok_at >= ALERT_AFTER_TIME
