"""People in the midst of a fleet's trouble: they join by the form and confirm by the mail, leave by one click, pause,
and their mail servers send mails back. And what must hold of them. Used by chaos.py.

All goes by the services that the web and the mailbox use; a bounce is a report in the maildir of ``[inbound]``. From
when the database says that somebody is not to be written to, no mail may pass the gate for him. Which mails had passed
it is asked in one statement: they are sending or uncertain, or a transaction that is not over yet has them.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email.message import Message as Mail
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Row, select

from digest.app import App
from digest.delivery.tokens import return_path
from digest.model.errors import DigestError
from digest.model.mail import DeliveryState
from digest.model.people import Subscription, SubscriptionState
from digest.services.readers.admission import Asked, Outcome
from digest.services.stamping import message_id_of
from digest.storage import bounces
from digest.storage.base import Tx
from digest.storage.deliveries import deliveries
from digest.storage.engine import Store
from digest.storage.people import suppressions

BOUNCES_TO = "bounces@digest.example.org"
#: (when by time.monotonic, recipient, content), as the mail server took them.
Taken = Sequence[tuple[float, str, bytes]]
#: By how much a clock may be wrong: a second of the machine's is a minute here, and some stand still for ten.
_SLACK = timedelta(minutes=20)
_REPORT = """From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: {path}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=mx"

--=mx
Content-Type: text/plain

There is no such mailbox.

--=mx
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {reader}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <{reader}>: there is no such mailbox

--=mx--
"""


@dataclass(frozen=True, kw_only=True)
class Barred:
    """Somebody who must not be written to any more: as a reader of one subscription, or at all."""

    address: str
    subscription: int | None
    """None: the address is on the suppression list."""
    since: float
    """From when on at the latest, by time.monotonic."""
    passed: frozenset[int]
    """Mails (leading deliveries) that had perhaps passed the gate by then."""


@dataclass(frozen=True, kw_only=True)
class Paused:
    """A pause that was granted."""

    subscription: int
    on: date
    until: date
    at: datetime
    """By when, at the latest, on the clock that all share."""


@dataclass
class People:
    """Who comes, goes and cannot be reached."""

    app: App
    taken: Taken
    chance: random.Random
    box: Path
    later: Callable[[float, Callable[[], None]], None]
    """Does something after so many seconds."""
    barred: list[Barred] = field(default_factory=list[Barred])
    paused: list[Paused] = field(default_factory=list[Paused])
    bounced: dict[str, Path] = field(default_factory=dict[str, Path])
    """Reports by the address that they are about."""
    confirmed: set[str] = field(default_factory=set[str])
    _asked: dict[str, str] = field(default_factory=dict[str, str])
    """Address -> digest, of those who have not confirmed."""
    _seen: int = 0
    _numbers: Any = field(default_factory=itertools.count)
    _tried: set[int] = field(default_factory=set[int])

    def __post_init__(self) -> None:
        for name in ("new", "cur", "tmp"):
            (self.box / name).mkdir(parents=True)

    # What they do; each says whether it could be done now

    def come_and_go(self) -> bool:
        """Two ask to join; who asked before confirms; two leave, and one pauses."""
        done = [self._join() for _ in range(2)]
        done += [self._leave() for _ in range(2)]
        done.append(self._pause())
        return any(done)

    def bounce(self) -> bool:
        """Two mails come back, one of them twice."""
        first, second = self._bounce(again=False), self._bounce(again=True)
        return first or second

    def _join(self) -> bool:
        number = next(self._numbers)
        address, digest = f"joiner{number:04d}@example.net", self.chance.choice(self.app.config.digests).name
        asked = Asked(address=address, digest=digest, peer=f"10.0.{number // 200}.{number % 200}")
        try:
            outcome = self.app.admission.join(asked).outcome
        except DigestError:
            return False  # the database is away, or full
        if outcome is Outcome.PLANNED:
            self._asked[address] = digest
        return outcome is Outcome.PLANNED

    def confirm(self) -> None:
        """Whoever has got the question by now says yes."""
        mails, self._seen = self.taken[self._seen :], len(self.taken)
        for _, recipient, content in mails:
            link = re.search(r"/confirm/([\w.~-]+)", text_of(content)) if recipient in self._asked else None
            if link is not None:
                self.later(self.chance.uniform(0.1, 3), lambda who=recipient, token=link[1]: self._confirm(who, token))

    def _confirm(self, who: str, token: str) -> None:
        try:
            done = self.app.welcome.confirm(token)
        except DigestError:
            self.later(0.5, lambda: self._confirm(who, token))
            return
        if done is not None and done.state is SubscriptionState.CONFIRMED:
            self.confirmed.add(who)

    def _leave(self) -> bool:
        """By the link in a mail's head: of a mail that joins several digests all, or one by the page."""
        mail = self._some_mail()
        link = re.search(r"/unsubscribe/([\w.~-]+)", str(mail["List-Unsubscribe"])) if mail is not None else None
        if link is None:
            return False
        only = (self.chance.choice(("daily", "extra")),) if "." in link[1] and self.chance.random() < 0.5 else ()
        try:
            return bool(self.app.subscribe.leave_by_token(link[1], only))
        except DigestError:
            return False

    def _pause(self) -> bool:
        """For one or two days. Everybody at most once, for the second pause would hide the first from the laws."""
        mail = self._some_mail()
        try:
            mine = self._reader(str(mail["To"])) if mail is not None else None
            if mine is None:
                return False
            self._tried.add(mine.id)
            until = self.app.subscribe.today_of(mine) + timedelta(days=self.chance.randint(1, 2))
            done = self.app.subscribe.pause(mine, until)
        except DigestError:
            return False
        if done.paused_on is not None and done.paused_until is not None:
            self.paused.append(
                Paused(subscription=done.id, on=done.paused_on, until=done.paused_until, at=self.app.clock())
            )
        return True

    def _reader(self, address: str) -> Subscription | None:
        links = self.app.subscribe.show(address.strip("<> "))
        fit = [one for one in links if one.state is SubscriptionState.CONFIRMED and one.id not in self._tried]
        return self.chance.choice(fit) if fit else None

    def _some_mail(self) -> Mail | None:
        if not self.taken:
            return None
        return email.message_from_bytes(self.chance.choice(self.taken)[2], policy=email.policy.default)

    def _bounce(self, *, again: bool) -> bool:
        """A mail comes back that the ledger holds as sent: of one that is not settled yet a report may be too early."""
        if not self.taken:
            return False
        _, recipient, content = self.chance.choice(self.taken)
        if recipient in self.bounced:
            return False
        try:
            with self.app.store.reading() as tx:
                sent = self._delivery(tx, recipient, message_id(content))
        except DigestError:
            return False
        if sent is None:
            return False
        report = _REPORT.format(path=return_path(BOUNCES_TO, sent, self.app.keys.links), reader=recipient)
        for number in range(1 + again):
            name = f"{time.time_ns()}.{number}.bounce"
            (self.box / "tmp" / name).write_text(report.replace("\n", "\r\n"), "ascii")
            self.bounced[recipient] = (self.box / "tmp" / name).rename(self.box / "new" / name)
        return True

    def _delivery(self, tx: Tx, address: str, mail: str) -> int | None:
        held = bounces.sent_to(tx, address, (DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN), limit=200)
        return next((one.leader_id or one.id for one in held if message_id_of(one, self.app.keys) == mail), None)

    # What is known of them

    @property
    def is_quiet(self) -> bool:
        """Whether all reports were read."""
        return not any((self.box / "new").iterdir())

    def watch(self, database: psycopg.Connection[Any]) -> None:
        """Takes note of who must not be written to from now on. Raises psycopg.Error."""
        known = {one.subscription or one.address for one in self.barred}
        with database.cursor(row_factory=dict_row) as ask:
            left = ask.execute(
                "SELECT s.id, p.address FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id"
                " WHERE s.state = 'unsubscribed'"
            ).fetchall()
            listed = ask.execute("SELECT NULL AS id, address FROM suppressions").fetchall()
        for one in (*left, *listed):
            if (one["id"] or one["address"]) not in known:
                passed = _passed(database, one["address"])
                self.barred.append(
                    Barred(address=one["address"], subscription=one["id"], since=time.monotonic(), passed=passed)
                )


def _passed(database: psycopg.Connection[Any], address: str) -> frozenset[int]:
    """Mails to an address that may have passed the gate: asked after the commit that barred it, so that each other one
    is still to be asked there. A row that a transaction has, which may be passing just now, cannot be locked."""
    with database.cursor(row_factory=dict_row) as ask:
        every = ask.execute("SELECT id, leader_id FROM deliveries WHERE address = %s", (address,)).fetchall()
        free = ask.execute(
            "SELECT d.id, d.state, EXISTS (SELECT 1 FROM attempts a WHERE a.delivery_id = d.id"
            " AND a.outcome = 'uncertain') AS doubted FROM deliveries d WHERE address = %s FOR SHARE OF d SKIP LOCKED",
            (address,),
        ).fetchall()
    waits = {one["id"] for one in free if one["state"] not in ("sending", "uncertain") and not one["doubted"]}
    return frozenset(one["leader_id"] or one["id"] for one in every if one["id"] not in waits)


def laws(people: People, store: Store, mails: Mapping[str, int]) -> list[str]:
    """What is wrong in the end. ``mails``: the leading delivery of each Message-ID."""
    with store.reading() as tx:
        rows = tx.execute(select(deliveries)).all()
        listed = set(tx.execute(select(suppressions.c.address)).scalars())
    wrong = of_barred(people.barred, people.taken, rows, mails) + of_pauses(people.paused, rows)
    wrong += [f"a mail to {who} came back, and it is not suppressed" for who in people.bounced if who not in listed]
    wrong += [] if people.is_quiet else ["reports are left in the mailbox"]
    left = {one.subscription for one in people.barred}
    return wrong + [
        f"{row.address} was suppressed, and is a reader who can be reached: {row.reason}"
        for row in rows
        if row.state == "suppressed" and row.address not in listed and row.subscription_id not in left
    ]


def of_barred(barred: Sequence[Barred], taken: Taken, rows: Sequence[Row[Any]], mails: Mapping[str, int]) -> list[str]:
    """No mail passed the gate to somebody who was barred before: none arrived that had not passed it by then."""
    parts: dict[int, list[Row[Any]]] = {}
    for row in rows:
        parts.setdefault(row.leader_id or row.id, []).append(row)
    arrived: dict[str, list[tuple[float, int]]] = {}
    for at, recipient, content in taken:
        if (name := message_id(content)) in mails:
            arrived.setdefault(recipient, []).append((at, mails[name]))
    wrong: list[str] = []
    for one in barred:
        for at, mail in arrived.get(one.address, []):
            held = [row for row in parts[mail] if one.subscription in (None, row.subscription_id)]
            asks = one.subscription is not None and all(row.kind != "edition" for row in held)
            if at > one.since and held and not asks and mail not in one.passed:
                why = "his address was suppressed" if one.subscription is None else "he had left"
                wrong.append(f"{one.address} got the mail {mail} {at - one.since:.1f} s after {why}")
    return wrong


def of_pauses(paused: Sequence[Paused], rows: Sequence[Row[Any]]) -> list[str]:
    """Nothing was planned of a paused day from when the pause stood."""
    known = {one.subscription: one for one in paused}
    return [
        f"{row.address} was planned a mail of {row.local_date}, and had paused from {one.on} to {one.until}"
        for row in rows
        if row.kind == "edition"
        and (one := known.get(row.subscription_id)) is not None
        and one.on <= row.local_date < one.until
        and row.created_at > one.at + _SLACK
    ]


def text_of(content: bytes) -> str:
    """A mail's plain text."""
    for part in email.message_from_bytes(content).walk():
        if part.get_content_type() == "text/plain":
            text = part.get_payload(decode=True)
            return text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
    return ""


def message_id(content: bytes) -> str:
    """The left side of its Message-ID."""
    found = re.search(rb"^Message-ID:\s*<([^@>]+)@", content, re.IGNORECASE | re.MULTILINE)
    return found[1].decode() if found else ""
