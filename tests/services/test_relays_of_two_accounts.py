"""Two accounts at one server are two relays: paused and counted apart, and what is bound finds its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.app import build
from digest.config import from_table
from digest.services.sending.outlets import Outlet, Ways
from digest.services.sending.slices import Quota
from digest.storage import relays

SERVER = {"host": "smtp.example.org", "password_file": "password"}
ADDRESS = "smtp.example.org:587"


def app_of(url: str, folder: Path, *users: str, **more: object):
    smtp = [{**SERVER, "username": user, **more} for user in users]
    table = {"database": {"url": url}, "mail": {"from": "digest@example.org"}, "smtp": smtp}
    return build(from_table(table, folder=folder))


@pytest.fixture
def app(url, tmp_path):
    made = app_of(url, tmp_path, "one", "two", warm_up={"first": 10, "growth": 1, "from": "2026-01-01"})
    yield made
    made.close()


def test_each_is_paused_and_counted_for_itself(app):
    one, two = (outlet for outlet in app.deliver.outlets)
    app.relays.pause(f"two@{ADDRESS}")
    assert isinstance(one.quota, Quota)
    assert one.quota.is_left(0.0)
    rows = app.relays.listing()
    assert [(row.place, row.state, row.warm_up.used) for row in rows] == [
        (f"one@{ADDRESS}", "ready", 2),
        (f"two@{ADDRESS}", "paused", 0),
    ]
    assert (one.relay.place, two.relay.place) == tuple(row.place for row in rows)
    with app.store.reading() as tx:
        assert relays.standing(tx, app.clock()).keys() == {row.place for row in rows}


def test_one_account_at_a_server_keeps_the_server_s_name(url, tmp_path):
    app = app_of(url, tmp_path, "one")
    assert [row.place for row in app.relays.listing()] == [ADDRESS]
    app.close()


def test_what_is_bound_to_one_finds_it_also_when_accounts_come_and_go(app, url, tmp_path):
    def names(outlets: tuple[Outlet, ...], *places: str) -> list[str | None]:
        ways = Ways(outlets)
        return [way.outlet.relay.username if (way := ways.at(place)) else None for place in places]

    before, gone = ADDRESS, f"three@{ADDRESS}"
    assert names(app.deliver.outlets, f"two@{ADDRESS}", before, gone, "other.example.org:587") == [
        "two", "one", "one", None
    ]  # fmt: skip
    alone = app_of(url, tmp_path, "two")
    assert names(alone.deliver.outlets, f"two@{ADDRESS}", ADDRESS) == ["two", "two"]
    alone.close()
