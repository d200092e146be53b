"""The desk's digests: where each stands, and its next mail as anybody would get it; looking records nothing."""

from __future__ import annotations

import html
import re

from digest.web.desk.typed import slot_said
from tests.services.road import SLOT, in_mail, paper
from tests.web.desk.rows import dump
from tests.web.desk.seat import password_hash


def frame(page) -> str:
    """What the sandboxed frame shows."""
    found = re.search(r'<iframe sandbox="" srcdoc="([^"]*)"', page.text)
    assert found, page.text
    return html.unescape(found[1])


class TestTheList:
    def test_each_digest_stands_with_schedule_readers_and_slots(self, road, desk):
        road.reader()
        road.bring(*(paper(n) for n in range(3)))
        road.publish()
        page = desk.get("/desk/digests").text
        assert "07:30 Europe/Berlin, every day" in page
        assert "2026-05-04, 05:30 UTC" in page and "2026-05-05, 05:30 UTC" in page
        assert '<td class="number right">1</td>' in page and '<td class="number right">3</td>' in page

    def test_a_hostile_title_is_text(self, road, desk):
        operators = [{"name": "ada", "password_hash": password_hash()}]
        road.use({"name": "daily", "title": '<img src=x onerror="a()">'}, operator=operators)
        for path in ("/desk/digests", "/desk/digests/daily"):
            page = desk.get(path).text
            assert "<img" not in page and "&lt;img" in page


class TestThePreview:
    def test_it_shows_the_very_mail_and_records_nothing(self, road, desk):
        reader = road.reader(language="de", preferences={"max_items": 1})
        road.bring(*(paper(n, title=f"Tidal gauges number {n} <script>a()</script>") for n in range(3)))
        before = dump(road)
        general, own = desk.get("/desk/digests/daily"), desk.get("/desk/digests/daily", reader=reader.subscriber_id)
        assert "Tidal gauges number 2" in frame(general) and "<html" in frame(general)
        assert "Tidal gauges number 2" not in frame(own) and 'lang="de"' in frame(own)
        (best,) = re.findall(r"paper=(arxiv%3A2605.0000\d)", own.text)
        assert "<script>" not in general.text
        assert "3 of 3 new ones" in general.text and "1 of 3 new ones" in own.text
        assert f"/desk/papers?paper={best}&amp;digest=daily&amp;reader={reader.subscriber_id}" in own.text
        assert dump(road) == before

    def test_a_day_that_has_passed_can_be_asked_for(self, road, desk):
        road.bring(*(paper(n) for n in range(3)))
        assert "Mail of 2026-05-04, 05:30 UTC" in desk.get("/desk/digests/daily", on="2026-05-04").text

    def test_an_address_leads_to_a_number_and_a_profile_stays_out_of_the_url(self, road, desk):
        reader = road.reader()
        road.bring(*(paper(n) for n in range(3)))
        answer = desk.post("/desk/digests/daily", address="Ada@Example.org", on="2026-05-04", language="")
        assert answer.headers["location"] == f"/desk/digests/daily?reader={reader.subscriber_id}&on=2026-05-04"
        for profile in ("max_items = 2", '{"max_items": 2}'):
            answer = desk.post("/desk/digests/daily", profile=profile)
            assert answer.status_code == 200 and "2 of 3 new ones" in answer.text

    def test_a_wish_that_cannot_be_is_told(self, desk):
        for fields, said in (
            ({"profile": "max_item = 2"}, "max_items"),
            ({"profile": "{"}, "neither TOML nor JSON"),
            ({"profile": "[" * 5_000}, "neither TOML nor JSON"),
            ({"address": "nobody@example.org"}, "is not a subscriber"),
            ({"address": "nobody"}, "is not an e-mail address"),
        ):
            answer = desk.post("/desk/digests/daily", **fields)
            assert answer.status_code in (404, 422) and said in answer.text, fields

    def test_a_wrong_address_is_told_too(self, desk):
        for query in ({"on": "soon"}, {"on": "9999-12-31"}, {"reader": "99"}, {"language": "xx"}):
            assert desk.get("/desk/digests/daily", **query).status_code in (404, 422), query

    def test_silence_is_explained(self, road, desk):
        road.app.sources.known()
        page = desk.get("/desk/digests/daily").text
        assert "No mail of 2026-05-04" in page and "Why there is nothing" in page
        assert "<li>hf: not fetched yet</li>" in page

    def test_there_is_no_page_of_an_unknown_digest(self, desk):
        assert desk.get("/desk/digests/hourly").status_code == 404
        assert desk.post("/desk/digests/hourly/copy", to="a@example.org").status_code == 404


class TestTheTestCopy:
    def test_it_goes_out_once_as_it_is_shown_and_names_nobody_in_the_url(self, road, desk):
        reader = road.reader(preferences={"max_items": 1})
        road.bring(*(paper(n) for n in range(3)))
        answer = desk.post("/desk/digests/daily/copy", to="Me@example.org", reader=reader.subscriber_id)
        assert answer.status_code == 303 and "example.org" not in answer.headers["location"]
        (mail,) = road.mails()
        assert mail["To"] == "me@example.org" and len(in_mail(mail)) == 1
        assert road.rows() == []
        (deed,) = road.app.operators.log(about="digest daily")
        assert (deed.who, deed.deed) == ("ada", "send test copy") and "@" not in deed.detail

    def test_nothing_goes_to_what_is_no_address(self, road, desk):
        road.bring(paper(1))
        for to in ("", "nobody", "a@example.org\r\nBcc: b@example.org"):
            assert desk.post("/desk/digests/daily/copy", to=to).status_code == 422
        assert not road.mails()

    def test_a_slot_without_a_mail_has_no_copy(self, desk):
        answer = desk.post("/desk/digests/daily/copy", to="me@example.org")
        assert answer.status_code == 422 and "sends no mail" in answer.text


def test_the_slot_of_a_reader_elsewhere_is_told_with_its_own_day():
    assert slot_said(f"2026-05-04@{SLOT:%Y-%m-%dT%H:%M:%SZ}") == "2026-05-04, 05:30 UTC"
    assert slot_said("2026-05-04@2026-05-03T21:15:00Z") == "2026-05-04, 2026-05-03 21:15 UTC"
    assert slot_said(None) == ""
