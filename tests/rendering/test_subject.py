"""The subject tells what is inside, fits an inbox, and never pretends to be a reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.language import ENGLISH
from digest.rendering.subject import LONGEST, preheader_of, subject_of


def subject(digest: str, titles: tuple[str, ...], date: str = "today") -> str:
    return subject_of(digest, titles, len(titles), date, ENGLISH)


def test_the_subject_is_the_best_title_and_how_many_more() -> None:
    assert subject("Daily", ("Salt on Windows", "B", "C")) == "Salt on Windows + 2 more papers"
    assert subject("Daily", ("Salt on Windows", "B")) == "Salt on Windows + 1 more paper"
    assert subject("Daily", ("Salt on Windows",)) == "Salt on Windows"
    assert subject("Daily", (), "Friday 20 November 2026") == "Daily: nothing new on Friday 20 November 2026"


@pytest.mark.parametrize("title", ["Re: Salt", "FWD: Salt", "AW : Salt", "re[2]: Salt", "Fw：Salt"])
def test_a_subject_never_looks_like_a_reply(title: str) -> None:
    assert subject("Daily", (title,)) == f"Daily: {title}"
    assert subject("Re", (title,)).startswith("New – Re: ") or "–" in subject("Re", (title,))


@given(st.text(max_size=400), st.text(max_size=60), st.integers(0, 3))
def test_every_subject_is_one_short_clean_line(title: str, digest: str, more: int) -> None:
    line = subject(digest, (title, *("x",) * more))
    assert len(line) <= LONGEST
    assert line.isprintable() or all(ord(c) >= 32 for c in line)
    assert not line.lower().startswith(("re:", "fwd:", "fw:"))


def test_the_preheader_tells_the_next_titles() -> None:
    assert preheader_of(("A", "B", "C", "D", "E"), "") == "B; C; D"
    assert preheader_of((), "Nothing was announced.") == "Nothing was announced."


def test_a_title_in_capitals_does_not_shout() -> None:
    assert subject("Daily", ("ATTENTION IS NOT ALL YOU NEED",)) == "Attention is not all you need"
    assert subject("Daily", ("BERT",)) == "BERT"
    assert subject("Daily", ("GPT-4 AND RLHF: a study",)) == "GPT-4 AND RLHF: a study"
