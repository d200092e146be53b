"""From a relay's settings to a connection that is ready for mail: connect, EHLO, STARTTLS, AUTH. Does I/O.

The standard library's smtplib does the talking (RFC 5321, 3207, 4954; LMTP RFC 2033); the socket is then ours. What is
asked for is never given up silently: without STARTTLS, with a wrong certificate or without a login nothing is sent.
"""

from __future__ import annotations

import base64
import contextlib
import json
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from digest.delivery.oauth import TokenCommand
from digest.delivery.relay import Relay
from digest.delivery.wire import MAX_LINE, MAX_REPLY, MAX_TEXT, Wire, printable
from digest.model.errors import DigestError, RelayError


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """A connection after its handshake."""

    wire: Wire
    features: Mapping[str, str]
    """What EHLO offered after TLS: lower-case keyword -> parameters."""
    tls: str
    """The TLS version; empty without encryption."""
    round_trip: float
    """Seconds that the server took to answer EHLO."""


#: A command line with its end (RFC 5321 section 4.5.3.1.4).
MAX_COMMAND = 512

#: Speaks one way to log in: client, username, secret -> the server's last answer.
Mechanism = Callable[[smtplib.SMTP, str, str], tuple[int, bytes]]


def open_connection(relay: Relay) -> Connection:
    """Connect and log in. Raises RelayError, with what to try, for anything that stands in the way."""
    if relay.username and relay.security == "none" and not relay.allow_plain_auth:
        raise RelayError(
            "the password would travel unencrypted, so nothing was sent",
            where=relay.where,
            try_='set security to "starttls" or "tls", or allow_plain_auth = true',
        )
    if relay.transport == "lmtp" and relay.security == "tls":
        raise RelayError(
            "LMTP with TLS from the first byte is not spoken", where=relay.where, try_='set security to "starttls"'
        )
    try:
        with contextlib.ExitStack() as undo:
            client = _connected(relay)
            undo.callback(client.close)
            round_trip = _introduce(client, relay)
            if relay.username:
                _log_in(client, relay)
            connection = _hand_over(client, relay, round_trip)
            undo.pop_all()
            return connection
    except (OSError, ValueError) as exc:  # smtplib's errors are OSErrors; ValueError: a name that cannot be sent
        raise _explained(exc, relay) from exc


class _Whole(smtplib.SMTP):
    """smtplib, but what is no reply is told whole, and a silence as one."""

    def getreply(self) -> tuple[int, bytes]:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the server closed the connection")
        if self.file is None:
            self.file = self.sock.makefile("rb")
        lines: list[bytes] = []
        try:
            while sum(map(len, lines)) <= MAX_REPLY:
                line = self.file.readline(MAX_LINE + 1)
                code, mark = line[:3], line[3:4]
                if line and (len(line) > MAX_LINE or not code.isdigit() or mark not in (b" ", b"-", b"\r", b"\n")):
                    raise smtplib.SMTPResponseException(-1, line.strip())
                if not line.endswith(b"\n"):
                    raise smtplib.SMTPServerDisconnected("the server closed the connection")
                lines.append(line[4:].strip())
                if mark != b"-":
                    return int(code), b"\n".join(lines)
            raise smtplib.SMTPServerDisconnected("the server's answer has no end")
        except OSError:  # smtplib's errors are OSErrors
            self.close()
            raise


class _Tls(_Whole, smtplib.SMTP_SSL):
    """A client for SMTP with TLS from the first byte."""


class _Local(_Whole, smtplib.LMTP):
    """A client for LMTP."""


def _connected(relay: Relay) -> smtplib.SMTP:
    """An smtplib client that has read a good greeting."""
    helo = relay.helo_name or None
    if relay.transport == "lmtp":
        return _Local(relay.host, relay.port, local_hostname=helo, timeout=relay.timeout)
    if relay.security == "tls":
        context = _tls_context(relay)
        return _Tls(relay.host, relay.port, local_hostname=helo, timeout=relay.timeout, context=context)
    return _Whole(relay.host, relay.port, local_hostname=helo, timeout=relay.timeout)


def _introduce(client: smtplib.SMTP, relay: Relay) -> float:
    """EHLO, and TLS where it is asked for; gives the seconds that the first answer took."""
    began = time.monotonic()
    _greet(client)
    round_trip = time.monotonic() - began
    if relay.security != "starttls":
        return round_trip
    if not client.has_extn("starttls"):
        raise RelayError(
            "the server does not offer STARTTLS, so nothing was sent",
            where=relay.where,
            try_='check host and port, or set security to "tls" (port 465)',
        )
    # Whatever was said before TLS is forgotten (RFC 3207 section 4.2), also bytes slipped in behind the 220.
    client.starttls(context=_tls_context(relay))
    _greet(client)
    return round_trip


def _greet(client: smtplib.SMTP) -> None:
    """EHLO, or HELO to a server that does not know it (RFC 5321 section 4.1.1.1)."""
    code, said = client.ehlo()
    if code == 421:  # it hangs up: its words say more than the silence that follows
        raise smtplib.SMTPHeloError(code, said)
    if not 200 <= code <= 299:
        code, said = client.helo()
        if not 200 <= code <= 299:
            raise smtplib.SMTPHeloError(code, said)


def _tls_context(relay: Relay) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if relay.ca_file is None else str(relay.ca_file))
    except OSError as exc:
        raise RelayError(
            f"the certificates cannot be read: {exc.strerror or exc}",
            where=str(relay.ca_file or "the system's certificates"),
            try_="check ca_file: its path, who may read it, and that it holds certificates in PEM",
        ) from exc


def _log_in(client: smtplib.SMTP, relay: Relay) -> None:
    offered = client.esmtp_features.get("auth", "").upper().split()
    if not client.has_extn("auth"):
        raise RelayError(
            "the server offers no login on this connection",
            where=relay.where,
            try_="check security and port (587 with starttls is usual), or leave the username empty",
        )
    mechanisms = _mechanisms(client, relay, offered)
    if not mechanisms:
        raise RelayError(
            f"the server offers no login that we know, only {printable(' '.join(offered).encode()) or 'nothing'}",
            where=relay.where,
            try_="use password_file instead of token_command" if relay.token else "check host and port",
        )
    secret = relay.token() if relay.token else _password(relay)
    code, text = 504, b""
    for mechanism in mechanisms:
        code, text = mechanism(client, relay.username, secret)
        if code == 235:  # 503 would be "already logged in", which we are not: Postfix says so where there is no login
            return
        if code != 504:  # 504: offered, and yet not spoken (RFC 4954 section 4); the next one may be
            break
    if isinstance(relay.token, TokenCommand):
        relay.token.forget()
    raise _refused_login(code, text, relay, secret)


def _mechanisms(client: smtplib.SMTP, relay: Relay, offered: Sequence[str]) -> list[Mechanism]:
    """The ways to log in that both sides know, best first. A wrong password is tried once, not once a mechanism: some
    servers lock the account after three.
    """
    if relay.token is not None:
        known: dict[str, Mechanism] = {"XOAUTH2": _xoauth2}
    elif isinstance(client.sock, ssl.SSLSocket):
        known = {"PLAIN": _plain, "LOGIN": _login, "CRAM-MD5": _cram_md5}
    else:
        known = {"CRAM-MD5": _cram_md5, "PLAIN": _plain, "LOGIN": _login}
    return [speak for name, speak in known.items() if name in offered]


def _plain(client: smtplib.SMTP, username: str, password: str) -> tuple[int, bytes]:
    """RFC 4616, in UTF-8; the standard library's speaks ASCII only."""
    return _first_response(client, "PLAIN", _base64(f"\0{username}\0{password}"))


def _first_response(client: smtplib.SMTP, mechanism: str, response: str) -> tuple[int, bytes]:
    """AUTH with a response that needs no challenge: in its line, unless that grew too long (RFC 4954 section 4)."""
    if len(f"AUTH {mechanism} {response}\r\n") <= MAX_COMMAND:
        return client.docmd("AUTH", f"{mechanism} {response}")
    code, text = client.docmd("AUTH", mechanism)
    return client.docmd(response) if code == 334 else (code, text)


def _login(client: smtplib.SMTP, username: str, password: str) -> tuple[int, bytes]:
    code, text = client.docmd("AUTH", "LOGIN")
    for word in (username, password):
        if code != 334:
            break
        code, text = client.docmd(_base64(word))
    return code, text


def _cram_md5(client: smtplib.SMTP, username: str, password: str) -> tuple[int, bytes]:
    if not (username + password).isascii():
        return 504, b"CRAM-MD5 is not defined for letters outside ASCII"
    client.user, client.password = username, password  # type: ignore[attr-defined]
    try:
        return client.auth("CRAM-MD5", client.auth_cram_md5)
    except smtplib.SMTPAuthenticationError as exc:
        error = exc.smtp_error
        return exc.smtp_code, error if isinstance(error, bytes) else error.encode()


def _xoauth2(client: smtplib.SMTP, username: str, token: str) -> tuple[int, bytes]:
    """Google's and Microsoft's way. A refusal is a challenge that holds JSON; an empty line brings its code."""
    code, text = _first_response(client, "XOAUTH2", _base64(f"user={username}\1auth=Bearer {token}\1\1"))
    if code != 334:
        return code, text
    challenge = _challenge(text)
    code, text = client.docmd("")
    return code, text + challenge


def _challenge(text: bytes) -> bytes:
    """What the JSON of a refused token says, as words to put behind the refusal."""
    try:
        said: object = json.loads(base64.b64decode(text))
    except ValueError:
        return b""
    known = cast("dict[str, object]", said) if isinstance(said, dict) else {}
    words = [f"{name} {known[name]}" for name in ("status", "scope") if known.get(name)]
    return f" ({', '.join(words)})".encode() if words else b""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _refused_login(code: int, text: bytes, relay: Relay, secret: str) -> RelayError:
    """The server's words, without ours should it repeat them."""
    answer = _answer(smtplib.SMTPResponseException(code, text))
    for word in (secret, _base64(secret)):
        answer = answer.replace(word, "…") if len(word) > 3 else answer
    by_hand = "run token_command by hand: is it this account's token, and with the scope for sending mail?"
    remedies = {
        432: "set a new password at the provider first",
        454: "the server cannot check logins now: try again later",
        530: 'the server wants encryption first: set security to "starttls" or "tls"',
        534: "the provider wants another login: an app password in password_file, or OAuth by token_command",
        535: by_hand if relay.token else "check username and password_file; some providers want an app password",
        538: 'the server wants encryption first: set security to "starttls" or "tls"',
    }
    usual = by_hand if relay.token else "check username and password_file"
    return RelayError(f"the server refused the login: {answer}", where=relay.where, try_=remedies.get(code, usual))


def _password(relay: Relay) -> str:
    if relay.password is None:
        raise RelayError("a username is set, but no password", where=relay.where, try_="set password_file")
    try:
        return relay.password()
    except OSError as exc:
        raise RelayError(
            f"the password cannot be read: {exc.strerror or exc}",
            where=relay.where,
            try_="check password_file and its permissions",
        ) from exc


def _hand_over(client: smtplib.SMTP, relay: Relay, round_trip: float) -> Connection:
    """Take the socket out of smtplib. Its reader may hold bytes nobody asked for: they are dropped with it."""
    sock, reader = client.sock, client.file
    client.sock = client.file = None
    if reader is not None:
        reader.close()
    if sock is None:
        raise smtplib.SMTPServerDisconnected("the server closed the connection")
    tls = (sock.version() or "") if isinstance(sock, ssl.SSLSocket) else ""
    features = dict(client.esmtp_features)
    return Connection(wire=Wire(sock), features=features, tls=tls, round_trip=round_trip)


def _explained(exc: OSError | ValueError, relay: Relay) -> DigestError:
    what, try_ = _what_and_try(exc, relay)
    return RelayError(what, where=relay.where, try_=try_)


def _what_and_try(exc: OSError | ValueError, relay: Relay) -> tuple[str, str]:
    match exc:
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {exc.verify_message}", _trust(exc.verify_code)
        case ssl.SSLError():
            return (
                f"TLS could not be set up: {exc.reason or exc}",
                'check security: "tls" is for port 465, "starttls" for 587 and 25',
            )
        case smtplib.SMTPResponseException() if exc.smtp_code == -1:
            return f"the server answered {_answer(exc)}", "check host and port: no mail server seems to listen there"
        case smtplib.SMTPResponseException():
            return f"the server answered {_answer(exc)}", _after_answer(exc.smtp_code)
        case smtplib.SMTPServerDisconnected():
            return f"no conversation came about: {exc}", "check host, port and security"
        case smtplib.SMTPException():
            return f"the server cannot be used: {exc}", "check host, port and security"
        case socket.gaierror():
            return f"the host name cannot be resolved: {exc.strerror}", _after_name(exc.errno)
        case ConnectionRefusedError():
            return "nothing listens there", "check host and port, and that the mail server runs"
        case TimeoutError():
            return f"no answer within {relay.timeout:g} seconds", "check host, port and the firewall"
        case OSError():
            return f"the server cannot be reached: {exc.strerror or exc}", "check host, port and the network"
        case _:
            return f"the settings cannot be sent: {exc}", "check host, username and helo_name"


#: OpenSSL's X509_V_ERR codes: certificate not yet valid, expired; of another host name or address.
_CLOCK, _NAME = (9, 10), (62, 64)


def _trust(code: int) -> str:
    if code in _CLOCK:
        return "ask the server's operator for a new certificate, and check this machine's clock"
    if code in _NAME:
        return "set host to the name in the certificate"
    return (
        "if it is your own server, set ca_file to its certificate or to that of the authority that signed it; "
        "else something stands between it and you"
    )


def _after_answer(code: int) -> str:
    if 400 <= code <= 499:
        return "the server takes no mail just now: wait; a run of sending tries again by itself"
    if code in (550, 553, 554):
        return "the server does not talk to this machine: ask its operator, or use the relay of your provider"
    return "check host and port, or ask the server's operator"


def _after_name(code: int | None) -> str:
    if code == socket.EAI_AGAIN:
        return "the name server does not answer: check the network; it is tried again by itself"
    return "check host for a typo"


def _answer(exc: smtplib.SMTPResponseException) -> str:
    error = exc.smtp_error
    text = printable(error if isinstance(error, bytes) else str(error).encode())[:MAX_TEXT]
    return f"{exc.smtp_code} {text}" if exc.smtp_code > 0 else f"what is no SMTP reply: {text[:80]!r}"
