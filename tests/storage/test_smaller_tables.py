"""Sources, people, meta and leases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from digest.model.feeds import FetchRequest, Health, Source, SourceId, SourceState, Validators
from digest.model.people import SubscriptionState, Suppression, SuppressionReason
from digest.storage import backfills, meta, people, sources
from digest.storage.backfills import HeldBackfill
from tests.storage.papers import SLOT_AT

NOW = SLOT_AT
LATER = NOW + timedelta(minutes=15)
FEED = Source(id=SourceId("feed"), kind="feed", url="https://a.example/feed")


def claim(tx, now=NOW, ids=None, due_only=True):
    return [
        one.source.id
        for one in sources.claim(tx, ids, now=now, busy_until=now + timedelta(minutes=15), due_only=due_only)
    ]


def test_claiming_a_source_moves_its_next_time_so_that_nobody_else_fetches_it(store):
    with store.transaction() as tx:
        sources.sync(tx, [FEED, replace(FEED, id=SourceId("other"))])
        assert claim(tx, ids=["feed"]) == ["feed"]
        assert claim(tx) == ["other"]
        assert claim(tx) == []
        assert claim(tx, due_only=False) == ["feed", "other"]
        assert claim(tx, now=LATER) == ["feed", "other"]


def test_only_a_claim_that_still_stands_is_moved_further(store):
    other, third = replace(FEED, id=SourceId("other")), replace(FEED, id=SourceId("third"))
    health = Health(state=SourceState.OK, detail="fine", next_at=NOW + timedelta(hours=1), failures=0)
    with store.transaction() as tx:
        sources.sync(tx, [FEED, other, third])
        assert claim(tx) == ["feed", "other", "third"]
        held = {one.source.id: one for one in sources.all_held(tx)}
        sources.record(tx, [sources.Ended(held=held[other.id], health=health, at=NOW, reached=True)])
        sources.renew(tx, [FEED.id, other.id], held_until=LATER, until=LATER + timedelta(minutes=1))
        assert {one.source.id: one.next_at - NOW for one in sources.all_held(tx)} == {
            "feed": timedelta(minutes=16),
            "other": timedelta(hours=1),
            "third": timedelta(minutes=15),
        }


def test_a_source_whose_address_changed_starts_afresh_and_one_taken_out_is_no_longer_polled(store):
    health = Health(state=SourceState.OK, detail="fine", next_at=LATER, failures=0)
    with store.transaction() as tx:
        sources.sync(tx, [FEED])
        sources.remember(tx, FEED.id, FEED.url, Validators(etag="1"), NOW)
        (held,) = sources.all_held(tx)
        sources.record(tx, [sources.Ended(held=held, health=health, at=NOW, title="A", keys="k", reached=True)])
        sources.sync(tx, [replace(FEED, every=timedelta(hours=2))])
        (held,) = sources.all_held(tx)
        assert (held.first_fetched_at, held.source.every, held.title) == (NOW, timedelta(hours=2), "A")
        sources.sync(tx, [replace(FEED, url="https://b.example/feed")])
        (held,) = sources.all_held(tx)
        assert (held.first_fetched_at, held.next_at, sources.validators(tx, FEED.id)) == (None, None, {})
        sources.sync(tx, [])
        assert sources.all_held(tx) == ()
        assert claim(tx, due_only=False) == []


def test_a_source_that_was_taken_out_comes_back_with_the_configuration(store):
    with store.transaction() as tx:
        assert sources.add(tx, FEED) and not sources.add(tx, FEED)
        assert sources.remove(tx, FEED.id) and not sources.remove(tx, FEED.id)
        sources.sync(tx, [FEED])
        (held,) = sources.all_held(tx)
        assert held.origin == "config"


def test_what_was_read_and_planned_at_another_address_is_forgotten(store):
    since = SLOT_AT.date()
    with store.transaction() as tx:
        sources.sync(tx, [FEED])
        begin(tx, since)
        sources.sync(tx, [replace(FEED, every=timedelta(hours=2))])
        assert backfills.unfinished(tx, FEED.id, since) is not None
        sources.sync(tx, [replace(FEED, kind="arxiv")])
        assert backfills.unfinished(tx, FEED.id, since) is None


def test_an_id_that_is_taken_up_again_has_neither_documents_nor_a_past(store):
    since = SLOT_AT.date()
    with store.transaction() as tx:
        sources.add(tx, FEED)
        begin(tx, since)
        sources.remember(tx, FEED.id, FEED.url, Validators(body_hash="1"), NOW)
        sources.remove(tx, FEED.id)
        assert sources.add(tx, replace(FEED, kind="arxiv"))
        assert (sources.validators(tx, FEED.id), backfills.unfinished(tx, FEED.id, since)) == ({}, None)
        sources.remember(tx, FEED.id, FEED.url, Validators(body_hash="1"), NOW)
        assert not sources.add(tx, FEED)
        assert sources.validators(tx, FEED.id)


def begin(tx, since):
    waiting = (FetchRequest(url=FEED.url),)
    backfills.keep(tx, HeldBackfill(source_id=FEED.id, since=since, started_at=NOW, waiting=waiting))


def test_who_added_a_source_is_kept(store):
    web = replace(FEED, id=SourceId("web"), from_operator=False)
    with store.transaction() as tx:
        sources.sync(tx, [FEED])
        sources.add(tx, web)
        assert {one.source.id: one.source.from_operator for one in sources.all_held(tx)} == {"feed": True, "web": False}


def test_validators_unseen_for_two_weeks_are_dropped(store):
    with store.transaction() as tx:
        sources.sync(tx, [FEED])
        sources.remember(tx, FEED.id, "https://a.example/1", Validators(etag="1"), NOW)
        sources.remember(tx, FEED.id, "https://a.example/2", Validators(etag="2"), NOW + timedelta(days=15))
        sources.remember(tx, FEED.id, "https://a.example/2", Validators(etag="3"), NOW + timedelta(days=15))
        assert sources.validators(tx, FEED.id) == {"https://a.example/2": Validators(etag="3")}


def test_a_subscription_keeps_its_secret_and_wishes_through_leaving_and_coming_back(store):
    with store.transaction() as tx:
        who = people.add_subscriber(tx, "ada@example.org", NOW)
        assert people.add_subscriber(tx, "ada@example.org", LATER) == who
        link = people.add_subscription(tx, who.id, "daily", state=SubscriptionState.CONFIRMED, secret="s1", now=NOW)
        people.choose(tx, link.id, {"language": "de", "send_at": "08:15", "preferences": {"keywords": ["a"]}})
        assert people.set_state(tx, link.id, SubscriptionState.UNSUBSCRIBED, NOW)
        assert not people.set_state(tx, link.id, SubscriptionState.UNSUBSCRIBED, LATER)
        again = people.add_subscription(tx, who.id, "daily", state=SubscriptionState.CONFIRMED, secret="s2", now=LATER)
        assert (again.id, again.secret, again.language, again.preferences) == (link.id, "s1", "de", {"keywords": ["a"]})
        assert (again.confirmed_at, again.state, str(again.send_at)) == (LATER, SubscriptionState.CONFIRMED, "08:15:00")
        assert people.by_secret(tx, "s1") == again
        assert people.by_secret(tx, "s2") is None


def test_erasing_leaves_a_tombstone_without_the_person(store):
    with store.transaction() as tx:
        who = people.add_subscriber(tx, "ada@example.org", NOW)
        link = people.add_subscription(tx, who.id, "daily", state=SubscriptionState.CONFIRMED, secret="s1", now=NOW)
        people.erase(tx, who.id, NOW)
        assert people.subscriber(tx, "ada@example.org") is None
        assert (people.subscription(tx, link.id), people.by_secret(tx, "s1"), people.everybody(tx)) == (None, None, ())
        assert (people.count_readers(tx), people.readers(tx, "daily"), people.readers_by_digest(tx)) == (0, (), {})
        assert people.add_subscriber(tx, "ada@example.org", LATER).id != who.id


def test_readers_come_in_pages_and_only_the_confirmed_ones(store):
    with store.transaction() as tx:
        for number in range(5):
            who = people.add_subscriber(tx, f"r{number}@example.org", NOW)
            state = SubscriptionState.PENDING if number == 2 else SubscriptionState.CONFIRMED
            people.add_subscription(tx, who.id, "daily", state=state, secret=f"s{number}", now=NOW)
        first = people.readers(tx, "daily", limit=3)
        rest = people.readers(tx, "daily", after=first[-1].id, limit=3)
        assert [one.address[1] for one in (*first, *rest)] == ["0", "1", "3", "4"]
        assert [one.address[1] for one in people.page(tx, after=first[0].id, limit=2)] == ["1", "2"]
        assert (people.count_readers(tx), people.readers_by_digest(tx)) == (4, {"daily": 4})
        assert [one.address for one in people.everybody(tx, search="R3@")] in ([], ["r3@example.org"])


def test_the_first_reason_on_the_suppression_list_stays(store):
    def listed(reason):
        return Suppression(key="k", address="a@example.org", reason=reason, detail="", since_at=NOW)

    with store.transaction() as tx:
        assert people.suppress(tx, listed(SuppressionReason.COMPLAINT))
        assert not people.suppress(tx, listed(SuppressionReason.OPERATOR))
        assert people.suppressed(tx, ["k", "other"]) == {"k": SuppressionReason.COMPLAINT}
        assert people.count_suppressions(tx) == {SuppressionReason.COMPLAINT: 1}
        assert people.lift(tx, "k") and not people.lift(tx, "k")


def test_the_secret_is_made_once(store):
    with store.transaction() as tx:
        made = meta.secret(tx)
        assert len(made) == 32
        assert meta.secret(tx) == made


def test_a_lease_is_held_by_one_until_it_runs_out_or_is_given_back(store):
    def take(holder, now=NOW):
        return meta.take_lease(tx, "publish", holder, now, now + timedelta(minutes=10))

    with store.transaction() as tx:
        assert [take("a"), take("a"), take("b")] == [True, True, False]
        assert take("b", NOW + timedelta(minutes=10))
        meta.give_back(tx, "publish", "a")
        assert not take("a", NOW + timedelta(minutes=11))
        meta.give_back(tx, "publish", "b")
        assert take("a", NOW + timedelta(minutes=11))
