"""A reader who wants no mail until a day: nothing is planned, nothing old is poured out after it, and why is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from digest.model.editions import Digest, Edition
from digest.model.errors import InputError
from digest.model.mail import Message
from digest.model.people import Subscription, SubscriptionState
from digest.services.readers.people_csv import export_subscriptions
from digest.services.readers.subscribe import Choices, Joining
from tests.services.road import DAY, SLOT, Road, paper

MONDAY = date(2026, 5, 4)


@pytest.fixture
def road(url: str, tmp_path: Path) -> Iterator[Road]:
    road = Road.open(tmp_path, url, {"name": "daily"}, {"name": "weekly", "days": ["mon"]})
    yield road
    road.app.close()


def day_of(road: Road, number: int, *papers: int) -> None:
    """The day after so many days: these papers are new, and the slot is published and sent."""
    road.now = SLOT + number * DAY + timedelta(minutes=1)
    road.bring(*map(paper, papers), at=road.now - timedelta(hours=3))
    road.publish(digests=["daily"])
    road.deliver()


def mine(road: Road, digest: str = "daily") -> Subscription:
    return next(one for one in road.app.subscribe.show("ada@example.org") if one.digest == digest)


def test_a_pause_leaves_out_its_days_and_nothing_old_comes_after_it(road: Road):
    """Ten days away, and then the usual window of three days: not the ten days that were missed."""
    road.reader(digest="daily")
    road.reader("bo@example.org", digest="daily")
    day_of(road, 0, 1)
    until = MONDAY + timedelta(days=11)
    assert road.app.subscribe.pause(mine(road), until).paused_until == until
    for number in range(1, 11):
        day_of(road, number, 1 + number)
    assert len(road.rows("ada@example.org")) == 1
    assert len(road.rows("bo@example.org")) == 11
    day_of(road, 11, 12)
    assert road.printed_for("ada@example.org") == [["1"], ["10", "11", "12"]]
    day_of(road, 12, 13)
    assert road.printed_for("ada@example.org")[2] == ["13"]


def test_what_was_sent_before_a_pause_is_not_sent_after_it(road: Road):
    """A pause within the window: the work of the first day stays sent."""
    road.reader(digest="daily")
    day_of(road, 0, 1)
    road.app.subscribe.pause(mine(road), MONDAY + timedelta(days=2))
    day_of(road, 1, 2)
    day_of(road, 2, 3)
    assert road.printed_for("ada@example.org") == [["1"], ["2", "3"]]


def test_whoever_resumes_gets_the_edition_of_that_very_day(road: Road):
    road.reader(digest="daily")
    day_of(road, 0, 1)
    road.app.subscribe.pause(mine(road), MONDAY + timedelta(days=60))
    for number in range(1, 9):
        day_of(road, number, 1 + number)
    road.now += timedelta(hours=4)
    resumed = road.app.subscribe.resume(mine(road))
    assert (resumed.paused_on, resumed.paused_until) == (MONDAY + DAY, MONDAY + 8 * DAY)
    road.publish(digests=["daily"])
    assert road.printed_for("ada@example.org") == [["1"], ["7", "8", "9"]]
    assert road.app.subscribe.resume(mine(road)) == mine(road)


def test_a_pause_that_begins_while_the_mail_is_printed_holds(road: Road):
    road.reader(digest="daily")
    bo = road.reader("bo@example.org", digest="daily")
    road.bring(paper(1))
    inner = road.app.publish

    def printing(editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
        if not mine(road).is_paused(MONDAY):
            road.app.subscribe.pause(mine(road), MONDAY + 9 * DAY)
        return inner.print_edition(editions, digests)

    replace(inner, print_edition=printing).run(road.now)
    assert [row[0] for row in road.rows()] == [bo.address]


def test_insisting_does_not_break_a_pause(road: Road):
    road.reader(digest="daily")
    road.bring(paper(1))
    road.app.subscribe.pause(mine(road), MONDAY + DAY)
    assert [one.planned for one in road.publish(digests=["daily"], insist=True).slots] == [0]


def test_a_mail_of_several_digests_comes_without_the_one_that_is_paused(road: Road):
    road.reader(digest="daily", joined=True, preferences={"max_items": 1})
    road.reader(digest="weekly", joined=True)
    road.bring(paper(1), paper(2))
    road.app.subscribe.pause(mine(road, "weekly"), MONDAY + DAY)
    road.publish()
    assert road.rows("ada@example.org") == [("ada@example.org", "daily", "queued")]


def test_a_weekly_digest_that_waits_to_be_published_is_left_out_too(road: Road):
    """Monday's edition was not published yet; on Tuesday the reader pauses until Friday."""
    road.reader(digest="weekly")
    road.now = SLOT + DAY
    paused = road.app.subscribe.pause(mine(road, "weekly"), MONDAY + 4 * DAY)
    assert paused.paused_on == MONDAY
    road.bring(paper(1))
    for _ in range(6):
        road.publish(digests=["weekly"])
        road.now += DAY
    road.bring(paper(2), at=road.now)
    assert road.rows("ada@example.org") == []
    road.publish(digests=["weekly"])
    assert road.printed_for("ada@example.org") == [["2"]]


def test_the_silence_of_a_pause_is_explained_while_it_lasts_and_afterwards(road: Road):
    road.reader(digest="daily")
    day_of(road, 0, 1)
    road.app.subscribe.pause(mine(road), MONDAY + 2 * DAY)
    day_of(road, 1, 2)

    def told(day: date) -> tuple[str, str]:
        found = road.app.silence.run(road.digest("daily"), address="ada@example.org", on=day.isoformat())
        return found.verdict, found.sentences[0]

    said = (
        "Daily for ada@example.org of Tuesday, 05 May 2026 is left out: paused until Wednesday, 06 May 2026 "
        "at the reader's own wish. The next one is of Wednesday, 06 May 2026."
    )
    assert told(MONDAY + DAY) == ("paused", said)
    assert (told(MONDAY - DAY)[0], told(MONDAY)[0]) == ("empty", "printed")
    assert told(MONDAY + 2 * DAY)[0] == "to-come"
    for number in (2, 3):
        day_of(road, number, 1 + number)
    assert told(MONDAY + DAY) == ("paused", said)
    assert told(MONDAY + 2 * DAY)[0] == "printed"
    assert road.app.silence.run(road.digest("daily"), on="2026-05-05").verdict == "printed"


def test_preview_explain_and_status_know_of_the_pause(road: Road):
    road.reader(digest="daily")
    road.bring(paper(1))
    road.app.subscribe.pause(mine(road), MONDAY + 3 * DAY)
    shown = road.preview("daily", to="ada@example.org", at="2026-05-05")
    assert (shown.mail, shown.reason) == (
        None,
        "Daily is paused until 07 May 2026, at the reader's own wish. The next one is 2026-05-07@2026-05-07T05:30:00Z.",
    )
    assert road.preview("daily", to="ada@example.org").slot.local_date == MONDAY + 3 * DAY
    explained = road.app.explain.run("2605.00001", road.digest("daily"), address="ada@example.org", at="2026-05-05")
    assert (explained.verdict, explained.sentence) == (
        "no-edition",
        "Daily is paused until 07 May 2026, at the reader's own wish.",
    )
    assert [(one.name, one.readers, one.paused_readers) for one in road.app.report.status().digests] == [
        ("daily", 1, 1),
        ("weekly", 0, 0),
    ]
    road.now += 3 * DAY
    assert [one.paused_readers for one in road.app.report.status().digests] == [0, 0]


def test_preview_after_a_pause_is_what_is_sent(road: Road):
    road.reader(digest="daily")
    day_of(road, 0, 1)
    road.app.subscribe.pause(mine(road), MONDAY + 6 * DAY)
    for number in range(1, 6):
        day_of(road, number, 1 + number)
    road.now = SLOT + 6 * DAY
    road.bring(paper(7), at=road.now - timedelta(hours=3))
    shown = road.preview("daily", to="ada@example.org", at="2026-05-10").mail
    assert shown is not None
    day_of(road, 6)
    assert road.printed_for("ada@example.org")[-1] == ["5", "6", "7"]
    assert all(f"number {n}".encode() in shown for n in (5, 6, 7))
    assert b"number 4 " not in shown


@pytest.mark.parametrize(
    ("until", "what"),
    [
        (MONDAY, "2026-05-04 is today, so there is nothing to pause"),
        (MONDAY - DAY, "2026-05-03 has passed, so there is nothing to pause"),
        (MONDAY + timedelta(days=367), "2027-05-06 is more than a year away"),
    ],
)
def test_a_day_that_cannot_be_is_refused_by_name(road: Road, until: date, what: str):
    road.reader(digest="daily")
    with pytest.raises(InputError) as refused:
        road.app.subscribe.pause(mine(road), until)
    assert (refused.value.what, refused.value.where) == (what, "until")
    assert "2026-05-11" in refused.value.try_
    assert mine(road).paused_until is None
    assert road.app.subscribe.pause(mine(road), MONDAY + timedelta(days=366)).paused_until


def test_today_is_the_readers_own(road: Road):
    """Late on Monday in Berlin it is Tuesday in Kiritimati: until Tuesday there is nothing to pause."""
    road.now = SLOT + timedelta(hours=10)
    road.reader(digest="daily", timezone="Pacific/Kiritimati")
    with pytest.raises(InputError):
        road.app.subscribe.pause(mine(road), MONDAY + DAY)


def test_who_has_left_has_nothing_to_pause_and_who_comes_back_is_not_paused(road: Road):
    road.reader(digest="daily")
    road.app.subscribe.pause(mine(road), MONDAY + 9 * DAY)
    road.app.subscribe.leave("ada@example.org")
    with pytest.raises(InputError):
        road.app.subscribe.pause(mine(road), MONDAY + 9 * DAY)
    road.reader(digest="daily")
    assert (mine(road).paused_until, mine(road).state) == (None, SubscriptionState.CONFIRMED)


def test_a_table_of_readers_says_nothing_of_a_pause_and_keeps_it(road: Road):
    road.reader(digest="daily")
    paused = road.app.subscribe.pause(mine(road), MONDAY + 9 * DAY)
    assert "2026" not in export_subscriptions([paused])
    again = Joining(
        address="ada@example.org", digest="daily", state=SubscriptionState.CONFIRMED, choices=Choices(language="de")
    )
    assert road.app.subscribe.add_all([again]) == (None,)
    assert mine(road).paused_until == MONDAY + 9 * DAY
