"""Your data: asked for by mail, open for a day, complete, erased by one button; closed to who was passed a mail on."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.delivery.tokens import address_key
from digest.model.desk import Deed
from digest.model.mail import ReportKind
from digest.model.people import SuppressionReason
from digest.services.plain import as_json
from digest.services.stamping import CONFIRM, DATA, PREFERENCES, TASTE
from digest.storage import admission, bounces, deliveries, desk, people
from digest.web.application import application
from tests.services.road import DAY, SLOT, Road, paper
from tests.web.test_pages import everything, token

ADA = "ada@example.org"


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, {"name": "daily", "title": "The <Daily>"}, {"name": "weekly"})
    yield made
    made.app.close()


@pytest.fixture
def client(road):
    return TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def ada(road):
    return road.reader(digest="daily", preferences={"keywords": ["tides", "<i>dawn</i>"], "categories": {"cs.CL": 2.0}})


def ask(road, client, reader):
    """Presses the button of the page that any mail leads to."""
    return client.post(f"/data/{token(road, PREFERENCES, reader)}")


def without_link(answer) -> str:
    """The page, but for the link that one came by."""
    return re.sub(r"/preferences/[^\"]+", "", answer.text)


def mailed(road) -> list[str]:
    """The paths of the links in the data mails that came, oldest first."""
    road.deliver()
    texts = [mail.get_body(("plain",)).get_content() for mail in road.mails() if "Your data" in str(mail["Subject"])]
    return [re.search(r"https://digest\.example\.org(/mydata/\S+)", text)[1] for text in texts]


def opened(road, client, reader) -> str:
    ask(road, client, reader)
    return mailed(road)[-1]


class TestAsking:
    def test_the_link_of_any_mail_shows_nothing_and_offers_a_mail(self, road, client, ada):
        page = client.get(f"/preferences/{token(road, PREFERENCES, ada)}").text
        path = re.search(r'href="(/data/[^"]+)"', page)[1]
        before = everything(road)
        shown = client.get(path).text
        assert "Mail me a link to my data" in shown
        assert ADA not in shown
        assert everything(road) == before

    def test_the_mail_goes_to_the_address_itself_once_a_day_whoever_presses(self, road, client, ada):
        first = ask(road, client, ada)
        road.now += timedelta(hours=23)
        again = ask(road, client, ada)
        assert without_link(first) == without_link(again)
        assert ADA not in first.text
        assert road.rows() == [(ADA, "daily", "queued")]
        road.deliver()
        (mail,) = road.mails()
        assert (mail["To"], mail["Subject"]) == (ADA, "Your data at The <Daily>")
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        road.now += timedelta(hours=2)
        ask(road, client, ada)
        assert len(mailed(road)) == 2

    def test_nobody_who_must_not_be_written_to_gets_one_and_nobody_is_told(self, road, client, ada):
        told = ask(road, client, ada)
        other = road.reader("bo@example.org", digest="daily")
        road.app.subscribe.suppress(other.address, SuppressionReason.REQUEST)
        assert without_link(ask(road, client, other)) == without_link(told)
        assert [row[0] for row in road.rows()] == [ADA]

    def test_who_has_left_may_ask_too(self, road, client, ada):
        road.app.subscribe.leave(ADA)
        assert ADA in client.get(opened(road, client, ada)).text

    def test_the_language_is_the_readers(self, road, client):
        reader = road.reader("zoe@example.org", digest="daily", language="fr")
        ask(road, client, reader)
        road.deliver()
        assert [str(mail["Subject"]) for mail in road.mails()] == ["Vos données chez The <Daily>"]


class TestTheDoor:
    def test_a_link_opens_for_24_hours_and_then_says_how_to_get_a_new_one(self, road, client, ada):
        path = opened(road, client, ada)
        road.now += timedelta(hours=23, minutes=59)
        assert client.get(path).status_code == 200
        road.now += timedelta(minutes=1)
        for answer in (client.get(path), client.get(f"{path}/export"), client.post(f"{path}/erase")):
            assert (answer.status_code, "For a new one" in answer.text, ADA in answer.text) == (404, True, False)
        assert road.app.subscribe.show(ADA)

    def test_a_link_that_was_closed_is_not_opened_by_the_next_one(self, road, client, ada):
        road.now = SLOT.replace(hour=0, minute=5)
        old = opened(road, client, ada)
        road.now += timedelta(hours=24, minutes=1)
        new = opened(road, client, ada)
        for hours in (0, 20):
            road.now += timedelta(hours=hours)
            assert (client.get(old).status_code, client.get(new).status_code) == (404, 200)

    def test_no_token_of_a_mail_that_may_be_forwarded_opens_it(self, road, client, ada):
        path = opened(road, client, ada)
        road.bring(paper(1))
        road.publish()
        road.deliver()
        others = [token(road, purpose, ada) for purpose in (PREFERENCES, TASTE, CONFIRM)] + [ada.secret]
        for one in (*others, "x", path.rpartition("/")[2][:-1], path.rpartition("/")[2] + "A"):
            for answer in (client.get(f"/mydata/{one}"), client.get(f"/mydata/{one}/export")):
                assert (answer.status_code, ADA in answer.text) == (404, False)
            assert client.post(f"/mydata/{one}/erase").status_code == 404
        assert client.post(f"/data/{token(road, DATA, ada)}").status_code == 404
        assert road.app.subscribe.show(ADA)
        edition = next(mail for mail in road.mails() if "Your data" not in str(mail["Subject"]))
        assert "/mydata/" not in edition.as_string()

    def test_a_token_that_was_signed_but_not_asked_for_opens_nothing(self, road, client, ada):
        assert client.get(f"/mydata/{token(road, DATA, ada)}").status_code == 404

    def test_looking_and_downloading_change_nothing_however_often(self, road, client, ada):
        path = opened(road, client, ada)
        before = everything(road)
        for _ in range(2):
            for end in ("", "/export", "/erase", "/erase?yes=1"):
                assert client.get(path + end).status_code == client.head(path + end).status_code == 200
        assert everything(road) == before


class TestWhatIsShown:
    def test_everything_that_is_kept_is_in_the_file_and_the_command_shows_the_same(self, road, client, ada):
        weekly = road.reader(digest="weekly", language="de", send_at="09:00", timezone="Europe/Rome", days=(0, 2))
        road.app.subscribe.pause(weekly, SLOT.date() + 9 * DAY)
        road.bring(paper(1))
        road.publish(digests=["daily"])
        road.deliver()
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
        key = address_key(ADA, road.app.keys.lasting)
        with road.app.store.transaction() as tx:
            bounces.note(
                tx, 1, ReportKind.SOFT, address_key=key, status="4.2.2", detail="full", counts=True, now=road.now
            )
            desk.note(tx, Deed(at=road.now, who="operator", deed="suppress", about=f"subscriber {ada.subscriber_id}"))
            desk.note(tx, Deed(at=road.now, who="operator", deed="suppress", about=f"subscriber {ada.subscriber_id}0"))
            admission.wish(tx, weekly.id, {"language": "es"}, road.now)
        path = opened(road, client, ada)
        answer = client.get(f"{path}/export")
        assert answer.headers["content-disposition"] == 'attachment; filename="your-data.json"'
        said = answer.json()
        assert said == json.loads(json.dumps(as_json(road.app.mydata.of(ADA))))
        assert said["address"] == ADA
        assert [(one["digest"], one["state"], one["paused_until"], one["wished"]) for one in said["subscriptions"]] == [
            ("daily", "confirmed", None, {}),
            ("weekly", "confirmed", "2026-05-13", {"language": "es"}),
        ]
        assert said["subscriptions"][0]["preferences"]["keywords"] == ["tides", "<i>dawn</i>"]
        assert [(one["kind"], one["state"], len(one["tries"])) for one in said["deliveries"]] == [
            ("edition", "accepted", 0),
            ("data", "accepted", 0),
        ]
        assert all(one["answer"] for one in said["deliveries"])
        assert client.get(said["deliveries"][0]["read"].removeprefix("https://digest.example.org")).status_code == 200
        assert [(one["id"], one["value"]) for one in said["tastes"]] == [("arxiv:2605.00001", 1)]
        assert [one["detail"] for one in said["bounces"]] == ["full"]
        assert [one["deed"] for one in said["deeds"]] == ["suppress"]
        assert ada.secret not in answer.text
        assert weekly.secret not in answer.text

    def test_the_page_says_it_in_words_and_nothing_in_it_can_run(self, road, client, ada):
        road.bring(paper(1))
        road.publish(digests=["daily"])
        page = client.get(opened(road, client, ada)).text
        for words in (ADA, "comes to you", "handed to your mail server", "tides, &lt;i&gt;dawn", "cs.CL: 2.0"):
            assert words in page, words
        assert "<i>dawn" not in page
        assert "<script" not in page

    def test_nothing_of_another_reader_is_in_it(self, road, client, ada):
        road.reader("bo@example.org", digest="weekly", preferences={"keywords": ["bo-only"]})
        road.bring(paper(1))
        road.publish()
        path = opened(road, client, ada)
        for answer in (client.get(path), client.get(f"{path}/export")):
            assert "bo" not in re.findall(r"\bbo\b", answer.text)
            assert "weekly" not in answer.text.lower()


class TestErasing:
    def test_what_was_printed_by_their_own_wishes_says_nothing_of_them(self, road, ada):
        road.reader("cy@example.org", digest="daily", preferences={"topics": ["a rare illness"]})
        for address in ("di@example.org", "ed@example.org"):
            road.reader(address, digest="daily", preferences={"topics": ["what two follow"]})
        road.reader("flo@example.org", digest="daily")
        road.bring(paper(1))
        road.publish(digests=["daily"])
        road.deliver()
        before = everything(road)
        assert all("a rare illness" in repr(before[name]) for name in ("editions", "items"))
        for address in ("cy@example.org", "di@example.org", "flo@example.org"):
            road.app.subscribe.erase(address)
        after = everything(road)
        assert [name for name, rows in after.items() if name != "messages" and "a rare illness" in repr(rows)] == []
        assert "what two follow" in repr(after["editions"]), "Ed was sent it, too"
        assert {row[:4] for row in after["items"]} == {row[:4] for row in before["items"]}
        with road.app.store.reading() as tx:
            tied = [(one.address, one.edition_id is not None) for one in deliveries.listing(tx, digest="daily")]
        # Flo was sent what everybody gets.
        assert tied == [(ADA, True), ("", False), ("", False), ("ed@example.org", True), ("", True)]

    def test_it_is_asked_once_more_and_then_all_is_gone(self, road, client, ada):
        road.reader(digest="weekly")
        road.app.tastes.keep(ada.subscriber_id, road.bring(paper(1)) and ["2605.00001"], 1)
        road.publish()
        path = opened(road, client, ada)
        assert ADA in client.get(f"{path}/erase").text
        answer = client.post(f"{path}/erase")
        assert (answer.status_code, "You are erased" in answer.text) == (200, True)
        kept = {name: rows for name, rows in everything(road).items() if "ada@" in repr(rows) or "Ada@" in repr(rows)}
        assert kept == {}
        with road.app.store.reading() as tx:
            assert people.suppressed(tx, [address_key(ADA, road.app.keys.lasting)]) != {}
        for dead in (client.get(path), client.post(f"{path}/erase"), ask(road, client, ada)):
            assert dead.status_code == 404
        road.now += DAY
        road.bring(paper(2), at=road.now - timedelta(hours=3))
        mails = len(road.mails())
        road.reader("bo@example.org", digest="daily")
        road.publish()
        road.deliver()
        assert [mail["To"] for mail in road.mails()[mails:]] == ["bo@example.org"]
