"""What the store knows beside the candidates of a ranking: earlier works, and what their authors did before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from digest.model.feeds import Entry
from digest.model.ranking import Evidence
from digest.storage import authorships, entries, fits, tastes, terms
from digest.storage.base import Tx

#: How many earlier works are read for neighbours and likeness.
EARLIER = 1000
#: How many works that readers liked or disliked are read beside those, however old they are.
SPOKEN_OF = 2000


def gather(tx: Tx, candidates: Sequence[Entry], as_of: datetime) -> Evidence:
    """Nothing of it was seen after ``as_of``, but for the counts of words, which are today's."""
    known = frozenset(entry.id for entry in candidates)
    recent = entries.recent(tx, before=as_of, limit=EARLIER, without=known)
    spoken_of = frozenset(tastes.spoken_of(tx, limit=SPOKEN_OF)) - known - {entry.id for entry in recent}
    older = (entry for entry in entries.load(tx, spoken_of, texts_only=True) if entry.first_seen_at <= as_of)
    counts, documents = terms.read(tx)
    authors, institutions = authorships.records(tx, candidates, as_of)
    return Evidence(
        history=(*recent, *older),
        authors=authors,
        institutions=institutions,
        terms=counts,
        documents=documents,
        fit=fits.newest(tx, as_of=as_of),
    )
