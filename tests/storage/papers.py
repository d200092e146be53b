"""Works as diffing gives them, for the tests that store some."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from digest.entries.identity import aliases, title_key, work_id
from digest.model.feeds import ChangeKind, Entry, EntryChange, EntryData, EntryId, Sighting, SourceId, VoteObservation

#: 07:30 in Berlin, a Monday.
SLOT_AT = datetime(2026, 5, 4, 5, 30, tzinfo=UTC)


def new_paper(
    number: int, *, source: str = "hf", seen_at: datetime = SLOT_AT, votes: int | None = 5, **changes: object
) -> EntryChange:
    """A work nobody has held yet, as diffing gives it. ``changes`` are fields of EntryData."""
    fields: dict[str, object] = {
        "key": f"2605.{number:05d}",
        "title": f"Lighthouse keepers and their ledgers, volume {number}",
        "url": f"https://arxiv.org/abs/2605.{number:05d}",
        "abstract": f"A close reading of {number} ledgers from the northern coast.",
        "authors": ("Mira Halden", "Tomás Vega"),
        "categories": ("cs.CL",),
        "published_at": seen_at - timedelta(hours=5),
        "arxiv_id": f"2605.{number:05d}",
        **changes,
    }
    data = EntryData(**fields)  # type: ignore[arg-type]
    names = aliases(data)
    entry = Entry(
        id=EntryId(0),
        work=work_id(names),
        aliases=names,
        title=data.title,
        title_key=title_key(data.title),
        url=data.url,
        abstract=data.abstract,
        authors=data.authors,
        categories=data.categories,
        published_at=data.published_at,
        first_seen_at=seen_at,
        arxiv_id=data.arxiv_id,
        doi=data.doi,
        withdrawn=data.withdrawn,
    )
    sid = SourceId(source)
    return EntryChange(
        kind=ChangeKind.NEW,
        before=None,
        after=entry,
        aliases=names,
        observation=VoteObservation(source_id=sid, at=seen_at, upvotes=votes) if votes is not None else None,
        sighting=Sighting(source_id=sid, key=data.key, url=data.url, first_seen_at=seen_at),
    )
