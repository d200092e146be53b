"""From a relay's settings to a connection that is ready for mail: connect, EHLO, STARTTLS, AUTH. Does I/O.

The standard library's smtplib does the talking (RFC 5321, 3207, 4954; LMTP RFC 2033); the socket is then ours. What is
asked for is never given up silently: without STARTTLS, with a wrong certificate or without a login nothing is sent.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from digest.delivery.relay import Relay
from digest.delivery.wire import MAX_TEXT, Wire, printable
from digest.model.errors import DigestError, RelayError


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """A connection after its handshake."""

    wire: Wire
    features: Mapping[str, str]
    """What EHLO offered after TLS: lower-case keyword -> parameters."""
    tls: str
    """The TLS version; empty without encryption."""


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
            _introduce(client, relay)
            if relay.username:
                _log_in(client, relay)
            connection = _hand_over(client, relay)
            undo.pop_all()
            return connection
    except (OSError, ValueError) as exc:  # smtplib's errors are OSErrors; ValueError: a name that cannot be sent
        raise _explained(exc, relay) from exc


def _connected(relay: Relay) -> smtplib.SMTP:
    """An smtplib client that has read a good greeting."""
    helo = relay.helo_name or None
    if relay.transport == "lmtp":
        return smtplib.LMTP(relay.host, relay.port, local_hostname=helo, timeout=relay.timeout)
    if relay.security == "tls":
        context = _tls_context(relay)
        return smtplib.SMTP_SSL(relay.host, relay.port, local_hostname=helo, timeout=relay.timeout, context=context)
    return smtplib.SMTP(relay.host, relay.port, local_hostname=helo, timeout=relay.timeout)


def _introduce(client: smtplib.SMTP, relay: Relay) -> None:
    client.ehlo_or_helo_if_needed()
    if relay.security != "starttls":
        return
    if not client.has_extn("starttls"):
        raise RelayError(
            "the server does not offer STARTTLS, so nothing was sent",
            where=relay.where,
            try_='check host and port, or set security to "tls" (port 465)',
        )
    # Whatever was said before TLS is forgotten (RFC 3207 section 4.2), also bytes slipped in behind the 220.
    client.starttls(context=_tls_context(relay))
    client.ehlo_or_helo_if_needed()


def _tls_context(relay: Relay) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if relay.ca_file is None else str(relay.ca_file))
    except OSError as exc:
        raise RelayError(
            f"the certificates cannot be read: {exc}", where=str(relay.ca_file), try_="check ca_file"
        ) from exc


def _log_in(client: smtplib.SMTP, relay: Relay) -> None:
    password = _password(relay)
    if not client.has_extn("auth"):
        raise RelayError(
            "the server offers no login on this connection",
            where=relay.where,
            try_="check security and port (587 with starttls is usual), or leave the username empty",
        )
    if (relay.username + password).isascii():
        client.login(relay.username, password)
        return
    # smtplib speaks ASCII; PLAIN is UTF-8 (RFC 4616).
    secret = base64.b64encode(f"\0{relay.username}\0{password}".encode()).decode("ascii")
    code, text = client.docmd("AUTH", f"PLAIN {secret}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _password(relay: Relay) -> str:
    if relay.password is None:
        raise RelayError("a username is set, but no password", where=relay.where, try_="set password_file")
    try:
        return relay.password()
    except OSError as exc:
        raise RelayError(
            f"the password cannot be read: {exc}", where=relay.where, try_="check password_file and its permissions"
        ) from exc


def _hand_over(client: smtplib.SMTP, relay: Relay) -> Connection:
    """Take the socket out of smtplib. Its reader may hold bytes nobody asked for: they are dropped with it."""
    sock, reader = client.sock, client.file
    client.sock = client.file = None
    if reader is not None:
        reader.close()
    if sock is None:
        raise smtplib.SMTPServerDisconnected("the server closed the connection")
    tls = (sock.version() or "") if isinstance(sock, ssl.SSLSocket) else ""
    return Connection(wire=Wire(sock, relay.timeout), features=dict(client.esmtp_features), tls=tls)


def _explained(exc: OSError | ValueError, relay: Relay) -> DigestError:
    what, try_ = _what_and_try(exc, relay)
    return RelayError(what, where=relay.where, try_=try_)


def _what_and_try(exc: OSError | ValueError, relay: Relay) -> tuple[str, str]:
    match exc:
        case ssl.SSLCertVerificationError():
            return (
                f"the server's certificate is not trusted: {exc.verify_message}",
                "set host to the name in the certificate, or ca_file to the authority that signed it",
            )
        case ssl.SSLError():
            return (
                f"TLS could not be set up: {exc.reason or exc}",
                'check security: "tls" is for port 465, "starttls" for 587 and 25',
            )
        case smtplib.SMTPAuthenticationError():
            return f"the server refused the login: {_answer(exc)}", "check username and password_file"
        case smtplib.SMTPResponseException():
            return f"the server answered {_answer(exc)}", "try again later, or ask the server's operator"
        case smtplib.SMTPServerDisconnected():
            return f"no conversation came about: {exc}", "check host, port and security"
        case smtplib.SMTPException():
            return f"the server cannot be used: {exc}", "check host, port and security"
        case socket.gaierror():
            return f"the host name cannot be resolved: {exc.strerror}", "check host and the name server"
        case ConnectionRefusedError():
            return "nothing listens there", "check host and port, and that the mail server runs"
        case TimeoutError():
            return f"no answer within {relay.timeout:g} seconds", "check host, port and the firewall"
        case OSError():
            return f"the server cannot be reached: {exc}", "check host, port and the network"
        case _:
            return f"the settings cannot be sent: {exc}", "check host, username and helo_name"


def _answer(exc: smtplib.SMTPResponseException) -> str:
    error = exc.smtp_error
    text = printable(error if isinstance(error, bytes) else str(error).encode())[:MAX_TEXT]
    return f"{exc.smtp_code} {text}" if exc.smtp_code > 0 else f"what is no SMTP reply: {text!r}"
