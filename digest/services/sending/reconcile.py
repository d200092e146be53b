"""Asks the mail log of a relay what became of uncertain deliveries, and settles what it proves.

A log proves that a mail was taken. That one was lost is only likely: the log is of another relay, of another day, or
has a gap. So nothing counts as lost but at the operator's word, and then only where the log runs from before the try
until after it, and its stamps agree with the ledger on mails that the relay did get from us.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import chain
from typing import Any

from digest.delivery.maillog import Evidence, LogReader, Trace
from digest.delivery.retry import is_hard
from digest.delivery.tokens import read_return_path
from digest.model.errors import InputError, UsageError
from digest.model.mail import Delivery, DeliveryId, DeliveryState, MessageKey
from digest.services.ports import Clock
from digest.services.sending.ledger import message_host, settled
from digest.services.stamping import Keys, message_id_of
from digest.storage import deliveries, oversight, sending
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.oversight import Which

#: What becomes of a mail that the log has no trace of.
ABSENT = ("keep", "lost", "resend")
#: The log must run so long before the try and after its end: clocks differ a little, and relays write late.
_BEFORE, _AFTER = timedelta(minutes=5), timedelta(minutes=15)
#: Between two logs, the end of one and the begin of the next: what a rotation leaves.
_GAP = timedelta(hours=1)
#: Stamps of log and ledger may differ so much.
_CLOCKS = timedelta(minutes=10)
_AT_ONCE = 200
#: Accepted mails that are looked for at either end.
_OTHERS = 100
_PAGE = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """A log to read: its name for people, and its bytes in blocks."""

    name: str
    blocks: Iterator[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What the log told of one uncertain delivery. ``state`` is what it becomes; ``uncertain`` where it stays so."""

    id: int
    digest: str
    address: str
    state: str
    reason: str
    code: int | None
    enhanced: str
    queue_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciled:
    """What a log told.

    ``covers`` is from when to when the logs run, in parts where there are gaps; ``note`` says why mails without a trace
    were left, where they were.
    """

    lines: int
    covers: tuple[tuple[datetime, datetime], ...]
    uncertain: int
    """How many there were before."""
    counts: Mapping[str, int]
    """How many became what."""
    found: tuple[Found, ...]
    note: str
    dry_run: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    delivery: Delivery
    name: bytes
    """Its Message-ID."""
    since: datetime
    """It cannot have gone out before, """
    until: datetime
    """nor after: the sender had lost it by then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconcile:
    """Settles uncertain deliveries by a relay's log."""

    store: Store
    keys: Keys
    host: str
    """Right of the @ in Message-IDs of mails whose bytes are no longer kept."""
    clock: Clock

    def run(
        self,
        logs: Sequence[Log],
        *,
        which: Which = Which(),  # noqa: B008
        absent: str = "keep",
        zone: tzinfo | None = None,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda lines: None,
    ) -> Reconciled:
        """``zone`` is that of stamps without one (None: this machine's). Raises InputError for what is no mail log."""
        if absent not in ABSENT:
            raise UsageError(f'"{absent}" is nothing to do', where="--absent", try_=f"one of {', '.join(ABSENT)}")
        asked, others = self._asked(which)
        reader = LogReader(
            wanted={one.name: key for key, one in (others | asked).items()},
            addresses={key: one.delivery.address for key, one in (others | asked).items()},
            owner=lambda path: read_return_path(path, self.keys.links),
            near=max((one.since for one in asked.values()), default=self.clock()),
            zone=zone,
        )
        self._read(reader, logs, progress)
        evidence = reader.evidence()
        covers = _joined(reader.spans)
        doubt = _doubt(others | asked, evidence)
        told = [self._judged(one, evidence.get(key), covers, "keep" if doubt else absent) for key, one in asked.items()]
        if not dry_run:
            told = list(self._settle(told, evidence))
        left = any(one.state == DeliveryState.UNCERTAIN.value for one in told)
        return Reconciled(
            lines=reader.lines,
            covers=covers,
            uncertain=len(asked),
            counts=dict(sorted(Counter(one.state for one in told).items())),
            found=tuple(told),
            note=doubt if left else "",
            dry_run=dry_run,
        )

    def _asked(self, which: Which) -> tuple[dict[int, _Asked], dict[int, _Asked]]:
        """By delivery: the uncertain mails, and some that were accepted about then, which the right log has, too."""
        asked: dict[int, _Asked] = {}
        others: dict[int, _Asked] = {}
        after = 0
        with self.store.reading() as tx:

            @lru_cache(maxsize=256)
            def host(key: MessageKey) -> str:
                return message_host(tx, key) or self.host

            while page := oversight.uncertain(tx, which, after=after, limit=_PAGE):
                asked |= self._named(tx, page, host)
                after = page[-1].id
            for at in {min(asked), max(asked)} if asked else ():
                others |= self._named(tx, oversight.accepted_about(tx, at, limit=_OTHERS), host)
        return asked, others

    def _named(self, tx: Tx, rows: Sequence[Any], host: Callable[[MessageKey], str]) -> dict[int, _Asked]:
        tried = oversight.last_tries(tx, [row.id for row in rows])
        found: dict[int, _Asked] = {}
        for one in map(deliveries.delivery_of, rows):
            found[one.id] = _Asked(
                delivery=one,
                name=f"{message_id_of(one, self.keys)}@{host(one.message_key)}".encode(),
                since=tried.get(one.id, one.created_at),
                until=one.settled_at or one.created_at,
            )
        return found

    def _read(self, reader: LogReader, logs: Sequence[Log], progress: Callable[[int], None]) -> None:
        """The oldest log first, whatever the order in which they were named."""
        opened: list[tuple[datetime, Log, bytes]] = []
        for log in logs:
            head = next(log.blocks, b"")
            if not head:
                continue  # rotated just now
            at = reader.first_instant(head)
            if at is None:
                raise InputError(
                    "is no mail log: nothing in it begins with a date as syslog writes it",
                    where=log.name,
                    try_="name the log of Postfix or OpenSMTPD, or write it out: journalctl -u postfix -o short-iso",
                )
            opened.append((at, log, head))
        for _, log, head in sorted(opened, key=lambda one: one[0]):
            reader.read(_watched(chain((head,), log.blocks), reader, progress))
        if not reader.is_mail_log:
            raise InputError(
                "no line of Postfix or OpenSMTPD is in it",
                where=", ".join(log.name for log in logs),
                try_="name the relay's mail log, often /var/log/mail.log or /var/log/maillog",
            )

    def _judged(
        self,
        asked: _Asked,
        evidence: Evidence | None,
        covers: tuple[tuple[datetime, datetime], ...],
        absent: str,
    ) -> Found:
        one = asked.delivery
        if evidence is not None and evidence.trace is not Trace.BEGUN:
            state, reason = _outcome(evidence)
            return _found(one, state, reason, evidence)
        if evidence is not None:
            reason = f"the relay began to read it and did not keep it{f': {evidence.text}' if evidence.text else ''}"
        elif not _covered(asked, covers):
            return _found(one, DeliveryState.UNCERTAIN, "the log does not run from before the try until after it", None)
        else:
            reason = "not in this log"
        if absent == "lost":
            return _found(one, DeliveryState.EXPIRED, f"the operator says it was lost: {reason}", evidence)
        if absent == "resend":
            if one.expires_at is not None and one.expires_at < self.clock():
                return _found(one, DeliveryState.UNCERTAIN, f"{reason}; it is too late to send it", evidence)
            return _found(one, DeliveryState.QUEUED, f"the operator wants it sent again: {reason}", evidence)
        return _found(one, DeliveryState.UNCERTAIN, reason, evidence)

    def _settle(self, told: Sequence[Found], evidence: Mapping[int, Evidence]) -> Iterator[Found]:
        """Writes what was found; what is no longer uncertain meanwhile is left as it is, and not told."""
        todo = [one for one in told if one.state != DeliveryState.UNCERTAIN.value]
        yield from (one for one in told if one.state == DeliveryState.UNCERTAIN.value)
        for start in range(0, len(todo), _AT_ONCE):
            done: list[Found] = []
            with self.store.transaction() as tx:
                for one in todo[start : start + _AT_ONCE]:
                    if self._write(tx, one, evidence.get(one.id)):
                        done.append(one)  # noqa: PERF401
            yield from done

    def _write(self, tx: Tx, one: Found, evidence: Evidence | None) -> bool:
        now = self.clock()
        values = settled(DeliveryState(one.state), now=now, reason=one.reason[:500])
        if evidence is not None:
            values |= {"code": one.code, "enhanced": one.enhanced, "remote": evidence.text[:2000]}
        if not oversight.decide(tx, one.id, DeliveryState.UNCERTAIN, values):
            return False
        if one.state == DeliveryState.REJECTED.value and evidence is not None and _no_mailbox(evidence):
            detail = f"{one.enhanced} {evidence.text}".strip()[:500]
            sending.suppress_recipient(tx, DeliveryId(one.id), detail=detail, now=now)
        return True


def _doubt(known: Mapping[int, _Asked], evidence: Mapping[int, Evidence]) -> str:
    """Why the absence of a mail proves nothing here; empty when it does."""
    apart = [abs(one.at - known[key].since) for key, one in evidence.items() if one.at is not None]
    if not apart:
        return "no other mail of this installation is in the log: is it the log of the relay that was used?"
    if min(apart) > _CLOCKS:
        hours = min(apart).total_seconds() / 3600
        return f"the stamps of the log and of the ledger are {hours:.1f} h apart: name the log's zone with --zone"
    return ""


def _outcome(evidence: Evidence) -> tuple[DeliveryState, str]:
    """What a proof makes of a delivery. What the relay took is accepted, whatever it still tries with it; what came
    back from there, or was given up, the reader has not got, so its works are free."""
    told = {
        Trace.SENT: (DeliveryState.ACCEPTED, "it was passed on"),
        Trace.TAKEN: (DeliveryState.ACCEPTED, "it was taken"),
        Trace.BOUNCED: (DeliveryState.REJECTED, "it was taken, and refused by the reader's server"),
        Trace.EXPIRED: (DeliveryState.REJECTED, "it was taken, and given up"),
        Trace.REFUSED: (DeliveryState.REJECTED, "its content was refused"),
    }
    state, what = told[evidence.trace]
    return state, f"the log of the relay shows it: {what} as {evidence.queue_id}"


def _no_mailbox(evidence: Evidence) -> bool:
    """A content refusal says nothing about a mailbox."""
    return evidence.trace is Trace.BOUNCED and is_hard(evidence.enhanced, evidence.text, evidence.code)


def _found(one: Delivery, state: DeliveryState, reason: str, evidence: Evidence | None) -> Found:
    return Found(
        id=one.id,
        digest=one.digest,
        address=one.address,
        state=state.value,
        reason=reason,
        code=evidence.code if evidence else None,
        enhanced=evidence.enhanced if evidence else "",
        queue_id=evidence.queue_id if evidence else "",
    )


def _covered(asked: _Asked, covers: Iterable[tuple[datetime, datetime]]) -> bool:
    return any(first <= asked.since - _BEFORE and last >= asked.until + _AFTER for first, last in covers)


def _joined(spans: Iterable[tuple[datetime, datetime]]) -> tuple[tuple[datetime, datetime], ...]:
    """Spans of logs that follow each other, as one."""
    out: list[tuple[datetime, datetime]] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + _GAP:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def _watched(blocks: Iterable[bytes], reader: LogReader, progress: Callable[[int], None]) -> Iterator[Any]:
    for block in blocks:
        yield block
        progress(reader.lines)
