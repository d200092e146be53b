"""Sentence embeddings, so that a work is read by a model once.

A vector is little-endian float32, as the model gave it; it counts only for the text it was made of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, delete, select

from digest.model.feeds import EntryId
from digest.storage.base import Tx, among, batched, insert, metadata
from digest.storage.entries import Id

embeddings = Table(
    "embeddings",
    metadata,
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("text_hash", String(64), nullable=False),
    Column("vector", LargeBinary, nullable=False),
)


def held(tx: Tx, model: str, entry_ids: Collection[EntryId]) -> Mapping[EntryId, tuple[str, bytes]]:
    """(hash of the text, vector) of the works that this model has read."""
    table = embeddings.c
    found: dict[EntryId, tuple[str, bytes]] = {}
    for some in batched(sorted(entry_ids), 10_000):
        query = select(table.entry_id, table.text_hash, table.vector)
        rows = tx.execute(query.where(table.model == model, among(tx, table.entry_id, some)))
        found.update({EntryId(entry_id): (text_hash, bytes(vector)) for entry_id, text_hash, vector in rows})
    return found


def put(tx: Tx, model: str, vectors: Mapping[EntryId, tuple[str, bytes]]) -> None:
    """(hash of the text, vector) by work; what the model read of an earlier text is replaced."""
    if not vectors:
        return
    statement = insert(tx, embeddings)
    replaced = {"text_hash": statement.excluded.text_hash, "vector": statement.excluded.vector}
    rows = [
        {"entry_id": entry_id, "model": model, "text_hash": text_hash, "vector": vector}
        for entry_id, (text_hash, vector) in sorted(vectors.items())
    ]
    for some in batched(rows, 500):
        tx.execute(statement.on_conflict_do_update(index_elements=["entry_id", "model"], set_=replaced), [*some])


def keep_only(tx: Tx, model: str) -> int:
    """Drops what other models made; gives how many vectors that were."""
    return tx.execute(delete(embeddings).where(embeddings.c.model != model)).rowcount
