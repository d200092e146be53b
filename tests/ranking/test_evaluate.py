"""The measures of a list, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from digest.ranking.evaluate import best, calibration, estimate, ndcg_at, precision_at, total_variation


def test_precision_counts_the_good_ones_among_the_first():
    assert precision_at(["a", "b", "c", "d"], {"b", "d", "x"}, 2) == 0.5
    assert precision_at(["a", "b", "c", "d"], {"b", "d", "x"}, 4) == 0.5
    assert precision_at(["b"], {"b", "d"}, 2) == 0.5  # an empty place holds none
    assert precision_at([], {"b"}, 3) == 0.0


def test_the_best_are_the_largest_and_equal_ones_go_by_name():
    assert best({"c": 5, "a": 5, "b": 9, "d": 1}, 2) == {"b", "a"}
    assert best({"a": 1}, 5) == {"a"}


def test_ndcg_is_the_discounted_gain_over_that_of_the_ideal_list():
    given = 1 / 1 + 0 / math.log2(3) + 3 / 2
    ideal = 3 / 1 + 1 / math.log2(3) + 0 / 2
    assert ndcg_at([1, 0, 3], 3) == pytest.approx(given / ideal)
    assert ndcg_at([1, 0, 3], 1) == pytest.approx(1 / 3)
    assert ndcg_at([3, 1, 0], 20) == 1.0
    assert math.isnan(ndcg_at([0, 0], 2))
    assert math.isnan(ndcg_at([], 2))


def test_total_variation_is_half_the_sum_of_the_differences():
    assert total_variation({"cs.CL": 3, "cs.LG": 1}, {"cs.CL": 2, "cs.LG": 2}) == pytest.approx(0.25)
    assert total_variation({"cs.CL": 4}, {"cs.CL": 1, "cs.LG": 1}) == pytest.approx(0.5)
    assert total_variation({"cs.CL": 4}, {"cs.LG": 1}) == 1.0
    assert total_variation({}, {"cs.LG": 1}) == 1.0
    assert total_variation({"a": 6, "b": 3}, {"b": 1.0, "a": 2.0}) == 0.0


def test_an_interval_holds_the_mean_and_narrows_with_more_days():
    few = estimate([0.0, 1.0] * 5)
    many = estimate([0.0, 1.0] * 500)
    assert (few.mean, few.count, many.count) == (0.5, 10, 1000)
    assert few.low < 0.3 < 0.7 < few.high
    # The mean of n fair coins lies within 1.96 * 0.5 / sqrt(n) of a half in 95 of 100 cases.
    assert (many.low, many.high) == pytest.approx((0.5 - 0.031, 0.5 + 0.031), abs=0.004)
    assert estimate([0.25] * 7) == estimate([0.25] * 7)
    assert (estimate([0.25] * 7).low, estimate([0.25] * 7).high) == (0.25, 0.25)


def test_an_estimate_leaves_out_what_is_not_known():
    assert estimate([0.5, float("nan"), 1.0]).mean == 0.75
    assert estimate([float("nan")]).count == 0


def test_the_calibration_error_weighs_the_gaps_of_ten_bins():
    said = [0.05, 0.05, 0.05, 0.05, 0.95, 0.95]
    came = [False, False, False, True, True, False]
    found = calibration(said, came)
    # (4 * |0.05 - 0.25| + 2 * |0.95 - 0.5|) / 6
    assert found.error == pytest.approx((4 * 0.20 + 2 * 0.45) / 6)
    assert [(one.count, one.came) for one in found.bins] == [(4, 0.25), (2, 0.5)]
    assert [one.said for one in found.bins] == pytest.approx([0.05, 0.95])
    assert found.count == 6


def test_the_band_tells_a_calibrated_model_from_one_that_boasts():
    said = [0.1] * 1000 + [0.5] * 1000
    honest = calibration(said, [place % 10 == 0 for place in range(1000)] + [place % 2 == 0 for place in range(1000)])
    boasting = calibration(said, [place % 20 == 0 for place in range(1000)] + [place % 2 == 0 for place in range(1000)])
    assert honest.error == pytest.approx(0.0)
    assert honest.inside
    assert boasting.error == pytest.approx(0.025)
    assert not boasting.inside
    assert (boasting.low, boasting.high) == (honest.low, honest.high)
    # Half the papers miss by at most sqrt(0.09 / 1000) * 1.96, the other half by sqrt(0.25 / 1000) * 1.96.
    assert 0.0 < honest.low < honest.high < 0.5 * 1.96 * (math.sqrt(0.09 / 1000) + math.sqrt(0.25 / 1000))


def test_nothing_is_calibrated_of_no_papers():
    assert calibration([], []).count == 0
