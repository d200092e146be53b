"""Connecting: what is asked for is never given up silently, and every fault is one sentence with what to try."""

from __future__ import annotations

import socket
import traceback

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as Received

from digest.delivery.smtp import SmtpSession
from digest.model.errors import RelayError
from digest.model.mail import Envelope, OutcomeKind
from tests.delivery.peers import CONTENT, ENVELOPE, FEATURES, Dot, Talk, playing, relay_to

PASSWORD = "correct horse"


class Inbox:
    """An aiosmtpd handler that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server, session, envelope: Received) -> str:
        self.got.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 kept"


def check(server, session, envelope, mechanism, data: LoginPassword) -> AuthResult:
    return AuthResult(success=data.password == PASSWORD.encode() and data.login == b"digest")


@pytest.fixture
def healthy(certificate):
    """A well-behaved server that wants STARTTLS and a login. Gives (port, inbox)."""
    inbox = Inbox()
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=0,
        server_hostname="localhost",
        tls_context=certificate.server,
        require_starttls=True,
        authenticator=check,
        auth_required=True,
        enable_SMTPUTF8=True,
        ready_timeout=10,
    )
    # aiosmtpd probes the port it was told; 0 has to be asked of the socket.
    with socket.create_server(("127.0.0.1", 0)) as probe:
        controller.port = probe.getsockname()[1]
    controller.start()
    yield controller.port, inbox
    controller.stop()


def test_a_mail_goes_over_starttls_and_a_login_byte_for_byte(healthy, certificate):
    port, inbox = healthy
    body = b"".join(b"." * (n % 4) + b"line %d \xc3\xa9\r\n" % n for n in range(3000))
    content = (*CONTENT[:2], body, b".\r\n", b"..\r\n", b".end\r\n")
    envelope = Envelope(sender="b@example.org", recipient="r@example.net", size=99, eight_bit=True)
    session = SmtpSession(
        relay_to(port, security="starttls", username="digest", password=lambda: PASSWORD, ca_file=certificate.file)
    )
    outcomes = [session.submit(envelope, content, Dot()).kind for _ in range(3)]
    session.close()
    assert outcomes == [OutcomeKind.ACCEPTED] * 3
    assert session.tls.startswith("TLSv1.")
    assert inbox.got == [("b@example.org", ["r@example.net"], b"".join(content))] * 3


def test_a_mail_goes_over_tls_from_the_first_byte(certificate):
    def script(talk: Talk) -> None:
        talk.sock = certificate.server.wrap_socket(talk.sock, server_side=True)
        talk.sock.settimeout(5)
        talk.greet(*FEATURES)
        talk.envelope()
        talk.content()
        talk.say("250 kept")
        talk.idle()

    with playing(script) as peer:
        session = SmtpSession(relay_to(peer.port, security="tls", ca_file=certificate.file))
        big = (*CONTENT, *(b"x" * 900 + b"\r\n",) * 2000)
        assert session.submit(ENVELOPE, big, Dot()).kind is OutcomeKind.ACCEPTED
        session.close()


def test_a_wrong_password_is_a_refused_login_and_is_never_told():
    def script(talk: Talk) -> None:
        talk.greet("AUTH PLAIN")
        talk.line()
        talk.say("535 5.7.8 no")
        talk.idle()

    with playing(script) as peer:
        relay = relay_to(peer.port, username="digest", password=lambda: "hunter2-secret", allow_plain_auth=True)
        with pytest.raises(RelayError, match=r"the server refused the login: 535 5\.7\.8 no") as caught:
            SmtpSession(relay)
    shown = "".join(traceback.format_exception(caught.value)) + repr(relay) + str(relay)
    assert "hunter2" not in shown
    assert "aHVudGVyMi" not in shown


def test_a_password_outside_ascii_is_sent_as_utf_8():
    def script(talk: Talk) -> None:
        talk.greet("AUTH LOGIN PLAIN")
        talk.line()
        talk.say("235 in")
        talk.idle()

    with playing(script) as peer:
        SmtpSession(relay_to(peer.port, username="digest", password=lambda: "grün", allow_plain_auth=True)).close()
    assert peer.heard[1] == b"AUTH PLAIN AGRpZ2VzdABncsO8bg=="


def test_an_untrusted_certificate_is_refused(healthy):
    with pytest.raises(RelayError, match="certificate is not trusted"):
        SmtpSession(relay_to(healthy[0], security="starttls"))


def test_a_certificate_of_another_name_is_refused(certificate):
    def script(talk: Talk) -> None:
        talk.greet("STARTTLS")
        talk.line()
        talk.say("220 go")
        certificate.server.wrap_socket(talk.sock, server_side=True)

    with playing(script) as peer, pytest.raises(RelayError, match="certificate is not trusted"):
        SmtpSession(relay_to(peer.port, host="127.1", security="starttls", ca_file=certificate.file))


def test_without_starttls_nothing_is_sent():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES, "AUTH PLAIN")
        talk.idle()

    with playing(script) as peer, pytest.raises(RelayError, match="does not offer STARTTLS, so nothing was sent"):
        SmtpSession(relay_to(peer.port, security="starttls", username="digest", password=lambda: PASSWORD))
    assert [line.split()[0] for line in peer.heard] == [b"ehlo"]


def test_a_refused_starttls_is_no_reason_to_go_on_without():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES, "STARTTLS", "AUTH PLAIN")
        talk.line()
        talk.say("454 4.7.0 TLS not available")
        talk.idle()

    with playing(script) as peer, pytest.raises(RelayError, match=r"454 4\.7\.0 TLS not available"):
        SmtpSession(relay_to(peer.port, security="starttls", username="digest", password=lambda: PASSWORD))
    assert peer.heard[1:] == [b"STARTTLS"]


def test_bytes_slipped_in_behind_starttls_are_not_believed(certificate):
    """CVE-like: a 250 in plain text after the 220 must not pass for an answer inside TLS."""

    def script(talk: Talk) -> None:
        talk.greet("STARTTLS", "AUTH PLAIN")
        talk.line()
        talk.say("220 go\r\n250-evil\r\n250 AUTH PLAIN")
        talk.sock = certificate.server.wrap_socket(talk.sock, server_side=True)
        talk.sock.settimeout(5)
        talk.line()
        talk.say("250-honest\r\n250 SIZE 77")
        talk.idle()

    with playing(script) as peer:
        session = SmtpSession(relay_to(peer.port, security="starttls", ca_file=certificate.file))
        assert dict(session.features) == {"size": "77"}
        session.close()


def test_a_password_never_travels_unencrypted_unless_told():
    with playing() as peer, pytest.raises(RelayError, match="the password would travel unencrypted"):
        SmtpSession(relay_to(peer.port, username="digest", password=lambda: PASSWORD))
    assert peer.talks == []


def test_a_login_that_is_offered_only_before_tls_is_not_used(certificate):
    def script(talk: Talk) -> None:
        talk.greet("STARTTLS", "AUTH PLAIN")
        talk.line()
        talk.say("220 go")
        talk.sock = certificate.server.wrap_socket(talk.sock, server_side=True)
        talk.sock.settimeout(5)
        talk.line()
        talk.say("250 SIZE 77")
        talk.idle()

    relay = {"security": "starttls", "username": "digest", "password": lambda: PASSWORD, "ca_file": certificate.file}
    with playing(script) as peer, pytest.raises(RelayError, match="offers no login"):
        SmtpSession(relay_to(peer.port, **relay))
    assert not any(line.startswith(b"AUTH") for line in peer.heard)


def greeting(text: str | bytes):
    return lambda talk: talk.say(text)


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (greeting("421 4.3.2 busy"), "the server answered 421 4.3.2 busy"),
        (greeting("554 go away\x1b[1m"), r"the server answered 554 go away \[1m"),
        (greeting("SSH-2.0-OpenSSH_9.9"), "the server answered what is no SMTP reply"),
        (greeting(b"x" * 9000), "Line too long"),
        (lambda talk: talk.drop(), "no conversation came about"),
        (greeting(b"220 ha"), "no conversation came about"),
        (lambda talk: (talk.say("220 hi"), talk.line(), talk.drop()), "no conversation came about"),
        (lambda talk: (talk.say("220 hi"), talk.line(), talk.say("550 no"), talk.line(), talk.say("550 no")), "550 no"),
        (lambda talk: talk.line(), "no conversation came about: .*timed out"),
    ],
)
def test_a_server_that_does_not_greet_well_is_one_sentence(script, what):
    with playing(script) as peer, pytest.raises(RelayError, match=what) as caught:
        SmtpSession(relay_to(peer.port, timeout=0.3))
    assert caught.value.where == f"test (127.0.0.1:{peer.port})"
    assert caught.value.try_


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"port": 1}, "nothing listens there"),
        ({"host": "no-such-host.invalid"}, "the host name cannot be resolved"),
        ({"host": "x" * 70 + ".example"}, "the settings cannot be sent"),
        ({"transport": "lmtp", "host": "/no/such/socket"}, "the server cannot be reached"),
        ({"transport": "lmtp", "security": "tls"}, "LMTP with TLS from the first byte"),
    ],
)
def test_a_place_without_a_server_is_one_sentence(settings, what):
    with pytest.raises(RelayError, match=what) as caught:
        SmtpSession(relay_to(1, **{"timeout": 2.0, **settings}))
    assert caught.value.try_


def test_settings_that_name_missing_files_are_one_sentence(tmp_path):
    def script(talk: Talk) -> None:
        talk.greet("AUTH PLAIN", "STARTTLS")
        talk.idle()

    def missing() -> str:
        return (tmp_path / "password").read_text()

    with playing(script) as peer, pytest.raises(RelayError, match="the password cannot be read"):
        SmtpSession(relay_to(peer.port, username="digest", password=missing, allow_plain_auth=True))
    with playing(script) as peer, pytest.raises(RelayError, match="the certificates cannot be read"):
        SmtpSession(relay_to(peer.port, security="starttls", ca_file=tmp_path / "ca.pem"))
    with playing(script) as peer, pytest.raises(RelayError, match="a username is set, but no password"):
        SmtpSession(relay_to(peer.port, username="digest", allow_plain_auth=True))
    with playing(script) as peer, pytest.raises(RelayError, match="the settings cannot be sent"):
        SmtpSession(relay_to(peer.port, helo_name="a\r\nMAIL FROM:<x>"))
