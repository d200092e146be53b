"""Text is harmless, cut where a sentence really ends, breakable, and wrapped by what a terminal shows."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
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
        ("It has 1. 5 parts. Then more.", "It has 1. 5 parts."),
        ("We see 3.5 % of 2. 4 billion. Yes.", "We see 3.5 % of 2. 4 billion."),
        ("We follow Berg et al. The rest is new. Yes.", "We follow Berg et al. The rest is new."),
        ("As Berg et al. (2020) show, it holds. Yes.", "As Berg et al. (2020) show, it holds."),
        ("Use marks, e.g. Commas. Never dots.", "Use marks, e.g. Commas."),
        ("Use one, i.e. Commas. Never dots.", "Use one, i.e. Commas."),
        ("See Fig. 3 and Figs. 4, 5. Then go.", "See Fig. 3 and Figs. 4, 5."),
        ("See Eq. 2 there. Then go.", "See Eq. 2 there."),
        ("See Sec. 2.1 there. Then go.", "See Sec. 2.1 there."),
        ("See Tab. 2 there. Then go.", "See Tab. 2 there."),
        ("See No. 4 there. Then go.", "See No. 4 there."),
        ("He says no. Then goes.", "He says no."),
        ("Ours vs. Theirs is fair. Then go.", "Ours vs. Theirs is fair."),
        ("Cf. Berg for this. Then go.", "Cf. Berg for this."),
        ("It is approx. Two miles. Then go.", "It is approx. Two miles."),
        ("By J. Vega alone! More follows.", "By J. Vega alone!"),
        ("By J. R. R. Vega-Sol. More follows.", "By J. R. R. Vega-Sol."),
        ("By Dr. Vega and Prof. Sol. More follows.", "By Dr. Vega and Prof. Sol."),
        ("In the U.S. Army it holds. More follows.", "In the U.S. Army it holds."),
        ("It depends on T. We propose more.", "It depends on T."),
        ("We ask GPT-4.1 today. It answers.", "We ask GPT-4.1 today."),
        ("We use Llama 3. It answers.", "We use Llama 3."),
        ("Set f(X. Y) once. It answers.", "Set f(X. Y) once."),
        ("All (as in A. It is so.) hold. Yes.", "All (as in A. It is so.) hold."),
        ("Take [1. Two] here. Yes.", "Take [1. Two] here."),
        ("The loss ℓ₂ . ℓ₂ is small. Yes.", "The loss ℓ₂ . ℓ₂ is small."),
        ("Code at https://x.example/a.b. Try it.", "Code at https://x.example/a.b."),
        ("Edit setup.py and run.sh now. Try it.", "Edit setup.py and run.sh now."),
        ("Wait... Then it goes. Yes.", "Wait... Then it goes."),
        ("For x, ... N we know. Yes.", "For x, ... N we know."),
        ("On Yahoo! Answers it works. Yes.", "On Yahoo! Answers it works."),
        ("Is it so? We think.", "Is it so?"),
        ('He said "no." Nobody heard.', 'He said "no."'),
        ("It holds (see below.) Nobody saw.", "It holds (see below.)"),
        ("Kurz. 2 Sätze. Ende.", "Kurz."),
        ("Es gilt z.B. Folgendes hier. Ende.", "Es gilt z.B. Folgendes hier."),
        ("Two steps: 1. Read it all. 2. Write.", "Two steps: 1. Read it all."),
        ("It has two parts. (ii) is new.", "It has two parts."),
        ("We use it. mT5 is next.", "We use it."),
        ("See it. https://x.example/a is next.", "See it."),
        ("This ends. θ may follow. Yes.", "This ends. θ may follow."),
        ("Это конец. Это начало.", "Это конец."),
        ("и т. д. и т. п. Это начало.", "и т. д. и т. п. Это начало."),
        ("句子结束。下一句。", "句子结束。"),
        ("他说「好。」然后走了。", "他说「好。」"),
        ("真的吗？是的。", "真的吗？"),
        ("これは文です。次の文です。", "これは文です。"),
        ("هذه جملة. وهذه أخرى.", "هذه جملة."),
        ("هل هذا صحيح؟ نعم هو كذلك.", "هل هذا صحيح؟"),
        ("یہ جملہ ہے۔ یہ دوسرا ہے۔", "یہ جملہ ہے۔"),
        ("यह वाक्य है। यह दूसरा है।", "यह वाक्य है।"),
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


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("alpha beta gamma", 11, "alpha beta…"),
        ("alpha beta, gamma delta", 13, "alpha beta…"),
        ("我们提出了一种新的方法，用于训练", 8, "我们提出了一种…"),
        ("我们提出了一种，新的方法", 9, "我们提出了一种…"),
        ("نحن نقترح طريقة جديدة، للتدريب", 24, "نحن نقترح طريقة جديدة…"),
        ("e\u0301" * 10, 8, "e\u0301" * 3 + "…"),
        ("👩\u200d🔬👩\u200d🔬👩\u200d🔬", 8, "👩\u200d🔬👩\u200d🔬…"),
        ("short", 5, "short"),
    ],
)
def test_shortening_parts_no_word_and_no_letter_from_its_marks(text: str, limit: int, shown: str) -> None:
    assert shorten(text, limit) == shown


@given(st.text(max_size=200), st.integers(1, 60))
def test_whatever_is_cut_fits_its_limit_and_begins_as_it_did(text: str, limit: int) -> None:
    for out in (shorten(text, limit), cut_at_sentence(text, limit), first_sentence(text, limit)):
        assert len(out) <= limit
        assert text.startswith(out.rstrip("…\u00a0").rstrip()) or out == text


@pytest.mark.parametrize("text", [". A" * 40_000, "(" * 100_000 + ". A", "A. " * 40_000, "a" * 100_000, "。" * 90_000])
def test_hostile_text_is_cut_in_no_time(text: str) -> None:
    started = time.process_time()
    cut_at_sentence(text, 1000)
    first_sentence(text)
    wrap(text)
    assert time.process_time() - started < 2


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


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("東京", 4),
        ("e\u0301", 1),
        ("a\u200bb", 2),
        ("👩\u200d🔬", 2),
        ("👍🏽", 2),
        ("❤\ufe0f", 2),
        ("🇩🇪", 2),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),
        ("مرحبا", 5),
        ("שָׁלוֹם", 4),
        ("क्षि", 3),
        ("ｆｕｌｌ", 8),
    ],
)
def test_width_counts_columns(text: str, columns: int) -> None:
    assert width(text) == columns


@given(
    st.text(
        alphabet=st.sampled_from(
            [
                "a",
                "b",
                "x",
                "\u6771",
                "\u4eac",
                "\u3002",
                "\uff0c",
                "\u300c",
                "\u0301",
                "\u200d",
                "\ufe0f",
                "👩",
                "🔬",
                "🏽",
                "م",
                "–",
                " ",
                " ",
            ]
        ),
        max_size=400,
    )
)
@settings(max_examples=300, deadline=None)
def test_wrapped_lines_fit_begin_with_no_space_and_lose_nothing(text: str) -> None:
    for indent in ("", "  "):
        lines = wrap(text, indent=indent).split("\n")
        assert all(width(line) <= 72 for line in lines)
        assert all(line.startswith(indent) and not line[len(indent) :].startswith(" ") for line in lines if line)
        assert not any(line.endswith(" ") for line in lines if line.strip())
        assert "".join("".join(lines).split()) == "".join(text.split())


words = st.lists(st.from_regex(r"[A-Za-z0-9éüλ東]{1,14}[.,;]?", fullmatch=True), min_size=1, max_size=60)


@given(words)
@settings(deadline=None)
def test_every_word_of_a_text_is_kept_whole(tokens: list[str]) -> None:
    narrow = [token for token in tokens if "東" not in token]
    assert wrap(" ".join(narrow)).split() == narrow


def test_an_address_longer_than_the_line_stands_on_its_own_unbroken() -> None:
    address = "https://x.example/" + "a" * 100
    assert wrap(f"See ({address}) for more.").split("\n") == ["See", f"({address})", "for more."]
    assert wrap(f"见 {address} 。").split("\n") == ["见", address, "。"]


def test_no_line_of_chinese_begins_with_a_closing_mark() -> None:
    lines = wrap("我们提出了一种新的方法，" * 20).split("\n")
    assert all(line[0] not in "，。" for line in lines)
    assert all(66 <= width(line) <= 72 for line in lines[:-1])


def test_a_word_longer_than_the_line_is_broken() -> None:
    assert wrap("w" * 100).split("\n") == ["w" * 72, "w" * 28]


def test_a_line_does_not_break_at_a_no_break_space() -> None:
    assert wrap("Lire la suite ici\u00a0: «\u202fa\u202f»", columns=16) == "Lire la suite\nici\u00a0: «\u202fa\u202f»"
    assert wrap("塩 1\u00a0min", columns=16) == "塩 1\u00a0min"


def test_within_a_right_to_left_mail_one_such_letter_makes_a_sentence_run_so() -> None:
    sentence = "لا جديد في Hugging Face Daily Papers"
    assert (direction(sentence), direction(sentence, "rtl"), direction("Hugging Face", "rtl")) == ("ltr", "rtl", "ltr")
