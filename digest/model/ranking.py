"""What is known beside the candidates when they are ranked: earlier works, and what their authors did before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from digest.model.feeds import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is known of the earlier works of an author or an institution."""

    works: int = 0
    """Seen in any source."""
    voted: int = 0
    """Of these, those that a voting list carried."""
    log_votes: float = 0.0
    """Sum of ln(1 + newest vote count) over those."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What informs a ranking and is never listed by it. None of it is newer than the instant of the ranking."""

    history: tuple[Entry, ...] = ()
    """Earlier works: neighbours, the texts behind likes, and term statistics where ``terms`` has none."""
    authors: Mapping[str, Record] = field(default_factory=dict[str, Record])
    """By ``names.person_key``; the candidates' own rows are not counted."""
    institutions: Mapping[str, Record] = field(default_factory=dict[str, Record])
    """By ``names.institution_key``."""
    terms: Mapping[str, int] = field(default_factory=dict[str, int])
    """In how many of ``documents`` works each term stands; empty: count in ``history``."""
    documents: int = 0
    fit: str = ""
    """The prior that was fitted on this installation's own papers, as it is stored; empty: the one we ship."""
    prestige: bool = True
    """False: a prior looks at the paper alone, not at what its authors and institutions did before."""
    vectors: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """Sentence embeddings by work, little-endian float32 of length one; empty where no model is configured."""
    embed: Callable[[str], bytes] | None = None
    """A text's embedding by the same model; None where no model is configured."""
