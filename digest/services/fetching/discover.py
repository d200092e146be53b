"""Finding what to poll behind whatever a person pastes: tries what sources/discovery.py proposes, shows what it brings.

Nothing is stored. A few documents are asked for at most, each through the polite fetcher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from digest.model.errors import ConfigError, DigestError, FetchError, ParseError
from digest.model.feeds import FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceId, SourceKind
from digest.services.fetching.check import CheckedEntry, checked_entry
from digest.services.fetching.reading import read_document
from digest.services.ports import Clock, Fetch
from digest.sources.discovery import Proposal, guesses, of_address, of_page
from digest.sources.kinds import check, kind_of, sniff
from digest.sources.requests import without_password

#: Documents that are looked at for one page: feeds it names or links, and places where feeds lie by custom.
MOST_TRIED = 6
_CHECKED = SourceId("new")
NO_FILE = "there is no such file"
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One source that could be polled, and what it brings now."""

    source: Source
    title: str
    why: str
    entries: tuple[CheckedEntry, ...]
    problems: tuple[Problem, ...]
    newest: date | None
    """When the newest of its entries was published."""
    a_week: float | None
    """Entries a week, from the dates of those it shows; None where they do not tell."""
    unseen: str = ""
    """Why it could not be looked at now, though its address tells what it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """What lies behind an address. ``failed`` are the places that were looked at in vain, with the reason."""

    given: str
    found: tuple[Found, ...]
    failed: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Discover:
    """Looks at pages and feeds; ``kinds`` are those there are."""

    kinds: Mapping[str, SourceKind]
    fetch: Fetch
    clock: Clock

    def look(self, given: str, *, kind: str = "", allow_private: bool = False, allow_files: bool = True) -> Discovery:
        """What could be polled at an address, a file, a DOI, an ISSN or a category of arXiv.

        ``kind`` forces one kind for the address itself. Without ``allow_files`` no file, mailbox or program is looked
        at, and what is found may never name one: for what somebody else than the operator typed. Raises ConfigError
        for a kind that does not exist.
        """
        search = _Search(self, given.strip(), _Leave(private=allow_private, files=allow_files))
        if kind:
            kind_of(kind, self.kinds)
            search.try_all((self._forced(given.strip(), kind),))
        else:
            search.run()
        return Discovery(given=given, found=tuple(search.found), failed=tuple(search.failed))

    def unseen(self, given: str, *, kind: str = "", allow_private: bool = False, allow_files: bool = True) -> Source:
        """The source that the form of an address tells, without a look. ConfigError where something is missing."""
        known = [one for one in of_address(given) if kind in ("", one.kind)]
        leave = _Leave(private=allow_private, files=allow_files)
        source = _source(known[0] if known else Proposal(kind=kind or "feed", url=given, why=""), leave)
        check(source, self.kinds, where=without_password(given))
        return source

    def again(self, source: Source) -> Found:
        """What a source that is polled already brings now; nothing is stored. Raises DigestError: why it cannot."""
        leave = _Leave(private=source.allow_private, files=source.from_operator)
        proposal = Proposal(kind=source.kind, url=source.url, category=source.category, options=source.options, why="")
        check(source, self.kinds, where=source.id)
        return _Search(self, source.url, leave).read(source, proposal)

    def _forced(self, given: str, kind: str) -> Proposal:
        known = [one for one in of_address(given) if one.kind == kind]
        return known[0] if known else Proposal(kind=kind, url=given, why="as you say")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Leave:
    """What a look, and what it finds, may reach: the own network; files, mailboxes and programs."""

    private: bool
    files: bool


class _Search:
    """One look behind one address."""

    def __init__(self, world: Discover, given: str, leave: _Leave) -> None:
        self._world = world
        self._given = given
        self._leave = leave
        self._seen = set[frozenset[str]]()
        self.found: list[Found] = []
        self.failed: list[Problem] = []

    def run(self) -> None:
        self.try_all(of_address(self._given), known=True)
        if self.found or self.failed:
            return
        try:
            response = self._world.fetch(
                FetchRequest(url=self._given, allow_private=self._leave.private, allow_files=self._leave.files)
            )
        except DigestError as error:
            what = _sentence(error)
            if "://" not in self._given and "no such file" in what:
                what = f"{NO_FILE}, and it is no address, no category of arXiv, no DOI and no ISSN with its check digit"
            self.failed.append(Problem(where=without_password(self._given), what=what))
            return
        kind = self._world.kinds[sniff(self._given, response.body)]
        if kind.shape is not None:
            self.failed.append(Problem(where=without_password(self._given), what=_no_address(kind)))
            return
        try:
            self._keep(self._document(response, kind.name), without_password(self._given))
        except ParseError as error:
            pages = of_page(response.body, response.url)
            self.try_all(pages[:MOST_TRIED])
            if not self.found and not pages and _is_page(response):
                self.try_all(guesses(response.url)[:MOST_TRIED], once=True)
            if not self.found:
                self.failed.insert(0, Problem(where=without_password(response.url), what=error.what))

    def try_all(self, proposals: Sequence[Proposal], *, once: bool = False, known: bool = False) -> None:
        """Looks at each; ``once`` ends at the first that brings something. What is ``known`` by its address is found
        even when its server does not answer now."""
        for proposal in proposals:
            source = _source(proposal, self._leave)
            where = without_password(source.url) or " ".join(
                (source.kind, source.category, *(v for _, vs in source.options for v in vs))
            )
            try:
                check(source, self._world.kinds, where=where)
                self._keep(self.read(source, proposal), where)
            except DigestError as error:
                if known and isinstance(error, FetchError) and _will_pass(error):
                    self.found.append(_unseen(source, proposal, _sentence(error)))
                else:
                    self.failed.append(Problem(where=where, what=_sentence(error)))
            if once and self.found:
                return

    def _document(self, response: FetchResponse, kind: str) -> Found:
        """The address is a feed itself."""
        proposal = Proposal(kind=kind, url=self._given, why="it can be read as it is")
        return self.read(_source(proposal, self._leave), proposal, lambda _: response)

    def read(self, source: Source, proposal: Proposal, fetch: Fetch | None = None) -> Found:
        """The first document that says something: a kind that reads three days may find today empty."""
        kind, now = self._world.kinds[source.kind], self._world.clock()
        parsed = ParsedFeed()
        for request in kind.plan(source, now, None)[:3]:
            asked = replace(request, allow_private=self._leave.private, allow_files=self._leave.files)
            parsed = read_document(kind, source, fetch or self._world.fetch, asked)
            if parsed.entries:
                break
        days = [data.published_at.date() for data in parsed.entries if data.published_at and data.published_at <= now]
        return Found(
            source=source,
            title=parsed.title or proposal.title,
            why=proposal.why,
            entries=tuple(map(checked_entry, parsed.entries)),
            problems=parsed.problems,
            newest=max(days, default=None),
            a_week=_a_week(days),
        )

    def _keep(self, one: Found, where: str) -> None:
        """Once each: sites often offer the same entries as RSS and as Atom."""
        ids = frozenset(str(entry.id) for entry in one.entries)
        if ids and ids in self._seen:
            self.failed.append(Problem(where=where, what="it brings the same as another one here"))
            return
        self._seen.add(ids)
        self.found.append(one)


def _no_address(kind: SourceKind) -> str:
    """Of a service that is asked by what is wanted of it, not by an address."""
    return (
        f"this is one answer to one question, of the service that kind {kind.name} asks anew each time; "
        f'write a [[source]] with kind = "{kind.name}" and what you want to follow ({", ".join(sorted(kind.options))})'
    )


def _source(proposal: Proposal, leave: _Leave) -> Source:
    return Source(
        id=_CHECKED,
        kind=proposal.kind,
        url=proposal.url,
        category=proposal.category,
        options=proposal.options,
        allow_private=leave.private,
        from_operator=leave.files,
    )


def _unseen(source: Source, proposal: Proposal, why_not: str) -> Found:
    return Found(
        source=source,
        title=proposal.title,
        why=proposal.why,
        entries=(),
        problems=(),
        newest=None,
        a_week=None,
        unseen=why_not,
    )


def _will_pass(error: FetchError) -> bool:
    """Whether a server may answer another time, as it stands: it is away, in trouble, or busy."""
    return error.throttled or error.http_status is None or error.http_status >= 500


def _is_page(response: FetchResponse) -> bool:
    """Whether a document is a page of the web, which may keep its feed without a word of it."""
    return response.url.startswith(("http://", "https://")) and b"<html" in response.body[:20_000].lower()


def _a_week(days: Sequence[date]) -> float | None:
    """How many entries a week, by those days; nothing where they are too few or all of one day."""
    if len(days) < 2 or max(days) == min(days):
        return None
    return round((len(days) - 1) / ((max(days) - min(days)) / _DAY) * 7, 1)


def _sentence(error: DigestError) -> str:
    if isinstance(error, FetchError) and (error.throttled or (error.http_status or 0) >= 500):
        # A source is tried again without a word; what is being added is not.
        wait = f"in {error.retry_after:.0f} seconds" if error.retry_after is not None else "later"
        return f"{error.what}; try it again {wait}"
    advice = f"; {error.try_}" if error.try_ and isinstance(error, ConfigError | FetchError) else ""
    return f"{error.what}{advice}"
