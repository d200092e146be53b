"""Reports change what they are about, once; forged, foreign and repeated ones change nothing.

A hundred thousand forged ones run by name: ``pytest -m shared -s tests/services/test_bounces.py``.
"""

from __future__ import annotations

import random
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from digest.delivery.mailbox import Maildir
from digest.delivery.tokens import address_key, return_path
from digest.model.mail import Bounce, ReportKind
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.feedback import Acted, Heard, Obeyed
from digest.storage import bounces, deliveries, people
from digest.storage.base import metadata
from tests.delivery.mutated import mutated
from tests.delivery.returned import SAMPLES, Sample, complaint, dsn, failed, mail
from tests.services.world import DAILY, KEYS, World

BASE = "bounces@list.example.org"
NAMED = {sample.name: sample for sample in SAMPLES}
HARD = NAMED["postfix, no such user"]
FULL = NAMED["postfix, over quota"]
POLICY = NAMED["postfix, policy"]
COMPLAINT = Sample("", complaint("abuse"), ReportKind.COMPLAINT)


class Post:
    """A world whose mails were sent, and what comes back of them."""

    def __init__(self, store) -> None:
        self.world = World(store)
        self.store = store

    def sent(self, address="ada@example.org", *, state="accepted", **row) -> int:
        """A delivery that ended like this; gives its id."""
        with self.store.transaction() as tx:
            reader = people.subscriber(tx, address)
            (link, *_) = people.subscriptions_of(tx, reader.id) if reader else (None,)
            key = f"{row.pop('key', self.world.now.isoformat())}"
            values = {
                "kind": "test",
                "address": address,
                "address_key": address_key(address, KEYS.lasting),
                "message_key": "m",
                "now": self.world.now,
                "notice_key": key,
                "subscriber_id": reader.id if reader else None,
                "subscription_id": link.id if link else None,
            }
            deliveries.plan(tx, [deliveries.plan_row(**{**values, **row})])
            table = deliveries.deliveries
            made = tx.execute(
                select(table.c.id).where(table.c.address == address).order_by(table.c.id.desc()).limit(1)
            ).scalar_one()
            settled = None if state in ("queued", "sending") else self.world.now
            tx.execute(update(table).where(table.c.id == made).values(state=state, settled_at=settled))
        return made

    def path(self, delivery: int, base: str = BASE) -> str:
        return return_path(base, delivery, KEYS.links)

    def back(self, sample: Sample, delivery: int, reader="ada@example.org", **more) -> Acted:
        """A report about this delivery arrives."""
        return self.world.feedback.one(mail(sample, path=more.get("path") or self.path(delivery), reader=reader))

    def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of all tables."""
        with self.store.reading() as tx:
            return {table.name: [tuple(row) for row in tx.execute(select(table))] for table in metadata.sorted_tables}

    def listed(self) -> list[tuple[str, str]]:
        return [(one.address, one.reason.value) for one in self.world.subscribe.suppressions()]


def acted(delivery: int, heard: Heard, **done) -> Acted:
    """What is told of a mail to Ada."""
    return Acted(heard=heard, address="ada@example.org", delivery_id=delivery, **done)


@pytest.fixture
def post(store) -> Post:
    post = Post(store)
    post.world.reader()
    post.world.reader("bo@example.org")
    return post


def test_a_hard_bounce_suppresses_its_address_with_the_server_s_words(post):
    delivery = post.sent()
    assert post.back(HARD, delivery) == acted(delivery, Heard.HARD, suppressed=True)
    (entry,) = post.world.subscribe.suppressions()
    assert (entry.address, entry.reason) == ("ada@example.org", SuppressionReason.HARD_BOUNCE)
    assert entry.detail.startswith("5.1.1 550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown")
    assert entry.detail.endswith("(mx.uni.example)")
    (kept,) = post.world.feedback.history("Ada@Example.org")
    assert (kept.kind, kept.status, kept.at) == (ReportKind.HARD, "5.1.1", post.world.now)


def test_a_mail_nobody_acknowledged_can_bounce_as_well(post):
    assert post.back(HARD, post.sent(state="uncertain")).heard is Heard.HARD


def test_a_complaint_ends_the_subscription_of_that_mail_and_suppresses(post):
    delivery = post.sent()
    assert post.back(COMPLAINT, delivery) == acted(delivery, Heard.COMPLAINT, ended=1, suppressed=True)
    assert post.listed() == [("ada@example.org", "complaint")]
    assert post.world.subscribe.show("ada@example.org")[0].state is SubscriptionState.UNSUBSCRIBED
    assert post.world.subscribe.show("bo@example.org")[0].state is SubscriptionState.CONFIRMED


def test_a_complaint_about_a_joined_mail_ends_every_digest_in_it_and_no_other(store):
    from dataclasses import replace

    post = Post(store)
    names = ("daily", "weekly", "other")
    post.world.digests = tuple(replace(DAILY, name=name) for name in names)
    links = [post.world.reader(digest=name) for name in names]
    leader = post.sent(key="1", subscription_id=links[0].id)
    post.sent(key="2", subscription_id=links[1].id, leader_id=leader)
    assert post.back(COMPLAINT, leader).ended == 2
    states = {one.digest: one.state.value for one in post.world.subscribe.show("ada@example.org")}
    assert states == {"daily": "unsubscribed", "weekly": "unsubscribed", "other": "confirmed"}


@pytest.mark.parametrize("sample", [HARD, FULL, COMPLAINT, NAMED["qmail"], NAMED["exim, prose, unknown"]])
def test_what_is_repeated_changes_nothing_not_even_after_the_operator_lifted_it(post, sample):
    delivery = post.sent()
    post.back(sample, delivery)
    before = post.everything()
    post.world.now += timedelta(days=1)
    assert post.back(sample, delivery) == acted(delivery, Heard.REPEATED)
    assert post.everything() == before
    post.world.subscribe.lift("ada@example.org")
    lifted = post.everything()
    assert post.back(sample, delivery) == acted(delivery, Heard.REPEATED)
    assert post.everything() == lifted
    assert post.listed() == []


def forged(post: Post, sample: Sample) -> dict[str, bytes]:
    """Mails that look like reports of ours and are none that count."""
    ada, bo = post.sent(), post.sent("bo@example.org")
    unsent = {state: post.sent(key=state, state=state) for state in ("queued", "deferred", "rejected", "suppressed")}
    path = post.path(ada)
    token = path.partition("+")[2].partition("@")[0]

    def about(path: str, reader: str = "ada@example.org") -> bytes:
        return mail(sample, path=path, reader=reader)

    return {
        "no token": about(BASE),
        "a wrong token": about(path.replace(token[-4:], "beef" if token[-4:] != "beef" else "dead")),
        "ada's number with bo's token": about(path.replace(token, f"b{ada:x}-" + post.path(bo).partition("-")[2][:20])),
        "a number nobody has": about(post.path(987_654)),
        "a huge number": about(path.replace(token, "b" + "f" * 40 + "-" + "0" * 20)),
        "another key": about(return_path(BASE, ada, [b"another"])),
        **{f"never sent: {state}": about(post.path(each)) for state, each in unsent.items()},
        **(
            {}
            if sample is COMPLAINT
            else {
                "ada's token, about bo": about(path, "bo@example.org"),
                "about a stranger": about(path, "x@y.example"),
            }
        ),
    }


@pytest.mark.parametrize("sample", [HARD, FULL, COMPLAINT, NAMED["qmail"], NAMED["complaint like yahoo's"]])
def test_a_forged_report_changes_nothing_and_stays_in_the_box(post, sample):
    mails = forged(post, sample)
    before = post.everything()
    acknowledged = []
    done = post.world.feedback.obey(mails.items(), acknowledged.append)
    assert done.read == done.foreign + done.unrelated == len(mails)
    assert (post.everything(), acknowledged) == (before, [])


def test_a_report_about_a_mail_that_is_being_sent_is_read_again_when_that_is_settled(post):
    delivery = post.sent(state="sending")
    before = post.everything()
    raw, handled = mail(HARD, path=post.path(delivery), reader="ada@example.org"), []
    assert post.world.feedback.obey([("1", raw)], handled.append, handled.append) == Obeyed(read=1, early=1)
    assert (post.everything(), handled) == (before, [])
    with post.store.transaction() as tx:
        tx.execute(update(deliveries.deliveries).values(state="accepted"))
    assert post.world.feedback.one(raw).heard is Heard.HARD


def test_the_token_counts_in_capitals_and_under_another_address_of_ours(post):
    first, second = post.sent(key="1"), post.sent(key="2")
    assert post.back(FULL, first, path=post.path(first).upper()).heard is Heard.SOFT
    assert post.back(FULL, second, path=post.path(second, "digest@list.example.org")).heard is Heard.SOFT


def test_an_old_key_still_reads_the_return_paths_it_made(post):
    delivery = post.sent()
    old = return_path(BASE, delivery, KEYS.links)
    feedback = post.world.feedback
    from dataclasses import replace

    rotated = replace(feedback, links=(b"new", *KEYS.links))
    assert rotated.one(mail(HARD, path=old, reader="ada@example.org")).heard is Heard.HARD


@pytest.mark.parametrize("spelled", ["ADA@Example.ORG", "ada@EXAMPLE.org"])
def test_another_spelling_of_the_address_is_the_address(post, spelled):
    assert post.back(HARD, post.sent(), reader=spelled).heard is Heard.HARD


def test_a_plus_that_a_server_left_encoded_and_a_domain_in_letters_are_the_address(post):
    plus, letters = post.sent("ada+papers@example.org"), post.sent("ada@xn--bcher-kva.example")
    assert post.back(HARD, plus, reader="ada+2Bpapers@example.org").heard is Heard.HARD
    assert post.back(HARD, letters, reader="ada@bücher.example").heard is Heard.HARD


def test_a_forwarded_mail_counts_by_the_address_it_was_first_for(post):
    delivery = post.sent()
    back = post.back(NAMED["forwarded, the original is named"], delivery)
    assert back == acted(delivery, Heard.HARD, suppressed=True)


def test_of_several_recipients_ours_is_told(post):
    delivery = post.sent()
    assert post.back(NAMED["several recipients"], delivery).heard is Heard.SOFT
    assert post.listed() == []


@pytest.mark.parametrize(
    "sample", [one for one in SAMPLES if one.kind.value in ("delayed", "auto-reply")], ids=lambda one: one.name
)
def test_delays_and_automatic_replies_never_count_and_leave_the_box(post, sample):
    delivery = post.sent("ada@uni.example")
    before = post.everything()
    acknowledged = []
    raw = mail(sample, path=post.path(delivery))
    assert post.world.feedback.obey([("1", raw)], acknowledged.append) == Obeyed(read=1, nothing=1)
    assert (post.everything(), acknowledged) == (before, ["1"])


def test_a_report_is_taken_out_of_the_box_after_its_commit_only(post):
    raw = mail(HARD, path=post.path(post.sent()), reader="ada@example.org")

    def acknowledge(handle):
        assert post.listed() == [("ada@example.org", "hard-bounce")]

    assert post.world.feedback.obey([("1", raw)], acknowledge).hard == 1


def test_soft_bounces_on_enough_different_days_suppress(post):
    for day in range(5):
        assert post.listed() == []
        for number in range(3):  # several on one day are one
            acted = post.back(FULL, post.sent(key=f"{day}.{number}"))
            assert acted.heard is Heard.SOFT
        post.world.now += timedelta(days=2)
    (entry,) = post.world.subscribe.suppressions()
    assert (entry.address, entry.reason) == ("ada@example.org", SuppressionReason.SOFT_BOUNCE)
    assert entry.detail == "5 soft bounces in 15 days; the last: 5.2.2 552 5.2.2 Mailbox full (mx.uni.example)"


def test_soft_bounces_that_are_too_far_apart_suppress_nobody(post):
    for day in range(12):
        post.back(FULL, post.sent(key=f"{day}"))
        post.world.now += timedelta(days=4)
    assert post.listed() == []


def test_what_is_refused_for_our_own_sake_is_counted_and_suppresses_nobody(post):
    for day in range(12):
        assert post.back(POLICY, post.sent(key=f"{day}")).heard is Heard.SOFT
        post.world.now += timedelta(days=1)
    assert post.listed() == []
    assert post.world.report.status().bounces == {"hard": 0, "soft": 7, "complaint": 0}


def test_lifting_forgives_what_came_before(post):
    for day in range(5):
        post.back(FULL, post.sent(key=f"{day}"))
        post.world.now += timedelta(days=1)
    assert post.world.subscribe.lift("ada@example.org")
    for day in range(5, 9):
        assert not post.back(FULL, post.sent(key=f"{day}")).suppressed
        post.world.now += timedelta(days=1)
    assert post.back(FULL, post.sent(key="9")).suppressed


def test_what_a_relay_says_at_once_counts_with_what_comes_by_mail(post):
    for day in range(4):
        post.back(FULL, post.sent(key=f"{day}"))
        post.world.now += timedelta(days=1)
    delivery = post.sent(state="rejected", key="now")
    wanted = {"status": "5.2.2", "detail": "full", "limit": 5, "window": timedelta(days=15)}
    with post.store.transaction() as tx:
        assert bounces.note_soft(tx, delivery, now=post.world.now, **wanted) == (True, True)
        assert bounces.note_soft(tx, delivery, now=post.world.now, **wanted) == (False, False)
        assert bounces.note_soft(tx, 987_654, now=post.world.now, **wanted) == (False, False)
    assert post.listed() == [("ada@example.org", "soft-bounce")]


def test_erasing_takes_the_words_out_and_what_comes_later_finds_nobody(post):
    first, second = post.sent(key="1"), post.sent(key="2")
    post.back(HARD, first)
    post.world.subscribe.erase("ada@example.org")
    assert "ada@" not in repr(post.everything())
    before = post.everything()
    for delivery in (first, second):
        assert post.back(HARD, delivery).heard is Heard.FOREIGN
    assert post.everything() == before


def test_retention_drops_bounces_with_their_deliveries(post):
    post.back(FULL, post.sent())
    post.world.now += timedelta(days=98)
    assert post.world.upkeep.prune(retention_days=400).bounces == 0
    post.world.now += timedelta(days=2)
    assert post.world.upkeep.prune(retention_days=400, soft_window=timedelta(days=200)).bounces == 0
    assert post.world.upkeep.prune(retention_days=400).bounces == 1


def test_a_row_tells_what_was_kept(post):
    delivery = post.sent()
    post.back(POLICY, delivery)
    assert post.world.feedback.history("ada@example.org") == (
        Bounce(
            delivery_id=delivery,
            kind=ReportKind.SOFT,
            status="5.7.1",
            detail="550 5.7.1 Service unavailable; client host [192.0.2.7] blocked (mx.uni.example)",
            counts=False,
            at=post.world.now,
        ),
    )
    assert post.world.feedback.history("bo@example.org") == ()


def test_a_maildir_full_of_other_mail_is_left_as_it_is(post, tmp_path):
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    others = [one for one in SAMPLES if one.kind is ReportKind.UNRELATED]
    for number, sample in enumerate(others * 40):
        (tmp_path / "new" / f"{number:05d}.host").write_bytes(mail(sample))
    ours = {"00010.a": mail(HARD, path=post.path(post.sent()), reader="ada@example.org"), "99999.z": mail(HARD)}
    for name, raw in ours.items():
        (tmp_path / "new" / name).write_bytes(raw)
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in (tmp_path / "new").iterdir()}
    box, left = Maildir(tmp_path), set()
    done = post.world.feedback.obey(box.unread(left), box.acknowledge, left.add)
    assert (done.read, done.hard, done.unrelated) == (len(before), 1, len(before) - 1)
    assert [file.name for file in (tmp_path / "cur").iterdir()] == ["00010.a:2,S"]
    del before["00010.a"]
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in (tmp_path / "new").iterdir()} == before
    assert post.world.feedback.obey(box.unread(left), box.acknowledge, left.add) == Obeyed(), "nothing is read twice"


def test_mutated_reports_without_a_token_of_ours_change_nothing(post):
    _feed(post, 500)


@pytest.mark.shared
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_mutated_reports_change_nothing(post):
    began = time.monotonic()
    _feed(post, 100_000)
    print(f"\n100000 forged reports in {time.monotonic() - began:.0f} s")


def _feed(post: Post, number: int) -> None:
    """Reports with tokens that somebody else made, or of mails that were never sent."""
    delivery, queued = post.sent(), post.sent(key="queued", state="queued")
    paths = (post.path(queued), return_path(BASE, delivery, [b"a guess"]))
    raws = [mail(sample, path=path, reader="ada@example.org") for sample in SAMPLES for path in paths]
    before = post.everything()
    chance = random.Random(5)
    done = post.world.feedback.obey(((n, mutated(chance, raws)) for n in range(number)), lambda handle: None)
    assert done.read == done.unrelated + done.foreign + done.unknown == number
    assert done.foreign > number // 10
    assert post.everything() == before


def test_a_report_about_words_that_no_database_takes_is_kept(post):
    sample = Sample("", dsn(failed("5.1.1", "550 5.1.1 \x00 \udcff no".encode("utf-8", "replace").decode())), HARD.kind)
    assert post.back(sample, post.sent()).heard is Heard.HARD
