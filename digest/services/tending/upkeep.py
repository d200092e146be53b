"""Keeping the store: consistent copies while it runs, releasing a restored copy, retention.

A copy carries a mark that makes it refuse to send: whoever puts it back must first say until when the lost one was
sending.
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from digest.editions.schedule import MOST_REACH, due_slot, schedule_for
from digest.model.editions import Digest
from digest.model.errors import StorageError, UsageError
from digest.model.people import Subscription, SubscriptionId
from digest.services.ports import Clock
from digest.services.tending.parts import Parts
from digest.storage import (
    access,
    admission,
    bounces,
    copy,
    deliveries,
    desk,
    editions,
    folding,
    lacking,
    meta,
    migrate,
    people,
    rounds,
    slots,
    sources,
)
from digest.storage.base import Tx
from digest.storage.engine import Store, open_store

#: Where a copy keeps the text of `[web] secret_file`; the composition root takes it where that file is not configured.
_KEPT_FILE = "secret_file"
#: Works that an edition may look back on must stay known as sent; a late slot lies up to nine days back itself.
_LEAST_DELIVERIES = MOST_REACH + timedelta(days=9)
#: Left out of a copy that lies about: who works just now, and what opens a door.
_STAYS_BEHIND = (*copy.OF_PROCESSES, "desk_sessions", "desk_links", "api_answers")
_AT_ONCE = 5_000
_FORGET_AT_ONCE = 200
#: A confirmation can be answered for a fortnight; so much later its mail is forgotten, too.
_UNANSWERED = timedelta(days=30)
#: How long it is worth knowing how a source's rounds ended: a year of its rhythm, and a month to look back.
_ROUNDS_DAYS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """A copy that was made: where, and how much is in it."""

    where: str
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """A restored database that may send again."""

    sent_until: datetime
    uncertain: int
    """Deliveries that were open in the copy; nobody knows whether they were sent meanwhile."""
    subscriptions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What retention took out."""

    deliveries: int
    messages: int
    bounces: int = 0
    rounds: int = 0
    requests: int = 0
    """Of people who were asked whether they want a digest and never said yes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upkeep:
    """The operator's care for the database."""

    store: Store
    digests: tuple[Digest, ...]
    clock: Clock

    def backup(self, path: Path, *, secret_file: bytes | None = None) -> Copied:
        """Writes a SQLite file that only its owner may read, of one instant, while everything runs on.

        Raises StorageError when the file is there already or cannot be written; then nothing is left behind.
        """
        if path.exists():
            raise StorageError("there is a file of this name already", where=str(path), try_="choose another name")
        beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        try:
            os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            rows = self._fill(beside, secret_file)
            _flush(beside)
            _name(beside, path)
        except OSError as error:
            raise StorageError(
                f"the copy cannot be written: {error.strerror or error}",
                where=str(path),
                try_="check that its folder exists, may be written and has room",
            ) from error
        finally:
            for end in ("", "-wal", "-shm", "-journal"):
                beside.with_name(beside.name + end).unlink(missing_ok=True)
        return Copied(where=str(path), rows=rows)

    def restored(self, sent_until: datetime) -> Released:
        """Lets a restored database send again. Raises UsageError for an instant in the future.

        Works first seen before ``sent_until`` count as sent, and no slot up to then is published again.
        """
        now = self.clock()
        if sent_until > now:
            raise UsageError(
                f"{sent_until.isoformat()} is in the future",
                where="--sent-until",
                try_="name the instant at which the lost database sent for the last time, or a little later",
            )
        with self.store.transaction() as tx:
            known = meta.instant(tx, meta.SENT_UNTIL)
            until = max(sent_until, known) if known else sent_until
            meta.put(tx, meta.SENT_UNTIL, until.isoformat())
            sources.forget_first_fetch(tx)
            uncertain = deliveries.doubt_open(tx, now)
            marked = self._serve_until(tx, until)
            meta.drop(tx, meta.RESTORED)
        return Released(sent_until=until, uncertain=uncertain, subscriptions=marked)

    def prune(self, *, retention_days: int, deliveries_days: int = 90, soft_window: timedelta = timedelta(0)) -> Pruned:
        """Folds old deliveries into daily totals and drops old messages that nobody waits for. Makes the parts of the
        ledger that the next weeks want.

        Bounces go with the deliveries, but not before ``soft_window`` is over.
        """
        now = self.clock()
        kept_for = max(timedelta(days=deliveries_days), _LEAST_DELIVERIES)
        parts = Parts(store=self.store, clock=self.clock)
        folded = parts.drop(now - kept_for) + self._fold(now - kept_for)
        with self.store.transaction() as tx:
            gone = bounces.prune(tx, now - max(kept_for, soft_window))
        with self.store.transaction() as tx:
            kept = deliveries.needed_messages(tx)
            dropped = editions.prune_messages(tx, now - timedelta(days=retention_days), kept)
        with self.store.transaction() as tx:
            told = rounds.prune(tx, now=now, days=_ROUNDS_DAYS)
            slots.prune(tx, (now - kept_for).date())
        with self.store.transaction() as tx:
            admission.prune(tx, now)
            access.prune(tx, now)
        with self.store.transaction() as tx:
            desk.prune(tx, now, deeds_before=now - timedelta(days=retention_days))
        unanswered = self._forget_unanswered(now)
        # Last: whoever may not make tables has all else done.
        parts.move(most=1)
        parts.make_ahead()
        return Pruned(deliveries=folded, messages=dropped, bounces=gone, rounds=told, requests=unanswered)

    def _forget_unanswered(self, now: datetime) -> int:
        """Takes out what was wished for and never confirmed, and the address, where nobody behind it ever said yes."""
        forgotten = 0
        while True:
            with self.store.transaction() as tx:
                found = admission.unanswered(tx, now - _UNANSWERED, limit=_FORGET_AT_ONCE)
                for one in found:
                    who = admission.never_said_yes(tx, one)
                    if who is not None:
                        people.erase(tx, who, now)  # first: it waits for whoever is just planning them a mail
                        deliveries.forget_address(tx, who, now)
                    admission.grant(tx, one)
            forgotten += len(found)
            if len(found) < _FORGET_AT_ONCE:
                return forgotten

    def _fold(self, before: datetime) -> int:
        """In small steps, so that nobody waits long for the database."""
        folded = 0
        while True:
            with self.store.transaction() as tx:
                step = folding.fold(tx, before, limit=_AT_ONCE)
            folded += step
            if step < _AT_ONCE:
                return folded

    def _fill(self, path: Path, secret_file: bytes | None) -> int:
        target = open_store(f"sqlite:///{path}")
        try:
            migrate.ready(target)
            with self.store.reading() as tx, target.transaction() as into:
                rows = copy.copy_all(tx, into, leave_out=_STAYS_BEHIND)
                meta.put(into, meta.RESTORED, self.clock().isoformat())
                if secret_file is not None:
                    meta.put(into, _KEPT_FILE, secret_file.decode("utf-8", "replace"))
            return rows
        finally:
            target.close()

    def _serve_until(self, tx: Tx, until: datetime) -> int:
        """Notes for every subscription that its slots up to an instant were published."""
        marked, after = 0, 0
        while page := people.page(tx, after=after):
            after = page[-1].id
            groups: dict[tuple[datetime, str], list[SubscriptionId]] = defaultdict(list)
            for one in page:
                at = max(until, one.last_slot_at) if one.last_slot_at else until
                groups[at, max(self._local_date(one, until), one.last_slot_date)].append(one.id)
            for (at, day), ids in groups.items():
                lacking.served(tx, ids, at, day)
                marked += len(ids)
        return marked

    def _local_date(self, subscription: Subscription, until: datetime) -> str:
        """The local date of the reader's last slot up to an instant."""
        digest = next((digest for digest in self.digests if digest.name == subscription.digest), None)
        slot = due_slot(digest.name, schedule_for(digest, subscription), until) if digest else None
        return slot.local_date.isoformat() if slot else ""


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _name(beside: Path, path: Path) -> None:
    """Gives the finished file its name; unlike a rename, a link never replaces a file that appeared meanwhile."""
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links.
        beside.rename(path)
