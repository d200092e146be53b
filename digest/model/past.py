"""What a history tells of one paper: when it was met, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Votes that were counted so long after the submission are final: hardly any come later.
FINAL_AGE = timedelta(hours=72)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One paper of an archive or store; ``number`` names it there."""

    number: int
    first_at: datetime
    listed_at: datetime | None
    """First seen in a source without votes."""
    voted_at: datetime | None
    """First seen with a count of votes, in any source."""
    final: int | None
    """Its newest count, where that was taken at the final age or later."""
