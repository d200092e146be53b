"""What is known of people, for their cards: the store's own papers, and what a catalogue said of them before.

Nothing here asks anybody: a card is made of what is in the store at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from digest.model.catalogue import Asked, Facts
from digest.model.editions import AuthorCard, Selection
from digest.model.names import person_key
from digest.model.people import Profile
from digest.ranking.match import person
from digest.ranking.namesakes import Directory
from digest.ranking.pool import Pool
from digest.ranking.portrait import Portrait, portrait
from digest.storage import authorships, catalogue, entries
from digest.storage.base import Tx
from digest.storage.engine import Store

#: The newest papers that are looked at: of each person, and beside them.
_MOST_WORKS, _HISTORY = 100, 500
#: People of whom a composer remembers what is known.
_KEPT = 2_000
#: Catalogues that people are looked up in; the first that knows somebody is believed.
CATALOGUES = ("openalex", "semanticscholar")


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Everything about a person as a reader wrote him."""

    written: str
    seen_as: tuple[str, ...]
    """The names under which he was seen on papers."""
    portrait: Portrait
    asked: tuple[Asked, ...] = ()
    """Of each catalogue that was asked, what came of it."""

    @property
    def facts(self) -> Facts | None:
        return next((one.facts for one in self.asked if one.facts is not None), None)


def person_id(written: str) -> str:
    """What a person is kept under: the first id that was given, else the name."""
    meant = person(written)
    return min(meant.ids, default=f"name:{person_key(meant.written)}")


def known(store: Store, written: str, seen_as: tuple[str, ...], now: datetime) -> Known:
    """Of a person as a reader wrote him, under these names on papers; the same whoever else is asked for."""
    with store.reading() as tx:
        asked = _asked(tx, written)
        names = {person(written).written, *seen_as, *(one.facts.name for one in asked if one.facts is not None)}
        works = entries.load(tx, authorships.works_by(tx, names, now, limit=_MOST_WORKS), as_of=now)
        history = entries.recent(tx, before=now, limit=_HISTORY)
    found = portrait(_with_name(written, asked), works, history, now)
    return Known(written=written, seen_as=seen_as, portrait=found, asked=asked)


def card(about: Known) -> AuthorCard:
    """What an edition says of a person above his papers."""
    facts, seen = about.facts, about.portrait
    return AuthorCard(
        name=facts.name if facts is not None else max(about.seen_as, key=len, default=person(about.written).written),
        url=facts.url if facts is not None else "",
        institutions=(facts.institutions if facts is not None else ()) or seen.institutions,
        category=seen.category or (facts.field if facts is not None else ""),
        h_index=facts.h_index if facts is not None else None,
        papers=facts.papers if facts is not None else None,
        citations=facts.citations if facts is not None else None,
        novelty=seen.novelty,
        ai_score=seen.ai_score,
        seen=len(seen.works) or None,
        votes=seen.votes,
    )


def cards_of(
    store: Store, pool: Pool, profile: Profile, selection: Selection, held: dict[object, Known]
) -> tuple[AuthorCard, ...]:
    """Of an edition about people, those whom it surely prints, in the order of their first papers.

    ``held`` keeps what is known of a person for the next edition of the same instant.
    """
    order = [pool.rows[one.entry.work] for _, chosen in selection.sections for one in chosen]
    first: dict[str, int] = {}
    wanted: dict[str, tuple[str, tuple[str, ...]]] = {}
    for author in profile.authors:
        sure = [one for one in pool.once(Directory).find(author) if not one.doubt]
        places = [order.index(one.row) for one in sure if one.row in order]
        if places and person_id(author) not in first:
            first[person_id(author)] = min(places)
            wanted[person_id(author)] = author, tuple(sorted({one.name for one in sure}))
    if len(held) > _KEPT:
        held.clear()
    for one in wanted.values():
        if one not in held:
            held[one] = known(store, *one, pool.now)
    return tuple(card(held[wanted[name]]) for name in sorted(first, key=lambda name: (first[name], name)))


def _asked(tx: Tx, written: str) -> tuple[Asked, ...]:
    name = person_id(written)
    kept = catalogue.known(tx, [name])
    return tuple(kept[name, one] for one in CATALOGUES if (name, one) in kept)


def _with_name(written: str, asked: Iterable[Asked]) -> str:
    """Somebody of whom a reader gave the id alone is found on papers by the name that a catalogue has."""
    name = next((one.facts.name for one in asked if one.facts is not None), "")
    return written if person(written).forms or not name else f"{name} ({written})"
