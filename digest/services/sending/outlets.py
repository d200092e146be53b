"""The ways out of a run: which relay takes the next mail, over how many connections, and what it has asked of us."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf

from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import Exchange, Relay, Session
from digest.delivery.retry import remedy
from digest.model.errors import RelayError
from digest.model.mail import Due, Outcome
from digest.services.sending.slices import Quota

#: So many mails may a relay be ahead of its share. None at all, and each would wait for the slowest at every mail.
AHEAD = 4
#: Who takes no mail for so many seconds, though it is his turn, gives his share to the others meanwhile.
PATIENCE = 5.0
#: Of so many domains, those that came first, is counted apart what a relay took for them.
_MOST_DOMAINS = 50
OTHERS = "others"


@dataclass(kw_only=True, slots=True, eq=False)
class Outlet:
    """A relay, and what it has asked of us; that lives longer than one run."""

    relay: Relay
    throttle: Throttle
    rates: RateLimit
    weight: int = 0
    """Its share of the mails beside that of others; 0: it comes after all that have one."""
    quota: Quota | None = None
    """Of its warm-up plan."""
    plain: bool = False
    """It offers PIPELINING and loses count: commands go singly."""
    down: RelayError | None = None
    """Why it takes no more mails in this run, or took none in the one before."""
    paused_at: datetime | None = None
    """Since when the operator gives it no more mails."""
    heard_at: datetime | None = None
    """What it asked of other processes is known up to there."""
    share: float = 0.0
    """Mails that it took, by its weight."""
    accepted: Counter[str] = field(default_factory=Counter[str])
    """Mails that it took from this process, by the recipients' domain."""

    def count(self, address: str) -> None:
        """It took one."""
        domain = address.rpartition("@")[2]
        self.accepted[domain if len(self.accepted) < _MOST_DOMAINS or domain in self.accepted else OTHERS] += 1

    @property
    def is_held(self) -> bool:
        """Nothing is wrong with it, and yet it is to get no more mails now."""
        return self.paused_at is not None or (self.quota is not None and self.quota.used_up is not None)

    @property
    def held(self) -> RelayError | None:
        """Why it is held."""
        if self.paused_at is not None:
            place = self.relay.place
            return RelayError(
                f"it is paused since {self.paused_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                where=self.relay.where,
                try_=f"`digest relays resume {place}` gives it mails again",
            )
        return self.quota.why if self.quota is not None else None

    def is_open(self, now: float) -> bool:
        """Whether it may have mails."""
        return not self.is_held and self.throttle.allowed(now) > 0

    def give_back(self) -> None:
        """The run is over: what it had taken of rates and plans and not sent is for others."""
        self.rates.give_back()
        if self.quota is not None:
            self.quota.give_back()


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
    takes: bool = False
    """New mails, too."""
    took_at: float = 0.0
    """When it took the last one."""
    opens_at: float = -inf
    """When its rate lets the next mail go."""
    is_simple: bool = False
    """No rate, no plan and no share: it takes what comes. Asked for at every mail."""

    @property
    def down(self) -> RelayError | None:
        """Why it takes no more mails in this run."""
        return self.outlet.down

    @down.setter
    def down(self, error: RelayError | None) -> None:
        self.outlet.down = error

    def usable(self, now: float) -> bool:
        return self.down is None and self.outlet.is_open(now)

    def room(self, now: float) -> int:
        """How many connections it may have now."""
        if self.down is not None or self.outlet.is_held:
            return 0
        return min(self.most, self.outlet.throttle.allowed(now))

    def is_free(self, now: float) -> bool:
        """Whether its rate and its warm-up plan let a mail go now."""
        if (wait := self.outlet.rates.wait(now)) > 0:
            self.opens_at = now + max(wait, 0.001)
            return False
        quota = self.outlet.quota
        return quota is None or quota.is_left(now)

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
        self._by_address = {way.outlet.relay.address: way for way in reversed(self.all)}
        self.taking: tuple[Way, ...] = ()
        """Those that new mails take: all that have a weight and can be used, else the first that can be used."""

    def of(self, relay: Relay) -> Way:
        return self._by_name[relay.name]

    def at(self, place: str) -> Way | None:
        """The way to a place; None where it is no longer configured."""
        # An account stands in a place only while there are several at a server; what was bound to one of them before a
        # second came, or after it went, goes by the first that is left there.
        return self._by_place.get(place) or self._by_address.get(place.rpartition("@")[2])

    def any_usable(self, now: float) -> bool:
        return any(way.usable(now) for way in self.all)

    def choose(self, now: float) -> None:
        """Looks which ways new mails take."""
        usable = [way for way in self.all if way.usable(now)]
        taking = tuple(way for way in usable if way.outlet.weight) or tuple(usable[:1])
        if taking == self.taking:
            return
        new = [way for way in taking if not way.takes]
        for way in self.all:
            way.takes = way in taking
            limited = way.outlet.rates.limits or way.outlet.quota is not None
            way.is_simple = not limited and len(taking) < 2
        self.taking = taking
        for way in new:
            self._joins(way, now)

    @property
    def is_shared(self) -> bool:
        """Whether several take new mails, in proportion."""
        return len(self.taking) > 1

    def turn(self, way: Way, now: float) -> bool:
        """Whether a new mail may take this way, or the others have to catch up first."""
        if len(self.taking) < 2:
            return True
        behind = [one.outlet.share for one in self.taking if now - one.took_at < PATIENCE]
        return way.outlet.share <= min(behind, default=inf) + AHEAD / way.outlet.weight

    def took(self, way: Way, due: Due, now: float) -> None:
        """A mail takes this way."""
        if way.outlet.quota is not None:
            way.outlet.quota.spend()
        if due.relay or len(self.taking) < 2:
            return
        if now - way.took_at >= PATIENCE:
            self._joins(way, now)
        way.took_at = now
        way.outlet.share += 1 / way.outlet.weight

    def _joins(self, way: Way, now: float) -> None:
        """What went by the others while it took no mails is not made up for."""
        way.took_at = now
        if way.outlet.weight:
            reached = max(one.outlet.share - (AHEAD + 1) / one.outlet.weight for one in self.taking)
            way.outlet.share = max(way.outlet.share, reached)

    def wakes_at(self, now: float) -> float:
        """When the first of those that wait for their rate may go on."""
        return min((way.opens_at for way in self.all if way.opens_at > now), default=inf)

    @property
    def problem(self) -> RelayError | None:
        """Why the preferred one cannot be used; None where all are merely held."""
        down = next((way.down for way in self.all if way.down is not None), None)
        return down or next(filter(None, (paused(way.outlet) for way in self.all)), None)

    @property
    def only_held(self) -> bool:
        """Whether nothing is wrong with any relay, and the operator or a plan keeps all of them."""
        return self.problem is None and any(way.outlet.is_held for way in self.all)


def passed_over(outlets: Sequence[Outlet], now: float) -> tuple[RelayError, ...]:
    """Why a run gave no more mails to some of its relays, ``where`` naming each."""
    found: list[RelayError] = []
    for outlet in outlets:
        why = outlet.held or outlet.down or (None if outlet.throttle.allowed(now) else paused(outlet))
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
