"""Names of people are printed as they are called, one a person, whatever a feed made of them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.entries import names
from digest.entries.normalize import clean, clean_title
from digest.model.feeds import EntryData

ONE = {
    # particles
    "van der Berg, Jan": "Jan van der Berg",
    "Berg, Jan van der": "Jan van der Berg",
    "de la Cruz, Maria": "Maria de la Cruz",
    "VON NEUMANN, JOHN": "John von Neumann",
    "MARIA DE LA CRUZ": "Maria de la Cruz",
    "OMAR EL-SAYED": "Omar El-Sayed",
    "Ludwig von Bertalanffy": "Ludwig von Bertalanffy",
    "AL-HASSAN, ALI": "Ali Al-Hassan",
    # capitals
    "JANE DOE": "Jane Doe",
    "DOE, J.": "J. Doe",
    "DOE, J. R.": "J. R. Doe",
    "ANNA O'NEIL-MCGEE": "Anna O'Neil-McGee",
    "JD SMITH": "JD Smith",
    "CERN": "CERN",
    "ATLAS COLLABORATION": "ATLAS COLLABORATION",
    "LHCb collaboration": "LHCb collaboration",
    "J. R. R. T.": "J. R. R. T.",
    "Satya Namburi GNVV": "Satya Namburi GNVV",
    "danah boyd": "danah boyd",
    # order
    "Last, First": "First Last",
    "García Márquez, Gabriel": "Gabriel García Márquez",
    "Smith, John, Jr.": "John Smith Jr.",
    "Smith, John, III": "John Smith III",
    "Smith III, John": "John Smith III",
    "John Smith, Jr.": "John Smith Jr.",
    "JOHN SMITH III": "John Smith III",
    "Jane Doe, PhD": "Jane Doe",
    # Chinese, Japanese, Korean
    "李雷": "李雷",
    "李 雷": "李雷",
    "李, 雷": "李雷",
    "山田 太郎": "山田太郎",
    "김 민수": "김민수",
    "列夫·托尔斯泰": "列夫·托尔斯泰",
    "Lei Li (李雷)": "Lei Li",
    # affiliations, addresses, marks
    "Jane Doe (MIT (Boston), USA)": "Jane Doe",
    "Jane Doe, MIT": "Jane Doe",
    "Jane Doe, University of Basel": "Jane Doe",
    "Jane Doe¹": "Jane Doe",
    "Jane Doe^{1,2}": "Jane Doe",
    "Jane Doe1,2": "Jane Doe",
    "Jane Doe*†": "Jane Doe",
    "Jane Doe <jane@x.example>": "Jane Doe",
    "jane@x.example (Jane Doe)": "Jane Doe",
    "and Jane Doe": "Jane Doe",
    "And Jane Doe": "Jane Doe",
    "By Jane Doe": "Jane Doe",
    "J. P. Doe": "J. P. Doe",
    "Jean-luc Doe-Roe": "Jean-luc Doe-Roe",
    "by Jane Doe": "Jane Doe",
    "Po–Jui Lu": "Po-Jui Lu",
    'Hai "Helen" Li': 'Hai "Helen" Li',
    "Team Hunyuan3D": "Team Hunyuan3D",
    "SAM 3 Team": "SAM 3 Team",
    "teapots12": "teapots12",
    "R. Ram\u00c3\u00adrez": "R. Ramírez",
}

LISTS = {
    ("Ann One, Bob Two, Cy Three",): ("Ann One", "Bob Two", "Cy Three"),
    ("Ann One, Bob Two, and Cy Three",): ("Ann One", "Bob Two", "Cy Three"),
    ("Ann One & Bob Two",): ("Ann One", "Bob Two"),
    ("Ann One | Bob Two",): ("Ann One", "Bob Two"),
    ("Ann One · Bob Two",): ("Ann One", "Bob Two"),
    ("One, Ann; Two, Bob",): ("Ann One", "Bob Two"),
    ("One, A., Two, B. and Three, C.",): ("A. One", "B. Two", "C. Three"),
    ("李雷，韩梅梅",): ("李雷", "韩梅梅"),
    ("李雷、韩梅梅",): ("李雷", "韩梅梅"),
    ("Ann One1,2, Bob Two3",): ("Ann One", "Bob Two"),
    ("King, Jr., Martin", "Ann One"): ("Martin King Jr.", "Ann One"),
    ("DUPONT Jean", "MARTIN-LEROY Anne Marie"): ("Jean Dupont", "Anne Marie Martin-Leroy"),
    ("Jean DUPONT", "Anne-Marie LEROY"): ("Jean Dupont", "Anne-Marie Leroy"),
    ("PRS De Silva", "MKA Ariyaratne"): ("PRS De Silva", "MKA Ariyaratne"),
    ("NVIDIA Research", "Ann One", "Bob Two"): ("NVIDIA Research", "Ann One", "Bob Two"),
    ("Wei Wang", "Wei Wang"): ("Wei Wang", "Wei Wang"),
    ("Ann One", "Wei Wang", "Wei Wang"): ("Ann One", "Wei Wang", "Wei Wang"),
    ("Ann One", "TWO, BOB", "and Cy Three"): ("Ann One", "Bob Two", "Cy Three"),
    ("Ann One", "Bob Two", "Ann One", "Bob Two"): ("Ann One", "Bob Two"),
    ("Team X", ":", "Ann One", "others"): ("Team X", "Ann One"),
    ("Ann One et al.",): ("Ann One",),
    ("", " ", ",", "123"): (),
}


@pytest.mark.parametrize(("said", "shown"), ONE.items())
def test_a_name_is_put_right_alone_and_among_others(said: str, shown: str) -> None:
    said = clean_title(said)
    assert names.put_right([said]) == (shown,)
    assert names.put_right(["Ann One", said, "Bob Two"]) == ("Ann One", shown, "Bob Two")


@pytest.mark.parametrize(("said", "shown"), LISTS.items())
def test_a_list_is_one_name_a_person(said: tuple[str, ...], shown: tuple[str, ...]) -> None:
    assert names.put_right(said) == shown


def test_accents_written_in_tex_are_put_right_before_the_order() -> None:
    data = EntryData(key="k", title="T", authors=(r"Erd\H{o}s, P\'al", r"Nguy\~{\^e}n, V\u{a}n", 'M{\\"u}ller, J.'))
    assert clean(data).authors[0] == "Pál Erdős"
    assert clean(data).authors[2] == "J. Müller"


def test_markup_and_tex_are_looked_for_in_every_name_that_may_hold_them() -> None:
    data = EntryData(key="k", title="T", authors=("Ann One", "<b>Bob</b> Two", r"Cy Thr\'ee", "De Four, A &amp; Co"))
    assert clean(data).authors == ("Ann One", "Bob Two", "Cy Thrée", "A & Co De Four")


@given(st.lists(st.text(alphabet=st.sampled_from("AaBb éÉ李.,;-'()&@1¹*^{}"), max_size=30), max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_name_makes_it_raise_and_every_name_has_a_letter(said: list[str]) -> None:
    shown = names.put_right(said)
    assert all(any(c.isalpha() for c in name) and name == name.strip() for name in shown)


@pytest.mark.parametrize(
    "hostile", ["A" * 200_000, "A " * 100_000, "A-" * 100_000, ", A" * 60_000, "(" * 100_000, "1," * 90_000]
)
def test_hostile_names_take_no_longer_than_their_length_warrants(hostile: str) -> None:
    started = time.process_time()
    names.put_right([hostile, hostile])
    assert time.process_time() - started < 2
