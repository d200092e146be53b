"""Today at a glance, for a page that is looked at often: what `digest status` tells, and how each send stands.

Unlike the status it counts nothing that would need a look at every mail ever sent. Nothing is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from digest.model.editions import Digest
from digest.model.mail import DeliveryState, ReportKind
from digest.services.ports import Clock
from digest.services.status.hush import hushes
from digest.services.status.report import DigestStatus, SourceStatus, accounting, digest_status, source_status
from digest.storage import bounces, deliveries, glance, meta, people, sources
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.glance import Waiting

_WEEK = timedelta(days=7)
#: A send that ended so long ago is none of today.
_LATELY = timedelta(days=2)
_LISTED = 8
#: Among so many mails one was accepted, or sending stands still.
_AMONG = 500
_REPORTS = (ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """The mails of one digest and local date. ``states`` as `digest status` names them: planned is their sum."""

    digest: str
    title: str
    local_date: date
    states: Mapping[str, int]
    since: datetime | None
    """When the oldest of those that still wait was planned."""

    @property
    def is_running(self) -> bool:
        return bool(self.states["open"] or self.states["deferred"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """A report on a mail. ``address`` is empty where the ledger no longer knows it."""

    delivery_id: int
    kind: str
    status: str
    detail: str
    at: datetime
    address: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """An address that lately came upon the suppression list; empty for somebody erased."""

    address: str
    reason: str
    detail: str
    since_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """Everything as it is at one instant."""

    at: datetime
    restored: bool
    paused: tuple[str, ...]
    sources: tuple[SourceStatus, ...]
    digests: tuple[DigestStatus, ...]
    sends: tuple[Sending, ...]
    backlog: int
    """Mails still to be sent, the deferred ones included."""
    uncertain: int
    next_delivery_at: datetime | None
    last_accepted_at: datetime | None
    """Of the newest mails; None where none of them was accepted."""
    last_fetch_at: datetime | None
    bounces: Mapping[str, int]
    """Reports of the last week, by kind."""
    returned: tuple[Returned, ...]
    suppressed: tuple[Listed, ...]
    """Of the last week, the newest ones."""
    suppressions: int

    @property
    def readers(self) -> int:
        return sum(one.readers for one in self.digests)


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Reads; never writes."""

    store: Store
    digests: tuple[Digest, ...]
    clock: Clock

    def look(self) -> Glance:
        """One consistent look."""
        now = self.clock()
        with self.store.reading() as tx:
            paused = deliveries.paused(tx)
            readers = people.readers_by_digest(tx)
            silent = hushes(tx, now)
            waiting = glance.waiting(tx)
            held = glance.held(tx)
            listed = glance.suppressed(tx, since=now - _WEEK, limit=_LISTED)
            return Glance(
                at=now,
                restored=meta.get(tx, meta.RESTORED) is not None,
                paused=paused,
                sources=tuple(source_status(one, silent.get(one.source.id)) for one in sources.all_held(tx)),
                digests=tuple(digest_status(tx, one, readers.get(one.name, 0), paused, now) for one in self.digests),
                sends=self._sends(tx, waiting, held, now.date()),
                backlog=sum(one.number for one in waiting) + sum(held.values()),
                uncertain=glance.uncertain(tx),
                next_delivery_at=min((one.next_at for one in waiting), default=None),
                last_accepted_at=glance.last_accepted(tx, among_last=_AMONG),
                last_fetch_at=glance.last_fetch(tx),
                bounces={**{kind.value: 0 for kind in _REPORTS}, **bounces.count(tx, now - _WEEK)},
                returned=tuple(_returned(row) for row in glance.came_back(tx, limit=_LISTED)),
                suppressed=tuple(
                    Listed(address=row.address, reason=row.reason, detail=row.detail, since_at=row.since_at)
                    for row in listed
                ),
                suppressions=sum(people.count_suppressions(tx).values()),
            )

    def _sends(
        self, tx: Tx, waiting: tuple[Waiting, ...], held: Mapping[tuple[str, date | None], int], today: date
    ) -> tuple[Sending, ...]:
        """What still goes out, and each digest's newest; the newest days first."""
        titles = {one.name: one.title for one in self.digests}
        found = {(name, day) for name, day in held if day is not None}
        found |= {(one.digest, one.local_date) for one in waiting if one.local_date is not None}
        for name in titles:
            newest = glance.newest_day(tx, name)
            if newest is not None and today - newest <= _LATELY:
                found.add((name, newest))
        return tuple(
            _sending(tx, titles.get(name, name), name, day, waiting, held.get((name, day), 0))
            for name, day in sorted(found, key=lambda one: (-one[1].toordinal(), one[0]))
        )


def _sending(tx: Tx, title: str, digest: str, day: date, waiting: tuple[Waiting, ...], on_wire: int) -> Sending:
    mine = [one for one in waiting if (one.digest, one.local_date) == (digest, day)]
    states = Counter(glance.troubled(tx, digest, day))
    for one in mine:
        states[one.state] = one.number  # what is deferred counts among the troubled ones, too
    states[DeliveryState.LEASED.value] = on_wire
    # The accepted ones are what the others leave: no index tells them apart.
    states[DeliveryState.ACCEPTED.value] = glance.planned(tx, digest, day) - sum(states.values())
    return Sending(
        digest=digest,
        title=title,
        local_date=day,
        states=accounting(states),
        since=min((one.since for one in mine), default=None),
    )


def _returned(row: Any) -> Returned:
    return Returned(
        delivery_id=row.delivery_id,
        kind=row.kind,
        status=row.status,
        detail=row.detail,
        at=row.at,
        address=row.address or "",
        digest=row.digest or "",
    )
