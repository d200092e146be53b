"""What each operation does, on both databases: the store says the same as the answer."""

from __future__ import annotations

from datetime import date

import pytest

from digest.model.people import SubscriptionState
from digest.storage import deliveries
from digest.storage.base import metadata
from digest.web.api import OPERATIONS
from tests.services.road import paper
from tests.web.api.conftest import everything, id_of

STATES = SubscriptionState
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def deeds(road):
    return [(one.who, one.deed, one.about, one.detail) for one in reversed(road.app.operators.log())]


def test_whatever_changes_something_says_what_it_was():
    assert [one.name for one in OPERATIONS if one.writes != (one.about is not None)] == []


class TestSubscribers:
    def test_one_is_told_with_all_that_is_read(self, road, api):
        found = api.get(f"/subscribers/{id_of(road, 'ada@example.org')}")
        daily, weekly = found.pop("subscriptions")
        assert found == {
            "id": id_of(road, "ada@example.org"),
            "address": "ada@example.org",
            "created_at": "2026-04-20T05:30:00Z",
            "joined": False,
            "suppressed": None,
        }
        assert weekly["digest"] == "weekly"
        assert daily == {
            "digest": "daily",
            "state": "confirmed",
            "language": "",
            "timezone": "",
            "send_at": "",
            "days": [],
            "preferences": {},
            "paused_until": None,
            "created_at": "2026-04-20T05:30:00Z",
            "confirmed_at": "2026-04-20T05:30:00Z",
            "last_slot": None,
        }

    def test_the_list_is_read_page_by_page_and_nobody_is_skipped_while_others_go(self, road, api):
        for number in range(7):
            road.reader(f"r{number}@example.org", "weekly")
        first = api.get("/subscribers?limit=4")
        road.app.subscribe.erase("bo@example.org")
        rest = api.get(f"/subscribers?limit=200&after={first['next']}")
        names = [one["address"].partition("@")[0] for one in (*first["items"], *rest["items"])]
        assert (names, rest["next"]) == (["ada", "bo", *(f"r{n}" for n in range(7))], None)

    def test_the_list_is_narrowed_by_digest_and_state(self, road, api):
        road.app.subscribe.leave("ada@example.org", "weekly")
        of = lambda query: [one["address"] for one in api.get(f"/subscribers?{query}")["items"]]  # noqa: E731
        assert of("digest=weekly") == ["ada@example.org"]
        assert of("digest=weekly&state=confirmed") == []
        assert of("state=unsubscribed") == ["ada@example.org"]
        assert of("digest=daily&state=confirmed") == ["ada@example.org", "bo@example.org"]

    def test_a_search_finds_a_part_of_an_address_and_no_pattern(self, api):
        both = {"ADA": ["ada@"], "@example": ["ada@", "bo@"], "%": [], "_da": [], "nobody": []}
        for search, found in both.items():
            answer = api.post("/subscribers/search", {"search": search})
            assert [one["address"].replace("example.org", "") for one in answer["items"]] == found, search

    def test_who_is_added_is_asked_by_mail_and_once_a_day(self, road, api):
        body = {"address": "Cy@Example.org", "digest": "daily", "settings": {"language": "de", "days": [4, 0, 4]}}
        answer = api.post("/subscribers", body)
        assert answer["outcome"] == "planned"
        assert answer["subscriber"]["address"] == "cy@example.org"
        assert [one["state"] for one in answer["subscriber"]["subscriptions"]] == ["pending"]
        assert api.post("/subscribers", body)["outcome"] == "repeated"
        assert road.rows("cy@example.org") == [("cy@example.org", "daily", "queued")]

    def test_who_is_added_on_ones_word_reads_at_once(self, road, api):
        body = {"address": "cy@example.org", "digest": "daily", "confirmed": True, "settings": {"send_at": "09:05"}}
        answer = api.post("/subscribers", body)
        assert (answer["outcome"], answer["subscriber"]["subscriptions"][0]["send_at"]) == ("confirmed", "09:05")
        assert road.rows("cy@example.org") == []
        about = f"subscriber {id_of(road, 'cy@example.org')}"
        assert deeds(road)[-1] == ("token t0", "add subscriber", about, "daily: confirmed")

    def test_nobody_is_added_who_must_not_be_written_to(self, road, api):
        api.post("/suppressions", {"address": "no@example.org"})
        answer = api("POST", "/subscribers", {"address": "no@example.org", "digest": "daily", "confirmed": True})
        assert (answer.status_code, answer.json()["what"]) == (422, "is on the suppression list (operator)")
        asked = api.post("/subscribers", {"address": "no@example.org", "digest": "daily"})
        assert asked == {"outcome": "silent", "subscriber": None}
        assert deeds(road) == [
            ("token t0", "add suppression", "an address", "operator"),
            ("token t0", "add subscriber", "an address that is not kept", "daily: silent"),
        ]

    @on_sqlite
    def test_who_is_asked_joins_no_digests_before_reading_them(self, road, api):
        body = {"address": "cy@example.org", "digest": "daily", "settings": {"joined": True}}
        answer = api("POST", "/subscribers", body)
        assert (answer.status_code, answer.json()["where"]) == (422, "body.settings.joined")
        assert "cy@example.org" not in str(everything(road))
        assert api.post("/subscribers", {**body, "confirmed": True})["subscriber"]["joined"] is True

    @on_sqlite
    def test_who_reads_already_is_mailed_the_links_and_keeps_the_settings(self, road, api):
        body = {"address": "bo@example.org", "digest": "daily", "settings": {"language": "de"}}
        answer = api.post("/subscribers", body)
        assert (answer["outcome"], answer["subscriber"]["subscriptions"][0]["language"]) == ("planned", "")
        with road.app.store.reading() as tx:
            assert [one.kind for one in deliveries.listing(tx, address="bo@example.org")] == ["link"]

    def test_what_a_token_did_to_somebody_is_among_what_is_kept_of_them(self, road, api):
        path = f"/subscribers/{id_of(road, 'bo@example.org')}"
        api("PATCH", f"{path}/subscriptions/daily", {"language": "de"})
        api.post(f"{path}/subscriptions/daily/pause", {"until": "2026-05-20"})
        api.post(f"{path}/subscriptions/daily/resume")
        api.post(f"{path}/leave", {"tell": True})
        kept = road.app.mydata.of("bo@example.org").deeds
        assert sorted((one.deed, one.detail) for one in kept) == [
            ("change subscription", "daily"),
            ("end subscriptions", "all: 1 ended, told"),
            ("pause subscription", "daily until 2026-05-20"),
            ("resume subscription", "daily"),
        ]
        api.post(f"{path}/erase")
        assert deeds(road)[-1] == ("token t0", "erase subscriber", path[1:].replace("s/", " "), "")

    def test_settings_are_changed_one_by_one_and_returned_to_the_digests(self, road, api):
        path = f"/subscribers/{id_of(road, 'bo@example.org')}/subscriptions/daily"
        wishes = {"categories": ["cs.CV"], "max_items": 3}
        api("PATCH", path, {"timezone": "America/New_York", "preferences": wishes})
        told = api("PATCH", path, {"days": [1], "joined": True}).json()
        assert (told["timezone"], told["days"], told["preferences"]) == ("America/New_York", [1], wishes)
        (held,) = road.app.subscribe.show("bo@example.org")
        assert (held.timezone, held.days, held.joined, dict(held.preferences)) == (
            "America/New_York",
            (1,),
            True,
            wishes,
        )
        told = api("PATCH", path, {"timezone": "", "days": [], "preferences": {}}).json()
        assert (told["timezone"], told["days"], told["preferences"]) == ("", [], {})

    def test_settings_that_cannot_be_are_named_and_change_nothing(self, road, api):
        before = everything(road, "api_tokens")
        for settings, words in (
            ({"timezone": "Mars/Olympus"}, "is not a time zone"),
            ({"language": "klingon"}, "is not a language"),
            ({"preferences": {"categroies": ["cs.CL"]}}, "categroies"),
            ({"preferences": {"max_items": "many"}}, "max_items"),
        ):
            answer = api("PATCH", f"/subscribers/{id_of(road, 'bo@example.org')}/subscriptions/daily", settings)
            assert (answer.status_code, words in answer.json()["what"]) == (422, True), answer.text
        assert everything(road, "api_tokens") == before

    def test_a_pause_is_made_and_ended(self, road, api):
        path = f"/subscribers/{id_of(road, 'bo@example.org')}/subscriptions/daily"
        assert api.post(f"{path}/pause", {"until": "2026-05-20"})["paused_until"] == "2026-05-20"
        assert road.app.subscribe.show("bo@example.org")[0].paused_until == date(2026, 5, 20)
        assert api.post(f"{path}/resume")["paused_until"] == "2026-05-04"
        assert api("POST", f"{path}/pause", {"until": "2026-05-01"}).status_code == 422

    def test_who_leaves_leaves_one_digest_or_all_and_is_told_on_wish(self, road, api):
        path = f"/subscribers/{id_of(road, 'ada@example.org')}/leave"
        assert api.post(path, {"digest": "weekly"}) == {"ended": 1}
        assert api.post(path, {"tell": True}) == {"ended": 1}
        assert api.post(path, {"tell": True}) == {"ended": 0}
        assert {one.state for one in road.app.subscribe.show("ada@example.org")} == {STATES.UNSUBSCRIBED}
        with road.app.store.reading() as tx:
            kinds = [one.kind for one in deliveries.listing(tx, address="ada@example.org")]
        assert kinds.count("goodbye") == 1
        assert api("POST", path, {"digest": "nothing"}).status_code == 404

    def test_who_is_erased_is_in_no_answer_and_no_kept_one(self, road, api):
        number = id_of(road, "bo@example.org")
        api.post(
            "/subscribers", {"address": "bo@example.org", "digest": "weekly", "confirmed": True}, Idempotency_Key="k"
        )
        assert api.post(f"/subscribers/{number}/erase", Idempotency_Key="e") == {"erased": True}
        assert api("GET", f"/subscribers/{number}").status_code == 404
        assert api("POST", f"/subscribers/{number}/erase").status_code == 404
        assert "bo@example.org" not in str(everything(road))
        assert api.get("/suppressions")["items"][0]["reason"] == "erased"


@pytest.mark.usefixtures("printed")
class TestDigests:
    def test_each_is_told_with_its_next_slot(self, road, api):
        daily, weekly = api.get("/digests")["items"]
        assert daily == api.get("/digests/daily")
        assert (daily["due"], daily["next"]) == (
            {"slot": "2026-05-04@2026-05-04T05:30:00Z", "local_date": "2026-05-04", "at": "2026-05-04T05:30:00Z"},
            {"slot": "2026-05-05@2026-05-05T05:30:00Z", "local_date": "2026-05-05", "at": "2026-05-05T05:30:00Z"},
        )
        assert (weekly["days"], weekly["next"]["local_date"]) == ([0], "2026-05-11")
        assert daily["deliveries"]["accepted"] == 2
        assert api("GET", "/digests/nothing").json()["what"] == 'there is no digest "nothing"'

    def test_sending_is_stopped_and_goes_on(self, road, api):
        assert api.post("/digests/daily/pause") == {"digest": "daily", "paused": True, "changed": True}
        assert api.post("/digests/daily/pause")["changed"] is False
        assert api.get("/digests/daily")["paused"] is True
        assert api.post("/digests/daily/resume") == {"digest": "daily", "paused": False, "changed": True}
        assert road.app.ledger.still_paused() == ()
        assert {one[2:] for one in deeds(road)} == {("digest daily", "")}

    def test_editions_are_listed_by_day_and_told_in_the_contracts_shape(self, road, api):
        road.now += road.digest().window / 3
        road.publish()
        page = api.get("/digests/daily/editions?limit=1")
        assert (page["items"][0]["day"], page["next"]) == ("2026-05-05", "2026-05-05")
        page = api.get(f"/digests/daily/editions?after={page['next']}")
        assert page == {
            "items": [
                {
                    "day": "2026-05-04",
                    "composed_at": "2026-05-04T05:31:00Z",
                    "candidates": 2,
                    "printed": 2,
                    "reason": "",
                }
            ],
            "next": None,
        }
        edition = api.get("/digests/daily/editions/2026-05-04")
        assert (edition["digest"], edition["for"], edition["slot"]) == (
            "daily",
            None,
            "2026-05-04@2026-05-04T05:30:00Z",
        )
        items = [item for section in edition["sections"] for item in section["items"]]
        assert [item["id"] for item in items] == ["arxiv:2605.00001", "arxiv:2605.00002"]
        assert all(sum(part["points"] for part in item["parts"]) == item["score"] for item in items)
        assert set(items[0]) == {
            "id", "title", "url", "authors", "institutions", "categories", "published_at", "score", "parts", "code_url",
            "also",
        }  # fmt: skip
        assert api("GET", "/digests/daily/editions/2026-05-03").status_code == 404


@pytest.mark.usefixtures("printed")
class TestPapers:
    def test_they_are_listed_newest_first_and_looked_for_by_words(self, api):
        assert [one["id"] for one in api.get("/entries")["items"]] == ["arxiv:2605.00002", "arxiv:2605.00001"]
        page = api.get("/entries?limit=1")
        assert [one["id"] for one in api.get(f"/entries?after={page['next']}")["items"]] == ["arxiv:2605.00001"]
        assert [one["id"] for one in api.get("/entries?search=TIDAL%20dawn%20%31")["items"]] == ["arxiv:2605.00001"]
        assert api.get("/entries?search=%25") == {"items": [], "next": None}

    def test_letters_are_found_capital_and_small_beyond_ascii_and_the_first_eight_words_count(self, road, api):
        road.bring(paper(3, title="MÜLLER reads", abstract="one two three four five six seven eight"))
        for search in ("MÜLLER", "müller", "Müller", "one two three four five six seven eight absent"):
            assert [one["title"] for one in api.get(f"/entries?search={search}")["items"]] == ["MÜLLER reads"], search
        assert api.get("/entries?search=eight absent")["items"] == []

    def test_one_is_found_by_any_of_its_names(self, api):
        for name in ("2605.00001", "arxiv:2605.00001", "https://arxiv.org/abs/2605.00001v2"):
            found = api.get(f"/entries/one?paper={name}")
            assert (found["id"], found["upvotes"], len(found["printed"])) == ("arxiv:2605.00001", 99, 2)
        assert api("GET", "/entries/one?paper=2605.99999").status_code == 404

    def test_it_is_explained_for_a_reader(self, api):
        found = api.post("/entries/explain", {"paper": "2605.00001", "digest": "daily", "for": "bo@example.org"})
        assert (found["verdict"], found["address"]) == ("printed", "bo@example.org")
        assert sum(part["points"] for part in found["parts"]) == found["score"]
        only = {"paper": "2605.00001", "for": "bo@example.org", "at": "2026-05-04T08:00:00+02:00"}
        assert api.post("/entries/explain", only)["slot"] == "2026-05-04@2026-05-04T05:30:00Z"
        assert api("POST", "/entries/explain", {**only, "at": "2026-05-04T08:00:00"}).status_code == 400
        assert api("POST", "/entries/explain", {**only, "at": "0001-01-01"}).status_code == 422

    @on_sqlite
    def test_where_it_is_not_clear_which_digest_is_meant_all_are_named(self, api):
        for body in ({"paper": "2605.00001"}, {"paper": "2605.00001", "for": "ada@example.org"}):
            answer = api("POST", "/entries/explain", body)
            told = answer.json()
            assert (answer.status_code, told["where"]) == (422, "body.digest")
            assert told["try"] == "name one of: daily, weekly"

    def test_two_are_made_one_and_taken_apart(self, road, api):
        link = "https://blog.example.org/gauges"
        road.bring(paper(3, key=link, url=link, arxiv_id=None, title="Of gauges"), source="lab")
        assert api.post("/entries/join", {"paper": "2605.00001", "other": link})["id"] == "arxiv:2605.00001"
        assert api.get(f"/entries/one?paper={link}")["id"] == "arxiv:2605.00001"
        apart = api.post("/entries/split", {"paper": link})
        assert (apart["kept"]["id"], apart["out"]["title"]) == ("arxiv:2605.00001", "Of gauges")
        assert deeds(road) == [
            ("token t0", "join papers", "paper arxiv:2605.00001", f"2605.00001 and {link}"),
            ("token t0", "split paper", "paper arxiv:2605.00001", f"without {apart['out']['id']}"),
        ]


@pytest.mark.usefixtures("printed")
class TestDeliveries:
    def test_they_are_listed_and_narrowed(self, road, api):
        every = api.get("/deliveries")["items"]
        assert [(one["address"], one["digest"], one["state"]) for one in every] == road.rows()
        mine = api.get(f"/deliveries?subscriber={id_of(road, 'bo@example.org')}&day=2026-05-04&digest=daily")["items"]
        assert [one["address"] for one in mine] == ["bo@example.org"]
        assert api.get("/deliveries?state=queued,rejected") == {"items": [], "next": None}
        page = api.get("/deliveries?limit=1&state=accepted")
        assert page["next"] == every[0]["id"]
        assert api("GET", "/deliveries?subscriber=99999").status_code == 404
        assert api("GET", "/deliveries?digest=nothing").status_code == 422

    def test_one_is_told_with_its_tries_and_without_its_return_path(self, road, api):
        number = api.get("/deliveries")["items"][0]["id"]
        found = api.get(f"/deliveries/{number}")
        assert (found["delivery"]["id"], found["tries"][-1]["outcome"]) == (number, "accepted")
        assert "return_path" not in found

    def test_what_is_uncertain_is_settled_and_what_was_accepted_is_not_sent_again(self, road, api):
        number = api.get("/deliveries")["items"][0]["id"]
        refused = api("POST", f"/deliveries/{number}/retry")
        assert (refused.status_code, "would send the same papers twice" in refused.json()["what"]) == (409, True)
        table = metadata.tables["deliveries"]
        with road.app.store.transaction() as tx:
            tx.execute(table.update().where(table.c.id == number).values(state="uncertain"))
        assert api.post(f"/deliveries/{number}/resolve", {"as": "lost"})["state"] == "expired"
        assert api("POST", f"/deliveries/{number}/resolve", {"as": "lost"}).status_code == 409
        with road.app.store.transaction() as tx:
            tx.execute(table.update().where(table.c.id == number).values(state="deferred"))
        assert api.post(f"/deliveries/{number}/retry")["state"] == "queued"
        assert deeds(road)[-2:] == [
            ("token t0", "resolve delivery", f"delivery {number}", "lost"),
            ("token t0", "retry delivery", f"delivery {number}", ""),
        ]


class TestSuppressions:
    def test_an_address_is_put_on_found_and_taken_off(self, road, api):
        assert api.post("/suppressions", {"address": "X@Example.org", "reason": "complaint", "detail": "spam"}) == {
            "address": "x@example.org",
            "added": True,
        }
        assert api.post("/suppressions", {"address": "x@example.org"})["added"] is False
        entry = {
            "address": "x@example.org",
            "reason": "complaint",
            "detail": "spam",
            "since_at": "2026-05-04T05:31:00Z",
        }
        assert api.get("/suppressions") == {"items": [entry], "next": None}
        assert api.post("/suppressions/find", {"address": "x@EXAMPLE.org"}) == {"suppression": entry}
        assert api.post("/suppressions/remove", {"address": "x@example.org"}) == {
            "address": "x@example.org",
            "removed": True,
        }
        assert api.post("/suppressions/find", {"address": "x@example.org"}) == {"suppression": None}
        assert api("POST", "/suppressions/remove", {"address": "x@example.org"}).status_code == 404

    def test_the_list_is_read_page_by_page(self, api):
        for number in range(5):
            api.post("/suppressions", {"address": f"x{number}@example.org"})
        first = api.get("/suppressions?limit=3")
        rest = api.get(f"/suppressions?limit=3&after={first['next']}")
        assert sorted(one["address"][1] for one in (*first["items"], *rest["items"])) == list("01234")
        assert rest["next"] is None
