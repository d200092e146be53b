"""Who is followed: namesakes told apart by ids, co-authors and field, and doubt said where it is left."""

from __future__ import annotations

import pytest

from digest.model.people import Mutes, Profile
from digest.model.ranking import Evidence
from digest.ranking.explain import why
from digest.ranking.match import forms
from digest.ranking.mutes import muted
from digest.ranking.namesakes import Directory
from digest.ranking.pool import Pool
from digest.ranking.rank import rank
from digest.ranking.signals.people import AUTHOR, PERHAPS, measure
from tests.ranking.samples import NOW, paper

LECUN = "orcid:0000-0002-1825-0097"
OTHER = "orcid:0000-0001-0000-0009"


def said(wanted, entry, *, history=(), institutions=()):
    """(share, figures) of one paper for a reader who follows ``wanted``."""
    follows = (wanted,) if isinstance(wanted, str) else wanted
    pool = Pool([entry], now=NOW, evidence=Evidence(history=tuple(history)))
    column = measure(pool, Profile(authors=follows, institutions=institutions))
    return round(float(column.share[0]), 6), dict(column.figures(0))


def unsure(wanted, doubt):
    return PERHAPS, {"perhaps": (wanted,), "doubts": (doubt,)}


def test_a_full_rare_name_is_sure():
    assert said("Yann LeCun", paper(1, authors=("Ada Moreno", "Yann LeCun"))) == (AUTHOR, {"authors": ("Yann LeCun",)})


def test_an_initial_alone_is_said_to_be_in_doubt_and_counts_less():
    assert said("Yann LeCun", paper(1, authors=("Y. LeCun",))) == unsure("Yann LeCun", "initial")
    listed = rank([paper(1, authors=("Y. LeCun",))], Profile(authors=("Yann LeCun",)), now=NOW)
    people = next(part for part in listed[0].parts if part.key == "people")
    assert why(people) == "perhaps Yann LeCun (only the initial agrees)"


@pytest.mark.parametrize(
    "known",
    [
        {"authors": ("Yann LeCun", "Ada Moreno"), "categories": ("math.AG",)},
        {"authors": ("Yann LeCun", "Somebody Else"), "categories": ("cs.CL",)},
    ],
    ids=["a co-author", "a rare name in the same field"],
)
def test_earlier_works_of_the_full_name_vouch_for_an_initial(known):
    entry = paper(1, authors=("Y. LeCun", "Ada Moreno"), categories=("cs.CL",))
    assert said("Yann LeCun", entry, history=[paper(2, **known)])[1] == {"authors": ("Y. LeCun",)}


def test_another_field_and_other_co_authors_do_not_vouch():
    entry = paper(1, authors=("Y. LeCun", "Ada Moreno"), categories=("cs.CL",))
    stranger = paper(2, authors=("Yann LeCun", "Somebody Else"), categories=("math.AG",))
    assert said("Yann LeCun", entry, history=[stranger]) == unsure("Yann LeCun", "initial")


def test_the_field_does_not_vouch_for_the_initial_of_a_common_family_name():
    entry = paper(1, authors=("Z. Wang", "Ada Moreno"))
    assert said("Zorica Wang", entry, history=[paper(2, authors=("Zorica Wang",))]) == unsure("Zorica Wang", "initial")


@pytest.mark.parametrize("wanted", ["Wei Wang", "Wang, Wei", "W. Wang"])
def test_a_common_name_is_never_sure_by_itself(wanted):
    doubt = "initial" if wanted == "W. Wang" else "common"
    history = [paper(2, authors=("Wei Wang", "Ada Moreno"))]
    assert said(wanted, paper(1, authors=("Wei Wang", "Ada Moreno")), history=history) == unsure(wanted, doubt)


def test_an_id_tells_namesakes_apart():
    wanted = f"Wei Wang ({LECUN})"
    mine = paper(1, authors=("Wei Wang",), author_ids=(LECUN,))
    assert said(wanted, mine) == (AUTHOR, {"authors": ("Wei Wang",)})
    assert said(LECUN, mine) == (AUTHOR, {"authors": ("Wei Wang",)})
    assert said(wanted, paper(1, authors=("Wei Wang",), author_ids=(OTHER,))) == (0.0, {})
    assert said(wanted, paper(1, authors=("Wei Wang",))) == unsure("Wei Wang", "common")


def test_a_co_author_of_a_work_that_is_known_by_id_vouches_for_a_common_name():
    known = paper(2, authors=("Wei Wang", "Ada Moreno"), author_ids=(LECUN, ""))
    entry = paper(1, authors=("Wei Wang", "Ada Moreno"))
    assert said(f"Wei Wang ({LECUN})", entry, history=[known])[1] == {"authors": ("Wei Wang",)}


def test_ids_that_differ_prove_that_a_name_is_shared():
    history = [
        paper(2, authors=("Mira Vane",), author_ids=(LECUN,)),
        paper(3, authors=("Mira Vane",), author_ids=(OTHER,)),
    ]
    assert said("Mira Vane", paper(1, authors=("Mira Vane",))) == (AUTHOR, {"authors": ("Mira Vane",)})
    assert said("Mira Vane", paper(1, authors=("Mira Vane",)), history=history) == unsure("Mira Vane", "common")


def test_somebody_else_who_is_followed_settles_a_doubt():
    entry = paper(1, authors=("Wei Wang", "Mira Vane"), institutions=("Acme Research",))
    assert said(("Wei Wang", "Mira Vane"), entry)[1] == {"authors": ("Wei Wang", "Mira Vane")}
    assert said("Wei Wang", entry, institutions=("Acme",))[1]["authors"] == ("Wei Wang",)


def test_an_author_who_is_followed_twice_counts_once():
    entry = paper(1, authors=("Yann LeCun",))
    assert said(("Y. LeCun", "Yann LeCun", "LeCun"), entry) == (AUTHOR, {"authors": ("Yann LeCun",)})


def test_namesakes_are_expected_where_both_names_are_frequent():
    directory = Directory(Pool([], now=NOW))
    expected = {
        name: directory.namesakes(forms(name)[0]) for name in ("Wei Wang", "Michael Wang", "Yann LeCun", "Wang")
    }
    assert expected["Wei Wang"] == pytest.approx(100_000 * 0.032 * 0.0022)
    assert expected["Michael Wang"] > 1
    assert (expected["Yann LeCun"], expected["Wang"]) == (0.0, 0.0)


def test_a_mute_wins_for_everybody_who_may_be_meant():
    entries = [
        paper(1, authors=("Y. LeCun",)),
        paper(2, authors=("Wei Wang",), author_ids=(OTHER,)),
        paper(3, authors=("W. W. Wang",), author_ids=(LECUN,)),
        paper(4, institutions=("MIT CSAIL",)),
    ]
    pool = Pool(entries, now=NOW)

    def hit(mutes):
        return {pool.entries[row].id: wanted for row, wanted in muted(pool, mutes).items()}

    assert hit(Mutes(authors=("Yann LeCun",))) == {1: "Yann LeCun"}
    assert hit(Mutes(authors=(f"Wei Wang ({LECUN})",))) == {3: f"Wei Wang ({LECUN})"}
    assert hit(Mutes(anything=(LECUN,))) == {3: LECUN}
    assert hit(Mutes(institutions=("Massachusetts Institute of Technology",))) == {
        4: "Massachusetts Institute of Technology"
    }
    assert hit(Mutes()) == {}
