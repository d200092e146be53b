"""What a stranger is shown before joining: the last public edition, its papers as a mail prints them."""

from __future__ import annotations

from dataclasses import dataclass

from digest.model.editions import Edition
from digest.rendering.archive import card, colours_of
from digest.rendering.language import ENGLISH
from digest.rendering.text import direction, plain
from digest.rendering.view import ItemView

#: Enough to know what comes; the rest stands on the edition's own page.
_MOST = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One paper. ``direction`` is its title's, rtl or ltr."""

    card: ItemView
    direction: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """A category and the papers shown of it; ``colour`` is its number in the style sheet."""

    title: str
    colour: int
    papers: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Showcase:
    """The edition of a day. ``more``: how many of its papers are not shown; ``key`` names its page."""

    key: str
    date: str
    shelves: tuple[Shelf, ...]
    more: int


def showcase(edition: Edition) -> Showcase:
    """The first papers of an edition, in its order."""
    palette = colours_of(section.category for section in edition.sections)
    left = _MOST
    shelves: list[Shelf] = []
    for section in edition.sections:
        some = section.items[:left]
        left -= len(some)
        if some:
            colour = palette[section.category]
            cards = (card(item, edition.slot.local_date, colour) for item in some)
            papers = tuple(Shown(card=one, direction=direction(one.title)) for one in cards)
            shelves.append(Shelf(title=plain(section.title, 200), colour=colour.number, papers=papers))
    return Showcase(
        key=edition.key,
        date=ENGLISH.long_date(edition.slot.local_date),
        shelves=tuple(shelves),
        more=len(edition.items) - sum(len(shelf.papers) for shelf in shelves),
    )
