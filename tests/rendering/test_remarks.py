"""What a source's remark says; the sentences of whole days are in tests/acceptance/test_silence.py."""

from __future__ import annotations

import pytest

from digest.model.editions import Remark
from digest.rendering import remarks
from digest.rendering.language import language_for


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"papers": 7, "muted": 3}, "Lab: 7 papers (3 muted)"),
        ({"papers": 7}, "Lab: 7 papers"),
        ({"papers": 1, "older": 2}, "Lab: 1 paper, 2 from before the days of this mail"),
    ],
)
def test_papers_of_which_nothing_became_yet_have_no_brackets(figures, told):
    remark = Remark(key="source", figures={"source": "Lab", "state": "ok", "detail": "7 entries.", **figures})
    assert remarks.sentence(remark) == told
    assert remarks.for_operator(remark) == f"Lab: 7 entries. It brought {told.removeprefix('Lab: ')}."
    assert "()" not in remarks.sentence(remark, language_for("de"))


def test_two_sources_of_one_title_are_told_apart_to_the_operator_by_their_ids():
    def told(source_id):
        figures = {"id": source_id, "source": "Blog", "state": "unchanged", "detail": "Nothing new."}
        return remarks.for_operator(Remark(key="source", figures=figures))

    assert [told(source_id) for source_id in ("blog", "blog-2", "Blog")] == [
        "Blog (blog): Nothing new.", "Blog (blog-2): Nothing new.", "Blog: Nothing new.",
    ]  # fmt: skip
