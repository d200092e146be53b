"""What catalogues said of people: kept by person and service, dropped when nobody follows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from digest.model.catalogue import Asked, Facts
from digest.model.people import SubscriptionState
from digest.storage import authorships, catalogue, entries, people
from tests.storage.papers import SLOT_AT, new_paper

FACTS = Facts(id="openalex:A1234", name="Mira Halden", institutions=("Wren Hall", "Ambleford"), h_index=24, papers=105)
ASKED = Asked(
    person="name:mira halden", catalogue="openalex", facts=FACTS, why="by a paper", asked_at=SLOT_AT, found_at=SLOT_AT
)


def test_what_was_said_is_read_as_it_was_written_and_the_newest_counts(store):
    unsure = replace(ASKED, catalogue="semanticscholar", facts=None, why="unsure", found_at=None)
    later = replace(ASKED, facts=None, why="gone", asked_at=SLOT_AT + timedelta(days=7), found_at=None)
    with store.transaction() as tx:
        catalogue.put(tx, ASKED)
        catalogue.put(tx, unsure)
        assert catalogue.known(tx, [ASKED.person, "name:nobody"]) == {
            (ASKED.person, "openalex"): ASKED,
            (ASKED.person, "semanticscholar"): unsure,
        }
        catalogue.put(tx, later)
        assert catalogue.known(tx, [ASKED.person])[ASKED.person, "openalex"] == later
        assert catalogue.known(tx, []) == {}


def test_people_whom_nobody_follows_are_forgotten(store):
    with store.transaction() as tx:
        for name in ("name:a", "name:b", "name:" + "c" * 300):
            catalogue.put(tx, replace(ASKED, person=name))
        assert catalogue.forget_others(tx, ["name:b", "name:" + "c" * 300]) == 1
        assert set(catalogue.known(tx, ["name:a", "name:b"])) == {("name:b", "openalex")}
        assert len(catalogue.known(tx, ["name:" + "c" * 300])) == 1


def test_the_newest_works_of_each_name_are_found_and_none_that_was_seen_later(store):
    with store.transaction() as tx:
        ids = entries.apply(tx, [new_paper(n, authors=("Mira Halden",)) for n in (1, 2, 3)], now=SLOT_AT)
        later = SLOT_AT + timedelta(days=1)
        entries.apply(tx, [new_paper(4, authors=("Halden, Mira",), seen_at=later)], now=later)
        for entry in entries.load(tx, range(1, 99)):
            authorships.note(tx, entry.id, entry.authors)
        assert authorships.works_by(tx, ["Halden, Mira", "Nobody"], SLOT_AT, limit=2) == ids[1:]
        assert len(authorships.works_by(tx, ["Mira Halden"], later, limit=9)) == 4


def test_wishes_are_those_of_confirmed_readers_each_once(store):
    with store.transaction() as tx:
        for number, (state, wish) in enumerate(
            [
                ("confirmed", {"authors": ["Mira Halden"]}),
                ("confirmed", {"authors": ["Mira Halden"]}),
                ("confirmed", {}),
                ("pending", {"authors": ["Tomás Vega"]}),
            ]
        ):
            who = people.add_subscriber(tx, f"reader{number}@example.org", SLOT_AT)
            link = people.add_subscription(
                tx, who.id, "daily", state=SubscriptionState(state), secret=f"{number:022d}", now=SLOT_AT
            )
            people.choose(tx, link.id, {"preferences": wish})
        assert [(digest, dict(wish)) for digest, wish in people.wishes(tx)] == [("daily", {"authors": ["Mira Halden"]})]
