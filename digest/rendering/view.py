"""What a template sees: frozen records of ready texts and safe links. docs/templates.md describes every field.

Texts hold no control characters and no markup; templates escape them. Links are absolute https, http or mailto, or
empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.rendering.palette import ColourView


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
    category: str
    colour: ColourView
    score: int
    bar: int
    bar_rest: int
    facts: tuple[LinkView, ...]
    comment: str
    abstract: str
    abstract_direction: str
    abstract_language: str
    why: tuple[WhyView, ...]
    actions: tuple[LinkView, ...]
    also: tuple[LinkView, ...]
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
class DigestView:
    """One digest of the mail. ``heading`` is empty when the mail holds only this one."""

    heading: str
    summary: str
    reason: str
    notes: tuple[str, ...]
    sections: tuple[SectionView, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinksView:
    """Where the reader can go; empty where the installation has no such place."""

    unsubscribe: str
    preferences: str
    read: str
    confirm: str
    never: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EditionView:
    """The whole mail."""

    subject: str
    preheader: str
    language: str
    direction: str
    title: str
    date: str
    summary: str
    lead: ItemView | None
    contents: tuple[ItemView, ...]
    digests: tuple[DigestView, ...]
    more: int
    links: LinksView
    because: str
    sender: str
    postal_address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeView:
    """A small mail: confirmation, welcome, goodbye or alert."""

    kind: str
    subject: str
    preheader: str
    language: str
    direction: str
    title: str
    date: str
    links: LinksView
    sender: str
    postal_address: str
