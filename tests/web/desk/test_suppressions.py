"""The desk's suppression list: newest first, page by page; adding, lifting, and the list as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from digest.model.people import SuppressionReason
from digest.services.readers.subscribe import Listing
from tests.services.road import SLOT


def listed(road):
    return {one.address: (one.reason.value, one.detail) for one in road.app.subscribe.suppressions()}


def test_pages_go_from_the_newest_to_the_oldest_without_a_gap(road, desk):
    # Several of one instant, also at the page's edge.
    listing = [
        Listing(
            address=f"r{n:03}@example.org",
            reason=SuppressionReason.OPERATOR,
            since_at=SLOT - timedelta(minutes=n // 3),
        )
        for n in range(250)
    ]
    assert road.app.subscribe.suppress_all(listing) == 250
    seen: list[str] = []
    before = ""
    for _ in range(3):
        page = desk.get("/desk/suppressions", **({"before": before} if before else {})).text
        found = [line.split("<td>")[1].split("</td>")[0] for line in page.splitlines() if line.startswith("<tr><td>r")]
        seen += found
        last = found[-1]
        one = next(one for one in road.app.subscribe.suppressions() if one.address == last)
        before = f"{one.since_at.isoformat()} {one.key}"
    assert len(seen) == len(set(seen)) == 250
    assert [int(one[1:4]) // 3 for one in seen] == sorted(int(one[1:4]) // 3 for one in seen)
    assert "Next page" not in page


def test_a_place_that_is_none_is_the_beginning(road, desk):
    road.app.subscribe.suppress("ada@example.org", SuppressionReason.REQUEST)
    ends = ("0001-01-01T00:00:00+14:00 k", "9999-12-31T23:59:59-14:00 k")
    for before in (
        *ends,
        "x",
        "2026-05-04 ",
        "2026-05-04T05:30:00 k",
        "9999-99-99 k",
        "2026-05-04T05:30:00Z " + "k" * 99,
    ):
        assert "ada@example.org" in desk.get("/desk/suppressions", before=before).text


def test_a_part_of_an_address_finds_it(road, desk):
    for name in ("ada", "bo"):
        road.app.subscribe.suppress(f"{name}@example.org", SuppressionReason.COMPLAINT, "<script>a()</script>")
    page = desk.post("/desk/suppressions", search="DA@").text
    assert "ada@example.org" in page and "bo@example.org" not in page and "<script>" not in page


def test_adding_and_lifting(road, desk):
    answer = desk.post("/desk/suppressions/add", address="Ada@example.org", reason="request", detail="rang us")
    assert answer.status_code == 303 and "example" not in answer.headers["location"]
    assert listed(road) == {"ada@example.org": ("request", "rang us")}
    again = desk.post("/desk/suppressions/add", address="ada@example.org", reason="operator")
    assert "already" in again.headers["location"] and listed(road)["ada@example.org"][0] == "request"
    for wrong in ({"address": "no", "reason": "request"}, {"address": "bo@example.org", "reason": "erased"}):
        assert desk.post("/desk/suppressions/add", **wrong).status_code == 422
    assert desk.post("/desk/suppressions/lift", address="ada@example.org").status_code == 303
    assert listed(road) == {}
    assert "@" not in str([(one.about, one.detail) for one in road.app.operators.log()])


def test_an_erased_address_is_a_hash_that_nobody_lifts(road, desk):
    road.reader()
    road.app.subscribe.erase("ada@example.org")
    page = desk.get("/desk/suppressions").text
    assert "erased; a hash is kept" in page and 'aria-label="Lift' not in page
    assert list(csv.reader(io.StringIO(desk.post("/desk/suppressions/export").text))) == [
        ["address", "reason", "detail", "since"]
    ]


def test_the_export_is_safe_to_open_and_comes_back_as_it_was(road, desk):
    from digest.services.readers.people_csv import import_suppressions

    road.app.subscribe.suppress("+1@example.org", SuppressionReason.HARD_BOUNCE, "@SUM(1+1), 550", since=SLOT)
    text = desk.post("/desk/suppressions/export").text
    (_, row) = csv.reader(io.StringIO(text))
    assert row == ["'+1@example.org", "hard-bounce", "'@SUM(1+1), 550", "2026-05-04T05:30:00+00:00"]
    before = road.app.subscribe.suppressions()
    road.app.subscribe.lift("+1@example.org")
    import_suppressions(text, name="x", suppress_all=road.app.subscribe.suppress_all)
    assert road.app.subscribe.suppressions() == before
