"""Stages 3 and 4: candidates, what they score and why, and the edition that is printed from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NewType

from digest.model.feeds import Entry, EntryId, SourceId, WorkId
from digest.model.people import Profile, Weights

EditionId = NewType("EditionId", int)

#: A number, a text or a list of texts that a part of the score was computed from.
Figure = int | float | str | tuple[str, ...]


#: What a figure is called and what it is.
Figures = Mapping[str, Figure]


class WhenEmpty(StrEnum):
    SKIP = "skip"
    SAY_SO = "say-so"
    BEST_OF = "best-of"


class About(StrEnum):
    """What a digest is about: whatever is new, the people its profile follows, or its topics."""

    TRENDING = "trending"
    AUTHORS = "authors"
    TOPIC = "topic"


#: The weights of a digest whose operator names none. Of people, one who is followed for sure stands before one who is
#: only perhaps the right one, whatever the votes; of a topic, the score is the likeness to it.
WEIGHTS: Mapping[About, Weights] = {
    About.AUTHORS: Weights(trend=15.0, topic=0.0, people=80.0, novelty=5.0),
    About.TOPIC: Weights(trend=0.0, topic=100.0, people=0.0, novelty=0.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """When a digest goes out: local time of day, zone, weekdays (Monday 0)."""

    send_at: time
    timezone: str
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What an operator changes of a digest's mails without touching a template; empty is ours."""

    accent: str = ""
    """A colour, ``#rrggbb``; rendering darkens or lightens it until it can be read."""
    logo: str = ""
    """Text above the title."""
    header: str = ""
    """A sentence below the title."""
    footer: str = ""
    """A sentence at the foot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """The publication, as configured. A reader's own schedule, language and preferences go over it."""

    name: str
    title: str
    list_id: str
    about: About = About.TRENDING
    sources: tuple[SourceId, ...] = ()
    """Empty means all."""
    schedule: Schedule
    window: timedelta = timedelta(days=3)
    when_empty: WhenEmpty = WhenEmpty.SKIP
    profile: Profile = field(default_factory=Profile)
    template: str = "edition"
    expire_after: timedelta = timedelta(hours=36)
    look: Look = Look()
    join: bool = False
    """Whether anybody may subscribe on the web."""
    archive: bool = False
    """Whether anybody may read its public editions on the web."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """The occasion of an edition: a digest, a local date and an instant. One edition a reader and local date."""

    digest: str
    local_date: date
    at: datetime

    @property
    def key(self) -> str:
        """``YYYY-MM-DD@UTC-INSTANT``."""
        return f"{self.local_date.isoformat()}@{self.at.strftime('%Y-%m-%dT%H:%M:%SZ')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One share of the score. ``figures`` are what it was computed from; rendering makes the sentence.

    ``key`` is trend, topic, people or novelty.
    """

    key: str
    points: int
    figures: Figures = field(default_factory=dict[str, Figure])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """An entry with its total and the parts that sum to it."""

    entry: Entry
    score: int
    """0-100, the sum of the parts' points."""
    exact: float
    """The unrounded score, by which lists are ordered."""
    trend: float
    """The unrounded trend: expected votes, voteless entries on the mixed scale."""
    parts: tuple[Part, ...]
    category: str
    """The one of the entry's categories that the profile names first, else its primary, else ``other``."""
    probability: float | None = None
    """P(featured later), where no source has votes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What ranking hands to composing: the printed ones by section, and what was left out with its reason."""

    sections: tuple[tuple[str, tuple[Ranked, ...]], ...]
    """(category, entries), in the order of print."""
    muted: tuple[tuple[Entry, str], ...] = ()
    """(entry, the mute that hit it)."""
    left_out: Sequence[tuple[Ranked, str]] = ()
    """(entry, why): nobody-followed, off-topic, withdrawn, liked, disliked, below-min-score, category, category unknown
    yet, per-category, max-items; each is worked out when it is looked at."""
    candidates: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many entries each case-folded category had; muted ones are not counted."""

    @property
    def printed(self) -> int:
        return sum(len(entries) for _, entries in self.sections)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A printed paper, as a snapshot: history stands alone."""

    position: int
    entry_id: EntryId
    work: WorkId
    title: str
    url: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    category: str = "other"
    published_at: datetime | None = None
    score: int = 0
    parts: tuple[Part, ...] = ()
    probability: float | None = None
    upvotes: int | None = None
    comments: int | None = None
    comment: str = ""
    code_url: str = ""
    stars: int | None = None
    pdf_url: str = ""
    html_url: str = ""
    project_url: str = ""
    arxiv_id: str | None = None
    version: int | None = None
    doi: str | None = None
    language: str = ""
    also: tuple[str, ...] = ()
    """Other ids and links of the same work."""
    seen_in: tuple[str, ...] = ()
    """Names of the sources that carried it, first the one whose link ``url`` is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    category: str
    title: str
    """The category's full name (arXiv's taxonomy), else the category itself."""
    items: tuple[Item, ...]
    new: int = 0
    """How many candidates this category had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """``candidates`` are what is left of the window after ``already_sent``; muted and printed are among them."""

    candidates: int = 0
    already_sent: int = 0
    muted: int = 0
    printed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """A sentence as data: what it says (``key``) and about what. Rendering says it in the reader's language.

    Keys and figures stand in rendering/remarks.py; ``said`` is a finished sentence, figure ``text``.
    """

    key: str
    figures: Figures = field(default_factory=dict[str, Figure])


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorCard:
    """Somebody whose new papers an edition prints. What is not known is None, and is not shown."""

    name: str
    url: str = ""
    institutions: tuple[str, ...] = ()
    category: str = ""
    """Where this person publishes most."""
    h_index: int | None = None
    papers: int | None = None
    citations: int | None = None
    novelty: int | None = None
    """0-100."""
    ai_score: int | None = None
    """0-100."""
    seen: int | None = None
    """Papers of theirs in the store."""
    votes: int | None = None
    """What voting lists counted for those."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edition:
    """One frozen dated printing for all readers with equal (profile, slot, history)."""

    id: EditionId
    slot: Slot
    profile: Profile
    history_key: str
    """Hash of the window's start and of what of the window these readers were already sent."""
    composed_at: datetime
    sections: tuple[Section, ...] = ()
    counts: Counts = Counts()
    reason: tuple[Remark, ...] = ()
    """Why it is empty, short, or not of today (best-of); nothing when nothing needs saying."""
    notes: tuple[Remark, ...] = ()
    """The silence explained, source by source."""
    cards: tuple[AuthorCard, ...] = ()
    """The people it is about, for a digest that follows authors."""
    public: bool = False
    frozen_profile_key: str = field(default="", compare=False)
    """The key of the profile it was frozen with, whose likes and dislikes are not kept with it; empty: not frozen."""

    @property
    def profile_key(self) -> str:
        """The key of the profile it was printed by."""
        return self.frozen_profile_key or self.profile.key

    @property
    def key(self) -> str:
        """Names the edition before it has a row: SHA-256 over slot, profile and history."""
        text = "\n".join((self.slot.digest, self.slot.key, self.profile_key, self.history_key))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for section in self.sections for item in section.items)
