"""Lines of an archive -> what was known of its papers at any instant of its time.

An archive is what a store would have seen: lines as ``digest rank`` reads them, each with its ``observed_at``; several
lines of one id are later observations. ``Archive.at`` shows papers as they stood, ``Archive.evidence`` what was known
beside them, by the same functions as ``digest rank`` uses; nothing observed later takes part in either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from digest.model.errors import InputError
from digest.model.feeds import Entry, EntryData, EntryId, SourceId, VoteObservation
from digest.model.names import institution_key, person_key
from digest.model.past import FINAL_AGE, Seen
from digest.model.ranking import Evidence
from digest.ranking.observations import Identity, Line, Observation, observation, works
from digest.ranking.pool import tie_break
from digest.ranking.prior.fit import Example
from digest.ranking.prior.records import author_records, institution_records
from digest.ranking.rank_file import entry_of

#: As many as a ranking reads from the store.
EARLIER = 1000


def sighted(line: Line, identity: Identity, *, name: str) -> Observation:
    """One line of an archive. Raises InputError, with file and line, also where it does not say when it was seen."""
    seen = observation(line, identity, name=name)
    if seen.observed_at is None:
        raise InputError(
            f"line {line.number} has no observed_at",
            where=f"{name}, line {line.number}",
            try_="say when each line was observed: only so its time can be replayed",
        )
    return seen


class Archive:
    """Everything an archive holds, by work. Works of which no line has a title are left out."""

    def __init__(self, observations: Sequence[Observation], identity: Identity, *, where: str = "archive") -> None:
        self.where = where
        groups = [_Work(group) for group in works(observations, identity) if any(one.whole for one in group)]
        self._works = sorted(groups, key=lambda one: (one.at(0), tie_break(one.whole.work)))
        self._identity = identity
        self._of_author: dict[str, list[int]] = defaultdict(list)
        self._of_house: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self._works):
            for key in set(map(person_key, one.whole.authors)):
                self._of_author[key].append(number)
            for key in set(map(institution_key, one.whole.institutions)):
                self._of_house[key].append(number)

    @property
    def last_at(self) -> datetime:
        """Its newest observation. Raises InputError for an archive without works."""
        if not self._works:
            raise InputError(
                "no paper is in it", where=self.where, try_="name a folder with lines that have id and title"
            )
        return max(one.at(-1) for one in self._works)

    def seen(self, sources: Collection[str] = ()) -> tuple[Seen, ...]:
        """Every paper that one of these sources carried (all sources when none is named), in the order of time."""
        found: list[Seen] = []
        for number, one in enumerate(self._works):
            ours = [said for said in one.said if not sources or said.source in sources]
            if ours:
                listed = next((said.observed_at for said in ours if said.data.upvotes is None and said.whole), None)
                voted = one.votes[0].at if one.votes else None
                first = max(_when(ours[0]), one.whole_at)
                found.append(Seen(number=number, first_at=first, listed_at=listed, voted_at=voted, final=one.final))
        return tuple(found)

    def at(self, numbers: Iterable[int], now: datetime) -> tuple[Entry, ...]:
        """These papers as they stood at an instant, their numbers as ids; those not yet seen then are left out."""
        found = ((number, self._works[number].entry(now)) for number in numbers)
        return tuple(replace(entry, id=EntryId(number)) for number, entry in found if entry is not None)

    def evidence(self, papers: Sequence[Entry], now: datetime, *, keep: Collection[str] = ()) -> Evidence:
        """What was known at an instant beside these papers, as ``at`` gave them; they do not count for themselves.

        ``keep`` are works that somebody liked: they are in the history however old they are.
        """
        candidates = frozenset(int(paper.id) for paper in papers)
        relatives: set[int] = set()
        for paper in papers:
            for name in paper.authors:
                relatives.update(self._of_author.get(person_key(name), ()))
            for name in paper.institutions:
                relatives.update(self._of_house.get(institution_key(name), ()))
        known = [
            one.counted(now)
            for number in sorted(relatives - candidates)
            if (one := self._works[number]).whole_at <= now
        ]
        return Evidence(
            history=tuple(self._history(candidates, now, frozenset(keep))),
            authors=author_records(known),
            institutions=institution_records(known),
        )

    def named(self, names: Iterable[str]) -> Mapping[str, str]:
        """The work of each id, link or DOI that the archive knows."""
        by_name = {alias: one.whole.work for one in self._works for alias in one.whole.aliases}
        by_name |= {said.id: one.whole.work for one in self._works for said in one.said}
        found: dict[str, str] = {}
        for name in names:
            forms = (name, *self._identity.aliases(EntryData(key=name, title=name, url=name)))
            found.update((name, by_name[form]) for form in forms[::-1] if form in by_name)
        return found

    def examples(self, since: datetime | None = None) -> Iterator[Example]:
        """Every paper first seen since an instant, with what became of it: what a prior is fitted on."""
        for one in self._works:
            if since is None or one.at(0) >= since:
                yield one.example()

    def _history(self, candidates: frozenset[int], now: datetime, keep: frozenset[str]) -> Iterator[Entry]:
        earlier = [number for number, one in enumerate(self._works) if number not in candidates and one.whole_at <= now]
        for number in earlier[:-EARLIER]:
            if self._works[number].whole.work in keep:
                yield self._works[number].whole
        yield from (self._works[number].whole for number in earlier[-EARLIER:])


class _Work:
    """One paper's observations, the oldest first."""

    def __init__(self, group: Sequence[Observation]) -> None:
        self.said = sorted(group, key=lambda one: (_when(one), one.source, one.id, not one.whole))
        self.whole_at = next(_when(one) for one in self.said if one.whole)
        first = entry_of([one for one in self.said if _when(one) <= self.whole_at], self.said, self.whole_at)
        #: As it was first described, without votes: what it is to others.
        self.whole = replace(first, votes=())
        self.votes = tuple(
            VoteObservation(source_id=SourceId(one.source), at=_when(one), upvotes=one.data.upvotes)
            for one in self.said
            if one.data.upvotes is not None
        )
        self.final = self._final()

    def at(self, place: int) -> datetime:
        return _when(self.said[place])

    def entry(self, now: datetime) -> Entry | None:
        """As it stood at an instant; None where nothing was known of it but a count."""
        if self.whole_at > now:
            return None
        return entry_of([one for one in self.said if _when(one) <= now], self.said, now)

    def counted(self, now: datetime) -> Entry:
        """As it was first described, with its newest votes."""
        newest: dict[str, VoteObservation] = {}
        for vote in self.votes:
            if vote.at > now:
                break
            newest[vote.source_id] = vote
        return replace(self.whole, votes=tuple(newest.values()))

    def example(self) -> Example:
        voted = self.votes[0].at if self.votes else None
        listed = next((_when(one) for one in self.said if one.data.upvotes is None and one.whole), None)
        entry = self.entry(max(voted, self.whole_at)) if voted else self.whole
        assert entry is not None  # whole_at has passed then
        # A source's list is read at once, so the first line of a listing tells all that its source says.
        alone = [one for one in self.said if one.data.upvotes is None and _when(one) == listed]
        return Example(
            entry=replace(entry, votes=()),
            votes=self.votes,
            listed=entry_of(alone, self.said, listed) if listed else None,
        )

    def _final(self) -> int | None:
        since = self.whole.submitted_at or self.whole.published_at or self.whole.first_seen_at
        late = [(vote.at, vote.upvotes) for vote in self.votes if vote.at - since >= FINAL_AGE]
        return max(0, max(late)[1]) if late else None


def _when(one: Observation) -> datetime:
    assert one.observed_at is not None  # sighted() refuses others
    return one.observed_at
