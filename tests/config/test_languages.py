"""Which languages may be wished, and how one is written."""

from __future__ import annotations

import pytest

from digest.model.people import LANGUAGES, language_tag


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_that_mails_are_written_in_is_taken(code):
    assert (language_tag(code), language_tag(code.upper())) == (code, code)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("de-AT", "de-AT"),
        ("de_at", "de-AT"),
        (" EN-us\n", "en-US"),
        ("zh-hans", "zh-Hans"),
        ("ZH_HANS_cn", "zh-Hans-CN"),
        ("es-419", "es-419"),
    ],
)
def test_a_region_and_a_script_are_taken_and_kept_in_their_usual_spelling(written, kept):
    assert language_tag(written) == kept


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("german", "de"),
        ("Germann", "de"),
        ("french", "fr"),
        ("deu", "de"),
        ("eng", "en"),
        ("de-Austria", "de"),
        ("en_US.UTF-8", "en"),
        ("pt", ""),
        ("pt-BR", ""),
        ("nl", ""),
        ("estonian", ""),
        ("", ""),
        ("*", ""),
        ("de\x00", "de"),
        ("-de", ""),
        ("de" * 1000, ""),
    ],
)
def test_any_other_is_refused_with_the_nearest_and_the_known(written, near):
    with pytest.raises(ValueError, match="is not a language that mails are written in; ") as caught:
        language_tag(written)
    hint = f'did you mean "{near}"? ' if near else ""
    known = "en (English), de (German), fr (French), es (Spanish), zh (Chinese), ar (Arabic)"
    assert str(caught.value).endswith(f"; {hint}known are: {known}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("tag", ["zh-TW", "zh-Hant", "zh_HK", "zh-Hant-HK"])
def test_traditional_chinese_is_refused_and_told_what_there_is(tag: str) -> None:
    with pytest.raises(ValueError, match="simplified Chinese: zh"):
        language_tag(tag)
    assert [language_tag(one) for one in ("zh", "zh-Hans", "zh-CN")] == ["zh", "zh-Hans", "zh-CN"]
