"""`digest relays`: how the relays stand, and the operator's hand on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.delivery.catchall import CatchAll

FOLDER = '[smtp]\ntransport = "folder"\npath = "outbox"\n'


@pytest.fixture
def relay(read):
    """A server, and behind it a folder; both in the configuration."""
    with CatchAll() as server:
        text = (
            f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\nrate = 50\n'
            'domain_rates = { "gmail.com" = 2 }\nwarm_up = { first = 10, from = 2026-03-03, growth = 1 }\n'
            f"[[smtp]]\n{FOLDER.partition(chr(10))[2]}"
        )
        config = Path("config.toml")
        config.write_text(config.read_text("utf-8").replace(FOLDER, text), "utf-8")
        yield server


def test_they_are_listed_with_what_limits_them(call, relay, tmp_path):
    assert call("send").code == 0
    told = call("relays", "list")
    assert told.code == 0
    head, first, second = (line.split() for line in told.out.splitlines())
    assert head == ["name", "place", "state", "weight", "rate", "connections", "warm-up"]
    place = f"127.0.0.1:{relay.port}"
    assert first == ["smtp", "1", place, "ready", "-", "50/s,", "gmail.com", "2/s", "8", "1", "of", "10", "today"]
    assert second == ["smtp", "2", str(tmp_path / "outbox")[-200:], "ready", "-", "-", "8", "-"]
    (one, two) = call("relays", "list", "--json").json["relays"]
    assert (one["place"], one["state"], one["rate"], one["domain_rates"]) == (place, "ready", 50.0, {"gmail.com": 2.0})
    assert one["warm_up"] == {"day": "2026-03-03", "allowed": 10, "used": 1, "left": 9}
    assert (two["name"], two["warm_up"], two["bound"]) == ("smtp 2", None, 0)


def test_a_paused_one_is_passed_over_until_it_is_resumed(call, relay, at):
    place = f"127.0.0.1:{relay.port}"
    assert call("relays", "pause", place, "--json").json == {"paused": place, "changed": True}
    assert call("relays", "pause", "smtp 1").out == f"{place} is paused already.\n"
    assert call("relays", "list").out.splitlines()[1].split()[3:5] == ["paused", "since"]
    told = call("send")
    assert (told.code, relay.count, len(list(Path("outbox").iterdir()))) == (0, 0, 1)
    assert told.err.splitlines() == [
        f"smtp 1 ({place}) was passed over: it is paused since 2026-03-03 07:05 UTC",
        f"  try: `digest relays resume {place}` gives it mails again",
    ]
    assert call("relays", "resume", place).out == f"{place} gets mails again, at first over one connection.\n"
    assert call("relays", "resume", place).out == f"{place} was not paused.\n"


def test_a_name_that_is_none_is_refused(call, relay):
    told = call("relays", "pause", "smtp", "--json")
    assert told.code == 2
    assert told.json["error"]["what"] == 'there is no relay "smtp"'
