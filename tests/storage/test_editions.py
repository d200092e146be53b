"""What is frozen is given back as it was: remarks, cards and what a mail omits among it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from digest.model.editions import AuthorCard, Counts, Digest, Edition, EditionId, Remark, Schedule, Slot
from digest.model.mail import Message, MessageKey, Stamp
from digest.model.people import Profile
from digest.services.status.report import Report
from digest.storage import editions

NOW = datetime(2026, 5, 4, 5, 30, tzinfo=UTC)
EDITION = Edition(
    id=EditionId(0),
    slot=Slot(digest="daily", local_date=date(2026, 5, 4), at=NOW),
    profile=Profile(),
    history_key="h",
    composed_at=NOW,
    counts=Counts(candidates=3, muted=1),
    reason=(Remark(key="unfit", figures={"muted": 1, "category": 2}), Remark(key="best-of", figures={"days": 30})),
    notes=(Remark(key="source", figures={"source": "Zürich „lab“", "state": "", "kind": "feed", "detail": ""}),),
    cards=(
        AuthorCard(name="Ada Reader", institutions=("Sea", "Shore"), category="cs.CL", h_index=12, novelty=0),
        AuthorCard(name="Bo Writer"),
    ),
)
MESSAGE = Message(
    key=MessageKey("k"),
    kind="edition",
    subject="s",
    preheader="p",
    content=b"To: ",
    stamps=((4, Stamp.TO),),
    omitted=(("a" * 64, 12), ("b" * 64, 1)),
)


def test_an_edition_is_given_back_as_it_was_frozen(store):
    with store.transaction() as tx:
        frozen = editions.freeze(tx, EDITION)
        assert (
            editions.load(tx, frozen.id) == editions.find(tx, EDITION.key) == frozen == replace(EDITION, id=frozen.id)
        )


def test_freezing_again_gives_the_first_one_and_may_make_it_public(store):
    with store.transaction() as tx:
        first = editions.freeze(tx, EDITION)
        again = editions.freeze(tx, replace(EDITION, reason=(), cards=(), public=True))
        assert (again.id, again.reason) == (first.id, first.reason)
        assert editions.last_public(tx, "daily") == replace(first, public=True)


def test_a_message_is_given_back_with_what_it_omits_and_the_first_one_stays(store):
    with store.transaction() as tx:
        editions.keep_message(tx, MESSAGE, NOW)
        editions.keep_message(tx, replace(MESSAGE, omitted=()), NOW)
        assert editions.message(tx, "k") == MESSAGE


def test_the_newest_edition_of_a_digest_may_be_a_readers_own(store):
    later = replace(EDITION, slot=replace(EDITION.slot, at=NOW + timedelta(hours=1)), history_key="i")
    with store.transaction() as tx:
        editions.freeze(tx, later)
        editions.freeze(tx, EDITION)
        assert editions.last_public(tx, "daily") is None
        assert editions.last_of(tx, "daily").slot == later.slot
        assert editions.last_of(tx, "weekly") is None


def test_what_was_printed_before_is_known_of_each_slot_however_many_editions_it_had(store):
    with store.transaction() as tx:
        for day in range(12):
            for reader in range(25):
                at = EDITION.slot.at - timedelta(days=day)
                slot = replace(EDITION.slot, at=at, local_date=at.date())
                counts = replace(EDITION.counts, printed=day + (reader == 7))
                editions.freeze(tx, replace(EDITION, slot=slot, counts=counts, history_key=str(reader)))
        assert editions.printed_before(tx, EDITION.slot, EDITION.profile_key) == tuple(range(2, 12))
        assert editions.printed_before(tx, EDITION.slot, EDITION.profile_key, limit=3) == (2, 3, 4)
        assert editions.printed_before(tx, EDITION.slot, "another") == ()


def test_a_digest_that_only_readers_got_in_their_own_slots_counts_as_published(store):
    with store.transaction() as tx:
        editions.freeze(tx, EDITION)
    daily = Digest(
        name="daily",
        title="The Daily",
        list_id="daily.example.org",
        schedule=Schedule(send_at=time(7, 30), timezone="UTC"),
    )
    (told,) = Report(store=store, digests=(daily,), clock=lambda: NOW).status().digests
    assert told.last_slot == EDITION.slot.key
    assert told.reason.startswith("No new paper fits your settings")
