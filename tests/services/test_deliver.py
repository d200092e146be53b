"""Sending against servers that fail in every way: nothing is lost, nothing goes twice, and each mail's end is named."""

from __future__ import annotations

import queue
import socket
import threading
import time
from datetime import timedelta

import pytest

from digest.delivery.catchall import CatchAll
from digest.delivery.pool import RateLimit, Throttle
from digest.model.errors import RelayError, SendingRefused, StorageError
from digest.model.mail import DeliveryState
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services import dispatch
from digest.services.subscribe import Choices
from digest.storage import deliveries, editions, meta, people, sending
from digest.storage.lane import Lane
from tests.delivery.peers import playing
from tests.services.sending import DAILY, WEEKLY, Mails, answering, message_id, office, reader, until, way


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def narrow():
    """A listener whose connections hold next to nothing that was not read."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def lengthen(desk, more):
    """Makes the planned message longer by some lines at its end."""
    with desk.store.transaction() as tx:
        message = editions.message(tx, desk.rows()[0].message_key)
        tx.execute(editions.messages.update().values(content=message.content + more))


def test_each_reader_gets_one_mail_and_a_second_run_sends_nothing(store):
    desk = office(store, 20)
    with CatchAll() as relay:
        sent = desk.send(relay.port, connections=4)
        again = desk.send(relay.port, connections=4)
        assert sorted(mail.recipient for mail in relay.messages) == [reader(n) for n in range(20)]
        assert len({message_id(mail.content) for mail in relay.messages}) == 20
    assert (sent.tried, dict(sent.outcomes), sent.problem) == (20, {"accepted": 20}, None)
    assert (again.tried, again.problem) == (0, None)
    assert desk.states() == {"accepted": 20}


class TestARelayThatCannotBeUsed:
    def test_an_absent_relay_is_told_and_what_is_open_goes_on_later(self, store):
        desk = office(store, 3)
        sent = desk.send(free_port())
        assert isinstance(sent.problem, RelayError)
        assert "nothing listens there" in str(sent.problem)
        assert (sent.tried, desk.states()) == (0, {"open": 3})
        assert [row.attempts for row in desk.rows()] == [0, 0, 0]
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 0  # it rests five minutes
            desk.later(minutes=6)
            assert desk.send(relay.port).tried == 3
            assert relay.count == 3
        assert desk.states() == {"accepted": 3}

    def test_the_operator_can_wake_what_rests(self, store):
        desk = office(store, 2)
        desk.send(free_port())
        with CatchAll() as relay:
            sender = desk.sender(way(relay.port))
            sender.wake(["daily"])
            assert sender.run().tried == 2

    def test_a_refused_login_is_told_and_costs_nobody_an_attempt(self, store):
        desk = office(store, 2)

        def refusing(talk):
            talk.greet("AUTH PLAIN LOGIN")
            while True:
                line = talk.line()
                if line.startswith(b"AUTH LOGIN"):
                    talk.say("334 VXNlcm5hbWU6")
                    talk.line()
                    talk.say("334 UGFzc3dvcmQ6")
                    talk.line()
                talk.say("535 5.7.8 bad credentials" if line.startswith(b"AUTH") else "250 ok")

        with playing(refusing) as peer:
            login = {"username": "digest", "password": lambda: "secret", "allow_plain_auth": True}
            sent = desk.sender(way(peer.port, **login)).run()
        assert "535 5.7.8 bad credentials" in str(sent.problem)
        assert "secret" not in str(sent.problem)
        assert desk.states() == {"open": 2}
        assert [row.attempts for row in desk.rows()] == [0, 0]

    def test_the_second_relay_takes_over_from_an_absent_first_one(self, store):
        desk = office(store, 2)
        with CatchAll() as relay:
            sent = desk.sender(way(free_port()), way(relay.port)).run()
            assert (sent.problem, relay.count) == (None, 2)
        assert desk.states() == {"accepted": 2}

    def test_without_any_relay_the_problem_names_the_setting(self, store):
        desk = office(store, 1)
        assert "[smtp]" in str(desk.sender().run().problem)
        assert desk.states() == {"open": 1}


class TestAConnectionThatBreaks:
    def test_dropped_in_the_middle_of_a_mail_it_is_tried_again_and_exactly_one_arrives(self, store):
        # So much that the dot cannot be on its way yet when the connection breaks.
        desk = office(store, 1)
        lengthen(desk, b"Waves and waves and waves.\r\n" * 200_000)
        mails = Mails()

        def dropping(talk):
            talk.greet("PIPELINING")
            talk.envelope()
            talk.line()
            talk.reset()

        def taking(talk):
            talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            answering(mails)(talk)

        with playing(dropping, taking, listener=narrow()) as peer:
            sent = desk.send(peer.port)
        assert (mails.to, sent.problem) == ([reader(0)], None)
        assert desk.states() == {"accepted": 1}
        assert desk.row(reader(0)).attempts == 1

    def test_a_mail_at_which_the_relay_always_hangs_up_does_not_keep_back_the_others(self, store):
        desk = office(store, 4)
        mails = Mails()
        poisoned = answering(mails, rcpt=lambda address: "drop" if address == reader(0) else "250 ok")
        for _ in range(6):
            with playing(*[poisoned] * 8) as peer:
                desk.send(peer.port)
            desk.later(minutes=6)
        assert sorted(mails.to) == [reader(1), reader(2), reader(3)]
        assert desk.states() == {"accepted": 3, "deferred": 1}
        assert desk.row(reader(0)).attempts > 1

    def test_a_reply_that_is_lost_after_the_dot_leaves_the_mail_uncertain(self, store):
        desk = office(store, 3)
        mails = Mails()
        lost = answering(mails, dot=lambda address: None if address == reader(1) else "250 ok")
        with playing(lost, answering(mails)) as peer:
            sent = desk.send(peer.port)
        assert sorted(mails.to) == [reader(0), reader(1), reader(2)]
        # The envelope of the next mail was under way as well; nothing of it can have arrived.
        assert dict(sent.outcomes) == {"accepted": 2, "uncertain": 1, "queued": 1}
        assert desk.states() == {"accepted": 2, "uncertain": 1}
        assert desk.row(reader(1)).reason == "the final dot was sent, no reply came"
        desk.later(days=2)
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 0
        assert desk.states() == {"accepted": 2, "uncertain": 1}

    def test_with_the_policy_resend_it_goes_again_byte_for_byte(self, store):
        desk = office(store, 1)
        mails = Mails()
        with playing(answering(mails, dot=lambda address: None), answering(mails)) as peer:
            desk.send(peer.port, resend=True)
            assert desk.states() == {"deferred": 1}
            desk.later(minutes=6)
            desk.send(peer.port, resend=True)
        assert desk.states() == {"accepted": 1}
        (_, first), (_, second) = mails.taken
        assert first == second

    @pytest.mark.parametrize(
        ("decision", "state", "mailed"),
        [("accepted", "accepted", 1), ("lost", "expired", 1), ("resend", "accepted", 2)],
    )
    def test_the_operator_decides_what_an_uncertain_one_was(self, store, decision, state, mailed):
        desk = office(store, 1)
        mails = Mails()
        with playing(answering(mails, dot=lambda address: None), answering(mails)) as peer:
            desk.send(peer.port)
            desk.ledger.resolve(desk.row(reader(0)).id, decision)
            desk.send(peer.port)
        assert desk.states() == {state: 1}
        assert len({raw for _, raw in mails.taken}) == 1
        assert len(mails.taken) == mailed


class TestWhatTheServerAnswers:
    def test_421_is_no_attempt_of_the_reader_and_the_mail_goes_over_a_new_connection(self, store):
        desk = office(store, 1)
        mails = Mails()
        closing = answering(mails, mail=lambda number: "421 4.3.2 shutting down")
        with playing(closing, answering(mails)) as peer:
            sent = desk.send(peer.port)
        assert (mails.to, sent.problem) == ([reader(0)], None)
        assert desk.row(reader(0)).attempts == 1

    def test_a_421_that_halves_the_connections_still_lets_the_run_end(self, store):
        desk = office(store, 4)
        desk.throttle = Throttle(2)
        mails = Mails()
        closing = answering(mails, mail=lambda number: "421 4.3.2 too many connections")
        with playing(closing, *[answering(mails)] * 3) as peer:
            done = []
            sender = desk.sender(way(peer.port))
            run = threading.Thread(target=lambda: done.append(sender.run()), daemon=True)
            run.start()
            run.join(15)
            assert done, "the run never ended"
        assert sorted(mails.to) == [reader(n) for n in range(4)]
        assert desk.states() == {"accepted": 4}

    def test_450_is_deferred_with_a_growing_wait(self, store):
        desk = office(store, 1)
        mails = Mails()
        waits = []
        with playing(*[answering(mails, rcpt=lambda address: "450 4.2.1 try later")] * 3, answering(mails)) as peer:
            for _ in range(3):
                desk.send(peer.port)
                row = desk.row(reader(0))
                assert (row.state, row.code, row.enhanced) == (DeliveryState.DEFERRED, 450, "4.2.1")
                waits.append(row.next_at - desk.world.now)
                desk.later(minutes=1)
                assert desk.send(peer.port).tried == 0
                desk.world.now = row.next_at
            desk.send(peer.port)
        assert waits == [timedelta(minutes=5.5), timedelta(minutes=10), timedelta(minutes=20)]
        assert (mails.to, desk.row(reader(0)).attempts) == ([reader(0)], 4)

    def test_552_is_final_and_says_the_servers_words_but_suppresses_nobody(self, store):
        desk = office(store, 1)
        with playing(answering(Mails(), dot=lambda address: "552 5.3.4 message too big")) as peer:
            desk.send(peer.port)
        row = desk.row(reader(0))
        assert (row.state, row.reason) == (DeliveryState.REJECTED, "552 5.3.4 message too big")
        assert desk.world.subscribe.suppressions() == ()
        assert desk.states() == {"rejected": 1}

    def test_an_address_that_does_not_exist_is_rejected_and_never_written_to_again(self, store):
        desk = office(store, 2)
        mails = Mails()
        gone = answering(mails, rcpt=lambda a: "550 5.1.1 no such user" if a == reader(0) else "250 ok")
        with playing(gone) as peer:
            desk.send(peer.port)
        assert desk.states() == {"accepted": 1, "rejected": 1}
        (listed,) = desk.world.subscribe.suppressions()
        assert (listed.address, listed.reason, listed.detail) == (
            reader(0),
            SuppressionReason.HARD_BOUNCE,
            "550 5.1.1 no such user",
        )
        desk.later(days=1)
        desk.world.paper(2, seen_at=desk.world.now - timedelta(hours=1))
        desk.world.publish.run(desk.world.now)
        with CatchAll() as relay:
            desk.send(relay.port)
            assert [mail.recipient for mail in relay.messages] == [reader(1)]
        assert desk.states() == {"accepted": 2, "rejected": 1, "suppressed": 1}

    def test_being_asked_to_slow_down_stops_the_run_and_the_next_ones_for_ten_minutes(self, store):
        desk = office(store, 3)
        mails = Mails()
        slow = answering(mails, rcpt=lambda a: "451 4.7.28 too many mails" if a == reader(1) else "250 ok")
        with playing(slow) as peer:
            sent = desk.send(peer.port)
            assert "4.7.28" in str(sent.problem)
            assert desk.states() == {"accepted": 1, "deferred": 1, "open": 1}
            assert desk.row(reader(1)).attempts == 0
            desk.later(minutes=6)
            desk.steady += 360
            assert "sending goes on in 4 min" in str(desk.send(peer.port).problem)
        desk.later(minutes=8)
        desk.steady += 480
        with CatchAll() as relay:
            assert desk.send(relay.port).problem is None
            assert relay.count == 2
        assert desk.states() == {"accepted": 3}


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


class TestTimeAndLeases:
    def test_what_is_too_late_expires_and_frees_its_papers(self, store):
        desk = office(store, 1)
        desk.later(hours=37)
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 0
            assert desk.states() == {"expired": 1}
            desk.world.publish.run(desk.world.now)
            desk.send(relay.port)
            (mail,) = relay.messages
        assert b"volume 1" in mail.content
        assert desk.states() == {"accepted": 1, "expired": 1}

    def test_a_mail_whose_message_was_pruned_ends_with_its_reason(self, store):
        desk = office(store, 2)
        with store.transaction() as tx:
            assert editions.prune_messages(tx, desk.world.now + timedelta(days=1), frozenset()) > 0
        with CatchAll() as relay:
            desk.send(relay.port)
            assert relay.count == 0
        assert {row.reason for row in desk.rows()} == {"its message is no longer kept"}
        assert desk.states() == {"expired": 2}

    def test_two_senders_at_once_send_each_mail_once(self, store, url, open_database):
        desk = office(store, 60)
        other = open_database(url)
        faults = []

        def run(held, holder):
            try:
                desk.send(relay.port, connections=3, store=held, holder=holder)
            except BaseException as error:
                faults.append(error)

        with CatchAll() as relay:
            senders = [
                threading.Thread(target=run, args=(held, f"host:{n}:1")) for n, held in enumerate((store, other))
            ]
            for thread in senders:
                thread.start()
            for thread in senders:
                thread.join(60)
            assert sorted(mail.recipient for mail in relay.messages) == [reader(n) for n in range(60)]
        assert faults == []
        assert desk.states() == {"accepted": 60}

    def test_who_lost_the_lease_settles_nothing(self, store):
        desk = office(store, 1)
        mails = Mails()

        freed = []

        def taken(address):
            if freed:
                return
            desk.later(hours=1)
            with store.transaction() as tx:
                freed.append(sending.recover(tx, now=desk.world.now, dead=[], resend=False))

        with playing(answering(mails, before_content=taken), answering(mails)) as peer:
            sent = desk.send(peer.port)
        assert freed == [(1, 0)]
        # The first try stopped before its dot; the same run then took the mail anew.
        assert mails.to == [reader(0)]
        assert dict(sent.outcomes) == {"lost": 1, "accepted": 1}
        assert desk.states() == {"accepted": 1}

    def test_an_answer_that_comes_after_the_lease_was_lost_changes_nothing(self, store):
        desk = office(store, 1)
        mails = Mails()

        def late(address):
            desk.later(hours=1)
            with store.transaction() as tx:
                assert sending.recover(tx, now=desk.world.now, dead=[], resend=False) == (0, 1)
            return "250 ok"

        with playing(answering(mails, dot=late)) as peer:
            sent = desk.send(peer.port)
        assert dict(sent.outcomes) == {"lost": 1}
        assert desk.states() == {"uncertain": 1}

    def test_renewing_never_shortens_the_lease_of_a_mail_that_awaits_its_reply(self, store):
        desk = office(store, 1)
        now = desk.world.now
        with store.transaction() as tx:
            (one,) = sending.claim(tx, lease="host:1:1:9", now=now, until=now + timedelta(minutes=1), limit=9)
            assert (
                sending.gate_joined(tx, one.id, "host:1:1:9", now=now, until=now + timedelta(minutes=15), relay="")
                == ""
            )
            sending.renew(tx, "host:1:1:9", now + timedelta(minutes=2))
            assert sending.recover(tx, now=now + timedelta(minutes=14), dead=[], resend=False) == (0, 0)
            assert sending.recover(tx, now=now + timedelta(minutes=16), dead=[], resend=False) == (0, 1)

    def test_what_a_dead_process_held_is_taken_at_once(self, store):
        desk = office(store, 1)
        now = desk.world.now
        with store.transaction() as tx:
            sending.claim(tx, lease="host:77:1:1", now=now, until=now + timedelta(hours=1), limit=9)
        with CatchAll() as relay:
            assert desk.send(relay.port).tried == 0
            assert desk.send(relay.port, dead=lambda held: [one for one in held if ":77:" in one]).tried == 1

    def test_a_database_that_fails_at_the_gate_stops_before_the_dot(self, store, monkeypatch):
        desk = office(store, 3)

        def failing(*args, **rest):
            raise StorageError("could not be written: the disk is full", where="digest.db", try_="free some space")

        with monkeypatch.context() as patch, CatchAll() as relay:
            patch.setattr(Lane, "group", failing)
            patch.setattr(dispatch, "_DATABASE_WAITS", ())
            sent = desk.send(relay.port)
            assert relay.count == 0
        assert "disk is full" in str(sent.problem)
        assert desk.states() == {"open": 3}
        desk.later(minutes=20)
        with CatchAll() as relay:
            desk.send(relay.port)
            assert relay.count == 3
        assert desk.states() == {"accepted": 3}

    def test_a_database_that_fails_at_the_first_claim_leaves_no_thread_behind(self, store, monkeypatch):
        desk = office(store, 1)

        def failing(*args, **rest):
            raise StorageError("is locked by another program", where="digest.db")

        before = threading.active_count()
        with monkeypatch.context() as patch:
            patch.setattr(sending, "claim", failing)
            sent = desk.send(1)
        assert "locked" in str(sent.problem)
        until(lambda: threading.active_count() <= before)
        assert desk.states() == {"open": 1}


class TestHowFast:
    def test_the_rate_is_kept(self, store):
        desk = office(store, 6)
        with CatchAll() as relay:
            started = time.monotonic()
            desk.send(relay.port, connections=3, rates=RateLimit(10.0, {}), seconds=time.monotonic)
            quick = time.monotonic() - started
            assert relay.count == 6
        assert quick < 5
        desk = office_again(desk, 4)
        with CatchAll() as relay:
            started = time.monotonic()
            desk.send(relay.port, rates=RateLimit(None, {"example.net": 4.0}), seconds=time.monotonic)
            assert relay.count == 6
            assert time.monotonic() - started > 0.4

    def test_a_click_beside_a_running_send_is_answered_at_once(self, store):
        desk = office(store, 40)
        waits: queue.Queue[float] = queue.Queue()

        def clicking(address):
            started = time.monotonic()
            with store.reading() as tx:
                mine = people.subscriptions_of(tx, people.subscriber(tx, reader(39)).id)[0]
            desk.world.subscribe.leave_by_token(mine.secret)
            waits.put(time.monotonic() - started)
            return "250 ok"

        mails = Mails()
        with playing(answering(mails, dot=clicking), answering(mails)) as peer:
            desk.send(peer.port)
        assert max(waits.queue) < 2
        assert desk.states() == {"accepted": 39, "suppressed": 1}


def office_again(desk, number):
    """The next day's mails for the same readers."""
    desk.later(days=1)
    desk.world.paper(number + 10, seen_at=desk.world.now - timedelta(hours=1))
    desk.world.publish.run(desk.world.now)
    return desk


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
