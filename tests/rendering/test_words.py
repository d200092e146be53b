"""Names, schedules and reasons read well, and a missing figure is simply not told."""

from __future__ import annotations

from datetime import time

import pytest

from digest.model.editions import Part, Schedule
from digest.rendering.language import ENGLISH
from digest.rendering.words import reason, rhythm, short_authors


def test_authors_are_three_and_et_al() -> None:
    assert short_authors(("A", "B", "C"), False) == "A, B, C"
    assert short_authors(("A", "B", "C"), True) == "A, B, C et al."
    assert short_authors((), False) == ""


def test_a_schedule_reads_as_a_rhythm() -> None:
    at = time(8)
    assert rhythm(Schedule(send_at=at, timezone="UTC"), ENGLISH) == "every day at 08:00"
    assert rhythm(Schedule(send_at=at, timezone="UTC", days=(0, 1, 2, 3, 4)), ENGLISH) == "every weekday at 08:00"
    assert rhythm(Schedule(send_at=at, timezone="UTC", days=(0, 3)), ENGLISH) == "every Monday and Thursday at 08:00"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (
            Part(key="trend", points=9, figures={"votes": 128, "hours": 21.2, "expected": 190.3}),
            "128 votes in 21 h, on the way to about 190",
        ),
        (Part(key="trend", points=9, figures={"votes": 1, "hours": 0.2}), "1 vote in 1 h"),
        (Part(key="trend", points=9, figures={"votes": 128, "hours": 75.0, "expected": 100.0}), "128 votes in 3 days"),
        (Part(key="trend", points=9, figures={"probability": 0.314}), "31 % likely to be featured on Hugging Face"),
        (
            Part(key="trend", points=9, figures={"probability": 0.004}),
            "under 1 % likely to be featured on Hugging Face",
        ),
        (Part(key="trend", points=9), "trend"),
        (Part(key="topic", points=9, figures={"keywords": ("tides",), "topics": ("salt",)}), "“tides”, “salt”"),
        (Part(key="topic", points=9, figures={"liked": 0.4}), "like papers you liked"),
        (Part(key="topic", points=9, figures={"closeness": 0.3}), "close to your topics"),
        (Part(key="topic", points=9, figures={"keywords": ("tides",), "quiet": ("salt",)}), "“tides”"),
        (Part(key="topic", points=1, figures={"closeness": 0.04}), "a little near your topics"),
        (Part(key="people", points=9, figures={"authors": ("Mira Halden",)}), "by Mira Halden, whom you follow"),
        (Part(key="people", points=9, figures={"institutions": ("Wren Hall",)}), "from Wren Hall, which you follow"),
        (
            Part(key="people", points=6, figures={"perhaps": ("Y. Lee",), "doubts": ("initial",)}),
            "perhaps by Y. Lee (only the initial agrees)",
        ),
        (
            Part(
                key="people",
                points=9,
                figures={"institutions": ("Wren Hall",), "perhaps": ("Wei Wang",), "doubts": ("common",)},
            ),
            "from Wren Hall, which you follow, perhaps by Wei Wang (a common name)",
        ),
        (Part(key="people", points=9), "by people you follow"),
        (Part(key="novelty", points=9), "novelty (little history yet)"),
        (Part(key="novelty", points=9, figures={"share": 0.83}), "more novel than 83 % of its nearest earlier papers"),
        (Part(key="moon", points=9), "moon"),
    ],
)
def test_a_reason_is_told_from_the_figures_it_has(part: Part, text: str) -> None:
    assert reason(part, ENGLISH) == text
