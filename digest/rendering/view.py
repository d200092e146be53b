"""What a template sees: frozen records of ready texts and safe links. docs/templates.md describes every field.

Texts hold no control characters and no markup; templates escape them. Links are absolute https, http or mailto, or
empty. VERSION rises when a field is renamed, removed or changes its meaning; a new field leaves it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.rendering.palette import AccentView, ColourView

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkView:
    """A link, or a plain word where ``url`` is empty."""

    text: str
    url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WhyView:
    """One reason with its share of the score."""

    text: str
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemView:
    """A paper."""

    number: int
    title: str
    url: str
    title_direction: str
    title_language: str
    authors: str
    institutions: str
    who_direction: str
    category: str
    colour: ColourView
    score: int | None
    bar: int
    bar_rest: int
    facts: tuple[LinkView, ...]
    line: tuple[LinkView, ...]
    comment: str
    abstract: str
    abstract_direction: str
    abstract_language: str
    why: tuple[WhyView, ...]
    actions: tuple[LinkView, ...]
    also: tuple[LinkView, ...]
    feedback: str
    brief: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionView:
    """A category: its papers, then those that are only named."""

    title: str
    category: str
    colour: ColourView
    count: str
    items: tuple[ItemView, ...]
    rows: tuple[ItemView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureView:
    """A number with its name."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CardView:
    """Somebody whose papers the digest prints."""

    name: str
    url: str
    direction: str
    institutions: str
    category: str
    figures: tuple[FigureView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestView:
    """One digest of the mail. ``heading`` is empty when the mail holds only this one."""

    heading: str
    summary: str
    intro: str
    cards: tuple[CardView, ...]
    reason: str
    notes: tuple[str, ...]
    sections: tuple[SectionView, ...]
    silence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ContentsView:
    """The list of contents of one digest. ``heading`` is empty when the mail holds only this one."""

    heading: str
    items: tuple[ItemView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinksView:
    """Where the reader can go; empty where the installation has no such place."""

    unsubscribe: str
    preferences: str
    read: str
    confirm: str
    never: str
    data: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PageView:
    """What every mail says of itself: its frame."""

    version: int
    subject: str
    preheader: str
    language: str
    direction: str
    start: str
    end: str
    comma: str
    gap: str
    mark: str
    title: str
    date: str
    accent: AccentView
    logo: str
    header: str
    footer: str
    links: LinksView
    sender: str
    postal_address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EditionView:
    """The papers of a mail."""

    summary: str
    lead: ItemView | None
    contents: tuple[ContentsView, ...]
    digests: tuple[DigestView, ...]
    more: int
    because: str
