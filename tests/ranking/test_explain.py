"""The sentences that say what a part was computed from."""

from __future__ import annotations

import pytest

from digest.model.editions import Part
from digest.ranking.explain import why


@pytest.mark.parametrize(
    ("key", "figures", "sentence"),
    [
        ("trend", {"votes": 128, "hours": 21.2, "expected": 190.3}, "128 votes in 21 h, on the way to about 190"),
        ("trend", {"votes": 1, "hours": 96.0, "expected": 1.1}, "1 vote in 4 days, about all it will get"),
        ("trend", {"probability": 0.526}, "no votes here; a chance of 53 % to be featured on Hugging Face"),
        ("trend", {"probability": 0.002}, "no votes here; a chance below 1 % to be featured on Hugging Face"),
        ("topic", {"keywords": ("RL", "agents", "maps")}, "your keywords RL, agents and maps"),
        ("topic", {"topics": ("bees",), "liked": 0.4}, "near your topic bees, like papers you liked (40 %)"),
        (
            "topic",
            {"topics": ("a", "b"), "unlike": 0.03},
            "near your topics a and b, but little like papers you liked (3 %)",
        ),
        ("topic", {"disliked": 0.4}, "like papers you did not like (40 %)"),
        ("topic", {"keywords": ("RL",), "disliked": 0.4}, "your keyword RL, but like papers you did not (40 %)"),
        ("topic", {"closeness": 0.3}, "30 % of the way to your topics"),
        ("topic", {"closeness": 0.1, "quiet": ("bees",)}, "10 % of the way to your topics; nothing today is near bees"),
        ("topic", {"keywords": ("RL",), "quiet": ("bees",)}, "your keyword RL"),
        ("topic", {}, "none of your keywords and topics"),
        ("people", {"authors": ("Ada Moreno",), "institutions": ("Hive Lab",)}, "by Ada Moreno, from Hive Lab"),
        ("people", {"perhaps": ("Y. Lee",), "doubts": ("initial",)}, "perhaps Y. Lee (only the initial agrees)"),
        (
            "people",
            {"authors": ("Ada Moreno",), "perhaps": ("Wei Wang",), "doubts": ("common",)},
            "by Ada Moreno, perhaps Wei Wang (a common name)",
        ),
        ("people", {}, "nobody you follow"),
        (
            "novelty",
            {"share": 0.7, "neighbour": "Old Bees", "similarity": 0.5},
            "stands freer than 70 % of its nearest earlier papers; the nearest is “Old Bees”",
        ),
        ("novelty", {"share": 0.7}, "stands freer than 70 % of its nearest earlier papers"),
        ("novelty", {}, "too little history to compare with"),
    ],
)
def test_a_part_says_what_it_was_computed_from(key, figures, sentence):
    assert why(Part(key=key, points=1, figures=figures)) == sentence
