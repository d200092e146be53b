"""Past mornings, ranked again: what each list would have held, measured against what became of the papers.

A pool holds the papers of some days as they stood on the last morning, ranked by the road that an edition takes (Pool,
rank_pool, select), and is compared with final votes. A listing holds the papers that one day's sources without votes
named, and is compared with who was featured later. The list by raw votes is measured on the same pools.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from digest.model.feeds import Entry
from digest.model.past import Seen
from digest.model.people import Profile
from digest.ranking.evaluate import best, ndcg_at, precision_at, total_variation
from digest.ranking.pool import Pool, tie_break
from digest.ranking.rank import Ranking, category_of, rank_pool
from digest.ranking.select import DEFAULT_MAX_ITEMS, select
from digest.services.learning.past import Past

#: A paper that a voting list takes later than this after its listing is rare.
UNDECIDED = timedelta(days=7)
#: A pool of fewer papers with final votes says little, and so does a listing of fewer papers.
FEWEST, FEWEST_LISTED = 20, 40
#: How far down nDCG looks, and how many papers of a listing are taken.
NDCG_PLACES = LISTED_PLACES = 20

#: The measures of a pool and of a listing.
PRECISION, NDCG, CATEGORIES, GIVEN_UP, FEATURED = "precision", "ndcg", "category_error", "given_up", "featured"
#: The lists that do not rank: of a pool by votes, of a listing by lot.
VOTES, CHANCE = "raw votes", "chance"

Note = Callable[[str], None]
Values = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One way to rank. ``fit`` is a fitted prior's document, empty for the shipped one; None: what served then."""

    name: str
    profile: Profile = field(default_factory=Profile)
    fit: str | None = None
    prestige: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to replay. Days are those of UTC, both ends included."""

    since: date
    until: date
    contenders: tuple[Contender, ...]
    compared: bool = False
    """The first contender is compared with the last, pool by pool."""
    days: int = 5
    top: int = 10
    morning: time | None = None
    """In UTC; None: when the last paper of the day had come in."""
    sources: tuple[str, ...] = ()
    """Only what these carried is ranked; empty: everything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A paper that one list had among its first and the other had not."""

    id: str
    title: str
    votes: int
    final: int
    good: bool
    """Among the best by final votes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One pool or listing. ``values`` are by measure, then by list."""

    first: date
    last: date
    at: datetime
    papers: int
    values: Values
    ours: tuple[Found, ...] = ()
    """Only in the top of the first list, ``theirs`` only in that of the one it is compared with."""
    theirs: tuple[Found, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Listings:
    """The days' listings, and what the first contender said of each of their papers beside what came."""

    samples: tuple[Sample, ...]
    said: tuple[float, ...]
    came: tuple[bool, ...]


def pools(past: Past, plan: Plan, *, note: Note) -> tuple[Sample, ...]:
    """Disjoint runs of ``plan.days`` days; a day without a paper whose votes are final is none."""
    seen = past.seen(plan.sources)
    final = {one.number: one.final for one in seen if one.final is not None}
    by_morning = _by_morning([(one.first_at, one) for one in seen], plan)
    days = [at for at, some in by_morning.items() if any(one.number in final for one in some)]
    runs = [days[start : start + plan.days] for start in range(0, len(days) - plan.days + 1, plan.days)]
    measured: list[Sample] = []
    for place, run in enumerate(runs, 1):
        note(f"pool {place} of {len(runs)}, to {run[-1]:%Y-%m-%d}")
        inside = [one for at in run for one in by_morning[at]]
        if sum(one.number in final for one in inside) >= FEWEST:
            measured += _pool(past, plan, inside, final, run)
    return tuple(measured)


def listings(past: Past, plan: Plan, *, note: Note) -> Listings:
    """One a day, of the papers that had no votes yet; those of the last week before the past ends are undecided."""
    seen = [one for one in past.seen(plan.sources) if one.listed_at is not None]
    by_morning = _by_morning([(one.listed_at, one) for one in seen if one.listed_at is not None], plan)
    days = [at for at in by_morning if past.last_at - at >= UNDECIDED]
    measured: list[Sample] = []
    said: list[float] = []
    came: list[bool] = []
    for place, now in enumerate(days, 1):
        open_ = [one for one in by_morning[now] if one.voted_at is None or one.voted_at > now]
        if len(open_) < FEWEST_LISTED:
            continue
        note(f"listing {place} of {len(days)}, {now:%Y-%m-%d}")
        papers = past.at((one.number for one in open_), now)
        numbers = {one.number for one in open_ if one.voted_at is not None}
        featured = {paper.work for paper in papers if paper.id in numbers}
        rank = _ranker(past, plan, papers, now)
        lists = {one.name: rank(one) for one in plan.contenders}
        values = {
            name: precision_at([each.entry.work for each in ranking], featured, LISTED_PLACES)
            for name, ranking in lists.items()
        }
        values[CHANCE] = len(featured) / len(papers)
        measured.append(
            Sample(first=now.date(), last=now.date(), at=now, papers=len(papers), values={FEATURED: values})
        )
        for one in lists[plan.contenders[0].name]:
            if one.probability is not None:
                said.append(one.probability)
                came.append(one.entry.work in featured)
    if not any(came):
        return Listings(samples=(), said=(), came=())
    return Listings(samples=tuple(measured), said=tuple(said), came=tuple(came))


def _pool(
    past: Past, plan: Plan, inside: Sequence[Seen], outcome: Mapping[int, int], days: Sequence[datetime]
) -> list[Sample]:
    now = days[-1]
    papers = past.at((one.number for one in inside), now)
    final: dict[str, int] = {
        paper.work: outcome[paper.id] for paper in papers if paper.id in outcome and paper.upvotes is not None
    }
    if len(final) < FEWEST:
        return []
    known: dict[str, float] = {paper.work: outcome[paper.id] for paper in papers if paper.id in outcome}
    if past.last_at - now >= UNDECIDED:
        # Listed without votes, and on no voting list a week later: it has ended with none.
        known |= {one.work: 0.0 for one in papers if one.upvotes is None and one.work not in known}
    rank = _ranker(past, plan, papers, now)
    lists = {one.name: rank(one) for one in plan.contenders}
    first, other = plan.contenders[0].name, plan.contenders[-1 if plan.compared else 0].name
    tops = {
        name: [one.entry for one in ranked if one.entry.work in final][: plan.top] for name, ranked in lists.items()
    }
    good = best({work: float(votes) for work, votes in final.items()}, plan.top)
    return [
        Sample(
            first=days[0].date(),
            last=now.date(),
            at=now,
            papers=len(papers),
            values=_measured(plan, lists, final, known),
            ours=_only(tops[first], tops[other], final, good),
            theirs=_only(tops[other], tops[first], final, good),
        )
    ]


def _measured(plan: Plan, lists: Mapping[str, Ranking], final: Mapping[str, int], known: Mapping[str, float]) -> Values:
    """Every measure of every list; what a list has no value of is left out."""
    first = plan.contenders[0]
    orders = {name: [one.entry for one in ranked] for name, ranked in lists.items()}
    orders[VOTES] = sorted(orders[first.name], key=_by_votes)
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for name, order in orders.items():
        values[PRECISION][name] = _precision(order, final, plan.top)
        values[NDCG][name] = _ndcg(order, known)
    for one in plan.contenders:
        if one.profile.categories:
            values[CATEGORIES][one.name], values[GIVEN_UP][one.name] = _categories(lists[one.name], one.profile, final)
    if first.profile.categories:
        values[CATEGORIES][VOTES] = _error(orders[VOTES][: _seats(first.profile)], first.profile)
    return {
        measure: {name: value for name, value in by_list.items() if not math.isnan(value)}
        for measure, by_list in values.items()
    }


def _ranker(past: Past, plan: Plan, papers: Sequence[Entry], now: datetime) -> Callable[[Contender], Ranking]:
    """Ranks these papers for a contender, best first, without those that its profile never prints."""
    keep = frozenset(work for one in plan.contenders for work in (*one.profile.likes, *one.profile.dislikes))
    evidence = past.evidence(papers, now, keep=keep)
    made: dict[tuple[str, bool], Pool] = {}

    def rank(one: Contender) -> Ranking:
        key = (evidence.fit if one.fit is None else one.fit, one.prestige)
        if key not in made:
            own = replace(evidence, fit=key[0], prestige=one.prestige)
            made[key] = Pool(papers, now=now, evidence=own, keep=keep)
        ranking = rank_pool(made[key], one.profile)
        boundless = replace(one.profile, max_items=None, per_category=None, min_score=None, seats=())
        sections = select(ranking, boundless, default_max_items=None).sections
        allowed = {each.entry.id for _, some in sections for each in some}
        return ranking.without({paper.id for paper in papers if paper.id not in allowed})

    return rank


def _by_morning(met: Sequence[tuple[datetime, Seen]], plan: Plan) -> Mapping[datetime, list[Seen]]:
    """The plan's mornings, in order, each with what came in since the one before."""
    start, end = (
        datetime.combine(plan.since, time(), UTC),
        datetime.combine(plan.until, time(), UTC) + timedelta(days=1),
    )
    if plan.morning is None:
        last: dict[date, datetime] = {}
        for at, _ in met:
            last[at.date()] = max(at, last.get(at.date(), at))
        mornings = sorted(at for at in last.values() if start <= at < end)
    else:
        first = datetime.combine(plan.since, plan.morning, UTC)
        mornings = [first + timedelta(days=day) for day in range((plan.until - plan.since).days + 1)]
        start = first - timedelta(days=1)
    found: dict[datetime, list[Seen]] = {at: [] for at in mornings}
    for at, one in met:
        place = bisect_left(mornings, at)
        if at >= start and place < len(mornings):
            found[mornings[place]].append(one)
    return {at: some for at, some in found.items() if some}


def _precision(order: Sequence[Entry], final: Mapping[str, int], top: int) -> float:
    """Of the papers that the list may print and whose final votes are known."""
    judged = [entry.work for entry in order if entry.work in final]
    return precision_at(judged, best({work: float(final[work]) for work in judged}, top), top)


def _ndcg(order: Sequence[Entry], known: Mapping[str, float]) -> float:
    """A paper's gain is its final votes."""
    return ndcg_at([known[entry.work] for entry in order if entry.work in known], NDCG_PLACES)


def _categories(ranking: Ranking, profile: Profile, final: Mapping[str, int]) -> tuple[float, float]:
    """(distance of what is printed from the weights, precision that is given up for them)."""
    seats = _seats(profile)
    sections = select(ranking, profile).sections
    printed = [one.entry for _, some in sections for one in some]
    judged = [one.entry.work for one in ranking if one.entry.work in final]
    good = best({work: float(final[work]) for work in judged}, seats)
    bound = [entry.work for entry in printed if entry.work in final]
    return _error(printed, profile), precision_at(judged, good, seats) - precision_at(bound, good, seats)


def _error(printed: Sequence[Entry], profile: Profile) -> float:
    weights: dict[str, float] = defaultdict(float)
    for name, weight in profile.categories:
        weights[name.casefold()] += weight
    return total_variation(Counter(category_of(entry, profile).casefold() for entry in printed), weights)


def _seats(profile: Profile) -> int:
    return profile.max_items or DEFAULT_MAX_ITEMS


def _only(
    mine: Sequence[Entry], theirs: Sequence[Entry], final: Mapping[str, int], good: Collection[str]
) -> tuple[Found, ...]:
    others = {entry.work for entry in theirs}
    return tuple(
        Found(id=one.work, title=one.title, votes=one.upvotes or 0, final=final[one.work], good=one.work in good)
        for one in mine
        if one.work not in others
    )


def _by_votes(entry: Entry) -> tuple[float, str]:
    return (float("inf") if entry.upvotes is None else -float(entry.upvotes), tie_break(entry.work))
