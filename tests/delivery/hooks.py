"""Webhook requests as the providers send them, written for these tests after their documents and signed with keys of
their own. TOKEN stands for what names a mail: its return path.
"""

from __future__ import annotations

import base64
import hmac
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
PATH = "mail+b2a-0123456789abcdef0123@digest"
MESSAGE_ID = "00112233445566778899aabbccddeeff@list.example.org"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
HOST = "https://sns.eu-west-1.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
PASSWORD = "päss:word"
MAILGUN_KEY = "key-0123456789abcdef"
ADA = "ada@example.org"


@dataclass(frozen=True)
class Asked:
    """A request: headers with names in lower case, and the body."""

    headers: dict[str, str]
    body: bytes


# --- Amazon SES, by SNS


@dataclass(frozen=True)
class Signing:
    key: rsa.RSAPrivateKey
    pem: bytes


@cache
def amazon(name: str = "sns.amazonaws.com", days: int = 3650) -> Signing:
    """A key with its certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days))
        .sign(key, SHA256())
    )
    return Signing(key, made.public_bytes(Encoding.PEM))


def bounced(
    kind: str = "Permanent",
    detail: str = "General",
    *,
    address: str = ADA,
    status: str | None = "5.1.1",
    words: str | None = "smtp; 550 5.1.1 user unknown",
    source: str = "",
    message_id: str = "",
    event: str = "notificationType",
) -> dict[str, object]:
    told = {"emailAddress": address, "action": "failed", "status": status, "diagnosticCode": words}
    return {
        event: "Bounce",
        "bounce": {
            "bounceType": kind,
            "bounceSubType": detail,
            "bouncedRecipients": [{key: value for key, value in told.items() if value is not None}],
            "timestamp": "2026-05-04T05:59:59.000Z",
            "feedbackId": "01000-000000",
            "reportingMTA": "dns; mx.example.net",
        },
        "mail": ses_mail(source, message_id),
    }


def complained(feedback: str | None = "abuse", *, address: str = ADA, source: str = "", message_id: str = ""):
    complaint = {"complainedRecipients": [{"emailAddress": address}], "feedbackId": "01000-000001"}
    if feedback is not None:
        complaint["complaintFeedbackType"] = feedback
    return {"notificationType": "Complaint", "complaint": complaint, "mail": ses_mail(source, message_id)}


def ses_mail(source: str, message_id: str) -> dict[str, object]:
    mail: dict[str, object] = {"timestamp": "2026-05-04T05:30:00.000Z", "messageId": "0102-aaaa", "destination": [ADA]}
    mail["source"] = source or PATH
    if message_id:
        headers = [{"name": "From", "value": "x"}, {"name": "Message-ID", "value": f"<{message_id}>"}]
        mail |= {"headersTruncated": False, "headers": headers}
    return mail


def sns(
    message: object,
    *,
    signing: Signing | None = None,
    version: str = "2",
    at: datetime = NOW,
    kind: str = "Notification",
    **changed: object,
) -> Asked:
    """A message of SNS; ``changed`` after signing."""
    told: dict[str, object] = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    }
    if kind == "Notification":
        told |= {"Subject": "Amazon SES Email Event Notification", "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe"}
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    else:
        told |= {"Token": "2336412f37", "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription&Token=2336412f37"}
        names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    early = {name: value for name, value in changed.items() if name in ("TopicArn", "SubscribeURL", "SigningCertURL")}
    told |= early
    signed = "".join(f"{name}\n{told[name]}\n" for name in names).encode("utf-8", "surrogatepass")
    how = SHA1() if version == "1" else SHA256()
    told["Signature"] = base64.b64encode((signing or amazon()).key.sign(signed, PKCS1v15(), how)).decode()
    told |= changed
    headers = {"x-amz-sns-message-type": kind, "content-type": "text/plain; charset=UTF-8"}
    return Asked(headers, json.dumps(told).encode())


# --- Mailgun


def mailgun_event(event: str = "failed", **fields: object) -> dict[str, object]:
    return {
        "event": event,
        "recipient": ADA,
        "timestamp": 1777874400.5,
        "severity": "permanent",
        "reason": "bounce",
        "envelope": {"sender": PATH, "transport": "smtp", "targets": ADA},
        "message": {"headers": {"to": ADA, "message-id": MESSAGE_ID, "from": "digest@example.org"}},
        "delivery-status": {"code": 550, "message": "5.1.1 No such user", "mx-host": "mx.example.net", "attempt-no": 1},
        **fields,
    }


def mailgun(event: object, *, key: str = MAILGUN_KEY, at: datetime = NOW) -> Asked:
    stamp, token = str(int(at.timestamp())), "0123456789abcdef" * 3
    signature = hmac.digest(key.encode(), (stamp + token).encode(), "sha256").hex()
    whole = {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": event}
    return Asked({"content-type": "application/json"}, json.dumps(whole).encode())


# --- SendGrid


@cache
def sendgrid_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def sendgrid_public(key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """The key as the dashboard shows it."""
    public = (key or sendgrid_key()).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def sendgrid_event(event: str = "bounce", **fields: object) -> dict[str, object]:
    told: dict[str, object] = {
        "email": ADA,
        "timestamp": 1777874400,
        "event": event,
        "sg_event_id": "bounce-0-1",
        "sg_message_id": "u9Gvi3mzT6iC2poAb58_qQ.recvd-1",
        "smtp-id": f"<{MESSAGE_ID}>",
        "digest": PATH,
    }
    if event == "bounce":
        told |= {"status": "5.1.1", "reason": "550 5.1.1 The account does not exist", "type": "bounce"}
    return {name: value for name, value in (told | fields).items() if value is not None}


def sendgrid(
    events: object, *, key: ec.EllipticCurvePrivateKey | None = None, at: datetime = NOW, body: bytes | None = None
) -> Asked:
    raw = json.dumps(events).encode() if body is None else body
    stamp = str(int(at.timestamp()))
    signature = (key or sendgrid_key()).sign(stamp.encode() + raw, ec.ECDSA(SHA256()))
    headers = {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": stamp,
    }
    return Asked(headers, raw)


# --- Postmark


def postmark_event(kind: str = "HardBounce", record: str = "Bounce", **fields: object) -> dict[str, object]:
    return {
        "RecordType": record,
        "MessageStream": "broadcast",
        "ID": 4323372036854775807,
        "Type": kind,
        "TypeCode": 1,
        "Name": "Hard bounce",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Metadata": {"digest": PATH},
        "Description": "The server was unable to deliver your message",
        "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist",
        "Email": ADA,
        "From": "digest@example.org",
        "BouncedAt": "2026-05-04T05:59:59.0000000Z",
        "Inactive": True,
        "Content": "",
        **fields,
    }


def postmark(event: object, *, password: str = PASSWORD) -> Asked:
    pair = base64.b64encode(f"digest:{password}".encode()).decode()
    return Asked({"authorization": f"Basic {pair}"}, json.dumps(event).encode())


# --- what is wrong

_ODD: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "ü\ud800\0",
    "x" * 3_000,
    [],
    [[]],
    {},
    {"a": {}},
    [None],
)


def odd(chance: random.Random, value: object) -> object:
    """The same with something of another type somewhere."""
    if chance.random() < 0.15:
        return chance.choice(_ODD)
    if isinstance(value, dict):
        return {key: odd(chance, one) for key, one in value.items() if chance.random() > 0.05}
    if isinstance(value, list):
        return [odd(chance, one) for one in value] * chance.randrange(1, 3)
    return value
