"""What SNS signed is believed, and nothing else; what SES says becomes a report."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from digest.delivery.webhooks import ses
from digest.model.errors import FetchError, Forged, InputError
from digest.model.mail import Report, Reported, ReportKind
from tests.delivery.hooks import ADA, CERTIFICATE, HOST, MESSAGE_ID, NOW, PATH, TOPIC, amazon, bounced, complained, sns

HARD, SOFT, COMPLAINT, DELAYED = ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT, ReportKind.DELAYED


def read(asked, *, topics=(TOPIC,), pem=None, now=NOW) -> ses.Notice:
    def certificate(url: str) -> bytes:
        assert url == CERTIFICATE
        return amazon().pem if pem is None else pem

    return ses.read(asked.body, topics=topics, certificate=certificate, now=now)


def verdict(message) -> tuple[ReportKind, bool] | None:
    reports = read(sns(message)).reports
    return (reports[0].recipients[0].kind, reports[0].recipients[0].counts) if reports else None


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_bounce_is_a_report_with_the_server_s_words_and_the_mail_s_names(version):
    about = Reported(
        kind=HARD, final=ADA, status="5.1.1", text="smtp; 550 5.1.1 user unknown", remote_mta="mx.example.net"
    )
    report = Report(kind=HARD, paths=(PATH,), recipients=(about,), message_id=f"<{MESSAGE_ID}>")
    assert read(sns(bounced(message_id=MESSAGE_ID), version=version)) == ses.Notice(reports=(report,))


def test_the_names_of_a_message_with_common_headers_only():
    message = bounced()
    message["mail"]["commonHeaders"] = {"messageId": MESSAGE_ID}
    assert read(sns(message)).reports[0].message_id == MESSAGE_ID


@pytest.mark.parametrize(
    ("kind", "detail", "status", "words", "expected"),
    [
        ("Permanent", "General", None, None, (HARD, True)),
        ("Permanent", "NoEmail", None, None, (HARD, True)),
        ("Permanent", "OnAccountSuppressionList", None, "Amazon SES did not send it", (HARD, True)),
        ("Permanent", "General", "5.0.0", "smtp; 550 refused", (HARD, True)),
        ("Permanent", "General", "5.7.1", "smtp; 550 5.7.1 blocked by policy", (SOFT, False)),
        ("Permanent", "UnsubscribedRecipient", None, None, (SOFT, False)),
        ("Transient", "MailboxFull", None, None, (SOFT, True)),
        ("Transient", "MailboxFull", "4.2.2", "smtp; 452 4.2.2 over quota", (SOFT, True)),
        ("Transient", "General", None, None, (SOFT, False)),
        ("Transient", "MessageTooLarge", None, None, (SOFT, False)),
        ("Undetermined", "Undetermined", None, None, (SOFT, False)),
        ("Something", "New", None, None, (SOFT, False)),
    ],
)
def test_a_status_decides_and_else_the_type(kind, detail, status, words, expected):
    assert verdict(bounced(kind, detail, status=status, words=words)) == expected


def test_event_publishing_says_the_same_under_another_name():
    assert verdict(bounced(event="eventType")) == (HARD, True)
    late = {"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{"emailAddress": ADA}]}}
    assert verdict(late) == (DELAYED, False)


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [
        ("abuse", (COMPLAINT, True)),
        (None, (COMPLAINT, True)),
        ("virus", (COMPLAINT, True)),
        ("not-spam", None),
        ("auth-failure", None),
    ],
)
def test_a_complaint_is_one_unless_it_is_the_contrary(feedback, expected):
    assert verdict(complained(feedback)) == expected


@pytest.mark.parametrize(
    "message",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        {"notificationType": "Delivery", "mail": {}, "delivery": {}},
        {"notificationType": "Bounce", "bounce": {"bouncedRecipients": []}},
        "",
    ],
)
def test_what_is_no_bounce_is_taken_and_says_nothing(message):
    assert read(sns(message)) == ses.Notice()


def test_a_question_is_answered_at_amazon_only():
    asked = sns("You have chosen to subscribe", kind="SubscriptionConfirmation")
    assert read(asked) == ses.Notice(confirm=f"{HOST}/?Action=ConfirmSubscription&Token=2336412f37")
    for url in ("https://evil.example/?Action=x", "http://sns.eu-west-1.amazonaws.com/?x", f"{HOST}.evil.example/?x"):
        with pytest.raises(Forged, match="leads away"):
            read(sns("You", kind="SubscriptionConfirmation", SubscribeURL=url))
    assert read(sns("Bye", kind="UnsubscribeConfirmation")) == ses.Notice()


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": json.dumps(bounced(address="bo@example.org"))},
        {"Subject": None},
        {"Subject": "another"},
        {"MessageId": "x"},
        {"Signature": "AAAA"},
        {"Signature": "not base64 ü"},
        {"Signature": 5},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"Message": "\ud800"},
    ],
)
def test_what_was_changed_after_signing_is_refused(changed):
    with pytest.raises(Forged, match="signature"):
        read(sns(bounced(), **changed))


def test_another_key_another_certificate_and_one_that_is_over_are_refused():
    with pytest.raises(Forged):
        read(sns(bounced(), signing=amazon("somebody else")))
    for pem in (amazon("somebody else").pem, b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n"):
        with pytest.raises(Forged):
            read(sns(bounced()), pem=pem)
    old = amazon("old", days=10)
    with pytest.raises(Forged):
        read(sns(bounced(), signing=old), pem=old.pem)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/SimpleNotificationService-1.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.s3-eu-west-1.amazonaws.com/evil.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
        f"{HOST}/a.pem?x=y",
        f"{HOST}/../a.pem",
        f"{HOST}/?a.pem",
        f"{HOST}/a.pem\n",
        "/a.pem",
        "",
    ],
)
def test_a_certificate_elsewhere_is_not_even_asked_for(url):
    def certificate(url: str) -> bytes:
        raise AssertionError(url)

    with pytest.raises(Forged, match="certificate"):
        ses.read(sns(bounced(), SigningCertURL=url).body, topics=(TOPIC,), certificate=certificate, now=NOW)


def test_china_has_a_host_of_its_own():
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:bounces"
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem"
    asked = sns(bounced(), TopicArn=topic, SigningCertURL=url)
    assert ses.read(asked.body, topics=(topic,), certificate=lambda _: amazon().pem, now=NOW).reports


def test_a_topic_that_is_not_configured_is_refused_however_well_it_is_signed():
    for topic in (TOPIC + "2", "arn:aws:sns:eu-west-1:999999999999:bounces", "", 7, None):
        with pytest.raises(Forged, match="ses_topics"):
            read(sns(bounced(), TopicArn=topic))


def test_an_old_message_is_refused_and_one_that_amazon_repeats_within_the_hour_is_not():
    assert read(sns(bounced()), now=NOW + timedelta(hours=1)).reports
    for now in (NOW + timedelta(hours=2), NOW - timedelta(hours=1)):
        with pytest.raises(Forged, match="too old"):
            read(sns(bounced()), now=now)
    for stamp in ("", "yesterday", "2026-05-04", 5, None, "0001-01-01T00:00:00.000Z"):
        with pytest.raises(Forged):
            read(sns(bounced(), Timestamp=stamp))


def test_a_certificate_that_cannot_be_had_is_no_forgery():
    def certificate(url: str) -> bytes:
        raise FetchError("no answer", where=url)

    with pytest.raises(FetchError):
        ses.read(sns(bounced()).body, topics=(TOPIC,), certificate=certificate, now=NOW)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"TopicArn": 1' + b"0" * 5_000 + b"}"])
def test_what_is_no_json_cannot_be_read(body):
    with pytest.raises(InputError, match="not JSON"):
        ses.read(body, topics=(TOPIC,), certificate=lambda _: b"", now=NOW)
