"""Mailgun's webhooks: a signed JSON body -> what it tells of one mail. Pure.

Mailgun signs a timestamp and a token with the account's webhook signing key (HMAC-SHA256), and not the event beside
them: the signature proves that Mailgun wrote some request, no more. Mails are named by their Message-ID, which Mailgun
leaves as it is, and by the envelope's sender.

| event, severity and reason                | verdict                                                           |
|-------------------------------------------|-------------------------------------------------------------------|
| failed, permanent                         | by its enhanced code or the server's words, else by its reason:   |
| - bounce, suppress-bounce                 | hard: Mailgun itself writes to this address no more               |
| - suppress-complaint                      | complaint: an earlier mail was called spam                        |
| - old                                     | soft, and counts: Mailgun gave up after hours                     |
| - suppress-unsubscribe, any other         | soft, and does not count                                          |
| failed, temporary                         | delayed                                                           |
| complained                                | complaint                                                         |
| any other event                           | nothing                                                           |

Source: documentation.mailgun.com, "Webhooks" (payload, signature, retries for 8 hours), "Events", "Tracking Failures".
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from digest.delivery.webhooks.reading import (
    COMPLAINT,
    FULL,
    HARD,
    OURS,
    Verdict,
    failed,
    in_time,
    parsed,
    raw,
    said,
    text,
)
from digest.model.errors import Forged
from digest.model.mail import Report, Reported, ReportKind

#: Mailgun repeats for eight hours, and does not say that it signs each time anew.
LONGEST = timedelta(hours=9)
_WHERE = "webhook mailgun"
_BY_REASON: Mapping[str, Verdict] = {
    "bounce": HARD,
    "suppress-bounce": HARD,
    "suppress-complaint": COMPLAINT,
    "old": FULL,
}
#: Reasons that speak for themselves: no server was asked.
_LISTED = frozenset({"suppress-bounce", "suppress-complaint", "suppress-unsubscribe"})


def read(body: bytes, *, key: str, now: datetime) -> tuple[Report, ...]:
    """What a request reports: one event, or nothing that concerns us. Raises Forged and InputError."""
    whole = parsed(body, _WHERE)
    _verify(whole, key, now)
    about = _reported(whole)
    if about is None:
        return ()
    headers = ("event-data", "message", "headers", "message-id")
    return (
        Report(
            kind=about.kind,
            paths=tuple(filter(None, (text(whole, "event-data", "envelope", "sender"),))),
            recipients=(about,),
            message_id=text(whole, *headers),
        ),
    )


def _verify(whole: object, key: str, now: datetime) -> None:
    stamp, token = raw(whole, "signature", "timestamp"), raw(whole, "signature", "token")
    given = raw(whole, "signature", "signature")
    signed = (stamp + token).encode("utf-8", "surrogatepass")
    right = hmac.digest(key.encode(), signed, "sha256").hex().encode()
    if not (stamp and token and hmac.compare_digest(given.lower().encode("utf-8", "surrogatepass"), right)):
        raise Forged(
            "the signature does not fit the body",
            where=_WHERE,
            try_="mailgun_key_file must hold the HTTP webhook signing key of this Mailgun account",
        )
    in_time(stamp, now, LONGEST, _WHERE)


def _reported(whole: object) -> Reported | None:
    address, event = text(whole, "event-data", "recipient"), text(whole, "event-data", "event")
    reason = text(whole, "event-data", "reason")
    server = text(whole, "event-data", "delivery-status", "mx-host")
    words = _words(whole)
    if not address:
        return None
    if event == "complained":
        return said(address, COMPLAINT, words="called spam (Mailgun)")
    if event != "failed":
        return None
    if text(whole, "event-data", "severity") == "temporary":
        return said(address, (ReportKind.DELAYED, False), words=words, server=server)
    otherwise = _BY_REASON.get(reason, OURS)
    if reason in _LISTED:
        return said(address, otherwise, words=words or reason, server=server)
    status = text(whole, "event-data", "delivery-status", "enhanced-code")
    bounce = text(whole, "event-data", "delivery-status", "bounce-code")
    return failed(address, status or bounce, words, otherwise, server=server)


def _words(whole: object) -> str:
    """What the server said, with its reply code before it, as servers write it."""
    status = ("event-data", "delivery-status")
    words = text(whole, *status, "message") or text(whole, *status, "description")
    code = text(whole, *status, "code")
    return words if not code or words.startswith(code) else f"{code} {words}".strip()
