"""Stages 1 and 2: what a source is, what it says (EntryData), what we hold (Entry), and how the two differ.

Ids that the outside sees are ``WorkId`` strings: ``arxiv:2510.01459`` (no version), else ``doi:10.…`` (lower case),
else ``work:HASH``. ``EntryId`` is the row in the store.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NewType

SourceId = NewType("SourceId", str)
EntryId = NewType("EntryId", int)
WorkId = NewType("WorkId", str)
#: ``arxiv:2510.01459``, ``doi:10.1000/x`` or ``url:https://…``; unique over all works.
Alias = NewType("Alias", str)


class SourceState(StrEnum):
    """How a fetch ended, in the contract's words."""

    OK = "ok"
    UNCHANGED = "unchanged"
    QUIET = "quiet"
    HOLIDAY = "holiday"
    STALE = "stale"
    THROTTLED = "throttled"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What we poll, as the operator wrote it."""

    id: SourceId
    kind: str
    url: str = ""
    """Where it is;

    empty where the kind knows (huggingface, or arxiv with a category). A path or file: URL is allowed.
    """
    category: str = ""
    """arXiv category (``cs.CL``) for kind arxiv, a subject for biorxiv and medrxiv."""
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What else its kind wants to know: (name, values), by name, each name once."""
    every: timedelta = timedelta(hours=1)
    allow_private: bool = False
    from_operator: bool = True
    """False for a source added over the web: it may never name a file."""

    def given(self, name: str) -> tuple[str, ...]:
        """The values of an option; none where it was not given."""
        return next((values for option, values in self.options if option == name), ())

    def one(self, name: str) -> str:
        """The only value of an option, the first of several; empty where it was not given."""
        return next(iter(self.given(name)), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Validators:
    """What we remember of a document, so that unchanged bytes are neither sent nor parsed again (RFC 9110 sec. 13)."""

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    """SHA-256, hex, of the decoded body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchRequest:
    """One document to get. ``url`` may be http(s), or what only the operator may name (``allow_files``): file: or a
    path, maildir:, imap(s):, command:."""

    url: str
    validators: Validators = Validators()
    accept: str = "*/*"
    allow_private: bool = False
    allow_files: bool = False
    credential: str = ""
    """Name of the key in [keys] that the fetcher adds for that service's own hosts; requests never hold a secret."""
    arguments: tuple[str, ...] = ()
    """What a command: or a mailbox needs besides the address: arguments, or the file of a password."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchResponse:
    """A document. ``status`` 200 or 304 (anything else is a FetchError); a file has status 200."""

    url: str
    """Where the bytes came from, after redirects."""
    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Lower-case names."""
    body: bytes = b""
    moved_to: str | None = None
    """Set when every redirect on the way was permanent (301, 308)."""

    @property
    def not_modified(self) -> bool:
        return self.status == 304


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryData:
    """What a feed says about one paper, already normalised (entities, control characters, white space, LaTeX to
    Unicode).

    ``None`` or an empty tuple means the feed does not say. ``upvotes`` is None where the source has no votes.
    """

    key: str
    """The item's own id in this feed (guid, atom:id, paper.id), else its link, else a hash of its text."""
    title: str
    url: str = ""
    abstract: str = ""
    authors: tuple[str, ...] = ()
    """Names as printed, "First Last"."""
    author_ids: tuple[str, ...] = ()
    """Beside ``authors``: ``orcid:0000-0002-1825-0097``, ``openalex:A5023888391`` or nothing."""
    institutions: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    """The first is the primary one."""
    published_at: datetime | None = None
    submitted_at: datetime | None = None
    """When it was put on a voting list (Hugging Face's submittedOnDailyAt); votes are aged from here."""
    arxiv_id: str | None = None
    """Without version: ``2510.01459`` or ``hep-th/9901001``."""
    version: int | None = None
    """arXiv's version number where the feed says it."""
    doi: str | None = None
    """Lower case, without resolver; 10.48550/arxiv.X is an arXiv id, not a DOI."""
    upvotes: int | None = None
    comments: int | None = None
    """A count."""
    comment: str = ""
    """arXiv's comment line."""
    code_url: str = ""
    stars: int | None = None
    pdf_url: str = ""
    project_url: str = ""
    announce: str = ""
    """arXiv: new, cross, replace or replace-cross."""
    withdrawn: bool = False
    language: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One item that could not be taken. It is counted and named; it never stops the others."""

    where: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedFeed:
    """A document as its kind read it."""

    title: str = ""
    url: str = ""
    entries: tuple[EntryData, ...] = ()
    problems: tuple[Problem, ...] = ()
    skip_days: frozenset[int] = frozenset()
    """Weekdays (Monday 0) on which the feed says it does not publish (RSS skipDays)."""
    skip_hours: frozenset[int] = frozenset()
    ttl: timedelta | None = None
    updated_at: datetime | None = None
    """When the feed says it was last built."""
    cursor: str = ""
    """What the document says its next page is asked for with; empty: it is the last, or pages are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceKind:
    """How one kind of source is read: pure functions, the fetching itself is done by the caller.

    Whoever brings a kind of their own puts one of these behind the entry point group ``digest.sources``; see
    docs/sources.md.

    plan(source, now, since) gives the documents to get now; ``since`` (a local date) asks for a back-fill and is None
    otherwise; a kind without an archive gives what it always does. parse(source, response) reads one of them, or
    raises ParseError. follow(request, parsed) names the next page or None. wants(source) says what is missing or wrong
    in how it is configured, in words that go on after 'the source "x" '; empty when nothing is.
    """

    name: str
    about: str
    """What it reads, in one short phrase: ``the daily papers of Hugging Face``."""
    plan: Callable[[Source, datetime, date | None], tuple[FetchRequest, ...]]
    parse: Callable[[Source, FetchResponse], ParsedFeed]
    follow: Callable[[FetchRequest, ParsedFeed], FetchRequest | None]
    wants: Callable[[Source], str]
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Keys of a [[source]] that it reads besides id, kind, url, every and allow_private, and what they mean here."""
    has_past: bool = False
    """Whether ``since`` brings what was published before the newest listing."""
    shape: re.Pattern[bytes] | None = None
    """What stands near the beginning of its service's answers, and of nothing else; None where nothing does, or where
    its documents are feeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchTrace:
    """What one round of a source brought, from which its health is judged (sources/health.py)."""

    documents: int = 0
    unchanged: int = 0
    """Documents answered 304 or with the bytes we already had."""
    entries: int = 0
    new: int = 0
    revised: int = 0
    same_ids_as_last: bool = False
    """The set of item keys equals the one of the previous parsed round."""
    last_new_at: datetime | None = None
    news_at: tuple[datetime, ...] = ()
    """When it last brought what it had not shown before, this round included: its rhythm (sources/rhythm.py)."""
    skip_days: frozenset[int] = frozenset()
    skip_hours: frozenset[int] = frozenset()
    ttl: timedelta | None = None
    error: Exception | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The state after a round, with the reason and the next time."""

    state: SourceState
    detail: str
    next_at: datetime | None
    """None: never, unless somebody asks for it."""
    failures: int
    """Consecutive failures (throttled counts; 0 after a success)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoteObservation:
    """How many votes a source showed at an instant. Votes can be taken back, so the newest observation counts."""

    source_id: SourceId
    at: datetime
    upvotes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """Where a work was seen: a source, its key there, its link there."""

    source_id: SourceId
    key: str
    url: str
    first_seen_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What we hold of one *work*. It owns a set of unique aliases; sources, versions and votes hang on it."""

    id: EntryId
    work: WorkId
    aliases: tuple[Alias, ...]
    title: str
    title_key: str
    """Normalised title, a key to look up by, not an alias (entries/identity.py)."""
    url: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    author_ids: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    published_at: datetime | None = None
    submitted_at: datetime | None = None
    first_seen_at: datetime
    """Never changes.

    On a source's first fetch and on a back-fill it is the entry's own date, never later than the fetch.
    """
    arxiv_id: str | None = None
    version: int | None = None
    doi: str | None = None
    comments: int | None = None
    comment: str = ""
    code_url: str = ""
    stars: int | None = None
    pdf_url: str = ""
    project_url: str = ""
    withdrawn: bool = False
    language: str = ""
    votes: tuple[VoteObservation, ...] = ()
    """The newest observation of each source that has votes, as of the instant the entry was loaded for."""
    sightings: tuple[Sighting, ...] = ()

    @property
    def upvotes(self) -> int | None:
        """The largest of the sources' newest counts; None where no source has votes."""
        return max((v.upvotes for v in self.votes), default=None)


class ChangeKind(StrEnum):
    NEW = "new"
    REVISED = "revised"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resemblance:
    """A work that this one is possibly the same as; ``alias`` is one of that work's."""

    alias: Alias
    title_ratio: float
    overlap: float
    """Of the abstracts' runs of five words, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryChange:
    """One work of a fetched feed beside what we hold.

    ``before`` is None for NEW. ``after`` is what to hold from now on: for NEW its id is 0 until the store gives one;
    for REVISED and UNCHANGED it has ``before``'s id and first_seen_at, with what the feed newly says merged in (a
    feed that is silent on a field never erases it). ``observation`` is the vote count this feed showed, if it has
    votes: a new count alone is UNCHANGED. ``aliases`` are those to add. ``absorbed`` are other held entries that this
    item proves to be the same work: their rows point to ``after`` from now on.
    """

    kind: ChangeKind
    before: Entry | None
    after: Entry
    aliases: tuple[Alias, ...] = ()
    absorbed: tuple[EntryId, ...] = ()
    observation: VoteObservation | None = None
    sighting: Sighting
    fields: tuple[str, ...] = ()
    """Names of the fields that changed (REVISED)."""
    resembles: tuple[Resemblance, ...] = ()
    """Works that are possibly the same; nothing was joined."""
