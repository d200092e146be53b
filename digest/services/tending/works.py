"""Which records are one work, as the operator says it: join two, split one, look at what is only probable.

What the operator said is kept: what was split is never joined by a rule again. Nothing is repeated to a reader by
either: works count as sent together as long as they were one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.entries.diff import joined, renamed
from digest.entries.identity import alias_of, strong_aliases, work_id
from digest.model.errors import UsageError
from digest.model.feeds import Alias, Entry, EntryData, EntryId, Sighting, WorkId
from digest.services.fetching.keeping import keep
from digest.services.ports import Clock
from digest.services.status.report import find_entry
from digest.storage import entries, likeness, parting
from digest.storage.base import Tx
from digest.storage.engine import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A work by its id and title."""

    id: WorkId
    title: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LikelyPair:
    """Two works that are possibly one. ``title_ratio`` and ``overlap`` (of the abstracts) are 0 to 1."""

    one: Named
    other: Named
    title_ratio: float
    overlap: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """``id`` is the work's name from now on."""

    id: WorkId
    title: str
    aliases: tuple[Alias, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The two works there are now."""

    kept: Named
    out: Named


@dataclass(frozen=True, kw_only=True, slots=True)
class Works:
    """Joins and splits works by the operator's word."""

    store: Store
    clock: Clock

    def likely(self, *, limit: int = 50) -> tuple[LikelyPair, ...]:
        """Pairs of works to look at, the likest first."""
        with self.store.reading() as tx:
            pairs = likeness.likely(tx, limit=limit)
            ids = {row for pair in pairs for row in (pair.entry_id, pair.other_id)}
            held = {entry.id: _named(entry) for entry in entries.load(tx, ids, texts_only=True)}
        return tuple(
            LikelyPair(
                one=held[pair.entry_id],
                other=held[pair.other_id],
                title_ratio=pair.title_ratio,
                overlap=pair.overlap,
            )
            for pair in pairs
        )

    def join(self, one: str, other: str) -> Joined:
        """Makes one work of two. Raises NotFound, and UsageError for one work or two arXiv papers."""
        now = self.clock()
        with self.store.transaction() as tx:
            entries.lock(tx)
            mine, theirs = find_entry(tx, one), find_entry(tx, other)
            if mine.id == theirs.id:
                raise UsageError(
                    "both names are of one work already",
                    where=f"{one} {other}",
                    try_=f"digest entries show {mine.work}",
                )
            if mine.arxiv_id and theirs.arxiv_id and mine.arxiv_id != theirs.arxiv_id:
                raise UsageError(
                    "two arXiv papers are never one work",
                    where=f"arXiv:{mine.arxiv_id} and arXiv:{theirs.arxiv_id}",
                    try_="name the record that is to be joined by its own link or DOI",
                )
            rows = [entries.rows_of(tx, entry.id) for entry in (mine, theirs)]
            likeness.set_together(tx, rows[0], rows[1])
            change = joined(mine, theirs)
            keep(tx, [change], now=now, why="the operator joined them")
            return Joined(id=change.after.work, title=change.after.title, aliases=change.after.aliases)

    def split(self, typed: str) -> Split:
        """Takes what a name stands for out of the work it was joined to; both stay apart from now on.

        Raises NotFound, and UsageError where the name does not say what to take out.
        """
        now = self.clock()
        with self.store.transaction() as tx:
            entries.lock(tx)
            whole = find_entry(tx, typed)
            alias = alias_of(typed) or Alias(typed.strip().lower())
            parts = parting.parts(tx, whole.id)
            meant = [p for p in parts if alias in p.aliases or p.work == alias]
            if not meant and len(parts) == 1 and len(parts) + 1 >= len(whole.sightings):
                meant = list(parts)
            if meant:
                out = min(meant, key=lambda p: (len(p.aliases), p.entry_id)).entry_id
                parting.take_out(tx, out, whole.id, now=now)
            else:
                out = self._take_new(tx, whole, alias, parts)
            for row in (whole.id, out):
                entries.revise(tx, renamed(entries.load(tx, [row])[0]))
            kept, taken = (_named(entries.load(tx, [row])[0]) for row in (whole.id, out))
        return Split(kept=kept, out=taken)

    def _take_new(self, tx: Tx, whole: Entry, alias: Alias, parts: Sequence[parting.Part]) -> EntryId:
        """For a record that never had a row of its own: a source's item that was taken for this work."""
        mine = [seen for seen in whole.sightings if alias in _names(seen)]
        others = [seen for seen in whole.sightings if seen not in mine]
        left = {name for seen in others for name in _names(seen)}
        names = {alias, *(name for seen in mine for name in _names(seen))} - left
        staying = [name for name in whole.aliases if name not in names]
        if not mine or not others or not staying or alias not in names:
            known = [*(part.work for part in parts), *(seen.url or seen.key for seen in whole.sightings)]
            raise UsageError(
                "the name does not say what to take out of the work",
                where=f"{alias}, {whole.work}",
                try_=f"name one of what it was made of: {', '.join(dict.fromkeys(known))}",
            )
        ordered = tuple(sorted(names))
        return parting.take_new(
            tx,
            whole.id,
            names=ordered,
            sources={seen.source_id for seen in mine},
            work=work_id(ordered, whole.title),
            url=mine[0].url,
            now=self.clock(),
        )


def _names(seen: Sighting) -> tuple[Alias, ...]:
    return strong_aliases(EntryData(key=seen.key, title="", url=seen.url))


def _named(entry: Entry) -> Named:
    return Named(id=entry.work, title=entry.title, url=entry.url)
