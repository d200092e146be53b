"""Which items of a feed and which held entries are one work: first by their aliases, then by their words.

Takes items one by one with their aliases, and what the store found for them; gives works. Part of diff.py, which makes
changes of them. Joins go by strength, not by order, and go on until nothing more follows: the same feed seen again
proves nothing new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from digest.entries import identity, near
from digest.model.feeds import Alias, Entry, EntryData, EntryId, Resemblance

#: Words that more works share than this are nobody's.
COMMON = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What the store found of a feed's aliases, title keys and bands."""

    by_alias: Mapping[Alias, Entry] = field(default_factory=dict[Alias, Entry])
    by_title: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict[str, tuple[Entry, ...]])
    by_band: Mapping[int, tuple[Entry, ...]] = field(default_factory=dict[int, tuple[Entry, ...]])
    apart: frozenset[tuple[EntryId, EntryId]] = frozenset()
    """Pairs that are never joined, the smaller first."""


@dataclass(slots=True, eq=False)
class Work:
    """What is one work so far: held entries and items of this feed."""

    held: list[Entry] = field(default_factory=list[Entry])
    items: dict[int, EntryData] = field(default_factory=dict[int, EntryData])
    """By their place in the feed."""
    aliases: dict[Alias, None] = field(default_factory=dict[Alias, None])
    arxiv: str | None = None
    merged_into: Work | None = None
    _views: tuple[near.Text, ...] | None = None

    def root(self) -> Work:
        work = self
        while work.merged_into is not None:
            work = work.merged_into
        return work

    def take(self, other: Work) -> None:
        self.held += other.held
        self.items |= other.items
        self.aliases |= other.aliases
        self.arxiv = self.arxiv or other.arxiv
        self._views = None
        other.merged_into = self

    @property
    def dois(self) -> frozenset[str]:
        return frozenset(a.removeprefix("doi:") for a in self.aliases if a.startswith("doi:"))

    def views(self) -> tuple[near.Text, ...]:
        """The work as each of its records tells it; what one leaves out, another fills in."""
        if self._views is None:
            records = [*self.held, *self.items.values()]
            authors = {identity.author_key(name): name for record in records for name in record.authors}
            abstract = next((record.abstract for record in records if record.abstract), "")
            said = dict.fromkeys((record.title, record.abstract or abstract) for record in records)
            self._views = tuple(
                near.Text(title, text, tuple(authors.values()), arxiv_id=self.arxiv, dois=self.dois)
                for title, text in said
            )
        return self._views


class Works:
    """Works by alias and by words, held ones drawn in as they are met."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._owners: dict[Alias, Work] = {}
        self._entries: dict[EntryId, Work] = {}
        self._all: list[Work] = []
        self._alike: dict[str | int, Work] = {}
        self._others: dict[str | int, list[Work]] = defaultdict(list)
        """Those with a word that one came with before."""
        self._judged: dict[tuple[near.Text, near.Text], near.Likeness] = {}

    def works(self) -> list[Work]:
        """The works of this feed, in its order."""
        return sorted((w for w in self._all if w.merged_into is None and w.items), key=lambda w: min(w.items))

    def place(self, data: EntryData, names: tuple[Alias, ...]) -> None:
        """Join the item to every work that has one of its names; where two of these quarrel, to the first."""
        work = Work(items={len(self._all): data}, arxiv=identity.arxiv_of(names))
        self._all.append(work)
        for other in [owner for alias in names if (owner := self._owner(alias))]:
            other = other.root()
            if other is not work and self._may_join(other, work):
                other.take(work)
                work = other
        for alias in names:
            if self._owner(alias) is None:
                self._owners[alias] = work
                work.aliases[alias] = None
        work.arxiv = work.arxiv or identity.arxiv_of(names)
        for key in (identity.title_key(data.title), *near.bands_of(data.title, data.abstract)):
            if key and self._alike.setdefault(key, work) is not work:
                self._others[key].append(work)

    def settle(self) -> None:
        """Join what words prove, the surest first."""
        while sure := [
            (-judged.title_ratio - judged.overlap, n, one, other)
            for n, (one, other, judged) in enumerate(self._pairs())
            if judged.answer is near.Answer.SAME
        ]:
            joined = False
            for *_, one, other in sorted(sure, key=lambda found: found[:2]):
                one, other = one.root(), other.root()
                if one is not other and self._may_join(one, other) and _ids_agree(one, other):
                    one.take(other)
                    joined = True
            if not joined:
                return

    def likely(self) -> Mapping[int, list[Resemblance]]:
        """By ``id`` of a work of this feed: what it is possibly the same as."""
        found: dict[int, list[Resemblance]] = defaultdict(list)
        for one, other, judged in self._pairs():
            if judged.answer is near.Answer.DIFFERENT or self._told_apart(one, other):
                continue
            # Told once: by the one that this feed brought, or the later one.
            work, like = (one, other) if one.items else (other, one)
            alias = next(iter(like.aliases))
            found[id(work)].append(Resemblance(alias=alias, title_ratio=judged.title_ratio, overlap=judged.overlap))
        return found

    def _pairs(self) -> Iterable[tuple[Work, Work, near.Likeness]]:
        """Works with like words and the likeness of their likest records, each pair once; one is of this feed."""
        met: set[tuple[int, int]] = set()
        # Most words are one work's own.
        shared = self._others.keys() | self._held.by_title.keys() | self._held.by_band.keys()
        for key, first in [(key, first) for key, first in self._alike.items() if key in shared]:
            found = [first, *self._others.get(key, ())]
            known = [work.root() for work in found] + [self._drawn_in(entry) for entry in self._of_store(key)]
            works = list(dict.fromkeys(known))
            if len(works) > COMMON:
                continue
            for one, other in combinations(works, 2):
                pair = (min(id(one), id(other)), max(id(one), id(other)))
                if pair not in met and (one.items or other.items):
                    met.add(pair)
                    yield one, other, self._likest(one, other)

    def _likest(self, one: Work, other: Work) -> near.Likeness:
        return max(
            (self._judge(mine, theirs) for mine in one.views() for theirs in other.views()),
            key=lambda judged: (_SURENESS[judged.answer], judged.title_ratio + judged.overlap),
        )

    def _judge(self, one: near.Text, other: near.Text) -> near.Likeness:
        pair = (one, other)
        if pair not in self._judged:
            self._judged[pair] = near.compare(one, other)
        return self._judged[pair]

    def _of_store(self, key: str | int) -> tuple[Entry, ...]:
        return self._held.by_title.get(key, ()) if isinstance(key, str) else self._held.by_band.get(key, ())

    def _may_join(self, one: Work, other: Work) -> bool:
        return (one.arxiv is None or other.arxiv is None or one.arxiv == other.arxiv) and not self._told_apart(
            one, other
        )

    def _told_apart(self, one: Work, other: Work) -> bool:
        return bool(self._held.apart) and any(
            (min(mine.id, theirs.id), max(mine.id, theirs.id)) in self._held.apart
            for mine in one.held
            for theirs in other.held
        )

    def _owner(self, alias: Alias) -> Work | None:
        if alias not in self._owners and (entry := self._held.by_alias.get(alias)):
            self._owners[alias] = self._drawn_in(entry)
        owner = self._owners.get(alias)
        return owner.root() if owner else None

    def _drawn_in(self, entry: Entry) -> Work:
        if entry.id not in self._entries:
            work = Work(
                held=[entry],
                aliases=dict.fromkeys(entry.aliases),
                arxiv=entry.arxiv_id or identity.arxiv_of(entry.aliases),
            )
            self._entries[entry.id] = work
            self._all.append(work)
            for alias in entry.aliases:
                self._owners.setdefault(alias, work)
        return self._entries[entry.id].root()


_SURENESS = {near.Answer.SAME: 2, near.Answer.POSSIBLY: 1, near.Answer.DIFFERENT: 0}


def _ids_agree(one: Work, other: Work) -> bool:
    arxiv = frozenset(filter(None, (one.arxiv, other.arxiv)))
    return near.ids_agree(arxiv, one.dois | other.dois)
