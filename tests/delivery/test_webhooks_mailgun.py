"""What Mailgun signed becomes a report; what it did not sign is refused."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from digest.delivery.webhooks import mailgun
from digest.model.errors import Forged, InputError
from digest.model.mail import Report, Reported, ReportKind
from tests.delivery import hooks
from tests.delivery.hooks import ADA, MAILGUN_KEY, MESSAGE_ID, NOW, PATH, mailgun_event

HARD, SOFT, COMPLAINT, DELAYED = ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT, ReportKind.DELAYED


def read(asked, *, now=NOW):
    return mailgun.read(asked.body, key=MAILGUN_KEY, now=now)


def verdict(event) -> tuple[ReportKind, bool] | None:
    reports = read(hooks.mailgun(event))
    return (reports[0].recipients[0].kind, reports[0].recipients[0].counts) if reports else None


def status(code, message, **more):
    return {"delivery-status": {"code": code, "message": message, **more}}


def test_a_failure_is_a_report_with_the_server_s_words_and_the_mail_s_names():
    about = Reported(kind=HARD, final=ADA, status="5.1.1", text="550 5.1.1 No such user", remote_mta="mx.example.net")
    report = Report(kind=HARD, paths=(PATH,), recipients=(about,), message_id=MESSAGE_ID)
    assert read(hooks.mailgun(mailgun_event())) == (report,)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (status(550, "5.1.1 No such user"), (HARD, True)),
        (status(550, "No such user here"), (HARD, True)),
        (status(550, "refused", **{"enhanced-code": "5.1.1"}), (HARD, True)),
        (status(550, "refused", **{"bounce-code": "5.2.2"}), (SOFT, True)),
        (status(550, "5.7.1 spam, we think"), (SOFT, False)),
        ({"reason": "espblock", **status(550, "blocked")}, (SOFT, False)),
        ({"reason": "generic", **status(498, "No MX for example.org")}, (SOFT, False)),
        ({"reason": "old", **status(602, "Too old")}, (SOFT, True)),
        ({"reason": "bounce", **status(550, "go away")}, (HARD, True)),
        ({"reason": "suppress-bounce", **status(605, "Not delivering to previously bounced address")}, (HARD, True)),
        ({"reason": "suppress-complaint", **status(607, "Not delivering to a user who complained")}, (COMPLAINT, True)),
        ({"reason": "suppress-unsubscribe", **status(606, "Not delivering to unsubscribed")}, (SOFT, False)),
        ({"reason": "generic", "severity": "temporary", **status(450, "4.7.1 greylisted")}, (DELAYED, False)),
        ({"event": "complained"}, (COMPLAINT, True)),
        ({"event": "delivered"}, None),
        ({"event": "unsubscribed"}, None),
        ({"recipient": ""}, None),
    ],
)
def test_a_status_or_the_words_decide_and_else_the_reason(fields, expected):
    assert verdict(mailgun_event(**fields)) == expected


def test_what_another_key_signed_is_refused():
    with pytest.raises(Forged, match="signature"):
        read(hooks.mailgun(mailgun_event(), key="another"))


@pytest.mark.parametrize(
    "signature",
    [
        None,
        {},
        [],
        "text",
        {"timestamp": "", "token": "", "signature": ""},
        {"timestamp": None, "token": None, "signature": None},
        {"timestamp": "1777874400", "token": "a", "signature": "é" * 64},
        {"timestamp": "1777874400", "token": "\ud800", "signature": "\ud800"},
        {"timestamp": True, "token": {}, "signature": 5},
    ],
)
def test_a_signature_that_is_none_is_refused(signature):
    whole = json.loads(hooks.mailgun(mailgun_event()).body) | {"signature": signature}
    with pytest.raises(Forged):
        mailgun.read(json.dumps(whole).encode(), key=MAILGUN_KEY, now=NOW)


def test_the_age_is_checked_after_the_signature_and_lasts_as_long_as_mailgun_repeats():
    asked = hooks.mailgun(mailgun_event())
    assert read(asked, now=NOW + timedelta(hours=8))
    for now in (NOW + timedelta(hours=10), NOW - timedelta(hours=1)):
        with pytest.raises(Forged, match="too old"):
            read(asked, now=now)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 200_000, hooks.mailgun(mailgun_event()).body[:-20]])
def test_what_is_cut_off_cannot_be_read(body):
    with pytest.raises(InputError, match="not JSON"):
        mailgun.read(body, key=MAILGUN_KEY, now=NOW)
