"""How a fleet is doing: who works and who fell silent, how long calls wait, and what is wrong with all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.services.ports import Clock, Work
from digest.storage import queue, server, workers
from digest.storage.engine import Store
from digest.storage.queue import Waiting
from digest.storage.server import Connections
from digest.storage.workers import Worker

#: A clock that is further off is worth a word: all go by the database's, but logs and other programs do not.
MOST_AHEAD = 5.0
#: A call that waits for so long finds nobody who hears it; a worker answers within a second.
_UNHEARD_SECONDS = 300.0
#: So many connections must be left for whoever comes next.
_FREE = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """What is wrong with a fleet, and what to do."""

    what: str
    try_: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetStatus:
    """A fleet at a glance; without any worker, living or lost, there is none."""

    at: datetime
    living: tuple[Worker, ...]
    lost: tuple[Worker, ...]
    """Who fell silent within a day without taking leave."""
    calls: tuple[Waiting, ...]
    connections: Connections | None
    accepted: Mapping[str, int]
    """Mails that each relay took from the workers that live, since they started."""
    troubles: tuple[Trouble, ...]

    @property
    def is_one(self) -> bool:
        return bool(self.living or self.lost)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """Looks at all processes of a fleet; on one machine there is none."""

    store: Store
    keys: str
    """The mark of this process' secrets."""
    clock: Clock

    def look(self) -> FleetStatus:
        """Raises StorageError when the database cannot be asked."""
        now = self.clock()
        with self.store.reading() as tx:
            living, lost = workers.living(tx, now), workers.lost(tx, now)
            calls = queue.waiting(tx)
            connections = None if self.store.is_sqlite else server.connections(tx)
        accepted: Counter[str] = Counter()
        for one in living:
            accepted.update({relay: sum(domains.values()) for relay, domains in one.accepted.items()})
        return FleetStatus(
            at=now,
            living=living,
            lost=lost,
            calls=calls,
            connections=connections,
            accepted=accepted,
            troubles=tuple(_troubles(living, lost, calls, connections, self.keys, now)),
        )


def _troubles(
    living: Sequence[Worker],
    lost: Sequence[Worker],
    calls: Sequence[Waiting],
    connections: Connections | None,
    keys: str,
    now: datetime,
) -> Iterator[Trouble]:
    if not (living or lost):
        return
    for role in workers.without([work.value for work in Work], living):
        yield Trouble(what=f"no worker does {role}", try_=f"start one: digest worker --roles {role}")
    for call in calls:
        waits = (now - call.oldest).total_seconds() if call.oldest else 0.0
        if waits > _UNHEARD_SECONDS and not call.doing:
            yield Trouble(
                what=f"a call for {call.work} waits for {waits / 60:.0f} min and nobody hears it",
                try_="look at the log of those who should; start more of them",
            )
    if connections is not None and connections.most - connections.used < _FREE:
        yield Trouble(
            what=f"{connections.used} of the server's {connections.most} connections are in use",
            try_="raise max_connections, or put a pooler between",
        )
    yield from _differences(living)
    for one in living:
        if abs(one.ahead) > MOST_AHEAD:
            side = "ahead" if one.ahead > 0 else "behind"
            yield Trouble(
                what=f"the clock of {one.name} is {abs(one.ahead):.0f} s {side}",
                try_="let it be set by NTP; work goes by the database's clock meanwhile",
            )
        if one.keys != keys:
            yield Trouble(
                what=f"{one.name} has another secret than this process",
                try_="give all machines the same web.secret_file",
            )


def _differences(living: Sequence[Worker]) -> Iterator[Trouble]:
    versions = sorted({one.version for one in living})
    if len(versions) > 1:
        yield Trouble(
            what=f"workers of several versions: {', '.join(versions)}",
            try_="that is well during an upgrade; else upgrade the rest",
        )
    zones = sorted({one.zones for one in living})
    if len(zones) > 1:
        yield Trouble(
            what=f"workers with several time zone databases: {', '.join(zones)}",
            try_="bring all to one (the system's tzdata, or pip install --upgrade tzdata): slots follow from it",
        )
