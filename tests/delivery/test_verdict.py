"""What a report's status and words say: is there no such mailbox, does it count, how exactly is it known?"""

from __future__ import annotations

import pytest

from digest.delivery.verdict import status_in, verdict
from digest.model.mail import ReportKind

HARD, SOFT = ReportKind.HARD, ReportKind.SOFT


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        *((code, "", (HARD, True, code)) for code in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")),
        *((code, "", (SOFT, True, code)) for code in ("5.2.2", "4.2.2", "4.4.1", "4.4.7", "5.4.4", "5.4.1", "4.3.2")),
        *((code, "", (SOFT, False, code)) for code in ("5.7.1", "4.7.1", "5.7.26", "5.3.4", "5.6.0", "5.2.3")),
        ("5.0.0", "550 No such user here", (HARD, True, "5.0.0")),
        ("5.0.0", "550 5.1.1 sorry", (HARD, True, "5.1.1")),
        ("5.0.0", "552 5.2.2 sorry", (SOFT, True, "5.2.2")),
        ("5.0.0", "550 5.7.1 no such user", (SOFT, False, "5.7.1")),
        ("5.0.0", "550 not today", (SOFT, False, "5.0.0")),
        ("5.0.0", "450 user unknown, try again later", (SOFT, False, "5.0.0")),
        ("5.5.0", "550 5.5.0 mailbox unavailable", (SOFT, True, "5.5.0")),
        ("5.1.0", "550 5.1.0 unknown user", (HARD, True, "5.1.0")),
        ("5.7.0", "550 unknown user", (SOFT, False, "5.7.0")),
        ("", "The mailbox is full; user unknown to be reading", (SOFT, True, "")),
        ("", "The user ada@x.example could not be found", (HARD, True, "")),
        ("", "The host could not be found", (SOFT, False, "")),
        ("", "The account has been disabled", (HARD, True, "")),
        ("", "The link has been disabled", (SOFT, False, "")),
        ("", "User ada (a@x.example) not listed in public Name & Address Book", (HARD, True, "")),
        ("", "", (SOFT, False, "")),
        ("5.2.1", "550 5.2.1 receiving mail at a rate that prevents more", (SOFT, False, "5.2.1")),
    ],
)
def test_the_table_of_verdicts(status, text, expected):
    assert verdict(status, text) == expected


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("550 5.1.1 x", "5.1.1"),
        ("(#5.1.1)", "5.1.1"),
        ("5.1.10.", "5.1.10"),
        ("host 5.1.1.2 and 15.1.1", ""),
        ("version 3.1.1", ""),
        ("", ""),
    ],
)
def test_a_status_is_found_and_an_ip_address_is_none(text, status):
    assert status_in(text) == status
