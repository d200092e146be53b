"""Lines of a file of observations -> what they say, and which of them are one work.

Takes parsed JSON objects; gives ``Observation`` (one entry as seen once) and ``works`` (observations grouped into
works). How texts are cleaned and which aliases an entry has is told by ``Identity``: stage 2 owns that. Unknown keys
are ignored, missing ones are null, a wrong type is named with its line.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Protocol, cast

from digest.model.errors import InputError
from digest.model.feeds import Alias, EntryData


class Words(Protocol):
    """A record's title, abstract and names, made ready to be compared."""

    @property
    def bands(self) -> tuple[int, ...]:
        """Records that share none of these numbers are not compared."""
        ...

    def sameness(self, other: Any) -> float:
        """How surely both are one work; 0 where that is not sure enough."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What stage 2 knows of one entry's text and names.

    clean(data) puts texts right and finds ids in key, url and doi; aliases(data) and words(data) of a cleaned one;
    agree(arxiv_ids, dois) tells whether records with these ids may be one work.
    """

    clean: Callable[[EntryData], EntryData]
    aliases: Callable[[EntryData], tuple[Alias, ...]]
    words: Callable[[EntryData], Words]
    agree: Callable[[frozenset[str], frozenset[str]], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One parsed line of a file; ``number`` counts from 1, as an editor shows it."""

    number: int
    says: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What a line says. ``id`` is verbatim; ``whole`` is False where no title was given."""

    id: str
    source: str
    observed_at: datetime | None
    data: EntryData
    aliases: tuple[Alias, ...]
    whole: bool


def read_lines(text: Iterable[str], *, name: str) -> tuple[Line, ...]:
    """The objects of a JSON Lines document; empty lines are skipped. Raises InputError with the line's number."""
    lines: list[Line] = []
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _wrong(name, number, f"is not JSON ({error})") from error
        if not isinstance(value, dict):
            raise _wrong(name, number, "is not a JSON object")
        lines.append(Line(number=number, says=cast("dict[str, object]", value)))
    return tuple(lines)


def observation(line: Line, identity: Identity, *, name: str) -> Observation:
    """One parsed line. Raises InputError with file, line and key where a value is not of its type."""
    read = _Reader(line, name)
    id_ = read.text("id")
    if not id_:
        raise _wrong(name, read.number, "has no id")
    title = read.text("title")
    said = EntryData(
        key=id_,
        title=title or id_,
        url=read.text("url"),
        doi=read.text("doi") or None,
        abstract=read.text("abstract"),
        authors=read.texts("authors"),
        institutions=read.texts("institutions") + tuple(t for t in (read.text("organization"),) if t),
        categories=read.texts("categories"),
        published_at=read.instant("published_at"),
        submitted_at=read.instant("submitted_at"),
        upvotes=read.count("upvotes"),
        comments=read.count("comments"),
        comment=read.text("comment"),
        code_url=read.text("code_url"),
        stars=read.count("stars"),
    )
    data = _cleaned(said, identity, name=name, number=read.number)
    return Observation(
        id=id_,
        source=read.text("source"),
        observed_at=read.instant("observed_at"),
        data=data,
        aliases=identity.aliases(data),
        whole=bool(title),
    )


def _cleaned(said: EntryData, identity: Identity, *, name: str, number: int) -> EntryData:
    """A title of which nothing is left gives way to the id: a file's line is ranked, however little it says."""
    try:
        return identity.clean(said)
    except InputError:
        try:
            return identity.clean(replace(said, title=said.key))
        except InputError as error:
            raise _wrong(name, number, f"cannot be read: {error.what}") from error


def works(observations: Sequence[Observation], identity: Identity) -> tuple[tuple[Observation, ...], ...]:
    """Observations of one work together, in the order of each work's first.

    One work are: equal ids, a common alias, or words that say so, unless that would join two different arXiv ids.
    Which of several joins comes first goes by what the lines say, so the order of the file does not matter.
    """
    groups = _Groups(observations)
    _join_by_names(observations, groups)
    _join_by_words(observations, groups, identity)
    members: dict[int, list[Observation]] = defaultdict(list)
    for place, seen in enumerate(observations):
        members[groups.root(place)].append(seen)
    return tuple(tuple(group) for group in members.values())


def _join_by_names(observations: Sequence[Observation], groups: _Groups) -> None:
    named: dict[str, list[int]] = defaultdict(list)
    for place, seen in enumerate(observations):
        for name in (f"id:{seen.id}", *(f"alias:{alias}" for alias in seen.aliases)):
            named[name].append(place)
    shared = [(not name.startswith(("id:", "alias:arxiv:")), name) for name, places in named.items() if len(places) > 1]
    for _, name in sorted(shared):
        places = sorted(named[name], key=lambda place: _said(observations[place]))
        holders: list[int] = []
        for place in places:
            holder = next((one for one in holders if groups.may_join(one, place)), None)
            if holder is None:
                holders.append(place)
            else:
                groups.join(holder, place)


#: Words that more works share than this are nobody's.
_COMMON = 50


def _join_by_words(observations: Sequence[Observation], groups: _Groups, identity: Identity) -> None:
    """Compares each work without an arXiv id with those that share a band; arXiv papers are told apart by their ids."""
    said: dict[int, dict[object, int]] = defaultdict(dict)
    for place, seen in enumerate(observations):
        if seen.whole:
            key = (seen.data.title, seen.data.abstract, seen.data.authors)
            said[groups.root(place)].setdefault(key, place)
    if all(groups.arxiv_ids(root) for root in said):
        return
    words: dict[int, Words] = {}
    bands: dict[int, list[int]] = defaultdict(list)
    for places in said.values():
        for place in places.values():
            words[place] = identity.words(observations[place].data)
            for band in words[place].bands:
                bands[band].append(place)
    found: dict[tuple[int, int], float] = {}
    for sharing in bands.values():
        if len(sharing) == 1 or len({groups.root(place) for place in sharing}) > _COMMON:
            continue
        for pair in combinations(sharing, 2):
            one, other = pair
            told = groups.arxiv_ids(one) and groups.arxiv_ids(other)
            if pair not in found and not told and groups.root(one) != groups.root(other):
                found[pair] = words[one].sameness(words[other])
    sure = sorted(
        (-strength, *sorted((_said(observations[one]), _said(observations[other]))), one, other)
        for (one, other), strength in found.items()
        if strength
    )
    for *_, one, other in sure:
        if groups.may_join(one, other) and identity.agree(*groups.ids(one, other)):
            groups.join(one, other)


def _said(seen: Observation) -> tuple[bool, str, str]:
    return (seen.data.arxiv_id is None, seen.id, seen.source)


class _Groups:
    """Disjoint sets of places (union-find) and the ids of each; the smallest place is a set's root."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._parent = list(range(len(observations)))
        self._arxiv = [frozenset(filter(None, (seen.data.arxiv_id,))) for seen in observations]
        self._dois = [frozenset(filter(None, (seen.data.doi,))) for seen in observations]

    def root(self, place: int) -> int:
        while self._parent[place] != place:
            self._parent[place] = self._parent[self._parent[place]]
            place = self._parent[place]
        return place

    def arxiv_ids(self, place: int) -> frozenset[str]:
        return self._arxiv[self.root(place)]

    def ids(self, one: int, other: int) -> tuple[frozenset[str], frozenset[str]]:
        """(arXiv ids, DOIs) that both sets have together."""
        mine, theirs = self.root(one), self.root(other)
        return self._arxiv[mine] | self._arxiv[theirs], self._dois[mine] | self._dois[theirs]

    def may_join(self, one: int, other: int) -> bool:
        """Whether together they have one arXiv id at most."""
        return len(self.arxiv_ids(one) | self.arxiv_ids(other)) <= 1

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self._arxiv[low], self._dois[low] = self.ids(one, other)
        self._parent[high] = low


def merged(observations: Sequence[Observation]) -> EntryData:
    """What a work's observations say together: the newest word on each field, silence erases nothing."""
    newest_first = sorted(observations, key=lambda seen: (_age_key(seen), seen.source, seen.id, repr(seen.data)))
    result = next((seen.data for seen in newest_first if seen.whole), newest_first[0].data)
    fields = ("url", "doi", "abstract", "authors", "institutions", "categories", "arxiv_id", "version")
    for field in (*fields, "comments", "comment", "code_url", "stars", "pdf_url", "project_url", "language"):
        value = next((said for seen in newest_first if (said := getattr(seen.data, field)) not in ("", (), None)), None)
        if value is not None:
            result = replace(result, **{field: value})
    published = [seen.data.published_at for seen in observations if seen.data.published_at]
    submitted = [seen.data.submitted_at for seen in observations if seen.data.submitted_at]
    return replace(
        result,
        published_at=min(published, default=None),
        submitted_at=min(submitted, default=None),
    )


def _age_key(seen: Observation) -> float:
    return -seen.observed_at.timestamp() if seen.observed_at else 0.0


class _Reader:
    """Typed access to one line."""

    def __init__(self, line: Line, name: str) -> None:
        self._line = line.says
        self._name = name
        self.number = line.number

    def text(self, key: str) -> str:
        value = self._line.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._line.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._wrong(key, "a list of texts", value)
        listed = cast("list[object]", value)
        for one in listed:
            if not isinstance(one, str):
                raise self._wrong(key, "a list of texts", one)
        return tuple(one for one in listed if isinstance(one, str) and one.strip())

    def count(self, key: str) -> int | None:
        value = self._line.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
            raise self._wrong(key, "a whole number", value)
        return int(value)

    def instant(self, key: str) -> datetime | None:
        """ISO 8601; without a zone it is UTC."""
        value = self.text(key)
        if not value:
            return None
        try:
            read = datetime.fromisoformat(value)
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._wrong(key, "an ISO 8601 instant", value) from error

    def _wrong(self, key: str, wanted: str, value: object) -> InputError:
        return _wrong(self._name, self.number, f"has {key} = {json.dumps(value)[:80]}, which is not {wanted}")


def _wrong(name: str, number: int, what: str) -> InputError:
    return InputError(f"line {number} {what}", where=f"{name}, line {number}", try_="correct the line or remove it")
