"""A table is tried before it is taken; it belongs to the session that brought it, and is gone after an hour."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.model.people import SubscriptionState, SuppressionReason
from digest.web.application import application
from digest.web.desk import uploads
from tests.web.desk.rows import dump
from tests.web.desk.seat import ORIGIN, log_in

#: What stands behind it runs on both databases in tests of services and storage.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HEADER = "address,digest,state,language,timezone,profile\n"
TABLE = (
    HEADER
    + "ada@example.org,daily,,,,\n"  # as it is
    + "bo@example.org,daily,,de,,\n"  # changed
    + "cy@example.org,daily,,,,\n"  # new
    + "CY@example.org,daily,,fr,,\n"  # new, named again
    + "=x@example.org,weekly,,,,\n"  # new
    + "nobody,daily,,,,\n"
    + "di@example.org,hourly,,,,\n"
    + "ed@example.org,daily\n"
    + "listed@example.org,daily,,,,\n"
    + "fi@example.org,daily,,,,/etc/passwd\n"
)


def bring(desk, table: str | bytes, what="subscribers", **fields):
    files = {"file": ("people.csv", table, "text/csv")}
    return desk.client.post(f"/desk/{what}/import", data={"csrf": desk.csrf, **fields}, files=files)


def settled(desk, path):
    """The page of a table once nothing runs."""
    end = time.monotonic() + 30
    while True:
        page = desk.get(path)
        assert page.status_code == 200, page.text
        if "refresh" not in page.headers:
            return page.text
        assert time.monotonic() < end, page.text
        time.sleep(0.02)


@pytest.fixture
def people(road):
    road.reader("ada@example.org")
    road.reader("bo@example.org")
    road.app.subscribe.suppress("listed@example.org", SuppressionReason.COMPLAINT)


def numbers(page: str) -> dict[str, str]:
    """The page's figures by what stands beside them."""
    found = (line.removeprefix("<li><b>").removesuffix("</li>").split("</b> ") for line in page.splitlines())
    return {pair[1]: pair[0] for pair in found if len(pair) == 2 and pair[0].replace(",", "").isdigit()}


def test_the_dry_run_tells_all_and_changes_nothing_then_a_button_does_it(road, desk, people):
    before = dump(road)
    answer = bring(desk, TABLE)
    assert answer.status_code == 303
    path = answer.headers["location"]
    page = settled(desk, path)
    assert numbers(page) == {
        "would be added": "2",
        "would change": "1",
        "are so already": "1",
        "rows name one again": "1",
        "rows cannot be taken": "5",
    }
    cells = [line for line in page.splitlines() if line.startswith('<tr><td class="number right">')]
    assert [cell.split("</td><td>")[0].rpartition(">")[2] for cell in cells] == ["7", "8", "9", "10", "11"]
    assert "suppression list (complaint)" in page and "write it as JSON, in braces" in page
    assert "Import 5 rows" in page
    assert dump(road) == before

    assert desk.post(path).status_code == 303
    page = settled(desk, path)
    assert numbers(page) == {"rows taken": "5", "refused": "5"}
    links = {one.address: one for one in road.app.subscribe.everybody()}
    assert set(links) == {"ada@example.org", "bo@example.org", "cy@example.org", "=x@example.org"}
    assert (links["bo@example.org"].language, links["cy@example.org"].language) == ("de", "fr")
    assert links["=x@example.org"].state is SubscriptionState.CONFIRMED
    ended, began = road.app.operators.log(about="subscribers")
    assert (ended.who, ended.deed, ended.detail) == ("ada", "import subscribers", "5 rows taken, 5 refused")
    assert (began.who, began.deed, began.detail) == ("ada", "begin import subscribers", f"{len(TABLE)} bytes")

    after = dump(road)
    desk.post(path)  # the form sent twice
    settled(desk, path)
    assert dump(road) == after


def test_an_import_that_stops_stands_in_the_log_and_is_seen_at_once(road, desk, people, monkeypatch):
    path = bring(desk, "address\nnew@example.org\n", "suppressions").headers["location"]
    settled(desk, path)
    assert "new@example.org" not in desk.get("/desk").text
    real = type(road.app.subscribe).suppress_all

    def stopping(self, listing):
        real(self, listing)
        raise RuntimeError("the lights went out")

    monkeypatch.setattr(type(road.app.subscribe), "suppress_all", stopping)
    desk.post(path)
    assert "fault of ours" in settled(desk, path)
    assert [one.deed for one in road.app.operators.log(about="suppressions")] == ["begin import suppressions"]
    assert "new@example.org" in desk.get("/desk").text


def test_suppressions_come_the_same_way(road, desk, people):
    table = "address,reason\nlisted@example.org,request\nnew@example.org,\nNEW@example.org,\nno,\nx@example.org,odd\n"
    path = bring(desk, table, "suppressions").headers["location"]
    page = settled(desk, path)
    assert numbers(page) == {
        "would be added": "1",
        "are so already": "1",
        "rows name one again": "1",
        "rows cannot be taken": "2",
    }
    assert len(road.app.subscribe.suppressions()) == 1
    desk.post(path)
    assert numbers(settled(desk, path)) == {"rows taken": "3", "refused": "2"}
    assert {one.address for one in road.app.subscribe.suppressions()} == {"listed@example.org", "new@example.org"}
    assert desk.get(path.replace("suppressions", "subscribers")).status_code == 404


def test_of_many_problems_the_first_hundred_are_shown(desk, people):
    page = settled(desk, bring(desk, HEADER + "nobody,daily,,,,\n" * 2_345).headers["location"])
    assert "The first 100 of 2,345." in page and page.count('<tr><td class="number right">') == 100
    assert "Import 0" not in page and "Drop the table" in page


def test_what_is_no_table_is_told(road, desk, people):
    before = dump(road)
    for table, said in (
        (b"\xff\xfe\x00a,\x00b", "is not UTF-8 text"),
        (b"name,mail\n1,2\n", "the header lacks columns address, digest"),
        (b"\n" * 5_000, "it is empty"),
        (b'address,digest\n"' + b"x" * 200_000, "it is not CSV"),
        (b"address,digest\n" + b"x" * 2_000_000, "longer than a megabyte"),
    ):
        path = bring(desk, table).headers["location"]
        page = settled(desk, path)
        assert said in page and "Import " not in page.split("<h1>")[1]
        road.now += timedelta(hours=2)
    assert dump(road) == before


def test_a_form_without_a_file_does_nothing(desk):
    assert desk.post("/desk/subscribers/import").status_code == 403  # no multipart form: its fields were not read
    files = {"other": ("", b"", "text/csv")}
    answer = desk.client.post("/desk/subscribers/import", data={"csrf": desk.csrf}, files=files)
    assert answer.status_code == 422 and "no file came" in answer.text


def test_neither_a_stranger_nor_another_site_brings_a_table(road, anybody, desk):
    stranger = TestClient(application(lambda: road.app), base_url=ORIGIN, follow_redirects=False)
    files = {"file": ("x.csv", HEADER, "text/csv")}
    answer = stranger.post("/desk/subscribers/import", data={"csrf": desk.csrf}, files=files)
    assert answer.headers["location"].startswith("/desk/login")
    assert desk.client.post("/desk/subscribers/import", data={"csrf": "0" * 32}, files=files).status_code == 403
    headers = {"sec-fetch-site": "cross-site"}
    answer = desk.client.post("/desk/subscribers/import", data={"csrf": desk.csrf}, files=files, headers=headers)
    assert answer.status_code == 403


def test_a_table_is_of_its_session_alone_and_lasts_an_hour(road, anybody, desk):
    path = bring(desk, TABLE).headers["location"]
    settled(desk, path)
    other = log_in(TestClient(anybody.app, base_url=ORIGIN, follow_redirects=False), road)
    assert other.get(path).status_code == 404
    assert other.post(path).status_code == 404 and other.post(f"{path}/drop").status_code == 404
    road.now += timedelta(minutes=59)
    assert desk.get(path).status_code == 200
    road.now += timedelta(minutes=61)
    assert desk.get(path).status_code == 404
    assert desk.post(path).status_code == 404


def test_no_more_than_a_few_lie_here_and_one_can_be_dropped(desk):
    paths = [bring(desk, TABLE).headers["location"] for _ in range(4)]
    for path in paths:
        settled(desk, path)
    assert bring(desk, TABLE).status_code == 422
    assert desk.post(f"{paths[0]}/drop").status_code == 303
    assert bring(desk, TABLE).status_code == 303
    assert desk.get(paths[0]).status_code == 404


def test_a_file_that_is_too_large_is_refused_while_it_comes(desk, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 1_000)
    assert bring(desk, "x" * 2_000).status_code == 413

    def unannounced():
        yield b"x" * 2_000

    kind = {"content-type": "multipart/form-data; boundary=b"}
    assert desk.client.post("/desk/subscribers/import", content=unannounced(), headers=kind).status_code == 413


def test_what_stops_in_the_middle_says_where_and_can_be_taken_again(road, desk, people, monkeypatch):
    path = bring(desk, HEADER + "".join(f"r{n}@example.org,daily,,,,\n" for n in range(2_500))).headers["location"]
    settled(desk, path)
    real, calls = type(road.app.subscribe).add_all, []

    def failing(self, joining):
        calls.append(len(joining))
        if len(calls) == 2:
            raise RuntimeError("the disk is on fire")
        return real(self, joining)

    monkeypatch.setattr(type(road.app.subscribe), "add_all", failing)
    desk.post(path)
    page = settled(desk, path)
    assert "It stopped" in page and "It was at row 1,001" in page and "on fire" not in page
    desk.post(path)
    assert numbers(settled(desk, path)) == {"rows taken": "2,500", "refused": "0"}
    assert len(road.app.subscribe.everybody()) == 2_502
