"""`digest subscribers pause`, `resume` and what `show`, `status` and `silence` tell of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

READER = "ada@example.org"


def test_a_reader_is_paused_and_resumed(call, installed):
    until = str(datetime.now(UTC).date() + timedelta(days=30))
    call("subscribers", "add", READER)
    assert call("subscribers", "pause", READER, "--until", until).out == (
        f"papers is paused until {until}, when it comes again.\n"
    )
    shown = call("subscribers", "show", READER)
    assert f"papers is paused until {until}" in shown.out
    assert call("subscribers", "show", READER, "--json").json["subscriptions"][0]["paused_until"] == until
    assert "1 (1 paused)" in call("status").out
    assert call("status", "--json").json["digests"][0]["paused_readers"] == 1
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))
    assert "at the reader's own wish" in call("silence", "--for", READER, "--on", tomorrow).out
    call("subscribers", "add", READER, "--language", "de")
    assert call("subscribers", "resume", READER).out == "papers comes again.\n"
    assert call("subscribers", "resume", READER).out == "papers was not paused.\n"
    assert "paused" not in call("subscribers", "show", READER).out
    assert "paused)" not in call("status").out


def test_what_cannot_be_is_refused_by_name(call, installed):
    call("subscribers", "add", READER)
    for until, told in (("2001-01-01", "has passed"), ("9999-01-01", "a year away"), ("soon", "'soon' is not a date")):
        done = call("subscribers", "pause", READER, "--until", until)
        assert (done.code, told in done.err) == (1, True), done
    assert call("subscribers", "pause", READER).code == 2
    assert call("subscribers", "pause", READER, "--until", "2001-01-01", "--digest", "nothing").code == 2
    call("subscribers", "remove", READER)
    done = call("subscribers", "pause", READER, "--until", "9998-01-01")
    assert (done.code, "gets no mail of any digest" in done.err) == (1, True)
