"""Lines as Postfix and OpenSMTPD log them, for the tests of reconciling. ``at`` is a stamp with the host behind it."""

from __future__ import annotations

from datetime import datetime

SENT = "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9A1B2C3D4E)"
DEFERRED = (
    "dsn=4.2.2, status=deferred (host mx.example.net[192.0.2.7] said: "
    "452 4.2.2 Mailbox full (in reply to RCPT TO command))"
)
UNKNOWN = (
    "dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.7] said: 550 5.1.1 <x@example.net>: "
    "Recipient address rejected: User unknown (in reply to RCPT TO command))"
)


def classic(at: datetime, host: str = "relay") -> str:
    return f"{at:%b} {at.day:2d} {at:%H:%M:%S} {host}"


def iso(at: datetime, host: str = "relay") -> str:
    return f"{at.isoformat(timespec='microseconds')} {host}"


def noise(head: str) -> list[str]:
    """What else stands in a log."""
    return [
        f"{head} sshd[811]: Failed password for invalid user cleanup from 198.51.100.4 port 2222 ssh2",
        f"{head} kernel: [12345.678] eth0: link up",
        f"{head} postfix/smtpd[7001]: connect from app.example.org[192.0.2.1]",
        f"{head} postfix/smtpd[7001]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 <a@b.example>: Relay "
        "access denied; from=<x@example.org> to=<a@b.example> proto=ESMTP helo=<h>",
        f"{head} postfix/cleanup[7002]: 11AA22BB33: message-id=<20260504060000.1234@example.org>",
        f"{head} postfix/qmgr[700]: 11AA22BB33: from=<newsletter+b2b-team@example.org>, size=1, nrcpt=1 (queue active)",
        f"{head} dovecot: lmtp(someone): msgid=<{'0' * 32}@example.org>: saved mail to INBOX",
    ]


def begun(head: str, queue_id: str, message_id: str, syslog_name: str = "postfix") -> list[str]:
    """Postfix reads a mail."""
    return [
        f"{head} {syslog_name}/smtpd[7001]: {queue_id}: client=app.example.org[192.0.2.1], sasl_username=digest",
        f"{head} {syslog_name}/cleanup[7002]: {queue_id}: message-id=<{message_id}>",
    ]


def taken(
    head: str, queue_id: str, message_id: str, path: str = "digest@example.org", syslog_name: str = "postfix"
) -> list[str]:
    """Postfix has it in its queue."""
    return [
        *begun(head, queue_id, message_id, syslog_name),
        f"{head} {syslog_name}/qmgr[700]: {queue_id}: from=<{path}>, size=61234, nrcpt=1 (queue active)",
    ]


def tried(head: str, queue_id: str, to: str, status: str, agent: str = "smtp", more: str = "") -> str:
    relay = "local" if agent == "local" else "mx.example.net[192.0.2.7]:25"
    return (
        f"{head} postfix/{agent}[7003]: {queue_id}: to=<{to}>, {more}relay={relay}, delay=0.5, delays=0.1/0/0.2/0.2, "
        f"{status}"
    )


def removed(head: str, queue_id: str, by: str = "qmgr") -> str:
    return f"{head} postfix/{by}[700]: {queue_id}: removed"


def whole(
    head: str, queue_id: str, message_id: str, to: str, status: str, path: str = "digest@example.org"
) -> list[str]:
    return [
        *taken(head, queue_id, message_id, path),
        tried(head, queue_id, to, status),
        removed(head, queue_id),
    ]


def open7(head: str, message: str, path: str, to: str, result: str = "", stat: str = "") -> list[str]:
    """OpenSMTPD 6.4 to 7.x."""
    lines = [
        f"{head} smtpd[3920]: f274cf34b7d0786b smtp connected address=192.0.2.1 host=app.example.org",
        f"{head} smtpd[3920]: f274cf34b7d0786b smtp message msgid={message} size=61234 nrcpt=1 proto=ESMTP",
        f"{head} smtpd[3920]: f274cf34b7d0786b smtp envelope evpid={message}920bcc4f from=<{path}> to=<{to}>",
    ]
    if result:
        lines.append(
            f"{head} smtpd[3920]: f274cf35d39a7d0b mta delivery evpid={message}920bcc4f from=<{path}> to=<{to}> "
            f'rcpt=<-> source="192.0.2.2" relay="192.0.2.7 (mx.example.net)" delay=1s result="{result}" stat="{stat}"'
        )
    return lines


def open6(head: str, message: str, path: str, to: str, result: str, stat: str) -> list[str]:
    """OpenSMTPD 6.0."""
    return [
        f"{head} smtpd[3920]: f274cf34b7d0786b smtp event=message address=192.0.2.1 host=app.example.org "
        f"msgid={message} from=<{path}> to=<{to}> size=61234 ndest=1 proto=ESMTP",
        f"{head} smtpd[3920]: f274cf35d39a7d0b mta event=delivery evpid={message}920bcc4f from=<{path}> to=<{to}> "
        f'rcpt=<-> source="192.0.2.2" relay="192.0.2.7 (mx.example.net)" delay=1s result="{result}" stat="{stat}"',
    ]


def open5(head: str, message: str, path: str, to: str, result: str, stat: str) -> list[str]:
    """OpenSMTPD 5.x."""
    return [
        f"{head} smtpd[3920]: smtp-in: Accepted message {message} on session f274cf34b7d0786b: from=<{path}>, "
        f"to=<{to}>, size=61234, ndest=1, proto=ESMTP",
        f"{head} smtpd[3920]: relay: {result} for {message}920bcc4f: session=f274cf35d39a7d0b, from=<{path}>, "
        f"to=<{to}>, rcpt=<->, source=192.0.2.2, relay=192.0.2.7 (mx.example.net), delay=1s, stat={stat}",
    ]
