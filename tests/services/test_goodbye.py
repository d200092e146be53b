"""Who is removed by another is told so, once; who leaves by himself gets no mail after it."""

from __future__ import annotations

import pytest

from digest.model.errors import NotFound
from digest.model.people import SubscriptionState, SuppressionReason
from tests.services.road import Road

ADA = "ada@example.org"


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, {"name": "daily", "title": "The Daily"}, {"name": "weekly"})
    yield made
    made.app.close()


def test_who_is_removed_gets_one_line_and_no_list_headers(road):
    road.reader(ADA, digest="daily", language="de")
    assert [road.app.goodbye.remove(ADA), road.app.goodbye.remove(ADA)] == [1, 0]
    road.deliver()
    (mail,) = road.mails()
    assert "The Daily" in str(mail["Subject"])
    assert (mail["List-Unsubscribe"], mail["List-Id"]) == (None, None)
    assert road.app.subscribe.show(ADA)[0].state is SubscriptionState.UNSUBSCRIBED


def test_of_one_digest_or_of_each(road):
    for name in ("daily", "weekly"):
        road.reader(ADA, digest=name)
        road.reader("bo@example.org", digest=name)
    assert (road.app.goodbye.remove(ADA, "daily"), road.app.goodbye.remove("bo@example.org")) == (1, 2)
    assert road.rows() == [
        (ADA, "daily", "queued"),
        ("bo@example.org", "daily", "queued"),
        ("bo@example.org", "weekly", "queued"),
    ]


def test_who_never_said_yes_or_must_not_be_written_to_is_not_mailed(road):
    road.app.subscribe.add("pending@example.org", "daily", state=SubscriptionState.PENDING)
    road.reader(ADA, digest="daily")
    road.app.subscribe.suppress(ADA, SuppressionReason.COMPLAINT)
    assert [road.app.goodbye.remove(one) for one in ("pending@example.org", ADA)] == [1, 1]
    road.deliver()
    assert road.rows() == [(ADA, "daily", "suppressed")]


def test_who_leaves_by_himself_gets_no_mail_after_it(road):
    held = road.reader(ADA, digest="daily")
    road.app.subscribe.leave_by_token(held.secret)
    assert road.rows() == []


def test_nobody_is_nobody(road):
    with pytest.raises(NotFound, match="is not a subscriber"):
        road.app.goodbye.remove("nobody@example.org")
