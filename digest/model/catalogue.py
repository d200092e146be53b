"""Catalogues of people: what a service such as OpenAlex or Semantic Scholar says of somebody, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from digest.model.feeds import FetchRequest, FetchResponse, WorkId


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a catalogue says of a person. What it does not say is None or empty."""

    id: str
    """``openalex:A5023888391``, ``semanticscholar:1741101``: the one that the catalogue uses now, after a merge."""
    name: str
    orcid: str = ""
    """``orcid:0000-0002-1825-0097``."""
    url: str = ""
    """A page about this person."""
    institutions: tuple[str, ...] = ()
    field: str = ""
    """Where this person publishes most, in the catalogue's words."""
    h_index: int | None = None
    papers: int | None = None
    citations: int | None = None

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(filter(None, (self.id, self.orcid)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """How one catalogue of people is read: pure functions, the fetching itself is done by the caller.

    A function that makes a request gives None for an id or a paper that the catalogue cannot be asked for. ``author``
    and ``authors`` raise ParseError, which names the field that is missing.
    """

    name: str
    """Also the name of its key in [keys]."""
    title: str
    """As it is called: ``Semantic Scholar``."""
    needs_key: bool
    """Whether it answers nobody without a key."""
    by_id: Callable[[str], FetchRequest | None]
    """Of ``orcid:…``, ``openalex:…``, ``semanticscholar:…`` the person."""
    by_paper: Callable[[WorkId], FetchRequest | None]
    """Of a work its authors."""
    author: Callable[[FetchResponse], Facts]
    """The answer to ``by_id``."""
    authors: Callable[[FetchResponse], tuple[Facts, ...]]
    """The answer to ``by_paper``: those that the catalogue knows as people, at least with id and name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What came of asking a catalogue for somebody, as it is kept."""

    person: str
    """``openalex:A…``, ``orcid:…`` or ``semanticscholar:…``, else ``name:`` and the words of the name."""
    catalogue: str
    facts: Facts | None
    """None where the catalogue does not know the person, or it is unsure who is meant."""
    why: str
    """How the facts were matched, or why there are none; a sentence for the operator."""
    asked_at: datetime
    found_at: datetime | None
    """When the facts were last confirmed."""
