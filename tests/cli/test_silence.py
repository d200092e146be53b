"""`digest silence`: exit codes, the text and the JSON document."""

from __future__ import annotations

KEYS = {"digest", "on", "slot", "address", "verdict", "printed", "usual", "sentences", "told", "sources"}
LINE = {"id", "title", "state", "sentence", "told", "since", "tries", "until", "papers", "became", "older"}


def test_a_day_is_told_source_by_source(call, installed):
    call("fetch", "--all")
    done = call("silence", "--on", "2026-03-03", "--json")
    assert done.code == 0
    assert set(done.json) == KEYS
    assert [set(one) for one in done.json["sources"]] == [LINE, LINE]
    assert [one["id"] for one in done.json["sources"]] == ["arxiv", "hf-daily"]
    assert (done.json["digest"], done.json["on"], done.json["verdict"]) == ("papers", "2026-03-03", "unpublished")
    text = call("silence", "--on", "2026-03-03").out
    assert text.startswith("Trending papers of Tuesday, 03 March 2026 was not published")
    assert "  Hugging Face Daily Papers (hf-daily): " in text


def test_a_wrong_day_or_digest_is_2(call, installed):
    wrong = call("silence", "--on", "3.3.2026", "--json")
    assert (wrong.code, wrong.json["error"]["where"], wrong.json["error"]["try"]) == (2, "--on", "write 2026-05-04")
    assert call("silence", "--digest", "none").code == 2
    assert call("silence", "--for", "no address").code == 2


def test_a_stranger_is_refused_in_the_words_of_other_commands(call, installed):
    stranger = call("silence", "--for", "zoe@example.org", "--json")
    shown = call("subscribers", "show", "zoe@example.org", "--json")
    assert (stranger.code, stranger.json) == (1, shown.json)
    assert shown.json["error"]["what"] == "is not a subscriber"
