"""Joining on the web: one answer for everybody, machines and other sites get nowhere, nothing typed is lost."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.delivery.tokens import sign
from digest.model.errors import StorageError
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.admission import MOST_OF_A_NETWORK
from digest.storage import deliveries
from digest.web.application import application
from digest.web.readers import joining
from tests.services.road import DAY, Road, paper
from tests.web.test_pages import everything

ADA = "ada@example.org"
HERE = "https://digest.example.org"
DAILY = {
    "name": "daily",
    "title": "The <Daily> & more",
    "send_at": "07:30",
    "timezone": "Europe/Berlin",
    "join": True,
    "categories": {"cs.CL": {"weight": 2, "min": 1}, "cs.CV": 1},
}
SOON = timedelta(seconds=3)
#: What a browser says of a form on another site's page, and of one on ours.
FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.example.org"},
    {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
    {"Origin": "https://evil.example"},
    {"Origin": "https://digest.example.org.evil.example"},
    {"Origin": "http://digest.example.org", "Host": "digest.example.org"},
    {"Origin": "https://evil.example", "Host": "evil.example"},
)
OURS = (
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Origin": HERE},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Host": "forged.example"},
)
#: (field, what is typed, what is told)
WRONG = (
    ("email", "ada", "is not an e-mail address"),
    ("email", "a@x.org\r\nBcc: b@x.org", "is not an e-mail address"),
    ("email", "a" * 320 + "@x.org", "is not an e-mail address"),
    ("timezone", "Mars/Base", "is not a time zone"),
    ("timezone", "../../etc/passwd", "is not a time zone"),
    ("timezone", "", "is not a time zone"),
    ("language", "tlh", "is not a language"),
    ("send_at", "25:00", "is not a time of day"),
    ("amount-cs.CL", "much", "is not a number from 0 to 10"),
    ("amount-cs.CL", "nan", "is not a number from 0 to 10"),
    ("amount-cs.CL", "-1", "is not a number from 0 to 10"),
    ("amount-cs.CL", "99", "is not a number from 0 to 10"),
    ("days", [], "Tick at least one day."),
    ("days", ["7", "x", "٣"], "Tick at least one day."),
    ("topics", "x" * 130, "At most 10 topics"),
    ("topics", ",".join(map(str, range(11))), "At most 10 topics"),
)


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, DAILY, {"name": "private", "title": "Private"})
    yield made
    made.app.close()


@pytest.fixture
def client(road):
    return TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)


def form_of(road, client, path="/join/daily") -> dict[str, str]:
    """The form as a browser would post it, with Ada's address, some seconds after it was opened."""
    page = client.get(path).text
    found = {"form": re.search(r'name="form" value="([^"]+)"', page)[1], "website": "", "email": ADA}
    road.now += SOON
    return found


def whole(road, client, **said) -> dict[str, object]:
    """All fields, as they stand in the form."""
    usual = {"whole": "yes", "topics": "", "days": [str(n) for n in range(7)], "send_at": "07:30"}
    amounts = {"amount-cs.CL": "1", "amount-cs.CV": "1"}
    return form_of(road, client) | usual | amounts | {"timezone": "Europe/Berlin", "language": "en"} | said


def planned(road) -> list[tuple[str, str]]:
    with road.app.store.reading() as tx:
        return [(one.kind, one.address) for one in deliveries.listing(tx, limit=100_000)]


def confirmed(road, client, form) -> object:
    """The subscription that a form makes, once its owner says yes."""
    assert client.post("/join/daily", data=form).status_code == 200
    road.deliver()
    (mail,) = road.mails()
    link = re.search(rf"{HERE}(/confirm/\S+)", mail.get_body(("plain",)).get_content())[1]
    assert client.get(link).status_code == 200
    assert road.app.subscribe.show(ADA)[0].state is SubscriptionState.PENDING, "a GET changes nothing"
    assert "You are subscribed" in client.post(link).text
    return road.app.subscribe.show(ADA)[0]


class TestThePage:
    def test_shows_what_would_come_and_how_and_what_cannot_run(self, road, client):
        road.bring(paper(1, title="Tidal gauges number 1 and <script>the</script> people"), paper(2))
        road.publish()
        page = client.get("/join/daily").text
        assert "The &lt;Daily&gt; &amp; more" in page
        assert "once a day" in page
        assert "the edition of Monday 4 May 2026" in page
        assert "Tidal gauges number 2 and the people" in page
        assert "<script" not in page
        assert (page.count("<h1"), 'name="amount-cs.CV"' in page, 'value="07:30"' in page) == (1, True, True)
        (copy,) = re.findall(r'href="(/read/[0-9a-f]{64})"', page)
        assert client.get(copy).status_code == 200

    def test_is_there_before_the_first_edition(self, client):
        assert "What you would get" not in client.get("/join/daily").text

    def test_of_one_open_digest_stands_at_join_of_several_a_list(self, road, client):
        assert 'action="/join/daily"' in client.get("/join").text
        road.use(DAILY, {"name": "weekly", "title": "Weekly", "join": True})
        page = client.get("/join").text
        assert ('href="/join/daily"' in page, 'href="/join/weekly"' in page) == (True, True)

    def test_nobody_joins_what_the_operator_did_not_open(self, road, client):
        form = form_of(road, client)
        for path in ("/join/private", "/join/hourly", "/join/private/snippet"):
            assert client.get(path).status_code == 404
        assert client.post("/join/private", data=form).status_code == 404
        road.use({**DAILY, "join": False})
        assert client.get("/join").status_code == 404
        assert client.post("/join/daily", data=form).status_code == 404
        road.use(DAILY, web={"enabled": False})
        assert client.get("/join/daily").status_code == 404, "a confirmation needs a public address"
        assert planned(road) == []

    def test_looking_changes_nothing(self, road, client):
        road.bring(paper(1))
        road.publish()
        before = everything(road)
        for path in ("/join", "/join/daily", "/join/daily?email=x@example.org", "/join/daily/snippet", "/link"):
            assert (client.get(path).status_code, client.head(path).status_code) == (200, 200)
        assert everything(road) == before

    def test_below_a_path_all_its_links_have_that_path(self, road, client):
        road.use(DAILY, web={"enabled": False, "public_url": "https://example.org/papers"})
        page = client.get("/join/daily").text
        assert ('action="/papers/join/daily"' in page, 'href="/papers/link"' in page) == (True, True)


class TestJoining:
    def test_with_only_an_address_brings_the_digest_as_it_is(self, road, client):
        held = confirmed(road, client, form_of(road, client))
        assert (held.state, held.language, held.timezone, held.send_at, held.days, held.preferences) == (
            SubscriptionState.CONFIRMED,
            "",
            "",
            None,
            (),
            {},
        )

    def test_with_the_fields_as_they_stand_follows_the_digest_too(self, road, client):
        held = confirmed(road, client, whole(road, client))
        assert (held.language, held.timezone, held.send_at, held.days, held.preferences) == ("", "", None, (), {})

    def test_with_wishes_brings_what_was_wished_for(self, road, client):
        said = {
            "topics": "tidal gauges\r\n small  models , tidal gauges",
            "amount-cs.CL": "0.5",
            "amount-cs.CV": "0",
            "days": ["0", "2"],
            "send_at": "20:15",
            "timezone": "Asia/Tokyo",
            "language": "de",
        }
        held = confirmed(road, client, whole(road, client, **said))
        assert (held.language, held.timezone, f"{held.send_at:%H:%M}", held.days) == (
            "de",
            "Asia/Tokyo",
            "20:15",
            (0, 2),
        )
        assert held.preferences == {
            "topics": ["tidal gauges", "small models"],
            "categories": {"cs.CL": {"weight": 1.0, "min": 1}},
        }

    def test_twice_with_one_form_sends_one_mail(self, road, client):
        form = form_of(road, client)
        answers = [client.post("/join/daily", data=form) for _ in range(2)]
        assert answers[0].content == answers[1].content
        assert planned(road) == [("confirmation", ADA)]

    def test_with_a_form_that_was_open_for_a_week_works(self, road, client):
        form = form_of(road, client)
        road.now += 7 * DAY
        client.post("/join/daily", data=form)
        assert planned(road) == [("confirmation", ADA)]

    def test_after_months_the_form_comes_back_as_it_was_filled_in_and_then_works(self, road, client):
        form = whole(road, client, topics="tidal gauges", timezone="Asia/Tokyo")
        road.now += 31 * DAY
        answer = client.post("/join/daily", data=form)
        assert (answer.status_code, planned(road)) == (200, [])
        for kept in (f'value="{ADA}"', ">tidal gauges<", 'value="Asia/Tokyo"', "press the button once more"):
            assert kept in answer.text
        form["form"] = re.search(r'name="form" value="([^"]+)"', answer.text)[1]
        road.now += SOON
        client.post("/join/daily", data=form)
        assert planned(road) == [("confirmation", ADA)]


class TestOneAnswer:
    def test_is_the_same_bytes_whoever_stands_behind_the_address(self, road, client):
        road.reader("reader@example.org", digest="daily")
        road.reader("left@example.org", digest="daily")
        road.app.subscribe.leave("left@example.org")
        for name, reason in (("never", "request"), ("bounced", "hard-bounce"), ("spam", "complaint")):
            road.app.subscribe.suppress(f"{name}@example.org", SuppressionReason(reason))
        road.reader("erased@example.org", digest="daily")
        road.app.subscribe.erase("erased@example.org")
        form = form_of(road, client)
        answers = set()
        for name in ("new", "new", "reader", "reader", "left", "never", "bounced", "spam", "erased"):
            answer = client.post("/join/daily", data=form | {"email": f"{name}@example.org"})
            answers.add((answer.status_code, answer.content, tuple(sorted(answer.headers.items()))))
        assert len(answers) == 1
        assert planned(road) == [
            ("confirmation", "new@example.org"),
            ("link", "reader@example.org"),
            ("confirmation", "left@example.org"),
        ]

    def test_is_given_before_anything_is_looked_up(self, road, client, monkeypatch):
        """A database in trouble is told to the operator's log, not by a slower or another answer."""

        def locked(self, asked):
            raise StorageError("is locked by another program", where="digest.db")

        form = form_of(road, client)
        good = client.post("/join/daily", data=form)
        monkeypatch.setattr(type(road.app.admission), "join", locked)
        answer = client.post("/join/daily", data=form)
        assert (answer.status_code, answer.content) == (200, good.content)

    def test_is_the_same_for_a_lost_link(self, road, client):
        road.reader(ADA, digest="daily")
        form = form_of(road, client, "/link")
        answers = {client.post("/link", data=form | {"email": one}).content for one in (ADA, ADA, "bo@example.org")}
        assert len(answers) == 1
        assert planned(road) == [("link", ADA)]
        road.deliver()
        (mail,) = road.mails()
        token = re.search(rf"{HERE}/preferences/(\S+)", mail.get_body(("plain",)).get_content())[1]
        assert road.app.subscribe.preferences_of(token).address == ADA


class TestMachines:
    def test_that_fill_in_what_nobody_sees_are_answered_and_forgotten(self, road, client):
        form = form_of(road, client)
        before = everything(road)
        bait = client.post("/join/daily", data=form | {"website": "https://spam.example"})
        assert everything(road) == before
        assert client.post("/join/daily", data=form).content == bait.content
        assert client.post("/link", data=form | {"website": "x"}).status_code == 200

    @pytest.mark.parametrize("path", ["/join/daily", "/link"])
    def test_that_are_quicker_than_people_get_the_form_again(self, road, client, path):
        form = form_of(road, client, path)
        road.now -= timedelta(seconds=2)
        answer = client.post(path, data=form)
        assert (answer.status_code, "press the button once more" in answer.text, planned(road)) == (200, True, [])

    @pytest.mark.parametrize("path", ["/join/daily", "/link"])
    def test_without_a_form_of_ours_get_one(self, road, client, path):
        other = sign("confirm", (0).to_bytes(8, "big"), road.app.keys.links)
        strange = sign("join-form", int(road.now.timestamp()).to_bytes(8, "big"), (b"other",))
        for token in ("", "x", other, strange, "a" * 4000, "\x00"):
            answer = client.post(path, data={"email": ADA, "form": token})
            assert (answer.status_code, f'value="{ADA}"' in answer.text) == (200, True)
        assert planned(road) == []

    def test_a_form_from_the_future_is_none(self, road, client):
        form = form_of(road, client)
        road.now -= DAY
        client.post("/join/daily", data=form)
        assert planned(road) == []

    def test_behind_one_network_are_told_to_wait_and_keep_what_they_typed(self, road, client):
        form = form_of(road, client)
        for n in range(MOST_OF_A_NETWORK + 1):
            client.post("/join/daily", data=form | {"email": f"v{n}@example.org"})
        answer = client.post("/join/daily", data=form)
        assert (answer.status_code, f'value="{ADA}"' in answer.text) == (429, True)
        assert 3500 < int(answer.headers["retry-after"]) <= 3601
        assert client.post("/link", data=form).status_code == 429
        assert len(planned(road)) == MOST_OF_A_NETWORK
        road.now += timedelta(hours=1)
        assert client.post("/join/daily", data=form).status_code == 200

    def test_that_ask_for_one_victim_again_and_again_are_no_work(self, road, client, monkeypatch):
        form = form_of(road, client)
        client.post("/join/daily", data=form)
        before = everything(road)
        for spelling in (ADA, "ADA+1@example.org"):
            assert client.post("/join/daily", data=form | {"email": spelling}).status_code == 200
        assert client.post("/link", data=form).status_code == 200
        assert everything(road) == before
        road.now += DAY
        client.post("/join/daily", data=form)
        assert planned(road) == [("confirmation", ADA)] * 2

    def test_of_all_networks_together_reach_a_limit_of_the_operators(self, road, client):
        road.use(DAILY, web={"enabled": False, "public_url": HERE, "joins_per_hour": 2})
        form = form_of(road, client)
        statuses = [client.post("/join/daily", data=form | {"email": f"v{n}@x.org"}).status_code for n in range(4)]
        assert (statuses, len(planned(road))) == ([200, 200, 200, 429], 2)

    def test_in_a_crowd_are_asked_to_come_back_and_keep_what_they_typed(self, road, client, monkeypatch):
        monkeypatch.setattr(joining, "_MOST_WAITING", 0)
        monkeypatch.setattr(joining, "_PATIENCE", 1)
        answer = client.post("/join/daily", data=form_of(road, client))
        assert (answer.status_code, answer.headers["retry-after"], planned(road)) == (429, "30", [])
        assert f'value="{ADA}"' in answer.text

    def test_a_huge_body_is_refused(self, client):
        assert client.post("/join/daily", data={"email": "a" * 100_000}).status_code == 413


class TestOtherSites:
    def test_cannot_make_a_readers_browser_ask_for_mails(self, road, client):
        for headers in FOREIGN:
            answer = client.post("/join/daily", data=form_of(road, client), headers=headers)
            assert (answer.status_code, f'value="{ADA}"' in answer.text, planned(road)) == (200, True, []), headers

    def test_our_own_page_can(self, road, client):
        for number, headers in enumerate(OURS, 1):
            client.post("/join/daily", data=form_of(road, client), headers=headers)
            assert planned(road) == [("confirmation", ADA)] * number, headers
            road.now += DAY

    def test_may_hold_a_small_form_that_leads_to_ours(self, road, client):
        page = client.get("/join/daily/snippet").text
        assert f"&lt;form method=&#34;post&#34; action=&#34;{HERE}/join/daily&#34;&gt;" in page
        assert "&lt;label&gt;The &amp;lt;Daily&amp;gt; &amp;amp; more by mail:" in page
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://blog.example"}
        answer = client.post("/join/daily", data={"email": ADA}, headers=headers)
        token = re.search(r'name="form" value="([^"]+)"', answer.text)[1]
        road.now += SOON
        client.post("/join/daily", data={"email": ADA, "form": token}, headers={"Sec-Fetch-Site": "same-origin"})
        assert planned(road) == [("confirmation", ADA)]

    def test_what_a_host_header_says_is_in_no_mail_and_on_no_page(self, road, client):
        form = form_of(road, client)
        answer = client.post("/join/daily", data=form, headers={"Host": "evil.example"})
        page = client.get("/join/daily/snippet", headers={"Host": "evil.example"})
        road.deliver()
        assert all("evil.example" not in text for text in (answer.text, page.text, str(road.mails()[0])))


class TestWrongInput:
    def test_is_told_by_its_field_and_all_the_rest_is_kept(self, road, client):
        before = everything(road)
        for field, said, told in WRONG:
            form = whole(road, client, topics="tidal gauges", send_at="20:15") | {field: said}
            answer = client.post("/join/daily", data=form)
            name = "categories" if field.startswith("amount") else field
            assert answer.status_code == 422, (field, said)
            assert re.search(rf'id="wrong-{name}" role="alert">[^<]*{re.escape(told)}', answer.text), (field, said)
            assert answer.text.count('role="alert"') == 1, (field, said)
            assert ('value="20:15"' in answer.text) == (field != "send_at")
            if isinstance(said, str) and "\n" not in said and len(said) < 300:
                assert said in answer.text
        assert everything(road) == before

    def test_of_several_kinds_is_told_at_once(self, road, client):
        form = whole(road, client, email="ada", timezone="Mars", days=[])
        assert client.post("/join/daily", data=form).text.count('role="alert"') == 3

    def test_no_category_at_all_is_told(self, road, client):
        form = whole(road, client, **{"amount-cs.CL": "0", "amount-cs.CV": "0"})
        assert "Keep at least one category." in client.post("/join/daily", data=form).text

    def test_what_was_typed_cannot_run(self, road, client):
        evil = '"><script>alert(1)</script>'
        form = whole(road, client, email=evil, topics=evil, timezone=evil, language=evil, send_at=evil)
        answer = client.post("/join/daily", data=form | {"amount-cs.CL": evil})
        assert (answer.status_code, "<script" in answer.text) == (422, False)

    def test_a_damaged_body_brings_the_form(self, client):
        for body, kind in ((b"\xff\xfe\x00", "application/x-www-form-urlencoded"), (b"--x\r\n", "multipart/form-data")):
            answer = client.post("/join/daily", content=body, headers={"Content-Type": kind})
            assert (answer.status_code, "<form" in answer.text) == (200, True)
