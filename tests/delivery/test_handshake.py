"""Connecting: what is asked for is never given up silently, and every fault is one sentence with what to try."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import ssl
import traceback

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as Received

from digest.delivery.content import dotted
from digest.delivery.exchange import hand_over
from digest.delivery.handshake import open_connection
from digest.delivery.oauth import TokenCommand
from digest.delivery.relay import Mail
from digest.model.errors import RelayError
from digest.model.mail import Envelope, OutcomeKind
from tests.delivery.conftest import certified
from tests.delivery.peers import CONTENT, ENVELOPE, FEATURES, Talk, playing, relay_to

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
    relay = relay_to(port, security="starttls", username="digest", password=lambda: PASSWORD, ca_file=certificate.file)
    mail = Mail(envelope, content, dotted(content))
    outcomes = [hand_over(relay, mail).kind for _ in range(3)]
    assert outcomes == [OutcomeKind.ACCEPTED] * 3
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

    with playing(script, script) as peer:
        relay = relay_to(peer.port, security="tls", ca_file=certificate.file)
        big = (*CONTENT, *(b"x" * 900 + b"\r\n",) * 2000)
        assert hand_over(relay, Mail(ENVELOPE, big)).kind is OutcomeKind.ACCEPTED
        connection = open_connection(relay)
        connection.wire.close()
    assert connection.tls.startswith("TLSv1.")


def test_a_wrong_password_is_a_refused_login_and_is_never_told():
    def script(talk: Talk) -> None:
        talk.greet("AUTH PLAIN")
        talk.line()
        talk.say("535 5.7.8 no")
        talk.idle()

    with playing(script) as peer:
        relay = relay_to(peer.port, username="digest", password=lambda: "hunter2-secret", allow_plain_auth=True)
        with pytest.raises(RelayError, match=r"the server refused the login: 535 5\.7\.8 no") as caught:
            open_connection(relay)
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
        open_connection(
            relay_to(peer.port, username="digest", password=lambda: "grün", allow_plain_auth=True)
        ).wire.close()
    assert peer.heard[1] == b"AUTH PLAIN AGRpZ2VzdABncsO8bg=="


def test_an_untrusted_certificate_is_refused(healthy):
    with pytest.raises(RelayError, match="certificate is not trusted"):
        open_connection(relay_to(healthy[0], security="starttls"))


def test_a_certificate_of_another_name_is_refused(certificate):
    def script(talk: Talk) -> None:
        talk.greet("STARTTLS")
        talk.line()
        talk.say("220 go")
        certificate.server.wrap_socket(talk.sock, server_side=True)

    with playing(script) as peer, pytest.raises(RelayError, match="certificate is not trusted"):
        open_connection(relay_to(peer.port, host="127.1", security="starttls", ca_file=certificate.file))


def test_without_starttls_nothing_is_sent():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES, "AUTH PLAIN")
        talk.idle()

    with playing(script) as peer, pytest.raises(RelayError, match="does not offer STARTTLS, so nothing was sent"):
        open_connection(relay_to(peer.port, security="starttls", username="digest", password=lambda: PASSWORD))
    assert [line.split()[0] for line in peer.heard] == [b"ehlo"]


def test_a_refused_starttls_is_no_reason_to_go_on_without():
    def script(talk: Talk) -> None:
        talk.greet(*FEATURES, "STARTTLS", "AUTH PLAIN")
        talk.line()
        talk.say("454 4.7.0 TLS not available")
        talk.idle()

    with playing(script) as peer, pytest.raises(RelayError, match=r"454 4\.7\.0 TLS not available"):
        open_connection(relay_to(peer.port, security="starttls", username="digest", password=lambda: PASSWORD))
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
        connection = open_connection(relay_to(peer.port, security="starttls", ca_file=certificate.file))
        assert dict(connection.features) == {"size": "77"}
        connection.wire.close()


def test_a_password_never_travels_unencrypted_unless_told():
    with playing() as peer, pytest.raises(RelayError, match="the password would travel unencrypted"):
        open_connection(relay_to(peer.port, username="digest", password=lambda: PASSWORD))
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
        open_connection(relay_to(peer.port, **relay))
    assert not any(line.startswith(b"AUTH") for line in peer.heard)


def greeting(text: str | bytes):
    return lambda talk: talk.say(text)


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (greeting("421 4.3.2 busy"), "the server answered 421 4.3.2 busy"),
        (greeting("554-go\r\n554 away\x1b[1m"), r"the server answered 554 go away \[1m"),
        (greeting("SSH-2.0-OpenSSH_9.9"), "what is no SMTP reply: 'SSH-2.0-OpenSSH_9.9' "),
        (greeting("HTTP/1.1 408 Request Timeout\r\n"), "what is no SMTP reply: 'HTTP/1.1 408 Request Timeout' "),
        (greeting("* OK IMAP4rev1 ready"), r"what is no SMTP reply: '\* OK IMAP4rev1 ready' "),
        (greeting("220_peer"), "what is no SMTP reply: '220_peer' "),
        (greeting(b"x" * 9000), f"what is no SMTP reply: '{'x' * 80}' "),
        (greeting(b"220-more and more\r\n" * 9000), "no conversation came about"),
        (lambda talk: talk.drop(), "no conversation came about"),
        (greeting(b"220 ha"), "no conversation came about"),
        (lambda talk: (talk.say("220 hi"), talk.line(), talk.drop()), "no conversation came about"),
        (lambda talk: (talk.say("220 hi"), talk.line(), talk.say("550 no"), talk.line(), talk.say("550 no")), "550 no"),
        (
            lambda talk: (talk.say("220 hi"), talk.line(), talk.say("421 4.3.2 busy")),
            "the server answered 421 4.3.2 busy",
        ),
        (lambda talk: (talk.say("220 hi"), talk.line(), talk.say("what?")), "what is no SMTP reply: 'what\\?' "),
        (lambda talk: talk.line(), r"no answer within 0\.3 seconds"),
    ],
)
def test_a_server_that_does_not_greet_well_is_one_sentence(script, what):
    with playing(script) as peer, pytest.raises(RelayError, match=what) as caught:
        open_connection(relay_to(peer.port, timeout=0.3))
    assert caught.value.where == f"test (127.0.0.1:{peer.port})"
    assert caught.value.try_


def test_what_can_be_done_about_a_busy_server_does_not_contradict_itself():
    with playing(greeting("421 4.3.2 busy")) as peer, pytest.raises(RelayError) as caught:
        open_connection(relay_to(peer.port))
    assert caught.value.what == "the server answered 421 4.3.2 busy"
    assert caught.value.try_ == "the server takes no mail just now: wait; a run of sending tries again by itself"


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
        open_connection(relay_to(1, **{"timeout": 2.0, **settings}))
    assert caught.value.try_


def test_settings_that_name_missing_files_are_one_sentence(tmp_path):
    def script(talk: Talk) -> None:
        talk.greet("AUTH PLAIN", "STARTTLS")
        talk.idle()

    def missing() -> str:
        return (tmp_path / "password").read_text()

    with playing(script) as peer, pytest.raises(RelayError, match="the password cannot be read"):
        open_connection(relay_to(peer.port, username="digest", password=missing, allow_plain_auth=True))
    with playing(script) as peer, pytest.raises(RelayError, match="the certificates cannot be read"):
        open_connection(relay_to(peer.port, security="starttls", ca_file=tmp_path / "ca.pem"))
    with playing(script) as peer, pytest.raises(RelayError, match="a username is set, but no password"):
        open_connection(relay_to(peer.port, username="digest", allow_plain_auth=True))
    with playing(script) as peer, pytest.raises(RelayError, match="the settings cannot be sent"):
        open_connection(relay_to(peer.port, helo_name="a\r\nMAIL FROM:<x>"))


# --- certificates -------------------------------------------------------------------------------------------------


def starttls(server: ssl.SSLContext):
    def script(talk: Talk) -> None:
        talk.greet("STARTTLS")
        talk.line()
        talk.say("220 go")
        talk.sock = server.wrap_socket(talk.sock, server_side=True)
        talk.sock.settimeout(5)
        talk.line()
        talk.say("250 SIZE 77")
        talk.idle()

    return script


def test_a_certificate_of_an_authority_is_trusted_by_the_authoritys(tmp_path):
    ours = certified(tmp_path, signed_by_itself=False)
    with playing(starttls(ours.server)) as peer:
        open_connection(relay_to(peer.port, security="starttls", ca_file=ours.file)).wire.close()


@pytest.mark.parametrize(
    ("made", "trust", "host", "try_"),
    [
        ({}, False, "127.0.0.1", "set ca_file to its certificate"),
        ({"signed_by_itself": False}, False, "127.0.0.1", "set ca_file to its certificate"),
        ({"since": -9, "days": -2}, True, "127.0.0.1", "new certificate, and check this machine's clock"),
        ({"since": 2, "days": 9}, True, "127.0.0.1", "new certificate, and check this machine's clock"),
        ({}, True, "127.0.0.2", "set host to the name in the certificate"),
    ],
    ids=["own", "authority", "expired", "future", "name"],
)
def test_a_wrong_certificate_is_refused_with_what_mends_it(tmp_path, made, trust, host, try_):
    theirs = certified(tmp_path, **made)
    relay = {"security": "starttls", "host": host, "ca_file": theirs.file if trust else None}
    listener = socket.create_server(("0.0.0.0", 0))
    with playing(starttls(theirs.server), listener=listener) as peer:
        with pytest.raises(RelayError, match="certificate is not trusted") as caught:
            open_connection(relay_to(peer.port, **relay, username="u", password=lambda: "hunter2"))
        assert try_ in caught.value.try_
    assert [line.split()[0] for line in peer.heard] == [b"ehlo", b"STARTTLS"]


def test_no_word_of_the_plain_part_is_believed_inside_tls(certificate):
    """Half a reply behind the 220 must not be put before the first line inside TLS (RFC 3207 section 6)."""

    def script(talk: Talk) -> None:
        talk.greet("STARTTLS")
        talk.line()
        talk.say(b"220 go\r\n250-AUTH PLAIN\r\n250")
        talk.sock = certificate.server.wrap_socket(talk.sock, server_side=True)
        talk.sock.settimeout(5)
        talk.line()
        talk.say("250-honest\r\n250 SIZE 77")
        talk.idle()

    with playing(script) as peer, pytest.raises(RelayError, match="offers no login"):
        open_connection(
            relay_to(peer.port, security="starttls", ca_file=certificate.file, username="u", password=lambda: PASSWORD)
        )


def test_every_address_of_a_name_is_tried(monkeypatch):
    """A relay's name often has an IPv6 address that this machine cannot reach."""
    found = socket.getaddrinfo

    def two(host, port, *args, **more):
        return [*found("127.0.0.9", port, *args, **more), *found("127.0.0.1", port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with playing(lambda talk: (talk.greet(), talk.idle())) as peer:
        open_connection(relay_to(peer.port, host="relay.example")).wire.close()
        assert len(peer.talks) == 1


# --- logins -------------------------------------------------------------------------------------------------------


def answering(offer: str, *answers: str, then: str = "235 2.7.0 in"):
    """A peer that offers logins, says ``answers`` to each line of one, and then lets in."""

    def script(talk: Talk) -> None:
        talk.greet(f"AUTH {offer}")
        for answer in (*answers, then):
            talk.line()
            talk.say(answer)
        talk.idle()

    return script


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def logged_in(script, **settings: object) -> list[bytes]:
    with playing(script) as peer:
        open_connection(relay_to(peer.port, allow_plain_auth=True, **settings)).wire.close()
    return peer.heard[1:]


@pytest.mark.parametrize("answer", ["503 5.5.1 Error: authentication not enabled", "503 bad sequence"])
def test_a_login_that_was_not_made_is_no_login(answer):
    """503 would mean that we had logged in before: we had not, and the mail would go without."""
    with (
        playing(answering("PLAIN", then=answer)) as peer,
        pytest.raises(RelayError, match=f"refused the login: {answer}"),
    ):
        open_connection(relay_to(peer.port, allow_plain_auth=True, username="digest", password=lambda: PASSWORD))


@pytest.mark.parametrize("token", [False, True])
def test_a_response_that_would_make_its_line_too_long_follows_alone(token):
    """RFC 4954 section 4: a command line has at most 512 bytes."""
    secret = "x" * 600
    settings = {"token": lambda: secret} if token else {"password": lambda: secret}
    offer = "XOAUTH2" if token else "PLAIN"
    response = f"user=digest\1auth=Bearer {secret}\1\1" if token else f"\0digest\0{secret}"
    heard = logged_in(answering(offer, "334 "), username="digest", **settings)
    assert heard[:2] == [f"AUTH {offer}".encode(), b64(response)]


USER = {"username": "jürg", "password": lambda: "grün 1"}


def test_login_is_spoken_in_utf_8_where_nothing_else_is_offered():
    heard = logged_in(answering("LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"), **USER)
    assert heard == [b"AUTH LOGIN", b64("jürg"), b64("grün 1")]


def test_cram_md5_comes_first_where_nothing_is_encrypted_and_never_sends_the_password():
    heard = logged_in(answering("PLAIN CRAM-MD5 LOGIN", "334 PDE+"), username="u", password=lambda: "hunter2")
    assert heard[0] == b"AUTH CRAM-MD5"
    digested = hmac.new(b"hunter2", b"<1>", "md5").hexdigest()
    assert heard[1] == b64(f"u {digested}")
    assert b64("hunter2") not in b"".join(heard)


def test_a_way_to_log_in_that_is_offered_but_not_spoken_gives_way_to_the_next():
    heard = logged_in(answering("CRAM-MD5 PLAIN", "504 5.5.4 not here"), username="u", password=lambda: PASSWORD)
    assert heard == [b"AUTH CRAM-MD5", b"AUTH PLAIN " + b64(f"\0u\0{PASSWORD}")]
    assert logged_in(answering("CRAM-MD5 PLAIN"), **USER) == [b"AUTH PLAIN " + b64("\0jürg\0grün 1")]


@pytest.mark.parametrize(
    ("answer", "try_"),
    [
        ("535 5.7.8 no", "check username and password_file"),
        ("534 5.7.9 Application-specific password required", "an app password"),
        ("530 5.7.0 Must issue a STARTTLS command first", 'security to "starttls"'),
        ("538 5.7.11 Encryption required", 'security to "starttls"'),
        ("454 4.7.0 Temporary authentication failure", "try again later"),
        ("432 4.7.12 A password transition is needed", "new password"),
        ("500 what?", "check username and password_file"),
    ],
)
def test_a_refused_login_tells_the_servers_words_and_what_mends_it(answer, try_):
    with playing(answering("PLAIN LOGIN", then=answer)) as peer:
        with pytest.raises(RelayError, match=f"the server refused the login: {answer[:14]}") as caught:
            open_connection(relay_to(peer.port, username="u", password=lambda: PASSWORD, allow_plain_auth=True))
        assert try_ in caught.value.try_
    assert len([line for line in peer.heard if line.startswith(b"AUTH")]) == 1, "one wrong try, not one a mechanism"


def test_a_server_that_repeats_the_password_does_not_bring_it_into_the_error():
    def script(talk: Talk) -> None:
        talk.greet("AUTH PLAIN")
        said = base64.b64decode(talk.line().split()[2]).split(b"\0")[2].decode()
        talk.say(f"535 wrong password {said} ({b64(said).decode()})")
        talk.idle()

    with playing(script) as peer, pytest.raises(RelayError) as caught:
        open_connection(relay_to(peer.port, username="u", password=lambda: PASSWORD, allow_plain_auth=True))
    told = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in told
    assert b64(PASSWORD).decode() not in told


def test_a_server_that_offers_only_what_we_do_not_speak_is_told_so():
    with playing(answering("GSSAPI NTLM")) as peer, pytest.raises(RelayError, match="only GSSAPI NTLM"):
        open_connection(relay_to(peer.port, username="u", password=lambda: PASSWORD, allow_plain_auth=True))


# --- access tokens ------------------------------------------------------------------------------------------------

TOKEN = "ya29.a0-Secret_token/+=="


def test_a_token_logs_in_with_xoauth2(certificate):
    def script(talk: Talk) -> None:
        talk.greet("STARTTLS")
        talk.line()
        talk.say("220 go")
        talk.sock = certificate.server.wrap_socket(talk.sock, server_side=True)
        talk.sock.settimeout(5)
        talk.line()
        talk.say("250-peer\r\n250 AUTH PLAIN XOAUTH2")
        talk.line()
        talk.say("235 2.7.0 Accepted")
        talk.idle()

    with playing(script) as peer:
        relay = relay_to(
            peer.port, security="starttls", username="me@example.org", token=lambda: TOKEN, ca_file=certificate.file
        )
        open_connection(relay).wire.close()
    assert peer.heard[3] == b"AUTH XOAUTH2 " + b64(f"user=me@example.org\1auth=Bearer {TOKEN}\1\1")


def test_a_refused_token_is_told_in_words_after_an_empty_line():
    challenge = b64(json.dumps({"status": "401", "schemes": "bearer", "scope": "https://mail.example/"})).decode()
    script = answering("XOAUTH2", f"334 {challenge}", then="535 5.7.8 Username and Password not accepted")
    with playing(script) as peer, pytest.raises(RelayError) as caught:
        open_connection(relay_to(peer.port, username="me", token=lambda: TOKEN, allow_plain_auth=True))
    assert peer.heard[2:] == [b""]
    assert caught.value.what == (
        "the server refused the login: 535 5.7.8 Username and Password not accepted"
        " (status 401, scope https://mail.example/)"
    )
    assert "run token_command by hand" in caught.value.try_
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("challenge", ["", "%%%", "bm90IGpzb24=", "WzFd", b64('{"status": null}').decode()])
def test_a_refused_token_without_readable_reasons_is_still_one_sentence(challenge):
    script = answering("XOAUTH2", f"334 {challenge}", then="535 no")
    with playing(script) as peer, pytest.raises(RelayError) as caught:
        open_connection(relay_to(peer.port, username="me", token=lambda: TOKEN, allow_plain_auth=True))
    assert caught.value.what == "the server refused the login: 535 no"


def test_a_server_without_xoauth2_never_sees_the_token():
    asked = []
    with playing(answering("PLAIN LOGIN")) as peer, pytest.raises(RelayError, match="only PLAIN LOGIN") as caught:
        open_connection(relay_to(peer.port, username="me", token=lambda: str(asked.append(1)), allow_plain_auth=True))
    assert (peer.heard[1:], asked) == ([], [])
    assert "password_file" in caught.value.try_


def test_a_refused_token_is_not_used_again(tmp_path):
    count = tmp_path / "count"
    command = f"""sh -c 'echo x >> "{count}"; echo token-$(wc -l < "{count}" | tr -d " ")'"""
    token = TokenCommand(command)
    scripts = [answering("XOAUTH2"), answering("XOAUTH2", then="535 old"), answering("XOAUTH2")]
    with playing(*scripts) as peer:
        relay = relay_to(peer.port, username="me", token=token, allow_plain_auth=True)
        open_connection(relay).wire.close()
        with pytest.raises(RelayError):
            open_connection(relay)
        open_connection(relay).wire.close()
    sent = [line.split()[2] for line in peer.heard if line.startswith(b"AUTH")]
    assert sent == [b64(f"user=me\1auth=Bearer token-{n}\1\1") for n in (1, 1, 2)]
