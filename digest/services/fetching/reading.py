"""Reading: gets a source's documents and takes their entries; nothing is stored. One that fails stops no other."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from digest.entries.plain import clamp, one_line
from digest.model.errors import FetchError, ParseError
from digest.model.feeds import (
    EntryData,
    FetchRequest,
    FetchResponse,
    ParsedFeed,
    Problem,
    Source,
    SourceKind,
    Validators,
)
from digest.services.fetching.understanding import Parse, understood
from digest.services.ports import Fetch
from digest.sources.asking.answers import max_age
from digest.sources.health import sentence
from digest.sources.requests import without_password
from digest.storage.base import storable

#: Pages of one round.
MOST_PAGES = 200
#: Characters of a sentence about a source.
MOST_WORDS = 2_000


@dataclass(slots=True)
class Reading:
    """What a round has brought so far."""

    documents: int = 0
    same: int = 0
    """Documents answered 304, or with the bytes that we had."""
    feeds: list[ParsedFeed] = field(default_factory=list[ParsedFeed])
    entries: list[EntryData] = field(default_factory=list[EntryData])
    problems: list[Problem] = field(default_factory=list[Problem])
    validators: dict[str, Validators] = field(default_factory=dict[str, Validators])
    """By the address that was planned."""
    http_status: int | None = None
    error: Exception | None = None
    ttl: timedelta | None = None
    """How long the feed says that it need not be asked again (RSS ttl)."""
    fresh_for: timedelta | None = None
    """How long the server calls the first document fresh (Cache-Control)."""
    moved_to: str = ""
    """Where the source's own address has led for good; empty where it answers itself."""


def read(
    kind: SourceKind,
    source: Source,
    fetch: Fetch,
    *,
    known: Mapping[str, Validators],
    now: datetime,
    moved_to: str = "",
    understand: Callable[[Parse, Source, FetchResponse], ParsedFeed] = understood,
) -> Reading:
    """One round of a source; a failure is told, whatever it was.

    ``known`` are the validators by address; ``moved_to`` is asked instead of the source's own address; ``understand``
    is ``understood``, in its turn or elsewhere. A planned document that fails stops no other: it is named in
    ``problems``, and only where nothing could be read, or a server throttles us, or a later page failed, is it the
    round's ``error``.
    """
    got = Reading()
    try:
        planned = kind.plan(source, now, None)
    except Exception as error:  # a fault of ours in one source is told as its state; the others go on
        got.error = error
        return got
    waiting = deque((request, request.url) for request in planned)
    failed: list[tuple[str, Exception]] = []
    while waiting and got.documents < MOST_PAGES:
        request, began_with = waiting.popleft()
        try:
            parsed = _document(kind, source, fetch, request, known, moved_to, understand, got)
            following = kind.follow(request, parsed) if parsed else None
        except Exception as error:
            later = request.url != began_with
            alone = len(planned) == 1 and not later and not (moved_to and request.url == source.url)
            error = error if alone else _not_for_good(error)
            if later or _throttled(error):
                got.error = got.error or error
            failed.append((request.url, error))
            if _unreachable(error):
                host = _host(request.url)
                skipped = [one for one in waiting if _host(one[0].url) == host]
                waiting = deque(one for one in waiting if _host(one[0].url) != host)
                failed += [(one.url, error) for one, _ in skipped]
                if any(one.url != first for one, first in skipped):
                    got.error = got.error or error
            continue
        if following is not None:
            waiting.append((following, began_with))
    _conclude(got, failed, left=waiting[0][0].url if waiting else "")
    return got


def _conclude(got: Reading, failed: list[tuple[str, Exception]], *, left: str) -> None:
    """What the failures of its documents mean for the round."""
    if failed and not got.same and not got.feeds:
        got.error = got.error or failed[0][1]
    if isinstance(got.error, FetchError):
        got.http_status = got.error.http_status
    named = [(url, error) for url, error in failed if error is not got.error]
    got.problems[:0] = [_problem(without_password(url), sentence(error).rstrip(".")) for url, error in named]
    if left:
        got.problems.insert(0, _problem(without_password(left), f"left out, with all after it: {MOST_PAGES} were read"))
    if left or got.error is not None:
        # The next round must read these documents again: only what is read leads on to the pages after it.
        got.validators.clear()


def _not_for_good(error: Exception) -> Exception:
    """The same, but that one document is gone does not end its source."""
    if not isinstance(error, FetchError) or not error.gone:
        return error
    return FetchError(error.what, where=error.where, try_=error.try_, http_status=error.http_status)


def _throttled(error: Exception) -> bool:
    return isinstance(error, FetchError) and error.throttled


def _unreachable(error: Exception) -> bool:
    """Whether the next document of the same host would fail in the same way."""
    return isinstance(error, FetchError) and (error.throttled or error.http_status is None)


def _host(url: str) -> str:
    """Scheme and host of a web address, which may be a wrong one; anything else stands for itself."""
    return "/".join(url.split("/", 3)[:3]) if url.startswith(("http:", "https:")) else url


def told(text: str) -> str:
    """A text about a source, which may quote it, as every database and terminal takes it: one line, not too long."""
    return clamp(one_line(storable(text)), MOST_WORDS)


def _problem(where: str, what: str) -> Problem:
    return Problem(where=told(where), what=told(what))


def _document(
    kind: SourceKind,
    source: Source,
    fetch: Fetch,
    request: FetchRequest,
    known: Mapping[str, Validators],
    moved_to: str,
    understand: Callable[[Parse, Source, FetchResponse], ParsedFeed],
    got: Reading,
) -> ParsedFeed | None:
    """Adds one document to the reading; gives it parsed, unless it is the one we had."""
    before = known.get(request.url, Validators())
    own = request.url == source.url
    response = fetch(
        replace(
            request,
            url=moved_to if own and moved_to else request.url,
            validators=before,
            allow_private=source.allow_private,
            allow_files=source.from_operator,
        )
    )
    if own:
        got.moved_to = _lasting(response.moved_to or moved_to, source.url)
    if not got.documents:
        got.fresh_for = max_age(response.headers)
    got.documents += 1
    got.http_status = response.status
    body_hash = before.body_hash if response.not_modified else hashlib.sha256(response.body).hexdigest()
    if response.not_modified or body_hash == before.body_hash:
        got.same += 1
        got.validators[request.url] = before
        return None
    parsed = understand(kind.parse, source, response)
    got.entries += parsed.entries
    got.problems += [_problem(one.where, one.what) for one in parsed.problems]
    if parsed.ttl and parsed.ttl != max_age(response.headers):
        got.ttl = max(parsed.ttl, got.ttl or parsed.ttl)
    got.feeds.append(replace(parsed, entries=(), problems=()))
    got.validators[request.url] = _validators(response, body_hash)
    return parsed


def _validators(response: FetchResponse, body_hash: str | None) -> Validators:
    return Validators(
        etag=response.headers.get("etag"), last_modified=response.headers.get("last-modified"), body_hash=body_hash
    )


def _lasting(moved_to: str, url: str) -> str:
    """The new address, unless it is one without encryption where the old one had it."""
    return "" if url.startswith("https:") and not moved_to.startswith("https:") else moved_to


def is_gone(error: Exception | None) -> bool:
    """True for an address at which there is no such document (any more)."""
    return isinstance(error, ParseError) or (
        isinstance(error, FetchError) and not error.throttled and 400 <= (error.http_status or 0) < 500
    )


def first_address(kinds: Mapping[str, SourceKind], source: Source, now: datetime) -> str:
    """The address that tells which queue a source stands in; empty where nothing can be planned: that is told in its
    own turn."""
    try:
        return next((request.url for request in kinds[source.kind].plan(source, now, None)), "")
    except Exception:
        return ""


def read_document(kind: SourceKind, source: Source, fetch: Fetch, request: FetchRequest) -> ParsedFeed:
    """One document as its kind reads it, with clean entries (`digest sources check`)."""
    parsed = understood(kind.parse, source, fetch(request))
    return replace(parsed, problems=tuple(_problem(one.where, one.what) for one in parsed.problems))
