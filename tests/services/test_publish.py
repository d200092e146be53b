"""Publishing through real stores: one edition for equal readers, nothing twice, nothing half, silence explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.model.editions import Remark
from digest.model.errors import SendingRefused
from digest.model.people import SuppressionReason
from digest.services.publishing.due import Wishes
from digest.services.publishing.publish import Published
from digest.services.readers.subscribe import Choices
from digest.storage import deliveries, editions, entries, meta, people, sources
from tests.services.road import DAY, SLOT, Road, in_mail, numbers, paper, titles


@pytest.fixture
def open_road(url: str, tmp_path: Path) -> Iterator[Callable[..., Road]]:
    opened: list[Road] = []

    def open_(*digests: dict[str, object], **sections: object) -> Road:
        opened.append(Road.open(tmp_path, url, *digests, **sections))
        return opened[-1]

    yield open_
    for road in opened:
        road.app.close()


@pytest.fixture
def road(open_road: Callable[..., Road]) -> Road:
    """One digest, 07:30 in Berlin, one minute after its slot."""
    return open_road()


def crowd(road: Road, number: int) -> None:
    """So many confirmed readers, written at once."""
    since = SLOT - 14 * DAY
    with road.app.store.transaction() as tx:
        rows = [{"address": f"r{n:04d}@example.org", "created_at": since, "joined": False} for n in range(number)]
        ids = tx.execute(people.subscribers.insert().returning(people.subscribers.c.id), rows).scalars().all()
        plain = {"digest": "daily", "state": "confirmed", "created_at": since, "confirmed_at": since, "days": []}
        plain |= {"preferences": {}, "language": "", "timezone": "", "send_at": "", "last_slot_date": ""}
        links = [plain | {"subscriber_id": one, "secret": f"{one:022d}"} for one in ids]
        tx.execute(people.subscriptions.insert(), links)


# One edition, one rendering


def test_a_thousand_readers_with_one_profile_cost_one_rendering(road):
    road.bring(*(paper(n) for n in range(1, 6)))
    crowd(road, 1000)
    assert titles(road.publish()) == [("daily", 1000, 1, 1000)]
    # The digest's public edition is the same one: general profile, nothing sent.
    assert len(road.printed) == 1
    with road.app.store.reading() as tx:
        rows = deliveries.listing(tx, limit=2000)
    assert len({row.edition_id for row in rows}) == len({row.message_key for row in rows}) == 1


def test_readers_share_an_edition_when_profile_and_relevant_history_agree_and_only_then(road):
    road.bring(paper(1, categories=("cs.CL",)), paper(2, categories=("cs.CV",)))
    for address in ("a1@example.org", "a2@example.org"):
        road.reader(address)
    for address in ("b1@example.org", "b2@example.org"):
        road.reader(address, preferences={"categories": {"cs.CV": 1}})
    assert titles(road.publish()) == [("daily", 4, 2, 4)]
    assert len(road.printed) == 2
    assert [numbers(edition) for (edition,) in road.printed] == [["1", "2"], ["2"]]


def test_a_page_of_readers_after_the_first_prints_nothing_again(road, monkeypatch):
    monkeypatch.setattr("digest.services.publishing.cohorts.PAGE", 2)
    road.bring(paper(1))
    for number in range(5):
        road.reader(f"r{number}@example.org")
    assert titles(road.publish()) == [("daily", 5, 1, 5)]
    assert len(road.printed) == 1


def test_old_history_that_the_window_does_not_reach_does_not_part_readers(road):
    """Ada has read for weeks, Bo is new: where nothing of Ada's history is in the window they share an edition."""
    road.bring(paper(1), at=SLOT - 10 * DAY)
    road.reader("ada@example.org")
    road.now = SLOT - 9 * DAY
    road.publish()
    road.settle("accepted")
    for day in (6, 3, 1):
        road.now = SLOT - day * DAY
        road.publish()
    road.reader("bo@example.org", since=SLOT - timedelta(hours=1))
    road.now = SLOT
    road.bring(paper(2))
    road.printed.clear()
    assert titles(road.publish()) == [("daily", 2, 1, 2)]
    assert len(road.printed) == 1


# Never twice


def test_publishing_a_slot_twice_is_a_no_op(road):
    road.bring(paper(1))
    road.reader()
    assert titles(road.publish()) == [("daily", 1, 1, 1)]
    before = road.rows()
    road.bring(paper(2), at=road.now)
    assert road.publish().slots == ()
    assert road.publish(insist=True).slots == ()
    road.now += timedelta(minutes=5)
    assert road.publish().slots == ()
    assert road.rows() == before == [("ada@example.org", "daily", "queued")]


@pytest.mark.parametrize("state", ["queued", "accepted", "uncertain", "deferred"])
def test_a_work_that_was_sent_may_have_been_or_still_will_be_is_not_printed_again(road, state):
    road.bring(paper(1))
    road.reader()
    road.publish()
    if state != "queued":
        road.settle(state)
    road.bring(paper(2), at=road.now)
    road.now += DAY
    road.publish()
    assert road.printed_for("ada@example.org") == [["1"], ["2"]]


@pytest.mark.parametrize("state", ["rejected", "suppressed", "expired"])
def test_a_work_that_was_surely_not_sent_is_free_again(road, state):
    road.bring(paper(1))
    road.reader()
    road.publish()
    road.settle(state)
    road.bring(paper(2), at=road.now)
    road.now += DAY
    road.publish()
    assert road.printed_for("ada@example.org") == [["1"], ["1", "2"]]


def test_a_work_is_printed_once_over_all_digests_of_a_reader(open_road):
    road = open_road({"name": "first"}, {"name": "second"}, {"name": "later", "send_at": "12:00"})
    road.bring(paper(1), paper(2))
    for name in ("first", "second", "later"):
        road.reader(digest=name)
    road.reader("bo@example.org", "second")
    road.publish()
    road.bring(paper(3), at=SLOT + timedelta(hours=2))
    road.now = SLOT + timedelta(hours=5)
    road.publish()
    assert road.printed_for("ada@example.org") == [["1", "2"], ["3"]]
    assert road.printed_for("bo@example.org") == [["1", "2"]]


def test_a_changed_profile_brings_nothing_again(road):
    road.bring(paper(1), paper(2, categories=("cs.CV",)))
    ada = road.reader(preferences={"categories": {"cs.CL": 1}})
    road.publish()
    road.app.subscribe.choose(ada, Choices(preferences={"categories": {"cs.CL": 1, "cs.CV": 1}, "max_items": 30}))
    road.now += DAY
    road.publish()
    assert road.printed_for("ada@example.org") == [["1"], ["2"]]


def test_a_work_that_turns_out_to_be_another_one_is_not_printed_again(road):
    """Printed as a lab's page; the next day a feed shows that the page and a newly met arXiv paper are one work."""
    lab = paper(7, key="page", url="https://lab.example.org/tides", arxiv_id=None, title="Tidal gauges number 7 now")
    road.bring(lab, source="lab")
    road.reader()
    road.publish()
    road.settle("accepted")
    other = paper(7, doi="10.1000/tides", title="Tidal gauges number 8 as they say")
    road.bring(other, at=SLOT + timedelta(hours=1))
    with road.app.store.reading() as tx:
        assert entries.count(tx) == 2
    road.bring(
        replace(other, title=lab.title), replace(lab, arxiv_id="2605.00007"), source="zoo", at=SLOT + timedelta(hours=2)
    )
    with road.app.store.reading() as tx:
        assert entries.count(tx) == 1
    road.now += DAY
    road.publish()
    assert road.printed_for("ada@example.org") == [["7"]]


def test_a_work_that_was_printed_and_then_absorbed_by_an_older_one_is_not_printed_again(road):
    """The row that was printed is not the one that survives."""
    old = paper(1, key="old", url="https://lab.example.org/1", arxiv_id=None, title="Tidal gauges number 1 early")
    road.bring(old, source="lab", at=SLOT - timedelta(hours=20))
    new = paper(2, title="Tidal gauges number 2 late")
    road.bring(new, at=SLOT - timedelta(hours=2))
    road.reader(preferences={"mute": ["early"]})
    road.publish()
    assert road.printed_for("ada@example.org") == [["2"]]
    both = replace(new, key="both", url="https://lab.example.org/1")
    road.bring(both, source="zoo", at=SLOT + timedelta(hours=1))
    with road.app.store.reading() as tx:
        assert entries.count(tx) == 1
    with road.app.store.reading() as tx:
        (ada,) = people.readers(tx, "daily")
    road.app.subscribe.choose(ada, Choices(preferences={}))
    road.now += DAY
    road.publish()
    assert road.printed_for("ada@example.org") == [["2"]]


def test_a_later_version_a_doi_and_more_votes_bring_nothing_again(road):
    road.bring(paper(1))
    road.reader()
    road.publish()
    mirror = paper(
        1, key="m", url="https://doi.org/10.48550/arXiv.2605.00001", arxiv_id=None, doi="10.48550/arxiv.2605.00001"
    )
    road.bring(paper(1, version=2, title="Tidal gauges number 1 revised", upvotes=400), at=SLOT + timedelta(hours=2))
    road.bring(mirror, source="zoo", at=SLOT + timedelta(hours=3))
    road.now += DAY
    road.publish()
    assert road.printed_for("ada@example.org") == [["1"]]


def test_who_leaves_and_comes_back_is_not_sent_the_same_again(road):
    road.bring(paper(1))
    road.reader()
    road.publish()
    road.settle("accepted")
    road.app.subscribe.leave("ada@example.org")
    road.now += timedelta(hours=3)
    road.reader(since=road.now)
    assert road.publish().slots == ()
    road.bring(paper(2), at=road.now)
    road.now = SLOT + DAY
    road.publish()
    assert road.printed_for("ada@example.org") == [["1"], ["2"]]


def test_who_left_before_the_mail_was_sent_gets_none(road):
    road.bring(paper(1))
    road.reader()
    road.publish()
    road.app.subscribe.leave("ada@example.org")
    assert road.deliver() == {"unsubscribed": 1}
    assert road.rows() == [("ada@example.org", "daily", "suppressed")]
    assert road.mails() == []


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"])
def test_who_changes_time_zone_gets_at_most_one_edition_a_local_date(road, zone):
    ada = road.reader()
    for hour in range(2, 74, 2):
        road.bring(paper(hour), at=SLOT + timedelta(hours=hour - 2))
        road.now = SLOT + timedelta(hours=hour - 1)
        road.publish()
        if hour == 2:
            road.app.subscribe.choose(ada, Choices(timezone=zone))
    with road.app.store.reading() as tx:
        dates = [row.local_date for row in deliveries.listing(tx)]
    assert len(dates) == len(set(dates)) >= 3
    flat = [number for printed in road.printed_for("ada@example.org") for number in printed]
    assert len(flat) == len(set(flat))


def test_a_clock_set_back_publishes_nothing_again(road):
    road.bring(paper(1))
    road.reader()
    road.publish()
    for back in (timedelta(hours=1), timedelta(days=1), timedelta(days=3)):
        road.now = SLOT - back
        assert road.publish().slots == ()
    road.now = SLOT + timedelta(minutes=30)
    assert road.publish().slots == ()
    assert road.printed_for("ada@example.org") == [["1"]]


def test_who_joins_later_on_the_day_shares_the_frozen_edition_of_that_day(road):
    """Bytes are frozen: what arrived meanwhile waits for tomorrow, for both."""
    road.bring(paper(1))
    road.reader("ada@example.org", since=SLOT - timedelta(hours=1))
    road.publish()
    road.bring(paper(2), at=SLOT + timedelta(hours=2))
    road.now = SLOT + timedelta(hours=4)
    road.reader("bo@example.org", since=road.now)
    assert titles(road.publish()) == [("daily", 1, 1, 1)]
    assert road.printed_for("bo@example.org") == [["1"]]
    assert road.deliver() == {"accepted": 2}
    assert [in_mail(mail) for mail in road.mails()] == [[1], [1]]
    road.now = SLOT + DAY
    road.publish()
    assert road.printed_for("bo@example.org") == [["1"], ["2"]] == road.printed_for("ada@example.org")


# Nothing half


def test_a_crash_while_printing_or_writing_leaves_nothing_and_the_next_run_does_it_all(road, monkeypatch):
    road.bring(paper(1))
    road.reader()

    def crash(*_args: object, **_options: object) -> None:
        raise RuntimeError("power cut")

    healthy = road.app.publish
    for broken in (
        replace(healthy, print_edition=crash),
        None,
    ):
        with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="power cut"):
            if broken is None:
                patched.setattr("digest.services.publishing.planning.lacking.served", crash)
            (broken or healthy).run(road.now)
        with road.app.store.reading() as tx:
            assert deliveries.listing(tx) == ()
            assert editions.last_public(tx, "daily") is None
            assert tx.exec_driver_sql("SELECT count(*) FROM editions").scalar_one() == 0
            assert tx.exec_driver_sql("SELECT count(*) FROM messages").scalar_one() == 0
            (ada,) = people.readers(tx, "daily")
            assert ada.last_slot_at is None
    assert titles(road.publish()) == [("daily", 1, 1, 1)]


def test_while_another_process_publishes_nothing_is_done(road):
    road.bring(paper(1))
    road.reader()
    other = replace(road.app.publish, holder="elsewhere:1:2")
    cohorts = other._cohorts(other.digests)
    assert cohorts.open(Wishes(other.profile_of, road.now)) == 1
    assert cohorts.take() is not None
    assert road.publish() == Published(slots=(), upcoming=road.publish().upcoming, busy=True)
    road.now += timedelta(minutes=11)
    published = road.publish()
    assert not published.busy
    assert titles(published) == [("daily", 1, 1, 1)]


def test_what_a_reader_was_sent_between_choosing_and_writing_makes_him_wait(open_road):
    """Another process sends ada the same work while this one prints: she is left for the next round."""
    road = open_road({"name": "one"}, {"name": "two"})
    road.bring(paper(1))
    road.reader(digest="one")
    road.reader(digest="two")
    inner = road.app.publish
    raced: list[bool] = []

    def slow(editions_, digests_):
        if digests_[0].name == "one" and not raced:
            raced.append(True)
            rival = replace(inner, holder="rival", dead=lambda holders: list(holders))
            rival.run(road.now, digests=["two"])
        return inner.print_edition(editions_, digests_)

    replace(inner, print_edition=slow).run(road.now, digests=["one"])
    road.publish()
    assert road.printed_for("ada@example.org") == [["1"]]


# What is printed


def test_empty_day_skip_sends_nothing_and_says_why_source_by_source(road):
    with road.app.store.transaction() as tx:
        sources.sync(tx, road.app.config.sources)
    road.reader()
    (slot,) = road.publish().slots
    assert (slot.readers, slot.planned, slot.reason) == (1, 0, "No source could be read yet.")
    assert slot.notes == ("hf: not fetched yet", "lab: not fetched yet", "zoo: not fetched yet")
    assert road.rows() == []
    with road.app.store.reading() as tx:
        (ada,) = people.readers(tx, "daily")
    assert (ada.last_slot_at, ada.last_slot_date) == (SLOT, "2026-05-04")
    road.bring(paper(1), at=road.now)
    assert road.publish().slots == (), "the slot was served, late papers wait for tomorrow"


def test_empty_day_say_so_sends_the_reason(open_road):
    road = open_road({"name": "daily", "when_empty": "say-so"})
    road.reader()
    (slot,) = road.publish().slots
    assert (slot.planned, slot.reason) == (1, "Nothing new arrived.")
    assert road.deliver() == {"accepted": 1}
    (mail,) = road.mails()
    assert "Nothing new arrived." in mail.get_body(("plain",)).get_content()


def test_empty_day_best_of_prints_the_best_of_thirty_days_not_yet_sent_to_this_reader(open_road):
    road = open_road({"name": "daily", "when_empty": "best-of", "window": "1d", "max_items": 2})
    road.bring(paper(1), paper(2), paper(3), at=SLOT - 20 * DAY)
    road.bring(paper(4), at=SLOT - 40 * DAY)
    road.reader()
    road.publish()
    (first,) = road.printed_for("ada@example.org")
    assert len(first) == 2 and set(first) <= {"1", "2", "3"}
    road.now += DAY
    road.publish()
    second = road.printed_for("ada@example.org")[1]
    assert set(first) | set(second) == {"1", "2", "3"} and not set(first) & set(second)
    road.now += DAY
    (slot,) = road.publish().slots
    assert (slot.planned, slot.reason) == (0, "Nothing new arrived.")
    with road.app.store.reading() as tx:
        edition = editions.load(tx, deliveries.listing(tx)[0].edition_id)
    assert edition.reason == (Remark(key="nothing-new"), Remark(key="best-of", figures={"days": 30}))


def test_everything_sent_already_is_another_reason_than_nothing_arrived(open_road):
    road = open_road({"name": "one"}, {"name": "two"})
    road.bring(paper(1))
    road.reader(digest="one")
    road.reader(digest="two")
    one, two = road.publish().slots
    assert (one.planned, two.planned) == (1, 0)
    assert two.reason == "Everything new was already sent to you."


def test_max_items_per_category_mutes_and_minimum_score_hold_and_are_told(open_road):
    road = open_road({"name": "daily", "max_items": 3, "per_category": 2})
    road.bring(*(paper(n) for n in range(1, 6)), *(paper(n, categories=("cs.CV",)) for n in range(6, 11)))
    road.reader("all@example.org")
    road.reader("muted@example.org", preferences={"mute": ["cs.CL"]})
    road.reader("deaf@example.org", preferences={"mute": ["dawn"]})
    strict = {"min_score": 100, "weights": {"people": 100}, "authors": ["Nobody Else"]}
    road.reader("strict@example.org", preferences=strict)
    road.publish()
    (printed,) = road.printed_for("all@example.org")
    assert len(printed) == 3 and len([n for n in printed if int(n) < 6]) in (1, 2)
    (printed,) = road.printed_for("muted@example.org")
    assert len(printed) == 2 and all(int(n) > 5 for n in printed)
    assert road.printed_for("deaf@example.org") == road.printed_for("strict@example.org") == []
    told = {edition.profile.mute.anything: edition for (edition,) in road.printed}
    assert told["cs.CL",].counts.muted == 5
    silent = road.preview(to="deaf@example.org", at="2026-05-04")
    assert silent.reason == "No new paper fits your settings: 10 muted."
    silent = road.preview(to="strict@example.org", at="2026-05-04")
    assert silent.reason == "No new paper fits your settings: 10 below your minimum score."


def test_a_withdrawn_paper_is_dropped(road):
    road.bring(paper(1, withdrawn=True), paper(2))
    road.reader()
    road.publish()
    assert road.printed_for("ada@example.org") == [["2"]]


def test_a_digest_prints_only_what_its_sources_carried(open_road):
    road = open_road({"name": "narrow", "sources": ["lab"]}, {"name": "wide"})
    road.bring(paper(1), paper(3), source="hf")
    road.bring(paper(2), paper(3), source="lab", at=SLOT - timedelta(hours=2))
    road.reader("n@example.org", "narrow")
    road.reader("w@example.org", "wide")
    road.publish()
    assert [sorted(one) for one in road.printed_for("n@example.org")] == [["2", "3"]]
    assert [sorted(one) for one in road.printed_for("w@example.org")] == [["1", "2", "3"]]


def test_a_narrow_digest_explains_its_silence_by_its_own_sources(open_road):
    road = open_road({"name": "narrow", "sources": ["lab"]})
    with road.app.store.transaction() as tx:
        sources.sync(tx, road.app.config.sources)
    road.bring(paper(1), source="hf")
    road.reader()
    (slot,) = road.publish().slots
    assert (slot.reason, slot.notes) == ("No source could be read yet.", ("lab: not fetched yet",))


def test_a_laptop_asleep_for_three_days_brings_one_edition_with_what_was_missed(open_road):
    road = open_road({"name": "daily", "window": "1d", "max_items": 20})
    road.reader()
    road.bring(paper(1))
    road.publish()
    for day in range(1, 5):
        road.bring(paper(day + 1), at=SLOT + day * DAY - timedelta(hours=2))
    road.now = SLOT + 4 * DAY + timedelta(hours=3)
    assert titles(road.publish()) == [("daily", 1, 1, 1)]
    first, woken = road.printed_for("ada@example.org")
    assert (first, sorted(woken)) == (["1"], ["2", "3", "4", "5"])
    road.now += timedelta(minutes=1)
    assert road.publish().slots == ()


def test_a_weekly_digest_prints_its_week_once(open_road):
    road = open_road({"name": "weekly", "days": ["mon"], "window": "1d", "max_items": 30})
    road.reader()
    for day in range(1, 8):
        road.bring(paper(day), at=SLOT - day * DAY + timedelta(hours=1))
    for hour in range(0, 24 * 6, 5):
        road.now = SLOT + timedelta(hours=hour)
        road.publish()
    (printed,) = road.printed_for("ada@example.org")
    assert sorted(printed) == [str(n) for n in range(1, 8)]


# Refusals, lists, restores


def test_more_than_fifty_readers_are_not_mailed_without_a_public_url(open_road):
    road = open_road({"name": "daily"}, web={"enabled": False})
    crowd(road, 50)
    assert titles(road.publish()) == [("daily", 50, 1, 0)]
    road.reader("one-more@example.org")
    with pytest.raises(SendingRefused, match=r"51 readers and no web\.public_url"):
        road.publish()
    with pytest.raises(SendingRefused):
        road.app.deliver.run()


def test_a_suppressed_address_is_planned_as_suppressed_and_never_tried(road):
    road.bring(paper(1))
    road.reader()
    road.app.subscribe.suppress("ada@example.org", SuppressionReason.COMPLAINT)
    road.publish()
    assert road.rows() == [("ada@example.org", "daily", "suppressed")]
    assert road.deliver() == {}


def test_a_restored_copy_publishes_nothing_until_released_and_then_nothing_old(road):
    road.bring(paper(1), at=SLOT - timedelta(hours=5))
    road.reader()
    with road.app.store.transaction() as tx:
        meta.put(tx, meta.RESTORED, road.now.isoformat())
    with pytest.raises(SendingRefused, match="restored backup"):
        road.publish()
    road.now = SLOT - timedelta(hours=3)
    road.app.upkeep.restored(SLOT - timedelta(hours=4))
    road.bring(paper(2), at=SLOT - timedelta(hours=2))
    road.now = SLOT
    road.publish()
    assert road.printed_for("ada@example.org") == [["2"]]


# The public edition


def test_the_public_edition_is_frozen_even_without_a_reader(road):
    road.bring(paper(1))
    (slot,) = road.publish().slots
    assert (slot.readers, slot.editions, slot.planned, slot.reason) == (0, 1, 0, "It has no confirmed reader.")
    with road.app.store.reading() as tx:
        public = editions.last_public(tx, "daily")
    assert (public.public, public.slot.at, numbers(public)) == (True, SLOT, ["1"])
    html = road.app.preview.stored_html(public.key)
    assert "Tidal gauges number 1 and" in html
    assert road.publish().slots == ()


def test_public_editions_repeat_nothing_from_day_to_day(road):
    road.bring(paper(1))
    road.publish()
    road.bring(paper(2), at=road.now)
    road.now += DAY
    road.publish()
    assert [numbers(edition) for (edition,) in road.printed] == [["1"], ["2"]]


def test_a_readers_edition_equal_to_the_public_one_is_that_one(road):
    road.bring(paper(1))
    road.reader()
    (slot,) = road.publish().slots
    assert slot.editions == 1
    with road.app.store.reading() as tx:
        (row,) = deliveries.listing(tx)
        assert editions.last_public(tx, "daily").id == row.edition_id
        assert road.app.preview.stored_html(row.message_key) is not None


def test_a_digest_whose_readers_are_elsewhere_is_not_said_to_have_none(road):
    """New York's reader gets the edition six hours later; until then the digest is not without readers."""
    road.reader(timezone="America/New_York")
    road.now = SLOT + timedelta(minutes=1)
    old, slot = road.publish().slots
    assert (old.slot.key, old.readers) == ("2026-05-03@2026-05-03T11:30:00Z", 1)
    assert (slot.readers, slot.reason) == (0, "It is due for none of its readers now.")


def test_the_first_run_does_not_publish_slots_from_before_it(open_road):
    road = open_road({"name": "weekly", "days": ["fri"]})
    assert road.publish().slots == ()
    assert [slot.at for slot in road.publish().upcoming] == [datetime(2026, 5, 8, 5, 30, tzinfo=UTC)]
