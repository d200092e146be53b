"""Use case: what papers mean to a model of sentences, read once and kept.

Takes the evidence of a ranking and its candidates; gives the evidence with a vector for each paper, and with the
function that reads a topic's free text. The model is loaded at the first need and runs outside of any transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from digest.model.feeds import Entry, EntryId
from digest.model.ranking import Evidence
from digest.storage import embeddings
from digest.storage.engine import Store

#: Vectors are written after so many papers: a first run over a large store that is stopped loses little.
AT_ONCE = 512


class Reads(Protocol):
    """A loaded model."""

    @property
    def id(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]: ...


@dataclass(slots=True)
class Meaning:
    """Adds vectors to evidence. ``load`` raises ConfigError; None where no model is configured."""

    store: Store
    load: Callable[[], Reads] | None
    _model: Reads | None = field(default=None)

    def added(self, evidence: Evidence, candidates: Sequence[Entry]) -> Evidence:
        """The evidence with ``vectors`` and ``embed``; the same where no model is configured. Raises ConfigError."""
        if self.load is None:
            return evidence
        if self._model is None:
            self._model = self.load()
        model = self._model
        entries = {entry.id: entry for entry in (*candidates, *evidence.history)}
        with self.store.reading() as tx:
            held = embeddings.held(tx, model.id, entries.keys())
        texts = {entry_id: _text(entry) for entry_id, entry in entries.items()}
        hashes = {entry_id: hashlib.sha256(text.encode()).hexdigest() for entry_id, text in texts.items()}
        vectors = {i: vector for i, (text_hash, vector) in held.items() if text_hash == hashes[i]}
        missing = sorted(entries.keys() - vectors.keys())
        for first in range(0, len(missing), AT_ONCE):
            some = missing[first : first + AT_ONCE]
            made = dict(zip(some, model.embed([texts[i] for i in some]), strict=True))
            vectors |= made
            with self.store.transaction() as tx:
                embeddings.keep_only(tx, model.id)
                embeddings.put(tx, model.id, {EntryId(i): (hashes[i], vector) for i, vector in made.items()})
        return replace(
            evidence,
            vectors={entries[i].work: vector for i, vector in vectors.items()},
            embed=partial(_one, model),
        )


def _one(model: Reads, text: str) -> bytes:
    return model.embed([text])[0]


def _text(entry: Entry) -> str:
    return f"{entry.title}\n{entry.abstract}"
