"""The subject tells what is inside, fits an inbox, and never pretends to be a reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.subject import LONGEST, preheader_of, subject_of


def test_the_subject_is_the_best_title_and_how_many_more() -> None:
    assert subject_of("Daily", ("Salt on Windows", "B", "C"), "today") == "Salt on Windows + 2 more papers"
    assert subject_of("Daily", ("Salt on Windows", "B"), "today") == "Salt on Windows + 1 more paper"
    assert subject_of("Daily", ("Salt on Windows",), "today") == "Salt on Windows"
    assert subject_of("Daily", (), "Friday 20 November 2026") == "Daily: nothing new on Friday 20 November 2026"


@pytest.mark.parametrize("title", ["Re: Salt", "FWD: Salt", "AW : Salt", "re[2]: Salt", "Fw：Salt"])
def test_a_subject_never_looks_like_a_reply(title: str) -> None:
    assert subject_of("Daily", (title,), "today") == f"Daily: {title}"
    assert subject_of("Re", (title,), "today").startswith("New – Re: ") or "–" in subject_of("Re", (title,), "today")


@given(st.text(max_size=400), st.text(max_size=60), st.integers(0, 3))
def test_every_subject_is_one_short_clean_line(title: str, digest: str, more: int) -> None:
    subject = subject_of(digest, (title, *("x",) * more), "today")
    assert len(subject) <= LONGEST
    assert subject.isprintable() or all(ord(c) >= 32 for c in subject)
    assert not subject.lower().startswith(("re:", "fwd:", "fw:"))


def test_the_preheader_tells_the_next_titles() -> None:
    assert preheader_of(("A", "B", "C", "D", "E"), "") == "B; C; D"
    assert preheader_of((), "Nothing was announced.") == "Nothing was announced."
