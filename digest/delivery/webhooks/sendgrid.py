"""SendGrid's Event Webhook: a signed JSON list of events -> what they tell of mails. Pure; needs the extra "webhooks".

SendGrid signs a timestamp and the whole body (ECDSA on P-256 with SHA-256); the public key is shown where "Signed Event
Webhook" is switched on. Mails are named by the argument that our header X-SMTPAPI gives them (`HEADER`: SendGrid takes
it out), and by `smtp-id`, which is our Message-ID where the sender's domain is authenticated with SendGrid.

| event                                       | verdict                                                         |
|---------------------------------------------|-----------------------------------------------------------------|
| bounce                                      | by its status or the server's words, else by its classification |
| - Invalid Address; none, and type bounce    | hard                                                            |
| - Mailbox Unavailable, Technical            | soft, and counts                                                |
| - any other; none, and type blocked         | soft, and does not count                                        |
| dropped: Bounced Address, Invalid           | hard: SendGrid itself writes to this address no more            |
| dropped: Spam Reporting Address             | complaint: an earlier mail was called spam                      |
| dropped for any other reason                | soft, and does not count                                        |
| spamreport                                  | complaint                                                       |
| deferred                                    | delayed                                                         |
| any other event                             | nothing                                                         |

Source: twilio.com/docs/sendgrid, "Event Webhook Reference" and "Getting Started with the Event Webhook Security
Features".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from digest.delivery.webhooks.reading import (
    COMPLAINT,
    FULL,
    HARD,
    OURS,
    Verdict,
    failed,
    header,
    in_time,
    need_cryptography,
    parsed,
    said,
    text,
)
from digest.model.errors import ConfigError, Forged, InputError
from digest.model.mail import Report, Reported, ReportKind

#: Names a mail to SendGrid; NAME stands for what names it.
HEADER = 'X-SMTPAPI: {"unique_args":{"digest":"NAME"}}'
#: SendGrid repeats for 24 hours, and does not say that it signs each time anew.
LONGEST = timedelta(hours=25)
_WHERE = "webhook sendgrid"
_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_BY_CLASS: Mapping[str, Verdict] = {"invalid address": HARD, "mailbox unavailable": FULL, "technical": FULL}
_DROPPED: Mapping[str, Verdict] = {
    "bounced address": HARD,
    "invalid": HARD,
    "spam reporting address": COMPLAINT,
}

#: Whether (signature, signed bytes) is of a key.
Fits = Callable[[bytes, bytes], bool]


def public_key(written: str) -> Fits:
    """The key as SendGrid shows it: base64 of its DER form, or the same as PEM.

    Raises ConfigError for any other, and without the extra "webhooks".
    """
    need_cryptography("sendgrid_key")
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    lines = [line for line in written.splitlines() if not line.startswith("-----")]
    try:
        key = load_der_public_key(base64.b64decode("".join("".join(lines).split()), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(
            "is no public key of SendGrid",
            where="[webhooks] sendgrid_key",
            try_='copy the verification key whole from "Signed Event Webhook" in SendGrid\'s Mail Settings',
        )

    def fits(signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return fits


def read(headers: Mapping[str, str], body: bytes, *, key: Fits, now: datetime) -> tuple[Report, ...]:
    """What a request reports, event by event. ``headers`` have names in lower case. Raises Forged and InputError."""
    stamp = header(headers, _TIMESTAMP)
    try:
        signature = base64.b64decode(header(headers, _SIGNATURE).encode("latin-1", "replace"), validate=True)
    except binascii.Error:
        signature = b""
    if not (signature and stamp and key(signature, stamp.encode("latin-1", "replace") + body)):
        raise Forged(
            "the signature does not fit the body",
            where=_WHERE,
            try_='sendgrid_key must be the key of "Signed Event Webhook", and no proxy may change the body',
        )
    in_time(stamp, now, LONGEST, _WHERE)
    events = parsed(body, _WHERE)
    if not isinstance(events, list):
        raise InputError("the body is no list of events", where=_WHERE, try_="look at what SendGrid, or a proxy, sends")
    return tuple(_reports(events))  # pyright: ignore[reportUnknownArgumentType]


def _reports(events: list[object]) -> Iterator[Report]:
    for event in events:
        about = _reported(event)
        if about is not None:
            path = text(event, "digest")
            yield Report(
                kind=about.kind,
                paths=(path,) if path else (),
                recipients=(about,),
                message_id=text(event, "smtp-id"),
            )


def _reported(event: object) -> Reported | None:
    address, kind, reason = text(event, "email"), text(event, "event"), text(event, "reason")
    if not address:
        return None
    if kind == "spamreport":
        return said(address, COMPLAINT, words="called spam (SendGrid)")
    if kind == "deferred":
        return said(address, (ReportKind.DELAYED, False), words=text(event, "response"))
    if kind == "dropped":
        return said(address, _DROPPED.get(reason.lower(), OURS), words=f"dropped by SendGrid: {reason}")
    if kind != "bounce":
        return None
    classed = text(event, "bounce_classification").lower()
    unclassed = HARD if text(event, "type") == "bounce" and classed in ("", "unclassified") else OURS
    return failed(address, text(event, "status"), reason, _BY_CLASS.get(classed, unclassed))
