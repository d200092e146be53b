"""A token that we did not give out for a door opens none; one that is too old says where there are newer ones."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from digest.delivery.inbound import read_inbound
from digest.delivery.tokens import read_return_path
from digest.model.people import SubscriptionState
from digest.services.stamping import CONFIRM, PREFERENCES, TASTE, scoped
from digest.storage.base import metadata
from digest.web.application import application
from tests.services.road import DAY, Road, paper
from tests.web.forging import Good, forged, given_out
from tests.web.test_pages import everything, token

OPEN = {"name": "daily", "title": "Daily", "join": True, "categories": {"cs.CL": 1}}


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, OPEN)
    yield made
    made.app.close()


@pytest.fixture
def good(road) -> Good:
    """What an installation with some readers has given out."""
    readers = [road.reader(f"r{number}@example.org", "daily") for number in range(6)]
    readers.append(road.app.subscribe.add("asked@example.org", "daily", state=SubscriptionState.PENDING))
    road.bring(paper(1))
    road.publish()
    with road.app.store.reading() as tx:
        keys = tx.execute(select(metadata.tables["messages"].c.key)).scalars().all()
    app = road.app
    return given_out(readers, road.now.date().isoformat(), app.admission.new_form(), keys, app.keys)


def opens(app, kind: str, said: str) -> bool:
    """Whether a token opens what its kind is for, asked as the doors ask."""
    if kind == TASTE:
        return app.tastes.asked(said, "1") is not None
    if kind == "path":
        return read_return_path(said, app.keys.links) is not None
    ask = {
        "preferences": app.subscribe.preferences_of,
        "confirm": app.subscribe.confirmable,
        "form": app.admission.age_of,
        "secret": app.subscribe.look_up,
        "read": app.preview.stored_html,
    }[kind]
    return bool(ask(said))


def test_what_was_given_out_opens_its_door(road, good):
    """Else the tests below could not fail."""
    for kind, tokens in good.held.items():
        for said in tokens:
            assert opens(road.app, kind, said) or (kind == "form" and road.app.admission.age_of(said) is not None), kind


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_of_many_forged_ones_none_opens_anything(road, good):
    before = everything(road)
    tried = Counter[str]()
    for kind, said in forged(good, 10_000):
        assert not opens(road.app, kind, said), (kind, said)
        tried[kind] += 1
    assert len(tried) == len(good.held) and min(tried.values()) > 1_000
    assert everything(road) == before


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_none_opens_anything_over_http(road, good):
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)
    doors = {
        "preferences": ("/preferences/{}", "/preferences/{}/said", "/preferences/{}/said.json", "/mydata/{}"),
        "taste": ("/feedback/{}/1",),
        "confirm": ("/confirm/{}", "/never/{}"),
        "secret": ("/unsubscribe/{}",),
        "read": ("/read/{}",),
    }
    before = everything(road)
    answers = set()
    for kind, said in forged(good, 150, seed=2):
        for door in doors.get(kind, ()):
            path = door.format(quote(said.encode("utf-8", "surrogatepass"), safe=""))
            for answer in (client.get(path), client.post(path, data={"say": "more", "send_at": "01:00"})):
                assert answer.status_code in (404, 405), (kind, said)
                if answer.status_code == 404 and said.strip("./"):
                    answers.add((kind == "read", answer.text))
    assert everything(road) == before
    assert all(other not in text for _, text in answers for other in good.every)


def test_no_other_door_is_opened_by_what_is_good_for_one(road, good):
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)
    before = everything(road)
    kinds = {"preferences": PREFERENCES, "feedback": TASTE, "confirm": CONFIRM, "unsubscribe": "secret", "read": "read"}
    kinds |= {"never": CONFIRM, "mydata": ""}
    ends = {"feedback": "/1"}
    for room, own in kinds.items():
        for kind, tokens in good.held.items():
            if kind == own:
                continue
            path = f"/{room}/{quote(tokens[0])}{ends.get(room, '')}"
            assert client.get(path).status_code == 404, path
            assert client.post(path, data={"say": "more", "send_at": "01:00"}).status_code in (404, 405), path
    assert everything(road) == before


def test_a_mail_that_asks_to_leave_with_a_forged_secret_makes_nobody_leave(road, good):
    before = everything(road)
    for kind, said in forged(good, 400, seed=3):
        if kind != "secret" or not said.isascii() or "\n" in said or "\x00" in said:
            continue
        raw = f"From: a@example.org\r\nTo: leave@example.org\r\nSubject: unsubscribe {said}\r\n\r\n\r\n".encode()
        wish = read_inbound(raw)
        if wish is not None and wish.token not in good.held["secret"]:  # with a letter that stood beside a good one
            assert road.app.subscribe.leave_by_token(wish.token) is None, said
    assert everything(road) == before


def test_of_another_installation_none_is_good_here(url, road, good, tmp_path):
    """The same numbers, the same readers, other keys."""
    (tmp_path / "keys").write_text("the keys of somebody else\n")
    road.use(OPEN, web={"enabled": False, "public_url": "https://x.example", "secret_file": str(tmp_path / "keys")})
    for kind in ("preferences", "taste", "confirm", "form", "path"):
        assert not any(opens(road.app, kind, said) for said in good.held[kind]), kind


def test_what_is_too_old_says_how_to_get_a_new_one(road):
    ada = road.reader(digest="daily")
    bo = road.app.subscribe.add("bo@example.org", "daily", state=SubscriptionState.PENDING)
    (row,) = road.bring(paper(1))
    links = [
        f"/preferences/{token(road, PREFERENCES, ada)}",
        f"/feedback/{token(road, TASTE, ada)}/{row}",
        f"/confirm/{token(road, CONFIRM, bo)}",
        f"/never/{token(road, CONFIRM, bo)}",
    ]
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False)
    assert [client.get(link).status_code for link in links] == [200] * 4
    road.now += 401 * DAY
    for link in links:
        for answer in (client.get(link), client.post(link, data={"say": "more"})):
            assert answer.status_code == 404
            assert "too old" in answer.text
            assert "newest mail" in answer.text
            assert 'href="/link"' in answer.text
    assert client.get("/link").status_code == 200
    unsubscribe = client.get(f"/unsubscribe/{ada.secret}")
    assert unsubscribe.status_code == 200, "leaving is never too late"


def test_a_token_from_tomorrow_is_good_for_no_longer_than_any(road):
    """Nobody but us can date one; a clock that was wrong when it was made must not make it last for ever."""
    ada = road.reader(digest="daily")
    ahead = scoped(PREFERENCES, ada.id, (road.now + timedelta(days=30)).date().isoformat(), road.app.keys.links)
    assert road.app.subscribe.preferences_of(ahead) is not None
    road.now += 431 * DAY
    assert road.app.subscribe.preferences_of(ahead) is None
