"""A sender that was killed while it wrote into a folder: the folder tells what became of each mail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.delivery.relay import Relay
from digest.services.stamping import message_id_of
from digest.storage import sending
from tests.services.sending import office, reader
from tests.services.world import KEYS

LEASE = "host:77:1:1"


def dead(holders):
    return [one for one in holders if ":77:" in one]


@pytest.mark.parametrize(("transport", "drafts", "ending"), [("folder", "", ".eml"), ("maildir", "tmp", "")])
def test_what_was_renamed_is_accepted_and_what_was_not_goes_again(store, tmp_path, transport, drafts, ending):
    desk = office(store, 3)
    box = tmp_path / "box"
    box.mkdir()
    relay = Relay(name="test 0", transport=transport, path=box)
    now = desk.world.now
    with store.transaction() as tx:
        claimed = sending.claim(tx, lease=LEASE, now=now, until=now + timedelta(hours=1), limit=2)
        for one in claimed:
            sending.gate_joined(tx, one.id, LEASE, now=now, until=now + timedelta(hours=1), relay=relay.place)
    final = box / ("new" if transport == "maildir" else "")
    for place in (box / drafts, final):
        place.mkdir(exist_ok=True)
    (final / f"{message_id_of(claimed[0], KEYS)}{ending}").write_bytes(b"all of it")
    unfinished = message_id_of(claimed[1], KEYS)
    (box / drafts / f".{unfinished}{ending}.part").write_bytes(b"half of it")

    sender = desk.sender(relay, dead=dead)
    assert sender.recover() == (0, 0)
    assert desk.states() == {"accepted": 1, "open": 2}
    assert desk.row(reader(0)).state == "accepted"

    assert sender.run().problem is None
    assert desk.states() == {"accepted": 3}
    assert len([path for path in box.rglob(f"*{ending}") if path.is_file()]) == 3
    assert not list(box.rglob(".*.part"))


def test_what_somebody_took_away_meanwhile_is_uncertain(store, tmp_path):
    desk = office(store, 1)
    relay = Relay(name="test 0", transport="folder", path=tmp_path / "box")
    now = desk.world.now
    with store.transaction() as tx:
        (one,) = sending.claim(tx, lease=LEASE, now=now, until=now + timedelta(hours=1), limit=9)
        sending.gate_joined(tx, one.id, LEASE, now=now, until=now + timedelta(hours=1), relay=relay.place)
    assert desk.sender(relay, dead=dead).recover() == (0, 1)
    assert desk.states() == {"uncertain": 1}


def test_what_went_to_a_server_is_uncertain_all_the_same(store, tmp_path):
    desk = office(store, 1)
    now = desk.world.now
    with store.transaction() as tx:
        (one,) = sending.claim(tx, lease=LEASE, now=now, until=now + timedelta(hours=1), limit=9)
        sending.gate_joined(tx, one.id, LEASE, now=now, until=now + timedelta(hours=1), relay="mail.example.org:587")
    assert desk.sender(Relay(name="test 0", transport="folder", path=tmp_path), dead=dead).recover() == (0, 1)
    assert desk.states() == {"uncertain": 1}
