"""The operator's hand in the ledger, by single ids and by the hundred; every change keeps the books balanced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update

from digest.delivery.tokens import read_return_path
from digest.model.errors import NotFound, SendingRefused, UsageError
from digest.services.sending.ledger import Answer, Changed, shape
from digest.storage.bounces import bounces
from digest.storage.deliveries import attempts, deliveries, in_states
from digest.storage.oversight import Which
from tests.services.sending import Office, identity, office, reader
from tests.services.world import KEYS

MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(store) -> Office:
    return office(store, 6)


def put(desk: Office, *ids: int, **values: object) -> None:
    """Moves deliveries to where a relay could have brought them."""
    with desk.store.transaction() as tx:
        tx.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(**values))


def tried(desk: Office, *ids: int, state: str, **values: object) -> None:
    at = desk.world.now
    put(desk, *ids, state=state, tried_at=at, settled_at=at + MINUTE, **values)


class TestShow:
    def test_the_try_that_ended_it_stands_behind_the_earlier_ones(self, desk):
        early = desk.world.now - timedelta(hours=1)
        with desk.store.transaction() as tx:
            tx.execute(
                insert(attempts).values(
                    delivery_id=1,
                    lease="",
                    started_at=early,
                    ended_at=early,
                    outcome="deferred",
                    code=451,
                    enhanced="4.7.1",
                    remote="Greylisted",
                )
            )
        tried(desk, 1, state="rejected", code=550, enhanced="5.1.1", remote="no such user", attempts=2)
        told = [(one.outcome, one.code, one.remote) for one in desk.ledger.show(1).tries]
        assert told == [("deferred", 451, "Greylisted"), ("rejected", 550, "no such user")]

    def test_a_try_is_told_once(self, desk):
        """A deferral stands among the tries, and its instant in the row as well."""
        at = desk.world.now
        with desk.store.transaction() as tx:
            tx.execute(
                insert(attempts).values(
                    delivery_id=1, lease="", started_at=at, ended_at=at, outcome="deferred", enhanced="", remote="later"
                )
            )
        put(desk, 1, state="deferred", tried_at=at)
        assert [one.outcome for one in desk.ledger.show(1).tries] == ["deferred"]

    def test_a_try_that_goes_on_has_no_outcome_yet(self, desk):
        put(desk, 1, state="sending", tried_at=desk.world.now, lease="x", remote="of the try before")
        assert [(one.outcome, one.remote) for one in desk.ledger.show(1).tries] == [("", "")]

    def test_what_a_log_names_it_by(self, desk):
        shown = desk.ledger.show(3)
        assert shown.message_id.endswith("@example.org>")
        assert len(shown.message_id) == len("<") + 32 + len("@example.org>")
        assert read_return_path(shown.return_path, KEYS.links) == 3

    def test_what_came_back_and_the_mail_it_shared(self, desk):
        put(desk, 2, leader_id=1)
        at = desk.world.now
        with desk.store.transaction() as tx:
            tx.execute(
                insert(bounces).values(
                    delivery_id=1,
                    kind="hard",
                    address_key="k",
                    status="5.1.1",
                    detail="unknown user",
                    counts=True,
                    at=at,
                )
            )
        shown = desk.ledger.show(2)
        assert [(one.kind, one.status, one.detail, one.at) for one in shown.bounces] == [
            ("hard", "5.1.1", "unknown user", at)
        ]
        assert [one.id for one in shown.joined] == [1, 2]
        assert shown.message_id == desk.ledger.show(1).message_id
        assert desk.ledger.show(3).joined == ()

    @pytest.mark.parametrize(
        ("state", "word"),
        [
            ("queued", "cancel"),
            ("deferred", "retry 1"),
            ("uncertain", "reconcile"),
            ("rejected", "retry 1"),
            ("suppressed", "suppressions"),
            ("expired", "next edition"),
            ("accepted", "Message-ID"),
        ],
    )
    def test_each_state_tells_what_can_be_done(self, desk, state: str, word: str):
        put(desk, 1, state=state)
        assert word in desk.ledger.show(1).next[-1]

    def test_an_uncertain_one_tells_what_we_noted_and_what_was_heard(self, desk):
        tried(desk, 1, state="uncertain", reason="no reply came", remote="the server closed the connection")
        (last,) = desk.ledger.show(1).tries
        assert last.remote == "no reply came: the server closed the connection"

    def test_what_was_said_is_told_once(self, desk):
        tried(desk, 1, state="rejected", code=550, reason="550 no such user", remote="no such user")
        assert [one.remote for one in desk.ledger.show(1).tries] == ["550 no such user"]

    @pytest.mark.parametrize("state", ["accepted", "uncertain"])
    def test_of_a_folder_the_folder_is_named_and_no_log(self, desk, state: str):
        ledger = replace(desk.ledger, folders=("/mail/box",))
        put(desk, 1, state=state, relay="/mail/box")
        put(desk, 2, state=state, relay="mail.example.org:25")
        (told,), (other,) = ledger.show(1).next, ledger.show(2).next
        assert ("/mail/box" in told, "log" in told, "log" in other) == (True, False, True)

    @pytest.mark.parametrize("number", [0, -1, 99, 2**63, 10**30])
    def test_an_id_that_is_none(self, desk, number: int):
        with pytest.raises(NotFound):
            desk.ledger.show(number)


class TestLookingAtMany:
    def test_narrowed_by_state_digest_date_and_address(self, desk):
        put(desk, 2, 3, state="deferred")
        put(desk, 4, state="uncertain")
        put(desk, 5, state="accepted")
        put(desk, 6, state="leased", lease="somebody")
        day = desk.rows()[0].local_date

        def ids(**which: object) -> list[int]:
            return [one.id for one in desk.ledger.listing(Which(**which))]  # type: ignore[arg-type]

        assert ids() == [1, 2, 3, 4, 5, 6]
        assert ids(states=("deferred", "uncertain")) == [2, 3, 4]
        assert ids(states=("accepted", "leased", "queued")) == [1, 5, 6]
        assert ids(address=reader(3)) == [4]
        assert ids(digest="daily", local_date=day, states=("queued",)) == [1]
        newest = desk.ledger.listing(Which(states=("deferred", "uncertain")), limit=2, newest=True)
        assert [one.id for one in newest] == [4, 3]
        assert ids(local_date=day + timedelta(days=1)) == ids(address="nobody@example.net") == []
        assert desk.ledger.count(Which()) == {"accepted": 1, "deferred": 2, "leased": 1, "queued": 1, "uncertain": 1}
        with pytest.raises(UsageError, match="there is no state"):
            desk.ledger.listing(Which(states=("lost",)))

    def test_a_digest_that_does_not_exist_is_refused_and_those_that_do_are_named(self, desk):
        for look in (desk.ledger.listing, desk.ledger.count, desk.ledger.answers, desk.ledger.retry_all):
            with pytest.raises(UsageError, match='there is no digest "nope"') as refused:
                look(Which(digest="nope"))
            assert refused.value.try_ == "known are: daily"

    def test_a_digest_that_left_the_configuration_is_shown_while_its_mails_are_there(self, desk):
        desk.world.digests = ()
        assert len(desk.ledger.listing(Which(digest="daily"))) == 6

    def test_only_what_waits_has_a_next_time(self, desk):
        put(desk, 1, state="sending", lease="x")
        put(desk, 2, state="leased", lease="x")
        put(desk, 3, state="deferred")
        shown = {one.id: one.next_at is not None for one in desk.ledger.listing()}
        assert shown == {1: False, 2: False, 3: True, 4: True, 5: True, 6: True}

    def test_counted_by_what_the_servers_answered(self, desk):
        for number in (1, 2, 3):
            put(
                desk,
                number,
                state="deferred",
                code=421,
                enhanced="4.7.0",
                remote=f"[192.0.2.{number}] Try again later, ab12-20020a{number}99si.{number} - gsmtp",
            )
        put(desk, 4, 5, state="rejected", code=550, enhanced="5.1.1", remote="<ada@example.net>: User unknown")
        assert desk.ledger.answers(Which(states=("deferred", "rejected"))) == (
            Answer(
                state="deferred",
                number=3,
                code=421,
                enhanced="4.7.0",
                text="[(ip)] Try again later, (id) - gsmtp",
                example=1,
            ),
            Answer(state="rejected", number=2, code=550, enhanced="5.1.1", text="(address): User unknown", example=4),
        )

    def test_texts_that_differ_in_more_than_ids_stay_apart(self):
        assert shape("450 4.2.0 <a@b.example>: Greylisted, try again in 300 seconds") == (
            "450 4.2.0 (address): Greylisted, try again in 300 seconds"
        )
        assert shape("queued as 4F00AA11BB\nfor a@b.c") == "queued as (id) for (address)"

    @pytest.mark.parametrize(
        "text",
        [
            "5.6.7 SMTPUTF8 is required, but was not offered by host",
            "5.6.3 8BITMIME is not offered; see RFC 6152",
            "4.7.650 The mail server has been temporarily rate limited",
        ],
    )
    def test_words_and_codes_with_digits_stand_as_they_are(self, text: str):
        assert shape(text) == text

    def test_short_queue_names_and_users_with_a_number_are_left_out(self):
        assert shape("Ok: queued as ABC11") == shape("Ok: queued as B2") == "Ok: queued as (id)"
        assert shape("user12 unknown") == shape("reader7 unknown") == "(id) unknown"

    def test_the_code_is_told_once_and_what_was_accepted_is_grouped(self, desk):
        put(desk, 1, state="rejected", code=550, enhanced="5.1.1", remote="no", reason="550 5.1.1 no")
        for number in (2, 3):
            put(desk, number, state="accepted", code=250, enhanced="2.0.0", remote=f"Ok: queued as B{number}")
        told = {
            (one.state, one.number, one.text) for one in desk.ledger.answers(Which(states=("accepted", "rejected")))
        }
        assert told == {("rejected", 1, "no"), ("accepted", 2, "Ok: queued as (id)")}

    def test_the_unfinished_are_found_by_their_indexes(self, store):
        """A ledger of millions that were accepted must not be read for the few that were not."""
        with store.reading() as tx:
            if store.is_sqlite:
                plans = [
                    str([tuple(row) for row in tx.execute(text(f"EXPLAIN QUERY PLAN {_plain(condition, tx)}"))])
                    for condition in in_states(("queued", "sending", "uncertain"))
                ]
                assert ["ix_deliveries_waiting" in plans[0], "ix_deliveries_held" in plans[1]] == [True, True], plans
                assert "ix_deliveries_troubled" in plans[2], plans


def _plain(condition, tx) -> str:
    from sqlalchemy import select

    return str(select(deliveries.c.id).where(condition).compile(tx.engine, compile_kwargs={"literal_binds": True}))


class TestManyAtOnce:
    def test_five_hundred_uncertain_ones_are_settled_by_one_command(self, store):
        desk = office(store, 500)
        tried(desk, *range(1, 451), state="uncertain")
        put(desk, *range(451, 501), state="accepted")
        assert desk.ledger.resolve_all(Which(digest="daily"), "lost", dry_run=True) == Changed(changed=450, refused={})
        assert desk.states() == {"uncertain": 450, "accepted": 50}
        assert desk.ledger.resolve_all(Which(digest="daily"), "lost") == Changed(changed=450, refused={})
        assert desk.states() == {"expired": 450, "accepted": 50}
        assert [one.outcome for one in desk.ledger.show(7).tries] == ["uncertain"]

    def test_nothing_but_what_was_chosen_is_touched(self, desk):
        tried(desk, 1, 2, state="uncertain")
        assert desk.ledger.resolve_all(Which(address=reader(5)), "accepted").changed == 0
        assert desk.ledger.resolve_all(Which(address=reader(1)), "accepted").changed == 1
        assert [row.state.value for row in desk.rows()] == ["uncertain", "accepted", *["queued"] * 4]
        with pytest.raises(UsageError):
            desk.ledger.resolve_all(Which(), "guess")

    def test_a_joined_mail_counts_with_all_its_rows(self, desk):
        put(desk, 2, leader_id=1)
        tried(desk, 1, 2, state="uncertain")
        assert desk.ledger.resolve_all(Which(), "accepted").changed == 2
        assert desk.states() == {"accepted": 2, "open": 4}

    def test_what_cannot_be_sent_again_is_told_by_its_reason(self, desk):
        tried(desk, 1, 2, 3, state="uncertain")
        put(desk, 2, 3, expires_at=desk.world.now - MINUTE)
        done = desk.ledger.resolve_all(Which(), "resend")
        assert (done.changed, [(number, "too late" in why) for why, number in done.refused.items()]) == (1, [(2, True)])
        assert desk.states() == {"open": 4, "uncertain": 2}

    def test_what_waits_is_made_due(self, desk):
        later = desk.world.now + timedelta(hours=4)
        put(desk, 1, 2, state="deferred", next_at=later)
        put(desk, 3, state="rejected", settled_at=desk.world.now)
        put(desk, 4, state="accepted")
        assert desk.ledger.retry_all(Which(states=("deferred",))).changed == 2
        assert desk.states() == {"accepted": 1, "rejected": 1, "open": 4}
        assert desk.ledger.retry_all(Which()).changed == 1
        assert {row.next_at for row in desk.rows() if row.state.value == "queued"} == {desk.world.now}


def test_a_digest_that_left_the_configuration_can_still_be_resumed(desk):
    desk.ledger.pause("daily")
    desk.world.digests = ()
    assert desk.ledger.still_paused() == ("daily",)
    assert desk.ledger.resume("daily") is True
    with pytest.raises(UsageError):
        desk.ledger.resume("daily")


def test_a_decision_is_made_once(desk):
    tried(desk, 1, state="uncertain")
    desk.ledger.resolve(1, "accepted")
    with pytest.raises(SendingRefused, match="it is accepted, not uncertain"):
        desk.ledger.resolve(1, "lost")
    assert identity(desk.store) == {"accepted": 1, "open": 5}
