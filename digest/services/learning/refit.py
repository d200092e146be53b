"""Learning from one's own papers: once a week a new prior is fitted, tried on the newest days, and kept if it serves.

What was decided is written down with its reason, for `digest status` and the log.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from digest.model.errors import InputError
from digest.model.past import Seen
from digest.services.learning.backtest import Fitted, keep_prior, learn
from digest.services.learning.past import Past, StorePast
from digest.services.learning.replay import NDCG, Contender, Plan, pools
from digest.services.status.refitted import Refitted, last, put_down
from digest.storage.engine import Store

EVERY = timedelta(days=7)
#: With fewer papers or days of one's own, the shipped prior knows more.
FEWEST_WORKS, FEWEST_DAYS = 1_000, 60
#: The newest days, on which a new prior is tried and which it has not seen: one of so many.
TRIED_ON = 10
_POOL_DAYS = 3
_OURS, _SHIPPED = "own", "shipped"


def refit(store: Store, now: datetime) -> Refitted | None:
    """Fits, tries, keeps or leaves; None while the last try is less than a week old."""
    with store.reading() as tx:
        before = last(tx)
    if before is not None and now - before.at < EVERY:
        return None
    past = StorePast(store=store, until=now)
    try:
        kept, why, fitted = _tried(past, now)
    except InputError as error:
        kept, why, fitted = False, error.what, None
    if kept and fitted is not None:
        keep_prior(store, fitted, now=now)
    done = Refitted(at=now, kept=kept, why=why)
    with store.transaction() as tx:
        put_down(tx, done)
    return done


def _tried(past: Past, now: datetime) -> tuple[bool, str, Fitted | None]:
    """(whether it is to be kept, the reason, the new prior)."""
    days = _days([one for one in past.seen() if one.final is not None])
    works, span = sum(days.values()), _span(days)
    if works < FEWEST_WORKS or span < FEWEST_DAYS:
        lacking = f"{works} papers with final votes over {span} days"
        return False, f"the shipped one serves: {lacking}, and {FEWEST_WORKS} over {FEWEST_DAYS} are needed", None
    newest = sorted(days)[-max(1, len(days) // TRIED_ON) :]
    fitted = learn(past, until=newest[0] - timedelta(days=1))
    ours, shipped = Contender(name=_OURS, fit=fitted.document), Contender(name=_SHIPPED, fit="")
    plan = Plan(since=newest[0], until=newest[-1], contenders=(ours, shipped), days=_POOL_DAYS)
    values = [sample.values[NDCG] for sample in pools(past, plan, note=lambda _: None)]
    pairs = [(one[_OURS], one[_SHIPPED]) for one in values if _OURS in one]
    if not pairs:
        return False, f"it could not be tried: no {_POOL_DAYS} days since {newest[0]} have 20 papers", fitted
    own, other = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    figures = f"nDCG@20 since {newest[0]} is {own:.3f} with it and {other:.3f} with the shipped one"
    return own >= other, f"fitted on {fitted.votes} papers up to {fitted.last}; {figures}", fitted


def _days(seen: list[Seen]) -> dict[date, int]:
    found: dict[date, int] = {}
    for one in seen:
        day = one.first_at.astimezone(UTC).date()
        found[day] = found.get(day, 0) + 1
    return found


def _span(days: dict[date, int]) -> int:
    return (max(days) - min(days)).days + 1 if days else 0
