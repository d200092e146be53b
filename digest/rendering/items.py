"""A printed paper as templates see it. Takes model Items, gives ItemViews; every text is cleaned and every link
checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from digest.model.editions import Item
from digest.model.people import Layout
from digest.rendering.ladder import Step
from digest.rendering.palette import ColourView
from digest.rendering.text import cut_at_sentence, direction, first_sentence, language_of, plain, safe_url, shorten
from digest.rendering.view import ItemView, LinkView, WhyView
from digest.rendering.words import compact, count, reason, short_authors, short_date

BAR = 56


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """An item cleaned once, so that a smaller step of the ladder costs only the cutting."""

    item: Item
    colour: ColourView
    title: str
    url: str
    abstract: str
    whole: ItemView


def clean_item(item: Item, number: int, colour: ColourView, *, language: str, year: int) -> Printed:
    """Everything about a paper that does not depend on the room there is for it."""
    title = plain(item.title, 300) or plain(item.work, 100)
    abstract = plain(item.abstract, 6_000)
    url = _url(item)
    bar = round(BAR * max(0, min(100, item.score)) / 100)
    view = ItemView(
        number=number,
        title=title,
        url=url,
        title_direction=direction(title),
        title_language=language_of(title, item.language),
        authors=short_authors(item.authors),
        institutions=_institutions(item.institutions),
        category="" if item.category == "other" else plain(item.category, 24),
        colour=colour,
        score=item.score,
        bar=bar,
        bar_rest=BAR - bar,
        facts=_facts(item, language, year),
        comment=plain(item.comment, 160),
        abstract=abstract,
        abstract_direction=direction(abstract),
        abstract_language=language_of(abstract, item.language),
        why=tuple(WhyView(text=reason(part), points=part.points) for part in item.parts[:8] if part.points),
        actions=_actions(item),
        also=_also(item, url),
        brief=False,
    )
    return Printed(item=item, colour=colour, title=title, url=url, abstract=abstract, whole=view)


def fit_item(printed: Printed, rank: int, step: Step, layout: str) -> ItemView:
    """The paper as this step and the reader's layout allow; ``brief`` means that only its title line is printed."""
    room = step.room(rank)
    brief = layout == Layout.TITLES or room == 0
    abstract = ""
    if not brief:
        cut = first_sentence if layout == Layout.BRIEF else cut_at_sentence
        abstract = cut(printed.abstract, min(room, 320) if layout == Layout.BRIEF else room)
    whole = printed.whole
    title = shorten(printed.title, step.title)
    url = printed.url if len(printed.url) <= step.url else ""
    if (whole.abstract, whole.title, whole.url, whole.brief) == (abstract, title, url, brief):
        return whole
    return ItemView(
        number=whole.number,
        title=title,
        url=url,
        title_direction=whole.title_direction,
        title_language=whole.title_language,
        authors=whole.authors,
        institutions=whole.institutions,
        category=whole.category,
        colour=whole.colour,
        score=whole.score,
        bar=whole.bar,
        bar_rest=whole.bar_rest,
        facts=tuple(fact for fact in whole.facts if len(fact.url) <= step.url),
        comment=whole.comment,
        abstract=abstract,
        abstract_direction=whole.abstract_direction,
        abstract_language=whole.abstract_language,
        why=whole.why,
        actions=tuple(link for link in whole.actions if len(link.url) <= step.url),
        also=tuple(link for link in whole.also if len(link.url) <= step.url),
        brief=brief,
    )


def _url(item: Item) -> str:
    url = safe_url(item.url)
    if not url and item.arxiv_id:
        url = safe_url(f"https://arxiv.org/abs/{item.arxiv_id}")
    if not url and item.doi and item.doi.startswith("10."):
        url = safe_url(f"https://doi.org/{item.doi}")
    return url


def _institutions(names: tuple[str, ...], show: int = 3) -> str:
    shown = [name for name in (plain(name, 80) for name in names[:show]) if name]
    return ", ".join(shown) + (f" and {len(names) - show} more" if len(names) > show else "")


def _facts(item: Item, language: str, year: int) -> tuple[LinkView, ...]:
    facts: list[LinkView] = []
    if item.upvotes is not None:
        facts.append(LinkView(text=count(item.upvotes, "vote", "votes")))
    if item.comments:
        facts.append(LinkView(text=count(item.comments, "comment", "comments")))
    if item.published_at is not None:
        day = item.published_at.date()
        facts.append(LinkView(text=short_date(day, language, day.year != year)))
    if code := safe_url(item.code_url):
        facts.append(LinkView(text="Code" if item.stars is None else f"Code ★ {compact(item.stars)}", url=code))
    if item.version is not None and item.version > 1:
        of = f" of {plain(item.arxiv_id, 40)}" if item.arxiv_id else ""
        facts.append(LinkView(text=f"v{item.version}{of}"))
    return tuple(facts)


def _actions(item: Item) -> tuple[LinkView, ...]:
    arxiv = plain(item.arxiv_id or "", 40)
    candidates = (
        ("PDF", item.pdf_url or (arxiv and f"https://arxiv.org/pdf/{arxiv}")),
        ("HTML", item.html_url),
        ("BibTeX", arxiv and f"https://arxiv.org/bibtex/{arxiv}"),
        ("Project", item.project_url),
    )
    return tuple(LinkView(text=text, url=safe) for text, url in candidates if (safe := safe_url(url)))


def _also(item: Item, url: str) -> tuple[LinkView, ...]:
    """Other homes of the same work by host name, then the other sources that carried it."""
    found: dict[str, LinkView] = {}
    for other in item.also[:12]:
        kind, _, rest = other.partition(":")
        link = safe_url(
            {"arxiv": f"https://arxiv.org/abs/{rest}", "doi": f"https://doi.org/{rest}", "url": rest}.get(kind, other)
        )
        host = (urlsplit(link).hostname or "").removeprefix("www.")
        if link and link != url:
            found.setdefault(host, LinkView(text=plain(host, 60), url=link))
    names = (plain(name, 60) for name in item.seen_in[1:5])
    return (*tuple(found.values())[:4], *(LinkView(text=name) for name in names if name))
