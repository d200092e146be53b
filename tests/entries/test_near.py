"""Words that make one work of two records, and words that only look so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.entries.near import RUN, Answer, Text, compare, ids_agree, words

ABSTRACT = (
    "We read nine tidal gauges at dawn for a whole year and compare what was written down with the level of the sea. "
    "Readers who slept well were wrong half as often as those who had watched the night through. "
    "A simple correction, which needs no more than the hour at which the reader went to bed, removes most of the rest. "
    "We give the corrected tables of all nine gauges, and say which of the older tables should not be used any more."
)
OTHER = (
    "Lanterns of four harbours are dimmed by salt on the glass, and this paper measures by how much. "
    "The loss grows with the wind of the week before and hardly with the age of the glass. "
    "Cleaning on Mondays is as good as cleaning on every second day, at a third of the cost for the harbour."
)
TITLE = "Tidal Gauges and the People Who Read Them"
PEOPLE = ("Ada Reader", "Bo Writer", "Cy Watcher")


def text(title=TITLE, abstract=ABSTRACT, authors=PEOPLE, **ids):
    return Text(title, abstract, authors, **ids)


def answer(one, other):
    found = compare(one, other)
    assert found == compare(other, one), "the order of two records must not matter"
    return found.answer.value


@pytest.mark.parametrize(
    "clothes",
    [
        text(TITLE.upper()),
        text("Tidal-gauges, and the people who read them."),
        text("Tidal gauges and the people who read them", authors=("Reader A.", "Writer, Bo")),
        text("Tidal Guages and the People Who Read Them"),
        text("Tidal Gauges and People who Read Them", ABSTRACT.partition(". ")[2]),
        text(abstract=ABSTRACT.partition(". ")[0] + "."),
        text(abstract=""),
        text(abstract=OTHER),
        text(authors=()),
        text(authors=("A. Reader",)),
        text(authors=("Reader Ada", "Writer Bo")),
        text("Gaugenet: Tidal Gauges and the People Who Read Them"),
        text("Gauge-2: Tidal Gauges and the People Who Read Them"),
        text("[R] Tidal Gauges and the People Who Read Them (extended version)"),
        text("Tidal Gauges and the People Who Read Them | Harbour Research Blog"),
    ],
    ids=lambda clothes: clothes.title[:50],
)
def test_the_same_work_in_other_clothes_is_the_same(clothes):
    assert answer(text(), clothes) == "same"
    assert set(text().bands) & set(clothes.bands), "and it is found"


def test_signs_and_letters_are_compared_as_they_are_said():
    assert words("Scaling via μP, and ﬁne Łódź — naïve H³DP") == [
        "scaling", "via", "mup", "and", "fine", "lodz", "naive", "h3dp"
    ]  # fmt: skip
    assert words("R^2ec") == ["r", "2ec"] and words("关于 AI") == ["关", "于", "ai"]
    assert answer(text("R^2ec: Recommender Models with Reason"), text("R²ec: recommender models with reason")) == "same"
    assert answer(text("A Survey of LLMs in Law"), text("A Survey of Large Language Models in Law")) == "same"
    assert answer(text("Modelling the Behaviour of Gauges"), text("Modeling the Behavior of Gauges")) == "same"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Reading the Sea, Part I: Gauges", "Reading the Sea, Part II: Gauges"),
        ("Reading the Sea", "Reading the Sea: Part II"),
        ("Gauges of the Sea I", "Gauges of the Sea II"),
        ("GPT-4 and the Gauges of the Sea", "GPT-4o and the Gauges of the Sea"),
        ("Gauge v1 Technical Report", "Gauge v2 Technical Report"),
        ("Qwen2 Technical Report of Gauges", "Qwen2.5 Technical Report of Gauges"),
        ("The Gauge Challenge 2024: Results", "The Gauge Challenge 2025: Results"),
        (TITLE, f"A Reply to {TITLE}"),
        (TITLE, f"Comment on “{TITLE}”"),
        (TITLE, f"Erratum: {TITLE}"),
        (TITLE, f"Author Correction: {TITLE}"),
        (TITLE, f"{TITLE}: A Rejoinder"),
        ("Editorial Board", "Editorial Board"),
        ("Issue Information", "Issue information"),
    ],
)
def test_a_series_a_reply_and_a_heading_that_recurs_are_different_however_alike(one, other):
    assert answer(text(one), text(other)) == "different"


def test_what_is_only_probable_is_possibly_the_same():
    for other in (
        text("GaugeNet Reads What Nobody Else Does"),
        text("Tidal Gauges and the Lanterns Who Read Them"),
    ):
        assert answer(text(), other) == "possibly", other.title
    assert answer(text("ReAct"), text("ReAct: Acting on What Was Read", abstract="")) == "possibly"


def test_two_data_sets_described_in_one_frame_stay_two():
    frame = "This data set holds the hourly readings of {} for ten years, with the calibration of every instrument. "
    rest = "Each file has one year. Missing hours are marked and never filled in, and units are those of its maker."
    berlin, hamburg = (
        text(f"Hourly Readings of the {place} Gauges", (frame + rest).format(place)) for place in ("Berlin", "Hamburg")
    )
    assert answer(berlin, hamburg) == "possibly"


def test_people_tell_equal_titles_apart():
    assert answer(text(), text(authors=("Di Stranger", "Ed Unknown"))) == "different"
    many = tuple(f"Person{n} Name{n}" for n in range(9))
    assert answer(text(abstract=OTHER), text(authors=("Ada Reader", *many), abstract="")) == "same"
    crowd = tuple(f"Human{n} Being{n}" for n in range(9))
    assert answer(text(authors=(*crowd, "Wei Wang"), abstract=OTHER), text(authors=(*many, "Wei Wang"))) == "possibly"
    assert answer(text(authors=("Anna Smith",)), text(authors=("Robert Smith",))) == "different"


def test_two_arxiv_papers_are_never_one_and_two_articles_of_a_publisher_are_only_possibly():
    assert answer(text(arxiv_id="2510.00001"), text(arxiv_id="2510.00002")) == "different"
    assert answer(text(arxiv_id="2510.00001"), text(arxiv_id="2510.00001")) == "same"
    assert answer(text(dois=["10.1145/1"]), text(dois=["10.1145/2"])) == "possibly"
    assert answer(text(dois=["10.1145/1"]), text(dois=["10.1109/2"])) == "possibly"
    assert answer(text(dois=["10.1101/1"]), text(dois=["10.1109/2"])) == "same"
    assert ids_agree(frozenset({"2510.00001"}), frozenset({"10.1101/1", "10.1109/2"}))
    assert not ids_agree(frozenset({"2510.00001", "2510.00002"}), frozenset())
    assert not ids_agree(frozenset(), frozenset({"10.1145/1", "10.1145/2"}))


def test_a_preprint_may_get_another_title_in_review():
    preprint = text("On Tidal Gauges and the People Who Read Them at Night", arxiv_id="2510.00001")
    article = text("Tidal Gauges and Those People Who Read Them", dois=["10.1145/1"])
    assert answer(preprint, article) == "same"
    assert answer(preprint, text("Tidal Gauges and Those People Who Read Them")) == "possibly"


def test_fingerprints_are_the_same_in_every_process_and_fit_a_database():
    assert text("One Short Title", "").bands == (-515728129630044640,)
    bands = text().bands
    assert len(bands) == len(set(bands)) and all(-(2**63) <= band < 2**63 for band in bands)
    assert Text("", "").bands == () == Text("!?", "a b c").bands


@pytest.mark.parametrize(
    ("title", "parts"),
    [
        ("GaugeNet: Reading the Sea", ("gaugenet", "readingthesea")),
        ("GaugeNet：海", ("gaugenet", "海")),
        ("What Do Gauges Read? The Sea", ("whatdogaugesread", "thesea")),
        ("GaugeNet — the Sea: a Reader", ("gaugenet", "theseaareader")),
        ("Gauges - and | Lanterns", ("gauges", "andlanterns")),
        ("Gauge-Net 1:2 of the Sea", ("", "")),
    ],
)
def test_a_title_has_a_part_before_and_one_behind_its_first_separator(title, parts):
    assert Text(title).parts == parts


@given(st.text(max_size=200), st.text(max_size=400), st.lists(st.text(max_size=30), max_size=4))
def test_any_record_can_be_compared_and_is_like_itself(title, abstract, authors):
    one, other = Text(title, abstract, authors), Text(title, abstract, authors)
    found = compare(one, other)
    if one.words and found.answer is Answer.DIFFERENT:
        # Only a heading that recurs, or too little to go by.
        assert len(one.words) < 6 or found.why == "a heading that recurs"
    assert one.bands == other.bands and len(one.runs) <= max(0, len(words(abstract)) - RUN + 1)
