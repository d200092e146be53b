"""Asking catalogues for the people that readers follow: by id or by a common paper, weekly, and never by guess.

The catalogues are a real server on the loopback behind the real fetcher; only its address is other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pytest

from digest.model.errors import NotFound
from digest.model.people import Profile, SubscriptionState
from digest.services.fetching.cards import card
from digest.services.fetching.catalogue import EVERY, People
from digest.sources.asking.fetch import Fetcher
from digest.sources.people.openalex import OPENALEX
from digest.sources.people.semanticscholar import SEMANTIC_SCHOLAR
from digest.storage import authorships, catalogue, entries, people
from digest.storage.engine import Store
from tests.services.world import DAILY
from tests.sources.servers import ScriptedServer, answer
from tests.storage.papers import SLOT_AT, new_paper

MIRA = "Mira Halden"
A1, A2 = "https://openalex.org/A10001", "https://openalex.org/A10002"


def openalex(id_: str = A1, **changes: object) -> dict[str, object]:
    return {
        "id": id_,
        "display_name": MIRA,
        "works_count": 105,
        "cited_by_count": 56683,
        "summary_stats": {"h_index": 24},
        "last_known_institutions": [{"display_name": "Wren Hall"}],
        **changes,
    }


def paper_by(*authors: tuple[str, str]) -> dict[str, object]:
    return {"id": "W1", "authorships": [{"author": {"id": i, "display_name": name}} for i, name in authors]}


@dataclass
class Service:
    """A catalogue on the loopback: path -> document, or (status, headers)."""

    answers: dict[str, object] = field(default_factory=dict[str, object])
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, connection, request: bytes) -> None:
        path = unquote(request.split(b" ", 2)[1].decode()).partition("?")[0]
        self.asked.append(path)
        said = self.answers.get(path, ("404 Not Found", {}))
        if isinstance(said, tuple):
            connection.sendall(answer(said[0], said[1], b"{}"))
        else:
            connection.sendall(answer("200 OK", {"Content-Type": "application/json"}, json.dumps(said).encode()))


@pytest.fixture
def service() -> Iterator[tuple[Service, ScriptedServer]]:
    one = Service()
    server = ScriptedServer(one)
    yield one, server
    server.stop()


@dataclass
class Desk:
    """The people of one store; ``now`` is its clock."""

    store: Store
    service: Service
    server: ScriptedServer
    authors: tuple[str, ...] = (MIRA,)
    catalogues: tuple = (OPENALEX,)
    now = SLOT_AT

    @property
    def people(self) -> People:
        fetcher = Fetcher("test@example.org", timeout=5, spacing={}, max_bytes=100_000)

        def fetch(request):
            parts = urlsplit(request.url)
            url = f"http://127.0.0.1:{self.server.port}{parts.path}?{parts.query}"
            return fetcher.fetch(replace(request, url=url, allow_private=True))

        digest = replace(DAILY, profile=Profile(authors=self.authors))
        return People(
            store=self.store, digests=(digest,), catalogues=self.catalogues, fetch=fetch, clock=lambda: self.now
        )

    def said(self, **options) -> list[tuple[str, str, str]]:
        return [(one.person, one.catalogue, one.state) for one in self.people.refresh(**options).answers]

    def facts(self):
        return self.people.about(self.authors[0]).facts


@pytest.fixture
def desk(store, service) -> Desk:
    """A store with five papers of Mira Halden's and Tomás Vega's."""
    one, server = service
    with store.transaction() as tx:
        entries.apply(tx, [new_paper(number) for number in range(1, 6)], now=SLOT_AT)
        for entry in entries.load(tx, range(1, 99)):
            authorships.note(tx, entry.id, entry.authors)
    return Desk(store, one, server)


def work(number: int) -> str:
    return f"/works/doi:10.48550/arxiv.2605.{number:05d}"


def test_somebody_is_known_by_an_id_at_one_request(desk):
    desk.authors = (f"{MIRA} (openalex:A10001)",)
    desk.service.answers["/authors/A10001"] = openalex()
    assert desk.said() == [(desk.authors[0], "openalex", "found")]
    assert desk.service.asked == ["/authors/A10001"]
    shown = card(desk.people.about(desk.authors[0]))
    assert (shown.name, shown.url, shown.institutions, shown.category) == (MIRA, A1, ("Wren Hall",), "cs.CL")
    assert (shown.h_index, shown.papers, shown.citations) == (24, 105, 56683)


def test_a_merged_id_is_followed_to_the_one_that_counts_now(desk):
    desk.authors = ("openalex:A10001",)
    desk.service.answers["/authors/A10001"] = ("301 Moved Permanently", {"Location": "/authors/A10002"})
    desk.service.answers["/authors/A10002"] = openalex(A2)
    assert desk.said() == [("openalex:A10001", "openalex", "found")]
    found = desk.people.about("openalex:A10001")
    # With the name that the catalogue has, the store's papers are theirs too.
    assert (found.facts and found.facts.id, len(found.portrait.works)) == ("openalex:A10002", 5)


def test_a_name_is_settled_by_a_common_paper_of_which_the_catalogue_knows_the_authors(desk):
    desk.service.answers[work(1)] = paper_by((A2, "Tomás Vega"), (A1, "M. Halden"))
    desk.service.answers["/authors/A10001"] = openalex()
    assert desk.said() == [(MIRA, "openalex", "found")]
    assert desk.service.asked == [work(1), work(2), "/authors/A10001"]
    assert desk.people.about(MIRA).asked[0].why == "known there as an author of arxiv:2605.00001"


@pytest.mark.parametrize(
    ("answers", "state", "why"),
    [
        ({work(1): paper_by((A1, MIRA)), work(2): paper_by((A2, MIRA))}, "unsure", "several people"),
        ({work(1): paper_by((A1, MIRA), (A2, MIRA))}, "unknown", "does not know them"),
        ({work(1): paper_by((A2, "Tomás Vega"))}, "unknown", "does not know them"),
        ({}, "unknown", "does not know them"),
    ],
)
def test_where_namesakes_cannot_be_told_apart_nothing_is_taken_and_it_is_said(desk, answers, state, why):
    desk.service.answers |= answers
    assert desk.said() == [(MIRA, "openalex", state)]
    (asked,) = desk.people.about(MIRA).asked
    assert (asked.facts, why in asked.why) == (None, True)


def test_nobody_is_asked_for_by_a_name_that_many_bear(desk):
    desk.authors = ("Wei Wang",)
    with desk.store.transaction() as tx:
        entries.apply(tx, [new_paper(n, authors=("Wei Wang", f"Co {n}")) for n in (11, 12)], now=SLOT_AT)
        for entry in entries.load(tx, range(6, 99)):
            authorships.note(tx, entry.id, entry.authors)
    assert desk.said() == [("Wei Wang", "openalex", "unsure")]
    assert desk.service.asked == []
    assert "beyond doubt" in desk.people.about("Wei Wang").asked[0].why


def test_an_id_that_the_catalogue_does_not_know_is_not_replaced_by_a_guess(desk):
    desk.authors = (f"{MIRA} (orcid:0000-0002-1825-0097)",)
    assert desk.said() == [(desk.authors[0], "openalex", "unknown")]
    assert desk.service.asked == ["/authors/orcid:0000-0002-1825-0097"]


def test_semantic_scholar_tells_all_by_the_paper_alone(desk):
    desk.catalogues = (SEMANTIC_SCHOLAR,)
    author = {"authorId": "77", "name": MIRA, "hIndex": 3, "paperCount": 9, "citationCount": 40}
    for number in (1, 2):
        desk.service.answers[f"/graph/v1/paper/ARXIV:2605.{number:05d}"] = {"authors": [author]}
    assert desk.said() == [(MIRA, "semanticscholar", "found")]
    assert len(desk.service.asked) == 2
    assert desk.facts().h_index == 3


def test_a_catalogue_is_asked_once_a_week_and_the_first_that_knows_somebody_is_believed(desk):
    desk.catalogues = (OPENALEX, SEMANTIC_SCHOLAR)
    desk.service.answers[work(1)] = paper_by((A1, MIRA))
    desk.service.answers["/authors/A10001"] = openalex()
    author = {"authorId": "77", "name": MIRA, "hIndex": 3}
    desk.service.answers["/graph/v1/paper/ARXIV:2605.00001"] = {"authors": [author]}
    assert [state for _, _, state in desk.said()] == ["found", "found"]
    assert desk.facts().h_index == 24
    assert desk.said() == []
    assert len(desk.said(everybody=True)) == 2
    desk.now = SLOT_AT + EVERY
    desk.service.answers["/authors/A10001"] = openalex(summary_stats={"h_index": 25})
    assert len(desk.said(most=1)) == 1
    assert desk.people.refresh().left == 0
    assert desk.facts().h_index == 25


@pytest.mark.parametrize(
    "trouble",
    [("429 Too Many Requests", {"Retry-After": "60"}), ("403 Forbidden", {}), ("500 Oops", {}), ("503 Busy", {})],
    ids=["throttled", "wrong key", "broken", "busy"],
)
def test_a_catalogue_in_trouble_is_left_alone_for_the_round_and_what_it_said_stays(desk, trouble):
    desk.authors = (f"{MIRA} (openalex:A10001)", "Tomás Vega (openalex:A10002)")
    desk.service.answers = {"/authors/A10001": openalex(), "/authors/A10002": openalex(A2, display_name="Tomás Vega")}
    assert len(desk.said()) == 2
    desk.now = SLOT_AT + EVERY
    desk.service.answers = {"/authors/A10001": trouble, "/authors/A10002": openalex(A2)}
    done = desk.people.refresh()
    assert ([one.state for one in done.answers], done.left) == (["failed"], 2)
    assert desk.facts().h_index == 24


@pytest.mark.parametrize(
    "odd",
    [("400 Bad Request", {}), ("204 No Content", {}), {"id": A1}, {"display_name": MIRA}, ["no object"]],
    ids=["refused", "nothing", "no name", "no id", "a list"],
)
def test_who_has_no_usable_answer_does_not_keep_others_from_being_asked_for_and_what_was_known_stays(desk, odd):
    desk.authors = (f"{MIRA} (openalex:A10001)", "Tomás Vega (openalex:A10002)")
    desk.service.answers = {"/authors/A10001": openalex(), "/authors/A10002": openalex(A2, display_name="Tomás Vega")}
    assert len(desk.said()) == 2
    found_at, desk.now = desk.now, SLOT_AT + EVERY
    desk.service.answers |= {"/authors/A10001": odd}
    done = desk.people.refresh()
    assert ([one.state for one in done.answers], done.left) == (["unknown", "found"], 0)
    (asked,) = desk.people.about(desk.authors[0]).asked
    assert (desk.facts().h_index, asked.found_at, asked.asked_at) == (24, found_at, desk.now)
    assert asked.why.startswith("no usable answer: ")
    assert desk.said() == []


def test_without_a_network_the_card_shows_what_the_store_knows(desk):
    desk.server.stop()
    assert desk.said() == [(MIRA, "openalex", "failed")]
    shown = card(desk.people.about(MIRA))
    assert (shown.name, shown.category, shown.seen, shown.votes, shown.h_index) == (MIRA, "cs.CL", 5, 25, None)
    assert shown.ai_score is not None


def test_followed_are_the_authors_of_digests_and_of_confirmed_readers_and_nobody_else_is_kept(desk):
    desk.authors = (MIRA, "Halden, Mira")
    with desk.store.transaction() as tx:
        for number, state in enumerate(SubscriptionState):
            who = people.add_subscriber(tx, f"reader{number}@example.org", SLOT_AT)
            link = people.add_subscription(tx, who.id, "daily", state=state, secret=f"{number:022d}", now=SLOT_AT)
            people.choose(tx, link.id, {"preferences": {"authors": [f"Reader's Author {state.value}"]}})
    assert desk.people.followed() == ("Halden, Mira", "Reader's Author confirmed")
    desk.said()
    with desk.store.transaction() as tx:
        people.set_state(tx, link.id, SubscriptionState.UNSUBSCRIBED, SLOT_AT + timedelta(days=1))
        tx.exec_driver_sql("UPDATE subscriptions SET state = 'unsubscribed'")
    desk.said()
    with desk.store.reading() as tx:
        assert set(catalogue.known(tx, ["name:readers author confirmed", "name:mira halden"])) == {
            ("name:mira halden", "openalex")
        }


def test_nothing_is_said_of_somebody_nobody_knows(desk):
    with pytest.raises(NotFound, match="nobody of that name"):
        desk.people.about("Nobody Atall")


@pytest.mark.parametrize(
    "typed", ["A10001", "a10001", "openalex:A10001", A1, "0000-0002-1825-0097", "https://orcid.org/0000-0002-1825-0097"]
)
def test_who_is_followed_by_name_is_found_by_an_id_that_the_catalogue_gave(desk, typed):
    desk.service.answers |= {
        work(1): paper_by((A1, MIRA)),
        "/authors/A10001": openalex(orcid="https://orcid.org/0000-0002-1825-0097"),
    }
    desk.said()
    assert desk.people.about(typed) == desk.people.about(MIRA)


@pytest.mark.parametrize(("typed", "written"), [("17", "semanticscholar:17"), ("17", "Mira (semanticscholar:17)")])
def test_who_is_followed_by_an_id_is_found_by_its_number_alone(desk, typed, written):
    desk.authors, desk.catalogues = (written,), (SEMANTIC_SCHOLAR,)
    desk.service.answers["/graph/v1/author/17"] = {"authorId": "17", "name": MIRA, "hIndex": 3}
    desk.said()
    assert desk.people.about(typed).facts.h_index == 3
    with pytest.raises(NotFound):
        desk.people.about("18")


@pytest.mark.parametrize(
    ("answer_of_one", "why"),
    [
        ("huge", "larger than"),
        (("302 Found", {"Location": "/authors/A10001"}), "round in a circle"),
        (("200 OK", {"Content-Encoding": "gzip"}), "compression is damaged"),
        (("200 OK", {"Content-Encoding": "br"}), "compresses in a way"),
    ],
)
def test_one_person_s_unusable_answer_leaves_the_round_to_the_others(desk, answer_of_one, why):
    desk.authors = ("openalex:A10001", "openalex:A10002")
    one = openalex(display_name="x" * 200_000) if answer_of_one == "huge" else answer_of_one
    desk.service.answers |= {"/authors/A10001": one, "/authors/A10002": openalex(A2)}
    done = desk.people.refresh()
    assert [(one.person, one.state) for one in done.answers] == [
        ("openalex:A10001", "unknown"),
        ("openalex:A10002", "found"),
    ]
    assert why in done.answers[0].why and done.why == ()


def test_a_catalogue_in_trouble_says_why_the_others_were_not_asked_for(desk):
    desk.authors = ("openalex:A10001", "openalex:A10002")
    desk.service.answers["/authors/A10001"] = ("500 Oops", {})
    done = desk.people.refresh()
    assert (len(done.answers), done.left) == (1, 2)
    (why,) = done.why
    assert why.startswith("OpenAlex is left alone until the next round: ") and "HTTP 500" in why
