"""A relay that does not send for us, and one that cannot take commands together: what a run makes of them."""

from __future__ import annotations

from collections import Counter

import pytest

from digest.delivery.catchall import CatchAll
from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import Relay
from digest.model.mail import Outcome, OutcomeKind, Scope
from digest.services.sending.outlets import Outlet, refusal
from tests.delivery.peers import Script, Talk, playing, relay_to
from tests.services.sending import FEATURES, Mails, answering, office, reader, way

REFUSALS = (
    "550 5.7.1 sender rejected",
    "550 not allowed to relay",
    "553 5.1.8 no such domain",
    "450 4.1.8 no such domain",
)


def outlet(relay: Relay, name: str) -> Outlet:
    return Outlet(
        relay=relay_to(relay.port, name=name, timeout=2.0, connections=1),
        throttle=Throttle(1),
        rates=RateLimit(None, {}),
    )


def refusing(answer: str) -> Script:
    return answering(Mails(), mail=lambda number: answer)


class TestARelayThatRefusesTheSender:
    @pytest.mark.parametrize("answer", REFUSALS)
    def test_the_next_one_takes_over_and_nobody_waits(self, store, answer):
        desk = office(store, 6)
        with playing(*[refusing(answer)] * 3) as first, CatchAll() as second:
            ways = outlet(way(first.port), "first"), outlet(way(second.port), "second")
            sent = desk.sender(outlets=ways).run()
            assert (sent.problem, second.count) == (None, 6)
            assert len(first.talks) == 1
        assert desk.states() == {"accepted": 6}
        assert {row.attempts for row in desk.rows()} == {1}

    @pytest.mark.parametrize("answer", REFUSALS)
    def test_where_there_is_no_other_the_mails_wait_and_the_operator_is_told_whom_and_what(self, store, answer):
        desk = office(store, 4)
        with playing(*[refusing(answer)] * 3) as first:
            only = outlet(way(first.port), "only")
            sender = desk.sender(outlets=(only,))
            assert answer in str(sender.run().problem)
            assert {row.attempts for row in desk.rows()} == {0}
            told = sender.run().problem
        assert told is not None
        assert (
            told.what == f"the relay refuses mail from digest@example.org for now: {answer}; sending goes on in 60 min"
        )
        assert "[mail] from" in told.try_ and "[smtp]" in told.try_
        # An hour later, the relay having been told to, all go out.
        desk.later(minutes=75)
        desk.steady += 4500
        with CatchAll() as healthy:
            desk.sender(outlets=(outlet(way(healthy.port), "only"),)).run()
            assert healthy.count == 4
        assert desk.states() == {"accepted": 4}

    @pytest.mark.parametrize(
        ("answer", "state"),
        [("552 5.3.4 too big", "rejected"), ("553 5.6.7 not in ASCII", "rejected"), ("501 5.1.7 syntax", "deferred")],
    )
    def test_a_refusal_that_is_about_the_mail_turns_nobody_to_another_relay(self, store, answer, state):
        desk = office(store, 3)
        with playing(refusing(answer)) as first, CatchAll() as second:
            ways = outlet(way(first.port), "first"), outlet(way(second.port), "second")
            desk.sender(outlets=ways).run()
            assert second.count == 0
        assert desk.states() == {state: 3}

    def test_a_cause_that_the_answer_names_has_its_own_cure(self):
        listed = Outcome(
            kind=OutcomeKind.DEFERRED, scope=Scope.RELAY, code=550, remote="listed at Spamhaus", sender="us@example.org"
        )
        assert "blocked senders" in refusal(listed).try_


def confused(mails: Mails, strict: list[bool]) -> Script:
    """Offers PIPELINING, and says 503 to each command that comes while another one waits for its answer."""

    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        address = ""
        while True:
            line = talk.line()
            verb = line[:4].upper()
            together = b"\n" in talk.waiting
            strict.append(together)
            if verb == b"QUIT":
                talk.say("221 bye")
                return
            if verb == b"RSET":
                talk.say("250 ok")
            elif together or (verb == b"DATA" and not address):
                address = ""
                talk.say("503 5.5.1 bad sequence of commands")
            elif verb == b"DATA":
                talk.say("354 go")
                mails.take(address, talk.content())
                address = ""
                talk.say("250 2.0.0 kept")
            else:
                if verb == b"RCPT":
                    address = line.partition(b"<")[2].partition(b">")[0].decode()
                talk.say("250 ok")

    return script


@pytest.mark.timeout(60)
def test_where_commands_together_are_out_of_order_all_go_singly_at_once_and_exactly_once(store):
    desk = office(store, 8)
    mails, together = Mails(), []
    with playing(*[confused(mails, together)] * 6) as peer:
        only = outlet(way(peer.port), "only")
        sent = desk.sender(outlets=(only,)).run()
        assert (sent.problem, only.plain) == (None, True)
        assert len(peer.talks) == 2, "one to find out, one for all the mails"
        del together[:]
        desk.sender(outlets=(only,)).run()
        assert not any(together)
    assert Counter(mails.to) == {reader(n): 1 for n in range(8)}
    assert desk.states() == {"accepted": 8}
    assert {row.attempts for row in desk.rows()} == {1}
