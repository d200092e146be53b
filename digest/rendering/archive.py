"""Printed papers as the public archive shows them. Takes Items, gives views; every text is cleaned, every link checked.

A card is what a mail prints of a paper; the paper's own page has all of it: each author, each category, the abstract
uncut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from digest.model.editions import Item
from digest.model.people import Layout
from digest.rendering.items import badge, clean_item
from digest.rendering.language import ENGLISH
from digest.rendering.palette import ColourView, colours
from digest.rendering.text import plain
from digest.rendering.view import ItemView

_YOURS = (
    ("by people you follow", "by people this digest follows"),
    ("whom you follow", "whom this digest follows"),
    ("which you follow", "which this digest follows"),
    ("your topics", "this digest's topics"),
    ("papers you liked", "papers this digest likes"),
    ("papers you did not like", "papers this digest does not like"),
)
_MOST_AUTHORS, _MOST_INSTITUTIONS, _MOST_CATEGORIES = 300, 60, 30


@dataclass(frozen=True, kw_only=True, slots=True)
class WholeView:
    """What the paper's own page says beyond its card."""

    abstract: str
    authors: tuple[str, ...]
    more_authors: int
    """How many are not named: a collaboration may have thousands."""
    institutions: tuple[str, ...]
    categories: tuple[str, ...]
    ids: tuple[str, ...]
    """``arXiv:2605.00001v2``, ``doi:10.1234/5``."""


def colours_of(categories: Iterable[str]) -> Mapping[str, ColourView]:
    """A colour for each section of an edition, the same as in the mail."""
    return colours(categories)


def card(item: Item, day: date, colour: ColourView, *, leads: bool = False) -> ItemView:
    """The paper as a mail of this day prints it, without a link for anybody's own word. In English, as all pages."""
    rank = 0 if leads else 1
    printed = clean_item(item, item.position, colour, rank=rank, layout=Layout.FULL, language=ENGLISH, year=day.year)
    return replace(printed.whole, why=tuple(replace(why, text=_of_the_digest(why.text)) for why in printed.whole.why))


def whole(item: Item) -> WholeView:
    """All that was printed or known of the paper."""
    authors = tuple(filter(None, (plain(name, 80) for name in item.authors[:_MOST_AUTHORS])))
    institutions = dict.fromkeys(plain(name, 80) for name in item.institutions[:_MOST_INSTITUTIONS])
    categories = dict.fromkeys(badge(name) for name in item.categories[:_MOST_CATEGORIES])
    version = f"v{item.version}" if item.version and item.version > 1 else ""
    ids = (
        f"arXiv:{plain(item.arxiv_id, 40)}{version}" if item.arxiv_id else "",
        f"doi:{plain(item.doi, 120)}" if item.doi else "",
    )
    return WholeView(
        abstract=plain(item.abstract, 20_000),
        authors=authors,
        more_authors=len(item.authors) - len(item.authors[:_MOST_AUTHORS]),
        institutions=tuple(filter(None, institutions)),
        categories=tuple(filter(None, categories)),
        ids=tuple(filter(None, ids)),
    )


def _of_the_digest(reason: str) -> str:
    """A mail says "your" to its reader; the archive has none, and the topics are the digest's."""
    for yours, its in _YOURS:
        reason = reason.replace(yours, its)
    return reason


def title_of(item: Item) -> str:
    return plain(item.title, 300) or plain(item.work, 100)
