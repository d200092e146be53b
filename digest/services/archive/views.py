"""What pages of the public archive show: headings and printings as storage has them -> views of ready texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from digest.model.editions import Digest
from digest.rendering.archive import WholeView, card, colours_of, title_of
from digest.rendering.language import ENGLISH
from digest.rendering.palette import AccentView, accent
from digest.rendering.text import direction, plain
from digest.rendering.view import ItemView
from digest.storage.archive import Heading, Printing


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A digest as pages name it."""

    name: str
    title: str
    accent: AccentView
    logo: str
    header: str
    footer: str
    can_join: bool
    """Whether readers may subscribe on the web."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DayView:
    """An edition in a list."""

    day: date
    date: str
    """In words."""
    papers: int
    says: str
    """``12 of 214 new papers``."""
    titles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """A page of the list of editions; ``before`` is what the next page asks for."""

    place: Place
    days: tuple[DayView, ...]
    before: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperView:
    """A paper in an edition; ``id`` is what its own page is asked for by."""

    id: int
    day: date
    date: str
    direction: str
    card: ItemView


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionView:
    title: str
    colour: int
    papers: tuple[PaperView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EditionPage:
    """A page of an edition; ``after`` is what the next one asks for."""

    place: Place
    head: DayView
    lead: PaperView | None
    sections: tuple[SectionView, ...]
    first: bool
    part: str
    """``41 to 80``, of an edition of several pages."""
    after: int | None
    earlier: date | None
    later: date | None
    changed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperPage:
    """A paper, and the editions that printed it, the newest first."""

    place: Place
    paper: PaperView
    whole: WholeView
    days: tuple[tuple[date, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Hits, newest first. ``until`` is the day down to which was searched, ``after`` what a further search begins
    behind; both None when all was searched."""

    place: Place
    query: str
    hits: tuple[PaperView, ...]
    until: str
    after: tuple[date, int] | None


def place_of(digest: Digest) -> Place:
    look = digest.look
    return Place(
        name=digest.name,
        title=plain(digest.title, 200),
        accent=accent(look.accent),
        logo=plain(look.logo, 60),
        header=plain(look.header, 300),
        footer=plain(look.footer, 300),
        can_join=digest.join,
    )


def sections_of(head: Heading, papers: Sequence[Printing]) -> tuple[SectionView, ...]:
    """Papers below the names of their categories; a category without any is not named."""
    colour = colours_of(category for category, _ in head.sections)
    return tuple(
        SectionView(
            title=_section_title(category, title, alone=len(head.sections) == 1),
            colour=colour[category].number,
            papers=tuple(paper_view(one, head) for one in papers if one.section == number),
        )
        for number, (category, title) in enumerate(head.sections)
        if any(one.section == number for one in papers)
    )


def day_view(head: Heading, titles: tuple[str, ...]) -> DayView:
    if head.printed and head.candidates > head.printed:
        says = f"{head.printed:,} of {head.candidates:,} new papers"
    elif head.printed:
        says = f"{head.printed:,} new paper{'' if head.printed == 1 else 's'}"
    else:
        says = "no new papers"
    # The other reasons speak to one reader: what he was sent, what he follows.
    if days := next((one.figures.get("days") for one in head.reason if one.key == "best-of"), None):
        says = f"{head.printed:,} of the best of the last {days} days"
    return DayView(
        day=head.day,
        date=ENGLISH.long_date(head.day),
        papers=head.printed,
        says=says,
        titles=tuple(filter(None, (plain(title, 200) for title in titles[:3]))),
    )


def paper_view(one: Printing, head: Heading, *, leads: bool = False) -> PaperView:
    colour = colours_of([*(category for category, _ in head.sections), one.item.category])[one.item.category]
    return PaperView(
        id=one.item.entry_id,
        day=one.day,
        date=ENGLISH.long_date(one.day),
        direction=direction(title_of(one.item)),
        card=card(one.item, one.day, colour, leads=leads),
    )


def _section_title(category: str, title: str, *, alone: bool) -> str:
    if category == "other":
        return "Papers" if alone else "Other papers"
    return plain(title, 80) or plain(category, 80)
