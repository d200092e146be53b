"""Editions -> EditionView. Takes one or several joined editions with their digests, gives what the template prints.

The best paper of the first digest leads; the others follow in the order of the edition, numbered through.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.model.editions import Digest, Edition
from digest.model.mail import Sender
from digest.model.people import Layout
from digest.rendering.items import Printed, clean_item, fit_item
from digest.rendering.ladder import Step
from digest.rendering.palette import colours
from digest.rendering.subject import preheader_of, subject_of
from digest.rendering.text import plain
from digest.rendering.view import DigestView, EditionView, ItemView, LinksView, SectionView
from digest.rendering.words import count, listed, long_date, page_direction

WORDS_A_MINUTE = 230
CONTENTS = range(9, 41)
"""Mails of so many papers have a list of contents."""
MAX_DIGESTS = 12
MAX_SECTIONS = 60
MAX_NOTES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """Editions cleaned once; ``place`` maps (digest, section, item) positions to the paper and its rank (0 leads)."""

    editions: tuple[Edition, ...]
    digests: tuple[Digest, ...]
    place: dict[tuple[int, int, int], tuple[Printed, int]]
    lead: tuple[int, int, int] | None
    subject: str
    preheader: str
    language: str


def prepare(editions: tuple[Edition, ...], digests: tuple[Digest, ...], *, language: str) -> Prepared:
    """Clean, number and rank every paper of the mail."""
    editions, digests = editions[:MAX_DIGESTS], digests[:MAX_DIGESTS]
    spots = [
        (d, s, i)
        for d, edition in enumerate(editions)
        for s, section in enumerate(edition.sections)
        for i in range(len(section.items))
    ]

    def score(spot: tuple[int, int, int]) -> tuple[int, tuple[int, int, int]]:
        d, s, i = spot
        return -editions[d].sections[s].items[i].score, spot

    leads = [spot for spot in spots if spot[0] == 0 and editions[0].profile.layout != Layout.TITLES]
    lead = min(leads, key=score) if leads else None
    if lead is not None:
        spots.remove(lead)
        spots.insert(0, lead)
    ranks = {spot: rank for rank, spot in enumerate(sorted(spots, key=lambda spot: (spot != lead, *score(spot))))}
    palette = colours(section.category for edition in editions for section in edition.sections)
    year = editions[0].slot.local_date.year
    place: dict[tuple[int, int, int], tuple[Printed, int]] = {}
    for number, spot in enumerate(spots, start=1):
        section = editions[spot[0]].sections[spot[1]]
        printed = clean_item(section.items[spot[2]], number, palette[section.category], language=language, year=year)
        place[spot] = (printed, ranks[spot] if lead is not None else ranks[spot] + 1)
    titles = tuple(printed.title for printed, _ in sorted(place.values(), key=lambda pair: pair[1]))
    date = long_date(editions[0].slot.local_date, language)
    return Prepared(
        editions=editions,
        digests=digests,
        place=place,
        lead=lead,
        subject=subject_of(digests[0].title, titles, date, any(one.counts.candidates for one in editions)),
        preheader=preheader_of(titles, plain(editions[0].reason, 140)),
        language=language,
    )


def build(ready: Prepared, step: Step, *, sender: Sender, links: LinksView, because: str) -> EditionView:
    """The view at one step of the ladder."""
    lead = _lead(ready, step)
    shown: list[ItemView] = []
    digests = tuple(
        _digest(ready, step, d, shown, taken=0 if lead is None else 1, lead=lead) for d in range(len(ready.editions))
    )
    total = len(ready.place)
    full = [view for view in shown if not view.brief]
    minutes = _minutes(full if lead is None else [lead, *full], len(shown))
    first = ready.editions[0]
    summary = _summary(first)
    if len(ready.editions) > 1:
        summary = count(total, "paper", "papers") if total else ""
    return EditionView(
        subject=ready.subject,
        preheader=ready.preheader,
        language=ready.language,
        direction=page_direction(ready.language),
        title=_title(ready.digests),
        date=long_date(first.slot.local_date, ready.language),
        summary=f"{summary} · {minutes}\u00a0min\u00a0read" if total and summary else summary,
        lead=lead,
        contents=tuple(shown) if total in CONTENTS and len(full) == len(shown) else (),
        digests=digests,
        more=total - len(shown) - (0 if lead is None else 1),
        links=links,
        because=because,
        sender=plain(sender.from_name, 80),
        postal_address=plain(sender.postal_address, 200),
    )


def _lead(ready: Prepared, step: Step) -> ItemView | None:
    if ready.lead is None or not step.papers:
        return None
    paper, rank = ready.place[ready.lead]
    lead = fit_item(paper, rank, step, ready.editions[0].profile.layout)
    return None if lead.brief else lead


def _digest(
    ready: Prepared, step: Step, d: int, shown: list[ItemView], *, taken: int, lead: ItemView | None
) -> DigestView:
    """One digest; what it prints is also appended to ``shown``, which counts against the step's number of papers."""
    edition = ready.editions[d]
    several = len(ready.editions) > 1
    sections: list[SectionView] = []
    for s, section in enumerate(edition.sections[:MAX_SECTIONS]):
        views: list[ItemView] = []
        for i in range(len(section.items)):
            if lead is not None and (d, s, i) == ready.lead:
                continue
            if taken + len(shown) + len(views) >= step.papers:
                break
            paper, rank = ready.place[d, s, i]
            views.append(fit_item(paper, rank, step, edition.profile.layout))
        if views:
            shown += views
            sections.append(
                SectionView(
                    title=plain(section.title, 80) or plain(section.category, 80),
                    category=plain(section.category, 40),
                    colour=ready.place[d, s, 0][0].colour,
                    count=_share(
                        len(section.items), section.new, lead is not None and (d, s) == (ready.lead or ())[:2]
                    ),
                    items=tuple(view for view in views if not view.brief),
                    rows=tuple(view for view in views if view.brief),
                )
            )
    return DigestView(
        heading=plain(ready.digests[d].title, 80) if several else "",
        summary=_summary(edition),
        reason=plain(edition.reason, 400),
        notes=tuple(plain(note, 240) for note in edition.notes[: max(1, MAX_NOTES // len(ready.editions))]),
        sections=tuple(sections),
    )


def _title(digests: tuple[Digest, ...]) -> str:
    """The masthead; a joined mail names what it joins."""
    if len(digests) > 3:
        return f"{plain(digests[0].title, 80)} and {len(digests) - 1} more digests"
    return listed(tuple(plain(digest.title, 80) for digest in digests))


def _summary(edition: Edition) -> str:
    printed, candidates = len(edition.items), edition.counts.candidates
    if candidates > printed:
        return f"{printed:,} of {candidates:,} new papers"
    return count(printed, "new paper", "new papers") if printed else "no new papers"


def _share(printed: int, new: int, leads: bool) -> str:
    """How many papers of a section are printed; the one that leads the mail stands above, and not in its section."""
    said = f"{printed} of {new} new" if new > printed else count(printed, "paper", "papers")
    return f"{said}, 1 above" if leads else said


def _minutes(full: list[ItemView], lines: int) -> int:
    words = sum(len(view.abstract.split()) + len(view.title.split()) for view in full) + 8 * lines
    return max(1, round(words / WORDS_A_MINUTE))
