"""Amazon SES: its bounces and complaints as Amazon SNS brings them, signed -> what they tell of a mail.

Pure: the certificate comes in by a function. Needs the extra "webhooks".

SNS signs the fields that count, with SHA-1 (version 1) or SHA-256 (version 2) and the RSA key of a certificate that
lies on Amazon's own host. Only that host is believed, in the region of a topic that is configured: another customer of
Amazon has topics, too, and signatures that are just as good. Mails are named by the return path, and by the Message-ID
where SNS is told to include the original headers (SES itself gives mails another).

| bounceType, bounceSubType                                  | verdict                                          |
|------------------------------------------------------------|--------------------------------------------------|
| any, with a status                                         | by the status and the server's words             |
| Permanent: General, NoEmail, Suppressed, OnAccount…        | hard                                             |
| Permanent, UnsubscribedRecipient                           | soft, and does not count                         |
| Transient, MailboxFull                                     | soft, and counts                                 |
| Transient, any other (General is an answer from a machine  | soft, and does not count                         |
| as well), Undetermined                                     |                                                  |
| Complaint, but for not-spam and auth-failure               | complaint                                        |
| DeliveryDelay                                              | delayed                                          |

Source: docs.aws.amazon.com, SES "Amazon SNS notification contents" and "Contents of event data", SNS "Verifying the
signatures of Amazon SNS messages" and "Message delivery retries" (an hour at most).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest.delivery.webhooks.reading import (
    COMPLAINT,
    FULL,
    HARD,
    OURS,
    Verdict,
    at,
    failed,
    in_time,
    items,
    parsed,
    raw,
    said,
    text,
)
from digest.model.errors import Forged, InputError
from digest.model.mail import Report, Reported, ReportKind

#: SNS repeats for an hour at most, and signs the instant at which the message was published.
LONGEST = timedelta(minutes=75)
_WHERE = "webhook ses"
_CERTIFICATE = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem")
_SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_MOST_RECIPIENTS = 50
_MOST_HEADERS = 200
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure"})
_PERMANENT: Mapping[str, Verdict] = {"UnsubscribedRecipient": OURS}
_TRANSIENT: Mapping[str, Verdict] = {"MailboxFull": FULL}


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What SNS brought: reports, or the question whether we want them."""

    reports: tuple[Report, ...] = ()
    confirm: str = ""
    """Address whose GET says yes; empty where nothing is asked."""


def read(body: bytes, *, topics: Collection[str], certificate: Callable[[str], bytes], now: datetime) -> Notice:
    """What a request holds. ``topics`` are ARNs, ``arn:aws:sns:REGION:ACCOUNT:NAME``; ``certificate`` gets the PEM at
    an address of Amazon's and may raise FetchError.

    Raises Forged for what SNS did not sign, or signed for a topic that is not among ``topics``; InputError.
    """
    whole = parsed(body, _WHERE)
    host = _verify(whole, topics, certificate, now)
    kind = raw(whole, "Type")
    if kind == "SubscriptionConfirmation":
        asked = raw(whole, "SubscribeURL")
        if not asked.startswith(f"https://{host}/?"):
            raise _forged("the question leads away from Amazon", "confirm the subscription in Amazon's console")
        return Notice(confirm=asked)
    if kind != "Notification":
        return Notice()
    # A topic may carry other messages as well, in words.
    told = raw(whole, "Message")
    message = parsed(told, _WHERE) if told.lstrip().startswith("{") else None
    report = _report(message)
    return Notice(reports=(report,) if report is not None else ())


def _forged(what: str, try_: str) -> Forged:
    return Forged(what, where=_WHERE, try_=try_)


def _verify(whole: object, topics: Collection[str], certificate: Callable[[str], bytes], now: datetime) -> str:
    """The host of the topic's region, once the signature is found to be Amazon's."""
    topic = raw(whole, "TopicArn")
    if topic not in topics:
        raise _forged(
            "the topic is not one of ses_topics", "add its ARN to ses_topics if it is yours, and leave raw delivery off"
        )
    _, partition, _, region, *_ = topic.split(":")
    host = f"sns.{region}.amazonaws.com" + (".cn" if partition == "aws-cn" else "")
    names = _SIGNED.get(raw(whole, "Type"))
    if names is None:
        raise InputError("SNS knows no such type of message", where=_WHERE, try_="look at what a proxy before us sends")
    in_time(_seconds(raw(whole, "Timestamp")), now, LONGEST, _WHERE)
    url = raw(whole, "SigningCertURL")
    if not (url.startswith(f"https://{host}/") and _CERTIFICATE.fullmatch(url.removeprefix(f"https://{host}"))):
        raise _forged(f"its certificate is not at {host}", "it is not from Amazon: nothing is to be done")
    given = ((name, raw(whole, name)) for name in names if at(whole, name) is not None)
    signed = "".join(f"{name}\n{value}\n" for name, value in given).encode("utf-8", "surrogatepass")
    if not _fits(certificate(url), signed, raw(whole, "Signature"), raw(whole, "SignatureVersion"), now):
        raise _forged("the signature does not fit the body", "it is not from Amazon, or a proxy changed it")
    return host


def _seconds(instant: str) -> str:
    """``2026-11-21T07:30:00.000Z`` as seconds since 1970; empty for anything else."""
    try:
        found = datetime.strptime(instant, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return str(max(0, int(found.timestamp())))


def _fits(pem: bytes, signed: bytes, signature: str, version: str, now: datetime) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    hashes = {"1": SHA1(), "2": SHA256()}  # noqa: S303  (SNS's own choice, unless its topic says otherwise)
    if version not in hashes:
        return False
    try:
        found = x509.load_pem_x509_certificate(pem)
        key = found.public_key()
        if not isinstance(key, RSAPublicKey) or not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            return False
        key.verify(base64.b64decode(signature, validate=True), signed, PKCS1v15(), hashes[version])
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
        return False
    return True


def _report(message: object) -> Report | None:
    kind = text(message, "notificationType") or text(message, "eventType")
    read_as = {"Bounce": _bounced, "Complaint": _complained, "DeliveryDelay": _delayed}.get(kind)
    about = tuple(read_as(message))[:_MOST_RECIPIENTS] if read_as is not None else ()
    if not about:
        return None
    gravest = next(kind for kind in ReportKind if any(one.kind is kind for one in about))
    source = text(message, "mail", "source")
    return Report(kind=gravest, paths=(source,) if source else (), recipients=about, message_id=_message_id(message))


def _message_id(message: object) -> str:
    for field in items(message, "mail", "headers")[:_MOST_HEADERS]:
        if text(field, "name").lower() == "message-id":
            return text(field, "value")
    return text(message, "mail", "commonHeaders", "messageId")


def _bounced(message: object) -> Iterator[Reported]:
    kind, detail = text(message, "bounce", "bounceType"), text(message, "bounce", "bounceSubType")
    if kind == "Permanent":
        otherwise = _PERMANENT.get(detail, HARD)
    else:
        otherwise = _TRANSIENT.get(detail, OURS) if kind == "Transient" else OURS
    server = text(message, "bounce", "reportingMTA").rpartition(";")[2].strip()
    for one in items(message, "bounce", "bouncedRecipients"):
        if address := text(one, "emailAddress"):
            words = text(one, "diagnosticCode") or f"{kind}: {detail}"
            yield failed(address, text(one, "status"), words, otherwise, server=server)


def _complained(message: object) -> Iterator[Reported]:
    feedback = text(message, "complaint", "complaintFeedbackType").lower()
    if feedback in _NO_COMPLAINT:
        return
    for one in items(message, "complaint", "complainedRecipients"):
        if address := text(one, "emailAddress"):
            yield said(address, COMPLAINT, words=f"called spam (SES): {feedback or 'abuse'}")


def _delayed(message: object) -> Iterator[Reported]:
    for one in items(message, "deliveryDelay", "delayedRecipients"):
        if address := text(one, "emailAddress"):
            yield said(address, (ReportKind.DELAYED, False), words=text(one, "diagnosticCode"))
