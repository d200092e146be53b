"""Several digests in one mail for a reader who wishes so: planned, sent, settled and parted together."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.model.editions import Slot
from digest.services.publishing.composing import Wanted
from digest.services.publishing.together import one_mail
from digest.storage import deliveries, editions, people
from tests.services.road import DAY, SLOT, Road, in_mail, paper, titles

THREE = (
    {"name": "words", "categories": {"cs.CL": 1}},
    {"name": "sights", "categories": {"cs.CV": 1}},
    {"name": "noon", "send_at": "12:00"},
)


@pytest.fixture
def road(url: str, tmp_path: Path) -> Iterator[Road]:
    """Two digests at 07:30 and one at noon; ada wishes them joined, papers 1 and 2 are new."""
    road = Road.open(tmp_path, url, *THREE)
    road.bring(paper(1), paper(2, categories=("cs.CV",)))
    for name in ("sights", "words", "noon"):
        road.reader(digest=name, joined=True)
    yield road
    road.app.close()


def ledger(road: Road) -> list[deliveries.Delivery]:
    with road.app.store.reading() as tx:
        return list(deliveries.listing(tx))


def test_digests_of_one_instant_are_one_mail_with_a_row_each(road):
    told = titles(road.publish())
    counted = {digest: (readers, planned) for digest, readers, _, planned in told}
    assert (counted["words"], counted["sights"]) == ((1, 1), (1, 1))
    first, second = [row for row in ledger(road) if row.local_date.isoformat() == "2026-05-04"]
    assert (first.digest, second.digest) == ("words", "sights"), "the order is that of the configuration"
    assert (first.leader_id, second.leader_id) == (None, first.id)
    assert first.message_key == second.message_key
    assert road.deliver() == {"accepted": 1}
    (mail,) = road.mails()
    assert in_mail(mail) == [1, 2]
    assert "words.example.org" in mail["List-Id"] and "sights" not in mail["List-Id"]
    assert {row.state for row in ledger(road)} == {"accepted"}


def test_the_unsubscribe_token_of_a_joined_mail_leaves_every_digest_in_it(road):
    road.publish()
    road.deliver()
    (mail,) = road.mails()
    token = mail["List-Unsubscribe"].split("/unsubscribe/")[1].split(">")[0]
    left = road.app.subscribe.leave_by_token(token)
    assert sorted(one.digest for one in left) == ["sights", "words"]
    states = {one.digest: one.state.value for one in road.app.subscribe.show("ada@example.org")}
    assert states == {"words": "unsubscribed", "sights": "unsubscribed", "noon": "confirmed"}


def test_a_work_that_fits_both_digests_is_in_the_first_only(road):
    both = paper(3, categories=("cs.CL", "cs.CV"))
    road.bring(both)
    road.publish()
    words, sights = road.printed_for("ada@example.org")
    assert sorted(words) == ["1", "3"]
    assert sights == ["2"]


@pytest.mark.parametrize("state", ["accepted", "rejected", "uncertain", "expired"])
def test_all_rows_are_settled_as_their_mail_is(road, state):
    road.publish()
    road.settle(state)
    assert [one for *_, one in road.rows()] == [state, state]


@pytest.mark.parametrize("left", ["words", "sights"])
def test_leaving_one_digest_before_the_mail_goes_splits_it(road, left):
    stays = {"words": "sights", "sights": "words"}[left]
    road.publish()
    road.app.subscribe.leave("ada@example.org", left)
    road.deliver()
    road.deliver()
    assert sorted(road.rows()) == sorted(
        [("ada@example.org", left, "suppressed"), ("ada@example.org", stays, "accepted")]
    )
    (mail,) = road.mails()
    assert in_mail(mail) == [{"words": 1, "sights": 2}[stays]]
    assert stays in mail["List-Id"]


@pytest.mark.parametrize("ended", ["words", "sights"])
def test_cancelling_one_digest_lets_the_other_go_out_alone_and_frees_only_its_own(road, ended):
    stays = {"words": "sights", "sights": "words"}[ended]
    road.publish()
    assert road.app.ledger.cancel(ended) == 1
    road.deliver()
    (mail,) = road.mails()
    assert in_mail(mail) == [{"words": 1, "sights": 2}[stays]]
    road.now += DAY
    road.publish()
    own = {"words": ["1"], "sights": ["2"]}
    assert road.printed_for("ada@example.org", ended) == [own[ended], own[ended]]
    assert road.printed_for("ada@example.org", stays) == [own[stays]]


def test_digests_that_expire_at_different_times_do_not_lose_or_repeat_a_work(road):
    road.use({**THREE[0], "expire_after": "1h"}, {**THREE[1], "expire_after": "2d"}, THREE[2])
    road.publish()
    road.now += timedelta(hours=2)
    road.deliver()
    assert sorted(road.rows()) == [
        ("ada@example.org", "sights", "accepted"),
        ("ada@example.org", "words", "expired"),
    ]
    assert [in_mail(mail) for mail in road.mails()] == [[2]]


def test_an_empty_digest_drops_out_of_the_mail(road):
    road.now = SLOT + DAY
    road.publish()
    road.settle("accepted")
    road.bring(paper(5), at=road.now)
    road.now += DAY
    told = {one.digest: one for one in road.publish().slots}
    assert (told["words"].planned, told["sights"].planned) == (1, 0)
    assert told["sights"].reason and not told["words"].reason
    road.deliver()
    assert [in_mail(mail) for mail in road.mails()] == [[5]]


def test_readers_with_the_same_digests_share_one_joined_mail(road):
    for name in ("words", "sights"):
        road.reader("bo@example.org", name, joined=True)
    road.publish()
    joined = [editions for editions in road.printed if len(editions) == 2]
    assert len(joined) == 1
    assert len({row.message_key for row in ledger(road)}) == 1


def test_who_does_not_wish_it_gets_two_mails(road):
    for name in ("words", "sights"):
        road.reader("bo@example.org", name)
    road.publish()
    road.deliver()
    assert sorted(in_mail(mail) for mail in road.mails() if mail["To"] == "bo@example.org") == [[1], [2]]


def test_naming_one_digest_still_sends_the_joined_mail_whole(road):
    told = {one.digest: one.planned for one in road.publish(digests=["sights"]).slots}
    assert told == {"words": 1, "sights": 1}
    road.publish()
    assert len(ledger(road)) == 2


def test_a_digest_served_in_a_joined_mail_is_not_said_to_have_no_reader(road):
    assert {one.digest: one.reason for one in road.publish().slots}["sights"] == ""


def test_a_joined_mail_prints_what_its_frozen_editions_say(road):
    """Bo joins after a paper came that the frozen edition of the morning does not hold: he gets it tomorrow, once."""
    for name in ("words", "sights"):
        road.reader("al@example.org", name, since=SLOT - timedelta(hours=1))
    road.publish(digests=["words"])
    road.bring(paper(4), at=SLOT + timedelta(hours=1))
    road.now = SLOT + timedelta(hours=2)
    for name in ("words", "sights"):
        road.reader("bo@example.org", name, joined=True, since=road.now)
    road.publish()
    road.deliver()
    road.now = SLOT + DAY
    road.publish()
    road.deliver()
    seen = [number for mail in road.mails() if mail["To"] == "bo@example.org" for number in in_mail(mail)]
    assert sorted(seen) == [1, 2, 4]
    flat = [number for printed in road.printed_for("bo@example.org") for number in printed]
    assert sorted(flat) == ["1", "2", "4"]


@pytest.fixture
def shown(road: Road) -> Callable[[str], list[int]]:
    def look(digest: str) -> list[int]:
        previewed = road.preview(digest, to="ada@example.org", at="2026-05-04")
        assert previewed.mail is not None
        return in_mail(email.message_from_bytes(previewed.mail, policy=email.policy.default))  # type: ignore[arg-type]

    return look


def test_the_preview_of_a_joined_digest_is_the_joined_mail(road, shown):
    assert shown("words") == shown("sights") == [1, 2]
    before = {name: road.preview(name, to="ada@example.org", at="2026-05-04").message for name in ("words", "sights")}
    road.now = SLOT
    road.publish()
    with road.app.store.reading() as tx:
        keys = {row.message_key for row in deliveries.listing(tx)}
        (sent,) = [editions.message(tx, key) for key in keys]
    assert before == {"words": sent, "sights": sent}
    assert road.preview("sights", to="ada@example.org", at="2026-05-04").message == sent


def test_a_reader_of_very_many_digests_gets_them_in_mails_of_twenty(url, tmp_path):
    """List-Unsubscribe holds a secret for each, and no line may be longer than 998 bytes."""
    names = [f"digest-{n:02d}" for n in range(45)]
    road = Road.open(tmp_path, url, *({"name": name} for name in names))
    for name in reversed(names):
        road.reader(digest=name, joined=True)
    digests = road.app.publish.digests
    wanted = {
        digest.name: Wanted(
            digest=digest,
            slot=Slot(digest=digest.name, local_date=SLOT.date(), at=SLOT),
            profile=digest.profile,
            since=SLOT - DAY,
        )
        for digest in digests
    }
    with road.app.store.reading() as tx:
        links = people.subscriptions_of(tx, people.subscriber(tx, "ada@example.org").id)
    mails = {
        tuple(
            other.digest
            for other, _ in one_mail(
                digests,
                link,
                wanted[link.digest],
                [other for other in links if other.id != link.id],
                lambda digest, _: wanted[digest.name],
            )
        )
        for link in links
    }
    assert sorted(mails) == [tuple(names[at : at + 20]) for at in (0, 20, 40)]
    road.app.close()
