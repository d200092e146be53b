"""Leaving: one click, one button, pausing beside it, coming back within the hour; and no door for anybody else."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from starlette.testclient import TestClient

from digest.model.people import SubscriptionState, SuppressionReason
from digest.web.application import application
from tests.services.road import DAY, SLOT, Road, paper
from tests.web.test_pages import everything, state

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MONDAY = SLOT.date()


@pytest.fixture
def road(url, tmp_path):
    """Two digests at the same hour."""
    made = Road.open(
        tmp_path / "home", url, {"name": "daily", "title": "The <Daily> & more", "join": True}, {"name": "weekly"}
    )
    yield made
    made.app.close()


@pytest.fixture
def client(road):
    return TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def ada(road):
    return road.reader(digest="daily")


def paused_until(road, subscription) -> date | None:
    return next(s.paused_until for s in road.app.subscribe.show(subscription.address) if s.id == subscription.id)


def test_one_click_as_rfc_8058_writes_it_leaves_at_once(road, client, ada):
    for _ in range(2):
        answer = client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM)
        assert (answer.status_code, "You are unsubscribed" in answer.text) == (200, True)
        assert {"set-cookie", "location"}.isdisjoint(answer.headers)
        assert state(road, ada) is SubscriptionState.UNSUBSCRIBED


def test_one_click_as_multipart_leaves_too(road, client, ada):
    answer = client.post(f"/unsubscribe/{ada.secret}", files={"List-Unsubscribe": (None, "One-Click")})
    assert (answer.status_code, state(road, ada)) == (200, SubscriptionState.UNSUBSCRIBED)


def test_a_damaged_body_is_no_obstacle(road, client, ada):
    for body, kind in (
        (b"", ""),
        (b"\xff\xfe\x00garbage", "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"anything", "multipart/form-data"),
        (b"&".join(b"a=%d" % n for n in range(500)), "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
    ):
        headers = {"Content-Type": kind} if kind else {}
        answer = client.post(f"/unsubscribe/{ada.secret}", content=body, headers=headers)
        assert (answer.status_code, state(road, ada)) == (200, SubscriptionState.UNSUBSCRIBED)
        road.reader(digest="daily")


def test_a_body_without_end_is_cut_off_and_nothing_changes(road, client, ada):
    def endless():
        for _ in range(100):
            yield b"x" * 10_000

    answer = client.post(f"/unsubscribe/{ada.secret}", content=endless(), headers=FORM)
    assert (answer.status_code, state(road, ada)) == (413, SubscriptionState.CONFIRMED)


def test_a_joined_mails_token_leaves_all_its_digests_or_the_one_that_was_pressed(road, client, ada):
    weekly = road.reader(digest="weekly")
    both = f"/unsubscribe/{ada.secret}.{weekly.secret}"
    page = client.get(both).text
    assert 'name="digest" value="daily"' in page
    assert 'name="digest" value="weekly"' in page
    answer = client.post(both, data={"digest": "weekly"})
    assert "Weekly" in answer.text
    assert "Daily" not in answer.text
    assert (state(road, ada), state(road, weekly)) == (SubscriptionState.CONFIRMED, SubscriptionState.UNSUBSCRIBED)
    client.post(both, content=ONE_CLICK, headers=FORM)
    assert state(road, ada) is SubscriptionState.UNSUBSCRIBED


def test_a_digest_that_is_not_in_the_token_cannot_be_left_and_nobody_is_told_otherwise(road, client, ada):
    weekly = road.reader(digest="weekly")
    answer = client.post(f"/unsubscribe/{ada.secret}", data={"digest": "weekly"})
    assert "You are unsubscribed" not in answer.text
    assert (state(road, ada), state(road, weekly)) == (SubscriptionState.CONFIRMED, SubscriptionState.CONFIRMED)


def test_a_waiting_mail_is_not_sent_after_the_click(road, client, ada):
    road.bring(paper(1))
    road.publish()
    client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM)
    road.deliver()
    assert road.rows() == [(ada.address, "daily", "suppressed")]
    assert road.mails() == []


def test_the_token_of_every_mail_ever_sent_works_after_coming_back_and_after_new_keys(road, client, ada, tmp_path):
    client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM)
    again = road.reader(digest="daily")
    assert (again.secret, state(road, ada)) == (ada.secret, SubscriptionState.CONFIRMED)
    (tmp_path / "keys").write_text("a wholly new key of the operator\n")
    road.use(
        *[{"name": "daily"}],
        web={"enabled": False, "public_url": "https://x.example", "secret_file": str(tmp_path / "keys")},
    )
    client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM)
    assert state(road, ada) is SubscriptionState.UNSUBSCRIBED


def test_the_page_asks_with_one_button_and_offers_a_pause_beside_it(client, ada):
    page = client.get(f"/unsubscribe/{ada.secret}").text
    assert page.count(f'action="/unsubscribe/{ada.secret}"') == 1
    assert page.index(">Unsubscribe</button>") < page.index("Or pause instead")
    assert 'min="2026-05-05" max="2027-05-05"' in page


def test_a_pause_holds_and_can_be_ended(road, client, ada):
    path = f"/unsubscribe/{ada.secret}"
    for fields, until in (
        ({"for": "week"}, MONDAY + 7 * DAY),
        ({"for": "month"}, MONDAY + 30 * DAY),
        ({"for": "date", "until": "2026-06-01"}, date(2026, 6, 1)),
        ({"until": " 2026-06-02 "}, date(2026, 6, 2)),
    ):
        answer = client.post(f"{path}/pause", data=fields)
        assert (answer.status_code, f"{until:%A, %d %B %Y}" in answer.text) == (200, True)
        assert (paused_until(road, ada), state(road, ada)) == (until, SubscriptionState.CONFIRMED)
        assert f"is paused until {until:%A, %d %B %Y}" in client.get(path).text
    assert "It comes again" in client.post(f"{path}/pause", data={"for": "resume"}).text
    assert paused_until(road, ada) == MONDAY


def test_a_day_that_cannot_be_is_told_and_kept_as_it_was_typed(road, client, ada):
    before = everything(road)
    for typed, told in (
        ("2026-05-04", "is today"),
        ("1999-01-01", "has passed"),
        ("2036-01-01", "more than a year away"),
        ("<b>soon</b>", "is not a date"),
        ("", "is not a date"),
        ("9" * 5000, "is not a date"),
    ):
        answer = client.post(f"/unsubscribe/{ada.secret}/pause", data={"for": "date", "until": typed})
        assert (answer.status_code, told in answer.text, 'role="alert"' in answer.text) == (422, True, True), typed
        assert "<b>soon" not in answer.text
    assert everything(road) == before


def test_every_digest_of_a_joined_mail_pauses(road, client, ada):
    weekly = road.reader(digest="weekly")
    client.post(f"/unsubscribe/{ada.secret}.{weekly.secret}/pause", data={"for": "week"})
    assert paused_until(road, ada) == paused_until(road, weekly) == MONDAY + 7 * DAY


def test_who_has_left_is_told_so_and_not_asked_again_and_cannot_pause(road, client, ada):
    client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM)
    before = everything(road)
    for answer in (
        client.get(f"/unsubscribe/{ada.secret}"),
        client.post(f"/unsubscribe/{ada.secret}/pause", data={"for": "week"}),
    ):
        assert "You are unsubscribed" in answer.text
        assert "Or pause" not in answer.text
    assert everything(road) == before


def test_a_leaving_is_taken_back_within_the_hour_and_not_later(road, client, ada):
    back = f"/unsubscribe/{ada.secret}/return"
    client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM)
    road.now += timedelta(minutes=59)
    assert back in client.get(f"/unsubscribe/{ada.secret}").text
    assert "You are subscribed again" in client.post(back).text
    assert road.app.subscribe.show(ada.address) == (ada,)
    page = client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM).text
    assert "Subscribe again" in page
    road.now += timedelta(minutes=61)
    page = client.post(back).text
    assert "Subscribe again" not in page
    assert 'href="/join/daily"' in page
    assert state(road, ada) is SubscriptionState.UNSUBSCRIBED


def test_a_leaving_that_is_taken_back_brings_its_pause_back_too(road, client, ada):
    client.post(f"/unsubscribe/{ada.secret}/pause", data={"for": "month"})
    before = road.app.subscribe.show(ada.address)
    client.post(f"/unsubscribe/{ada.secret}")
    assert not road.app.subscribe.show(ada.address)[0].is_paused(MONDAY), "who has left is not paused"
    client.post(f"/unsubscribe/{ada.secret}/return")
    assert road.app.subscribe.show(ada.address) == before


def test_nobody_is_brought_back_who_never_said_yes_or_must_not_be_written_to(road, client, ada):
    pending = road.app.subscribe.add("bo@example.org", "daily", state=SubscriptionState.PENDING)
    road.app.subscribe.suppress(ada.address, SuppressionReason.COMPLAINT)
    for one in (pending, ada):
        client.post(f"/unsubscribe/{one.secret}", content=ONE_CLICK, headers=FORM)
        assert "Subscribe again" not in client.get(f"/unsubscribe/{one.secret}").text
        client.post(f"/unsubscribe/{one.secret}/return")
        assert state(road, one) is SubscriptionState.UNSUBSCRIBED


def test_whoever_was_not_there_is_not_subscribed_by_the_way_back(road, client, ada):
    """Two digests in one mail, of which one was left a month ago: only the other comes back."""
    weekly = road.reader(digest="weekly")
    client.post(f"/unsubscribe/{weekly.secret}", content=ONE_CLICK, headers=FORM)
    road.now += 30 * DAY
    both = f"/unsubscribe/{ada.secret}.{weekly.secret}"
    client.post(both, content=ONE_CLICK, headers=FORM)
    client.post(f"{both}/return")
    assert (state(road, ada), state(road, weekly)) == (SubscriptionState.CONFIRMED, SubscriptionState.UNSUBSCRIBED)


def test_a_guess_pauses_nobody_and_brings_nobody_back(road, client, ada):
    before = everything(road)
    for guess in ("x", "0" * 22, ada.secret[:-1], "."):
        assert client.post(f"/unsubscribe/{guess}/pause", data={"for": "week"}).status_code == 404
        assert client.post(f"/unsubscribe/{guess}/return").status_code == 404
    assert everything(road) == before


def test_looking_changes_nothing(road, client, ada):
    before = everything(road)
    for path in ("", "/pause", "/return", "?for=week", "/pause?for=week"):
        client.get(f"/unsubscribe/{ada.secret}{path}")
        client.head(f"/unsubscribe/{ada.secret}{path}")
    assert everything(road) == before


def test_below_a_path_of_a_proxy_the_buttons_lead_there(road, ada):
    road.use({"name": "daily"}, web={"enabled": False, "public_url": "https://x.example/papers"})
    page = TestClient(application(lambda: road.app)).get(f"/unsubscribe/{ada.secret}").text
    assert f'action="/papers/unsubscribe/{ada.secret}"' in page
    assert f'action="/papers/unsubscribe/{ada.secret}/pause"' in page
