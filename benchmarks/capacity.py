"""What so many subscribers need, computed from what one mail, one profile and one feed cost. Pure arithmetic.

Takes unit costs as unit_costs.py measures them, a wish (how many, in which time) and what one machine of each kind can
do. Gives what is needed of each resource, which one is used up first as subscribers grow, and what a small fleet on one
machine delivers, to be held against a measured run. Seconds, bytes and processor seconds throughout, unless a name says
otherwise. Used by scaling.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from digest.services.publishing import cohorts
from digest.services.tending import upkeep

DAY = 86_400.0
#: A slot is cut into so many cohorts at most, so more publishers than that have nothing to do.
MOST_PUBLISHERS = int(vars(cohorts)["_MOST_COHORTS"])
#: Deliveries are kept for so many days at least, whatever is configured.
LEAST_DELIVERIES = float(vars(upkeep)["_LEAST_DELIVERIES"].days)
_MOST_SUBSCRIBERS = 10**13


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What one of something makes the processes do."""

    worker_cpu: float
    database_cpu: float
    transactions: float
    rows: float
    """Inserted, updated or deleted."""
    log_bytes: float
    """Written to the server's log (WAL)."""

    def times(self, number: float) -> Work:
        return Work(**{one.name: number * getattr(self, one.name) for one in fields(self)})

    def plus(self, other: Work) -> Work:
        return Work(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """The units. ``reader``: one who is planned a mail; ``feed``: one poll that finds nothing new."""

    mail: Work
    reader: Work
    profile: Work
    feed: Work
    entry: Work
    beside_cpu: float
    """Of the mail server and the wire of a mail, where they are on the same machine."""
    round_trips: float
    """Answers of the relay that a connection waits for, a mail."""
    overhead: float
    """Seconds that a connection has a mail in hand besides, on a machine with nothing else to do."""
    wire_bytes: float
    entry_wire_bytes: float
    subscriber_bytes: float
    """On disk, with its indexes; so are the following."""
    delivery_heap_bytes: float
    delivery_index_bytes: float
    message_bytes: float
    """Of an edition's mail, which is kept for a while; the edition itself is kept for ever."""
    edition_bytes: float
    entry_bytes: float
    connections: Mapping[str, float]
    """Of the database, which a worker of a role has open at most."""
    worker_bytes: Mapping[str, float]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """From the file of unit costs."""
        work = {name: Work(**told[name]) for name in ("mail", "reader", "profile", "feed", "entry")}
        rest = {one.name: told[one.name] for one in fields(cls) if one.name not in work}
        return cls(**work, **rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """A morning: one slot, for which everybody gets one mail within the window."""

    subscribers: int
    profiles: int = 100_000
    feeds: int = 1_000
    window: float = 7_200.0
    relay_latency: float = 0.010
    connections: int = 16
    """Of one delivering process to the relay ([smtp] connections)."""
    polls_a_day: float = 8.0
    entries_a_day: float = 5.0
    """New ones a feed."""
    deliveries_days: int = 90
    """[retention], as the next one."""
    days: int = 400
    ages: int = 1_000
    """Days after which the disk is looked at: what is kept for ever grows on."""

    @property
    def editions(self) -> int:
        """A slot's. Nobody has two profiles."""
        return min(self.profiles, self.subscribers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What there is of everything that cannot simply be had twice: one database server, and the relay."""

    cores: int = 16
    """Of a machine for workers; of these there may be many."""
    database_cores: int = 32
    connections: int = 1_000
    log: float = 200e6
    """Bytes a second that the server's log takes."""
    commits: float = 20_000.0
    """A second."""
    disk: float = 8e12
    relay: float = 5_000.0
    """Mails a second."""
    busy: float = 0.7
    """Of a core's time so much may be used: beyond it everything waits for everything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a wish needs."""

    rate: float
    """Mails a second."""
    in_flight: float
    """Connections to the relay that have a mail in hand."""
    delivering: int
    publishing: float
    """Processes, not rounded: more than MOST_PUBLISHERS cannot share a slot."""
    fetching: int
    publish_seconds: float
    """Processor time of all publishing, by as many processes as may share it and are needed."""
    machines: int
    worker_bytes: float
    database_cores: float
    connections: float
    log: float
    commits: float
    disk: float
    """Bytes when Digest has run for so long as the wish says."""
    disk_a_day: float
    """Bytes that a day brings,"""
    disk_for_ever: float
    """and of these what is never cleared away."""
    network: float
    """Bytes a second to the relay."""

    @property
    def publishers(self) -> int:
        return math.ceil(self.publishing)

    @property
    def workers(self) -> int:
        return self.delivering + self.publishers + self.fetching


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """Something that there is only so much of."""

    name: str
    needed: Callable[[Need], float]
    there_is: Callable[[Machine], float]
    remedy: str
    is_databases: bool
    """Whether another database brings as much again."""
    unit: str = ""


RESOURCES = (
    Resource(
        name="database cores",
        needed=lambda need: need.database_cores,
        there_is=lambda machine: machine.database_cores,
        remedy="a larger server; then several databases, each with its own digests",
        is_databases=True,
    ),
    Resource(
        name="database connections",
        needed=lambda need: need.connections,
        there_is=lambda machine: machine.connections,
        remedy="fewer processes with more `[smtp] connections` each; PgBouncer; then several databases",
        is_databases=True,
    ),
    Resource(
        name="the server's log (WAL)",
        needed=lambda need: need.log,
        there_is=lambda machine: machine.log,
        remedy="a faster disk for `pg_wal`, or a longer window; then several databases",
        is_databases=True,
        unit=" a second",
    ),
    Resource(
        name="commits",
        needed=lambda need: need.commits,
        there_is=lambda machine: machine.commits,
        remedy="fewer delivering processes with more connections each, whose mails share commits; several databases",
        is_databases=True,
        unit=" a second",
    ),
    Resource(
        name="disk",
        needed=lambda need: need.disk,
        there_is=lambda machine: machine.disk,
        remedy=f"a larger one: deliveries are kept for {LEAST_DELIVERIES:.0f} days at least; then several databases",
        is_databases=True,
    ),
    Resource(
        name="publishers of one slot",
        needed=lambda need: need.publishing,
        there_is=lambda machine: MOST_PUBLISHERS,
        remedy="fewer distinct profiles, a longer window, or digests at several hours",
        is_databases=False,
    ),
    Resource(
        name="the relay",
        needed=lambda need: need.rate,
        there_is=lambda machine: machine.relay,
        remedy="more relays, side by side in `[[smtp]]`; or a longer window",
        is_databases=False,
        unit=" mails a second",
    ),
)


def needs(costs: Costs, wish: Wish, machine: Machine) -> Need:
    """What a wish needs, on machines that are ``busy`` at most."""
    mails, seconds = float(wish.subscribers), wish.window * machine.busy
    sending = costs.mail.times(mails)
    publishing = costs.reader.times(mails).plus(costs.profile.times(wish.editions))
    polls, entries = wish.feeds * wish.polls_a_day, wish.feeds * wish.entries_a_day
    fetching = costs.feed.times(polls).plus(costs.entry.times(entries)).times(1 / DAY)
    peak = sending.plus(publishing).times(1 / wish.window).plus(fetching)
    rate = mails / wish.window
    in_flight = rate * hold(costs, wish.relay_latency, machine.busy)
    delivering = max(1, math.ceil(sending.worker_cpu / seconds), math.ceil(in_flight / wish.connections))
    publishers = max(publishing.worker_cpu / seconds, 1e-9)
    fetchers = max(1, math.ceil(fetching.worker_cpu / machine.busy))
    # Each process has a core at most, and those that wait for the relay need but a part of one.
    cores = publishers + sending.worker_cpu / seconds + fetching.worker_cpu / machine.busy
    roles = {"deliver": delivering, "publish": math.ceil(publishers), "fetch": fetchers}
    kept = _kept(costs, wish)
    return Need(
        rate=rate,
        in_flight=in_flight,
        delivering=delivering,
        publishing=publishers,
        fetching=fetchers,
        publish_seconds=publishing.worker_cpu / min(MOST_PUBLISHERS, math.ceil(publishers)),
        machines=math.ceil(cores / machine.cores),
        worker_bytes=sum(number * costs.worker_bytes[role] for role, number in roles.items()),
        database_cores=peak.database_cpu / machine.busy,
        connections=sum(number * costs.connections[role] for role, number in roles.items()),
        log=peak.log_bytes,
        commits=peak.transactions,
        disk=wish.subscribers * costs.subscriber_bytes + sum(min(days, wish.ages) * size for size, days in kept),
        disk_a_day=sum(size for size, _ in kept),
        disk_for_ever=sum(size for size, days in kept if days == math.inf),
        network=rate * costs.wire_bytes,
    )


def hold(costs: Costs, relay_latency: float, busy: float) -> float:
    """Seconds for which a connection has one mail in hand: what the relay takes to answer, and what is done besides,
    which takes the longer the busier the machine is."""
    return costs.round_trips * relay_latency + costs.overhead / (1 - busy)


def _kept(costs: Costs, wish: Wish) -> tuple[tuple[float, float], ...]:
    """What a day brings to the disk: (bytes, days for which they are kept)."""
    delivery = costs.delivery_heap_bytes + costs.delivery_index_bytes
    return (
        (wish.subscribers * delivery, max(wish.deliveries_days, LEAST_DELIVERIES)),
        (wish.editions * costs.message_bytes, wish.days),
        (wish.editions * costs.edition_bytes, math.inf),
        (wish.feeds * wish.entries_a_day * costs.entry_bytes, math.inf),
    )


def share(resource: Resource, costs: Costs, wish: Wish, machine: Machine) -> float:
    """How much of a resource is used: 1 is all of it."""
    return resource.needed(needs(costs, wish, machine)) / resource.there_is(machine)


def lasts_until(resource: Resource, costs: Costs, wish: Wish, machine: Machine) -> int:
    """The most subscribers for whom there is enough of a resource, with all else as wished; 0 for none."""
    least, most = 0, _MOST_SUBSCRIBERS
    while least < most:
        middle = (least + most + 1) // 2
        if share(resource, costs, replace(wish, subscribers=middle), machine) <= 1:
            least = middle
        else:
            most = middle - 1
    return least


def in_order(costs: Costs, wish: Wish, machine: Machine) -> list[tuple[int, Resource]]:
    """(most subscribers, resource), what breaks first in front."""
    found = [(lasts_until(one, costs, wish, machine), one) for one in RESOURCES]
    return sorted(found, key=lambda pair: pair[0])


def databases(costs: Costs, wish: Wish, machine: Machine) -> int:
    """Among how many servers the digests must be shared out, that each has enough of all that a server has."""
    return max(1, *(math.ceil(share(one, costs, wish, machine)) for one in RESOURCES if one.is_databases))


def delivers(costs: Costs, *, workers: int, connections: int, relay_latency: float, cores: int) -> float:
    """Mails a second of so many processes on one machine that has the database and the relay, too.

    By Little's law the connections hold as many mails as are under way: rate x hold = workers x connections, and hold
    grows with the rate, for all share the cores.
    """
    cpu = costs.mail.worker_cpu + costs.mail.database_cpu + costs.beside_cpu
    least, most = 0.0, min(cores / cpu, workers / costs.mail.worker_cpu)
    for _ in range(60):
        rate = (least + most) / 2
        if rate * hold(costs, relay_latency, min(rate * cpu / cores, 1 - 1e-9)) < workers * connections:
            least = rate
        else:
            most = rate
    return least
