"""Deliveries over real sockets for the tests: planned mails, a sender, scripted servers, the ledger as it stands."""

from __future__ import annotations

import email
import email.policy
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from threading import Lock

from sqlalchemy import func, select

from digest.delivery.exchange import Exchange, hand_over
from digest.delivery.folder import arrived
from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import Relay
from digest.model.editions import Digest
from digest.model.mail import Delivery
from digest.services.sending.deliver import Deliver, Sent
from digest.services.sending.ledger import Ledger
from digest.services.sending.outlets import Outlet
from digest.services.sending.packing import ReturnPath
from digest.services.sending.reconcile import Reconcile
from digest.services.status.report import accounting
from digest.storage import deliveries, people
from digest.storage.engine import Store
from tests.delivery.peers import Script, Talk, relay_to
from tests.services.world import DAILY, KEYS, SLOT_AT, World

WEEKLY = replace(DAILY, name="weekly", title="The Weekly", list_id="weekly.example.org")
VERP = ReturnPath(address="bounces@example.org", tokens=True)
FEATURES = ("PIPELINING", "8BITMIME", "SIZE 20000000", "ENHANCEDSTATUSCODES")


def reader(number: int) -> str:
    return f"reader-{number:02d}@example.net"


@dataclass
class Office:
    """An installation whose mails are planned, and a sender for them."""

    store: Store
    world: World
    steady: float = 0.0
    throttle: Throttle = field(default_factory=lambda: Throttle(1))

    def sender(self, *relays: Relay, rates: RateLimit | None = None, **changes: object) -> Deliver:
        rates = rates or RateLimit(None, {})
        plain = Deliver(
            store=self.store,
            outlets=tuple(
                Outlet(relay=replace(relay, name=f"test {n}"), throttle=self.throttle, rates=rates)
                for n, relay in enumerate(relays)
            ),
            exchange=Exchange,
            hand_over=hand_over,
            arrived=arrived,
            keys=KEYS,
            return_path=ReturnPath(address="digest@example.org"),
            signer=lambda: None,
            resend=False,
            soft_bounces=5,
            soft_window=timedelta(days=15),
            holder="host:1:1",
            lease=timedelta(minutes=10),
            dead=lambda holders: [],
            clock=self.world.clock,
            jitter=lambda: 0.5,
            has_public_url=True,
            seconds=lambda: self.steady,
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    def send(self, port: int, *, connections: int = 1, **changes: object) -> Sent:
        """One run to a server on this machine."""
        self.throttle = Throttle(connections) if connections > 1 else self.throttle
        return self.sender(way(port, connections=connections), **changes).run()  # type: ignore[arg-type]

    @property
    def ledger(self) -> Ledger:
        return Ledger(
            store=self.store,
            digests=self.world.digests,
            keys=KEYS,
            return_path=VERP,
            host="example.org",
            clock=self.world.clock,
        )

    @property
    def reconcile(self) -> Reconcile:
        return Reconcile(store=self.store, keys=KEYS, host="example.org", clock=self.world.clock)

    def rows(self) -> tuple[Delivery, ...]:
        with self.store.reading() as tx:
            return deliveries.listing(tx, limit=10_000)

    def row(self, address: str) -> Delivery:
        (found,) = [row for row in self.rows() if row.address == address]
        return found

    def states(self) -> dict[str, int]:
        """What is not zero; the identity of the ledger is checked with it."""
        return identity(self.store)

    def later(self, **time: float) -> None:
        self.world.now += timedelta(**time)


def identity(store: Store) -> dict[str, int]:
    """Asserts that every delivery ever planned is in exactly one state, and none is missing; gives what is not zero.

    planned = the sum of the others = the rows that are there and those that retention has folded into totals.
    """
    with store.reading() as tx:
        told = accounting(deliveries.counts(tx))
        rows = tx.execute(select(func.count()).select_from(deliveries.deliveries)).scalar_one()
        folded = tx.execute(select(func.coalesce(func.sum(deliveries.totals.c.count), 0))).scalar_one()
    planned = told.pop("planned")
    assert planned == sum(told.values()) == rows + folded
    return {state: number for state, number in told.items() if number}


def office(
    store: Store, readers: int, *, digests: tuple[Digest, ...] = (DAILY,), papers: int = 1, **fields: object
) -> Office:
    """Readers with a mail planned each: one paper, one edition."""
    world = World(store, digests=digests)
    world.source()
    for number in range(papers):
        world.paper(number + 1, **fields)
    if readers:
        enrol(world, [(reader(number), digests) for number in range(readers)])
    world.publish.run(world.now)
    return Office(store, world)


def enrol(world: World, readers: Sequence[tuple[str, tuple[Digest, ...]]]) -> None:
    """Confirmed readers of these digests, since two weeks before the slot, in one transaction; who reads several has
    them joined."""
    since = SLOT_AT - timedelta(days=14)
    link: dict[str, object] = {"state": "confirmed", "created_at": since, "confirmed_at": since, "preferences": {}}
    link |= {"language": "", "timezone": "", "send_at": "", "days": [], "last_slot_date": ""}
    who = [{"address": address, "created_at": since, "joined": len(digests) > 1} for address, digests in readers]
    with world.store.transaction() as tx:
        tx.execute(people.subscribers.insert(), who)
        ids = {row.address: row.id for row in tx.execute(select(people.subscribers.c.address, people.subscribers.c.id))}
        links = [
            link | {"subscriber_id": ids[address], "digest": digest.name, "secret": world.subscribe.new_secret()}
            for address, digests in readers
            for digest in digests
        ]
        tx.execute(people.subscriptions.insert(), links)


def way(port: int, **settings: object) -> Relay:
    return relay_to(port, **settings)


def folder(path: Path) -> Relay:
    return Relay(name="test", transport="folder", path=path)


def message_id(raw: bytes) -> str:
    return str(email.message_from_bytes(raw, policy=email.policy.default)["Message-ID"])


@dataclass
class Mails:
    """What a scripted server took: (recipient, content), in order."""

    taken: list[tuple[str, bytes]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def take(self, recipient: str, content: bytes) -> None:
        with self.lock:
            self.taken.append((recipient, content))

    @property
    def to(self) -> list[str]:
        return [recipient for recipient, _ in self.taken]


def answering(
    mails: Mails,
    *,
    mail: Callable[[int], str] = lambda n: "250 ok",
    rcpt: Callable[[str], str] = lambda address: "250 ok",
    dot: Callable[[str], str | None] = lambda address: "250 2.0.0 queued",
    before_content: Callable[[str], None] | None = None,
) -> Script:
    """A server that answers as told: by the number of the mail, or by its recipient; None hangs up instead."""

    def script(talk: Talk) -> None:
        talk.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small replies must not wait for each other
        talk.greet(*FEATURES)
        number = 0
        while True:
            line = talk.line()
            verb = line[:4].upper()
            if verb == b"MAIL":
                number += 1
                first = mail(number)
                talk.say(first)
                talk.line()
                address = talk.heard[-1].partition(b"<")[2].partition(b">")[0].decode()
                second = rcpt(address) if first.startswith("2") else "503 5.5.1 MAIL first"
                if second == "drop":
                    talk.drop()
                    return
                talk.say(second)
                talk.line()
                if not second.startswith("2"):
                    talk.say("503 5.5.1 RCPT first")
                    continue
                if before_content is not None:
                    before_content(address)
                talk.say("354 go ahead")
                raw = talk.content()
                answer = dot(address)
                if answer is None:
                    mails.take(address, raw)
                    talk.drop()
                    return
                if answer.startswith("2"):
                    mails.take(address, raw)
                talk.say(answer)
            elif verb == b"QUIT":
                talk.say("221 bye")
                return
            else:
                talk.say("250 ok")

    return script


def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Waits for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
