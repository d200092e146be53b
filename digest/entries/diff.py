"""What a feed says against what we hold: new, revised or unchanged (stage 2, second half).

Takes normalised entries and what the store found for ``keys(entries)`` and ``bands(entries, …)``; gives one EntryChange
a work, in feed order. Pure. The laws: a shared alias makes one work, then words that are sure enough do (near.py); two
different arXiv ids are never one work, whatever they share (the alias they quarrel about stays with its holder), and
neither are two that somebody told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from digest.entries import identity, merge, near
from digest.entries.works import Held, Work, Works
from digest.model.feeds import Alias, ChangeKind, Entry, EntryChange, EntryData, ParsedFeed, Source

#: A link that so many different items of one feed share is the feed's, not theirs.
_FEED_WIDE = 3


def keys(entries: Sequence[EntryData]) -> tuple[tuple[Alias, ...], tuple[str, ...]]:
    """The aliases and title keys to ask the store for before :func:`diff`."""
    aliases = dict.fromkeys(a for names in _feed_aliases(entries) for a in names)
    titles = dict.fromkeys(k for e in entries if (k := identity.title_key(e.title)))
    return tuple(aliases), tuple(titles)


def bands(entries: Sequence[EntryData], by_alias: Mapping[Alias, Entry]) -> tuple[int, ...]:
    """The bands to ask the store for; what is held under its alias with the same words was compared before."""
    found: dict[int, None] = {}
    for data, names in zip(entries, _feed_aliases(entries), strict=True):
        held = [by_alias[name] for name in names if name in by_alias]
        if not any(one.title == data.title and one.abstract == data.abstract for one in held):
            found |= dict.fromkeys(near.bands_of(data.title, data.abstract))
    return tuple(found)


def bands_of(entry: Entry) -> tuple[int, ...]:
    """The bands under which a held entry is found from now on."""
    return near.bands_of(entry.title, entry.abstract)


def diff(
    feed: ParsedFeed | Sequence[EntryData], held: Held, *, source: Source, now: datetime, backfill: bool
) -> tuple[EntryChange, ...]:
    """One change for every work in the feed.

    ``backfill`` is a source's first fetch or one of the past: new entries then get their own date as first_seen_at.
    """
    entries = feed.entries if isinstance(feed, ParsedFeed) else tuple(feed)
    table = Works(held)
    for data, names in zip(entries, _feed_aliases(entries), strict=True):
        table.place(data, names)
    table.settle()
    changes = {id(work): _change(work, source, now, backfill=backfill) for work in table.works()}
    likely = table.likely()
    return tuple(
        replace(change, resembles=tuple(likely[work])) if work in likely else change for work, change in changes.items()
    )


def joined(one: Entry, other: Entry) -> EntryChange:
    """The change that makes one work of two held ones, under the older."""
    before, gone = sorted((one, other), key=lambda e: (e.first_seen_at, e.id))
    after = renamed(merge.absorbing(before, [gone]))
    return EntryChange(
        kind=ChangeKind.REVISED,
        before=before,
        after=after,
        absorbed=(gone.id,),
        sighting=after.sightings[0],
        fields=merge.revised_fields(before, after),
    )


def renamed(entry: Entry) -> Entry:
    """``entry`` with the names that follow from its aliases and title."""
    names = _ordered(entry.aliases)
    arxiv_id = identity.arxiv_of(names)
    return replace(
        entry,
        aliases=names,
        title_key=identity.title_key(entry.title),
        arxiv_id=arxiv_id,
        version=entry.version if arxiv_id else None,
        doi=entry.doi if f"doi:{entry.doi}" in names else None,
        work=identity.work_id(names, entry.title, entry.authors[0] if entry.authors else ""),
    )


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


def _change(work: Work, source: Source, now: datetime, *, backfill: bool) -> EntryChange:
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
