"""What the store knows of a person, and the two figures of our own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from digest.ranking.portrait import portrait
from tests.ranking.samples import NOW, paper

MIRA = "Mira Halden"


def work(number: int, *, votes: int | None = None, days: int = 10, **changes: object):
    fields = {"authors": (MIRA, "Tomás Vega"), "categories": ("cs.CL",), "published_at": NOW - timedelta(days=days)}
    return paper(number, votes=votes, **{**fields, **changes})


def of(works, history=()):
    return portrait(MIRA, works, history, NOW)


def points(found):
    return {part.key: part.points for part in found.parts}


def test_the_score_is_the_sum_of_four_parts_by_their_formulas():
    found = of(
        [
            work(1, votes=22, days=0, code_url="https://code.example/1"),
            work(2, votes=22, days=180),
            work(3, days=360, categories=("cs.CV",)),
            work(4, days=360, authors=("Tomás Vega",)),
        ]
    )
    # S = 2 * 0.5; A = 1 + 0.5 + 0.25; one of three with code; two categories.
    assert points(found) == {"votes": 17, "activity": 9, "code": 5, "breadth": 8}
    assert found.ai_score == 39
    assert ([one.id for one in found.works], found.votes, found.category) == ([1, 2, 3], 44, "cs.CL")


def test_the_score_stays_within_100_and_no_part_falls_when_a_paper_is_liked_more_or_gets_code():
    few = [work(number, votes=5) for number in range(1, 5)]
    before = of(few)
    more = of([replace(few[0], votes=(replace(few[0].votes[0], upvotes=500),)), *few[1:]])
    coded = of([replace(few[0], code_url="https://code.example/1"), *few[1:]])
    another = of([*few, work(9, votes=0, days=0)])
    for after in (more, coded, another):
        assert all(points(after)[key] >= points(before)[key] for key in ("votes", "activity", "breadth"))
    assert points(more)["votes"] > points(before)["votes"]
    assert points(coded)["code"] > points(before)["code"]
    huge = of(
        [work(n, votes=9_000, days=0, code_url="https://c.example", categories=(f"cs.{n}",)) for n in range(1, 90)]
    )
    assert huge.ai_score is not None and 95 <= huge.ai_score <= 100


def test_too_few_papers_give_no_figure_and_nobody_gives_nothing():
    two = of([work(1, votes=3), work(2)])
    assert (two.ai_score, two.novelty, two.votes, len(two.works)) == (None, None, 3, 2)
    nobody = of([])
    assert (nobody.works, nobody.ai_score, nobody.votes, nobody.category) == ((), None, None, "")


def test_novelty_is_the_mean_of_the_papers_and_unknown_without_a_history_to_compare_with():
    crowd = [
        paper(n, title="salt on windows", abstract=f"salt on windows of harbour {n % 3}", authors=("A B",))
        for n in range(100, 140)
    ]
    like = [work(n, title="salt on windows", abstract="salt on windows of harbour 1") for n in (1, 2, 3)]
    unlike = [work(n, title="lamp oil ledgers", abstract=f"whale lamp oil ledgers {n}") for n in (1, 2, 3)]
    assert of(like).novelty is None
    one, other = of(like, crowd).novelty, of(unlike, crowd).novelty
    assert one is not None and other is not None and one < other <= 100


def test_papers_of_many_namesakes_are_counted_as_doubtful_and_never_as_theirs():
    works = [work(n, authors=("Wei Wang", f"Other {n}")) for n in range(1, 6)]
    found = portrait("Wei Wang", works, (), NOW)
    assert (found.works, found.doubtful, found.ai_score) == ((), 5, None)


def test_an_id_tells_one_of_the_namesakes():
    works = [
        replace(work(n, authors=("Wei Wang",)), author_ids=("orcid:0000-0002-1825-0097" if n < 4 else "",))
        for n in range(1, 6)
    ]
    meant = "Wei Wang (orcid:0000-0002-1825-0097)"
    found = portrait(meant, works, (), NOW)
    assert ([one.id for one in found.works], found.doubtful) == ([1, 2, 3], 2)
