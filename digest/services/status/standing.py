"""How each source of a digest stood at an instant, from its rounds: what explains that it brought little or nothing.

Takes the store, a digest's sources and an instant; gives a Standing a source, and of these the remarks of an edition.
A day of the past is told from the rounds of then, not from how the source is now. What the rounds no longer tell
(those without news are kept for five weeks) is said to be unknown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest.model.editions import Figure, Remark, Selection
from digest.model.feeds import Entry, EntryId, SourceId, SourceState
from digest.ranking.rank import Ranking
from digest.storage import rounds, sources
from digest.storage.base import Tx
from digest.storage.rounds import PLAIN_DAYS, Round
from digest.storage.sources import HeldSource

#: Whoever fetches from cron, once in a few hours, is not late.
_LATE = timedelta(hours=6)
#: States besides SourceState's, as remarks say them; no state: not fetched yet.
GONE, IDLE, LOST, REMOVED = "gone", "idle", "lost", "removed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One source as it stood then."""

    held: HeldSource
    state: str
    """A SourceState, or: gone (answers HTTP 410, and is not asked again), idle (due, but nobody looked), lost (not
    known any more), removed (no longer polled), empty (not fetched yet)."""
    detail: str
    """For the operator."""
    at: datetime | None = None
    """Of the newest round."""
    since: datetime | None = None
    """Of the first failure in a row."""
    tries: int = 0
    until: datetime | None = None
    """How long it is left alone."""
    fresh: int = 0
    """Works that it showed for the first time within the days of the edition."""
    was_read: bool = False
    """Whether it could be read at all by then."""

    @property
    def source_id(self) -> SourceId:
        return self.held.source.id

    @property
    def title(self) -> str:
        return self.held.title or self.held.source.id


def standings(
    tx: Tx, source_ids: Sequence[SourceId], *, since: datetime, at: datetime, now: datetime
) -> tuple[Standing, ...]:
    """How these sources (all, when none is named) stood ``at`` an instant, for an edition that looks back to ``since``.

    ``now`` tells which rounds are kept. Sources that are no longer polled are among them if they were within the time.
    """
    wanted = frozenset(source_ids)
    held = [one for one in sources.all_held(tx) if not wanted or one.source.id in wanted]
    gone = [one for one in sources.removed(tx) if not wanted or one.source.id in wanted]
    ids = [one.source.id for one in (*held, *gone)]
    newest = rounds.last(tx, ids, until=at)
    fresh = rounds.brought(tx, ids, since=since, until=at)
    found = [_standing(tx, one, newest.get(one.source.id), fresh.get(one.source.id, 0), at, now) for one in held]
    for one in gone:
        last = newest.get(one.source.id)
        if last is not None and last.at > since:
            detail = f"It is no longer among the sources; it was last looked at on {said(last.at)}."
            number = fresh.get(one.source.id, 0)
            found.append(Standing(held=one, state=REMOVED, detail=detail, at=last.at, fresh=number, was_read=True))
    return tuple(sorted(found, key=lambda one: one.source_id))


def _standing(tx: Tx, held: HeldSource, last: Round | None, fresh: int, at: datetime, now: datetime) -> Standing:
    if last is None:
        return _without_rounds(held, at)
    was_read = held.last_ok_at is not None and (held.first_fetched_at is None or held.first_fetched_at <= at)
    if last.state is SourceState.BROKEN or last.state is SourceState.THROTTLED:
        row = rounds.failing(tx, held.source.id, until=at)
        is_gone = last.http_status == _GONE_STATUS and last.next_at is None
        return Standing(
            held=held,
            state=GONE if is_gone else last.state.value,
            detail=last.detail,
            at=last.at,
            since=row.since if row else last.at,
            tries=row.tries if row else 1,
            until=last.next_at,
            fresh=fresh,
            was_read=was_read,
        )
    state, detail = _calm(held, last, at, now)
    return Standing(held=held, state=state, detail=detail, at=last.at, until=last.next_at, fresh=fresh, was_read=True)


_GONE_STATUS = 410


def _calm(held: HeldSource, last: Round, at: datetime, now: datetime) -> tuple[str, str]:
    """(state, detail) of a source that could be read when it was looked at last."""
    due = last.next_at
    if due is not None and due + _LATE < at:
        # A look without news would have been forgotten by now.
        if at < now - timedelta(days=PLAIN_DAYS):
            unknown = f"whether it was looked at after {said(last.at)} is no longer known"
            return LOST, f"It brought nothing; {unknown} (looks that bring nothing are kept for {PLAIN_DAYS} days)."
        return IDLE, f"It was due on {said(due)}, but nobody looked: its last look was on {said(last.at)}."
    weekday = at.astimezone(UTC).weekday()
    if weekday in held.times.skip_days and due is not None and due > at and last.at.astimezone(UTC).date() < at.date():
        return (
            SourceState.HOLIDAY.value,
            f"The feed says that it does not publish on {at.astimezone(UTC):%A}s; it was last looked at on "
            f"{said(last.at)}.",
        )
    return last.state.value, last.detail


def _without_rounds(held: HeldSource, at: datetime) -> Standing:
    fetched = held.last_fetched_at or held.last_ok_at
    if held.state is not None and fetched is not None and fetched <= at:
        # From before rounds were kept.
        state = GONE if held.stopped_at is not None else held.state.value
        return Standing(
            held=held,
            state=state,
            detail=held.detail,
            at=fetched,
            tries=held.failures,
            until=held.next_at,
            was_read=held.last_ok_at is not None,
        )
    if held.first_fetched_at is not None and held.first_fetched_at <= at:
        return Standing(held=held, state=LOST, detail="How it stood then is no longer known.", was_read=True)
    if held.first_fetched_at is not None:
        return Standing(held=held, state="", detail="Not fetched by then; its papers of these days came later.")
    return Standing(held=held, state="", detail="not fetched yet")


def remark(one: Standing, counted: Mapping[str, int]) -> Remark:
    """The line of a source. ``counted`` says what became of the papers it brought: cause -> how many."""
    figures: dict[str, Figure] = {
        "id": one.source_id,
        "source": one.title,
        "state": one.state,
        "kind": one.held.source.kind,
        "detail": one.detail,
    }
    if one.at is not None:
        figures["at"] = one.at.isoformat()
    if one.since is not None:
        figures |= {"since": one.since.isoformat(), "tries": one.tries}
    if one.until is not None:
        figures["until"] = one.until.isoformat()
    papers = sum(counted.values())
    older = max(0, one.fresh - papers)
    figures["papers"] = papers
    figures |= {cause: number for cause, number in sorted(counted.items()) if number}
    if older:
        figures["older"] = older
    return Remark(key="source", figures=figures)


def counts(ranking: Ranking, selection: Selection, until: datetime) -> dict[SourceId, Counter[str]]:
    """By source what became of the papers that it carried up to an instant: printed, already-sent, muted, or why else
    they were left out."""
    fate: dict[EntryId, str] = {one.entry.id: "printed" for _, chosen in selection.sections for one in chosen}
    fate |= {entry.id: "muted" for entry, _ in selection.muted}
    fate |= {one.entry.id: why for one, why in selection.left_out}
    by_cause: dict[str, list[Entry]] = defaultdict(list)
    rows: list[int] = ranking.rows.tolist()
    for row in rows:
        entry = ranking.pool.entries[row]
        by_cause[fate.get(entry.id, "already-sent")].append(entry)
    return carried(by_cause, until)


def carried(by_cause: Mapping[str, Sequence[Entry]], until: datetime) -> dict[SourceId, Counter[str]]:
    """By source how many of these it carried up to an instant."""
    found: dict[SourceId, Counter[str]] = defaultdict(Counter)
    for cause, some in by_cause.items():
        for entry in some:
            for seen in entry.sightings:
                if seen.first_seen_at <= until:
                    found[seen.source_id][cause] += 1
    return dict(found)


def said(at: datetime) -> str:
    """An instant as the operator reads it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
