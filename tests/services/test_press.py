"""A mail that has no room for all its papers: with a public address its page lists them, without one they wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from digest.model.editions import Counts, Edition, Item, Remark, Section
from digest.model.mail import MessageKey
from digest.services.publishing.press import NO_ROOM, Press, without
from digest.storage import deliveries, editions
from tests.services.road import DAY, SLOT, Road, in_mail, paper
from tests.services.test_preview import is_stamped

WEB = {"enabled": False, "public_url": "https://digest.example.org"}
NO_WEB = {"enabled": False}
TWO = ({"name": "words", "categories": {"cs.CL": 1}}, {"name": "sights", "categories": {"cs.CV": 1}})


@pytest.fixture
def open_road(url: str, tmp_path: Path) -> Iterator[Callable[..., Road]]:
    opened: list[Road] = []

    def open_(*digests: dict[str, object], room: int = 0, **sections: object) -> Road:
        opened.append(Road.open(tmp_path, url, *digests, **sections))
        if room:
            opened[-1].narrow(room)
        return opened[-1]

    yield open_
    for road in opened:
        road.app.close()


def ledger(road: Road) -> list[deliveries.Delivery]:
    with road.app.store.reading() as tx:
        return list(deliveries.listing(tx))


def recorded(road: Road, address: str, digest: str = "") -> list[Edition]:
    """The editions of a reader's deliveries, oldest first."""
    with road.app.store.reading() as tx:
        rows = deliveries.listing(tx, address=address, digest=digest)
        return [edition for row in rows if (edition := editions.load(tx, row.edition_id)) is not None]


def mailed(road: Road, address: str) -> list[list[int]]:
    return [in_mail(mail) for mail in road.mails() if mail["To"] == address]


def positions(edition: Edition) -> list[int]:
    return [item.position for item in edition.items]


# With a public address


def test_with_a_public_address_the_edition_stays_whole_and_its_page_lists_what_the_mail_has_not(open_road):
    road = open_road(room=2, web=WEB)
    road.bring(*(paper(n) for n in range(1, 6)))
    road.reader()
    road.publish()
    road.deliver()
    assert mailed(road, "ada@example.org") == [[1, 2]]
    assert road.printed_for("ada@example.org") == [["1", "2", "3", "4", "5"]]
    (row,) = ledger(road)
    page = road.app.preview.stored_html(row.message_key)
    at = [page.index(f"Tidal gauges number {n} and") for n in range(1, 6)]
    assert at == sorted(at), "the mail's papers, then those that it omits, in their order"


def test_what_stands_on_the_page_counts_as_sent(open_road):
    road = open_road(room=2, web=WEB)
    road.bring(*(paper(n) for n in range(1, 6)))
    road.reader()
    road.publish()
    road.settle("accepted")
    assert road.publish().slots == ()
    road.bring(paper(6), at=road.now)
    road.now += DAY
    road.publish()
    assert road.printed_for("ada@example.org")[1:] == [["6"]]


def test_the_page_of_a_joined_mail_lists_what_any_of_its_digests_has_not(open_road):
    road = open_road(*TWO, room=2, web=WEB)
    road.bring(*(paper(n) for n in (1, 2, 3)), *(paper(n, categories=("cs.CV",)) for n in (4, 5)))
    for name in ("words", "sights"):
        road.reader(digest=name, joined=True)
    before = road.preview("words", to="ada@example.org", at="2026-05-04T07:31")
    road.publish()
    road.deliver()
    (raw,) = road.raw_of("ada@example.org")
    assert is_stamped(raw, before)
    assert mailed(road, "ada@example.org") == [[1, 2]]
    assert road.printed_for("ada@example.org") == [["1", "2", "3"], ["4", "5"]]
    (key,) = {row.message_key for row in ledger(road)}
    page = road.app.preview.stored_html(key)
    assert all(f"Tidal gauges number {n} and" in page for n in range(1, 6))


# Without one


def test_without_a_public_address_what_has_no_room_stays_unsent_and_comes_the_next_days(open_road):
    road = open_road(room=2, web=NO_WEB)
    road.bring(*(paper(n) for n in range(1, 6)))
    road.reader()
    for _ in range(3):
        road.publish()
        assert road.publish().slots == ()
        road.deliver()
        road.now += DAY
    assert mailed(road, "ada@example.org") == [[1, 2], [3, 4], [5]]
    assert road.printed_for("ada@example.org") == [["1", "2"], ["3", "4"], ["5"]]
    first, *_ = recorded(road, "ada@example.org")
    assert (positions(first), first.counts) == ([1, 2], Counts(candidates=5, printed=2))
    assert all(f"Tidal gauges number {n} and" not in stored_page(road, 0) for n in (3, 4, 5))
    road.publish()
    assert len(ledger(road)) == 3


def stored_page(road: Road, number: int) -> str:
    return road.app.preview.stored_html(ledger(road)[number].message_key) or ""


def test_the_public_edition_is_cut_like_the_readers_and_published_once(open_road):
    road = open_road(room=2, web=NO_WEB)
    road.bring(*(paper(n) for n in range(1, 4)))
    road.reader()
    road.publish()
    with road.app.store.reading() as tx:
        public = editions.last_public(tx, "daily")
    (mine,) = recorded(road, "ada@example.org")
    assert (public.key, public.public, positions(public)) == (mine.key, True, [1, 2])
    road.printed.clear()
    assert road.publish().slots == ()
    assert road.printed == []


@pytest.mark.parametrize("web", [WEB, NO_WEB])
@pytest.mark.parametrize("names", [("words",), ("words", "sights")])
def test_what_is_previewed_is_what_is_sent_before_and_after(open_road, web, names):
    road = open_road(*(one for one in TWO if one["name"] in names), room=2 * len(names), web=web)
    road.bring(*(paper(n) for n in (1, 2, 3)), *(paper(n, categories=("cs.CV",)) for n in (7, 8, 9)))
    if len(names) > 1:
        road.reader("other@example.org", "words")
    for name in names:
        road.reader(digest=name, joined=True)
    before = [road.preview(name, to="ada@example.org", at="2026-05-04T07:31") for name in names]
    road.publish()
    road.deliver()
    (raw,) = road.raw_of("ada@example.org")
    assert {is_stamped(raw, one) for one in before if one.mail} == {True}
    after = [road.preview(name, to="ada@example.org", at="2026-05-04T07:31") for name in names]
    frozen = [one.mail for one in after if one.mail]
    assert frozen == [one.mail for one in before if one.mail]


def test_a_joined_mail_is_cut_apart_from_what_others_have_whole(open_road):
    road = open_road(*TWO, room=4, web=NO_WEB)
    road.bring(*(paper(n) for n in (1, 2, 3)), *(paper(n, categories=("cs.CV",)) for n in (4, 5)))
    for name in ("words", "sights"):
        road.reader("joint@example.org", name, joined=True)
        road.reader("apart@example.org", name)
    road.publish()
    road.deliver()
    assert mailed(road, "joint@example.org") == [[1, 2, 3, 4]]
    assert sorted(mailed(road, "apart@example.org")) == [[1, 2, 3], [4, 5]]
    whole, cut = (recorded(road, f"{name}@example.org", "sights")[0] for name in ("apart", "joint"))
    assert (positions(whole), positions(cut)) == ([1, 2], [1])
    assert whole.key != cut.key
    same = {recorded(road, f"{name}@example.org", "words")[0].key for name in ("apart", "joint")}
    assert len(same) == 1, "what had room is shared"
    road.now += DAY
    road.publish()
    road.deliver()
    assert mailed(road, "joint@example.org") == [[1, 2, 3, 4], [5]]
    assert len(mailed(road, "apart@example.org")) == 2


def test_a_digest_of_which_nothing_has_room_is_not_in_the_mail_says_so_and_comes_the_next_day(open_road):
    road = open_road(*TWO, room=3, web=NO_WEB)
    road.bring(*(paper(n) for n in (1, 2, 3)), *(paper(n, categories=("cs.CV",)) for n in (4, 5)))
    for name in ("words", "sights"):
        road.reader(digest=name, joined=True)
    shown = road.preview("sights", to="ada@example.org", at="2026-05-04T07:31")
    told = {one.digest: (one.planned, one.reason) for one in road.publish().slots}
    assert told["words"] == (1, "")
    assert told["sights"] == (0, shown.reason) and "no room" in shown.reason
    assert shown.mail is None
    road.deliver()
    road.now += DAY
    road.publish()
    road.deliver()
    assert mailed(road, "ada@example.org") == [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize("left", ["words", "sights"])
def test_a_joined_mail_that_was_cut_and_is_split_sends_what_its_editions_say(open_road, left):
    stays = {"words": "sights", "sights": "words"}[left]
    road = open_road(*TWO, room=4, web=NO_WEB)
    road.bring(*(paper(n) for n in (1, 2, 3)), *(paper(n, categories=("cs.CV",)) for n in (4, 5)))
    for name in ("words", "sights"):
        road.reader(digest=name, joined=True)
    road.publish()
    road.app.subscribe.leave("ada@example.org", left)
    road.deliver()
    road.deliver()
    (sent,) = mailed(road, "ada@example.org")
    assert [str(number) for number in sent] == road.printed_for("ada@example.org", stays)[0]


def test_who_joins_later_on_the_day_gets_the_cut_edition_as_it_was_frozen(open_road):
    """What is composed for him would hold another paper in its first two places."""
    road = open_road({"name": "daily", "max_items": 3}, room=2, web=NO_WEB)
    road.bring(*(paper(n) for n in range(1, 4)))
    road.reader("al@example.org", since=SLOT - timedelta(hours=1))
    road.publish()
    road.bring(paper(0, upvotes=999), at=SLOT + timedelta(hours=1))
    road.now = SLOT + timedelta(hours=2)
    road.reader("bo@example.org", since=road.now)
    road.publish()
    road.deliver()
    for address in ("al@example.org", "bo@example.org"):
        assert mailed(road, address) == [[1, 2]]
    assert road.printed_for("al@example.org") == road.printed_for("bo@example.org") == [["1", "2"]]


def test_an_edition_that_was_frozen_whole_is_cut_for_who_comes_after_the_address_was_taken_away(open_road):
    road = open_road(room=2, web=WEB)
    road.bring(*(paper(n) for n in range(1, 4)))
    road.reader("al@example.org", since=SLOT - timedelta(hours=1))
    road.publish()
    road.deliver()
    road.use(web=NO_WEB)
    road.narrow(2)
    road.reader("bo@example.org", since=road.now)
    road.publish()
    road.deliver()
    assert road.printed_for("al@example.org") == [["1", "2", "3"]]
    assert road.printed_for("bo@example.org") == [["1", "2"]]
    assert mailed(road, "al@example.org") == mailed(road, "bo@example.org") == [[1, 2]]


def test_a_paper_that_had_no_room_is_explained_until_it_is_sent(open_road):
    road = open_road(room=2, web=NO_WEB)
    road.bring(*(paper(n) for n in range(1, 4)))
    road.reader()
    road.publish()

    def verdicts() -> list[str]:
        ask, digest = road.app.explain.run, road.digest()
        return [ask(f"2605.{n:05d}", digest, address="ada@example.org").verdict for n in range(1, 4)]

    assert verdicts() == ["printed", "printed", "no-room"]
    road.now += DAY
    road.publish()
    assert verdicts() == ["sent", "sent", "printed"]


# With the real templates


@pytest.mark.parametrize(("web", "database"), [(WEB, "sqlite"), (NO_WEB, "sqlite"), (NO_WEB, "postgresql")])
def test_eight_hundred_papers_are_printed_or_listed_or_wait_and_none_is_lost(open_road, web):
    road = open_road({"name": "daily", "max_items": 800}, web=web)
    road.bring(*(paper(n) for n in range(1, 801)))
    road.reader()
    before = road.preview(to="ada@example.org", at="2026-05-04T07:31")
    road.publish()
    road.deliver()
    (raw,) = road.raw_of("ada@example.org")
    assert is_stamped(raw, before)
    (row,) = ledger(road)
    page = road.app.preview.stored_html(row.message_key)
    listed = {n for n in range(1, 801) if f"Tidal gauges number {n} and" in page}
    recorded_ = {int(n) for n in road.printed_for("ada@example.org")[0]}
    assert listed == recorded_
    assert (len(recorded_) == 800) == (web is WEB)
    road.now += DAY
    road.publish()
    later = [int(n) for printed in road.printed_for("ada@example.org")[1:] for n in printed]
    assert sorted([*recorded_, *later]) == list(range(1, 801))


# The knife


def an_edition() -> Edition:
    """Papers 1, 2 and 3 in two sections."""
    item = Item(position=1, entry_id=1, work="arxiv:1", title="One", url="")  # type: ignore[arg-type]
    one, two, three = (replace(item, position=n, entry_id=n, title=f"Paper {n}") for n in (1, 2, 3))  # type: ignore[arg-type]
    sections = (
        Section(category="cs.CL", title="Language", items=(one, two), new=7),
        Section(category="cs.CV", title="Vision", items=(three,), new=1),
    )
    return Edition(
        id=0,  # type: ignore[arg-type]
        slot=None,  # type: ignore[arg-type]
        profile=None,  # type: ignore[arg-type]
        history_key="h",
        composed_at=SLOT,
        sections=sections,
        counts=Counts(candidates=9, already_sent=2, muted=1, printed=3),
        reason=(Remark(key="best-of", figures={"days": 30}),),
    )


def test_what_is_left_is_numbered_anew_and_counted_under_another_name():
    whole = an_edition()
    left = without(whole, [1, 3])
    assert [(section.category, section.new) for section in left.sections] == [("cs.CL", 7)]
    assert [(item.position, item.title) for item in left.items] == [(1, "Paper 2")]
    assert left.counts == Counts(candidates=9, already_sent=2, muted=1, printed=1)
    assert (left.reason, left.composed_at) == (whole.reason, whole.composed_at)
    names = {one.history_key for one in (whole, left, without(whole, [1]), without(whole, [3]))}
    assert len(names) == 4
    assert without(whole, [3, 1]) == left


def test_an_edition_of_which_nothing_is_left_says_why():
    assert (without(an_edition(), [1, 2, 3]).reason, without(an_edition(), [1, 2, 3]).sections) == ((NO_ROOM,), ())


def test_a_printer_that_omits_what_is_not_there_is_a_fault_and_no_endless_loop(open_road):
    road = open_road(*TWO, web=NO_WEB)
    road.bring(paper(1), paper(2, categories=("cs.CV",)))
    real = road.app.publish.print_edition

    def wrong(editions_, digests):
        return replace(real(editions_, digests), omitted=(("somebody else's", 1),))

    def wrong_together(editions_, digests):
        return wrong(editions_, digests) if len(editions_) > 1 else real(editions_, digests)

    whole = [road.preview(name, at="2026-05-04").edition for name in ("words", "sights")]
    chain = list(zip(whole, road.app.config.digests, strict=True))
    for printer in (wrong, wrong_together):
        with pytest.raises(ValueError, match=r"prints no paper|not in it"):
            Press(store=road.app.store, print_edition=printer, has_public_url=False).run(chain)
    pressed = Press(store=road.app.store, print_edition=real, has_public_url=False).run(chain)
    assert pressed.message.key not in {MessageKey(edition.key) for edition in whole}
    assert len(list(pressed.messages)) == 3
