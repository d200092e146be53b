"""Editions put onto the archive's shelf at once, without ranking and rendering: for tests that need hundreds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from digest.model.editions import Counts, Edition, EditionId, Item, Section, Slot
from digest.model.feeds import EntryId, WorkId
from digest.model.people import Profile
from digest.storage import editions
from tests.services.road import Road


def item(position: int, entry: EntryId, **fields: object) -> Item:
    known: dict[str, object] = {
        "work": WorkId(f"arxiv:2605.{entry:05d}"),
        "title": f"Paper {position}",
        "url": f"https://arxiv.org/abs/2605.{entry:05d}",
        "category": "cs.CL",
        "categories": ("cs.CL",),
        "score": 50,
        **fields,
    }
    return Item(position=position, entry_id=entry, **known)  # type: ignore[arg-type]


def put(road: Road, digest: str, day: date, items: Sequence[Item], *, public: bool = True, **fields: object) -> None:
    """Freezes an edition of a day; its sections are the items' categories, in the order of their first paper."""
    names = dict.fromkeys(one.category for one in items)
    at = datetime.combine(day, time(5, 30), UTC)
    known: dict[str, object] = {
        "profile": Profile() if public else Profile(keywords=("of one reader",)),
        "history_key": "",
        "composed_at": at,
        "sections": tuple(
            Section(category=name, title=name, items=tuple(one for one in items if one.category == name))
            for name in names
        ),
        "counts": Counts(candidates=len(items), printed=len(items)),
        **fields,
    }
    edition = Edition(
        id=EditionId(0),
        slot=Slot(digest=digest, local_date=day, at=at),
        public=public,
        **known,  # type: ignore[arg-type]
    )
    with road.app.store.transaction() as tx:
        editions.freeze(tx, edition)
