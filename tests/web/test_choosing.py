"""Choosing what comes: one form with everything, saved whole or not at all, and a look at the next mail before."""

from __future__ import annotations

import html as entities
import re
from datetime import UTC, date, datetime, timedelta

import lxml.html
import pytest
from starlette.testclient import TestClient

from digest.model.errors import TemplateError
from digest.model.people import SubscriptionState
from digest.services.publishing.preview import Preview
from digest.services.readers.subscribe import Choices, Subscribe
from digest.services.stamping import PREFERENCES, scoped
from digest.web.application import application
from digest.web.readers import choosing
from tests.services.road import DAY, SLOT, Road, paper
from tests.web.test_pages import FORM, ONE_CLICK, everything

DAILY = {
    "name": "daily",
    "title": "The <Daily> & more",
    "categories": {"cs.CL": {"weight": 2, "min": 1}, "cs.CV": 1},
}
LISTS = ("topics", "keywords", "authors", "institutions")
MUTES = ("keywords", "authors", "institutions", "categories")
LONG = "x" * 10_000
INJECTED = "a\r\nBcc: victim@example.org"
#: (field, what is typed, what is told at it)
WRONG = (
    ("timezone", "Mars/Base", "is not a time zone"),
    ("timezone", "", "is not a time zone"),
    ("timezone", "../../etc/passwd", "is not a time zone"),
    ("timezone", "UTC\x00", "is not a time zone"),
    ("timezone", INJECTED, "is not a time zone"),
    ("timezone", LONG, "At most 64 characters."),
    ("language", "tlh", "is not a language"),
    ("language", f"de{INJECTED}", "is not a language"),
    ("language", LONG, "At most 64 characters."),
    ("send_at", "25:00", "is not a time of day"),
    ("send_at", INJECTED, "is not a time of day"),
    ("send_at", LONG, "At most 64 characters."),
    ("amount-cs.CL", "much", "is not a number from 0 to 10"),
    ("amount-cs.CL", "nan", "is not a number from 0 to 10"),
    ("amount-cs.CL", "-1", "is not a number from 0 to 10"),
    ("amount-cs.CL", INJECTED, "is not a number from 0 to 10"),
    ("amount-cs.CL", LONG, "is not a number from 0 to 10"),
    ("max_items", "0", "is not a number from 1 to 200"),
    ("max_items", "²", "is not a number from 1 to 200"),
    ("max_items", LONG, "is not a number from 1 to 200"),
    ("layout", "huge", "Choose one of the list."),
    ("explain", LONG, "Choose one of the list."),
    ("days", [], "Tick at least one day."),
    ("days", ["7", "x", "٣"], "Tick at least one day."),
    ("paused_until", "soon", "is not a date"),
    ("paused_until", "2026-05-04", "is today"),
    ("paused_until", "2026-05-03", "has passed"),
    ("paused_until", "2036-05-03", "more than a year away"),
    ("paused_until", LONG, "is not a date"),
    ("more", ",".join(f"a.{n}" for n in range(21)), "At most 20 categories"),
    ("topics", ",".join(map(str, range(11))), "At most 10 topics"),
    ("topics", "x" * 130, "each of at most 120 characters"),
    *((name, LONG, "At most 4000 characters; these are 10000.") for name in LISTS),
    *((f"mute-{name}", LONG, "At most 4000 characters; these are 10000.") for name in MUTES),
    ("authors", "Ada\x00", "a character in it that cannot be shown"),
    ("mute-keywords", "a\x07b", "a character in it that cannot be shown"),
)


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, DAILY, {"name": "weekly", "title": "Weekly"})
    yield made
    made.app.close()


@pytest.fixture
def client(road):
    return TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def ada(road):
    """A reader since the small hours of the first slot's day."""
    return road.reader(digest="daily", since=SLOT - timedelta(hours=6))


@pytest.fixture
def link(road, ada):
    return link_of(road, ada)


def link_of(road, reader) -> str:
    return f"/preferences/{scoped(PREFERENCES, reader.id, road.now.date().isoformat(), road.app.keys.links)}"


def filled(page: str) -> dict[str, object]:
    """The form's fields as a browser would post them."""
    form = lxml.html.document_fromstring(page).get_element_by_id("wishes")
    found: dict[str, object] = {name: value for name, value in form.form_values() if name != "days"}
    return found | {"days": [value for name, value in form.form_values() if name == "days"]}


def whole(client, link, **said: object) -> dict[str, object]:
    return filled(client.get(link).text) | said


def held(road, reader):
    return next(one for one in road.app.subscribe.show(reader.address) if one.id == reader.id)


def sample(answer) -> str:
    """The mail that a page shows."""
    return lxml.html.document_fromstring(answer.text).xpath("//iframe")[0].get("srcdoc")


class TestOnBothDatabases:
    def test_a_form_sent_as_it_stands_changes_nothing(self, road, client, link, ada):
        preferences = {
            "categories": {"cs.CL": {"weight": 0.37, "max": 3}, "cs.CV": 5, "hep-th": 0.001},
            "institutions": ["University of California, Berkeley"],
            "mute": ["survey; part two"],
            "weights": {"trend": 1, "topic": 2},
            "max_items": 500,
            "per_category": 4,
        }
        road.app.subscribe.choose(ada, Choices(preferences=preferences, language="de-AT"))
        before = everything(road)
        form = whole(client, link)
        assert (form["amount-hep-th"], form["max_items"], form["language"]) == ("0.001", "500", "de-AT")
        assert client.post(link, data=form).status_code == 200
        assert client.post(link, data={"days": form["days"]}).status_code == 200, "what is not sent stays, too"
        assert everything(road) == before

    def test_a_form_saves_everything_and_shows_it_again(self, road, client, link, ada):
        said = {
            "topics": "tidal gauges\r\n small  models , tidal gauges",
            "keywords": "sea level",
            "authors": "Lovelace, Ada\nBo Writer",
            "institutions": "University of California, Berkeley",
            "mute-keywords": "survey, benchmark",
            "mute-authors": "Cy Noise",
            "mute-categories": "cs.CR",
            "amount-cs.CL": "0.5",
            "more": "cs.RO",
            "days": ["0", "4"],
            "send_at": "09:05:00",
            "timezone": "America/New_York",
            "language": "de",
            "max_items": "7",
            "layout": "titles",
            "explain": "short",
            "paused_until": "2026-05-20",
        }
        answer = client.post(link, data=whole(client, link, **said))
        assert answer.status_code == 200
        assert "It comes on Monday, Friday at 09:05 (America/New_York)." in answer.text
        assert "Nothing comes before Wednesday 20 May 2026." in answer.text
        mine = held(road, ada)
        assert (f"{mine.send_at:%H:%M}", mine.timezone, mine.days) == ("09:05", "America/New_York", (0, 4))
        assert (mine.language, mine.paused_until) == ("de", date(2026, 5, 20))
        assert mine.preferences == {
            "topics": ["tidal gauges", "small models"],
            "keywords": ["sea level"],
            "authors": ["Lovelace, Ada", "Bo Writer"],
            "institutions": ["University of California, Berkeley"],
            "mute": {"keywords": ["survey", "benchmark"], "authors": ["Cy Noise"], "categories": ["cs.CR"]},
            "categories": {"cs.CL": {"weight": 1.0, "min": 1}, "cs.CV": 1.0, "cs.RO": 1.0},
            "max_items": 7,
            "layout": "titles",
            "explain": "short",
        }
        again = whole(client, link)
        assert again.pop("stood")
        assert again == {
            **{name: value for name, value in said.items() if name not in ("more", "send_at")},
            "topics": "small models\ntidal gauges",
            "authors": "Bo Writer\nLovelace, Ada",
            "mute-keywords": "benchmark\nsurvey",
            "mute-institutions": "",
            "more": "",
            "send_at": "09:05",
            "amount-cs.CV": "1",
            "amount-cs.RO": "1",
        }

    def test_a_form_sent_twice_saves_once(self, road, client, link):
        form = whole(client, link, topics="tides", more="cs.RO", paused_until="2026-05-20", **{"amount-cs.CL": "2"})
        first = client.post(link, data=form)
        after = everything(road)
        second = client.post(link, data=form)
        assert (second.status_code, second.text) == (200, first.text)
        assert everything(road) == after

    def test_the_next_mail_leaves_out_what_this_reader_was_sent(self, road, client, link, ada):
        road.bring(paper(1))
        road.publish()
        road.settle("accepted")
        road.bring(paper(2), at=SLOT + timedelta(minutes=5))
        road.now = SLOT + timedelta(hours=1)
        answer = client.post(link, data=whole(client, link, send_at="23:00", show="yes"))
        assert "Tuesday 5 May 2026, 23:00" in answer.text, "one mail a day, whatever the hour is now"
        assert ("number 2" in sample(answer), "number 1" in sample(answer)) == (True, False)


class TestTheForm:
    @pytest.fixture
    def database(self):
        return "sqlite"

    def test_shows_what_holds(self, client, link, ada):
        page = client.get(link).text
        fields = filled(page)
        assert fields.pop("stood")
        assert fields == {
            **dict.fromkeys((*LISTS, *(f"mute-{name}" for name in MUTES), "more", "paused_until", "max_items"), ""),
            "amount-cs.CL": "1",
            "amount-cs.CV": "1",
            "send_at": "07:30",
            "timezone": "Europe/Berlin",
            "language": "en",
            "layout": "full",
            "explain": "empty",
            "days": list("0123456"),
        }
        assert "The &lt;Daily&gt; &amp; more" in page
        assert (f'href="{link}/said"' in page, f'href="/unsubscribe/{ada.secret}"' in page) == (True, True)
        assert '<option value="Asia/Tokyo">' in page

    def test_what_is_set_back_follows_the_digest_again(self, road, client, link, ada):
        usual = whole(client, link)
        client.post(link, data=usual | {"timezone": "UTC", "days": ["1"], "topics": "a", "max_items": "3", "more": "x"})
        client.post(link, data=usual | {"amount-x": "0", "stood": whole(client, link)["stood"]})
        mine = held(road, ada)
        assert (mine.timezone, mine.send_at, mine.days, mine.language, dict(mine.preferences)) == ("", None, (), "", {})

    def test_two_pages_open_at_once_undo_nothing_of_each_other(self, road, client, link, ada):
        one, other = whole(client, link), whole(client, link)
        first = {"keywords": "tides", "amount-cs.CL": "2", "days": ["1"], "paused_until": "2026-06-01"}
        client.post(link, data=one | first)
        assert client.post(link, data=other | {"send_at": "09:00", "authors": "Ada"}).status_code == 200
        mine = whole(client, link)
        assert {name: mine[name] for name in first} == first
        assert (mine["send_at"], mine["authors"]) == ("09:00", "Ada")
        shown = client.post(link, data=other | {"authors": "Bo", "show": "yes"}).text
        assert {name: filled(shown)[name] for name in (*first, "authors")} == {**first, "authors": "Bo"}
        client.post(link, data=one | {"authors": "Ada", "keywords": "dunes"})
        assert held(road, ada).preferences["keywords"] == ["dunes"], "what was typed on both is as it was typed last"

    def test_a_form_that_does_not_say_how_it_was_shown_means_all_that_it_says(self, road, client, link, ada):
        older = whole(client, link)
        del older["stood"]
        client.post(link, data=whole(client, link, keywords="tides", paused_until="2026-06-01"))
        client.post(link, data=older)
        assert (held(road, ada).preferences, held(road, ada).is_paused(date(2026, 5, 5))) == ({}, False)

    def test_it_is_saved_with_its_pause_or_not_at_all(self, road, client, link, ada):
        road.now = datetime(2026, 5, 4, 20, tzinfo=UTC)  # in Tokyo it is the next day
        before = everything(road)
        said = {"timezone": "Asia/Tokyo", "paused_until": "2026-05-05", "keywords": "tides"}
        answer = client.post(link, data=whole(client, link, **said))
        assert (answer.status_code, "Nothing was saved yet" in answer.text) == (422, True)
        assert everything(road) == before

    def test_of_a_digest_that_has_ended_says_so_and_leads_to_the_data(self, road, client, link, ada):
        form = whole(client, link)
        road.use({"name": "other"})
        for answer in (client.get(link), client.post(link, data=form)):
            assert (answer.status_code, "This digest has ended" in answer.text) == (404, True)
            back = lxml.html.document_fromstring(answer.text).xpath("//main//a/@href")
            assert [client.get(path).status_code for path in back] == [200]

    def test_of_somebody_erased_meanwhile_saves_nothing(self, road, client, link, ada, monkeypatch):
        real = Subscribe.check

        def erased_first(self, digest, choices):
            if road.app.subscribe.everybody():
                road.app.subscribe.erase(ada.address)
            return real(self, digest, choices)

        form = whole(client, link, keywords="a rare illness")
        monkeypatch.setattr(Subscribe, "check", erased_first)
        answer = client.post(link, data=form)
        assert (answer.status_code, "This link does not work" in answer.text) == (404, True)
        assert "illness" not in repr(everything(road))

    def test_of_hundreds_of_categories_is_whole(self, road, client, ada):
        road.use({**DAILY, "categories": {f"x.A{number}": 1 for number in range(250)}})
        link = link_of(road, ada)
        assert client.post(link, data=whole(client, link, keywords="tides")).status_code == 200
        assert held(road, ada).preferences == {"keywords": ["tides"]}

    def test_an_emptied_list_goes_over_the_digests_own(self, road, client, ada):
        road.use({**DAILY, "keywords": ["tides"], "mute": ["surveys"]})
        link = link_of(road, ada)
        form = whole(client, link)
        assert (form["keywords"], form["mute-anything"]) == ("tides", "surveys")
        client.post(link, data=form | {"keywords": "", "mute-anything": ""})
        assert held(road, ada).preferences == {"keywords": [], "mute": {}}

    def test_a_list_that_grows_keeps_what_was_in_it_whole(self, road, client):
        reader = road.reader(digest="daily", preferences={"keywords": ["salt, dried"]})
        link = link_of(road, reader)
        client.post(link, data=whole(client, link, keywords="salt, dried\r\ntides, gauges"))
        assert held(road, reader).preferences == {"keywords": ["salt, dried", "tides", "gauges"]}

    def test_of_equal_weights_of_any_size_are_as_usual_and_odd_ones_stay(self, road, client, ada):
        six, one = (
            road.reader(f"{n}@example.org", "daily", preferences={"categories": said})
            for n, said in enumerate(({"cs.CL": 6, "cs.CV": 3}, {"cs.CL": 3, "cs.CV": 1}))
        )
        for reader, shown in ((six, "1"), (one, "1.5")):
            assert whole(client, link_of(road, reader))["amount-cs.CL"] == shown
        client.post(link_of(road, one), data=whole(client, link_of(road, one), **{"amount-cs.CV": "2"}))
        assert held(road, one).preferences["categories"] == {"cs.CL": {"weight": 3.0, "min": 1}, "cs.CV": 2.0}

    def test_a_digest_of_all_categories_can_be_made_one_of_some(self, road, client):
        reader = road.reader(digest="weekly")
        link = link_of(road, reader)
        client.post(link, data=whole(client, link, more="cs.CV cs.RO; hep-th"))
        assert held(road, reader).preferences == {"categories": {"cs.CV cs.RO": 1.0, "hep-th": 1.0}}
        client.post(link, data=whole(client, link, **{"amount-cs.CV cs.RO": "0", "amount-hep-th": "0"}))
        assert held(road, reader).preferences == {}

    def test_the_topics_of_a_digest_about_topics_are_not_the_readers(self, road, client):
        road.use({**DAILY, "about": "topic", "topics": ["tides"]})
        link = link_of(road, road.reader(digest="daily"))
        assert "topics" not in whole(client, link)
        assert client.post(link, data=whole(client, link, topics="mine")).status_code == 200

    def test_one_mail_for_several_digests_is_offered_only_to_who_has_several(self, road, client, link, ada):
        assert "joined" not in whole(client, link)
        road.reader(digest="weekly")
        for said in ("yes", "no"):
            client.post(link, data=whole(client, link, joined=said))
            assert (held(road, ada).joined, whole(client, link)["joined"]) == (said == "yes", said)

    def test_a_pause_is_for_who_gets_it_and_can_be_taken_back(self, road, client, link, ada):
        client.post(link, data=whole(client, link, paused_until="2026-05-20"))
        client.post(link, data=whole(client, link, max_items="3"))
        assert held(road, ada).is_paused(date(2026, 5, 19)), "other changes leave it"
        client.post(link, data=whole(client, link, paused_until=""))
        assert not held(road, ada).is_paused(date(2026, 5, 5))
        road.app.subscribe.leave(ada.address)
        page = client.get(link).text
        assert ("paused_until" in filled(page), "You have left this digest" in page) == (False, True)
        assert client.post(link, data=filled(page) | {"max_items": "5"}).status_code == 200
        assert (held(road, ada).state, held(road, ada).preferences) == (
            SubscriptionState.UNSUBSCRIBED,
            {"max_items": 5},
        )

    def test_what_was_saved_is_what_the_next_mail_is_printed_by(self, road, client, link, ada):
        said = {"amount-cs.CL": "0", "send_at": "01:30", "timezone": "UTC"}
        client.post(link, data=whole(client, link, **said))
        road.bring(paper(1), paper(2, categories=("cs.CV",)), at=SLOT - timedelta(hours=12))
        road.now = datetime(2026, 5, 4, 1, 31, tzinfo=UTC)
        road.publish()
        assert road.printed_for(ada.address) == [["2"]]

    def test_a_strange_category_breaks_no_later_page_or_mail(self, road, client, link):
        road.bring(paper(1))
        for code in ("%3Cb%3E", "cs.CL%00", "x" * 5000, "%ff", "%ed%a0%80", "amount-", "__proto__"):
            client.post(link, content=f"days=0&more={code}", headers=FORM)
            page = client.get(link)
            assert (page.status_code, "<b>" in page.text) == (200, False)
            assert client.post(link, data=filled(page.text)).status_code == 200
        road.now += DAY
        road.publish()

    def test_below_a_path_all_its_links_have_that_path(self, road, client, ada):
        road.use(DAILY, web={"enabled": False, "public_url": "https://example.org/papers"})
        page = client.get(link_of(road, ada)).text
        assert (page.count('action="/papers/preferences/'), 'href="/papers/unsubscribe/' in page) == (2, True)


class TestWrongInput:
    @pytest.fixture
    def database(self):
        return "sqlite"

    def test_is_told_at_its_field_the_rest_is_kept_and_nothing_is_saved(self, road, client, link):
        usual = whole(client, link, keywords="sea level\ntides", **{"amount-cs.CV": "2"})
        before = everything(road)
        for field, said, told in WRONG:
            answer = client.post(link, data=usual | {field: said})
            where = (field, str(said)[:30])
            assert answer.status_code == 422, where
            page = lxml.html.document_fromstring(answer.text)
            name = "categories" if field.startswith("amount") else field
            (problem,) = page.xpath("//p[@class='wrong']")
            assert (problem.get("id"), told in problem.text_content()) == (f"wrong-{name}", True), where
            assert len(problem.text_content()) < 200, where
            bad = page.xpath("//*[@aria-invalid='true']")
            assert {one.get("name") for one in bad} == {field}, where
            described = page.xpath(f"//*[contains(concat(' ', @aria-describedby, ' '), ' wrong-{name} ')]")
            assert described and page.xpath(f"//*[@role='alert']//a[@href='#{field}']"), where
            kept = usual | {field: said.replace("\r\n", "\n") if isinstance(said, str) else []}
            if isinstance(said, str) and not re.search(r"[\x00-\x08\n]", said):
                assert filled(answer.text) == kept, where
        assert everything(road) == before

    def test_a_field_that_comes_twice_is_told_and_the_first_is_kept(self, road, client, link):
        usual = whole(client, link)
        before = everything(road)
        for field, said in usual.items():
            if field in ("days", "stood"):
                continue
            answer = client.post(link, data=usual | {field: [said, "2"]})
            name = "categories" if field.startswith("amount") else field
            assert answer.status_code == 422, field
            assert f'id="wrong-{name}">This came more than once' in answer.text, field
            assert filled(answer.text) == usual, field
        assert everything(road) == before

    def test_of_several_kinds_is_told_at_once_in_the_order_of_the_page(self, client, link):
        said = whole(client, link, timezone="Mars", days=[], topics="x" * 200, max_items="none")
        page = lxml.html.document_fromstring(client.post(link, data=said).text)
        assert page.xpath("//*[@role='alert']//a/@href") == ["#topics", "#days", "#timezone", "#max_items"]

    def test_no_category_at_all_is_told(self, client, link):
        said = whole(client, link, **{"amount-cs.CL": "0", "amount-cs.CV": "0"})
        assert "Keep at least one category." in client.post(link, data=said).text

    def test_lines_that_look_like_a_header_are_two_things_in_a_list_and_in_no_header(self, road, client, link, ada):
        client.post(link, data=whole(client, link, topics=INJECTED))
        assert held(road, ada).preferences == {"topics": ["a", "Bcc: victim@example.org"]}
        road.bring(paper(1))
        road.publish()
        road.deliver()
        (mail,) = road.mails()
        assert (mail["Bcc"], mail["To"]) == (None, ada.address)

    def test_what_was_typed_cannot_run(self, client, link):
        evil = '"></textarea><script>alert(1)</script>'
        answer = client.post(link, data=dict.fromkeys(whole(client, link), evil) | {"show": "yes"})
        assert (answer.status_code, "<script" in answer.text) == (422, False)

    def test_a_damaged_or_foreign_body_saves_nothing(self, road, client, link):
        before = everything(road)
        for body, kind in (
            (b"", ""),
            (ONE_CLICK.encode(), FORM["Content-Type"]),
            (b"\xff\xfe\x00", FORM["Content-Type"]),
            (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
            (b"&".join(b"days=%d" % n for n in range(2_500)), FORM["Content-Type"]),
        ):
            answer = client.post(link, content=body, headers={"Content-Type": kind} if kind else {})
            assert (answer.status_code, "Tick at least one day." in answer.text) == (422, True)
        assert client.post(link, data={"timezone": "x" * 70_000}).status_code == 413
        assert everything(road) == before


class TestAnOldForm:
    @pytest.fixture
    def database(self):
        return "sqlite"

    def test_that_was_open_for_a_week_is_saved(self, road, client, link, ada):
        form = whole(client, link, topics="tides")
        road.now += 7 * DAY
        assert client.post(link, data=form).status_code == 200
        assert held(road, ada).preferences == {"topics": ["tides"]}

    def test_whose_link_is_too_old_keeps_what_was_typed_and_says_how_to_go_on(self, road, client, link):
        said = {"topics": "tidal gauges\n<small> models", "timezone": "Asia/Tokyo", "amount-cs.CV": "0.5"}
        form = whole(client, link, **said)
        road.now += 401 * DAY
        before = everything(road)
        for button in ({}, {"show": "yes"}):
            answer = client.post(link, data=form | button)
            assert answer.status_code == 404
            assert 'href="/link"' in answer.text and "Nothing was saved" in answer.text
            for kept in ("tidal gauges\n&lt;small&gt; models", "Asia/Tokyo", "Vision and Pattern Recognition: less"):
                assert kept in answer.text
        assert everything(road) == before

    def test_of_another_site_is_not_repeated(self, client):
        said = {"topics": "Your account is locked, call us"}
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            answer = client.post("/preferences/forged", data=said, headers=headers)
            assert (answer.status_code, "call us" in answer.text) == (404, False)


class TestTheNextMail:
    @pytest.fixture
    def database(self):
        return "sqlite"

    def test_is_shown_as_it_would_come_with_what_was_typed_and_nothing_changes(self, road, client, link, ada):
        road.bring(paper(1), paper(2, categories=("cs.CV",)), paper(3))
        road.now = SLOT - timedelta(hours=1)
        before = everything(road)
        said = {"amount-cs.CL": "0", "send_at": "23:15", "timezone": "Asia/Tokyo", "language": "de", "layout": "titles"}
        form = whole(client, link, **said)
        for _ in range(2):
            answer = client.post(link, data=form | {"show": "yes"})
            assert answer.status_code == 200
        assert "Monday 4 May 2026, 23:15 (Asia/Tokyo)" in answer.text
        assert filled(answer.text) == form, "the form keeps what was typed"
        shown = sample(answer)
        assert ("number 2" in shown, "number 1" in shown, 'lang="de"' in shown) == (True, False, True)
        assert "read at dawn" not in shown
        assert everything(road) == before

    def test_is_the_mail_that_then_comes_but_for_its_tokens(self, road, client, link, ada):
        road.bring(paper(1), paper(2), at=SLOT - timedelta(hours=2))
        road.now = SLOT - timedelta(minutes=1)
        form = whole(client, link, topics="tidal gauges", max_items="1")
        shown = sample(client.post(link, data=form | {"show": "yes"}))
        client.post(link, data=form)
        road.now = SLOT + timedelta(minutes=1)
        road.publish()
        road.deliver()
        (mail,) = road.mails()
        sent = mail.get_body(("html",)).get_content()
        told = [re.sub(r"\s+", " ", lxml.html.document_fromstring(one).text_content()) for one in (shown, sent)]
        assert told[0] == told[1]
        dead = re.findall(r"https://digest\.example\.org/(?:unsubscribe|preferences|feedback)/([\w.-]+)", shown)
        assert {one.rstrip("-") for one in dead} == {"preview"}
        assert (ada.secret in shown, ada.secret in sent) == (False, True)

    def test_of_a_pause_is_the_first_after_it(self, road, client, link):
        road.bring(paper(1))
        said = whole(client, link, paused_until="2026-05-06", days=["3", "4"], show="yes")
        assert "Thursday 7 May 2026, 07:30" in client.post(link, data=said).text

    def test_of_several_digests_holds_them_all_where_that_is_wished(self, road, client, link):
        road.reader(digest="weekly")
        road.bring(paper(1), paper(2, categories=("hep-th",)))
        road.now = SLOT - timedelta(hours=1)
        for joined in ("yes", "no"):
            shown = sample(client.post(link, data=whole(client, link, joined=joined, show="yes")))
            assert ("number 1" in shown, "number 2" in shown) == (True, joined == "yes")

    def test_that_would_be_empty_says_why(self, client, link):
        answer = client.post(link, data=whole(client, link, show="yes"))
        assert (answer.status_code, "<iframe" in answer.text, "Nothing is saved yet" in answer.text) == (
            200,
            False,
            True,
        )
        assert re.search(r'<section.*<p class="note">[^<]{10,}</p>', answer.text, re.DOTALL)

    def test_with_something_wrong_is_not_shown(self, client, link):
        answer = client.post(link, data=whole(client, link, timezone="Mars", show="yes"))
        assert (answer.status_code, 'id="next"' in answer.text) == (422, False)

    def test_cannot_leave_its_frame(self, road, client, link):
        road.bring(paper(1, title='Tidal gauges number 1 </iframe><script>"the" people</script>'))
        answer = client.post(link, data=whole(client, link, show="yes"))
        frame = lxml.html.document_fromstring(answer.text).xpath("//iframe")[0]
        assert frame.get("sandbox") == "allow-popups allow-popups-to-escape-sandbox"
        assert (answer.text.count("</iframe>"), "<script" in answer.text, "<script" in sample(answer)) == (
            1,
            False,
            False,
        )

    def test_in_trouble_or_a_crowd_keeps_what_was_typed(self, road, client, link, monkeypatch):
        def broken(self, *_given, **_named):
            raise TemplateError("is broken", where="/secret/edition.html.j2")

        form = whole(client, link, topics="tides")
        monkeypatch.setattr(Preview, "wished", broken)
        answer = client.post(link, data=form | {"show": "yes"})
        assert (answer.status_code, filled(answer.text), "/secret" in answer.text) == (503, form, False)
        monkeypatch.setattr(choosing, "_MOST_WAITING", 0)
        answer = client.post(link, data=form | {"show": "yes"})
        assert (answer.status_code, filled(answer.text)) == (429, form)
        assert "Please try again in a minute." in entities.unescape(answer.text)
