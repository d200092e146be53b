"""What must hold of a fleet's database and of what its mail server took, whatever was done to it. Used by chaos.py.

All is asked of the database in one snapshot, and of the mails as they arrived; what is wrong comes back in words.
"""

from __future__ import annotations

import email
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import select

from digest.model.editions import Slot
from digest.services.stamping import Keys, message_id_of
from digest.storage.deliveries import deliveries, delivery_of
from digest.storage.engine import Store
from digest.storage.slots import CAME, name_of

STATES = frozenset(
    {"queued", "leased", "sending", "accepted", "deferred", "rejected", "uncertain", "suppressed", "expired"}
)
HELD = frozenset({"leased", "sending"})
#: Of these the last slots are looked at while the fleet works, all of them in the end.
NEWEST = 6
_MARK = re.compile(r"mark\d{8}[a-z]+\d")
Row = Mapping[str, Any]


def identity(database: psycopg.Connection[Any], readers: Mapping[str, int], *, newest: int = NEWEST) -> list[str]:
    """Each delivery is in one state that the laws know, and leased where that says so; each slot's readers are those
    of whom something came and those who wait. ``readers``: how many each digest has."""
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
        waiting = {id(row): _waiting(ask, row) for row in found}
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
        wrong += _of_slot(row, counted[name_of(slot_of(row))], waiting[id(row)], known, readers[row["digest"]])
    return wrong


def _waiting(ask: psycopg.Cursor[Any], slot: Row) -> int:
    """Readers who lack a slot."""
    ask.execute(
        "SELECT count(*) AS n FROM subscriptions WHERE digest = %s AND coalesce(last_slot_at, '-infinity') < %s",
        (slot["digest"], slot["slot_at"]),
    )
    row = ask.fetchone()
    assert row is not None
    return int(row["n"])


def _of_slot(row: Row, counted: Counter[str], waiting: int, planned: int, readers: int) -> list[str]:
    name = name_of(slot_of(row))
    counts = Counter({what: number for what, number in counted.items() if what != CAME})
    wrong: list[str] = []
    if sum(counts.values()) + waiting != readers:
        wrong.append(f"{name}: {dict(counts)} and {waiting} who wait are not its {readers} readers")
    if counts["planned"] != planned:
        wrong.append(f"{name}: {counts['planned']} were counted as planned, there are {planned}")
    if counts["had"]:
        wrong.append(f"{name}: {counts['had']} had a mail of that day already")
    if row["completed_at"] is not None:
        told = dict(row["told"])
        if told.pop("readers") != readers or told != {what: number for what, number in counts.items() if number}:
            wrong.append(f"{name} was completed with {row['told']}, but {dict(counts)} came of its {readers} readers")
    return wrong


def slot_of(row: Row) -> Slot:
    return Slot(digest=row["digest"], local_date=row["local_date"], at=row["slot_at"])


def in_the_end(
    store: Store,
    keys: Keys,
    taken: Sequence[tuple[float, str, bytes]],
    readers: Mapping[str, int],
    owed: Sequence[tuple[str, date, time]],
    *,
    resend: bool,
) -> tuple[dict[str, int], list[str]]:
    """Figures, and what is wrong: nothing lost, nothing twice but what was uncertain, no paper twice for a reader.

    ``owed``: the slots that were due, as (digest, day, hour).
    """
    with store.reading() as tx:
        rows = [delivery_of(row) for row in tx.execute(select(deliveries)).all()]
        leaders = [row for row in tx.execute(select(deliveries)).all() if row.leader_id is None]
    mails = {message_id_of(delivery_of(row), keys): row for row in leaders}
    doubts = _doubts(store)
    copies: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for _, recipient, content in taken:
        copies[_message_id(content)].append((recipient, content))
    wrong = [f"a mail {name} to {got[0][0]} is of no delivery" for name, got in copies.items() if name not in mails]
    for name, row in mails.items():
        wrong += _of_mail(row, copies.get(name, []), doubts[row.id], resend=resend)
    if len(mails) != len(leaders):
        wrong.append(f"{len(leaders)} mails have {len(mails)} Message-IDs")
    wrong += _of_slots(store, owed, readers)
    wrong += _of_papers(store, copies)
    states = Counter(row.state.value for row in rows)
    figures = {
        "mails": len(taken),
        "deliveries": len(rows),
        "duplicates": sum(len(got) - 1 for got in copies.values()),
        "uncertain": sum(doubts.values()) + sum(row.state == "uncertain" for row in leaders),
        "uncertain_that_arrived": sum(row.state == "uncertain" and name in copies for name, row in mails.items()),
        **{f"deliveries_{state}": number for state, number in sorted(states.items())},
    }
    return figures, wrong


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
    if row.state not in ("accepted", "uncertain") or (resend and row.state == "uncertain"):
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


def _of_slots(store: Store, owed: Sequence[tuple[str, date, time]], readers: Mapping[str, int]) -> list[str]:
    """Each slot that was due is complete, and each of its readers has a mail or a reason."""
    with store.reading() as tx:
        found = tx.exec_driver_sql("SELECT digest, local_date, completed_at, told FROM slots").all()
        planned = {
            (digest, day): number
            for digest, day, number in tx.exec_driver_sql(
                "SELECT digest, local_date, count(DISTINCT subscriber_id) FROM deliveries "
                "WHERE kind = 'edition' GROUP BY 1, 2"
            )
        }
    told = {(row.digest, row.local_date): row for row in found}
    wrong: list[str] = []
    for digest, day, _ in owed:
        row = told.get((digest, day))
        if row is None:
            # Its readers may all have been served with another digest's, before anybody looked who lacks it.
            if planned.get((digest, day), 0) != readers[digest]:
                wrong.append(f"the slot of {digest} on {day} was never opened")
        elif row.completed_at is None:
            wrong.append(f"the slot of {digest} on {day} is still open")
        else:
            reasons = sum(number for what, number in row.told.items() if what not in ("readers", "planned"))
            if planned.get((digest, day), 0) + reasons != readers[digest]:
                wrong.append(f"{digest} of {day}: {json.dumps(row.told)}, {planned.get((digest, day), 0)} planned")
    return wrong


def _of_papers(store: Store, copies: Mapping[str, Sequence[tuple[str, bytes]]]) -> list[str]:
    """No reader got a paper twice: neither by what the mails show, nor by what the ledger says."""
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for got in copies.values():
        recipient, content = got[0]
        shown[recipient].update(_marks(content))
    twice = {
        who: papers for who, marks in shown.items() if (papers := [one for one, number in marks.items() if number > 1])
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
    for part in email.message_from_bytes(content).walk():
        if part.get_content_type() == "text/plain":
            text = part.get_payload(decode=True)
            return set(_MARK.findall(text.decode("utf-8", "replace") if isinstance(text, bytes) else ""))
    return set()


def _message_id(content: bytes) -> str:
    """The left side of its Message-ID."""
    found = re.search(rb"^Message-ID:\s*<([^@>]+)@", content, re.IGNORECASE | re.MULTILINE)
    return found[1].decode() if found else ""
