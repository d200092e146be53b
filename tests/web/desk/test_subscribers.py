"""The desk's subscribers: listing, adding, changing, ending, erasing; no address ever stands in a URL or in the log."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from html import unescape

from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.people_csv import import_subscriptions
from digest.services.readers.subscribe import Choices, Joining
from tests.services.road import SLOT, paper
from tests.web.desk.rows import dump

ADA = "ada@example.org"


def many(road, number, digest="daily", state=SubscriptionState.CONFIRMED):
    road.app.subscribe.add_all(
        [
            Joining(address=f"r{n:03}@{digest}.example", digest=digest, state=state, choices=Choices())
            for n in range(number)
        ]
    )


def deeds(road):
    return [(one.deed, one.about, one.detail) for one in road.app.operators.log() if "log in" not in one.deed][:-1]


class TestTheList:
    def test_pages_follow_each_other_without_a_gap(self, road, desk):
        many(road, 130)
        first = desk.get("/desk/subscribers")
        assert first.text.count("@daily.example</a>") == 100 and "?digest=&amp;state=&amp;after=100" in first.text
        second = desk.get("/desk/subscribers", after="100").text
        assert second.count("@daily.example</a>") == 30 and "r129@" in second and "Next page" not in second

    def test_it_is_narrowed_by_digest_state_and_a_part_of_the_address(self, road, desk):
        many(road, 3)
        many(road, 2, "weekly", SubscriptionState.PENDING)
        for query, number in (({"digest": "weekly"}, 2), ({"state": "confirmed"}, 3), ({"state": "odd"}, 5)):
            assert desk.get("/desk/subscribers", **query).text.count(".example</a>") == number
        for fields, number in (
            ({"search": "R001"}, 2),
            ({"search": "1@d"}, 1),
            ({"search": "1@d", "state": "pending"}, 0),
            ({"search": "%"}, 0),
            ({"search": "\x00"}, 0),
        ):
            assert desk.post("/desk/subscribers", **fields).text.count(".example</a>") == number

    def test_a_search_goes_on_without_a_url(self, road, desk):
        many(road, 130)
        first = desk.post("/desk/subscribers", search="daily.example").text
        assert 'name="after" value="100"' in first and "?digest" not in first
        assert desk.post("/desk/subscribers", search="daily.example", after="100").text.count(".example</a>") == 30

    def test_a_whole_address_leads_to_its_reader(self, road, desk):
        who = road.reader().subscriber_id
        answer = desk.post("/desk/subscribers", search="Ada@example.ORG")
        assert answer.headers["location"] == f"/desk/subscribers/{who}"
        assert desk.post("/desk/subscribers", search="nobody@example.org").status_code == 200

    def test_it_does_so_among_however_many_that_hold_it(self, road, desk):
        for one in range(21):
            road.reader(f"x{one}a@example.org")
        who = road.reader("a@example.org").subscriber_id
        assert desk.post("/desk/subscribers", search="a@example.org").headers["location"] == f"/desk/subscribers/{who}"

    def test_hostile_addresses_are_text(self, road, desk):
        who = road.reader('"<script>a()</script>"@example.org').subscriber_id
        for path in ("/desk/subscribers", f"/desk/subscribers/{who}"):
            assert "<script>" not in desk.get(path).text

    def test_nonsense_is_no_fault(self, road, desk):
        for query in ({"after": "x"}, {"after": "9" * 30}, {"after": "-1"}, {"digest": "\x00"}, {"state": "x"}):
            assert desk.get("/desk/subscribers", **query).status_code == 200, query
        for one in ("99999999999999999999", "9" * 5_000, "x", "-1"):
            assert desk.get(f"/desk/subscribers/{one}").status_code == 404, one
            assert desk.post(f"/desk/subscribers/{one}/resume", digest="daily").status_code == 404, one


class TestAdding:
    def test_at_the_operators_word(self, road, desk):
        answer = desk.post("/desk/subscribers/add", address="Ada@Example.org", digest="daily", how="word")
        (link,) = road.app.subscribe.show(ADA)
        assert link.state is SubscriptionState.CONFIRMED
        assert answer.headers["location"].startswith(f"/desk/subscribers/{link.subscriber_id}?done=")
        assert "example" not in answer.headers["location"]
        assert deeds(road) == [("add subscriber", f"subscriber {link.subscriber_id}", "daily")]

    def test_by_a_mail_that_asks_once_a_day(self, road, desk):
        for said in ("A mail that asks is planned.", "it had such a mail within a day"):
            answer = desk.post("/desk/subscribers/add", address=ADA, digest="daily", how="ask")
            assert said in desk.client.get(answer.headers["location"]).text
        assert road.rows() == [(ADA, "daily", "queued")]

    def test_asking_a_suppressed_address_says_so(self, road, desk):
        road.app.subscribe.suppress(ADA, SuppressionReason.COMPLAINT)
        answer = desk.post("/desk/subscribers/add", address=ADA, digest="daily", how="ask")
        assert "must not be written to" in desk.client.get(answer.headers["location"]).text
        assert deeds(road) == [("ask", "an address that is not kept", "daily: silent")]

    def test_what_cannot_be_added_is_told(self, road, desk):
        road.app.subscribe.suppress("listed@example.org", SuppressionReason.COMPLAINT)
        for fields, said in (
            ({"address": "nobody", "digest": "daily"}, "is not an e-mail address"),
            ({"address": ADA, "digest": "hourly"}, "there is no digest"),
            ({"address": "listed@example.org", "digest": "daily"}, "suppression list (complaint)"),
            ({}, "is not an e-mail address"),
        ):
            answer = desk.post("/desk/subscribers/add", how="word", **fields)
            assert answer.status_code == 422 and said in answer.text, fields
        assert road.app.subscribe.everybody() == () and deeds(road) == []


class TestOneReader:
    def test_everything_is_on_one_page_and_looking_changes_nothing(self, road, desk):
        who = road.reader(language="de", preferences={"keywords": ["<b>tide"]}).subscriber_id
        road.reader(ADA, "weekly")
        road.bring(*(paper(n) for n in range(3)))
        road.publish()
        road.deliver()
        road.app.subscribe.suppress(ADA, SuppressionReason.HARD_BOUNCE, "550 <b>no such user")
        before = dump(road)
        page = desk.get(f"/desk/subscribers/{who}", digest="daily", on="2026-05-04").text
        for wanted in ("hard-bounce since", "&lt;b&gt;no such user", "&lt;b&gt;tide", "accepted", "printed 3 papers"):
            assert wanted in page, wanted
        assert "<b>no" not in page and "<b>tide" not in page
        links = page.index("<details><summary>The reader's own links")
        assert "/unsubscribe/" not in page[:links] and "/unsubscribe/" in page[links:]
        assert dump(road) == before

    def test_nobody_has_no_page(self, road, desk):
        assert desk.get("/desk/subscribers/7").status_code == 404
        assert desk.post("/desk/subscribers/7/leave").status_code == 404

    def test_settings_are_changed_and_given_back_to_the_digest(self, road, desk):
        who = road.reader(language="de").subscriber_id
        fields = {
            "digest": "daily",
            "language": "fr",
            "send_at": "06:15",
            "timezone": "Asia/Tokyo",
            "day": ["0", "2"],
            "joined": "yes",
            "profile": 'keywords = ["tide"]\nmax_items = 5',
        }
        assert desk.post(f"/desk/subscribers/{who}/settings", **fields).status_code == 303
        (link,) = road.app.subscribe.show(ADA)
        assert (link.language, link.timezone, link.days, link.joined) == ("fr", "Asia/Tokyo", (0, 2), True)
        assert f"{link.send_at:%H:%M}" == "06:15" and link.preferences == {"keywords": ["tide"], "max_items": 5}
        desk.post(f"/desk/subscribers/{who}/settings", digest="daily")
        (link,) = road.app.subscribe.show(ADA)
        assert (link.language, link.timezone, link.days, link.send_at, link.preferences) == ("", "", (), None, {})
        assert link.joined
        assert deeds(road) == [("change subscription", f"subscriber {who}", "daily")] * 2

    def test_a_page_that_was_saved_unchanged_changes_nothing(self, road, desk):
        who = road.reader(preferences={"keywords": ["tide"], "categories": {"cs.CL": 2}}).subscriber_id
        before = road.app.subscribe.show(ADA)
        page = desk.get(f"/desk/subscribers/{who}").text
        found = re.search(r'<textarea name="profile"[^>]*>(.*?)</textarea>', page, re.DOTALL)
        desk.post(f"/desk/subscribers/{who}/settings", digest="daily", profile=unescape(found[1]))
        assert road.app.subscribe.show(ADA) == before

    def test_a_wrong_setting_changes_nothing(self, road, desk):
        who = road.reader(language="de").subscriber_id
        before = dump(road)
        for wrong in (
            {"language": "xx"},
            {"timezone": "Mars/Olympus"},
            {"send_at": "25:00"},
            {"profile": "keyword = 1"},
            {"profile": '{"max_items": "many"}'},
            {"digest": "weekly"},
        ):
            answer = desk.post(f"/desk/subscribers/{who}/settings", **{"digest": "daily", **wrong})
            assert answer.status_code == 422 and "That could not be done" in answer.text, wrong
        assert dump(road) == before

    def test_pausing_and_resuming(self, road, desk):
        who = road.reader().subscriber_id
        until = (SLOT + timedelta(days=9)).date()
        desk.post(f"/desk/subscribers/{who}/pause", digest="daily", until=until.isoformat())
        assert f"paused until {until}" in desk.get(f"/desk/subscribers/{who}").text
        desk.post(f"/desk/subscribers/{who}/resume", digest="daily")
        assert "paused until" not in desk.get(f"/desk/subscribers/{who}").text
        assert desk.post(f"/desk/subscribers/{who}/pause", digest="daily", until="soon").status_code == 422
        assert [deed for deed, *_ in deeds(road)] == ["resume subscription", "pause subscription"]

    def test_leaving_with_and_without_a_word_and_coming_back(self, road, desk):
        who = road.reader().subscriber_id
        desk.post(f"/desk/subscribers/{who}/leave", digest="daily", tell="1")
        assert road.rows() == [(ADA, "daily", "queued")]
        assert road.app.subscribe.show(ADA)[0].state is SubscriptionState.UNSUBSCRIBED
        desk.post(f"/desk/subscribers/{who}/read", digest="daily", how="word")
        desk.post(f"/desk/subscribers/{who}/read", digest="weekly", how="word")
        assert {one.state for one in road.app.subscribe.show(ADA)} == {SubscriptionState.CONFIRMED}
        answer = desk.post(f"/desk/subscribers/{who}/leave")
        assert "2+subscriptions+ended" in answer.headers["location"]
        assert len(road.rows()) == 1

    def test_links_are_mailed(self, road, desk):
        who = road.reader().subscriber_id
        desk.post(f"/desk/subscribers/{who}/remind")
        assert len(road.rows()) == 1 and deeds(road) == [("mail links", f"subscriber {who}", "planned")]

    def test_suppressing_and_lifting(self, road, desk):
        who = road.reader().subscriber_id
        assert desk.post(f"/desk/subscribers/{who}/suppress", reason="erased").status_code == 422
        desk.post(f"/desk/subscribers/{who}/suppress", reason="request", detail="rang us")
        assert road.app.subscribe.suppressed([ADA])[ADA].detail == "rang us"
        desk.post(f"/desk/subscribers/{who}/lift")
        assert road.app.subscribe.suppressions() == ()

    def test_who_is_erased_was_typed(self, road, desk):
        who = road.reader().subscriber_id
        for typed in ("", "bo@example.org", "yes"):
            assert desk.post(f"/desk/subscribers/{who}/erase", typed=typed).status_code == 422
        assert road.app.subscribe.show(ADA)
        answer = desk.post(f"/desk/subscribers/{who}/erase", typed=" ADA@example.org ")
        assert answer.headers["location"].startswith("/desk/subscribers?done=")
        assert desk.get(f"/desk/subscribers/{who}").status_code == 404
        assert "ada@" not in str(road.app.operators.log())


class TestTheExport:
    def read(self, answer):
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == 'attachment; filename="subscribers.csv"'
        return list(csv.reader(io.StringIO(answer.text)))

    def test_importing_it_changes_nothing(self, road, desk):
        road.reader(preferences={"keywords": ['a "quoted", word']}, language="de")
        road.reader("bo@example.org", "weekly")
        before = road.app.subscribe.everybody()
        text = desk.post("/desk/subscribers/export").text
        done = import_subscriptions(
            text, name="x", digests=["daily", "weekly"], add_all=road.app.subscribe.add_all, read_profile=lambda _: {}
        )
        assert (done.imported, done.refused) == (2, 0)
        assert road.app.subscribe.everybody() == before

    def test_one_digest_alone(self, road, desk):
        road.reader()
        road.reader(ADA, "weekly")
        _, *rows = self.read(desk.post("/desk/subscribers/export", digest="weekly"))
        assert [row[1] for row in rows] == ["weekly"]
        assert desk.post("/desk/subscribers/export", digest="hourly").status_code == 422
        assert deeds(road) == [("export subscribers", "digest weekly", "")]

    def test_no_spreadsheet_takes_an_address_for_a_formula(self, road, desk):
        hostile = ("=1+1@example.org", "+1@example.org", "-1@example.org", "'=x@example.org")
        for address in hostile:
            road.reader(address)
        answer = desk.post("/desk/subscribers/export")
        assert [row[0] for row in self.read(answer)[1:]] == [f"'{address}" for address in hostile]
        done = import_subscriptions(
            answer.text.replace(",daily,", ",weekly,"),
            name="x",
            digests=["weekly"],
            add_all=road.app.subscribe.add_all,
            read_profile=lambda _: {},
        )
        assert done.imported == 4 and {len(road.app.subscribe.show(one)) for one in hostile} == {2}

    def test_it_is_never_a_link(self, road, desk):
        assert desk.get("/desk/subscribers/export").status_code in (404, 405)


def test_nobody_sees_them_without_a_login(anybody):
    for path in ("digests", "digests/daily", "papers", "subscribers", "subscribers/1", "suppressions"):
        answer = anybody.get(f"/desk/{path}")
        assert answer.status_code == 303 and answer.headers["location"].startswith("/desk/login")
    for path in ("subscribers/import", "suppressions/import", "subscribers/import/x", "subscribers/1/erase"):
        assert anybody.post(f"/desk/{path}").headers["location"].startswith("/desk/login")
