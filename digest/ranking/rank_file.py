"""``digest rank FILE.jsonl``: parsed lines and profiles in, one JSON-able document out.

Takes parsed lines of FILE and of an optional history, parsed profiles, and the Identity of stage 2. Gives the
contract's ``rank`` document. Ids are FILE's, verbatim: a work's item has the id of its first line, ``also`` the
others'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from digest.model.editions import Ranked
from digest.model.errors import InputError
from digest.model.feeds import Alias, Entry, EntryData, EntryId, SourceId, VoteObservation, WorkId
from digest.model.people import Profile, Weights
from digest.model.ranking import Evidence
from digest.ranking.explain import why
from digest.ranking.observations import Identity, Line, Observation, merged, observation, works
from digest.ranking.pool import HISTORY_LIMIT, Pool
from digest.ranking.prior.records import author_records, institution_records
from digest.ranking.rank import order_key, rank_pool
from digest.ranking.select import select
from digest.ranking.text import TextIndex

#: Without a profile the list is ordered by the trend alone.
TREND_ONLY = Profile(weights=Weights(trend=100.0, topic=0.0, people=0.0, novelty=0.0))

Document = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What the lines come to: candidates and history, FILE's ids of each work, the work of each id and alias."""

    candidates: tuple[Entry, ...]
    earlier: tuple[Entry, ...]
    ids: Mapping[WorkId, tuple[str, ...]]
    works: Mapping[str, WorkId]


def rank_file(
    lines: Sequence[Line],
    *,
    identity: Identity,
    at: datetime | None = None,
    profiles: Sequence[tuple[str, Profile]] = (),
    history: Sequence[Line] = (),
    limit: int | None = None,
    name: str = "FILE",
    history_name: str = "history",
    fit: str = "",
    prestige: bool = True,
) -> Document:
    """``profiles`` are (name, profile). One or none gives ``items``, several give ``profiles`` with items each.

    ``fit`` is the document of a fitted prior (empty: the shipped one); ``prestige``: see Evidence.
    """
    seen = [observation(line, identity, name=name) for line in lines]
    earlier = [observation(line, identity, name=history_name) for line in history]
    instant = _instant(seen, at, name)
    known = _known(_until(seen, instant), _until(earlier, instant), instant, identity)
    named = [(title, _with_works(profile, known, identity)) for title, profile in profiles or (("", TREND_ONLY),)]
    liked = frozenset(work for _, profile in named for work in (*profile.likes, *profile.dislikes))
    pool = Pool(known.candidates, now=instant, evidence=_evidence(known.earlier, fit, prestige), keep=liked)
    lists = [(title, _items(pool, profile, known, limit)) for title, profile in named]
    document: Document = {"at": instant.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    if len(lists) == 1:
        return {**document, "items": lists[0][1]}
    return {**document, "profiles": [{"profile": title, "items": items} for title, items in lists]}


def _evidence(earlier: tuple[Entry, ...], fit: str, prestige: bool) -> Evidence:
    # A shorter history is counted where it is used.
    counted = earlier if len(earlier) > HISTORY_LIMIT else ()
    return Evidence(
        history=earlier,
        terms=TextIndex([(entry.title, entry.abstract) for entry in counted]).holders(),
        documents=len(counted),
        authors=author_records(earlier),
        institutions=institution_records(earlier),
        fit=fit,
        prestige=prestige,
    )


def _instant(seen: Sequence[Observation], at: datetime | None, name: str) -> datetime:
    if at is not None:
        return at
    observed = [one.observed_at for one in seen if one.observed_at]
    if not observed:
        raise InputError("no line has observed_at", where=name, try_="give the instant with --at")
    return max(observed)


def _until(seen: Sequence[Observation], instant: datetime) -> list[Observation]:
    """What was known at the instant; a line that does not say when it was observed is taken to be of that instant."""
    return [one for one in seen if one.observed_at is None or one.observed_at <= instant]


def _known(seen: list[Observation], earlier: list[Observation], instant: datetime, identity: Identity) -> _Known:
    candidates: list[Entry] = []
    held: list[Entry] = []
    ids: dict[WorkId, tuple[str, ...]] = {}
    works_by_name: dict[str, WorkId] = {}
    # Both files are grouped together, so that an earlier observation of a listed paper is known to be of it.
    of_file = {id(one) for one in seen}
    for group in works([*seen, *earlier], identity):
        ours = [one for one in group if id(one) in of_file]
        entry = entry_of(ours or group, group, instant)
        if ours:
            candidates.append(entry)
            ids[entry.work] = tuple(dict.fromkeys(one.id for one in ours))
        elif any(one.whole for one in group):
            held.append(entry)
        for one in group:
            for known in (one.id, *one.aliases):
                works_by_name[known] = entry.work
    return _Known(candidates=tuple(candidates), earlier=tuple(held), ids=ids, works=works_by_name)


def entry_of(said: Sequence[Observation], group: Sequence[Observation], instant: datetime) -> Entry:
    """One work from what ``said`` shows of it; its name and aliases come from all of the group."""
    data = merged(said)
    aliases = tuple(sorted({alias for one in group for alias in one.aliases}))
    newest: dict[str, VoteObservation] = {}
    for one in said:
        if one.data.upvotes is None:
            continue
        vote = VoteObservation(source_id=SourceId(one.source), at=one.observed_at or instant, upvotes=one.data.upvotes)
        before = newest.get(one.source)
        if before is None or (vote.at, vote.upvotes) > (before.at, before.upvotes):
            newest[one.source] = vote
    return Entry(
        id=EntryId(0),
        work=_work(aliases, min(one.id for one in group)),
        aliases=aliases,
        title=data.title,
        title_key="",
        url=data.url,
        abstract=data.abstract,
        authors=data.authors,
        institutions=data.institutions,
        categories=data.categories,
        published_at=data.published_at,
        submitted_at=data.submitted_at,
        first_seen_at=min((one.observed_at for one in said if one.observed_at), default=instant),
        arxiv_id=data.arxiv_id,
        version=data.version,
        doi=data.doi,
        comments=data.comments,
        comment=data.comment,
        code_url=data.code_url,
        stars=data.stars,
        pdf_url=data.pdf_url,
        project_url=data.project_url,
        language=data.language,
        votes=tuple(newest[source] for source in sorted(newest)),
    )


def _work(aliases: tuple[Alias, ...], id_: str) -> WorkId:
    """A name that does not depend on the order of the lines."""
    for kind in ("arxiv:", "doi:"):
        for alias in aliases:
            if alias.startswith(kind):
                return WorkId(alias)
    return WorkId(f"work:{hashlib.sha256(' '.join(aliases or (id_,)).encode()).hexdigest()}")


def _items(pool: Pool, profile: Profile, known: _Known, limit: int | None) -> list[Document]:
    selection = select(rank_pool(pool, profile), profile, default_max_items=None)
    printed = sorted((one for _, entries in selection.sections for one in entries), key=order_key)
    return [_item(place, one, known.ids[one.entry.work]) for place, one in enumerate(printed[:limit], 1)]


def _with_works(profile: Profile, known: _Known, identity: Identity) -> Profile:
    return replace(
        profile,
        likes=_works_named(known, profile.likes, identity),
        dislikes=_works_named(known, profile.dislikes, identity),
    )


def _works_named(known: _Known, names: tuple[str, ...], identity: Identity) -> tuple[str, ...]:
    """Ids of FILE and history as works; an id in another form (a link, a version) is looked up by its aliases."""
    found: list[str] = []
    for name in names:
        aliases = identity.aliases(EntryData(key=name, title=name, url=name))
        found += [known.works[form] for form in (name, *aliases) if form in known.works][:1]
    return tuple(found)


def _item(place: int, ranked: Ranked, ids: tuple[str, ...]) -> Document:
    return {
        "rank": place,
        "id": ids[0],
        "score": ranked.score,
        "probability": ranked.probability,
        "parts": [{"key": part.key, "points": part.points, "why": why(part)} for part in ranked.parts],
        "category": ranked.category if ranked.entry.categories else None,
        "also": list(ids[1:]),
    }
