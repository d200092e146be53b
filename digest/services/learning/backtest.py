"""`digest backtest`: figures of a replay with their intervals, and the prior that a past teaches.

The replay itself is in replay.py, the past in past.py; here the samples become a table. Every gain is paired: the
difference is taken pool by pool, then averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from digest.model.errors import InputError, UsageError
from digest.ranking.evaluate import Calibration, Estimate, calibration, estimate
from digest.ranking.prior.fit import fit
from digest.ranking.prior.judge import choose
from digest.ranking.prior.weights import dump, load
from digest.services.learning.past import Past
from digest.services.learning.replay import (
    CATEGORIES,
    CHANCE,
    FEATURED,
    FEWEST,
    FEWEST_LISTED,
    GIVEN_UP,
    LISTED_PLACES,
    NDCG,
    NDCG_PLACES,
    PRECISION,
    VOTES,
    Note,
    Plan,
    Sample,
    listings,
    pools,
)
from digest.storage import fits
from digest.storage.engine import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One measure of one list, and its paired gains: over the list that does not rank, over the compared one."""

    measure: str
    label: str
    list: str
    value: Estimate
    over_plain: Estimate | None = None
    over_other: Estimate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Backtest:
    """The figures of one replay. ``compared_with`` is empty where nothing was compared."""

    since: date
    until: date
    days: int
    top: int
    lists: tuple[str, ...]
    compared_with: str
    rows: tuple[Row, ...]
    pools: tuple[Sample, ...]
    listings: tuple[Sample, ...]
    calibration: Calibration | None
    notes: tuple[str, ...]


def run(past: Past, plan: Plan, *, note: Note = lambda _: None) -> Backtest:
    """Replays the plan. Raises UsageError for days in the wrong order, InputError where the past has too few."""
    if plan.since > plan.until:
        raise UsageError(
            f"{plan.since} is after {plan.until}", where="--from", try_="name the first day, then the last"
        )
    note("looking at what was seen when")
    ranked = pools(past, plan, note=note)
    listed = listings(past, plan, note=note)
    if not ranked and not listed.samples:
        raise InputError(
            f"there is too little from {plan.since} to {plan.until} to measure anything: it takes {plan.days} days "
            f"with {FEWEST} papers whose votes were seen 72 hours after their submission, or a day's listing of "
            f"{FEWEST_LISTED} papers without votes that is a week old and had one featured",
            where=past.where,
            try_="name more days with --from and --to, or other pools with --days",
        )
    names = tuple(one.name for one in plan.contenders)
    other = names[-1] if plan.compared else ""
    return Backtest(
        since=plan.since,
        until=plan.until,
        days=plan.days,
        top=plan.top,
        lists=names,
        compared_with=other,
        rows=(*_rows(plan, names, other, ranked), *_rows(plan, names, other, listed.samples)),
        pools=ranked,
        listings=listed.samples,
        calibration=calibration(listed.said, listed.came) if listed.said else None,
        notes=_notes(plan, ranked, listed.samples),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A new prior: its document, the days of the papers it saw, and how many taught it what."""

    document: str
    first: date
    last: date
    votes: int
    listed: int
    featured: int


def learn(past: Past, *, until: date, since: date | None = None, note: Note = lambda _: None) -> Fitted:
    """The prior that the papers of these days teach; nothing seen after ``until`` is used. Raises as ``fit``."""
    start = datetime.combine(since, time(), UTC) if since else None
    end = datetime.combine(until, time(), UTC) + timedelta(days=1) - timedelta(microseconds=1)
    prior = fit(past.examples(start), until=end, note=note)
    saw = prior.saw
    return Fitted(
        document=dump(prior).decode(),
        first=saw.first,
        last=saw.last,
        votes=saw.votes,
        listed=saw.listed,
        featured=saw.featured,
    )


def read_prior(document: str, *, name: str) -> str:
    """The document as it is. Raises InputError where this version cannot read it."""
    load(document, name=name)
    return document


def keep_prior(store: Store, fitted: Fitted, *, now: datetime) -> None:
    """Makes it the one that rankings use from now on."""
    with store.transaction() as tx:
        fits.keep(tx, fitted.document, made_at=now)


def _rows(plan: Plan, names: Sequence[str], other: str, samples: Sequence[Sample]) -> list[Row]:
    found: list[Row] = []
    for measure in (PRECISION, NDCG, FEATURED, CATEGORIES, GIVEN_UP):
        plain = CHANCE if measure == FEATURED else VOTES
        for name in (plain, *names):
            values = [sample.values.get(measure, {}).get(name) for sample in samples]
            if all(value is None for value in values):
                continue
            compared = bool(other) and name == names[0] and name != other
            found.append(
                Row(
                    measure=measure,
                    label=_label(measure, plan),
                    list=name,
                    value=estimate([value for value in values if value is not None]),
                    over_plain=_gain(samples, measure, name, plain) if name != plain else None,
                    over_other=_gain(samples, measure, name, other) if compared else None,
                )
            )
    return found


def _gain(samples: Sequence[Sample], measure: str, name: str, over: str) -> Estimate | None:
    pairs = [sample.values.get(measure, {}) for sample in samples]
    gains = [values[name] - values[over] for values in pairs if name in values and over in values]
    return estimate(gains) if gains else None


def _label(measure: str, plan: Plan) -> str:
    return {
        PRECISION: f"P@{plan.top} against final votes",
        NDCG: f"nDCG@{NDCG_PLACES} against final votes",
        FEATURED: f"P@{LISTED_PLACES} of papers without votes",
        CATEGORIES: "distance from the category weights",
        GIVEN_UP: "precision given up for the weights",
    }[measure]


def _notes(plan: Plan, ranked: Sequence[Sample], listed: Sequence[Sample]) -> tuple[str, ...]:
    """What a reader of the figures has to know."""
    notes: list[str] = []
    for one in dict.fromkeys(one.fit or "" for one in plan.contenders):
        saw = choose(one)[0].saw
        name = "A fitted prior" if one else "The shipped prior"
        inside = sum(saw.first <= sample.last and sample.first <= saw.last for sample in (*ranked, *listed))
        if inside:
            notes.append(
                f"{name} was fitted on papers of {saw.first} to {saw.last}: {inside} of {len(ranked) + len(listed)} "
                "pools and listings are of these days, so their figures flatter. Replay later days, or fit with --to "
                "before them."
            )
    if 0 < len(ranked) < 10:
        notes.append(f"{len(ranked)} pools are few: take the intervals seriously, or replay more days.")
    if not ranked:
        notes.append("No pool could be measured: too few papers have final votes.")
    return tuple(notes)


__all__ = ["Backtest", "Estimate", "Fitted", "Row", "Sample", "keep_prior", "learn", "read_prior", "run"]
