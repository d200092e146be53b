"""`digest sources check`: what would be taken from a document, whatever kind it is. Nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.entries.identity import aliases, work_id
from digest.model.errors import DigestError
from digest.model.feeds import EntryData, FetchRequest, Problem, Source, SourceId, SourceKind, WorkId
from digest.services.fetching.reading import read_document
from digest.services.ports import Fetch
from digest.sources.kinds import KINDS, kind_of, sniff


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedEntry:
    """A paper as it would be stored."""

    id: WorkId
    title: str
    url: str
    abstract: str
    authors: tuple[str, ...]
    institutions: tuple[str, ...]
    categories: tuple[str, ...]
    published_at: datetime | None
    upvotes: int | None
    comments: int | None
    code_url: str | None
    doi: str | None
    arxiv_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedName:
    """What a feed says of itself."""

    title: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """One input. ``kind`` is None when the document could not even be fetched; ``error`` is a sentence, or None."""

    input: str
    ok: bool
    kind: str | None
    error: str | None
    feed: FeedName | None = None
    entries: tuple[CheckedEntry, ...] = ()
    problems: tuple[Problem, ...] = ()


def check(
    inputs: Sequence[str],
    fetch: Fetch,
    *,
    kind: str = "",
    allow_private: bool = False,
    kinds: Mapping[str, SourceKind] = KINDS,
) -> tuple[Checked, ...]:
    """Reads each file or URL, as ``kind`` or as what its content tells. Raises ConfigError for an unknown kind."""
    if kind:
        kind_of(kind, kinds)
    return tuple(_one(given, fetch, kind, allow_private, kinds) for given in inputs)


def _one(given: str, fetch: Fetch, forced: str, allow_private: bool, kinds: Mapping[str, SourceKind]) -> Checked:
    kind: str | None = forced or None
    try:
        response = fetch(FetchRequest(url=given, allow_private=allow_private, allow_files=True))
        kind = kind or sniff(given, response.body)
        source = Source(id=SourceId("check"), kind=kind, url=given)
        parsed = read_document(kind_of(kind, kinds), source, lambda _: response, FetchRequest(url=given))
    except DigestError as error:
        return Checked(input=given, ok=False, kind=kind, error=str(error))
    return Checked(
        input=given,
        ok=True,
        kind=kind,
        error=None,
        feed=FeedName(title=parsed.title, url=parsed.url),
        entries=tuple(checked_entry(data) for data in parsed.entries),
        problems=parsed.problems,
    )


def checked_entry(data: EntryData) -> CheckedEntry:
    """An entry as it would be stored."""
    return CheckedEntry(
        id=work_id(aliases(data), data.title, data.authors[0] if data.authors else ""),
        title=data.title,
        url=data.url,
        abstract=data.abstract,
        authors=data.authors,
        institutions=data.institutions,
        categories=data.categories,
        published_at=data.published_at,
        upvotes=data.upvotes,
        comments=data.comments,
        code_url=data.code_url or None,
        doi=data.doi,
        arxiv_id=data.arxiv_id,
    )
