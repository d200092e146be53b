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
from digest.storage import relays
from digest.storage.engine import Store
from digest.storage.relays import Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A relay as it is configured."""

    name: str
    """As errors call it: ``smtp``, ``smtp 2``."""
    place: str
    """Host and port, or a folder: its name for good."""
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
            found = relays.standing(tx, self.clock())
            bound = relays.bound(tx)
        known = {one.place for one in self.exits}
        waits = {place for place, one in found.items() if one.paused_at is not None} | bound.keys()
        gone = [Known(name="-", place=place, connections=0) for place in sorted(waits - known)]
        never = Standing(at=self.clock())
        return tuple(_row(one, found.get(one.place, never), bound.get(one.place, 0)) for one in (*self.exits, *gone))

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
        return "ready", standing.slowed_at, None, f"slowed to {standing.connections} connections: {why}" if why else ""
    return "ready", None, None, ""


def _warming(plan: WarmUp | None, standing: Standing) -> Warming | None:
    """None without a plan, and where it sets no limit any more."""
    allowed = None if plan is None else plan.allowed(standing.today)
    if allowed is None:
        return None
    used = standing.spent_on(standing.today)
    return Warming(day=standing.today.isoformat(), allowed=allowed, used=used, left=max(0, allowed - used))
