"""What a provider tells counts under the law of mails: it must name a mail of ours, to that address, that was sent."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from digest.model.mail import DeliveryId, Report, Reported, ReportKind
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.feedback import Acted, Heard
from digest.services.stamping import message_id_of
from digest.storage import deliveries
from tests.services.test_bounces import Post
from tests.services.world import KEYS

HARD, SOFT, COMPLAINT = ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT
ADA = "ada@example.org"


@pytest.fixture
def post(store) -> Post:
    post = Post(store)
    post.world.reader()
    post.world.reader("bo@example.org")
    return post


def message_id(post: Post, delivery: int) -> str:
    with post.store.reading() as tx:
        found = deliveries.one(tx, delivery)
    assert found is not None
    return f"<{message_id_of(found, KEYS)}@example.org>"


def report(kind=HARD, *, address=ADA, paths=(), message_id="", counts=True, **about) -> Report:
    one = Reported(kind=kind, final=address, status="5.1.1", text="550 5.1.1 no such user", counts=counts, **about)
    return Report(kind=kind, paths=paths, recipients=(one,), message_id=message_id)


def test_a_mail_named_by_its_return_path_or_its_message_id_is_found(post):
    first, second = post.sent(key="1", message_key="a"), post.sent(key="2", message_key="b")
    told = post.world.feedback.told
    by_path = told(report(SOFT, paths=("digest@example.org", post.path(first))))
    assert by_path == Acted(heard=Heard.SOFT, address=ADA, delivery_id=first)
    by_id = told(report(message_id=message_id(post, second)))
    assert by_id == Acted(heard=Heard.HARD, suppressed=True, address=ADA, delivery_id=second)
    (listed,) = post.world.subscribe.suppressions()
    assert (listed.address, listed.reason) == (ADA, SuppressionReason.HARD_BOUNCE)
    assert listed.detail == "5.1.1 550 5.1.1 no such user"


@pytest.mark.parametrize("spelled", ["{}", "<{}>", " {} ", "<{}"])
def test_a_message_id_may_be_spelt_with_or_without_its_brackets_and_in_any_case(post, spelled):
    named = message_id(post, post.sent()).strip("<>")
    assert post.world.feedback.told(report(message_id=spelled.format(named.upper()))).heard is Heard.HARD


@pytest.mark.parametrize("address", ["ADA@Example.ORG", " ada@example.org "])
def test_an_address_may_be_spelt_otherwise(post, address):
    named = message_id(post, post.sent())
    assert post.world.feedback.told(report(message_id=named, address=address)).heard is Heard.HARD


def test_a_complaint_ends_the_subscription_of_that_mail_and_no_other(post):
    done = post.world.feedback.told(report(COMPLAINT, message_id=message_id(post, post.sent())))
    assert (done.heard, done.ended, done.suppressed) == (Heard.COMPLAINT, 1, True)
    assert post.world.subscribe.show(ADA)[0].state is SubscriptionState.UNSUBSCRIBED
    assert post.world.subscribe.show("bo@example.org")[0].state is SubscriptionState.CONFIRMED


def test_what_is_told_twice_counts_once_even_by_mail_and_by_webhook(post):
    delivery = post.sent()
    told = report(SOFT, message_id=message_id(post, delivery))
    assert post.world.feedback.told(told).heard is Heard.SOFT
    before = post.everything()
    for again in (told, report(SOFT, paths=(post.path(delivery),))):
        assert post.world.feedback.told(again).heard is Heard.REPEATED
    assert post.everything() == before


def test_nobody_is_suppressed_for_a_mail_that_is_not_named_or_is_anothers(post):
    ada, bo = post.sent(), post.sent("bo@example.org")
    named = {
        "nothing": report(),
        "no Message-ID of ours": report(message_id="<CAF0+x@mail.gmail.com>"),
        "a guessed one": report(message_id=f"<{'0' * 32}@example.org>"),
        "half of it": report(message_id=message_id(post, ada)[:20]),
        "another's": report(message_id=message_id(post, bo)),
        "another's path": report(paths=(post.path(bo),)),
        "a forged path": report(paths=("mail+b1-00000000000000000000@digest",)),
        "no address": report(message_id=message_id(post, ada), address=""),
        "an address that is none": report(message_id=message_id(post, ada), address="\udc80@@ \0"),
        "an unknown address": report(message_id=message_id(post, ada), address="eve@example.org"),
        "letters of the world": report(message_id="м" * 40, address="д@пример.рф"),
    }
    before = post.everything()
    for name, told in named.items():
        assert post.world.feedback.told(told).heard in (Heard.UNRELATED, Heard.FOREIGN), name
    assert post.everything() == before


def test_a_mail_that_was_never_sent_counts_for_nothing_and_one_that_is_being_sent_must_be_told_again(post):
    before = {state: post.sent(key=state, state=state, message_key=state) for state in ("queued", "rejected")}
    for state, delivery in before.items():
        assert post.world.feedback.told(report(message_id=message_id(post, delivery))).heard is Heard.UNRELATED, state
        assert post.world.feedback.told(report(paths=(post.path(delivery),))).heard is Heard.FOREIGN, state
    sending = post.sent(key="now", state="sending", message_key="now")
    assert post.world.feedback.told(report(message_id=message_id(post, sending))).heard is Heard.EARLY
    assert post.listed() == []


def test_a_delay_is_nothing_and_asks_the_database_nothing(post):
    named = message_id(post, post.sent())
    asked: list[str] = []
    event.listen(post.store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    late = report(ReportKind.DELAYED, message_id=named)
    assert post.world.feedback.told(late) == Acted(heard=Heard.NOTHING)
    assert post.world.feedback.told(Report(kind=HARD)) == Acted(heard=Heard.NOTHING)
    assert asked == []


def test_a_mail_that_joins_digests_is_found_by_its_leader(post):
    (link,) = post.world.subscribe.show(ADA)
    leader = post.sent(key="1", message_key="joined", subscription_id=link.id)
    post.sent(key="2", message_key="joined", leader_id=DeliveryId(leader))
    done = post.world.feedback.told(report(message_id=message_id(post, leader)))
    assert (done.heard, done.delivery_id) == (Heard.HARD, leader)


def test_only_the_newest_mails_to_an_address_are_compared(post):
    first = message_id(post, post.sent(key="0", message_key="first"))
    with post.store.transaction() as tx:
        reader = post.world.subscribe.show(ADA)[0].subscriber_id
        deliveries.plan(
            tx,
            [
                deliveries.plan_row(
                    kind="test", address=ADA, address_key="k", message_key=f"m{n}", now=post.world.now,
                    notice_key=f"n{n}", subscriber_id=reader,
                )
                for n in range(200)
            ],
        )  # fmt: skip
        tx.execute(deliveries.deliveries.update().values(state="accepted"))
    assert post.world.feedback.told(report(message_id=first)).heard is Heard.UNRELATED
