"""Subscribers and suppressions travel as CSV both ways; a bad row is named and never keeps a good one out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.model.errors import ConfigError, InputError
from digest.model.people import Suppression, SuppressionReason
from digest.services.people_csv import (
    export_subscriptions,
    export_suppressions,
    import_subscriptions,
    import_suppressions,
)
from digest.services.table import Imported, RowProblem
from tests.services.world import World

PROFILES = {"nlp.toml": {"keywords": ["parsing"]}}


def read_profile(name):
    if name not in PROFILES:
        raise ConfigError("there is no such file", where=name, try_="check its name")
    return PROFILES[name]


def take(world, text):
    names = [digest.name for digest in world.digests]
    return import_subscriptions(
        text, name="people.csv", digests=names, add_all=world.subscribe.add_all, read_profile=read_profile
    )


def test_importing_an_export_changes_nothing(store):
    world = World(store)
    world.reader(
        "=o'brien+x@example.org", preferences={"keywords": ['a "quoted", word'], "max_items": 5}, timezone="Asia/Tokyo"
    )
    world.reader("bo@example.org", language="de")
    world.subscribe.leave("bo@example.org")
    before = world.subscribe.everybody()
    text = export_subscriptions(before)
    assert take(world, text) == Imported(imported=2, problems=())
    assert world.subscribe.everybody() == before
    assert text.splitlines()[0] == "address,digest,state,language,timezone,profile"


def test_good_rows_are_taken_and_bad_ones_named_by_row_and_column(store):
    world = World(store)
    text = (
        "address,digest,state,language,timezone,profile\n"
        "ada@example.org,daily,confirmed,en,Europe/Berlin,\n"
        "nobody,daily,confirmed,,,\n"
        "bo@example.org,hourly,confirmed,,,\n"
        "cy@example.org,daily,maybe,,,\n"
        "di@example.org,daily,confirmed,,Mars/Olympus,\n"
        "ed@example.org,daily,confirmed,,,missing.toml\n"
        'fi@example.org,daily,confirmed,,,"{""keyword"": 1}"\n'
        "gu@example.org,daily,confirmed,,,{\n"
        "ha@example.org,daily,confirmed\n"
        "\n"
        "iv@example.org,daily,,,,nlp.toml\n"
        "jo@example.org,daily,confirmed,pt,,\n"
    )
    done = take(world, text)
    assert done.imported == 2
    assert [(one.row, one.column) for one in done.problems] == [
        (3, "address"),
        (4, "digest"),
        (5, "state"),
        (6, "timezone"),
        (7, "profile"),
        (8, "profile"),
        (9, "profile"),
        (10, ""),
        (13, "language"),
    ]
    assert done.problems[1] == RowProblem(row=4, column="digest", what='there is no digest "hourly"; known are: daily')
    assert done.problems[7].what == "has 3 cells, the header has 6"
    assert done.problems[8].what.startswith(
        "'pt' is not a language that mails are written in; known are: en (English), "
    )
    assert [one.address for one in world.subscribe.everybody()] == ["ada@example.org", "iv@example.org"]
    assert world.subscribe.show("iv@example.org")[0].preferences == {"keywords": ["parsing"]}


def test_an_address_named_twice_keeps_what_the_later_row_says(store):
    world = World(store)
    done = take(world, "address,digest,language\nada@example.org,daily,en\nada@EXAMPLE.org,daily,DE_at\n")
    assert done == Imported(imported=2, problems=())
    (link,) = world.subscribe.show("ada@example.org")
    assert link.language == "de-AT"


def test_a_spreadsheets_semicolons_and_byte_order_mark_are_understood(store):
    world = World(store)
    text = '\ufeffAddress;Digest;State;Profile\r\nada@example.org;daily;Pending;"{""keywords"": [""a"", ""b""]}"\r\n'
    assert take(world, text).imported == 1
    (link,) = world.subscribe.show("ada@example.org")
    assert (link.state.value, link.preferences) == ("pending", {"keywords": ["a", "b"]})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "ada@example.org,daily\n",
            "the header lacks columns address, digest and has the unknown columns ada@example.org, daily",
        ),
        ("address,state\n", "the header lacks column digest"),
        ("address,digest,adress\n", "the header has the unknown column adress"),
        ("address,digest,address\n", "the header repeats column address"),
        ("", "it is empty"),
    ],
)
def test_a_header_that_is_not_ours_is_refused_by_its_columns(store, text, what):
    with pytest.raises(InputError) as caught:
        take(World(store), text)
    assert (caught.value.what, caught.value.where) == (what, "people.csv")
    assert "address" in caught.value.try_


def test_an_address_on_the_suppression_list_is_named(store):
    world = World(store)
    world.subscribe.suppress("ada@example.org", SuppressionReason.COMPLAINT)
    (problem,) = take(world, "address,digest\nada@example.org,daily\n").problems
    assert (problem.row, problem.column) == (2, "address")
    assert "suppression list (complaint)" in problem.what


def test_suppressions_come_back_as_they_were_exported(store):
    world = World(store)
    since = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    world.subscribe.suppress("ada@example.org", SuppressionReason.HARD_BOUNCE, '=HYPERLINK("x"), 550', since=since)
    world.subscribe.suppress("bo@example.org", SuppressionReason.OPERATOR, "'quoted'")
    before = world.subscribe.suppressions()
    erased = Suppression(key="h", address="", reason=SuppressionReason.ERASED, detail="", since_at=since)
    text = export_suppressions((*before, erased))
    assert text.splitlines()[1:] == [
        'ada@example.org,hard-bounce,"\'=HYPERLINK(""x""), 550",2026-01-02T03:04:00+00:00',
        "bo@example.org,operator,''quoted',2026-05-04T05:35:00+00:00",
    ]
    for one in before:
        world.subscribe.lift(one.address)
    assert import_suppressions(text, name="list.csv", suppress=world.subscribe.suppress) == Imported(
        imported=2, problems=()
    )
    assert world.subscribe.suppressions() == before


def test_suppressions_with_bad_cells_are_named(store):
    world = World(store)
    text = "address,reason,since\nada@example.org,,\nno,operator,\nbo@example.org,erased,\ncy@example.org,,monday\n"
    done = import_suppressions(text, name="list.csv", suppress=world.subscribe.suppress)
    assert (done.imported, [(one.row, one.column) for one in done.problems]) == (
        1,
        [(3, "address"), (4, "reason"), (5, "since")],
    )
