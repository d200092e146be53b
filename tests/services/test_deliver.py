"""Sending against servers that fail in every way: nothing is lost, nothing goes twice, and each mail's end is named."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from digest.delivery.catchall import CatchAll
from digest.model.errors import RelayError
from digest.model.mail import DeliveryState
from digest.model.people import SuppressionReason
from digest.storage import editions
from tests.delivery.peers import playing
from tests.services.sending import Mails, answering, message_id, office, reader, way


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
