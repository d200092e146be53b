"""What a feed says against what we hold: new, revised or unchanged (stage 2, second half).

Takes normalised entries and what the store found for ``keys(entries)``; gives one EntryChange a work, in feed order.
Pure. The laws: a shared alias makes one work; an equal title of four words or more needs a common author; two different
arXiv ids are never one work, whatever they share (the alias they quarrel about stays with its holder).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations

from digest.entries import identity, merge
from digest.model.feeds import Alias, ChangeKind, Entry, EntryChange, EntryData, EntryId, ParsedFeed, Source

#: A link that so many different items of one feed share is the feed's, not theirs.
_FEED_WIDE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What the store found of a feed's aliases and title keys."""

    by_alias: Mapping[Alias, Entry] = field(default_factory=dict[Alias, Entry])
    by_title: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict[str, tuple[Entry, ...]])


def keys(entries: Sequence[EntryData]) -> tuple[tuple[Alias, ...], tuple[str, ...]]:
    """The aliases and title keys to ask the store for before :func:`diff`."""
    aliases = dict.fromkeys(a for names in _feed_aliases(entries) for a in names)
    titles = dict.fromkeys(k for e in entries if (k := identity.title_key(e.title)))
    return tuple(aliases), tuple(titles)


def diff(
    feed: ParsedFeed | Sequence[EntryData], held: Held, *, source: Source, now: datetime, backfill: bool
) -> tuple[EntryChange, ...]:
    """One change for every work in the feed.

    ``backfill`` is a source's first fetch or one of the past: new entries then get their own date as first_seen_at.
    """
    entries = feed.entries if isinstance(feed, ParsedFeed) else tuple(feed)
    table = _Table(held)
    for data, names in zip(entries, _feed_aliases(entries), strict=True):
        table.place(data, names)
    return tuple(_change(work, source, now, backfill=backfill) for work in table.works())


def _feed_aliases(entries: Sequence[EntryData]) -> list[tuple[Alias, ...]]:
    """Each entry's aliases, without links that the whole feed shares."""
    titles: dict[Alias, set[tuple[str, str]]] = {}
    found = [identity.strong_aliases(e) for e in entries]
    for data, names in zip(entries, found, strict=True):
        for alias in names:
            if alias.startswith("url:"):
                titles.setdefault(alias, set()).add((data.key, identity.folded(data.title)))
    shared = {a for a, seen in titles.items() if all(len(set(said)) >= _FEED_WIDE for said in zip(*seen, strict=True))}
    return [
        tuple(a for a in names if a not in shared) or (identity.key_alias(data),)
        for data, names in zip(entries, found, strict=True)
    ]


@dataclass(slots=True, eq=False)
class _Work:
    """What is one work so far: held entries and items of this feed."""

    held: list[Entry] = field(default_factory=list[Entry])
    items: dict[int, EntryData] = field(default_factory=dict[int, EntryData])
    """By their place in the feed."""
    aliases: dict[Alias, None] = field(default_factory=dict[Alias, None])
    authors: list[str] = field(default_factory=list[str])
    arxiv: str | None = None
    merged_into: _Work | None = None

    def root(self) -> _Work:
        work = self
        while work.merged_into is not None:
            work = work.merged_into
        return work

    def agrees(self, arxiv: str | None) -> bool:
        return self.arxiv is None or arxiv is None or self.arxiv == arxiv

    def take(self, other: _Work) -> None:
        self.held += other.held
        self.items |= other.items
        self.aliases |= other.aliases
        self.authors += other.authors
        self.arxiv = self.arxiv or other.arxiv
        other.merged_into = self


class _Table:
    """Works by alias and by title, held ones drawn in as they are met."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.owners: dict[Alias, _Work] = {}
        self.titles: dict[str, list[_Work]] = {}
        self.entries: dict[EntryId, _Work] = {}
        self.all: list[_Work] = []

    def works(self) -> list[_Work]:
        self._settle()
        return sorted((w for w in self.all if w.merged_into is None and w.items), key=lambda w: min(w.items))

    def place(self, data: EntryData, names: tuple[Alias, ...]) -> None:
        """Join the item to every work that it proves itself to be; where two of these quarrel, to the first."""
        title = identity.title_key(data.title)
        work = _Work(items={len(self.all): data}, authors=list(data.authors), arxiv=identity.arxiv_of(names))
        self.all.append(work)
        for other in [*self._by_alias(names), *self._by_title(title, data)]:
            other = other.root()
            if other is not work and other.agrees(work.arxiv):
                other.take(work)
                work = other
        for alias in names:
            if self._owner(alias) is None:
                self.owners[alias] = work
                work.aliases[alias] = None
        work.arxiv = work.arxiv or identity.arxiv_of(names)
        if title:
            self.titles.setdefault(title, []).append(work)

    def _settle(self) -> None:
        """Join what equal titles prove once all items are placed, so that the feed seen again proves nothing more."""
        settled = False
        while not settled:
            settled = True
            for title, found in self.titles.items():
                known = [w.root() for w in found] + [self._drawn_in(e) for e in self.held.by_title.get(title, ())]
                for one, other in combinations(dict.fromkeys(known), 2):
                    one, other = one.root(), other.root()
                    if (
                        one is not other
                        and one.agrees(other.arxiv)
                        and identity.share_author(one.authors, other.authors)
                    ):
                        one.take(other)
                        settled = False

    def _owner(self, alias: Alias) -> _Work | None:
        if alias not in self.owners and (entry := self.held.by_alias.get(alias)):
            self.owners[alias] = self._drawn_in(entry)
        owner = self.owners.get(alias)
        return owner.root() if owner else None

    def _by_alias(self, names: Iterable[Alias]) -> list[_Work]:
        return [owner for alias in names if (owner := self._owner(alias))]

    def _by_title(self, title: str, data: EntryData) -> list[_Work]:
        if not title:
            return []
        known = [w.root() for w in self.titles.get(title, ())]
        known += [self._drawn_in(e) for e in self.held.by_title.get(title, ())]
        return [w for w in known if identity.share_author(w.authors, data.authors)]

    def _drawn_in(self, entry: Entry) -> _Work:
        if entry.id not in self.entries:
            work = _Work(
                held=[entry],
                aliases=dict.fromkeys(entry.aliases),
                authors=list(entry.authors),
                arxiv=entry.arxiv_id or identity.arxiv_of(entry.aliases),
            )
            self.entries[entry.id] = work
            self.all.append(work)
            for alias in entry.aliases:
                self.owners.setdefault(alias, work)
        return self.entries[entry.id].root()


def _change(work: _Work, source: Source, now: datetime, *, backfill: bool) -> EntryChange:
    data = merge.combined([work.items[n] for n in sorted(work.items)])
    observed = merge.observation(data, source, now)
    if not work.held:
        entry = merge.new_entry(data, _ordered(work.aliases), source, now, backfill=backfill)
        return EntryChange(
            kind=ChangeKind.NEW,
            before=None,
            after=entry,
            aliases=entry.aliases,
            observation=observed,
            sighting=entry.sightings[0],
        )
    before, *others = sorted(work.held, key=lambda e: (e.first_seen_at, e.id))
    whole = merge.absorbing(before, others)
    after = merge.updated(whole, data, source, now)
    names = tuple(dict.fromkeys((*whole.aliases, *_ordered(work.aliases))))
    after = replace(
        after,
        aliases=names,
        title_key=identity.title_key(after.title),
        arxiv_id=after.arxiv_id or identity.arxiv_of(names),
        work=identity.work_id(names, after.title, after.authors[0] if after.authors else ""),
    )
    fields = merge.revised_fields(before, after)
    return EntryChange(
        kind=ChangeKind.REVISED if fields else ChangeKind.UNCHANGED,
        before=before,
        after=after,
        aliases=tuple(a for a in names if a not in whole.aliases),
        absorbed=tuple(e.id for e in others),
        observation=observed,
        sighting=merge.sighting(whole, source, data, now),
        fields=fields,
    )


def _ordered(names: Iterable[Alias]) -> tuple[Alias, ...]:
    rank = {"arxiv": 0, "doi": 1, "url": 2}
    return tuple(sorted(names, key=lambda a: rank.get(a.partition(":")[0], 3)))
