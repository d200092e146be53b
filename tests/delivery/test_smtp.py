"""One mail over one connection: what each fault of the other side means, and that nothing is sent twice or lost."""

from __future__ import annotations

import socket
import time

import pytest

from digest.delivery.exchange import Exchange
from digest.model.mail import Envelope, Outcome, OutcomeKind, Scope
from tests.delivery.peers import (
    CONTENT,
    ENVELOPE,
    FEATURES,
    PLAIN_FEATURES,
    Script,
    Talk,
    connected,
    packed,
    playing,
    relay_to,
    submit,
)

BOTH = pytest.mark.parametrize("features", [FEATURES, PLAIN_FEATURES], ids=["pipelined", "in-turn"])
BIG = (CONTENT[0], b"\r\n", b"x" * 70 + b"\r\n") + (b"y" * 998 + b"\r\n",) * 4000


def try_one(*scripts: Script, envelope: Envelope = ENVELOPE, content=CONTENT, **settings):
    """Submit one mail to a peer. Gives (outcome, whether the content might go, session still alive, what it heard)."""
    with playing(*scripts) as peer, connected(relay_to(peer.port, **settings)) as line:
        outcome = line.submit(envelope, content)
        alive = line.session.alive
    return outcome, line.ready, alive, peer.heard


def answering(features, *, dot="250 2.0.0 kept", **answers) -> Script:
    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.envelope(**answers)
        talk.content()
        talk.say(dot)
        talk.idle()

    return script


def deferred_relay(outcome: Outcome) -> bool:
    return (outcome.kind, outcome.scope, outcome.suppress) == (OutcomeKind.DEFERRED, Scope.RELAY, False)


@BOTH
def test_a_mail_is_handed_over_byte_for_byte(features):
    """Also lines that begin with dots, over seams of segments, and without a last line end."""
    content = (b"Subject: x\r\n\r\n", b".one\r\n..two\r", b"\n", b".", b"\r\nlast")
    received: list[bytes] = []

    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.envelope()
        received.append(talk.content())
        talk.say("250 2.0.0 kept")
        talk.idle()

    outcome, calls, alive, heard = try_one(script, content=content)
    assert outcome == Outcome(kind=OutcomeKind.ACCEPTED, code=250, enhanced="2.0.0", remote="kept")
    assert (calls, alive) == (1, True)
    assert received == [b"Subject: x\r\n\r\n..one\r\n...two\r\n..\r\nlast\r\n"]
    assert heard[:4] == [
        b"ehlo sender.example.org",
        b"MAIL FROM:<bounces@example.org> SIZE=120",
        b"RCPT TO:<reader@example.net>",
        b"DATA",
    ]


@BOTH
@pytest.mark.parametrize(
    ("command", "answer", "kind", "scope", "suppress"),
    [
        ("mail", "450 4.3.2 later", OutcomeKind.DEFERRED, Scope.RELAY, False),
        ("mail", "550 5.7.1 not you", OutcomeKind.DEFERRED, Scope.RELAY, False),
        ("mail", "501 5.1.7 bad syntax", OutcomeKind.DEFERRED, Scope.MESSAGE, False),
        ("mail", "553 5.6.7 not in ASCII", OutcomeKind.REJECTED, Scope.RECIPIENT, False),
        ("mail", "552 5.3.4 too big", OutcomeKind.REJECTED, Scope.MESSAGE, False),
        ("mail", "530 5.7.0 log in first", OutcomeKind.DEFERRED, Scope.RELAY, False),
        ("rcpt", "450 4.2.0 greylisted", OutcomeKind.DEFERRED, Scope.RECIPIENT, False),
        ("rcpt", "452 4.2.2 full", OutcomeKind.DEFERRED, Scope.RECIPIENT, False),
        ("rcpt", "550 5.1.1 nobody", OutcomeKind.REJECTED, Scope.RECIPIENT, True),
        ("rcpt", "552 5.2.2 full", OutcomeKind.REJECTED, Scope.RECIPIENT, False),
        ("rcpt", "550 5.7.1 policy", OutcomeKind.REJECTED, Scope.RECIPIENT, False),
        ("data", "451 4.3.0 later", OutcomeKind.DEFERRED, Scope.RECIPIENT, False),
        ("data", "554 5.7.1 no", OutcomeKind.REJECTED, Scope.RECIPIENT, False),
    ],
)
def test_a_refused_command_is_decided_and_the_connection_goes_on(features, command, answer, kind, scope, suppress):
    later = {"mail": ("503 no", "503 no"), "rcpt": ("554 no valid recipients",), "data": ()}[command]
    order = ["mail", "rcpt", "data"]

    def script(talk: Talk) -> None:
        talk.greet(*features)
        answers = dict(zip(order[order.index(command) + 1 :], later, strict=False))
        answers[command] = answer
        for name in order:
            talk.line()
            talk.say(answers.get(name, "250 ok"))
            if name == command and "PIPELINING" not in features:
                break
        assert talk.line() == b"RSET"
        talk.say("250 ok")
        talk.envelope()
        talk.content()
        talk.say("250 kept")
        talk.idle()

    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        first = line.submit()
        assert line.ready == 0
        second = line.submit()
    code, enhanced, text = answer.split(" ", 2)
    assert (first.kind, first.scope, first.suppress) == (kind, scope, suppress)
    assert (first.code, first.enhanced, first.remote) == (int(code), enhanced, text)
    assert (second.kind, line.ready) == (OutcomeKind.ACCEPTED, 1)


@BOTH
@pytest.mark.parametrize(
    ("answer", "kind", "scope", "alive"),
    [
        ("250 kept", OutcomeKind.ACCEPTED, Scope.RECIPIENT, True),
        ("451 4.3.0 disk", OutcomeKind.DEFERRED, Scope.RECIPIENT, True),
        ("552 too big", OutcomeKind.REJECTED, Scope.MESSAGE, True),
        ("554 5.7.1 spam", OutcomeKind.REJECTED, Scope.RECIPIENT, True),
        ("421 4.7.28 unusual rate", OutcomeKind.DEFERRED, Scope.RELAY, False),
        ("421 closing", OutcomeKind.DEFERRED, Scope.RELAY, False),
    ],
)
def test_an_answer_to_the_dot_is_definite(features, answer, kind, scope, alive):
    outcome, calls, still, _ = try_one(answering(features, dot=answer))
    assert (outcome.kind, outcome.scope, still, calls) == (kind, scope, alive, 1)


def test_throttling_names_the_ten_minutes():
    outcome, *_ = try_one(answering(FEATURES, dot="421 4.7.28 unusual rate"))
    assert outcome.retry_after == 600.0


@BOTH
@pytest.mark.parametrize("how", ["drop", "reset"])
@pytest.mark.parametrize("after", ["mail", "rcpt", "data", "content"])
def test_a_connection_lost_before_the_dot_is_a_safe_retry(features, after, how):
    def script(talk: Talk) -> None:
        talk.greet(*features)
        for command in ("mail", "rcpt", "data"):
            talk.line()
            if after == command:
                return getattr(talk, how)()
            talk.say("354 go" if command == "data" else "250 ok")
        talk.line()
        talk.line()
        return getattr(talk, how)()

    outcome, calls, alive, _ = try_one(script, content=BIG)
    assert deferred_relay(outcome), outcome
    assert (calls, alive, outcome.code) == (after == "content", False, None)


@BOTH
@pytest.mark.parametrize("fault", ["drop", "reset", "silence", "garbage", "half line", "intermediate", "endless line"])
def test_no_answer_after_the_dot_leaves_the_mail_uncertain(features, fault):
    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.envelope()
        talk.content()
        match fault:
            case "drop":
                talk.drop()
            case "reset":
                talk.reset()
            case "silence":
                talk.line()
            case "garbage":
                talk.say("what?")
            case "half line":
                talk.say(b"250 o")
            case "intermediate":
                talk.say("354 more")
            case "endless line":
                talk.say(b"250-" + b"x" * 20000)

    outcome, calls, alive, _ = try_one(script, dot_timeout=0.3)
    assert (outcome.kind, calls, alive) == (OutcomeKind.UNCERTAIN, 1, False)
    assert outcome.remote


@BOTH
def test_stopping_before_the_dot_drops_the_connection_without_content_or_dot(features):
    ends: list[str] = []

    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.envelope()
        try:
            talk.content()
            ends.append("dot")
        finally:
            ends.append("gone")

    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        assert line.offer(packed()) is None
        line.session.stop()
        assert not line.session.alive
    assert ends == ["gone"]
    assert peer.heard[-1] == b"DATA"


def test_an_exchange_that_is_closed_before_the_dot_sends_none():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope()
        talk.content()
        talk.say("250 kept")

    with playing(script) as peer:
        with connected(relay_to(peer.port)) as line:
            assert line.offer(packed()) is None
        assert not line.session.alive
    assert peer.heard[-1] == b"DATA"


@pytest.mark.parametrize(
    ("said", "kind", "scope"),
    [
        ("552 5.3.4 too big", OutcomeKind.REJECTED, Scope.MESSAGE),
        ("421 4.3.2 closing", OutcomeKind.DEFERRED, Scope.RELAY),
        ("250 kept", OutcomeKind.DEFERRED, Scope.RELAY),
    ],
)
def test_an_answer_in_mid_content_ends_the_try_without_a_dot(said, kind, scope):
    """A refusal is definite; a yes to what was not yet said is no yes."""

    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope()
        talk.line()
        talk.say(said)
        while talk.line() != b".":
            pass
        dots.append(1)

    dots: list[int] = []
    outcome, calls, alive, _ = try_one(script, content=BIG)
    assert (outcome.kind, outcome.scope, calls, alive, dots) == (kind, scope, 1, False, [])


def test_data_allowed_after_a_refused_recipient_is_ended_with_nothing_in_it():
    got: list[bytes] = []

    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope(rcpt="550 5.1.1 nobody")
        got.append(talk.content())
        talk.say("554 no valid recipients")
        talk.idle()

    outcome, calls, alive, heard = try_one(script)
    assert (outcome.kind, outcome.suppress, calls, alive) == (OutcomeKind.REJECTED, True, 0, True)
    assert got == [b""]
    assert heard[-2:] == [b".", b"QUIT"]


def test_a_refusal_stands_when_the_server_hangs_up_behind_it():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.line(), talk.line(), talk.line()
        talk.say("250 ok\r\n550 5.1.1 nobody")

    outcome, _, alive, _ = try_one(script)
    assert (outcome.kind, outcome.enhanced, outcome.suppress, alive) == (OutcomeKind.REJECTED, "5.1.1", True, False)


@BOTH
@pytest.mark.parametrize("command", ["mail", "rcpt", "data"])
def test_421_at_any_command_is_the_relay_closing(features, command):
    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.envelope(**{command: "421 4.3.2 shutting down"})

    outcome, calls, alive, _ = try_one(script)
    assert deferred_relay(outcome)
    assert (outcome.code, outcome.remote, calls, alive) == (421, "shutting down", 0, False)


@BOTH
@pytest.mark.parametrize(("more", "told"), [("421 4.4.2 idle too long", [421]), ("250 kept", [])])
def test_what_is_said_between_two_mails_is_heard_before_the_next_one_is_offered(features, more, told):
    """A goodbye is told, on nobody's account; an answer nobody asked for is not taken for the next one."""

    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.envelope()
        talk.content()
        talk.say(f"250 kept\r\n{more}")
        talk.line()

    mail = packed()
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        line.session.offer(mail)
        assert line.hear(mail)[1] is None
        line.session.go()
        events, outcome = line.hear(mail)
        assert outcome is not None and outcome.kind is OutcomeKind.ACCEPTED
        assert [(event.mail, event.outcome.code) for event in events[1:]] == [(None, code) for code in told]
        assert not line.session.alive
    assert sum(said.startswith(b"MAIL") for said in peer.heard) == 1


@BOTH
@pytest.mark.parametrize("garbage", ["hello there", "99 no", "250-a\r\n550 b", "999 what", "", "250_ok"])
def test_garbage_before_the_dot_is_a_safe_retry(features, garbage):
    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.line()
        talk.say(garbage)
        talk.idle()

    outcome, calls, alive, _ = try_one(script, script)
    assert deferred_relay(outcome)
    assert (calls, alive) == (0, False)


def test_an_endless_reply_is_given_up():
    def script(talk: Talk) -> None:
        talk.greet(*PLAIN_FEATURES)
        talk.line()
        while True:
            talk.say("250-" + "x" * 1000)

    outcome, *_ = try_one(script)
    assert deferred_relay(outcome)


def test_a_reply_that_comes_byte_by_byte_is_one_reply():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.line(), talk.line(), talk.line()
        talk.drip("250-first\r\n250 ok\r\n250 ok\r\n354 go")
        talk.content()
        talk.drip("250-2.0.0 kept\r\n250-2.0.0 as\r\n250 2.0.0 7")
        talk.idle()

    outcome, *_ = try_one(script)
    assert outcome == Outcome(kind=OutcomeKind.ACCEPTED, code=250, enhanced="2.0.0", remote="kept as 7")


def test_a_slow_reply_is_waited_for_but_not_for_ever():
    def dripping(talk: Talk) -> None:
        talk.greet(*PLAIN_FEATURES)
        talk.line()
        for _ in range(200):
            talk.drip("2")

    outcome, *_ = try_one(dripping, timeout=0.2)
    assert deferred_relay(outcome)


def test_what_a_server_says_cannot_write_on_the_terminal():
    outcome, *_ = try_one(answering(FEATURES, dot="554 5.7.1 no\x1b[31m\x07 red\x00\u202e " + "x" * 900))
    assert outcome.remote.startswith("no [31m red ")
    assert len(outcome.remote) == 500
    assert outcome.remote.isprintable()


@pytest.mark.parametrize(
    ("envelope", "features", "scope", "text"),
    [
        (
            Envelope(sender="", recipient="a@b.example", size=2000),
            ("SIZE 1000",),
            Scope.MESSAGE,
            "not sent: the mail has 2000 bytes, the server takes 1000",
        ),
        (
            Envelope(sender="", recipient="a@b.example", size=9, eight_bit=True),
            ("PIPELINING",),
            Scope.MESSAGE,
            "not sent: the mail has 8-bit text, and the server does not offer 8BITMIME",
        ),
        (
            Envelope(sender="", recipient="jürgen@b.example", size=9),
            ("PIPELINING",),
            Scope.RECIPIENT,
            "not sent: the address is not ASCII, and the server does not offer SMTPUTF8",
        ),
    ],
)
def test_what_the_server_does_not_offer_is_refused_without_a_word_to_it(envelope, features, scope, text):
    def script(talk: Talk) -> None:
        talk.greet(*features)
        talk.idle()

    outcome, calls, alive, heard = try_one(script, envelope=envelope)
    assert outcome == Outcome(kind=OutcomeKind.REJECTED, scope=scope, remote=text)
    assert (calls, alive, heard[1:]) == (0, True, [b"QUIT"])


def test_what_the_server_offers_is_asked_for_where_it_is_needed():
    envelope = Envelope(sender="", recipient="jürgen@b.example", size=9, eight_bit=True)
    outcome, _, _, heard = try_one(answering(("SIZE", "8BITMIME", "SMTPUTF8")), envelope=envelope)
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert heard[1:3] == [b"MAIL FROM:<> SIZE=9 BODY=8BITMIME SMTPUTF8", "RCPT TO:<jürgen@b.example>".encode()]


@pytest.mark.parametrize(
    "address",
    [
        "a@b\r\nRCPT TO:<c@d>",
        "a@b\nX",
        "a@b>\r",
        "a@b> SIZE=1",
        "a b@c",
        "",
        "a\x00@b",
        "a\u2028@b",
        "a\x85@b",
        "x" * 400,
    ],
)
def test_an_address_that_could_inject_a_command_is_refused(address):
    def script(talk: Talk) -> None:
        talk.greet("SMTPUTF8", *FEATURES)
        talk.idle()

    envelope = Envelope(sender="", recipient=address, size=1)
    outcome, calls, alive, heard = try_one(script, envelope=envelope)
    assert (outcome.kind, outcome.scope, outcome.suppress) == (OutcomeKind.REJECTED, Scope.RECIPIENT, False)
    assert (calls, alive, heard[1:]) == (0, True, [b"QUIT"])


def test_lmtp_says_lhlo_and_reads_one_answer_for_its_one_recipient():
    outcome, _, _, heard = try_one(answering(FEATURES, dot="250 2.1.5 delivered"), transport="lmtp")
    assert outcome == Outcome(kind=OutcomeKind.ACCEPTED, code=250, enhanced="2.1.5", remote="delivered")
    assert heard[0] == b"lhlo sender.example.org"


def test_lmtp_refusing_its_recipient_after_the_dot_is_definite():
    outcome, *_ = try_one(answering(FEATURES, dot="552 5.2.2 over quota"), transport="lmtp")
    assert (outcome.kind, outcome.scope, outcome.suppress) == (OutcomeKind.REJECTED, Scope.RECIPIENT, False)


def test_lmtp_goes_over_a_unix_socket_too(tmp_path):
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with playing(answering(PLAIN_FEATURES), listener=listener) as peer:
            outcome = submit(relay_to(1, transport="lmtp", host=str(path)))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert peer.heard[0] == b"lhlo sender.example.org"


def test_a_connection_that_nobody_took_is_left_politely_and_waited_for_without_turning_in_circles(monkeypatch):
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        assert talk.line() == b"QUIT"
        time.sleep(0.2)
        talk.say("221 bye")

    exchange = Exchange()
    with playing(script) as peer:
        exchange.open(relay_to(peer.port))
        while not exchange.opened:
            exchange.poll(3)
        turns: list[float] = []
        poll = exchange.poll
        monkeypatch.setattr(exchange, "poll", lambda seconds: turns.append(seconds) or poll(seconds))
        exchange.close()
    assert peer.heard[-1] == b"QUIT"
    assert len(turns) < 10
