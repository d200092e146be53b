"""The last weeks day by day: mails by outcome, readers, new papers by source, and how long things took.

Takes a number of days, gives a Trend; nothing is changed. Of very many mails and rounds the durations are told from a
sample of a few thousand that lie evenly over the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median, quantiles

from digest.model.errors import UsageError
from digest.services.ports import Clock
from digest.services.status.report import accounting
from digest.storage import trends
from digest.storage.engine import Store

#: Rounds without news are kept for five weeks, single mails for three months.
MOST_DAYS = 90
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Took:
    """How long something took, in seconds: the median, and what nineteen of twenty stayed below."""

    median: float
    p95: float
    number: int
    """How many it is told from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """One day. ``mails`` are editions by outcome, of that local date; everything else goes by the day of UTC."""

    day: date
    mails: Mapping[str, int]
    joined: int
    left: int
    readers: int
    """Subscriptions at the end of the day."""
    brought: Mapping[str, int]
    """New papers by the source that was first to show them."""
    delivery: Took | None
    """From the slot until the mail server took a mail."""
    fetch: Took | None
    """A round of a source, waiting for its host's turn included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """The days, the oldest first. ``sources`` are those that brought something, the most fruitful first."""

    at: datetime
    days: tuple[Day, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trends:
    """Reads; never writes."""

    store: Store
    clock: Clock

    def run(self, days: int) -> Trend:
        """The last ``days`` days, today included. Raises UsageError for none, or more than are kept."""
        if not 1 <= days <= MOST_DAYS:
            raise UsageError(f"{days} days cannot be told of", where="--days", try_=f"ask for 1 to {MOST_DAYS}")
        now = self.clock()
        last = now.astimezone(UTC).date()
        first = last - (days - 1) * _DAY
        since = datetime.combine(first, time(), UTC)
        with self.store.reading() as tx:
            mails = trends.mails(tx, first)
            joined, left = trends.joined(tx, since), trends.left(tx, since)
            readers = trends.readers(tx)
            brought = trends.brought(tx, since)
            deliveries, fetches = trends.delays(tx, since), trends.fetches(tx, since)
        found: list[Day] = []
        for day in (last - number * _DAY for number in range(days)):
            found.append(
                Day(
                    day=day,
                    mails=accounting(mails.get(day, {})),
                    joined=joined.get(day, 0),
                    left=left.get(day, 0),
                    readers=readers,
                    brought={name: number for (on, name), number in sorted(brought.items()) if on == day},
                    delivery=took(deliveries.get(day, ())),
                    fetch=took(fetches.get(day, ())),
                )
            )
            readers += left.get(day, 0) - joined.get(day, 0)
        return Trend(at=now, days=tuple(reversed(found)), sources=_by_fruit(brought))


def took(seconds: Sequence[float]) -> Took | None:
    """None for nothing at all."""
    if not seconds:
        return None
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return Took(median=round(median(seconds), 3), p95=round(p95, 3), number=len(seconds))


def _by_fruit(brought: Mapping[tuple[date, str], int]) -> tuple[str, ...]:
    totals: dict[str, int] = {}
    for (_, name), number in brought.items():
        totals[name] = totals.get(name, 0) + number
    return tuple(sorted(totals, key=lambda name: (-totals[name], name)))
