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
from typing import cast

from digest.model.errors import InputError
from digest.model.feeds import Alias, EntryData
from digest.ranking.match import same_person


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What stage 2 knows of one entry's text and names.

    clean(data) puts texts right and finds ids in key, url and doi; aliases(data) of a cleaned one; title_key(title) is
    empty for titles too short to identify a work.
    """

    clean: Callable[[EntryData], EntryData]
    aliases: Callable[[EntryData], tuple[Alias, ...]]
    title_key: Callable[[str], str]


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

    One work are: equal ids, a common alias, or an equal title key with an author in common, unless that would join two
    different arXiv ids.
    """
    groups = _Groups(len(observations))
    first: dict[str, int] = {}
    for place, seen in enumerate(observations):
        for name in (f"id:{seen.id}", *(f"alias:{alias}" for alias in seen.aliases)):
            groups.join(first.setdefault(name, place), place)
    _join_by_title(observations, groups, identity)
    members: dict[int, list[Observation]] = defaultdict(list)
    for place, seen in enumerate(observations):
        members[groups.root(place)].append(seen)
    return tuple(tuple(group) for group in members.values())


def _join_by_title(observations: Sequence[Observation], groups: _Groups, identity: Identity) -> None:
    arxiv: dict[int, set[str]] = defaultdict(set)
    by_title: dict[str, list[int]] = defaultdict(list)
    for place, seen in enumerate(observations):
        if seen.data.arxiv_id:
            arxiv[groups.root(place)].add(seen.data.arxiv_id)
        if seen.whole and (key := identity.title_key(seen.data.title)):
            by_title[key].append(place)
    for places in by_title.values():
        # In the order of what they say, not of their lines: who joins whom must not depend on the order of the file.
        for at, one in enumerate(ordered := sorted(places, key=lambda place: _said(observations[place]))):
            for other in ordered[at + 1 :]:
                mine, theirs = groups.root(one), groups.root(other)
                ids = arxiv[mine] | arxiv[theirs]
                if mine != theirs and len(ids) <= 1 and _common_author(observations[one], observations[other]):
                    groups.join(mine, theirs)
                    arxiv[groups.root(mine)] = ids


def _said(seen: Observation) -> tuple[bool, str, str]:
    return (seen.data.arxiv_id is None, seen.id, seen.source)


def _common_author(one: Observation, other: Observation) -> bool:
    return any(same_person(mine, theirs) for mine in one.data.authors for theirs in other.data.authors)


class _Groups:
    """Disjoint sets of places (union-find); the smallest place is a set's root."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, place: int) -> int:
        while self._parent[place] != place:
            self._parent[place] = self._parent[self._parent[place]]
            place = self._parent[place]
        return place

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
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
