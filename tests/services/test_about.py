"""Digests about people and about topics, from configuration to mail: what they print, whose cards, their silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest.model.catalogue import Asked, Facts
from digest.services.publishing.documents import document
from digest.storage import catalogue, editions
from tests.services.road import DAY, SLOT, Road, numbers, paper

LAMPS = "lamp oil in lighthouses"
MIRA, VEGA = "Mira Halden", "Tomás Vega"
PEOPLE = {"name": "people", "about": "authors", "authors": [MIRA, VEGA], "institutions": ["Wren Hall"]}
TOPIC = {"name": "topic", "about": "topic", "topics": [LAMPS]}


@pytest.fixture
def open_road(url: str, tmp_path: Path) -> Iterator[Callable[..., Road]]:
    opened: list[Road] = []

    def open_(*digests: dict[str, object], **sections: object) -> Road:
        opened.append(Road.open(tmp_path, url, *digests, **sections))
        return opened[-1]

    yield open_
    for road in opened:
        road.app.close()


def by(number: int, *authors: str, **fields: object):
    return paper(number, authors=authors, **fields)


def lamp(number: int, **fields: object):
    """A paper about lamps; its votes are few."""
    said = {"abstract": f"Lamp oil in lighthouses, {number} years of it: lamp oil burns.", "upvotes": 0}
    return paper(number, title=f"Lighthouse lamp oil {number} and its smell", **{**said, **fields})


def edition_of(road: Road, **options: str):
    edition = road.preview(**options).edition
    assert edition is not None
    return edition


# Authors


def test_only_papers_by_people_and_institutions_that_are_followed_are_printed_with_the_people_s_cards(open_road):
    road = open_road({**PEOPLE, "authors": [MIRA, VEGA, "Wei Wang"]})
    road.bring(
        by(1, "Bo Writer"),
        by(2, MIRA, "Bo Writer", upvotes=0),
        by(3, "Bo Writer", institutions=("Wren Hall",), upvotes=10),
        by(4, "Wei Wang", "Ada Reader", upvotes=10),
    )
    edition = edition_of(road)
    # Who is followed for sure stands before somebody of a name that many bear, who has no card either.
    assert numbers(edition) == ["2", "3", "4"]
    assert [card.name for card in edition.cards] == [MIRA]
    assert (edition.counts.candidates, edition.counts.printed) == (4, 3)
    assert document(road.preview())["cards"] == edition.cards
    for item in edition.items:
        assert sum(part.points for part in item.parts) == item.score


@pytest.mark.parametrize(
    ("papers", "says"),
    [
        ((by(1, "Bo Writer", institutions=("Wren Hall",)),), "New papers from Wren Hall."),
        (
            (by(1, "Bo Writer", institutions=("Wren Hall",)), by(2, MIRA)),
            f"New papers by {MIRA}, and from Wren Hall.",
        ),
        ((by(1, MIRA, institutions=("Wren Hall",)),), f"New papers by {MIRA}."),
    ],
)
def test_an_edition_about_people_names_an_institution_for_whose_sake_a_paper_is_there(open_road, papers, says):
    road = open_road(PEOPLE)
    road.bring(*papers)
    road.reader()
    road.publish()
    road.deliver()
    (mail,) = road.mails()
    assert says in " ".join(mail.get_body(("plain",)).get_content().split())


def test_a_card_shows_what_a_catalogue_said_and_else_what_the_store_knows(open_road):
    road = open_road(PEOPLE)
    for number in range(1, 5):
        road.bring(by(number, MIRA, VEGA, code_url="https://code.example/x"), at=SLOT - number * DAY)
    facts = Facts(
        id="openalex:A10001", name=MIRA, url="https://openalex.org/A10001", h_index=24, papers=105, citations=9
    )
    with road.app.store.transaction() as tx:
        asked = Asked(
            person="name:mira halden", catalogue="openalex", facts=facts, why="by a paper", asked_at=SLOT, found_at=SLOT
        )
        catalogue.put(tx, asked)
    cards = {card.name: card for card in edition_of(road).cards}
    assert (cards[MIRA].h_index, cards[MIRA].papers, cards[MIRA].citations, cards[MIRA].url) == (24, 105, 9, facts.url)
    assert (cards[VEGA].h_index, cards[VEGA].seen, cards[VEGA].category) == (None, 4, "cs.CL")
    assert cards[VEGA].votes == sum(100 - number for number in range(1, 5))
    assert cards[VEGA].ai_score == cards[MIRA].ai_score is not None


def test_the_mail_of_an_author_digest_has_the_cards_and_is_the_one_that_was_previewed(open_road):
    road = open_road(PEOPLE)
    road.reader()
    road.bring(by(1, "Bo Writer"), by(2, MIRA), by(3, VEGA))
    shown = road.preview(to="ada@example.org", at="2026-05-04")
    assert shown.message is not None
    road.publish()
    assert road.deliver() == {"accepted": 1}
    (mail,) = road.mails()
    text = mail.get_body(("plain",)).get_content()
    assert f"New papers by {MIRA} and {VEGA}." in text
    assert "papers here 1" in text
    again = road.preview(to="ada@example.org", at="2026-05-04")
    assert (again.kept, again.mail) == (True, shown.mail)


def test_a_reader_s_own_profile_names_other_people(open_road):
    road = open_road(PEOPLE)
    road.reader("bo@example.org", preferences={"authors": ["Bo Writer"], "institutions": []})
    road.bring(by(1, "Bo Writer"), by(2, MIRA))
    assert numbers(edition_of(road, to="bo@example.org")) == ["1"]
    assert numbers(edition_of(road)) == ["2"]


def test_a_day_without_a_paper_by_anybody_who_is_followed_says_so(open_road):
    road = open_road({**PEOPLE, "when_empty": "say-so"})
    road.bring(by(1, "Bo Writer"), by(2, "Bo Writer"))
    road.reader()
    road.publish()
    assert road.deliver() == {"accepted": 1}
    (mail,) = road.mails()
    assert "2 papers came for this mail, none of them by anyone you follow." in mail.get_body(("plain",)).get_content()
    # The next mail looks back over some days, and counts what it could choose from, not what came since.
    road.bring(by(3, "Bo Writer"), at=SLOT + DAY - timedelta(hours=3))
    later = road.preview(to="ada@example.org", at="2026-05-05")
    assert later.reason == "3 papers came for this mail, none of them by anyone you follow."
    told = road.app.explain.run("arxiv:2605.00001", road.digest(), address="ada@example.org", at="2026-05-04")
    assert (told.verdict, told.sentence) == (
        "nobody-followed",
        "Nobody of those who are followed wrote it, and this edition is about them.",
    )


def test_an_edition_about_people_keeps_its_mutes_and_its_limits(open_road):
    road = open_road({**PEOPLE, "mute": ["gauges number 2"], "max_items": 1})
    road.bring(by(1, MIRA), by(2, MIRA), by(3, MIRA))
    edition = edition_of(road)
    assert (numbers(edition), edition.counts.muted) == (["1"], 1)


def test_the_best_of_thirty_days_is_by_the_people_too_and_has_their_cards(open_road):
    road = open_road({**PEOPLE, "when_empty": "best-of"})
    road.bring(by(1, MIRA), by(2, "Bo Writer"), at=SLOT - 20 * DAY)
    edition = edition_of(road)
    assert (numbers(edition), [card.name for card in edition.cards]) == (["1"], [MIRA])


# Topics


def test_a_topic_digest_prints_what_is_near_its_topic_the_nearest_first_whatever_its_votes(open_road):
    road = open_road(TOPIC)
    road.bring(*(paper(number, upvotes=500) for number in range(1, 6)), lamp(7), lamp(8, abstract="It burns."))
    edition = edition_of(road)
    assert numbers(edition)[0] == "7"
    assert all("lamp oil" in item.title for item in edition.items)
    assert [item.score for item in edition.items] == sorted((item.score for item in edition.items), reverse=True)
    assert [[part.key for part in item.parts] for item in edition.items] == [["topic"]] * len(edition.items)


def test_the_first_edition_of_a_reader_looks_back_ninety_days_and_the_next_only_at_what_is_new(open_road):
    road = open_road(TOPIC)
    road.reader()
    road.bring(lamp(1), at=SLOT - 88 * DAY)
    road.bring(lamp(2), at=SLOT - 91 * DAY)
    road.bring(lamp(3))
    road.publish()
    assert road.deliver() == {"accepted": 1}
    assert sorted(road.printed_for("ada@example.org")[0]) == ["1", "3"]
    road.now = SLOT + DAY + timedelta(minutes=1)
    road.bring(lamp(4), at=road.now - timedelta(hours=3))
    road.bring(lamp(5), at=SLOT - 80 * DAY)
    road.publish()
    road.deliver()
    assert [sorted(some) for some in road.printed_for("ada@example.org")] == [["1", "3"], ["4"]]
    # Whoever joins later gets his own first edition, with all of it.
    road.reader("new@example.org", since=road.now)
    road.now += timedelta(minutes=1)
    road.publish()
    assert sorted(road.printed_for("new@example.org")[0]) == ["1", "3", "4", "5"]


def test_the_public_edition_looks_back_once_too(open_road):
    road = open_road(TOPIC)
    road.bring(lamp(1), at=SLOT - 60 * DAY)
    road.publish()
    road.now = SLOT + DAY + timedelta(minutes=1)
    road.bring(lamp(2), at=road.now - timedelta(hours=1))
    road.publish()
    with road.app.store.reading() as tx:
        assert numbers(editions.last_public(tx, "topic")) == ["2"]


def test_a_work_that_another_digest_sent_is_not_in_the_first_edition_about_its_topic(open_road):
    road = open_road({"name": "daily"}, TOPIC)
    road.reader("ada@example.org", "daily")
    road.bring(lamp(1), at=SLOT - 2 * DAY)
    road.publish()
    road.deliver()
    road.reader("ada@example.org", "topic")
    assert numbers(edition_of(road, digest="topic", to="ada@example.org")) == []


def test_why_a_reader_s_mail_is_empty_is_worked_out_over_the_days_since_his_own_last_one(open_road):
    road = open_road(TOPIC)
    road.app.sources.known()
    road.bring(*(paper(number) for number in range(1, 4)), at=SLOT - 60 * DAY)
    road.publish()
    road.reader("new@example.org", since=SLOT + timedelta(hours=20))
    first, second = (SLOT + number * DAY for number in (1, 2))

    def read(at: datetime) -> int:
        asked = road.app.silence.run(road.digest(), address="new@example.org", on=at.date().isoformat())
        assert asked.verdict == "empty"
        return sum(line.papers for line in asked.sources)

    road.now = first + timedelta(minutes=1)
    road.publish()
    assert read(first) == 3, "his first one looks back ninety days, whatever the digest published before"
    road.now = second + timedelta(minutes=1)
    road.publish()
    assert (read(first), read(second)) == (3, 0)


def test_a_quiet_topic_says_so(open_road):
    road = open_road({**TOPIC, "when_empty": "say-so"})
    road.bring(paper(1), paper(2))
    road.reader()
    road.publish()
    road.deliver()
    (mail,) = road.mails()
    assert f"Nothing near “{LAMPS}” today." in mail.get_body(("plain",)).get_content()
    told = road.app.explain.run("arxiv:2605.00001", road.digest(), address="ada@example.org", at="2026-05-04")
    assert told.verdict == "off-topic"


def test_a_catalogue_line_goes_from_the_configuration_into_the_mail(open_road):
    road = open_road({**TOPIC, "layout": "catalogue"})
    road.bring(lamp(1, authors=("A", "B", "C", "D"), institutions=("Wren Hall",), code_url="https://code.example/1"))
    road.reader()
    road.publish()
    road.deliver()
    (mail,) = road.mails()
    text = " ".join(mail.get_body(("plain",)).get_content().split())
    score = edition_of(road).items[0].score
    assert f"{score} · CL · Code https://code.example/1 A, B, C et al. · Wren Hall" in text


def test_what_a_digest_is_about_changes_nothing_for_one_about_whatever_is_new(open_road):
    plain = {"name": "daily", "authors": [MIRA], "topics": [LAMPS]}
    road = open_road(plain)
    road.bring(by(1, MIRA), by(2, "Bo Writer"), lamp(3))
    before = edition_of(road)
    road.use({**plain, "about": "trending"})
    assert (edition_of(road), before.cards, len(before.items)) == (before, (), 3)
    assert replace(before, cards=()) == before
