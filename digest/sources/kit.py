"""For those who bring a kind of their own: does it keep what digest relies on? Their tests call ``check_kind``. Pure.

Takes a SourceKind, a configured source and real documents that it should read, and tries what a feed does on a bad day:
cut off, empty, a web page instead, another service's answer, the same again. docs/sources/your-own.md tells why.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
#: No listing has more pages.
_PAGES = 200
_NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

#: What arrives instead of a good document, and what it is called.
STRANGE: tuple[tuple[str, bytes], ...] = (
    ("nothing", b""),
    ("white space", b" \r\n\t"),
    ("NUL bytes", b"\x00" * 64),
    ("an HTML page", b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in</body></html>"),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
    ("half a JSON object", b'{"items": [{"title": "A'),
    ("JSON nested too deeply", b"[" * 100_000),
    ("an empty object", b"{}"),
    ("a number", b"42"),
    ("null", b"null"),
    ("a list of numbers", b"[1, 2, 3]"),
    ("objects of nulls", b'{"items": [null, {}, {"title": null, "id": null}], "data": [null], "results": [null]}'),
    ("an error as JSON", b'{"error": "rate limit exceeded", "message": "slow down"}'),
    ("text that is no UTF-8", b'{"title": "\xff\xfe\xfa"}'),
    ("an empty RSS feed", b"<rss version='2.0'><channel><title>t</title></channel></rss>"),
    (
        "entities in XML",
        b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
        b"<rss version='2.0'><channel><title>&b;</title></channel></rss>",
    ),
)


def check_kind(kind: SourceKind, source: Source, documents: Sequence[bytes | FetchResponse]) -> None:
    """Raises AssertionError with a line for everything that is not as it should be.

    ``source`` is configured as ``kind`` wants it; each of ``documents`` is a real, good one, given as bytes or, where
    its address or headers matter, as a response.
    """
    found = tuple(faults(kind, source, documents))
    if found:
        raise AssertionError(
            f"the kind {kind.name} does not keep the protocol:\n" + "\n".join(f"- {one}" for one in found)
        )


def faults(kind: SourceKind, source: Source, documents: Sequence[bytes | FetchResponse]) -> Iterator[str]:
    """The same as sentences, one a fault; none for a kind that keeps the protocol."""
    yield from _declared(kind, source)
    requests = yield from _planned(kind, source)
    url = requests[0].url if requests else "https://source.example/"
    good = [
        one if isinstance(one, FetchResponse) else FetchResponse(url=url, status=200, body=one) for one in documents
    ]
    if not good:
        yield "no document was given, so nothing of what it reads could be tried"
    for number, response in enumerate(good, 1):
        yield from _read(kind, source, response, f"document {number}", requests)
    for name, response in _strange(good, url):
        yield from _survives(kind, source, response, name)


def _declared(kind: SourceKind, source: Source) -> Iterator[str]:
    if not _NAME.fullmatch(kind.name):
        yield f"its name {kind.name!r} is not lower-case letters, digits, - and _, a letter first"
    if not kind.about.strip() or "\n" in kind.about or len(kind.about) > 100:
        yield "`about` is not one short phrase of what it reads"
    if source.kind != kind.name:
        yield f"the source is of kind {source.kind!r}, not {kind.name!r}"
    given = {name for name, _ in source.options} | ({"category"} if source.category else set[str]())
    for name in sorted(given - set(kind.options)):
        yield f"the source gives {name}, which `options` does not declare: it would be refused"
    for name, meaning in kind.options.items():
        if not meaning.strip():
            yield f"`options` does not say what {name} means"
    yield from _wants(kind, source)


def _wants(kind: SourceKind, source: Source) -> Iterator[str]:
    try:
        told = kind.wants(source)
        if told:
            yield f"`wants` finds fault with the source that it should be tried with: {told}"
        empty = kind.wants(Source(id=source.id, kind=kind.name))
    except Exception as error:
        yield f"`wants` raises {_named(error)}; it should give a sentence, or an empty text"
        return
    for said in (told, empty):
        if said and (said[:1].isupper() or said.endswith(".") or "\n" in said):
            yield f"`wants` says {said!r}, which does not go on after 'the source \"x\" '"


def _planned(kind: SourceKind, source: Source) -> Generator[str, None, tuple[FetchRequest, ...]]:
    """Gives the requests of a usual round."""
    found: tuple[FetchRequest, ...] = ()
    for since in (None, date(2026, 3, 1)):
        what = "`plan`" if since is None else "`plan` with a `since`"
        try:
            first, again = kind.plan(source, _NOW, since), kind.plan(source, _NOW, since)
        except Exception as error:
            yield f"{what} raises {_named(error)}"
            continue
        if first != again:
            yield f"{what} gives other requests when it is asked again: it may depend on nothing but what it is given"
        if not first or not all(isinstance(one, FetchRequest) for one in first):  # pyright: ignore[reportUnnecessaryIsInstance]
            yield f"{what} gives no FetchRequest"
            continue
        if len({one.url for one in first}) < len(first):
            yield f"{what} asks for the same address twice; what was read before is remembered by address"
        found = found or first
        if since is None and source.from_operator:
            yield from _from_the_web(kind, source)
    return found


def _from_the_web(kind: SourceKind, source: Source) -> Iterator[str]:
    """A source that was added over the web may name no file."""
    try:
        planned = kind.plan(replace(source, from_operator=False), _NOW, None)
    except Exception as error:
        yield f"`plan` raises {_named(error)} for a source that was added over the web"
        return
    if any(one.allow_files for one in planned):
        yield "`plan` allows files for a source that was added over the web: pass on `source.from_operator`"


def _read(
    kind: SourceKind, source: Source, response: FetchResponse, name: str, requests: Sequence[FetchRequest]
) -> Iterator[str]:
    try:
        parsed, again = kind.parse(source, response), kind.parse(source, response)
    except Exception as error:
        yield f"{name}: `parse` raises {_named(error)}"
        return
    if parsed != again:
        yield f"{name}: `parse` gives something else when it reads the same again"
    if not parsed.entries:
        yield f"{name}: no entry was found in it"
    yield from (f"{name}: {fault}" for fault in _entries(parsed))
    if requests:
        yield from _followed(kind, requests[0], parsed, name)


def _entries(parsed: ParsedFeed) -> Iterator[str]:
    keys = [entry.key for entry in parsed.entries]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        yield f"two entries have the key {twice!r}: a key names one item of the source"
    for number, entry in enumerate(parsed.entries, 1):
        yield from (f"entry {number} ({entry.key[:60]}): {fault}" for fault in _entry(entry))


def _entry(entry: EntryData) -> Iterator[str]:
    if not entry.key.strip():
        yield "it has no key"
    if not entry.title.strip():
        yield "it has no title; raise or leave it out with a Problem"
    for field in fields(entry):
        value = getattr(entry, field.name)
        if isinstance(value, datetime) and (value.tzinfo is None or value.utcoffset() != timedelta()):
            yield f"{field.name} is not an aware instant in UTC"
        if isinstance(value, str) and ("\x00" in value or any("\ud800" <= char <= "\udfff" for char in value)):
            yield f"{field.name} holds what is no character"
        if isinstance(value, list):
            yield f"{field.name} is a list, not a tuple"
    for name in ("url", "pdf_url", "code_url", "project_url"):
        link = getattr(entry, name)
        if link and not re.match(r"https?://[^/\s]", link, re.IGNORECASE):
            yield f"{name} {link[:80]!r} is not an address of the web"
    if entry.author_ids and len(entry.author_ids) != len(entry.authors):
        yield "author_ids do not stand beside authors, one for each"
    if entry.arxiv_id and re.search(r"v\d+$", entry.arxiv_id):
        yield f"arxiv_id {entry.arxiv_id!r} holds a version, which belongs into `version`"
    if entry.doi and (entry.doi != entry.doi.lower() or not entry.doi.startswith("10.")):
        yield f"doi {entry.doi!r} is not written as 10.… in lower case"
    for name in ("upvotes", "comments", "stars", "version"):
        number = getattr(entry, name)
        if number is not None and (isinstance(number, bool) or number < 0):
            yield f"{name} is {number!r}, not a count"


def _followed(kind: SourceKind, request: FetchRequest, parsed: ParsedFeed, name: str) -> Iterator[str]:
    """The pages after a document come to an end, and no page is asked for twice."""
    met = {request.url}
    current = request
    try:
        # A page without entries follows: an end must come at the latest then.
        for page in (parsed, *[ParsedFeed()] * _PAGES):
            following = kind.follow(current, page)
            if following is None:
                return
            if following.url in met:
                yield f"{name}: `follow` asks for {following.url} again"
                return
            current = following
            met.add(current.url)
    except Exception as error:
        yield f"{name}: `follow` raises {_named(error)}"
        return
    yield f"{name}: `follow` goes on after {_PAGES} empty pages"


def _strange(good: Sequence[FetchResponse], url: str) -> Iterator[tuple[str, FetchResponse]]:
    for response in good:
        for part in (1, 2, 3):
            body = response.body[: len(response.body) * part // 4]
            yield f"a document cut off after {25 * part} %", replace(response, body=body)
    for name, body in STRANGE:
        yield name, FetchResponse(url=url, status=200, body=body)


def _survives(kind: SourceKind, source: Source, response: FetchResponse, name: str) -> Iterator[str]:
    """A ParseError with a sentence and advice, or clean entries."""
    try:
        parsed = kind.parse(source, response)
    except ParseError as error:
        if not error.what.strip() or not error.try_.strip():
            yield f"{name}: its ParseError does not say what happened (`what`) and what to do (`try_`)"
    except Exception as error:
        yield f"{name}: `parse` raises {_named(error)} instead of a ParseError"
    else:
        if response.body == b"" and not parsed.problems:
            yield f"{name}: `parse` takes it for a good document without entries; then no silence is ever explained"
        yield from (f"{name}: {fault}" for fault in _entries(parsed))


def _named(error: Exception) -> str:
    return f"{type(error).__name__} ({str(error)[:120]})"
