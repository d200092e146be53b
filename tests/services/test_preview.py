"""What is previewed is what is sent: the same bytes but for the recipient's stamps, before and after publishing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from digest.model.errors import UsageError
from digest.rendering.message import parts, segments
from digest.services.plain import as_json
from digest.storage import deliveries, sources
from tests.services.road import DAY, SLOT, Road, numbers, paper


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
    return open_road()


def test_without_a_name_the_only_digest_is_meant_or_the_only_one_that_somebody_reads(open_road):
    road = open_road({"name": "daily"}, {"name": "weekly"})
    preview = road.app.preview
    road.reader("ada@example.org", "weekly")
    road.reader("bo@example.org", "weekly")
    road.reader("bo@example.org", "daily")
    names = {who: [one.name for one in preview.read_by(f"{who}@example.org")] for who in ("ada", "bo", "cy")}
    assert names == {"ada": ["weekly"], "bo": ["daily", "weekly"], "cy": []}
    assert preview.guess("ada@example.org") == road.digest("weekly")
    assert preview.guess("bo@example.org") is preview.guess("") is None
    only = replace(preview, digests=preview.digests[:1])
    assert only.guess("") == only.guess("ada@example.org") == road.digest("daily")


def is_stamped(raw: bytes, previewed) -> bool:
    """Whether a mail is the previewed message with other stamps: every piece between stamps, in order and whole."""
    at = 0
    pieces = segments(previewed.message)
    if not (raw.startswith(pieces[0]) and raw.endswith(pieces[-1])):
        return False
    for piece in pieces:
        if not isinstance(piece, bytes):
            continue
        found = raw.find(piece, at)
        if found < 0 or found - at > 600:
            return False
        at = found + len(piece)
    return at == len(raw)


READERS = {
    "plain@example.org": {},
    "picky@example.org": {"preferences": {"keywords": ["dawn"], "categories": {"cs.CV": 1}, "max_items": 2}},
    "tokyo@example.org": {"timezone": "Asia/Tokyo", "send_at": "14:30"},
    "leser@example.org": {"language": "de"},
}


def test_the_preview_at_an_instant_is_what_is_sent_at_it_and_stays_so(road):
    road.bring(*(paper(n, categories=("cs.CL",) if n % 2 else ("cs.CV",)) for n in range(1, 9)))
    for address, choices in READERS.items():
        road.reader(address, **choices)
    road.now = SLOT + timedelta(minutes=3)
    at = road.now.isoformat()
    before = {address: road.preview(to=address, at=at) for address in READERS}
    assert road.rows() == [], "a preview records nothing"
    road.publish()
    road.deliver()
    for address, previewed in before.items():
        (raw,) = road.raw_of(address)
        assert is_stamped(raw, previewed), address
        assert f"To: {address}".encode() in previewed.mail
        assert b"Date: Mon, 04 May 2026 05:30:00 +0000" in raw
    # Later, with other papers, more votes and a new version in the store, the preview is still what was sent.
    road.bring(paper(30), paper(1, upvotes=900, version=2, title="Tidal gauges number 1 anew"), at=road.now)
    road.now += timedelta(hours=1)
    for address, previewed in before.items():
        assert road.preview(to=address, at=at).mail == previewed.mail
        assert road.preview(to=address, at="2026-05-04").mail == previewed.mail


def test_two_previews_are_equal_and_a_bare_date_is_that_days_slot(road):
    road.bring(paper(1), paper(2))
    road.reader()
    one, two = (road.preview(to="ada@example.org", at="2026-05-04") for _ in range(2))
    assert one == two
    assert one.mail == road.preview(to="ada@example.org", at="2026-05-04T07:30").mail
    assert one.mail == road.preview(to="ada@example.org", at="2026-05-04T05:30Z").mail
    assert (one.slot.key, numbers(one.edition)) == ("2026-05-04@2026-05-04T05:30:00Z", ["1", "2"])


def test_a_preview_knows_only_what_was_seen_by_its_instant(road):
    road.bring(paper(1, upvotes=10))
    road.bring(paper(2), paper(1, upvotes=99), at=SLOT + timedelta(hours=1))
    first = road.preview(at="2026-05-04")
    assert [(item.title.split()[3], item.upvotes) for item in first.edition.items] == [("1", 10)]
    later = road.preview(at="2026-05-04T09:00")
    assert sorted((item.title.split()[3], item.upvotes) for item in later.edition.items) == [("1", 99), ("2", 98)]


def test_without_an_instant_the_next_edition_is_shown(road):
    road.reader(since=SLOT - timedelta(hours=1))
    road.bring(paper(1))
    road.now = SLOT - timedelta(minutes=30)
    assert road.preview(to="ada@example.org").slot.key == "2026-05-04@2026-05-04T05:30:00Z"
    road.now = SLOT + timedelta(minutes=1)
    road.publish()
    assert road.preview(to="ada@example.org").slot.key == "2026-05-05@2026-05-05T05:30:00Z"
    assert road.preview(to="ada@example.org").reason == "Everything new was already sent to you."


def test_without_an_instant_a_slot_that_still_waits_is_the_next_mail(road):
    road.reader("ada@example.org", since=SLOT - DAY)
    road.reader("late@example.org", since=SLOT + DAY)
    road.bring(paper(1))
    road.now = SLOT + timedelta(hours=2)
    today, tomorrow = "2026-05-04@2026-05-04T05:30:00Z", "2026-05-05@2026-05-05T05:30:00Z"
    shown = {to: road.preview(to=to) for to in ("", "ada@example.org", "late@example.org")}
    assert [one.slot.key for one in shown.values()] == [today, today, tomorrow]
    road.publish()
    road.deliver()
    (raw,) = road.raw_of("ada@example.org")
    assert is_stamped(raw, shown["ada@example.org"])
    assert [road.preview(to=to).slot.key for to in shown] == [tomorrow] * 3


def test_without_an_instant_a_slot_from_before_the_first_day_is_none_to_wait_for(open_road):
    road = open_road({"name": "daily", "days": ["mon"]})
    road.now = SLOT + DAY
    assert road.preview().slot.key == "2026-05-11@2026-05-11T05:30:00Z"
    road.now = SLOT
    road.publish()
    road.now = SLOT + 8 * DAY
    assert road.preview().slot.key == "2026-05-11@2026-05-11T05:30:00Z"


def test_anybody_else_is_shown_the_general_edition(road):
    road.bring(paper(1), paper(2))
    road.reader(preferences={"categories": {"cs.CV": 1}})
    stranger = road.preview(to="stranger@example.org", at="2026-05-04")
    assert stranger.message == road.preview(at="2026-05-04").message
    assert numbers(stranger.edition) == ["1", "2"]
    assert b"To: stranger@example.org\r\n" in stranger.mail
    assert road.preview(to="ada@example.org", at="2026-05-04").mail is None


def test_a_bare_date_on_a_closed_weekday_says_so_and_names_the_next_slot(open_road):
    road = open_road({"name": "daily", "days": ["mon", "wed"]})
    road.bring(paper(1))
    shown = road.preview(at="2026-05-05")
    assert (shown.mail, shown.edition, shown.message) == (None, None, None)
    assert shown.reason == "Daily is not published on Tuesdays. The next one is 2026-05-06@2026-05-06T05:30:00Z."
    assert shown.slot.key == "2026-05-05@2026-05-05T05:30:00Z"
    assert road.preview(at="2026-05-05T12:00").slot.key == "2026-05-04@2026-05-04T05:30:00Z"


def test_a_reader_who_chose_other_days_has_his_own_closed_ones(road):
    road.bring(paper(1))
    road.reader(days=(5,))
    assert road.preview(to="ada@example.org", at="2026-05-04").reason.startswith("Daily is not published on Mondays.")
    assert road.preview(at="2026-05-04").mail is not None


def test_a_slot_that_sends_no_mail_says_why_before_and_after_it_was_published(road):
    road.reader()
    for _ in range(2):
        shown = road.preview(to="ada@example.org", at="2026-05-04")
        assert (shown.mail, shown.message, shown.reason) == (None, None, "Nothing new arrived.")
        road.now = SLOT
        road.publish()


def test_the_silence_is_explained_source_by_source(road):
    with road.app.store.transaction() as tx:
        sources.sync(tx, road.app.config.sources)
    shown = road.preview(at="2026-05-04")
    assert shown.notes == ("hf: not fetched yet", "lab: not fetched yet", "zoo: not fetched yet")


@pytest.mark.parametrize("when_empty", ["say-so", "best-of"])
def test_an_empty_day_that_is_mailed_is_previewed_as_it_is_sent(open_road, when_empty):
    road = open_road({"name": "daily", "when_empty": when_empty, "window": "1d"})
    road.bring(paper(1), at=SLOT - 9 * DAY)
    road.reader()
    road.now = SLOT
    before = road.preview(to="ada@example.org", at="2026-05-04")
    assert before.reason.startswith("Nothing new arrived.")
    road.publish()
    road.deliver()
    (raw,) = road.raw_of("ada@example.org")
    assert is_stamped(raw, before)
    assert road.preview(to="ada@example.org", at="2026-05-04").mail == before.mail


def test_what_was_missed_asleep_is_previewed_as_it_is_sent(open_road):
    road = open_road({"name": "daily", "window": "1d"})
    road.reader()
    road.publish()
    road.bring(paper(1), at=SLOT + 2 * DAY)
    road.now = SLOT + 4 * DAY
    before = road.preview(to="ada@example.org", at="2026-05-08")
    assert numbers(before.edition) == ["1"]
    road.publish()
    assert road.preview(to="ada@example.org", at="2026-05-08").mail == before.mail
    with road.app.store.reading() as tx:
        (row,) = deliveries.listing(tx)
    assert row.message_key == before.message.key


def test_a_preview_leaves_out_what_any_digest_has_sent(open_road):
    road = open_road({"name": "one"}, {"name": "two", "send_at": "12:00"})
    road.bring(paper(1), paper(2))
    for name in ("one", "two"):
        road.reader(digest=name)
    road.publish(digests=["one"])
    road.bring(paper(3), at=SLOT + timedelta(hours=1))
    assert numbers(road.preview("two", to="ada@example.org", at="2026-05-04").edition) == ["3"]
    assert sorted(numbers(road.preview("two", at="2026-05-04").edition)) == ["1", "2", "3"]


def test_a_hypothetical_profile_is_printed_afresh_as_if_the_slot_were_still_to_come(road):
    road.bring(paper(1, categories=("cs.CL",)), paper(2, categories=("cs.CV",)), paper(3, categories=("cs.CV",)))
    road.reader()
    road.publish()
    sent = road.preview(to="ada@example.org", at="2026-05-04")
    vision = replace(road.digest().profile, categories=(("cs.CV", 1.0),), max_items=1)
    shown = road.app.preview.run(road.digest(), address="ada@example.org", at="2026-05-04", profile=vision)
    assert (numbers(sent.edition), numbers(shown.edition)) == (["1", "2", "3"], ["2"])
    assert road.preview(to="ada@example.org", at="2026-05-04").mail == sent.mail
    assert len(road.rows()) == 1, "nothing is recorded"


def test_what_a_hypothetical_reader_was_sent_before_the_slot_is_left_out(road):
    road.bring(paper(1))
    road.reader()
    road.publish()
    road.bring(paper(2), at=road.now)
    road.now += DAY
    road.publish()
    shown = road.app.preview.run(road.digest(), address="ada@example.org", at="2026-05-05", language="en-US")
    assert numbers(shown.edition) == ["2"]


def test_a_hypothetical_language_is_that_of_the_edition_and_of_its_mail(road):
    road.bring(paper(1))
    road.reader()
    road.publish()
    for address in ("", "ada@example.org"):
        shown = road.app.preview.run(road.digest(), address=address, at="2026-05-04", language="en-US")
        assert shown.edition.profile.language == "en-US"
        assert 'lang="en-US"' in parts(shown.mail)[0]
        assert numbers(shown.edition) == ["1"]


def test_digests_joined_in_one_mail_are_supposed_in_one_language(open_road):
    road = open_road({"name": "words", "categories": {"cs.CL": 1}}, {"name": "sights", "categories": {"cs.CV": 1}})
    road.bring(paper(1), paper(2, categories=("cs.CV",)))
    for name in ("words", "sights"):
        road.reader(digest=name, joined=True)
    html, text = parts(
        road.app.preview.run(
            road.digest("sights"), address="ada@example.org", at="2026-05-04T07:31", language="en-US"
        ).mail
    )
    assert 'lang="en-US"' in html
    assert all(f"number {number}" in " ".join(text.split()) for number in (1, 2))


def test_a_mail_is_in_its_readers_language_else_in_the_digests(open_road):
    road = open_road({"name": "daily", "language": "en-GB"})
    road.bring(paper(1))
    road.reader("ada@example.org")
    road.reader("bo@example.org", language="en-US")
    road.publish()
    road.deliver()
    languages = {
        str(mail["To"]): mail.get_body(("html",)).get_content().partition('lang="')[2].partition('"')[0]
        for mail in road.mails()
    }
    assert languages == {"ada@example.org": "en-GB", "bo@example.org": "en-US"}


def test_the_tokens_of_a_preview_are_dead_and_secrets_stay_secret(road):
    road.bring(paper(1))
    ada = road.reader()
    shown = road.preview(to="ada@example.org", at="2026-05-04")
    assert ada.secret.encode() not in shown.mail
    assert b"unsubscribe/preview" in shown.mail.replace(b"=\r\n", b"")
    assert road.app.subscribe.look_up("preview" + "-" * 15) == ()
    assert road.app.subscribe.preferences_of("preview") is None


def test_the_web_copy_is_the_html_that_was_sent_without_anybodys_tokens(road):
    road.bring(paper(1))
    ada = road.reader()
    road.publish()
    with road.app.store.reading() as tx:
        (row,) = deliveries.listing(tx)
    html = road.app.preview.stored_html(row.message_key)
    assert "Tidal gauges number 1 and" in html and ada.secret not in html and "ada@example.org" not in html
    assert road.app.preview.stored_html("0" * 64) is None


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "", " "])
def test_a_text_that_is_no_instant_is_refused_with_an_example(road, text):
    if not text:
        assert road.preview(at=text).slot.key == "2026-05-04@2026-05-04T05:30:00Z"
        return
    with pytest.raises(UsageError, match="is not an instant"):
        road.preview(at=text)


def test_the_counts_add_up_and_are_plain_json(road):
    road.bring(*(paper(n) for n in range(1, 6)))
    road.reader(preferences={"mute": ["Reader3"], "max_items": 2})
    road.publish()
    road.bring(paper(6), at=road.now)
    shown = road.preview(to="ada@example.org", at="2026-05-05")
    counts = json.loads(json.dumps(as_json(shown.edition.counts)))
    assert counts == {"candidates": 4, "already_sent": 2, "muted": 1, "printed": 2}
    assert all(item.score == sum(part.points for part in item.parts) for item in shown.edition.items)


def test_a_topic_that_nothing_is_near_is_told_once_in_the_mail(road):
    road.bring(*(paper(n) for n in range(1, 5)))
    road.reader("salt@example.org", preferences={"topics": ["desalination membranes"]})
    shown = road.preview(to="salt@example.org")
    assert shown.notes == ("Nothing near “desalination membranes” today.",)
    text = parts(shown.message.content)[1]
    assert text.count("Nothing near") == 1
    assert road.preview(to="new@example.org").notes == ()
