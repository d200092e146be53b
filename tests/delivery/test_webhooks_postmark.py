"""What comes with the password becomes a report; what comes without is refused."""

from __future__ import annotations

import base64

import pytest

from digest.delivery.webhooks import postmark
from digest.model.errors import Forged, InputError
from digest.model.mail import Report, Reported, ReportKind
from tests.delivery import hooks, returned
from tests.delivery.hooks import ADA, PASSWORD, PATH, postmark_event

HARD, SOFT, COMPLAINT, DELAYED = ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT, ReportKind.DELAYED
NAMED = {sample.name: sample for sample in returned.SAMPLES}
VAGUE = {"Details": "", "Description": "The server was unable to deliver your message"}


def read(asked):
    return postmark.read(asked.headers, asked.body, password=PASSWORD)


def verdict(event) -> tuple[ReportKind, bool] | None:
    reports = read(hooks.postmark(event))
    return (reports[0].recipients[0].kind, reports[0].recipients[0].counts) if reports else None


def forwarded(name: str) -> dict[str, object]:
    return {**VAGUE, "Content": returned.mail(NAMED[name], reader=ADA).decode()}


def test_a_bounce_is_a_report_with_the_server_s_words_and_the_mail_s_name():
    words = "smtp;550 5.1.1 The email account that you tried to reach does not exist"
    about = Reported(kind=HARD, final=ADA, status="5.1.1", text=words)
    assert read(hooks.postmark(postmark_event())) == (Report(kind=HARD, paths=(PATH,), recipients=(about,)),)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (postmark_event(), (HARD, True)),
        (postmark_event(**VAGUE), (HARD, True)),
        (postmark_event("BadEmailAddress", **VAGUE), (HARD, True)),
        (postmark_event("SoftBounce", **VAGUE), (SOFT, True)),
        (postmark_event("DnsError", **VAGUE), (SOFT, True)),
        (postmark_event("Blocked", **VAGUE), (SOFT, False)),
        (postmark_event("SpamNotification", **VAGUE), (SOFT, False)),
        (postmark_event("SomethingNew", **VAGUE), (SOFT, False)),
        (postmark_event("HardBounce", Details="smtp;550 5.7.1 blocked by policy"), (SOFT, False)),
        (postmark_event("Transient", **VAGUE), (DELAYED, False)),
        (postmark_event("AutoResponder"), None),
        (postmark_event("SpamComplaint", "SpamComplaint"), (COMPLAINT, True)),
        (postmark_event("SpamComplaint"), (COMPLAINT, True)),
        (postmark_event(record="Delivery"), None),
        (postmark_event(record="SubscriptionChange"), None),
        (postmark_event(Email=""), None),
        (postmark_event("Unknown", **forwarded("postfix, no such user")), (HARD, True)),
        (postmark_event("Unknown", **forwarded("postfix, over quota")), (SOFT, True)),
        (postmark_event("HardBounce", **forwarded("postfix, policy")), (SOFT, False)),
    ],
)
def test_the_forwarded_report_or_the_words_decide_and_else_the_type(event, expected):
    assert verdict(event) == expected


def test_a_mail_without_our_metadata_is_named_by_nothing():
    for metadata in ({}, None, [], {"digest": 5.5}, "text"):
        assert read(hooks.postmark(postmark_event(Metadata=metadata)))[0].paths == ()


def basic(pair: bytes) -> str:
    return "Basic " + base64.b64encode(pair).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic ü",
        "Bearer abc",
        basic(b""),
        basic(b":"),
        basic(b"digest"),
        basic(b"digest:wrong"),
        basic(PASSWORD.encode()),
        basic(b"digest:" + PASSWORD.encode() + b"x"),
        basic(b"digest:" + PASSWORD.encode()).replace("Basic", "Digest"),
    ],
)
def test_without_the_password_nothing_is_read(authorization):
    with pytest.raises(Forged, match="password"):
        postmark.read({"authorization": authorization}, b"{", password=PASSWORD)


def test_any_name_goes_with_the_password_and_the_scheme_in_any_case():
    for given in (basic(b":" + PASSWORD.encode()), basic(b"me:" + PASSWORD.encode()).replace("Basic", "basic")):
        assert postmark.read({"authorization": given}, b"{}", password=PASSWORD) == ()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 200_000])
def test_what_is_cut_off_cannot_be_read(body):
    asked = hooks.postmark({})
    with pytest.raises(InputError, match="not JSON"):
        postmark.read(asked.headers, body, password=PASSWORD)
