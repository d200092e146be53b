"""A printed paper as templates see it. Takes model Items, gives ItemViews; every text is cleaned and every link
checked.

A paper stands in many editions of a day, so what is cleaned, checked and cut is remembered by the text it was made
from.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from urllib.parse import urlsplit

from digest.model.editions import Item
from digest.model.people import Layout
from digest.rendering import text as texts
from digest.rendering.ladder import STEPS, Step
from digest.rendering.language import Language
from digest.rendering.palette import ColourView
from digest.rendering.text import shorten
from digest.rendering.view import ItemView, LinkView, WhyView
from digest.rendering.words import reason, short_authors

BAR = 56
#: Longer texts are not remembered.
_REMEMBERED = 4_000
#: Longest first sentence of the layout ``brief``.
SENTENCE = 320
#: The space in "71 %" is none to break a line at.
_ARXIV_CATEGORY = re.compile(r"[a-z][a-z-]*\.([A-Z]{2}|[a-z]+(?:-[a-z]+)*)")
_UNIT = re.compile(r"(?<=\d) (?=[%°‰])")

safe_url = lru_cache(maxsize=16_384)(texts.safe_url)
plain = lru_cache(maxsize=16_384)(texts.plain)
_direction = lru_cache(maxsize=8192)(texts.direction)
_language_of = lru_cache(maxsize=16_384)(texts.language_of)
_cut = lru_cache(maxsize=2048)(texts.cut_at_sentence)
_sentence = lru_cache(maxsize=2048)(texts.first_sentence)


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """An item cleaned once, so that a smaller step of the ladder costs only the cutting.

    ``whole`` is the paper as most mails print it, at the first step; ``abstract`` is uncut.
    """

    abstract: str
    whole: ItemView


def clean_item(
    item: Item,
    number: int,
    colour: ColourView,
    *,
    rank: int,
    layout: str,
    language: Language,
    year: int,
    feedback: str = "",
) -> Printed:
    """Everything about a paper that does not depend on the room there is for it.

    ``feedback`` is what the link for the reader's own word begins with; empty: there is none.
    """
    title, title_direction = _cleaned(item.title, 300)
    if not title:
        title, title_direction = _cleaned(item.work, 100)
    abstract, abstract_direction = _cleaned(item.abstract, 6_000)
    authors = short_authors(item.authors[:3], len(item.authors) > 3)
    institutions = _institutions(item.institutions[:3], len(item.institutions), language)
    url = _url(item.url, item.arxiv_id or "", item.doi or "")
    score = item.score if item.score or item.parts else None
    bar = round(BAR * max(0, min(100, item.score)) / 100)
    published = item.published_at.date() if item.published_at else None
    view = ItemView(
        number=number,
        title=title,
        url=url,
        title_direction=title_direction,
        title_language=_language_of(title, item.language),
        authors=authors,
        institutions=institutions,
        who_direction=_direction(authors or institutions),
        category="" if item.category == "other" else badge(item.category),
        colour=colour,
        score=score,
        bar=bar,
        bar_rest=BAR - bar,
        facts=(
            *_votes(item.upvotes, item.comments, language),
            *_facts(published, year, item.code_url, item.stars, item.version, item.arxiv_id or "", language),
        ),
        line=(
            _line(score, item.category, published, year, item.code_url, language) if layout == Layout.CATALOGUE else ()
        ),
        comment=plain(item.comment, 160),
        abstract=_fitting(abstract, STEPS[0].room(rank), layout),
        abstract_direction=abstract_direction,
        abstract_language=_language_of(abstract, item.language),
        why=tuple(WhyView(text=reason(part, language), points=part.points) for part in item.parts[:8] if part.points),
        actions=_actions(item.arxiv_id or "", item.pdf_url, item.html_url, item.project_url, language),
        also=_also(item.also[:12], item.seen_in[1:5], url),
        feedback=f"{feedback}{item.entry_id}" if feedback else "",
        brief=False,
    )
    return Printed(abstract=abstract, whole=view)


def fit_item(printed: Printed, rank: int, step: Step, layout: str) -> ItemView:
    """The paper as this step and the reader's layout allow; ``brief`` means that only its title line is printed."""
    whole = printed.whole
    room = step.room(rank)
    brief = layout in (Layout.TITLES, Layout.CATALOGUE) or room == 0
    abstract = "" if brief else _fitting(printed.abstract, room, layout)
    if abstract == whole.abstract and not brief and step.url == STEPS[0].url and step.title == STEPS[0].title:
        return whole
    title = whole.title if len(whole.title) <= step.title else shorten(whole.title, step.title)
    return replace(
        whole,
        title=title,
        url=whole.url if len(whole.url) <= step.url else "",
        facts=_short(whole.facts, step.url),
        line=_short(whole.line, step.url) if room else (),
        abstract=abstract,
        actions=_short(whole.actions, step.url),
        also=_short(whole.also, step.url),
        brief=brief,
    )


def _fitting(abstract: str, room: int, layout: str) -> str:
    if not abstract:
        return ""
    return _sentence(abstract, min(room, SENTENCE)) if layout == Layout.BRIEF else _cut(abstract, room)


def _short(links: tuple[LinkView, ...], limit: int) -> tuple[LinkView, ...]:
    """The links whose addresses are not too long."""
    return tuple(link for link in links if len(link.url) <= limit)


def _cleaned(text: str, limit: int) -> tuple[str, str]:
    """(harmless text, its direction). Long ones are rare, and too large to be remembered by the thousand."""
    return _cleaned_cached(text, limit) if len(text) <= _REMEMBERED else _cleaned_cached.__wrapped__(text, limit)


@lru_cache(maxsize=2048)
def _cleaned_cached(text: str, limit: int) -> tuple[str, str]:
    text = _UNIT.sub("\u00a0", texts.plain(text, limit))
    return text, texts.direction(text)


@lru_cache(maxsize=1024)
def badge(category: str) -> str:
    """A category so short that it never has to break: some 18 letters of usual width."""
    text = texts.plain(unicodedata.normalize("NFKC", plain(category, 60)), 60)
    room = 18
    for at, letter in enumerate(text):
        room -= 2 if letter in "WM@%" or ord(letter) > 0x52F else 1
        if room < 0:
            return text[:at].rstrip() + "…"
    return text


@lru_cache(maxsize=4096)
def _institutions(names: tuple[str, ...], of: int, language: Language) -> str:
    shown = ", ".join(name for name in (plain(name, 80) for name in names) if name)
    if of <= len(names):
        return shown
    return language.count("%(names)s and %(n)s more", "%(names)s and %(n)s more", of - len(names), names=shown)


@lru_cache(maxsize=4096)
def _url(said: str, arxiv_id: str, doi: str) -> str:
    url = safe_url(said)
    if not url and arxiv_id:
        url = safe_url(f"https://arxiv.org/abs/{arxiv_id}")
    if not url and doi.startswith("10."):
        url = safe_url(f"https://doi.org/{doi}")
    return url


@lru_cache(maxsize=4096)
def _votes(upvotes: int | None, comments: int | None, language: Language) -> tuple[LinkView, ...]:
    facts: list[LinkView] = []
    if upvotes is not None:
        facts.append(LinkView(text=language.count("%(n)s vote", "%(n)s votes", upvotes)))
    if comments:
        facts.append(LinkView(text=language.count("%(n)s comment", "%(n)s comments", comments)))
    return tuple(facts)


@lru_cache(maxsize=4096)
def _facts(
    published: date | None,
    year: int,
    code_url: str,
    stars: int | None,
    version: int | None,
    arxiv_id: str,
    language: Language,
) -> tuple[LinkView, ...]:
    """Date, code and version, as far as they are known."""
    facts: list[LinkView] = []
    if published is not None:
        facts.append(LinkView(text=language.short_date(published, with_year=published.year != year)))
    if code := safe_url(code_url):
        shining = "" if stars is None else f" ★ {language.compact(stars)}"
        facts.append(LinkView(text=language.say("Code") + shining, url=code))
    if version is not None and version > 1:
        number = plain(arxiv_id, 40)
        text = language.say("%(version)s of %(id)s", version=f"v{version}", id=number) if number else f"v{version}"
        facts.append(LinkView(text=text))
    return tuple(facts)


@lru_cache(maxsize=4096)
def _line(
    score: int | None, category: str, published: date | None, year: int, code_url: str, language: Language
) -> tuple[LinkView, ...]:
    """``29 · CL · May 25, 2022 · Code``, as far as it is known."""
    known = (
        "" if score is None else language.number(score),
        "" if category == "other" else badge(short_category(category)),
        "" if published is None else language.short_date(published, with_year=published.year != year),
    )
    code = safe_url(code_url)
    return (
        *(LinkView(text=text) for text in known if text),
        *([LinkView(text=language.say("Code"), url=code)] * bool(code)),
    )


def short_category(category: str) -> str:
    """``CL`` for arXiv's ``cs.CL``; any other category as it is."""
    found = _ARXIV_CATEGORY.fullmatch(category)
    return found[1] if found else category


@lru_cache(maxsize=4096)
def _actions(arxiv_id: str, pdf_url: str, html_url: str, project_url: str, language: Language) -> tuple[LinkView, ...]:
    arxiv = plain(arxiv_id, 40)
    candidates = (
        ("PDF", pdf_url or (arxiv and f"https://arxiv.org/pdf/{arxiv}")),
        ("HTML", html_url),
        (language.say("Project"), project_url),
    )
    return tuple(LinkView(text=text, url=safe) for text, url in candidates if url and (safe := safe_url(url)))


@lru_cache(maxsize=4096)
def _also(others: tuple[str, ...], sources: tuple[str, ...], url: str) -> tuple[LinkView, ...]:
    """Other homes of the same work by host name, then the other sources that carried it."""
    found: dict[str, LinkView] = {}
    for other in others:
        kind, _, rest = other.partition(":")
        link = safe_url(
            {"arxiv": f"https://arxiv.org/abs/{rest}", "doi": f"https://doi.org/{rest}", "url": rest}.get(kind, other)
        )
        host = (urlsplit(link).hostname or "").removeprefix("www.")
        if link and link != url:
            found.setdefault(host, LinkView(text=plain(host, 60), url=link))
    names = (plain(name, 60) for name in sources)
    return (*tuple(found.values())[:4], *(LinkView(text=name) for name in names if name))
