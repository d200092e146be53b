"""Text is harmless, cut where a sentence really ends, breakable, and wrapped by what a terminal shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.text import (
    cut_at_sentence,
    direction,
    first_sentence,
    language_of,
    plain,
    safe_url,
    shorten,
    soft,
    width,
    wrap,
)


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("a\r\nBcc: x@y.example", "a Bcc: x@y.example"),
        ("nul\x00 bell\x07 c1\x92 esc\x1b[31m", "nul bell c1 esc[31m"),
        ("safe\u202etxt.exe\u202c \u2066x\u2069", "safetxt.exe x"),
        ("z" + "\u0301" * 50 + "!", "z\u0301\u0301\u0301!"),
        ("lone \ud800 surrogate \ufffd \ufeff", "lone surrogate"),
        ("  many \t\n spaces ", "many spaces"),
        ("Zürich, naïve, 東京, עברית", "Zürich, naïve, 東京, עברית"),
    ],
)
def test_plain_keeps_words_and_drops_what_harms(given_text: str, shown: str) -> None:
    assert plain(given_text) == shown


@given(st.text(max_size=300), st.integers(10, 80))
def test_plain_text_is_one_line_within_its_limit(text: str, limit: int) -> None:
    out = plain(text, limit)
    assert len(out) <= limit
    assert not any(ord(c) < 32 or 0x7F <= ord(c) <= 0x9F or 0xD800 <= ord(c) <= 0xDFFF for c in out)
    assert out == plain(out, limit)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("It loses 0.4 points. Then it stops.", "It loses 0.4 points."),
        ("We follow Berg et al. The rest is new.", "We follow Berg et al. The rest is new."),
        ("Use marks, e.g. Commas. Never dots.", "Use marks, e.g. Commas."),
        ("By J. Vega alone! More follows.", "By J. Vega alone!"),
        ('He said "no." Nobody heard.', 'He said "no."'),
        ("Kurz. 2 Sätze. Ende.", "Kurz."),
        ("句子结束。下一句。", "句子结束。"),
    ],
)
def test_a_sentence_never_ends_in_a_number_an_initial_or_et_al(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_an_abstract_is_cut_behind_a_sentence_with_an_ellipsis() -> None:
    text = "One is 1.5 long. Two is longer than one. Three never fits."
    assert cut_at_sentence(text, 45) == "One is 1.5 long. Two is longer than one.\u00a0…"
    assert cut_at_sentence(text, 500) == text


def test_a_text_without_sentences_is_cut_at_a_word() -> None:
    assert cut_at_sentence("alpha beta gamma delta", 16) == "alpha beta…"
    assert shorten("a" * 20, 8) == "a" * 7 + "…"


def test_runs_over_32_characters_get_a_break_and_marks_stay_with_their_letter() -> None:
    assert soft("x" * 70) == "x" * 32 + "\u200b" + "x" * 32 + "\u200b" + "x" * 6
    assert soft("short words only") == "short words only"
    assert soft("y" * 32 + "\u0301" + "z" * 8) == "y" * 32 + "\u0301\u200b" + "z" * 8


def test_direction_and_language_follow_the_script() -> None:
    assert [direction(t) for t in ("Plain", "שלום עולם and", "مرحبا بالعالم")] == ["ltr", "rtl", "rtl"]
    assert [language_of(t, "") for t in ("Plain", "שלום", "مرحبا", "日本の", "한국어", "中文")] == [
        "en",
        "he",
        "ar",
        "ja",
        "ko",
        "zh",
    ]
    assert language_of("Bonjour", "fr") == "fr"
    assert language_of("Bonjour", '"><b>') == "en"


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://arxiv.org/abs/2611.00001", "https://arxiv.org/abs/2611.00001"),
        ("http://old.example/x?a=1&b=2#c", "http://old.example/x?a=1&b=2#c"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("javascript:alert(1)", ""),
        ("JaVaScRiPt:alert(1)//https://x.example", ""),
        ("data:text/html,x", ""),
        ("//host.example/x", ""),
        ("https://user:secret@host.example/", ""),
        ('https://x.example/"onclick=', ""),
        ("https://x.example/a b", ""),
        ("https://[broken", ""),
        ("https://x.example/" + "a" * 3000, ""),
        ("", ""),
    ],
)
def test_only_absolute_web_addresses_become_links(url: str, safe: str) -> None:
    assert safe_url(url) == safe


def test_width_counts_columns() -> None:
    assert [width(t) for t in ("abc", "東京", "e\u0301", "a\u200bb")] == [3, 4, 1, 2]


@given(st.text(alphabet=st.sampled_from("ab東京é \u0301xyz–"), max_size=400))
def test_wrapped_lines_fit_and_lose_nothing(text: str) -> None:
    out = wrap(text, indent="  ")
    assert all(width(line) <= 72 for line in out.split("\n"))
    assert "".join(out.split()) == "".join(text.split())


def test_a_word_longer_than_the_line_is_broken() -> None:
    assert wrap("w" * 100).split("\n") == ["w" * 72, "w" * 28]
