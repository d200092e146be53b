"""Who is not written to: consent, suppression and the operator are asked until the dot."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from digest.delivery.catchall import CatchAll
from digest.model.errors import SendingRefused
from digest.model.mail import DeliveryState
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.subscribe import Choices
from digest.storage import deliveries, meta
from tests.delivery.peers import playing
from tests.services.sending import DAILY, WEEKLY, Mails, answering, office, reader, way


class TestWhoMustNotBeWrittenTo:
    def test_who_leaves_between_plan_and_dot_is_not_sent_to(self, store):
        desk = office(store, 2)
        mails = Mails()

        def leaving(address):
            if address == reader(0):
                desk.world.subscribe.leave(address)

        with playing(answering(mails, before_content=leaving), answering(mails)) as peer:
            desk.send(peer.port)
        assert mails.to == [reader(1)]
        assert desk.states() == {"accepted": 1, "suppressed": 1}
        assert desk.row(reader(0)).reason == "unsubscribed"

    def test_who_left_before_the_run_is_settled_as_suppressed(self, store):
        desk = office(store, 1)
        desk.world.subscribe.leave(reader(0))
        with CatchAll() as relay:
            desk.send(relay.port)
            assert relay.count == 0
        assert desk.states() == {"suppressed": 1}

    def test_a_suppressed_address_is_settled_at_the_dot_and_counted_once(self, store):
        desk = office(store, 2)
        desk.world.subscribe.suppress(reader(0), SuppressionReason.COMPLAINT)
        with CatchAll() as relay:
            sent = desk.send(relay.port)
            assert [mail.recipient for mail in relay.messages] == [reader(1)]
        assert (sent.tried, dict(sent.outcomes)) == (2, {"suppressed": 1, "accepted": 1})
        assert desk.states() == {"accepted": 1, "suppressed": 1}

    def test_who_is_erased_while_the_mail_waits_gets_none_and_leaves_no_address(self, store):
        desk = office(store, 2)
        desk.world.subscribe.erase(reader(0))
        with CatchAll() as relay:
            desk.send(relay.port)
            assert [mail.recipient for mail in relay.messages] == [reader(1)]
        assert desk.states() == {"accepted": 1, "suppressed": 1}
        assert all(reader(0) not in str(row) for row in desk.rows())

    def test_an_address_that_cannot_be_printed_fails_alone(self, store):
        desk = office(store, 2)
        with store.transaction() as tx:
            tx.execute(
                deliveries.deliveries.update()
                .where(deliveries.deliveries.c.address == reader(0))
                .values(address="jo rg\x07@example.net")
            )
        with CatchAll() as relay:
            sent = desk.send(relay.port)
            assert [mail.recipient for mail in relay.messages] == [reader(1)]
        assert sent.problem is None
        assert desk.states() == {"accepted": 1, "rejected": 1}


class TestTheOperatorsHand:
    def test_a_paused_digest_waits_and_goes_on_when_resumed(self, store):
        desk = office(store, 2)
        desk.ledger.pause("daily")
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 0
            assert desk.states() == {"open": 2}
            desk.ledger.resume("daily")
            assert desk.send(relay.port).tried == 2
        assert desk.states() == {"accepted": 2}

    def test_a_pause_during_a_run_stops_before_the_next_dot(self, store):
        desk = office(store, 6)
        mails = Mails()

        def pausing(address):
            if address == reader(2):
                desk.ledger.pause("*")

        with playing(*[answering(mails, before_content=pausing)] * 6) as peer:
            desk.send(peer.port)
            assert mails.to == [reader(0), reader(1)]
        assert desk.states() == {"accepted": 2, "open": 4}
        assert [row.attempts for row in desk.rows()] == [1, 1, 0, 0, 0, 0]
        desk.ledger.resume("*")
        with CatchAll() as relay:
            desk.send(relay.port)
            assert [mail.recipient for mail in relay.messages] == [reader(n) for n in range(2, 6)]
        assert desk.states() == {"accepted": 6}

    def test_cancelling_during_a_run_finishes_what_is_on_the_wire_and_ends_the_rest(self, store):
        desk = office(store, 6)
        mails = Mails()

        def cancelling(address):
            if address == reader(1):
                desk.ledger.cancel("daily")
            return "250 ok"

        with playing(*[answering(mails, dot=cancelling)] * 6) as peer:
            desk.send(peer.port)
        assert mails.to == [reader(0), reader(1)]
        assert desk.states() == {"accepted": 2, "expired": 4}
        assert {row.reason for row in desk.rows() if row.state is DeliveryState.EXPIRED} == {"cancelled"}

    def test_a_stopped_run_gives_back_what_it_held(self, store):
        desk = office(store, 5)
        stop = threading.Event()
        mails = Mails()

        def stopping(address):
            stop.set()
            return "250 ok"

        with playing(answering(mails, dot=stopping)) as peer:
            desk.sender(way(peer.port)).run(stop=stop)
        assert desk.states() == {"accepted": 1, "open": 4}
        assert {row.state for row in desk.rows()} == {DeliveryState.ACCEPTED, DeliveryState.QUEUED}
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 4

    def test_only_the_named_digests_are_sent(self, store):
        desk = office(store, 1, digests=(DAILY, WEEKLY))
        with CatchAll() as relay:
            assert desk.sender(way(relay.port)).run(digests=["weekly"]).tried == 0  # it travels with the daily
            assert desk.sender(way(relay.port)).run(digests=["daily"]).tried == 1

    def test_a_restored_copy_does_not_send(self, store):
        desk = office(store, 1)
        with store.transaction() as tx:
            meta.put(tx, meta.RESTORED, "2026-05-04")
        with CatchAll() as relay, pytest.raises(SendingRefused):
            desk.send(relay.port)
        assert desk.states() == {"open": 1}


def joined(store, **profile):
    """A reader of two digests in one mail; each has a paper of its own."""
    desk = office(store, 0, digests=(DAILY, WEEKLY), papers=4)
    desk.world.reader(reader(0), "daily", preferences={"max_items": 2}, joined=True)
    desk.world.reader(reader(0), "weekly", joined=True)
    desk.world.publish.run(desk.world.now)
    lead, follow = desk.rows()
    assert (lead.leader_id, follow.leader_id) == (None, lead.id)
    return desk


class TestOneMailOfSeveralDigests:
    def test_it_is_settled_as_a_whole(self, store):
        desk = joined(store)
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 1
            assert relay.count == 1
        assert desk.states() == {"accepted": 2}

    @pytest.mark.parametrize("digest", ["daily", "weekly"])
    def test_it_waits_while_one_of_its_digests_is_paused(self, store, digest):
        desk = joined(store)
        desk.ledger.pause(digest)
        with CatchAll() as relay:
            done = []
            run = threading.Thread(target=lambda: done.append(desk.send(relay.port)), daemon=True)
            run.start()
            run.join(10)
            assert done, "the run never ended"
            assert relay.count == 0
            desk.ledger.resume(digest)
            desk.send(relay.port)
            assert relay.count == 1
        assert desk.states() == {"accepted": 2}

    @pytest.mark.parametrize("digest", ["daily", "weekly"])
    def test_leaving_one_of_them_in_time_sends_the_other_alone(self, store, digest):
        desk = joined(store)
        desk.world.subscribe.leave(reader(0), digest)
        other = "The Daily" if digest == "weekly" else "The Weekly"
        with CatchAll() as relay:
            desk.send(relay.port)
            (mail,) = relay.messages
        assert f"Subject: {other}".encode() in mail.content
        assert desk.states() == {"accepted": 1, "suppressed": 1}

    @pytest.mark.parametrize("digest", ["daily", "weekly"])
    def test_cancelling_one_of_them_sends_the_other_alone(self, store, digest):
        desk = joined(store)
        assert desk.ledger.cancel(digest) == 1
        other = "The Daily" if digest == "weekly" else "The Weekly"
        with CatchAll() as relay:
            desk.send(relay.port)
            (mail,) = relay.messages
        assert f"Subject: {other}".encode() in mail.content
        assert b"volume" in mail.content
        assert desk.states() == {"accepted": 1, "expired": 1}

    def test_what_expires_earlier_does_not_hold_the_other_back(self, store):
        desk = joined(store)
        lead, _ = desk.rows()
        with store.transaction() as tx:
            tx.execute(
                deliveries.deliveries.update()
                .where(deliveries.deliveries.c.id == lead.id)
                .values(expires_at=desk.world.now + timedelta(hours=1))
            )
        desk.later(hours=2)
        with CatchAll() as relay:
            desk.send(relay.port)
            (mail,) = relay.messages
        assert b"Subject: The Weekly" in mail.content
        assert desk.states() == {"accepted": 1, "expired": 1}


def test_who_comes_back_keeps_the_secret_of_every_mail_sent(store):
    desk = office(store, 1)
    with CatchAll() as relay:
        desk.send(relay.port)
        (mail,) = relay.messages
    held = desk.world.subscribe.show(reader(0))[0]
    assert f"unsubscribe%20{held.secret}".encode() in mail.content.replace(b"=\r\n", b"") or held.secret.encode() in (
        mail.content.replace(b"=\r\n", b"")
    )
    desk.world.subscribe.leave(reader(0))
    again = desk.world.subscribe.add(reader(0), "daily", state=SubscriptionState.CONFIRMED, choices=Choices())
    assert again.secret == held.secret
