"""Editions -> EditionView. Takes one or several joined editions with their digests, gives what the template prints.

The best paper of the first digest leads; the others follow in the order of the edition, numbered through. What has no
room is left out from the lowest rank up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.model.editions import AuthorCard, Digest, Edition, Item, Remark
from digest.model.people import Layout, Say
from digest.rendering import remarks
from digest.rendering.items import Printed, badge, clean_item, fit_item, safe_url
from digest.rendering.ladder import MAX_DIGESTS, Step
from digest.rendering.language import Language
from digest.rendering.palette import colours
from digest.rendering.subject import preheader_of, subject_of
from digest.rendering.text import direction, plain, shorten
from digest.rendering.view import (
    CardView,
    ContentsView,
    DigestView,
    EditionView,
    FigureView,
    ItemView,
    SectionView,
)
from digest.rendering.words import quoted

WORDS_A_MINUTE = 230
#: Mails of more papers than this have a list of contents, as long as each paper has its own place to jump to.
CONTENTS = 8
MAX_NOTES = 20
#: Layouts that are a list, in which no paper leads.
_LISTS = (Layout.TITLES, Layout.CATALOGUE)
Spot = tuple[int, int, int]
"""Where a paper stands: digest, section, item, each counted from 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """Editions cleaned once; ``place`` maps spots to the paper and its rank (0 leads)."""

    editions: tuple[Edition, ...]
    digests: tuple[Digest, ...]
    place: dict[Spot, tuple[Printed, int]]
    lead: Spot | None
    subject: str
    preheader: str
    title: str
    language: Language

    def omitted(self, step: Step) -> tuple[tuple[str, int], ...]:
        """(edition key, position) of the papers that a step leaves out, in their order."""
        return tuple(
            (self.editions[d].key, self.editions[d].sections[s].items[i].position)
            for (d, s, i), (_, rank) in sorted(self.place.items())
            if not _has_room(d, rank, step)
        )


def prepare(
    editions: tuple[Edition, ...], digests: tuple[Digest, ...], language: Language, feedback: str = ""
) -> Prepared:
    """Clean, number and rank every paper of the mail. ``feedback`` as ``clean_item``."""
    spots = [
        (d, s, i)
        for d, edition in enumerate(editions)
        for s, section in enumerate(edition.sections)
        for i in range(len(section.items))
    ]

    def score(spot: Spot) -> tuple[bool, int, Spot]:
        d, s, i = spot
        return d >= MAX_DIGESTS, -editions[d].sections[s].items[i].score, spot

    leads = [spot for spot in spots if spot[0] == 0 and editions[0].profile.layout not in _LISTS]
    lead = min(leads, key=score) if leads else None
    if lead is not None:
        spots.remove(lead)
        spots.insert(0, lead)
    ranks = {spot: rank for rank, spot in enumerate(sorted(spots, key=lambda spot: (spot != lead, *score(spot))))}
    palette = colours(section.category for edition in editions for section in edition.sections)
    year = editions[0].slot.local_date.year
    place: dict[Spot, tuple[Printed, int]] = {}
    for number, spot in enumerate(spots, start=1):
        section = editions[spot[0]].sections[spot[1]]
        printed = clean_item(
            section.items[spot[2]],
            number,
            palette[section.category],
            rank=ranks[spot],
            layout=editions[spot[0]].profile.layout,
            language=language,
            year=year,
            feedback=feedback,
        )
        place[spot] = (printed, ranks[spot])
    titles = tuple(printed.whole.title for printed, _ in sorted(place.values(), key=lambda pair: pair[1])[:4])
    date = language.short_date(editions[0].slot.local_date, with_year=False)
    unfit = any(one.counts.candidates for one in editions)
    return Prepared(
        editions=editions,
        digests=digests,
        place=place,
        lead=lead,
        subject=subject_of(digests[0].title, titles, len(place), date, language, unfit=unfit),
        preheader=preheader_of(titles, plain(remarks.sentences(editions[0].reason, language), 140)),
        title=_title(digests, language),
        language=language,
    )


def build(ready: Prepared, step: Step) -> EditionView:
    """The view at one step of the ladder."""
    language = ready.language
    lead = _lead(ready, step)
    digests = tuple(_digest(ready, step, d, lead) for d in range(min(step.digests, len(ready.editions))))
    shown = [item for digest in digests for section in digest.sections for item in (*section.items, *section.rows)]
    full = [item for item in shown if not item.brief]
    total = len(ready.place)
    lists = total > CONTENTS and len(full) == len(shown)
    return EditionView(
        summary=_whole_summary(ready, _minutes(full if lead is None else [lead, *full], len(shown))),
        lead=lead,
        contents=_contents(digests) if lists else (),
        digests=digests,
        more=total - len(shown) - (0 if lead is None else 1),
        because=language.say("You get this because you joined %(title)s.", title=ready.title),
    )


def _has_room(d: int, rank: int, step: Step) -> bool:
    return d < step.digests and rank < step.papers


def _lead(ready: Prepared, step: Step) -> ItemView | None:
    if ready.lead is None or not step.papers:
        return None
    paper, rank = ready.place[ready.lead]
    lead = fit_item(paper, rank, step, ready.editions[0].profile.layout)
    return None if lead.brief else lead


def _digest(ready: Prepared, step: Step, d: int, lead: ItemView | None) -> DigestView:
    edition, language = ready.editions[d], ready.language
    several = len(ready.editions) > 1
    sections: list[SectionView] = []
    for s, section in enumerate(edition.sections):
        views: list[ItemView] = []
        for i in range(len(section.items)):
            paper, rank = ready.place[d, s, i]
            if (lead is None or (d, s, i) != ready.lead) and _has_room(d, rank, step):
                views.append(fit_item(paper, rank, step, edition.profile.layout))
        if views:
            sections.append(
                SectionView(
                    title=_heading(section.category, section.title, language, alone=len(edition.sections) == 1),
                    category=plain(section.category, 40),
                    colour=views[0].colour,
                    count=_share(len(views), section.new, language),
                    items=tuple(view for view in views if not view.brief),
                    rows=tuple(view for view in views if view.brief),
                )
            )
    wish, most = edition.profile.explain, max(1, MAX_NOTES // len(ready.editions))
    head, foot = remarks.parted(edition.notes)
    return DigestView(
        heading=plain(ready.digests[d].title, 80) if several else "",
        summary=_summary(edition, language) if several else "",
        intro=_intro(edition, language),
        cards=tuple(_card(card, language) for card in edition.cards[: step.cards]),
        reason=remarks.sentences(edition.reason, language),
        notes=_lines([one for one in head if wish != Say.NEVER or one.key != "source"][:most], language),
        sections=tuple(sections),
        silence=_lines(foot[:most] if wish == Say.SHORT else (), language),
    )


def _lines(notes: Sequence[Remark], language: Language) -> tuple[str, ...]:
    return tuple(filter(None, (shorten(remarks.sentence(note, language), 240) for note in notes)))


def _contents(digests: tuple[DigestView, ...]) -> tuple[ContentsView, ...]:
    """The papers of each digest, the best first."""
    lists = (
        ContentsView(
            heading=one.heading,
            items=tuple(
                sorted(
                    (item for section in one.sections for item in section.items), key=lambda item: -(item.score or 0)
                )
            ),
        )
        for one in digests
    )
    return tuple(one for one in lists if one.items)


def _heading(category: str, title: str, language: Language, *, alone: bool) -> str:
    if category == "other":
        return language.say("Papers") if alone else language.say("Other papers")
    return plain(title, 80) or plain(category, 80)


def _title(digests: tuple[Digest, ...], language: Language) -> str:
    """The masthead; a joined mail names what it joins."""
    if len(digests) > 3:
        first = plain(digests[0].title, 80)
        return language.count(
            "%(title)s and %(n)s more digest", "%(title)s and %(n)s more digests", len(digests) - 1, title=first
        )
    return " + ".join(plain(digest.title, 80) for digest in digests)


def _intro(edition: Edition, language: Language) -> str:
    """What an edition is about all of whose papers are there for the reader's topics, or for the people he follows."""
    profile, items = edition.profile, edition.items
    if profile.topics and items and all(_has_part(item, "topic") for item in items):
        topics = language.listed(tuple(quoted(plain(topic, 80), language) for topic in profile.topics[:3]))
        return language.say("The papers closest to %(topics)s.", topics=topics)
    if (profile.authors or profile.institutions) and items and all(_has_part(item, "people") for item in items):
        return _followed(edition, language)
    return ""


def _followed(edition: Edition, language: Language) -> str:
    """Whose papers these are: the people with cards, and the institutions for whose sake alone a paper is there."""
    houses = tuple(dict.fromkeys(house for item in edition.items for house in _houses(item)))
    people = tuple(card.name for card in edition.cards) or (() if houses else edition.profile.authors)
    authors = language.listed(tuple(plain(name, 80) for name in people[:3]))
    institutions = language.listed(tuple(plain(name, 80) for name in houses[:3]))
    if authors and institutions:
        return language.say(
            "New papers by %(authors)s, and from %(institutions)s.", authors=authors, institutions=institutions
        )
    if institutions:
        return language.say("New papers from %(institutions)s.", institutions=institutions)
    return language.say("New papers by %(authors)s.", authors=authors) if authors else ""


def _houses(item: Item) -> tuple[str, ...]:
    """The followed institutions of a paper that no followed author wrote, as far as is sure."""
    figures = next((part.figures for part in item.parts if part.key == "people"), None)
    if figures is None or figures.get("authors"):
        return ()
    found = figures.get("institutions", ())
    return found if isinstance(found, tuple) else ()


def _has_part(item: Item, key: str) -> bool:
    """Whether this part brought most of the score."""
    points = {part.key: part.points for part in item.parts}
    return points.get(key, 0) > 0 and points[key] == max(points.values())


def _card(card: AuthorCard, language: Language) -> CardView:
    name = plain(card.name, 80)
    looked_up = any(value is not None for value in (card.h_index, card.papers, card.citations))
    known = (
        (language.say("h-index"), card.h_index, ""),
        (language.say("papers"), card.papers, ""),
        (language.say("citations"), card.citations, ""),
        (language.say("papers here"), None if looked_up else card.seen, ""),
        (language.say("votes"), None if looked_up else card.votes, ""),
        (language.say("novelty"), card.novelty, " %"),
        (language.say("AI score"), card.ai_score, ""),
    )
    return CardView(
        name=name,
        url=safe_url(card.url),
        direction=direction(name),
        institutions=", ".join(filter(None, (plain(one, 80) for one in card.institutions[:3]))),
        category=badge(card.category),
        figures=tuple(
            FigureView(name=said, value=_figure(value, language) + unit.replace(" ", "\u00a0"))
            for said, value, unit in known
            if value is not None
        ),
    )


def _figure(value: int, language: Language) -> str:
    return language.number(value) if value < 100_000 else language.compact(value)


def _whole_summary(ready: Prepared, minutes: int) -> str:
    """``12 of 214 new papers · 6 min read``."""
    language = ready.language
    if len(ready.editions) == 1:
        said = _summary(ready.editions[0], language)
    else:
        said = _papers(len(ready.place), language) if ready.place else ""
    if not ready.place:
        return said
    read = language.count("%(n)s min read", "%(n)s min read", minutes).replace(" ", "\u00a0")
    return f"{said} · {read}" if said else read


def _summary(edition: Edition, language: Language) -> str:
    printed, candidates = len(edition.items), edition.counts.candidates
    if candidates > printed:
        return language.count(
            "%(printed)s of %(n)s new paper",
            "%(printed)s of %(n)s new papers",
            candidates,
            printed=language.number(printed),
        )
    if printed:
        return language.count("%(n)s new paper", "%(n)s new papers", printed)
    return language.say("no new papers")


def _papers(number: int, language: Language) -> str:
    return language.count("%(n)s paper", "%(n)s papers", number)


def _share(printed: int, new: int, language: Language) -> str:
    """How many papers stand in a section; the one that leads the mail stands above."""
    if new > printed:
        return language.say("%(printed)s of %(new)s new", printed=language.number(printed), new=language.number(new))
    return _papers(printed, language)


def _minutes(full: list[ItemView], lines: int) -> int:
    words = sum(_words(view.abstract) + _words(view.title) for view in full) + 8 * lines
    return max(1, round(words / WORDS_A_MINUTE))


def _words(text: str) -> int:
    """Of a cleaned text, whose words are one space apart."""
    return text.count(" ") + 1 if text else 0
