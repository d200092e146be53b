"""A prior of one's own: made once a week where there is enough, kept only where it serves, and always with a reason."""

from __future__ import annotations

from datetime import timedelta

from digest.services.learning import refit as refitting
from digest.services.learning.refit import refit
from digest.services.status.refitted import Refitted, last
from digest.storage import fits
from tests.services.histories import morning, voted
from tests.services.test_backtest import stored


def known(store):
    with store.reading() as tx:
        return last(tx), fits.newest_at(tx)


def test_too_little_is_told_and_tried_again_after_a_week(store):
    now = morning(30)
    done = refit(store, now)
    assert done == Refitted(at=now, kept=False, why=done.why if done else "")
    assert done is not None
    assert "0 papers with final votes over 0 days, and 1000 over 60 are needed" in done.why
    assert known(store) == (done, None)
    assert refit(store, now + timedelta(days=6)) is None
    again = refit(store, now + timedelta(days=8))
    assert again is not None
    assert again.at == now + timedelta(days=8)


def test_enough_papers_are_learnt_from_and_the_newest_days_decide(store, monkeypatch):
    monkeypatch.setattr(refitting, "FEWEST_WORKS", 600)
    monkeypatch.setattr(refitting, "FEWEST_DAYS", 30)
    stored(store, sorted(voted(days=32, a_day=26), key=lambda line: line["observed_at"]))
    now = morning(45)
    done = refit(store, now)
    assert done is not None
    _, made_at = known(store)
    assert (made_at is not None) == done.kept
    assert "fitted on" in done.why
    # A tenth of 32 days is three: they were not learnt from.
    assert f"nDCG@20 since {morning(29):%Y-%m-%d}" in done.why
    assert f"up to {morning(28):%Y-%m-%d}" in done.why


def test_a_prior_that_serves_worse_is_not_kept(store, monkeypatch):
    monkeypatch.setattr(refitting, "FEWEST_WORKS", 600)
    monkeypatch.setattr(refitting, "FEWEST_DAYS", 30)
    stored(store, sorted(voted(days=32, a_day=26), key=lambda line: line["observed_at"]))
    real = refitting.pools

    def spoilt(past, plan, *, note):
        """What was measured, with the two lists' figures made known."""
        from dataclasses import replace

        return tuple(replace(one, values={"ndcg": {"own": 0.4, "shipped": 0.5}}) for one in real(past, plan, note=note))

    monkeypatch.setattr(refitting, "pools", spoilt)
    done = refit(store, morning(45))
    assert done is not None
    assert (done.kept, known(store)[1]) == (False, None)
    assert "is 0.400 with it and 0.500 with the shipped one" in done.why
