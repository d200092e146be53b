"""The operator's hand on the relays: how each stands, give one no more mails, let it go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from digest.delivery.retry import THROTTLE_SECONDS
from digest.delivery.warmup import WarmUp
from digest.model.errors import UsageError
from digest.services.ports import Clock
from digest.services.sending.outlets import refusal
from digest.storage import deliveries, relays
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.relays import Standing

READY = "ready"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A relay as it is configured."""

    name: str
    """As errors call it: ``smtp``, ``smtp 2``."""
    place: str
    """Host and port, with the account where several go there, or a folder: its name for good."""
    connections: int
    weight: int = 0
    rate: float | None = None
    domain_rates: Mapping[str, float] = field(default_factory=dict[str, float])
    plan: WarmUp | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Warming:
    """What a warm-up plan lets go on one day, in mails. What a process has taken and not sent yet counts as used."""

    day: str
    allowed: int
    used: int
    left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayRow:
    """How one relay stands. ``state``: ready, paused, resting, or used up (its warm-up plan, for today)."""

    name: str
    place: str
    state: str
    since: datetime | None = None
    until: datetime | None = None
    detail: str = ""
    connections: int = 0
    weight: int = 0
    rate: float | None = None
    domain_rates: Mapping[str, float] = field(default_factory=dict[str, float])
    warm_up: Warming | None = None
    plan_day: int | None = None
    """Which day of its warm-up plan it is: 1 is the first. None without a plan that grows, and outside of it."""
    bound: int = 0
    """So many open mails may go nowhere else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relays:
    """What all processes know of the relays."""

    store: Store
    exits: tuple[Known, ...]
    clock: Clock

    def listing(self) -> tuple[RelayRow, ...]:
        """In order of preference; then places that left the configuration and are paused, or that mails wait for."""
        with self.store.reading() as tx:
            return self._listing(tx)

    def held_back(self) -> tuple[RelayRow, ...]:
        """All relays that are configured, where mails wait because none of them may take any; else nothing.

        A mail waits that is due, or will be before the first of them may take mails again.
        """
        now = self.clock()
        with self.store.reading() as tx:
            due = deliveries.next_due(tx)
            rows = self._listing(tx)[: len(self.exits)] if due is not None else ()
        until = min((row.until for row in rows if row.until is not None), default=now)
        waits = due is not None and due <= max(now, until)
        return rows if waits and all(row.state != READY for row in rows) else ()

    def _listing(self, tx: Tx) -> tuple[RelayRow, ...]:
        found = relays.standing(tx, self.clock())
        bound = relays.bound(tx)
        known = {one.place for one in self.exits}
        waits = {place for place, one in found.items() if one.paused_at is not None} | bound.keys()
        gone = [Known(name="-", place=place, connections=0) for place in sorted(waits - known)]
        never = Standing(at=self.clock())
        return tuple(_row(one, found.get(one.place, never), bound.get(one.place, 0)) for one in (*self.exits, *gone))

    def on_the_wire(self, holder: str) -> int:
        """How many mails a process is sending whose final dot may have gone: it waits for the answers."""
        with self.store.reading() as tx:
            return relays.on_the_wire(tx, holder)

    def pause(self, name: str) -> tuple[str, bool]:
        """Gives a relay no more mails, from any process: (its place, whether it was not paused already).

        Raises UsageError for one that is not configured.
        """
        place = self._place(name, ())
        with self.store.transaction() as tx:
            return place, relays.pause(tx, place, self.clock())

    def resume(self, name: str) -> tuple[str, bool]:
        """Gives it mails again, also where it rests by its own word: (its place, whether it did neither).

        One that left the configuration can be resumed, too.
        """
        with self.store.reading() as tx:
            held = relays.standing(tx, self.clock())
        place = self._place(name, tuple(held))
        with self.store.transaction() as tx:
            return place, relays.resume(tx, place, self.clock())

    def _place(self, name: str, more: tuple[str, ...]) -> str:
        """The place of a relay that is called by it, or by its number's name."""
        by_name = {one.name: one.place for one in self.exits}
        places = {*by_name.values(), *more}
        if name in places:
            return name
        if name in by_name:
            return by_name[name]
        raise UsageError(
            f'there is no relay "{name}"', where="NAME", try_=f"one of: {', '.join(sorted(by_name.values()))}"
        )


def _row(one: Known, standing: Standing, bound: int) -> RelayRow:
    warming = _warming(one.plan, standing)
    state, since, until, detail = _state(one, standing, warming)
    if bound:
        detail = "; ".join(filter(None, (detail, f"{bound:,} open mail{'s'[: bound > 1]} may go only there")))
    return RelayRow(
        name=one.name,
        place=one.place,
        state=state,
        since=since,
        until=until,
        detail=detail,
        connections=one.connections,
        weight=one.weight,
        rate=one.rate,
        domain_rates=one.domain_rates,
        warm_up=warming,
        plan_day=_plan_day(one.plan, standing) if warming is not None else None,
        bound=bound,
    )


def _state(
    one: Known, standing: Standing, warming: Warming | None
) -> tuple[str, datetime | None, datetime | None, str]:
    why = refusal(standing.cause).what if standing.cause is not None else ""
    if standing.paused_at is not None:
        return "paused", standing.paused_at, None, f"`digest relays resume {one.place}` gives it mails again"
    if standing.rests_until is not None and standing.rests_until > standing.at:
        return "resting", standing.slowed_at, standing.rests_until, why
    if warming is not None and not warming.left:
        day = datetime.fromisoformat(warming.day).replace(tzinfo=UTC)
        return "used up", None, day + timedelta(days=1), "its warm-up plan lets no more mails go today"
    if standing.slowed_at is not None and standing.at - standing.slowed_at < timedelta(seconds=THROTTLE_SECONDS):
        return READY, standing.slowed_at, None, f"slowed to {standing.connections} connections: {why}" if why else ""
    return READY, None, None, ""


def _warming(plan: WarmUp | None, standing: Standing) -> Warming | None:
    """None without a plan, and where it sets no limit any more."""
    allowed = None if plan is None else plan.allowed(standing.today)
    if allowed is None:
        return None
    used = standing.spent_on(standing.today)
    return Warming(day=standing.today.isoformat(), allowed=allowed, used=used, left=max(0, allowed - used))


def _plan_day(plan: WarmUp | None, standing: Standing) -> int | None:
    day = 0 if plan is None or plan.growth == 1 else (standing.today - plan.since).days + 1
    return day if day > 0 else None
