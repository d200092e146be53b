"""What must hold of a fleet's database and of what its mail server took, whatever was done to it. Used by chaos.py.

All is asked of the database in one snapshot, and of the mails as they arrived; what is wrong comes back in words.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import chaos_people
import psycopg
from chaos_people import People, message_id, text_of
from psycopg.rows import dict_row
from sqlalchemy import select

from digest.model.editions import Slot
from digest.services.publishing.cohorts import GONE
from digest.services.stamping import Keys, message_id_of
from digest.storage.deliveries import deliveries, delivery_of
from digest.storage.engine import Store
from digest.storage.people import subscriptions
from digest.storage.slots import CAME, name_of, slots

STATES = frozenset(
    {"queued", "leased", "sending", "accepted", "deferred", "rejected", "uncertain", "suppressed", "expired"}
)
HELD = frozenset({"leased", "sending"})
#: Of these the last slots are looked at while the fleet works, all of them in the end.
NEWEST = 6
_MARK = re.compile(r"mark\d{8}[a-z]+\d")
#: Between two slots lie twelve hours, and no time leaps before the first is complete.
_OVER = timedelta(hours=11)
Row = Mapping[str, Any]


def identity(database: psycopg.Connection[Any], *, newest: int = NEWEST) -> list[str]:
    """Each delivery is in one state that the laws know, and leased where that says so; what came of a slot's readers is
    as many as were served, and as many mails as there are."""
    with database.transaction(), database.cursor(row_factory=dict_row) as ask:
        ask.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        states = ask.execute(
            "SELECT state, lease <> '' AS held, count(*) AS n FROM deliveries GROUP BY 1, 2"
        ).fetchall()
        found = ask.execute("SELECT * FROM slots ORDER BY slot_at DESC LIMIT %s", (newest,)).fetchall()
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        since = min((row["slot_at"] for row in found), default=datetime.now(UTC))
        for row in ask.execute("SELECT counted FROM cohorts WHERE slot_at >= %s", (since,)):
            for name, counts in row["counted"].items():
                counted[name].update(counts)
        served = {id(row): _served(ask, row) for row in found}
        planned = {
            (row["digest"], row["local_date"]): row["n"]
            for row in ask.execute(
                "SELECT digest, local_date, count(*) AS n FROM deliveries WHERE kind = 'edition' GROUP BY 1, 2"
            )
        }
    wrong = [f"deliveries in the state {one}" for one in states if one["state"] not in STATES]
    wrong += [f"{one} is leased, or is not" for one in states if one["held"] != (one["state"] in HELD)]
    for row in found:
        known = planned.get((row["digest"], row["local_date"]), 0)
        wrong += _of_slot(row, counted[name_of(slot_of(row))], served[id(row)], known)
    return wrong


def _served(ask: psycopg.Cursor[Any], slot: Row) -> int | None:
    """Readers to whom a slot came, but for those who had its edition with their welcome; None where some have had a
    later one, so that nobody knows."""
    ask.execute(
        "SELECT count(*) FILTER (WHERE last_slot_at = %(at)s) AS n,"
        " count(*) FILTER (WHERE last_slot_at > %(at)s) AS later FROM subscriptions WHERE digest = %(digest)s",
        {"at": slot["slot_at"], "digest": slot["digest"]},
    )
    served = ask.fetchone()
    ask.execute(
        "SELECT count(*) AS n FROM deliveries d JOIN editions e ON e.id = d.edition_id"
        " WHERE d.kind = 'welcome' AND e.digest = %s AND e.slot_at = %s",
        (slot["digest"], slot["slot_at"]),
    )
    welcomed = ask.fetchone()
    assert served is not None and welcomed is not None
    return None if served["later"] else int(served["n"] - welcomed["n"])


def _of_slot(row: Row, counted: Counter[str], served: int | None, planned: int) -> list[str]:
    name = name_of(slot_of(row))
    counts = Counter({what: number for what, number in counted.items() if what != CAME})
    wrong: list[str] = []
    if served is not None and sum(counts.values()) != served:
        wrong.append(f"{name}: {dict(counts)} came of {served} readers")
    if counts["planned"] + counts["suppressed"] != planned:
        wrong.append(f"{name}: {dict(counts)} were counted, and {planned} mails were planned")
    if counts["had"]:
        wrong.append(f"{name}: {counts['had']} had a mail of that day already")
    if row["completed_at"] is not None:
        told = dict(row["told"])
        if told.pop("readers") != sum(told.values()):
            wrong.append(f"{name} was completed with {row['told']}, which does not sum up")
        told.pop(GONE, None)
        if told != {what: number for what, number in counts.items() if number}:
            wrong.append(f"{name} was completed with {row['told']}, but {dict(counts)} came of its readers")
    return wrong


def slot_of(row: Row) -> Slot:
    return Slot(digest=row["digest"], local_date=row["local_date"], at=row["slot_at"])


def in_the_end(
    store: Store, keys: Keys, people: People, owed: Sequence[tuple[str, datetime]], *, resend: bool
) -> tuple[dict[str, int], list[str]]:
    """Figures, and what is wrong: nothing lost, nothing twice but what was uncertain, no paper twice for a reader, no
    mail to who had left, paused or cannot be reached.

    ``owed``: the slots that were due, as (digest, instant).
    """
    with store.reading() as tx:
        every = tx.execute(select(deliveries)).all()
    # A mail of several digests that its reader left was taken apart, and its parts still bear its name: first they, so
    # that a name is that of a mail which may go.
    leaders = sorted((row for row in every if row.leader_id is None), key=lambda row: row.state != "suppressed")
    may_go = [row for row in leaders if row.state != "suppressed"]
    mails = {message_id_of(delivery_of(row), keys): row for row in leaders}
    doubts = _doubts(store)
    copies: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for _, recipient, content in people.taken:
        copies[message_id(content)].append((recipient, content))
    barred = {one.address for one in people.barred}
    # A mail of several digests that was sent in doubt, whose reader then left one of them, is sent as another mail.
    parted = barred if resend else set[str]()
    wrong = [
        f"a mail {name} to {got[0][0]} is of no delivery"
        for name, got in copies.items()
        if name not in mails and got[0][0] not in parted
    ]
    for name, row in mails.items():
        wrong += _of_mail(row, copies.get(name, []), doubts[row.id], resend=resend)
    names = {message_id_of(delivery_of(row), keys) for row in may_go}
    if len(names) != len(may_go):
        wrong.append(f"{len(may_go)} mails have {len(names)} Message-IDs")
    wrong += _of_slots(store, owed)
    wrong += _of_papers(store, copies, parted)
    states = Counter(row.state for row in every)
    figures = {
        "mails": len(people.taken),
        "deliveries": len(every),
        "duplicates": sum(len(got) - 1 for got in copies.values()),
        "uncertain": sum(doubts.values()) + sum(row.state == "uncertain" for row in leaders),
        "uncertain_that_arrived": sum(row.state == "uncertain" and name in copies for name, row in mails.items()),
        **{f"deliveries_{state}": number for state, number in sorted(states.items())},
    }
    return figures, wrong + chaos_people.laws(people, store, {name: row.id for name, row in mails.items()})


def _doubts(store: Store) -> Counter[int]:
    """By delivery: tries that ended as uncertain, and were made again."""
    from digest.storage.deliveries import attempts

    with store.reading() as tx:
        tries = tx.execute(select(attempts.c.delivery_id).where(attempts.c.outcome == "uncertain")).scalars()
        return Counter(tries)


def _of_mail(row: Any, got: Sequence[tuple[str, bytes]], doubts: int, *, resend: bool) -> list[str]:
    """What is wrong with the copies that the server took of a delivery's mail."""
    who = f"{row.digest} of {row.local_date} to {row.address}"
    wrong: list[str] = []
    # That it was suppressed for a reason is another law.
    if row.state not in ("accepted", "uncertain", "suppressed") or (resend and row.state == "uncertain"):
        wrong.append(f"{who} ended as {row.state} ({row.reason})")
    if row.state == "accepted" and not got:
        wrong.append(f"{who} is accepted, and was not taken")
    if len(got) - 1 > (doubts if resend else 0):
        wrong.append(f"{who} was taken {len(got)} times, and {doubts} times in doubt")
    if len({content for _, content in got}) > 1:
        wrong.append(f"{who} was sent in {len({content for _, content in got})} forms")
    if any(recipient != row.address for recipient, _ in got):
        wrong.append(f"{who} went to {[recipient for recipient, _ in got]}")
    return wrong


def _of_slots(store: Store, owed: Sequence[tuple[str, datetime]]) -> list[str]:
    """Each slot that was due is complete, and each who was its reader has a mail, or is counted with a reason."""
    with store.reading() as tx:
        found = {(row.digest, row.slot_at): row for row in tx.execute(select(slots)).all()}
        readers = tx.execute(select(subscriptions)).all()
        planned = tx.execute(
            select(deliveries.c.subscription_id, deliveries.c.local_date).where(deliveries.c.kind == "edition")
        ).all()
    has = {(subscription, day) for subscription, day in planned}
    wrong: list[str] = []
    for digest, at in owed:
        theirs = [one for one in readers if one.digest == digest and _reads(one, at)]
        without = [one.id for one in theirs if (one.id, at.date()) not in has]
        row = found.get((digest, at))
        if row is not None and row.completed_at is None:
            wrong.append(f"the slot of {digest} on {at.date()} is still open")
        # Its readers may all have been served with another digest's, before anybody looked who lacks it.
        reasons = row.told.get("nothing", 0) if row is not None else 0
        if len(without) > reasons:
            wrong.append(f"{digest} of {at.date()}: the readers {without[:9]} ({len(without)}) have no mail of it")
    return wrong


def _reads(subscription: Any, at: datetime) -> bool:
    """Whether somebody was surely a reader of a slot: he was confirmed before it, had not paused, and left, if at all,
    when it was long over."""
    if subscription.confirmed_at is None or subscription.confirmed_at > at:
        return False
    if subscription.left_at is not None and subscription.left_at < at + _OVER:
        return False
    paused = subscription.paused_on is not None and subscription.paused_on <= at.date() < subscription.paused_until
    return not paused


def _of_papers(store: Store, copies: Mapping[str, Sequence[tuple[str, bytes]]], parted: Collection[str]) -> list[str]:
    """No reader got a paper twice: neither by what the mails show, nor by what the ledger says."""
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for got in copies.values():
        recipient, content = got[0]
        shown[recipient].update(_marks(content))
    twice = {
        who: papers
        for who, marks in shown.items()
        if who not in parted and (papers := [one for one, number in marks.items() if number > 1])
    }
    wrong = [f"{who} got twice: {papers[:5]}" for who, papers in sorted(twice.items())]
    with store.reading() as tx:
        rows = tx.exec_driver_sql(
            "SELECT d.address, i.entry_id, count(*) FROM deliveries d JOIN items i USING (edition_id) "
            "WHERE d.state NOT IN ('rejected', 'suppressed', 'expired') GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 10"
        ).all()
    wrong += [f"by the ledger {address} has the paper {entry} in {number} mails" for address, entry, number in rows]
    if not any(shown.values()):
        wrong.append("no mail shows a paper: nothing was measured")
    return wrong


def _marks(content: bytes) -> set[str]:
    """The papers of a mail, by the marks in their titles."""
    return set(_MARK.findall(text_of(content)))
