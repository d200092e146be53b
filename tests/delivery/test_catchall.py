"""The catch-all takes every mail as it came, from our sessions and from others."""

from __future__ import annotations

import smtplib
import socket
import threading

import pytest

from digest.delivery.catchall import CatchAll, Caught
from digest.model.mail import OutcomeKind
from tests.delivery.peers import CONTENT, ENVELOPE, connected, packed, relay_to, submit

CONTENT_BYTES = b"".join(CONTENT)


def test_mails_from_our_sessions_arrive_byte_for_byte():
    content = (*CONTENT, b".\r\n..\r\n", "é\r\n".encode())
    with CatchAll() as server, connected(relay_to(server.port)) as line:
        kinds = {line.submit(segments=content).kind for _ in range(5)}
        assert set(line.session.features) == {"pipelining", "8bitmime", "smtputf8", "size"}
    assert kinds == {OutcomeKind.ACCEPTED}
    assert (
        server.messages
        == (Caught(sender=ENVELOPE.sender, recipient=ENVELOPE.recipient, content=b"".join(content)),) * 5
    )


def test_a_mail_that_is_stopped_before_the_dot_is_not_kept():
    with CatchAll() as server:
        with connected(relay_to(server.port)) as line:
            assert line.offer(packed()) is None
            line.session.stop()
        assert submit(relay_to(server.port)).kind is OutcomeKind.ACCEPTED
        assert server.count == 1


def test_mails_from_the_standard_library_arrive_too_one_for_each_recipient(tmp_path):
    with CatchAll(folder=tmp_path / "mails") as server, smtplib.SMTP(server.host, server.port) as client:
        client.sendmail("a@example.org", ["b@example.org", "c@example.org"], CONTENT_BYTES)
        client.sendmail("", ["d@example.org"], b".dot\r\n")
        caught = [(mail.sender, mail.recipient) for mail in server.messages]
        written = [(path.name, path.read_bytes()) for path in server.files]
    assert caught == [("a@example.org", "b@example.org"), ("a@example.org", "c@example.org"), ("", "d@example.org")]
    assert written == [("00001.eml", CONTENT_BYTES), ("00002.eml", CONTENT_BYTES), ("00003.eml", b".dot\r\n")]


def test_it_can_merely_count():
    with CatchAll(keep=False) as server:
        with connected(relay_to(server.port)) as line:
            for _ in range(3):
                line.submit()
        assert (server.count, server.messages, server.files) == (3, (), ())


def test_many_connections_at_once_lose_nothing():
    def send(number: int) -> None:
        with connected(relay_to(server.port)) as line:
            for _ in range(20):
                line.submit(segments=(*CONTENT, b"%d\r\n" % number))

    with CatchAll() as server:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(mail.content for mail in server.messages) == sorted(
            CONTENT_BYTES + b"%d\r\n" % number for number in range(8) for _ in range(20)
        )


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"FROB", b"500"),
        (b"RCPT TO:<a@b>", b"503"),
        (b"DATA", b"503"),
        (b"MAIL TO", b"501"),
        (b"MAIL FROM:<a@b> SIZE=99999999", b"552"),
        (b"NOOP", b"250"),
        (b"HELO x", b"250"),
        (b"QUIT", b"221"),
        (b"x" * 3000, b"500"),
    ],
)
def test_wrong_commands_are_answered(command, answer):
    with CatchAll() as server, socket.create_connection((server.host, server.port), timeout=5) as client:
        reader = client.makefile("rb")
        assert reader.readline().startswith(b"220")
        client.sendall(command + b"\r\n")
        assert reader.readline().startswith(answer)


def test_a_folder_that_cannot_be_written_is_a_temporary_refusal(tmp_path):
    folder = tmp_path / "mails"
    with CatchAll(folder=folder) as server:
        (folder / "00001.eml").mkdir()
        outcome = submit(relay_to(server.port))
    assert (outcome.kind, outcome.code, outcome.enhanced) == (OutcomeKind.DEFERRED, 451, "4.3.0")
