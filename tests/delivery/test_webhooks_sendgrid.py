"""What SendGrid signed becomes reports, one an event; what it did not sign is refused."""

from __future__ import annotations

import builtins
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from digest.delivery.webhooks import sendgrid
from digest.model.errors import ConfigError, Forged, InputError
from digest.model.mail import Report, Reported, ReportKind
from tests.delivery import hooks
from tests.delivery.hooks import ADA, MESSAGE_ID, NOW, PATH, sendgrid_event, sendgrid_key, sendgrid_public

HARD, SOFT, COMPLAINT, DELAYED = ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT, ReportKind.DELAYED


def read(asked, *, now=NOW, body=None, **headers):
    key = sendgrid.public_key(sendgrid_public())
    return sendgrid.read(asked.headers | headers, asked.body if body is None else body, key=key, now=now)


def verdict(event) -> tuple[ReportKind, bool] | None:
    reports = read(hooks.sendgrid([event]))
    return (reports[0].recipients[0].kind, reports[0].recipients[0].counts) if reports else None


def test_each_event_of_a_batch_is_a_report_of_its_own():
    events = [sendgrid_event(), sendgrid_event("processed"), sendgrid_event("spamreport", digest=None)]
    hard = Reported(kind=HARD, final=ADA, status="5.1.1", text="550 5.1.1 The account does not exist")
    spam = Reported(kind=COMPLAINT, final=ADA, text="called spam (SendGrid)")
    assert read(hooks.sendgrid(events)) == (
        Report(kind=HARD, paths=(PATH,), recipients=(hard,), message_id=f"<{MESSAGE_ID}>"),
        Report(kind=COMPLAINT, recipients=(spam,), message_id=f"<{MESSAGE_ID}>"),
    )


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (sendgrid_event(), (HARD, True)),
        (sendgrid_event(status="5.2.2", reason="mailbox full"), (SOFT, True)),
        (sendgrid_event(status="5.7.1", reason="550 5.7.1 policy"), (SOFT, False)),
        (sendgrid_event(status=None, reason="500 unknown recipient"), (HARD, True)),
        (sendgrid_event(status=None, reason="no", bounce_classification="Invalid Address"), (HARD, True)),
        (sendgrid_event(status=None, reason="no", bounce_classification="Mailbox Unavailable"), (SOFT, True)),
        (sendgrid_event(status=None, reason="no", bounce_classification="Reputation"), (SOFT, False)),
        (sendgrid_event(status=None, reason="no", type="blocked"), (SOFT, False)),
        (sendgrid_event("dropped", reason="Bounced Address"), (HARD, True)),
        (sendgrid_event("dropped", reason="Spam Reporting Address"), (COMPLAINT, True)),
        (sendgrid_event("dropped", reason="Unsubscribed Address"), (SOFT, False)),
        (sendgrid_event("deferred", response="400 try again later"), (DELAYED, False)),
        (sendgrid_event("spamreport"), (COMPLAINT, True)),
        (sendgrid_event("open"), None),
        (sendgrid_event(email=None), None),
        ("text", None),
        ([], None),
    ],
)
def test_a_status_or_the_words_decide_and_else_the_kind(event, expected):
    assert verdict(event) == expected


def test_what_another_key_signed_and_what_was_changed_is_refused():
    asked = hooks.sendgrid([sendgrid_event()])
    with pytest.raises(Forged, match="signature"):
        read(hooks.sendgrid([sendgrid_event()], key=ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(Forged):
        read(asked, body=asked.body + b" ")
    for name in asked.headers:
        for value in ("", "x", "ü", "AAAA", "1777874401"):
            with pytest.raises(Forged):
                read(asked, **{name: value})


def test_an_old_request_is_refused_and_one_that_is_repeated_within_the_day_is_not():
    asked = hooks.sendgrid([sendgrid_event()])
    assert read(asked, now=NOW + timedelta(hours=24))
    for now in (NOW + timedelta(hours=26), NOW - timedelta(hours=1)):
        with pytest.raises(Forged, match="too old"):
            read(asked, now=now)


@pytest.mark.parametrize("body", [b"", b"[{", b"\xff\xfe", b"[" * 200_000, b"{}", b'"text"', b"7", b"null"])
def test_what_is_no_list_of_events_cannot_be_read(body):
    with pytest.raises(InputError):
        read(hooks.sendgrid([], body=body))


def test_the_key_may_be_written_as_shown_or_as_pem_and_no_other_way():
    shown = sendgrid_public()
    lines = "\n".join(shown[at : at + 64] for at in range(0, len(shown), 64))
    pem = f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
    asked = hooks.sendgrid([sendgrid_event()])
    for written in (shown, pem, f"  {shown}\n"):
        assert sendgrid.read(asked.headers, asked.body, key=sendgrid.public_key(written), now=NOW)
    other = sendgrid_public(ec.generate_private_key(ec.SECP384R1()))
    for written in ("", "key", shown[:-8], other, "ü", "A" * 90):
        with pytest.raises(ConfigError, match="no public key"):
            sendgrid.public_key(written)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "cryptography":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError) as caught:
        sendgrid.public_key(sendgrid_public())
    assert caught.value.try_ == "pip install 'digest-papers[webhooks]'"


def test_the_signature_is_of_the_timestamp_and_the_body():
    assert sendgrid.public_key(sendgrid_public())(sendgrid_key().sign(b"1x", ec.ECDSA(hooks.SHA256())), b"1x")
