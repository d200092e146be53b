"""The people that readers follow, and what catalogues say of them: asked once a week, never while a mail is made.

A catalogue is believed only where it knows the person by an id that the reader gave, or as the author of a paper that
is that person's beyond doubt. Where neither tells namesakes apart nothing is taken, and why is kept.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, cast

from digest.model.catalogue import Asked, Catalogue, Facts
from digest.model.editions import Digest
from digest.model.errors import DigestError, FetchError, NotFound, ParseError
from digest.model.feeds import FetchRequest, FetchResponse, WorkId
from digest.ranking.match import Agreement, fit, person
from digest.services.fetching.cards import Known, known, person_id
from digest.services.ports import Clock, Fetch
from digest.storage import catalogue, people
from digest.storage.engine import Store

T = TypeVar("T")

_NO_CATALOGUE = (
    "No catalogue may be asked: name a key of openalex or semanticscholar in [keys], or [catalogue] services."
)
#: No name looks like one of these.
_BARE: Mapping[str, re.Pattern[str]] = {
    "openalex": re.compile(r"[Aa]\d{4,12}"),
    "orcid": re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dXx]"),
    "semanticscholar": re.compile(r"\d{1,15}"),
}

EVERY = timedelta(days=7)
#: A paper that names the person settles who is meant; a second one guards against a mistake of the catalogue.
_PAPERS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of asking one catalogue for one person. ``state`` is found, unsure, unknown or failed."""

    person: str
    """As a reader wrote it."""
    catalogue: str
    state: str
    why: str
    facts: Facts | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refreshed:
    """What one round asked. ``left`` are questions that are still due, after a limit or a trouble.

    ``why`` tells what kept it from asking: a sentence for each catalogue that is in trouble, or that there is none.
    """

    answers: tuple[Answer, ...]
    left: int = 0
    why: tuple[str, ...] = ()


class _Trouble(Exception):
    """The catalogue cannot be asked now; its cause says why."""


class _Unreadable(Exception):
    """What the catalogue answers for this one person is of no use; its cause says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """Who is followed, and what is known of them."""

    store: Store
    digests: tuple[Digest, ...]
    catalogues: tuple[Catalogue, ...]
    """Those that may be asked."""
    fetch: Fetch
    clock: Clock

    def followed(self) -> tuple[str, ...]:
        """The authors of digests and of confirmed readers' own wishes, as they were written; each person once."""
        names = {digest.name for digest in self.digests}
        found: dict[str, str] = {}
        with self.store.reading() as tx:
            wishes = people.wishes(tx)
        lists = [digest.profile.authors for digest in self.digests]
        lists += [_authors(preferences) for digest, preferences in wishes if digest in names]
        for written in sorted({one for some in lists for one in some}):
            found.setdefault(person_id(written), written)
        return tuple(sorted(found.values()))

    def known(self) -> tuple[Known, ...]:
        """Everything about everybody who is followed."""
        now = self.clock()
        return tuple(known(self.store, written, (), now) for written in self.followed())

    def about(self, written: str) -> Known:
        """Everything about one person, followed or not; an id also as it stands in a catalogue's address, and of
        somebody who is followed by name. Raises NotFound where nothing is known.
        """
        one = known(self.store, self._meant(written), (), self.clock())
        if not one.asked and not one.portrait.works and not one.portrait.doubtful:
            raise NotFound(
                "nobody of that name or id is known",
                where=written,
                try_="`digest people list` shows who is followed; catalogues are asked for nobody else",
            )
        return one

    def _meant(self, written: str) -> str:
        """Whoever is followed and has one of the ids, as he was written; else the text itself."""
        spelt = _with_its_kind(written)
        ids = person(spelt).ids
        if not ids:
            return written
        followed = self.followed()
        with self.store.reading() as tx:
            kept = catalogue.known(tx, {person_id(other) for other in followed})
        theirs = {name for (name, _), one in kept.items() if one.facts is not None and ids & one.facts.ids}
        return next((one for one in followed if ids & person(one).ids or person_id(one) in theirs), spelt)

    def refresh(
        self,
        *,
        everybody: bool = False,
        most: int | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[Answer], object] = lambda answer: None,
    ) -> Refreshed:
        """Asks each catalogue for those of whom it was not asked for a week (``everybody``: for all), at most ``most``.

        What is kept of people whom nobody follows any more is dropped. A catalogue that is in trouble is left alone
        until the next round, and what it said before stays. So does what it said of a person for whom alone it gives
        no usable answer; that is a matter of the next week.
        """
        followed = self.followed()
        with self.store.transaction() as tx:
            catalogue.forget_others(tx, {person_id(written) for written in followed})
        if not self.catalogues:
            return Refreshed(answers=(), why=(_NO_CATALOGUE,))
        due = self._due(followed, everybody)
        answers: list[Answer] = []
        troubled: dict[str, str] = {}
        open_ = 0
        for written, one in due:
            over = (most is not None and len(answers) >= most) or (stop is not None and stop.is_set())
            if over or one.name in troubled:
                open_ += 1
                continue
            answer = self._ask(written, one)
            if answer.state == "failed":
                troubled[one.name] = f"{one.title} is left alone until the next round: {answer.why}"
                open_ += 1
            answers.append(answer)
            progress(answer)
        return Refreshed(answers=tuple(answers), left=open_, why=tuple(troubled.values()))

    def _due(self, followed: Sequence[str], everybody: bool) -> Sequence[tuple[str, Catalogue]]:
        """Who is to be asked for where, the longest unasked first."""
        now = self.clock()
        with self.store.reading() as tx:
            kept = catalogue.known(tx, {person_id(written) for written in followed})
        due: list[tuple[datetime, str, Catalogue]] = []
        for one in self.catalogues:
            for written in followed:
                before = kept.get((person_id(written), one.name))
                if everybody or before is None or now - before.asked_at >= EVERY:
                    due.append((before.asked_at if before else datetime.min.replace(tzinfo=now.tzinfo), written, one))
        return [(written, one) for _, written, one in sorted(due, key=lambda row: (row[0], row[1], row[2].name))]

    def _ask(self, written: str, one: Catalogue) -> Answer:
        try:
            facts, why, state = self._looked_up(written, one)
        except _Trouble as trouble:
            return Answer(person=written, catalogue=one.name, state="failed", why=str(trouble.__cause__))
        except _Unreadable as odd:
            return self._kept(written, one, f"no usable answer: {odd.__cause__}")
        now = self.clock()
        asked = Asked(
            person=person_id(written),
            catalogue=one.name,
            facts=facts,
            why=why,
            asked_at=now,
            found_at=now if facts is not None else None,
        )
        with self.store.transaction() as tx:
            catalogue.put(tx, asked)
        return Answer(person=written, catalogue=one.name, state=state, why=why, facts=facts)

    def _kept(self, written: str, one: Catalogue, why: str) -> Answer:
        """Notes that it was asked in vain; what was known stays."""
        key = person_id(written), one.name
        with self.store.transaction() as tx:
            before = catalogue.known(tx, key[:1]).get(key)
            asked = Asked(
                person=key[0],
                catalogue=one.name,
                facts=before.facts if before else None,
                why=why,
                asked_at=self.clock(),
                found_at=before.found_at if before else None,
            )
            catalogue.put(tx, asked)
        return Answer(person=written, catalogue=one.name, state="unknown", why=why, facts=asked.facts)

    def _looked_up(self, written: str, one: Catalogue) -> tuple[Facts | None, str, str]:
        """(facts, how they were matched or why there are none, state)."""
        meant = person(written)
        for name in sorted(meant.ids):
            if (request := one.by_id(name)) is not None:
                facts = self._read(request, one.author)
                if facts is not None:
                    return facts, f"known there by {name}", "found"
                return None, f"{one.title} knows nobody by {name}", "unknown"
        works = known(self.store, written, (), self.clock()).portrait.works
        requests = [(work.work, request) for work in works if (request := one.by_paper(work.work)) is not None]
        if not requests:
            return None, "unsure: no paper is known here that is theirs beyond doubt", "unsure"
        found = dict(self._by_papers(written, requests[:_PAPERS], one))
        if not found:
            return None, f"{one.title} does not know them as an author of {requests[0][0]}", "unknown"
        if len({facts.id for facts in found.values()}) > 1:
            said = ", ".join(f"{facts.id} by {work}" for work, facts in found.items())
            return None, f"unsure: {one.title} has several people for them ({said})", "unsure"
        work, facts = next(iter(found.items()))
        if facts.h_index is None and facts.papers is None and (request := one.by_id(facts.id)) is not None:
            facts = self._read(request, one.author) or facts
        return facts, f"known there as an author of {work}", "found"

    def _by_papers(
        self, written: str, requests: Sequence[tuple[WorkId, FetchRequest]], one: Catalogue
    ) -> Iterator[tuple[WorkId, Facts]]:
        """Whom the catalogue has as this person on each of the papers it knows; nobody where two authors fit."""
        meant = person(written)
        for work, request in requests:
            authors = self._read(request, one.authors) or ()
            fitting = [(fit(meant, facts.name), facts) for facts in authors]
            best = max((how for how, _ in fitting), default=Agreement.NONE)
            same = [facts for how, facts in fitting if how is best]
            if best is not Agreement.NONE and len(same) == 1:
                yield work, same[0]

    def _read(self, request: FetchRequest, read: Callable[[FetchResponse], T]) -> T | None:
        """The answer; None where the catalogue does not know what it was asked for.

        Raises _Trouble where nobody would get an answer, _Unreadable where another person may.
        """
        try:
            return read(self.fetch(request))
        except FetchError as error:
            status = error.http_status
            if status in (404, 410):
                return None
            if error.throttled or status is None or status in (401, 403) or status >= 500:
                raise _Trouble from error
            raise _Unreadable from error
        except ParseError as error:
            raise _Unreadable from error
        except DigestError as error:
            raise _Trouble from error


def _with_its_kind(written: str) -> str:
    """An id as a catalogue shows it, such as ``A5023888391``, as readers write it; any other text as it is."""
    bare = written.strip()
    kind = next((kind for kind, shape in _BARE.items() if shape.fullmatch(bare)), "")
    return f"{kind}:{bare}" if kind else written


def _authors(preferences: Mapping[str, object]) -> tuple[str, ...]:
    said = preferences.get("authors")
    return tuple(map(str, cast("Sequence[object]", said))) if isinstance(said, list | tuple) else ()
