"""Rightly signed requests with wrong types everywhere: reports with what could be read, or a refusal, never a fault."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from digest.delivery.webhooks import mailgun, postmark, sendgrid, ses
from digest.model.errors import Forged, InputError
from digest.model.mail import Report, ReportKind
from tests.delivery import hooks
from tests.delivery.hooks import MAILGUN_KEY, NOW, PASSWORD, TOPIC, Asked, odd


def ses_read(asked: Asked) -> tuple[Report, ...]:
    return ses.read(asked.body, topics=(TOPIC,), certificate=lambda _: hooks.amazon().pem, now=NOW).reports


def sendgrid_read(asked: Asked) -> tuple[Report, ...]:
    key = sendgrid.public_key(hooks.sendgrid_public())
    return sendgrid.read(asked.headers, asked.body, key=key, now=NOW)


READ: dict[str, Callable[[Asked], tuple[Report, ...]]] = {
    "ses": ses_read,
    "mailgun": lambda asked: mailgun.read(asked.body, key=MAILGUN_KEY, now=NOW),
    "sendgrid": sendgrid_read,
    "postmark": lambda asked: postmark.read(asked.headers, asked.body, password=PASSWORD),
}
WELL: dict[str, tuple[Callable[[object], Asked], tuple[object, ...]]] = {
    "ses": (hooks.sns, (hooks.bounced(message_id=hooks.MESSAGE_ID), hooks.complained())),
    "mailgun": (hooks.mailgun, (hooks.mailgun_event(), hooks.mailgun_event("complained"))),
    "sendgrid": (hooks.sendgrid, ([hooks.sendgrid_event(), hooks.sendgrid_event("dropped")],)),
    "postmark": (hooks.postmark, (hooks.postmark_event(), hooks.postmark_event(record="SpamComplaint"))),
}


@pytest.mark.parametrize("provider", WELL)
def test_wrong_types_within_what_is_signed_are_passed_over(provider):
    chance = random.Random(8)
    make, samples = WELL[provider]
    found = 0
    for _ in range(300):
        asked = make(odd(chance, chance.choice(samples)))
        try:
            reports = READ[provider](asked)
        except InputError:
            continue
        found += len(reports)
        for report in reports:
            said = [report.message_id, *report.paths]
            for one in report.recipients:
                said += [one.final, one.status, one.text, one.remote_mta]
                assert one.kind in (ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT, ReportKind.DELAYED)
            assert all(text.isprintable() and len(text) <= 1_000 for text in said)
            assert report.kind in {one.kind for one in report.recipients}
    assert found > 30


@pytest.mark.parametrize("provider", WELL)
def test_wrong_types_around_it_are_refused(provider):
    chance = random.Random(9)
    make, samples = WELL[provider]
    asked = make(samples[0])
    for _ in range(300):
        body = json.dumps(odd(chance, json.loads(asked.body))).encode()
        try:
            READ[provider](Asked(asked.headers, body))
        except (Forged, InputError):
            continue
