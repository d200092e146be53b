"""Words, numbers and dates are those of the language; one that is not known reads as English."""

from __future__ import annotations

from datetime import date

import pytest

from digest.rendering.language import ENGLISH, LANGUAGES, language_for

DAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (1000, "1k"), (1912, "1.9k"), (24_300, "24k"), (1_250_000, "1.2M"), (999_999, "999k")],
)
def test_counts_are_compact(number: int, text: str) -> None:
    assert ENGLISH.compact(number) == text


def test_a_compact_count_has_the_decimal_sign_of_its_language() -> None:
    assert language_for("de").compact(1912) == "1,9k"


def test_numbers_are_grouped_as_the_language_does() -> None:
    assert [language_for(code).number(56_683) for code in ("en", "de", "es")] == ["56,683", "56.683", "56.683"]
    assert ENGLISH.number(950) == "950"


def test_dates_are_in_the_readers_language() -> None:
    assert ENGLISH.long_date(DAY) == "Saturday 21 November 2026"
    assert language_for("de").long_date(DAY) == "Samstag, 21. November 2026"
    assert language_for("en-US").long_date(DAY) == "Saturday, November 21, 2026"
    assert (ENGLISH.short_date(DAY, with_year=False), ENGLISH.short_date(DAY, with_year=True)) == (
        "21 Nov",
        "21 Nov 2026",
    )


@pytest.mark.parametrize("code", ["xx", "xx-nonsense", "", "it"])
def test_an_unknown_language_is_english(code: str) -> None:
    assert (language_for(code).code, language_for(code).long_date(DAY)) == ("en", ENGLISH.long_date(DAY))


def test_a_region_keeps_its_own_dates_and_shares_the_words() -> None:
    austrian = language_for("de-AT")
    assert austrian.code == "de-AT"
    assert austrian.translations is language_for("de").translations
    assert language_for("zh-TW").code == "zh-Hans"  # the script that the catalogue is written in


def test_only_arabic_of_ours_is_written_from_right_to_left() -> None:
    assert {code: language_for(code).direction for code in LANGUAGES} == {
        **dict.fromkeys(LANGUAGES, "ltr"),
        "ar": "rtl",
    }


def test_a_plural_form_is_chosen_by_the_number() -> None:
    said = [ENGLISH.count("%(n)s vote of %(day)s", "%(n)s votes of %(day)s", n, day="today") for n in (1, 2, 1200)]
    assert said == ["1 vote of today", "2 votes of today", "1,200 votes of today"]


def test_names_are_joined_as_the_language_does() -> None:
    assert ENGLISH.listed(("A", "B", "C")) == "A, B and C"
    assert language_for("de").listed(("A", "B")) == "A und B"
    assert (ENGLISH.listed(("A",)), ENGLISH.listed(())) == ("A", "")
