"""How often a feed is worth looking at: takes the instants at which it brought something new, gives a pause. Pure.

A feed that brings something every day is looked at as often as the operator said (``every``): a listing that is an hour
late at night is a mail without papers in the morning. One that brings something once a week or a month rests for a
quarter of its usual gap, a day at most, at the hour at which it last came; around the time at which it is due it is
looked at every seventy-second of the gap (two hours for a week). What has been silent for more than a week is looked
at every seventy-second of its silence. So what is new is found late by a small part of what one waited for it anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

#: Gaps that tell a rhythm; fewer are chance.
ENOUGH = 3
_DAY = timedelta(days=1)
#: A feed with smaller gaps than this comes daily: the odd hours are those of its publisher's work.
DAILY = timedelta(hours=36)
_QUIET = timedelta(days=7)
_RESTS, _LOOKS = 4, 72


def usual_gap(news: Sequence[datetime]) -> timedelta | None:
    """The time between two rounds with something new, as a rule (the median); None where too few are known."""
    gaps = _gaps(news)
    return timedelta(seconds=median(gaps)) if len(gaps) >= ENOUGH else None


def pause(news: Sequence[datetime], *, every: timedelta, now: datetime) -> timedelta:
    """How long to leave the feed alone from ``now`` on: at least ``every``, and beyond that at most a day."""
    if not news:
        return every
    last = max(news)
    silence = now - last
    gap = usual_gap(news)
    if gap is None or gap <= DAILY:
        wait = silence / _LOOKS if silence > _QUIET else every
        return max(every, min(wait, _DAY))
    rest, look = min(gap / _RESTS, _DAY), min(gap / _LOOKS, _DAY)
    gaps = _gaps(news)
    # A quarter of the gaps are shorter, so it may come from here on; a look falls into the time just before.
    due = last + timedelta(seconds=sorted(gaps)[len(gaps) // 4]) * 7 / 8
    if now >= due:
        return max(every, min(max(look, silence / _LOOKS), rest))
    return max(every, min(_at_its_hour(last, rest, now), max(due - now, look)))


def _at_its_hour(last: datetime, rest: timedelta, now: datetime) -> timedelta:
    """``rest``, or a little less so that the look comes at the hour of the day at which there was something new."""
    if rest < _DAY:
        return rest
    next_ = _DAY - (now - last) % _DAY
    return next_ if next_ > _DAY / 2 else rest


def _gaps(news: Sequence[datetime]) -> list[float]:
    """In seconds."""
    return [(after - before).total_seconds() for before, after in pairwise(sorted(news))]
