"""What is usual for a digest, by its own history: takes numbers and instants of before, says when today is unlike them.

An edition is short when it has under half the papers that the last ten had as a rule (their median), and at least
three fewer. A digest is expected to print something on a weekday on which three quarters of its last eight editions
did. A source is silent for long when more than twice its longest gap has passed. Fewer examples than are asked for
here say nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

#: Editions that are compared with, and the fewest that tell anything.
LAST, ENOUGH = 10, 5
#: Fewer papers than usual by so many.
_FEWER = 3
#: Editions of one weekday that are looked at, the fewest that tell anything, and the share of them that printed.
WEEKS, ENOUGH_WEEKS, SHARE = 8, 4, 0.75
#: Gaps between news that tell a rhythm, and the time in which they should lie, so that week-ends are among them.
_GAPS, _SPAN = 5, timedelta(days=14)
#: How far back a rhythm is looked for.
REACH = timedelta(days=400)
_TIMES = 2
#: What is found on a look of every few hours was there before.
_LATE = timedelta(hours=12)
_DAY = timedelta(days=1)


def usual_of(before: Sequence[int]) -> float:
    """How many papers the editions of before had, as a rule."""
    return float(median(before[:LAST]))


def is_short(printed: int, before: Sequence[int]) -> bool:
    """Whether an edition is far shorter than those before it, of which the newest comes first."""
    if len(before) < ENOUGH:
        return False
    usual = usual_of(before)
    return printed < usual / 2 and usual - printed >= _FEWER


def is_expected(printed: Sequence[int]) -> bool:
    """Whether an edition of this weekday prints something as a rule; ``printed`` are those before, the newest first."""
    told = printed[:WEEKS]
    return len(told) >= ENOUGH_WEEKS and sum(number > 0 for number in told) >= SHARE * len(told)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hush:
    """A source that has been silent for unusually long."""

    since: datetime
    """When it last brought something."""
    days: int
    longest: timedelta
    """The longest time that ever passed before."""

    @property
    def sentence(self) -> str:
        days = "1 day" if self.days == 1 else f"{self.days} days"
        return f"has brought nothing for {days}; before, never more than {_in_words(self.longest)} passed"


def hush(news: Sequence[datetime], now: datetime) -> Hush | None:
    """Whether a source that brought something at these instants, the oldest first, is silent for unusually long."""
    if len(news) <= _GAPS or news[-1] - news[0] < _SPAN:
        return None
    longest = max(after - before for before, after in pairwise(news))
    silence = now - news[-1]
    if silence <= _TIMES * longest or silence - longest < _DAY:
        return None
    return Hush(since=news[-1], days=silence // _DAY, longest=longest)


def _in_words(time: timedelta) -> str:
    """Rounded up, but for the hours by which a look comes late."""
    hours = max(1, -(-time // timedelta(hours=1)))
    if hours < 2 * 24:
        return "1 hour" if hours == 1 else f"{hours} hours"
    return f"{-(-(time - _LATE) // _DAY)} days"
