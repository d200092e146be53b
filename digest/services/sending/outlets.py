"""The ways out of a run: which relay takes the next mail, over how many connections, and what it has asked of us."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import Exchange, Relay, Session
from digest.delivery.retry import remedy
from digest.model.errors import RelayError
from digest.model.mail import Due, Outcome


@dataclass(kw_only=True, slots=True, eq=False)
class Outlet:
    """A relay, and what it has asked of us; that lives longer than one run."""

    relay: Relay
    throttle: Throttle
    rates: RateLimit
    plain: bool = False
    """It offers PIPELINING and loses count: commands go singly."""
    down: RelayError | None = None
    """Why it takes no more mails in this run, or took none in the one before."""


@dataclass(kw_only=True, slots=True, eq=False)
class Way:
    """An outlet during one run."""

    outlet: Outlet
    sessions: list[Session] = field(default_factory=list[Session])
    opening: int = 0
    most: int = 1_000
    """Connections that the relay lets us have, as far as this run has seen."""
    faults: int = 0
    """Connections in a row that broke, with no mail accepted between."""
    is_proven: bool = False
    """A connection was opened and a login, if there is one, was accepted."""
    bound: deque[Due] = field(default_factory=deque[Due])
    """Leased mails that may go nowhere else."""

    @property
    def down(self) -> RelayError | None:
        """Why it takes no more mails in this run."""
        return self.outlet.down

    @down.setter
    def down(self, error: RelayError | None) -> None:
        self.outlet.down = error

    def usable(self, now: float) -> bool:
        return self.down is None and self.outlet.throttle.allowed(now) > 0

    def room(self, now: float) -> int:
        """How many connections it may have now."""
        return 0 if self.down is not None else min(self.most, self.outlet.throttle.allowed(now))

    def staff(self, exchange: Exchange, now: float, mails: int) -> None:
        """Opens connections for so many mails, as far as there is room."""
        # The first comes alone: servers lock an account after a few wrong passwords.
        wanted = min(self.room(now), mails if self.is_proven else 1)
        relay = replace(self.outlet.relay, pipelining=False) if self.outlet.plain else self.outlet.relay
        while len(self.sessions) + self.opening < wanted:
            self.opening += 1
            exchange.open(relay)

    def refused(self, error: RelayError) -> None:
        """A connection could not be made. While others work, or still may, the relay wants no more than these; else it
        is down.
        """
        others = len(self.sessions) + self.opening
        if others:
            self.most = others
        else:
            self.down = error


class Ways:
    """All ways of a run, in order of preference."""

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        for outlet in outlets:
            outlet.down = None  # a run begins anew
        self.all = tuple(Way(outlet=outlet) for outlet in outlets)
        self._by_name = {way.outlet.relay.name: way for way in self.all}
        self._by_place = {way.outlet.relay.place: way for way in self.all}

    def of(self, relay: Relay) -> Way:
        return self._by_name[relay.name]

    def at(self, place: str) -> Way | None:
        """The way to a place; None where it is no longer configured."""
        return self._by_place.get(place)

    def first(self, now: float) -> Way | None:
        """The preferred one of those that can be used."""
        return next((way for way in self.all if way.usable(now)), None)

    @property
    def problem(self) -> RelayError | None:
        """Why the preferred one cannot be used."""
        down = next((way.down for way in self.all if way.down is not None), None)
        return down or next(filter(None, (paused(way.outlet) for way in self.all)), None)


def passed_over(outlets: Sequence[Outlet], now: float) -> tuple[RelayError, ...]:
    """Why a run gave no more mails to some of its relays, ``where`` naming each."""
    found: list[RelayError] = []
    for outlet in outlets:
        why = outlet.down or (None if outlet.throttle.allowed(now) else paused(outlet))
        if why is not None:
            found.append(RelayError(why.what, where=outlet.relay.where, try_=why.try_))
    return tuple(found)


def paused(outlet: Outlet) -> RelayError | None:
    """What made a relay's pause, as it is told to the operator; None without one."""
    cause = outlet.throttle.cause
    if cause is None:
        return None
    return refusal(cause, outlet.relay.where)


def refusal(outcome: Outcome, where: str = "") -> RelayError:
    """A relay's refusal, as it is told to the operator: whom it refuses, in its words, and what can be done."""
    said = " ".join(str(part) for part in (outcome.code, outcome.enhanced, outcome.remote) if part)
    whom = f" from {outcome.sender}" if outcome.sender else ""
    return RelayError(
        f"the relay refuses mail{whom} for now: {said[:500]}",
        where=where,
        try_=remedy(outcome.enhanced, outcome.remote, outcome.sender) or "it is tried again later",
    )
