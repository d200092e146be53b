"""How a source is: takes what one round brought, gives its state, the reason, and the next time. Pure.

Silence is told apart: nothing new (quiet), the same bytes (unchanged), a day without a listing (holiday), yesterday's
listing on a working day (stale), a server that wants less (throttled), a source that does not work (broken).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from digest.model.errors import DigestError, FetchError
from digest.model.feeds import FetchTrace, Health, Source, SourceState
from digest.sources.arxiv_calendar import day_of, has_listing, newest_due
from digest.sources.rhythm import pause

LONGEST = timedelta(hours=24)
SHORTEST = timedelta(minutes=1)
#: What a server that is throttling us is left alone for if it does not say.
PATIENCE = timedelta(minutes=15)


def judge(source: Source, trace: FetchTrace, *, failures: int, now: datetime, jitter: float) -> Health:
    """State after a round. ``failures`` are the consecutive ones before it; ``jitter`` is a random number in [0, 1)
    that moves the next time by up to a tenth of ``every``, so that sources do not march in step."""
    nudge = source.every * 0.1 * jitter
    if isinstance(trace.error, FetchError) and trace.error.gone:
        detail = f"{sentence(trace.error)} It is not asked again until somebody calls `digest fetch {source.id}`."
        return Health(state=SourceState.BROKEN, detail=detail, next_at=None, failures=failures + 1)
    if trace.error is not None:
        state, detail, wait = _failed(source, trace.error, failures)
        if isinstance(trace.error, FetchError) and trace.error.throttled and trace.error.http_status is None:
            failures -= 1  # its host rests: it was not even asked
        return Health(state=state, detail=detail, next_at=now + wait + nudge, failures=failures + 1)
    state, detail = _worked(source, trace, now)
    wait = max(source.every, min(trace.ttl or timedelta(), LONGEST), pause(trace.news_at, every=source.every, now=now))
    return Health(state=state, detail=detail, next_at=_published(now + wait, trace) + nudge, failures=0)


def _published(at: datetime, trace: FetchTrace) -> datetime:
    """The instant, or the next full hour at which the feed says that it publishes (skipDays, skipHours, in GMT).

    A feed that skips everything means nothing by it.
    """
    days, hours = trace.skip_days, trace.skip_hours
    if len(days) >= 7 or len(hours) >= 24:
        return at
    while at.weekday() in days or at.hour in hours:
        at = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return at


def _failed(source: Source, error: Exception, failures: int) -> tuple[SourceState, str, timedelta]:
    detail = sentence(error)
    backing_off = min(source.every * 2 ** min(failures, 20), max(LONGEST, source.every))
    if isinstance(error, FetchError) and error.throttled:
        if error.retry_after is None:
            return SourceState.THROTTLED, detail, max(backing_off, PATIENCE)
        asked = timedelta(seconds=min(error.retry_after, LONGEST.total_seconds()))
        return SourceState.THROTTLED, detail, max(asked, SHORTEST)
    return SourceState.BROKEN, detail, backing_off


def _worked(source: Source, trace: FetchTrace, now: datetime) -> tuple[SourceState, str]:
    if trace.new or trace.revised:
        return SourceState.OK, f"{_count(trace.entries)}: {trace.new} new, {trace.revised} revised."
    same = trace.documents > 0 and trace.unchanged == trace.documents
    # A search, an author or a single paper may well show the same for weeks; only a listing is stale then.
    listing = source.kind == "arxiv" and not any(map(source.given, ("query", "authors", "papers")))
    silence = _arxiv_silence(trace, now, same) if listing else None
    if silence is not None:
        return silence
    weekday = now.astimezone(UTC)
    if weekday.weekday() in trace.skip_days and (same or not trace.entries):
        return SourceState.HOLIDAY, f"The feed says that it does not publish on {weekday:%A}s."
    if same:
        return SourceState.UNCHANGED, "Nothing has changed since the last fetch."
    if not trace.entries:
        return SourceState.QUIET, "The feed was read and holds no entries."
    return SourceState.QUIET, f"{_count(trace.entries)}, all of them known."


def _arxiv_silence(trace: FetchTrace, now: datetime, same: bool) -> tuple[SourceState, str] | None:
    """Why a listing of arXiv brought nothing, if the calendar or the last listing tells."""
    today, due = day_of(now), newest_due(now)
    repeated = same or (trace.same_ids_as_last and trace.entries > 0)
    if repeated and trace.last_new_at is not None and day_of(trace.last_new_at) < due and has_listing(today):
        return (
            SourceState.STALE,
            f"arXiv still shows the listing of before; the one of {due:%A, %d %B %Y} has not appeared.",
        )
    if not has_listing(today):
        reason = "at week-ends" if today.weekday() >= 5 else "around this holiday"
        return SourceState.HOLIDAY, f"arXiv announces no papers {reason}."
    return None


def _count(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries} entries"


def sentence(error: Exception) -> str:
    """What is shown to a person; an error that is not ours is named, never quoted with a traceback."""
    if not isinstance(error, DigestError):
        # A database's error goes on with the whole statement and its values.
        first = str(error).partition("\n")[0]
        return f"Reading it failed unexpectedly ({type(error).__name__}: {first[:300]}); please report this."
    what = error.what[:1].upper() + error.what[1:]
    advice = error.try_.removeprefix("nothing; ")  # there is nothing to do, and what comes by itself is told
    return f"{what}. {advice[:1].upper()}{advice[1:]}." if advice else f"{what}."
