"""Several mails over one connection: what goes out in one write, in which order, and what ends in between."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from digest.delivery.exchange import Exchange
from digest.delivery.relay import Event, Mail
from digest.model.mail import Envelope, OutcomeKind, Scope
from tests.delivery import conftest as delivery
from tests.delivery.peers import (
    CHUNKING,
    CONTENT,
    ENVELOPE,
    FEATURES,
    PLAIN_FEATURES,
    Line,
    Script,
    Talk,
    connected,
    packed,
    playing,
    relay_to,
    submit,
)

certificate = delivery.certificate
DOTS = (b"Subject: x\r\n\r\n", b".one\r\n", b"..two\r\n", b".\r\nend\r\n")
LARGE = (b"Subject: x\r\n\r\n",) + (b".y" * 490 + b"\r\n",) * 3000


def letter(number: int, content=CONTENT) -> Mail:
    return packed(Envelope(sender="", recipient=f"r{number}@example.net", size=9), content)


def send_all(line: Line, mails: list[Mail], seconds: float = 20.0) -> list[tuple[Mail | None, OutcomeKind]]:
    """As a run does it: each dot goes with the envelope of the next mail. Gives how they ended, in order."""
    waiting, ended = list(mails), []
    line.session.offer(waiting.pop(0))
    deadline = time.monotonic() + seconds
    while len(ended) < len(mails) and time.monotonic() < deadline and line.session.alive:
        for _, mail, outcome in line.exchange.poll(0.1):
            if outcome is not None:
                ended.append((mail, outcome.kind))
        if line.session.ready is not None:
            line.session.go(waiting.pop(0) if waiting and line.session.pipelining else None)
        elif line.session.idle and waiting:
            line.session.offer(waiting.pop(0))
    return ended


def accepted(mails: list[Mail]) -> list[tuple[Mail | None, OutcomeKind]]:
    return [(mail, OutcomeKind.ACCEPTED) for mail in mails]


def test_content_dot_and_the_next_envelope_come_in_one_write():
    """All of it is there before the server has answered the dot."""
    seen: list[bytes] = []

    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        for _ in range(3):
            assert talk.waiting.count(b"\r\n") == 3
            talk.envelope()
            talk.content()
            seen.append(talk.waiting)
            talk.say("250 kept")
        talk.idle()

    mails = [letter(number) for number in range(3)]
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        assert send_all(line, mails) == accepted(mails)
    assert seen == [
        *(b"MAIL FROM:<> SIZE=9\r\nRCPT TO:<r%d@example.net>\r\nDATA\r\n" % number for number in (1, 2)),
        b"",
    ]


def test_the_content_goes_only_when_told_and_never_before_the_mail_before_it_was_answered():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope()
        assert talk.waiting == b""
        told.append(1)
        talk.content()
        assert talk.waiting.count(b"\r\n") == 3
        time.sleep(0.3)
        talk.say("250 kept")
        talk.envelope()
        told.append(2)
        talk.content()

    told: list[int] = []
    first, second = letter(1), letter(2)
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        line.session.offer(first)
        assert line.hear(first)[1] is None
        while not told:
            assert line.exchange.poll(0.05) == []
        line.session.go(second)
        assert line.exchange.poll(0.2) == []
        assert line.session.ready is None
        assert line.hear(first)[1].kind is OutcomeKind.ACCEPTED
        while line.session.ready is not second:
            line.exchange.poll(0.05)
        line.session.go()


def test_bdat_tells_the_exact_size_and_doubles_no_dot():
    got: list[bytes] = []

    def script(talk: Talk) -> None:
        talk.greet(*CHUNKING)
        for _ in range(3):
            assert b"DATA" not in talk.waiting
            talk.line(), talk.line()
            talk.say("250 ok\r\n250 ok")
            got.append(talk.chunk())
            rest.append(talk.waiting)
            talk.say("250 kept")
        talk.idle()

    rest: list[bytes] = []
    mails = [letter(number, DOTS) for number in range(3)]
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        assert send_all(line, mails) == accepted(mails)
    assert got == [b"".join(DOTS)] * 3
    assert [part.count(b"\r\n") for part in rest] == [2, 2, 0]


def test_bdat_goes_in_single_steps_without_pipelining():
    def script(talk: Talk) -> None:
        talk.greet(*PLAIN_FEATURES, "CHUNKING")
        for _ in range(2):
            for _ in range(2):
                talk.line()
                assert talk.waiting == b""
                talk.say("250 ok")
            assert talk.chunk() == b"".join(DOTS)
            assert talk.waiting == b""
            talk.say("250 kept")
        talk.idle()

    mails = [letter(number, DOTS) for number in range(2)]
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        assert send_all(line, mails) == accepted(mails)


def test_chunking_can_be_switched_off():
    def script(talk: Talk) -> None:
        talk.greet(*CHUNKING)
        talk.envelope()
        talk.content()
        talk.say("250 kept")
        talk.idle()

    with playing(script) as peer, connected(relay_to(peer.port, chunking=False)) as line:
        assert line.submit().kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("pipelining", [True, False])
def test_without_pipelining_each_command_waits_for_its_answer(pipelining):
    def script(talk: Talk) -> None:
        talk.greet(*(FEATURES if not pipelining else PLAIN_FEATURES))
        for _ in range(2):
            for answer in ("250 ok", "250 ok", "354 go"):
                talk.line()
                assert talk.waiting == b""
                talk.say(answer)
            talk.content()
            assert talk.waiting == b""
            talk.say("250 kept")
        talk.idle()

    mails = [letter(number) for number in range(2)]
    with playing(script) as peer, connected(relay_to(peer.port, pipelining=pipelining)) as line:
        assert not line.session.pipelining
        assert send_all(line, mails) == accepted(mails)


@pytest.mark.parametrize("features", [FEATURES, PLAIN_FEATURES, CHUNKING], ids=["pipelined", "in-turn", "bdat"])
def test_a_refused_envelope_is_cleared_before_the_next_one(features):
    """Also where DATA was allowed nevertheless: nothing is sent in it, and nobody gets another's mail."""
    verbs: list[bytes] = []
    got: list[bytes] = []

    def script(talk: Talk) -> None:
        talk.greet(*features)
        victim = False
        while True:
            line = talk.line()
            verb = line[:4].upper()
            verbs.append(verb)
            if verb == b"RCPT":
                victim = b"<r1@" in line
                talk.say("550 5.1.1 nobody" if victim else "250 ok")
            elif verb == b"DATA":
                talk.say("354 go")
                got.append(talk.content())
                talk.say("554 no valid recipients" if victim else "250 kept")
            elif verb == b"BDAT":
                got.append(talk.exactly(int(line.split()[1])))
                talk.say("250 kept")
            elif verb == b"QUIT":
                talk.say("221 bye")
                return
            else:
                talk.say("250 ok")

    mails = [letter(number, (*CONTENT, b"%d\r\n" % number)) for number in range(4)]
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        ended = send_all(line, mails)
    assert [kind for _, kind in ended] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.REJECTED,
        OutcomeKind.ACCEPTED,
        OutcomeKind.ACCEPTED,
    ]
    assert [mail for mail, _ in ended] == mails
    assert [raw[-3:] for raw in got if raw] == [b"0\r\n", b"2\r\n", b"3\r\n"]
    assert verbs.count(b"RSET") == 1
    assert verbs[verbs.index(b"RSET") + 1] == b"MAIL"


def test_a_stopped_mail_leaves_a_bdat_connection_open_and_its_envelope_is_cleared():
    def script(talk: Talk) -> None:
        talk.greet(*CHUNKING)
        talk.line(), talk.line()
        talk.say("250 ok\r\n250 ok")
        assert talk.line() == b"RSET"
        talk.say("250 ok")
        talk.line(), talk.line()
        talk.say("250 ok\r\n250 ok")
        got.append(talk.chunk())
        talk.say("250 kept")
        talk.idle()

    got: list[bytes] = []
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        assert line.offer(packed()) is None
        line.session.stop()
        assert line.session.alive and line.session.idle
        assert line.submit(segments=DOTS).kind is OutcomeKind.ACCEPTED
    assert got == [b"".join(DOTS)]


def test_a_following_mail_that_cannot_be_offered_ends_alone():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope()
        talk.content()
        rest.append(talk.waiting)
        talk.say("250 kept")
        talk.idle()

    rest: list[bytes] = []
    first, wide = letter(1), packed(Envelope(sender="", recipient="jürgen@example.net", size=9))
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        line.session.offer(first)
        assert line.hear(first)[1] is None
        refused = line.session.go(wide)
        assert refused is not None and (refused.kind, refused.scope) == (OutcomeKind.REJECTED, Scope.RECIPIENT)
        outcome = line.hear(first)[1]
        assert outcome is not None and outcome.kind is OutcomeKind.ACCEPTED
        assert line.session.idle
    assert rest == [b""]


@pytest.mark.parametrize(
    ("recipient", "words"), [("reader@example.net", b""), ("jürgen@example.net", b" BODY=8BITMIME SMTPUTF8")]
)
def test_smtputf8_is_asked_for_only_where_an_address_needs_it(recipient, words):
    def script(talk: Talk) -> None:
        talk.greet("SMTPUTF8", *FEATURES)
        talk.envelope()
        talk.content()
        talk.say("250 kept")
        talk.idle()

    envelope = Envelope(sender="bounces@example.org", recipient=recipient, size=120)
    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        assert line.submit(envelope).kind is OutcomeKind.ACCEPTED
    assert peer.heard[1] == b"MAIL FROM:<bounces@example.org> SIZE=120" + words


@pytest.mark.parametrize("size", ["0", "", "many"])
def test_a_size_of_none_takes_mails_of_any_size(size):
    def script(talk: Talk) -> None:
        talk.greet(f"SIZE {size}".strip())
        talk.envelope()
        talk.content()
        talk.say("250 kept")
        talk.idle()

    with playing(script) as peer, connected(relay_to(peer.port)) as line:
        assert line.submit(Envelope(sender="", recipient="a@b.example", size=10**9)).kind is OutcomeKind.ACCEPTED


class TestWhatFollowsIsLost:
    """The server offers PIPELINING and loses what came behind a command."""

    @pytest.mark.parametrize("after", ["mail", "dot"])
    def test_the_next_connection_should_speak_in_single_steps(self, after):
        def script(talk: Talk) -> None:
            talk.greet(*FEATURES)
            if after == "dot":
                talk.envelope()
                talk.content()
                talk.lose()
                talk.say("250 kept")
            else:
                talk.line()
                talk.lose()
                talk.say("250 ok")
            talk.line()

        first, second = letter(1), letter(2)
        with playing(script) as peer, connected(relay_to(peer.port, timeout=0.4)) as line:
            if after == "dot":
                assert send_all(line, [first, second]) == [
                    (first, OutcomeKind.ACCEPTED),
                    (second, OutcomeKind.DEFERRED),
                ]
            else:
                line.session.offer(second)
                outcome = line.hear(second)[1]
                assert outcome is not None and (outcome.kind, outcome.scope) == (OutcomeKind.DEFERRED, Scope.RELAY)
            assert (line.session.alive, line.session.out_of_step) == (False, True)

    @pytest.mark.parametrize("dot", [None, "what?"])
    def test_silence_after_the_dot_is_no_such_thing(self, dot):
        """The first mail is uncertain, and the one behind it a safe retry; pipelining is not to blame."""

        def script(talk: Talk) -> None:
            talk.greet(*FEATURES)
            talk.envelope()
            talk.content()
            if dot is not None:
                talk.say(dot)
            while talk.line():
                pass

        mails = [letter(1), letter(2)]
        with playing(script) as peer, connected(relay_to(peer.port, dot_timeout=0.4)) as line:
            ended = send_all(line, mails)
            assert not line.session.out_of_step
        assert ended == [(mails[0], OutcomeKind.UNCERTAIN), (mails[1], OutcomeKind.DEFERRED)]


class TestCommandsTogetherAreRefusedAsOutOfOrder:
    """The server offers PIPELINING, and says 503 to what it would have taken alone."""

    @pytest.mark.parametrize("features", [FEATURES, CHUNKING], ids=["data", "bdat"])
    @pytest.mark.parametrize(
        "answers",
        [
            ("503 5.5.1 bad sequence", "503 5.5.1 bad sequence", "503 5.5.1 bad sequence"),
            ("250 ok", "503 bad sequence", "503 bad sequence"),
            ("250 ok", "503 5.5.0 improper use of pipelining", None),
        ],
    )
    def test_the_mail_may_go_again_in_single_steps(self, features, answers):
        def script(talk: Talk) -> None:
            talk.greet(*features)
            for answer in answers[: 2 if features is CHUNKING else 3]:
                talk.line()
                if answer is None:
                    talk.drop()
                    return
                talk.say(answer)
            while True:
                talk.line()

        with playing(script) as peer, connected(relay_to(peer.port)) as line:
            outcome = line.submit()
            assert (outcome.kind, outcome.scope, outcome.code) == (OutcomeKind.DEFERRED, Scope.RELAY, 503)
            assert (line.session.alive, line.session.out_of_step, line.ready) == (False, True, 0)

    def test_in_single_steps_it_is_an_answer_like_others(self):
        def script(talk: Talk) -> None:
            talk.greet(*PLAIN_FEATURES)
            talk.line()
            talk.say("503 5.5.1 bad sequence")
            talk.idle()

        with playing(script) as peer, connected(relay_to(peer.port)) as line:
            assert line.submit().scope is Scope.RELAY
            assert (line.session.alive, line.session.out_of_step) == (True, False)

    def test_behind_another_refusal_it_is_what_it_should_be(self):
        def script(talk: Talk) -> None:
            talk.greet(*FEATURES)
            talk.envelope(rcpt="550 5.1.1 nobody", data="503 5.5.1 no recipients")
            talk.idle()

        with playing(script) as peer, connected(relay_to(peer.port)) as line:
            assert line.submit().enhanced == "5.1.1"
            assert (line.session.alive, line.session.out_of_step) == (True, False)


class TestASlowServer:
    """RFC 5321 section 4.5.3.2: each command has a time of its own, also among those that were sent together."""

    @pytest.mark.parametrize("features", [FEATURES, PLAIN_FEATURES, CHUNKING], ids=["pipelined", "in-turn", "bdat"])
    def test_that_takes_nearly_all_the_time_for_each_command_gets_its_mails(self, features):
        def script(talk: Talk) -> None:
            talk.greet(*features)
            for _ in range(2):
                for answer in ("250 ok", "250 ok") if "CHUNKING" in features else ("250 ok", "250 ok", "354 go"):
                    talk.line()
                    time.sleep(0.4)
                    talk.say(answer)
                _ = talk.chunk() if "CHUNKING" in features else talk.content()
                time.sleep(0.4)
                talk.say("250 kept")
            talk.idle()

        mails = [letter(1), letter(2)]
        with playing(script) as peer, connected(relay_to(peer.port, answer_timeout=0.7, dot_timeout=0.7)) as line:
            assert send_all(line, mails) == accepted(mails)

    @pytest.mark.parametrize("slow", ["mail", "rcpt", "data"])
    @pytest.mark.parametrize("features", [FEATURES, PLAIN_FEATURES], ids=["pipelined", "in-turn"])
    def test_that_takes_too_long_for_one_is_left_in_time(self, features, slow):
        def script(talk: Talk) -> None:
            talk.greet(*features)
            for command, answer in (("mail", "250 ok"), ("rcpt", "250 ok"), ("data", "354 go")):
                talk.line()
                if command == slow:
                    while True:
                        talk.line()
                talk.say(answer)

        with playing(script) as peer, connected(relay_to(peer.port, answer_timeout=0.4, dot_timeout=60)) as line:
            began = time.monotonic()
            outcome = line.submit()
            assert 0.4 <= time.monotonic() - began < 1.5
        assert (outcome.kind, outcome.scope) == (OutcomeKind.DEFERRED, Scope.RELAY)
        assert outcome.remote == "the server did not answer within 0.4 seconds"


def slow_reader(features, mails: int, got: list[bytes], *, tls=None) -> Script:
    """Reads a little at a time, so that the client's writes are taken in parts."""

    def script(talk: Talk) -> None:
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if tls is not None:
            talk.sock = tls.wrap_socket(talk.sock, server_side=True)
        talk.greet(*features)
        time.sleep(0.05)
        for _ in range(mails):
            if "CHUNKING" in features:
                talk.line(), talk.line()
                talk.say("250 ok\r\n250 ok")
                time.sleep(0.1)
                got.append(talk.chunk())
            else:
                talk.envelope()
                time.sleep(0.1)
                got.append(talk.content())
            talk.say("250 kept")
        talk.idle()

    return script


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("features", [FEATURES, CHUNKING], ids=["data", "bdat"])
def test_large_mails_to_a_slow_reader_arrive_whole(certificate, secure, features):
    got: list[bytes] = []
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    settings = {"security": "tls", "ca_file": certificate.file} if secure else {}
    script = slow_reader(features, 3, got, tls=certificate.server if secure else None)
    mails = [letter(number, LARGE) for number in range(3)]
    with playing(script, listener=listener) as peer, connected(relay_to(peer.port, **settings)) as line:
        session = line.session
        session.offer(mails[0])
        while session.ready is None:
            line.exchange.poll(1)
        session.go(mails[1])
        assert session.wire.unsent, "the network took it all at once: nothing is tested here"
        ended: list[Event] = []
        rest = [mails[2], None]
        deadline = time.monotonic() + 30
        while len(ended) < 3 and time.monotonic() < deadline:
            ended += [event for event in line.exchange.poll(1) if event.outcome is not None]
            if session.ready is not None:
                session.go(rest.pop(0))
        assert [(event.mail, event.outcome.kind) for event in ended] == accepted(mails)
    wire = LARGE if "CHUNKING" in features else mails[0].dotted
    assert got == [b"".join(wire)] * 3


def test_a_reader_who_takes_nothing_any_more_is_given_up_before_the_dot():
    given_up = threading.Event()

    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope()
        given_up.wait(60)

    with playing(script) as peer, connected(relay_to(peer.port, timeout=0.4, dot_timeout=60)) as line:
        outcome = line.submit(ENVELOPE, LARGE * 4)
        given_up.set()
    assert (outcome.kind, outcome.scope) == (OutcomeKind.DEFERRED, Scope.RELAY)
    assert "took nothing for 0.4 seconds" in outcome.remote


def test_lmtp_over_a_unix_socket_takes_one_mail_after_the_other(tmp_path):
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        for _ in range(3):
            talk.envelope()
            talk.content()
            talk.say("250 2.1.5 delivered")
        talk.idle()

    mails = [letter(number) for number in range(3)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "lmtp"))
        listener.listen()
        relay = relay_to(1, transport="lmtp", host=str(tmp_path / "lmtp"))
        with playing(script, listener=listener) as peer, connected(relay) as line:
            assert send_all(line, mails) == accepted(mails)
    assert peer.heard[0] == b"lhlo sender.example.org"


def test_lmtp_hangs_up_where_content_was_allowed_for_nobody():
    """It would answer the content once for each recipient it took: not at all."""

    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope(rcpt="550 5.1.1 nobody")
        talk.content()

    with playing(script) as peer, connected(relay_to(peer.port, transport="lmtp")) as line:
        outcome = line.submit()
        assert (outcome.kind, outcome.suppress, line.session.alive) == (OutcomeKind.REJECTED, True, False)


class TestAServerThatSaysMoreThanItIsAsked:
    """No answer is taken for that to a command which was said later."""

    def test_in_single_steps_what_was_there_before_the_command_is_no_answer_to_it(self):
        def script(talk: Talk) -> None:
            talk.greet(*PLAIN_FEATURES, "CHUNKING")
            talk.line()
            talk.say("250 ok\r\n250 ok")
            heard.append(talk.line())
            talk.say("550 5.1.1 nobody")
            while True:
                heard.append(talk.line())

        heard: list[bytes] = []
        with playing(script) as peer, connected(relay_to(peer.port)) as line:
            outcome = line.submit()
        assert (outcome.kind, outcome.scope) == (OutcomeKind.DEFERRED, Scope.RELAY)
        assert not any(said.startswith(b"BDAT") for said in heard)

    def test_over_bdat_an_answer_about_an_address_is_none_to_the_content(self):
        def script(talk: Talk) -> None:
            talk.greet(*CHUNKING)
            talk.line(), talk.line()
            talk.say("250 2.1.0 ok\r\n250 2.1.0 ok")
            time.sleep(0.2)
            talk.say("250 2.1.5 ok")
            talk.chunk()

        with playing(script) as peer, connected(relay_to(peer.port)) as line:
            mail = packed()
            assert line.offer(mail) is None
            time.sleep(0.1)
            line.session.go()
            outcome = line.hear(mail)[1]
            assert outcome is not None and outcome.kind is OutcomeKind.UNCERTAIN


def test_while_a_server_thinks_nobody_asks_again_and_again(monkeypatch):
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES)
        talk.envelope()
        talk.content()
        time.sleep(0.2)
        talk.say("250 kept")

    asked: list[float] = []
    poll = Exchange.poll
    monkeypatch.setattr(Exchange, "poll", lambda *given: asked.append(0.0) or poll(*given))
    with playing(script) as peer:
        assert submit(relay_to(peer.port)).kind is OutcomeKind.ACCEPTED
    assert len(asked) < 30
