"""What to hold from now on: a held entry and what a source newly says of it, merged; or a new entry.

Takes records that diff.py has found to be one work. One source speaks for a work: the one that stands nearest to it
(arXiv and other preprint servers, then the publisher, then Hugging Face, then blogs and mirrors), the earliest among
equals. Its text is taken, and that of a higher arXiv version; every other source fills what is empty, and silence never
erases. Who only links to the work (a story of Hacker News) names it until anybody else does. So two sources that spell
an abstract differently do not take turns in revising it: who speaks changes only to a source that stands nearer. A line
or two of an abstract give way to a whole one, and never the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import IntEnum
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from digest.entries import identity
from digest.model.feeds import Alias, Entry, EntryData, EntryId, Sighting, Source, VoteObservation

_Record = TypeVar("_Record", Entry, EntryData)

_TEXTS = ("title", "abstract", "authors")
_FILLED = ("url", "abstract", "authors", "institutions", "categories", "published_at", "submitted_at", "doi", "comment",
           "code_url", "pdf_url", "project_url", "language")  # fmt: skip


def combined(items: Sequence[EntryData]) -> EntryData:
    """One record of several that a feed has of one work: the latest arXiv version speaks, the others fill in."""
    if len(items) == 1:
        return items[0]
    ordered = sorted(items, key=lambda d: -(d.version or 0))
    first = ordered[0]
    filled: dict[str, object] = {}
    for name in (*_FILLED, "arxiv_id", "comments", "stars"):
        filled[name] = next((v for d in ordered if (v := getattr(d, name)) not in (None, "", ())), getattr(first, name))
    filled["categories"] = tuple(dict.fromkeys(c for d in ordered for c in d.categories))
    filled["upvotes"] = max((d.upvotes for d in ordered if d.upvotes is not None), default=None)
    filled["withdrawn"] = any(d.withdrawn for d in ordered if d.version in (first.version, None))
    return _with(first, filled)


def new_entry(data: EntryData, names: tuple[Alias, ...], source: Source, now: datetime, *, backfill: bool) -> Entry:
    """The entry of a work met for the first time; its id is 0 until the store gives one."""
    own = data.submitted_at or data.published_at or now
    first_seen_at = min(own, now) if backfill else now
    return Entry(
        id=EntryId(0),
        work=identity.work_id(names, data.title, data.authors[0] if data.authors else ""),
        aliases=names,
        title=data.title,
        title_key=identity.title_key(data.title),
        url=data.url,
        abstract=data.abstract,
        authors=data.authors,
        author_ids=data.author_ids if len(data.author_ids) == len(data.authors) else (),
        institutions=data.institutions,
        categories=data.categories,
        published_at=data.published_at,
        submitted_at=data.submitted_at,
        first_seen_at=first_seen_at,
        arxiv_id=identity.arxiv_of(names),
        version=data.version,
        doi=data.doi,
        comments=data.comments,
        comment=data.comment,
        code_url=data.code_url,
        stars=data.stars,
        pdf_url=data.pdf_url,
        project_url=data.project_url,
        withdrawn=data.withdrawn,
        language=data.language,
        votes=votes_with((), observation(data, source, now)),
        sightings=(Sighting(source_id=source.id, key=data.key, url=data.url, first_seen_at=first_seen_at),),
    )


def absorbing(entry: Entry, others: Sequence[Entry]) -> Entry:
    """``entry`` with what other held entries of the same work know: the latest text, all sightings and votes."""
    if not others:
        return entry
    everyone = (entry, *others)
    speaker = max(everyone, key=lambda e: (e.version or 0, (_speaker(e) or (Standing.MIRROR, ""))[0]))
    filled: dict[str, object] = {}
    for name in (*_FILLED, "arxiv_id", "comments", "stars", "version"):
        order = (speaker, *everyone) if name in (*_TEXTS, "url", "version", "comment") else everyone
        filled[name] = next((v for e in order if (v := getattr(e, name)) not in (None, "", ())), getattr(entry, name))
    votes: tuple[VoteObservation, ...] = ()
    for vote in sorted((v for e in everyone for v in e.votes), key=lambda v: v.at):
        votes = votes_with(votes, vote)
    sightings: dict[tuple[str, str], Sighting] = {}
    for seen in (s for e in everyone for s in e.sightings):
        sightings.setdefault((seen.source_id, seen.key), seen)
    return replace(
        _with(entry, filled),
        title=speaker.title,
        aliases=tuple(dict.fromkeys(a for e in everyone for a in e.aliases)),
        withdrawn=speaker.withdrawn,
        votes=votes,
        sightings=tuple(sightings.values()),
    )


class Standing(IntEnum):
    """How near a source stands to a work, told from the link and the key under which it shows the work."""

    POST = 0
    MIRROR = 1
    LIST = 2
    PUBLISHER = 3
    PREPRINTS = 4
    ARXIV = 5


_ARXIV_HOSTS = ("arxiv.org", "export.arxiv.org", "rss.arxiv.org")
_PREPRINT_HOSTS = ("biorxiv.org", "medrxiv.org", "chemrxiv.org", "researchsquare.com", "psyarxiv.com", "osf.io",
                   "preprints.org", "techrxiv.org", "ssrn.com", "papers.ssrn.com", "hal.science", "zenodo.org",
                   "openreview.net")  # fmt: skip
_LIST_HOSTS = ("huggingface.co", "hf.co")
#: How keys begin under which somebody links to a work with a title of his own: stories of Hacker News; and alert
#: mails, which shorten names and abstracts.
_POSTS = ("hn:", "mail:")


def standing(url: str, key: str) -> Standing:
    """Where a source that shows a work under this link and key stands."""
    if key.startswith(_POSTS):
        return Standing.POST
    try:
        host = (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        host = ""
    if host in _LIST_HOSTS:
        return Standing.LIST
    if host in _ARXIV_HOSTS or key.startswith("oai:arXiv.org:"):
        return Standing.ARXIV
    if host in _PREPRINT_HOSTS:
        return Standing.PREPRINTS
    return Standing.PUBLISHER if identity.find_doi(url) or identity.find_doi(key) else Standing.MIRROR


def _speaker(entry: Entry) -> tuple[Standing, str] | None:
    """Who speaks for a held entry: (where it stands, its source)."""
    if not entry.sightings:
        return None
    nearest = min(entry.sightings, key=lambda s: (-standing(s.url, s.key), s.first_seen_at))
    stands = standing(nearest.url, nearest.key)
    if stands is Standing.POST:
        return stands, nearest.source_id  # the link that was taken is the work's, and not the post's
    # A source may have shown the work under a nearer link later on; the link that was taken tells.
    return max(stands, standing(entry.url, "")), nearest.source_id


#: An abstract of fewer characters gives way to one at least twice as long.
_SHORT_ABSTRACT = 300


def _is_stub(text: str, beside: str) -> bool:
    """Whether one is a line or two where the other is an abstract."""
    return len(text) < _SHORT_ABSTRACT and 2 * len(text) <= len(beside)


def updated(held: Entry, data: EntryData, source: Source, now: datetime) -> Entry:
    """``held`` with what ``source`` says merged in, aliases and title key aside."""
    older = (data.version or 0) < (held.version or 0)
    newer = held.version is not None and (data.version or 0) > held.version
    speaker, stands = _speaker(held), standing(data.url, data.key)
    nearer = speaker is not None and stands > speaker[0]
    # A title alone never speaks for having seen a higher version, and gives way to a whole record of equal standing.
    whole = bool(data.abstract or data.authors)
    fuller = whole and not (held.abstract or held.authors) and speaker is not None and stands == speaker[0]
    first = speaker is None or nearer or fuller or speaker == (stands, source.id)
    speaks = stands is not Standing.POST and ((newer and whole) or (not older and first))
    values: dict[str, object] = {}
    for name in _FILLED:
        said, had = getattr(data, name), getattr(held, name)
        fixed = name in ("published_at", "submitted_at", "doi") or (name == "url" and not nearer)
        values[name] = said if said not in (None, "", ()) and (had in (None, "", ()) or (speaks and not fixed)) else had
    if _is_stub(data.abstract, held.abstract):
        values["abstract"] = held.abstract
    elif not older and _is_stub(held.abstract, data.abstract):
        values["abstract"] = data.abstract
    for name in ("title", "abstract", "authors"):
        # The same words in another spelling are no revision, and are not worth a write.
        if _same(values.get(name, data.title if speaks else held.title), getattr(held, name)):
            values[name] = getattr(held, name)
        elif name == "title":
            values[name] = data.title if speaks else held.title
    # Whose names these are, their ids must be; an id that is missing is filled in.
    ids = data.author_ids if len(data.author_ids) == len(data.authors) else ()
    if values["authors"] != held.authors or (ids and not any(held.author_ids) and _same(held.authors, data.authors)):
        values["author_ids"] = ids
    withdrawn = data.withdrawn if newer else held.withdrawn or (data.withdrawn and not older)
    return replace(
        _with(held, values),
        comments=_comments(held, data, source),
        stars=held.stars if data.stars is None else data.stars,
        version=max(filter(None, (held.version, data.version)), default=None),
        withdrawn=withdrawn,
        votes=votes_with(held.votes, observation(data, source, now)),
        sightings=tuple(dict.fromkeys((*held.sightings, sighting(held, source, data, now)))),
    )


def _comments(held: Entry, data: EntryData, source: Source) -> int | None:
    """How many comments there are: the newest count; of several sources the larger, so that they do not take turns."""
    if data.comments is None or held.comments is None:
        return held.comments if data.comments is None else data.comments
    alone = all(seen.source_id == source.id for seen in held.sightings)
    return data.comments if alone else max(held.comments, data.comments)


def revised_fields(before: Entry, after: Entry) -> tuple[str, ...]:
    """Names of what a reader would call a revision: text, a higher version, a withdrawal, a first DOI or code link."""
    changed = [n for n in _TEXTS if not _same(getattr(before, n), getattr(after, n))]
    if before.version is not None and after.version is not None and after.version > before.version:
        changed.append("version")
    if after.withdrawn and not before.withdrawn:
        changed.append("withdrawn")
    changed += [n for n in ("doi", "code_url") if getattr(after, n) and not getattr(before, n)]
    return tuple(changed)


def observation(data: EntryData, source: Source, now: datetime) -> VoteObservation | None:
    """The vote count this feed showed, if it has votes."""
    return None if data.upvotes is None else VoteObservation(source_id=source.id, at=now, upvotes=data.upvotes)


def votes_with(votes: tuple[VoteObservation, ...], newest: VoteObservation | None) -> tuple[VoteObservation, ...]:
    """The newest observation of each source."""
    if newest is None:
        return votes
    return (*(v for v in votes if v.source_id != newest.source_id), newest)


def sighting(held: Entry, source: Source, data: EntryData, now: datetime) -> Sighting:
    """Where this source shows the work, since when."""
    known = next((s for s in held.sightings if s.source_id == source.id and s.key == data.key), None)
    return known or Sighting(source_id=source.id, key=data.key, url=data.url, first_seen_at=now)


def _with(record: _Record, values: dict[str, object]) -> _Record:
    """``record`` with fields set by name; each value comes from the same field of a record."""
    changes: Any = values
    return replace(record, **changes)


def _same(one: object, other: object) -> bool:
    """Equal but for case, accents, punctuation and white space."""
    if one == other:
        return True
    if isinstance(one, tuple) and isinstance(other, tuple):
        names, others = cast("tuple[str, ...]", one), cast("tuple[str, ...]", other)
        return list(map(identity.author_key, names)) == list(map(identity.author_key, others))
    return isinstance(one, str) and isinstance(other, str) and _bare(one) == _bare(other)


def _bare(text: str) -> str:
    bare = identity.folded(text).replace(" ", "")
    return bare or text.strip()
