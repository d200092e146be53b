"""The ledger: nothing twice, nothing lost, and only the holder of a lease may settle."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import event, select, text

from digest.model.editions import Edition, EditionId, Slot
from digest.model.errors import Conflict
from digest.model.mail import DeliveryState, Due, MessageKey, Outcome, OutcomeKind
from digest.model.people import Profile, SubscriptionState, Suppression, SuppressionReason
from digest.storage import deliveries, editions, folding, people, sending
from digest.storage.lane import Accepted, Lane
from tests.storage.papers import SLOT_AT

NOW = SLOT_AT
LATER = NOW + timedelta(minutes=2)
DAY = date(2026, 5, 4)
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, code=250, remote="queued")


def reader(tx, number=1, digest="daily"):
    who = people.add_subscriber(tx, f"r{number}@example.org", NOW)
    return people.add_subscription(
        tx, who.id, digest, state=SubscriptionState.CONFIRMED, secret=f"{digest}-{number}".ljust(22, "x"), now=NOW
    )


def edition(tx, digest="daily", day=DAY):
    made = Edition(
        id=EditionId(0),
        slot=Slot(digest=digest, local_date=day, at=NOW),
        profile=Profile(),
        history_key="h",
        composed_at=NOW,
    )
    return editions.freeze(tx, made)


def row(tx, number=1, digest="daily", day=DAY, **changes):
    link, printed = reader(tx, number, digest), edition(tx, digest, day)
    return deliveries.plan_row(
        **{
            "kind": "edition",
            "address": link.address,
            "address_key": f"key-{number}",
            "message_key": printed.key,
            "now": NOW,
            "digest": digest,
            "subscriber_id": link.subscriber_id,
            "subscription_id": link.id,
            "local_date": day,
            "edition_id": printed.id,
            **changes,
        }
    )


def planned(store, *numbers, **changes):
    with store.transaction() as tx:
        assert deliveries.plan(tx, [row(tx, number, **changes) for number in numbers]) == len(numbers)


def claim(store, lease="one", limit=10, now=NOW, **options):
    with store.transaction() as tx:
        return [
            one.id
            for one in sending.claim(tx, lease=lease, now=now, until=now + timedelta(minutes=2), limit=limit, **options)
        ]


def settle(store, delivery, lease="one", state=DeliveryState.ACCEPTED, outcome=ACCEPTED, **options):
    with store.transaction() as tx:
        return sending.settle(tx, delivery, lease, state=state, outcome=outcome, now=LATER, **options)


def group(store, *, accepted=(), ids=(), lease="one", until=LATER):
    """What a sender writes most: (how many of the accepted ones were still its own, which of the others may go)."""
    lane = Lane(store, lease)
    try:
        return lane.group(accepted, [due(one) for one in ids], now=NOW, until=until, relay="relay:25")
    finally:
        lane.close()


def due(number):
    """What its sender knows of an edition of this day, as far as it matters here."""
    return Due(number, "edition", "", MessageKey(""), None, None, DAY.isoformat(), 0, "", "")


def gate(store, delivery, lease="one"):
    """Why a mail may not go; empty when it may."""
    if group(store, ids=[delivery], lease=lease)[1]:
        return ""
    with store.reading() as tx:
        return sending.refused_at_gate(tx, delivery, lease)


def gate_joined(store, delivery, lease="one"):
    with store.transaction() as tx:
        return sending.gate_joined(tx, delivery, lease, now=NOW, until=LATER, relay="relay:25")


def states(store):
    with store.reading() as tx:
        return [one.state.value for one in deliveries.listing(tx)]


def counts(store, **options):
    with store.reading() as tx:
        return dict(deliveries.counts(tx, **options))


def test_an_edition_is_planned_once_for_a_reader_and_local_date(store):
    planned(store, 1)
    with store.transaction() as tx:
        assert deliveries.plan(tx, [row(tx, 1), row(tx, 2)]) == 1
        assert [one.address for one in deliveries.listing(tx)] == ["r1@example.org", "r2@example.org"]


def test_the_index_itself_refuses_a_second_edition_and_a_second_notice(store):
    notice = deliveries.plan_row(
        kind="welcome", address="a@example.org", address_key="k", message_key="m", now=NOW, notice_key="1"
    )
    for values in (lambda tx: row(tx, 1), lambda tx: notice):
        with store.transaction() as tx:
            tx.execute(deliveries.deliveries.insert().values(**values(tx)))
        with pytest.raises(Conflict), store.transaction() as tx:
            tx.execute(deliveries.deliveries.insert().values(**values(tx)))


def test_a_notice_is_planned_once_for_an_address_and_key(store):
    def notice(**changes):
        values = {"kind": "welcome", "address": "a@example.org", "notice_key": "1", **changes}
        return deliveries.plan_row(address_key="k", message_key="m", now=NOW, **values)

    with store.transaction() as tx:
        assert deliveries.plan(tx, [notice()]) == 1
        assert deliveries.plan(tx, [notice(), notice(notice_key="2"), notice(kind="goodbye")]) == 2


def test_deliveries_are_claimed_in_their_order_and_each_by_one_sender_only(store):
    planned(store, 1, 2, 3)
    assert claim(store, "one", limit=2) == [1, 2]
    assert claim(store, "two") == [3]
    assert claim(store, "two") == []
    assert states(store) == ["leased"] * 3


def test_no_more_is_claimed_than_asked_for_whatever_the_plan(store):
    """PostgreSQL with the plan of last resort, which runs a subquery again for every row."""
    planned(store, 1, 2, 3)
    with store.transaction() as tx:
        if not store.is_sqlite:
            for way in ("hashagg", "hashjoin", "mergejoin", "sort", "material"):
                tx.execute(text(f"set local enable_{way} = off"))
        claimed = sending.claim(tx, lease="one", now=NOW, until=NOW + timedelta(minutes=2), limit=1)
    assert [one.id for one in claimed] == [1]


def test_many_senders_at_once_never_share_a_delivery(store):
    planned(store, *range(1, 41))
    taken = []

    def work(name):
        while got := claim(store, name, limit=3):
            taken.extend(got)

    threads = [threading.Thread(target=work, args=(f"sender-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 41))


def test_what_is_not_due_or_paused_or_of_another_digest_is_not_claimed(store):
    planned(store, 1)
    planned(store, 2, digest="weekly")
    with store.transaction() as tx:
        deliveries.plan(tx, [row(tx, 3, day=date(2026, 5, 5), now=LATER)])
    assert claim(store, digests=["weekly"]) == [2]
    with store.transaction() as tx:
        assert deliveries.pause(tx, "daily", NOW) and not deliveries.pause(tx, "daily", NOW)
    assert claim(store, now=LATER) == []
    with store.transaction() as tx:
        assert deliveries.paused(tx) == ("daily",)
        assert deliveries.resume(tx, "daily") and not deliveries.resume(tx, "daily")
        deliveries.pause(tx, "*", NOW)
    assert claim(store, now=LATER) == []
    with store.transaction() as tx:
        deliveries.resume(tx, "*")
    assert claim(store, now=LATER) == [1, 3]


def test_only_the_holder_of_the_lease_settles(store):
    planned(store, 1)
    claim(store, "one")
    assert settle(store, 1, "two") is False
    assert gate(store, 1, "two") == "lost"
    assert gate(store, 1, "one") == ""
    assert states(store) == ["sending"]
    assert settle(store, 1, "one") is True
    assert settle(store, 1, "one") is False
    with store.reading() as tx:
        one = deliveries.one(tx, 1)
        assert (one.state, one.attempts, one.code, one.settled_at) == (DeliveryState.ACCEPTED, 1, 250, LATER)
        # The try that ended it is told by the delivery itself.
        assert (one.remote, deliveries.tries(tx, 1)) == ("queued", ())


def test_what_was_accepted_is_settled_with_the_group_by_its_holder_alone(store):
    planned(store, 1, 2, 3, 4)
    claim(store, limit=3)
    claim(store, "other")
    assert group(store, ids=[1, 2, 4]) == (0, {1, 2})
    told = [Accepted(due(number), 250, "2.0.0", f"queued {number}") for number in (1, 2, 4)]
    assert group(store, accepted=told, ids=[3]) == (2, {3})
    assert states(store) == ["accepted", "accepted", "sending", "leased"]
    with store.reading() as tx:
        one = deliveries.one(tx, 1)
        assert (one.code, one.enhanced, one.remote, one.attempts, one.settled_at) == (
            250,
            "2.0.0",
            "queued 1",
            1,
            NOW,
        )
    # A commit whose answer got lost may be repeated: the gate says the same, and nothing is settled twice.
    assert group(store, accepted=told, ids=[3]) == (0, {3})


def test_a_try_that_did_not_end_a_delivery_is_remembered_with_the_remotes_words(store):
    planned(store, 1)
    claim(store)
    gate(store, 1)
    busy = Outcome(kind=OutcomeKind.DEFERRED, code=450, enhanced="4.2.1", remote="busy")
    settle(store, 1, state=DeliveryState.DEFERRED, outcome=busy, next_at=LATER, reason="450 4.2.1 busy")
    with store.reading() as tx:
        (attempt,) = deliveries.tries(tx, 1)
        assert (attempt.outcome, attempt.started_at, attempt.ended_at, attempt.code, attempt.remote) == (
            "deferred",
            NOW,
            LATER,
            450,
            "busy",
        )


@pytest.mark.parametrize("bound", [True, False])
def test_what_may_have_arrived_goes_again_only_where_it_was(store, bound):
    planned(store, 1)
    claim(store)
    gate(store, 1)
    settle(store, 1, state=DeliveryState.DEFERRED, next_at=LATER, bound=bound)
    with store.transaction() as tx:
        (one,) = sending.claim(tx, lease="two", now=LATER, until=LATER + timedelta(minutes=2), limit=9)
        assert one.relay == ("relay:25" if bound else "")
        sending.unclaim(tx, [1], "two", LATER)
        (again,) = sending.claim(tx, lease="three", now=LATER, until=LATER + timedelta(minutes=2), limit=9)
        assert again.relay == one.relay


def test_a_deferred_delivery_comes_back_when_it_is_due(store):
    planned(store, 1)
    claim(store)
    settle(store, 1, state=DeliveryState.DEFERRED, next_at=LATER, reason="busy")
    assert claim(store, "two") == []
    assert claim(store, "two", now=LATER) == [1]


def test_a_lost_senders_leases_are_freed_and_what_was_on_the_wire_is_uncertain(store):
    planned(store, 1, 2, 3)
    claim(store)
    gate(store, 2)
    settle(store, 3)

    def recover(now, dead=(), resend=False):
        with store.transaction() as tx:
            return sending.recover(tx, now=now, dead=dead, resend=resend)

    assert recover(NOW) == (0, 0)
    assert recover(LATER + timedelta(seconds=1)) == (1, 1)
    assert states(store) == ["queued", "uncertain", "accepted"]
    assert settle(store, 2) is False


def test_a_dead_process_is_recovered_at_once_and_the_policy_may_send_again(store):
    planned(store, 1, 2)
    claim(store, "dead:1")
    gate(store, 2, "dead:1")
    with store.transaction() as tx:
        assert sending.holders(tx) == ("dead:1",)
        assert sending.recover(tx, now=NOW, dead=["dead:1"], resend=True) == (1, 1)
    assert claim(store, "two") == [1, 2]


def test_the_gate_asks_for_consent_suppression_and_pause_once_more(store):
    planned(store, 1, 2, 3)
    claim(store)
    with store.transaction() as tx:
        people.set_state(tx, people.subscriptions_of(tx, 1)[0].id, SubscriptionState.UNSUBSCRIBED, NOW)
        listed = Suppression(key="key-2", address="", reason=SuppressionReason.COMPLAINT, detail="", since_at=NOW)
        people.suppress(tx, listed)
    assert [gate(store, 1), gate(store, 2)] == ["unsubscribed", "suppressed"]
    with store.transaction() as tx:
        deliveries.pause(tx, "*", NOW)
    assert gate(store, 3) == "paused"
    assert states(store) == ["leased"] * 3


def joined(store):
    with store.transaction() as tx:
        rows = [row(tx, 1, digest, message_key="both") for digest in ("daily", "weekly")]
        assert deliveries.plan_together(tx, rows) == 2
        assert deliveries.plan_together(tx, rows) == 0


def test_a_joined_mail_is_claimed_sent_and_settled_as_one(store):
    joined(store)
    with store.transaction() as tx:
        (one,) = sending.claim(tx, lease="one", now=NOW, until=LATER, limit=9)
    assert (one.id, one.joined, one.secrets) == (1, True, f"{'daily-1':x<22}.{'weekly-1':x<22}")
    assert states(store) == ["leased", "leased"]
    assert gate_joined(store, 1) == ""
    assert settle(store, 1)
    assert states(store) == ["accepted", "accepted"]


@pytest.mark.parametrize("database", ["postgresql"])
def test_who_leaves_a_digest_of_a_joined_mail_at_the_last_moment_gets_no_mail(store):
    """On SQLite nobody else writes meanwhile."""
    joined(store)
    claim(store)
    left = []

    def leave(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE deliveries") and not left:
            left.append(statement)
            with store.transaction() as tx:
                people.set_state(tx, people.subscriptions_of(tx, 1)[0].id, SubscriptionState.UNSUBSCRIBED, NOW)

    event.listen(store.engine, "before_cursor_execute", leave)
    try:
        assert gate_joined(store, 1) == "unsubscribed"
    finally:
        event.remove(store.engine, "before_cursor_execute", leave)
    assert left
    assert states(store) == ["leased", "leased"]


@pytest.mark.parametrize("why", ["suppressed", "paused", "lost"])
def test_a_joined_mail_goes_with_all_its_rows_or_not_at_all(store, why):
    joined(store)
    claim(store)
    with store.transaction() as tx:
        if why == "suppressed":
            sending.suppress_recipient(tx, 2, detail="", now=NOW)
        elif why == "paused":
            deliveries.pause(tx, "weekly", NOW)
        else:
            tx.execute(deliveries.deliveries.update().where(deliveries.deliveries.c.id == 2).values(lease="other"))
    assert gate_joined(store, 1) == why
    assert states(store) == ["leased", "leased"]


def test_a_joined_mail_is_split_when_its_reader_left_one_digest(store):
    joined(store)
    claim(store)
    with store.transaction() as tx:
        people.set_state(tx, people.subscriptions_of(tx, 1)[0].id, SubscriptionState.UNSUBSCRIBED, NOW)
    assert gate_joined(store, 1) == "unsubscribed"
    with store.transaction() as tx:
        sending.split(tx, 1, "one", NOW)
        weekly = edition(tx, "weekly")
    assert states(store) == ["suppressed", "queued"]
    with store.reading() as tx:
        _, rest = deliveries.listing(tx)
        assert (rest.message_key, rest.leader_id) == (weekly.key, None)
        assert deliveries.needed_messages(tx) == {weekly.key}
    assert claim(store, "two") == [2]


def test_giving_back_leaves_no_try_behind(store):
    planned(store, 1)
    claim(store)
    with store.transaction() as tx:
        sending.unclaim(tx, [1], "one", NOW)
        assert deliveries.tries(tx, 1) == ()
    assert claim(store, "two") == [1]


def test_cancelling_ends_what_waits_and_frees_its_works(store):
    planned(store, 1, 2, 3)
    claim(store, limit=2)
    gate(store, 1)
    with store.transaction() as tx:
        assert deliveries.history(tx, [1, 2, 3], composed_since=NOW) == {1: {1}, 2: {1}, 3: {1}}
        assert deliveries.cancel(tx, "daily", NOW) == 2
        assert deliveries.history(tx, [1, 2, 3], composed_since=NOW) == {1: {1}}
    assert states(store) == ["sending", "expired", "expired"]
    assert gate(store, 2) == "lost"
    assert settle(store, 1)


def test_what_is_too_late_expires(store):
    planned(store, 1, expires_at=LATER)
    with store.transaction() as tx:
        assert sending.expire(tx, LATER) == 0
        assert sending.expire(tx, LATER + timedelta(seconds=1)) == 1
    assert states(store) == ["expired"]


@pytest.mark.parametrize(
    ("state", "counts_as_sent"),
    [(state, state.value not in ("rejected", "suppressed", "expired")) for state in DeliveryState],
)
def test_rejected_suppressed_and_expired_deliveries_free_their_works(store, state, counts_as_sent):
    planned(store, 1)
    with store.transaction() as tx:
        deliveries.force(tx, 1, state, now=NOW, reason="test")
        assert deliveries.history(tx, [1], composed_since=NOW) == ({1: {1}} if counts_as_sent else {})
        assert deliveries.history(tx, [1], composed_since=LATER) == {}


def test_folding_keeps_the_accounting_and_leaves_what_is_open(store):
    planned(store, 1, 2)
    planned(store, 3, suppressed="complaint")
    joined_later = NOW + timedelta(days=1)
    with store.transaction() as tx:
        deliveries.plan(tx, [row(tx, 4, "weekly", now=joined_later, suppressed="complaint")])
        notice = {"address": "a@example.org", "address_key": "k", "message_key": "m", "now": NOW, "notice_key": "1"}
        deliveries.plan(tx, [deliveries.plan_row(kind="welcome", suppressed="operator", **notice)])
    claim(store, limit=1)
    settle(store, 1)
    before = counts(store), counts(store, digest="daily"), counts(store, local_date=DAY)
    assert before[0] == {"accepted": 1, "queued": 1, "suppressed": 3}
    for _ in range(2):
        with store.transaction() as tx:
            folded = folding.fold(tx, joined_later)
    assert folded == 0
    assert (counts(store), counts(store, digest="daily"), counts(store, local_date=DAY)) == before
    assert states(store) == ["queued", "suppressed"]
    with store.reading() as tx:
        assert {tuple(row) for row in tx.execute(select(deliveries.totals))} == {
            ("daily", "edition", DAY, "accepted", 1),
            ("daily", "edition", DAY, "suppressed", 1),
            ("", "welcome", DAY, "suppressed", 1),
        }


def test_folding_twice_adds_up_and_keeps_a_leader_whose_mail_is_open(store):
    joined(store)
    with store.transaction() as tx:
        tx.execute(
            deliveries.deliveries.update()
            .where(deliveries.deliveries.c.id == 1)
            .values(state="accepted", settled_at=NOW)
        )
        assert folding.fold(tx, LATER) == 0
        deliveries.force(tx, 2, DeliveryState.REJECTED, now=NOW, reason="no")
        assert folding.fold(tx, LATER) == 2
    assert counts(store) == {"accepted": 1, "rejected": 1}


def test_erasing_takes_the_address_out_of_the_ledger(store):
    planned(store, 1, 2)
    with store.transaction() as tx:
        deliveries.forget_address(tx, 1, NOW)
        people.erase(tx, 1, NOW)
        assert [(one.address, one.state.value) for one in deliveries.listing(tx)] == [
            ("", "suppressed"),
            ("r2@example.org", "queued"),
        ]
