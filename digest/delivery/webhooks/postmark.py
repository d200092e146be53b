"""Postmark's webhooks: a JSON body behind a password -> what it tells of one mail. Pure.

Postmark signs nothing; it shows the name and password that stand in the webhook's address (HTTP Basic). Mails are named
by the metadata that our header X-PM-Metadata-digest gives them (`HEADER`: Postmark takes it out), for Postmark gives
every mail a Message-ID and a return path of its own.

| type                                              | verdict                                                   |
|---------------------------------------------------|-----------------------------------------------------------|
| SpamComplaint                                     | complaint                                                 |
| HardBounce, BadEmailAddress                       | by the status in the report or the words, else hard       |
| SoftBounce, DnsError                              | by the same, else soft, and counts                        |
| Transient                                         | delayed: Postmark goes on trying                          |
| AutoResponder, ChallengeVerification, Unsubscribe | nothing: written by the recipient, or his machine         |
| Subscribe, AddressChange, OpenRelayTest           | nothing                                                   |
| Blocked, SpamNotification, Unknown, any other     | by the same, else soft, and does not count                |

Source: postmarkapp.com/developer, "Bounce webhook", "Spam complaint webhook", "Bounce types"; its user guide on sending
by SMTP (metadata), and on protecting webhooks.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

from digest.delivery.dsn import read_report
from digest.delivery.webhooks.reading import (
    COMPLAINT,
    FULL,
    HARD,
    OURS,
    Verdict,
    failed,
    header,
    parsed,
    raw,
    said,
    text,
)
from digest.model.errors import Forged
from digest.model.mail import Report, Reported, ReportKind

#: Names a mail to Postmark; NAME stands for what names it.
HEADER = "X-PM-Metadata-digest: NAME"
_WHERE = "webhook postmark"
_BY_TYPE: Mapping[str, Verdict] = {
    "HardBounce": HARD,
    "BadEmailAddress": HARD,
    "SoftBounce": FULL,
    "DnsError": FULL,
}
_NOTHING = frozenset(
    {"AutoResponder", "ChallengeVerification", "Unsubscribe", "Subscribe", "AddressChange", "OpenRelayTest"}
)


def read(headers: Mapping[str, str], body: bytes, *, password: str) -> tuple[Report, ...]:
    """What a request reports: one mail, or nothing. ``headers`` have names in lower case. Raises Forged, InputError."""
    _verify(header(headers, "authorization"), password)
    whole = parsed(body, _WHERE)
    about = _reported(whole)
    if about is None:
        return ()
    path = text(whole, "Metadata", "digest")
    return (Report(kind=about.kind, paths=(path,) if path else (), recipients=(about,)),)


def _verify(authorization: str, password: str) -> None:
    scheme, _, encoded = authorization.strip().partition(" ")
    try:
        pair = base64.b64decode(encoded.strip().encode("latin-1", "replace"), validate=True)
    except binascii.Error:
        pair = b""
    given = pair.partition(b":")[2]
    if not hmac.compare_digest(given, password.encode()) or scheme.lower() != "basic":
        raise Forged(
            "the password is wrong or missing",
            where=_WHERE,
            try_="in Postmark, give the webhook the password of postmark_password_file (Basic auth credentials)",
        )


def _reported(whole: object) -> Reported | None:
    record, kind, address = text(whole, "RecordType"), text(whole, "Type"), text(whole, "Email")
    if not address or record not in ("Bounce", "SpamComplaint") or kind in _NOTHING:
        return None
    if record == "SpamComplaint" or kind == "SpamComplaint":
        return said(address, COMPLAINT, words="called spam (Postmark)")
    words = text(whole, "Details") or text(whole, "Description")
    if kind == "Transient":
        return said(address, (ReportKind.DELAYED, False), words=words)
    otherwise = _BY_TYPE.get(kind, OURS)
    forwarded = _forwarded(whole, address)
    if forwarded is not None and forwarded.status:
        return failed(address, forwarded.status, forwarded.text or words, otherwise, server=forwarded.remote_mta)
    return failed(address, words, words or kind, otherwise)


def _forwarded(whole: object, address: str) -> Reported | None:
    """What the report that Postmark got says, where it is sent along."""
    report = read_report(raw(whole, "Content").encode("utf-8", "surrogatepass"))
    for one in report.recipients:
        if address.lower() in (one.final.lower(), one.original.lower()):
            return one
    return None
