"""Subscribers and suppressions travel as CSV both ways; a bad row is named and never keeps a good one out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.model.errors import ConfigError, InputError
from digest.model.people import Suppression, SuppressionReason
from digest.services.readers.people_csv import (
    export_subscriptions,
    export_suppressions,
    import_subscriptions,
    import_suppressions,
    try_subscriptions,
    try_suppressions,
)
from digest.services.readers.table import Imported, RowProblem, read_lines
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
    assert import_suppressions(text, name="list.csv", suppress_all=world.subscribe.suppress_all) == Imported(
        imported=2, problems=()
    )
    assert world.subscribe.suppressions() == before


def test_suppressions_with_bad_cells_are_named(store):
    world = World(store)
    text = "address,reason,since\nada@example.org,,\nno,operator,\nbo@example.org,erased,\ncy@example.org,,monday\n"
    done = import_suppressions(text, name="list.csv", suppress_all=world.subscribe.suppress_all)
    assert (done.imported, [(one.row, one.column) for one in done.problems]) == (
        1,
        [(3, "address"), (4, "reason"), (5, "since")],
    )


def foresee(world, text):
    names = [digest.name for digest in world.digests]
    return try_subscriptions(
        text, name="people.csv", digests=names, foresee=world.subscribe.foresee, read_profile=read_profile
    )


class TestTheDryRun:
    def test_it_tells_what_each_row_would_do_and_changes_nothing(self, store):
        world = World(store)
        world.reader("same@example.org", preferences={"keywords": ["parsing"]}, days=(0, 2))
        for name in ("language", "timezone", "state", "profile"):
            world.reader(f"{name}@example.org", language="de")
        world.subscribe.suppress("listed@example.org", SuppressionReason.COMPLAINT)
        before = world.subscribe.everybody()
        text = (
            "address,digest,state,language,timezone,profile\n"
            "same@example.org,daily,confirmed,,,nlp.toml\n"
            "language@example.org,daily,confirmed,fr,,\n"
            "timezone@example.org,daily,confirmed,de,Asia/Tokyo,\n"
            "state@example.org,daily,unsubscribed,de,,\n"
            'profile@example.org,daily,confirmed,de,,"{""max_items"": 3}"\n'
            "new@example.org,daily,,,,\n"
            "NEW@example.org,daily,,de,,\n"
            "state@example.org,daily,pending,de,,\n"
            "nobody,daily,,,,\n"
            "short@example.org,daily\n"
            "listed@example.org,daily,,,,\n"
            "listed@example.org,daily,unsubscribed,,,\n"
        )
        would = foresee(world, text)
        assert (would.added, would.changed, would.same, would.repeated, would.refused) == (2, 4, 1, 2, 3)
        assert [(one.row, one.column) for one in would.problems] == [(10, "address"), (11, ""), (12, "address")]
        assert world.subscribe.everybody() == before
        done = take(world, text)
        assert (done.imported, done.refused, done.problems) == (9, 3, would.problems)
        assert len(world.subscribe.everybody()) == len(before) + would.added

    def test_a_column_that_is_absent_changes_nothing(self, store):
        world = World(store)
        world.reader("ada@example.org", language="de", preferences={"max_items": 3})
        would = foresee(world, "address,digest\nada@example.org,daily\n")
        assert (would.same, would.changed) == (1, 0)

    def test_suppressions_are_counted_once(self, store):
        world = World(store)
        world.subscribe.suppress("ada@example.org", SuppressionReason.REQUEST)
        text = "address\nada@example.org\nbo@example.org\nBo@example.org\nno\n"
        would = try_suppressions(text, name="list.csv", on_list=world.subscribe.on_list)
        assert (would.added, would.same, would.repeated, would.refused) == (1, 1, 1, 1)
        assert len(world.subscribe.suppressions()) == 1


def test_instants_at_the_ends_of_the_calendar_and_odd_letters_stop_no_import(store):
    world = World(store)
    text = (
        "address,since,detail\nada@example.org,0001-01-01T00:00:00+05:00,\nbo@example.org,9999-12-31T23:00:00-05:00,\n"
        "cy@example.org,,rang\0us\n"
    )
    done = import_suppressions(text, name="list.csv", suppress_all=world.subscribe.suppress_all)
    assert (done.imported, [(one.row, one.column) for one in done.problems]) == (1, [(2, "since"), (3, "since")])
    assert [one.detail.replace("\ufffd", " ") for one in world.subscribe.suppressions()] == ["rang us"]


def test_only_the_first_problems_are_kept_and_all_are_counted(store):
    world = World(store)
    reached: list[int] = []
    done = import_subscriptions(
        "address,digest\n" + "nobody,daily\n" * 2_500,
        name="people.csv",
        digests=["daily"],
        add_all=world.subscribe.add_all,
        read_profile=read_profile,
        most_problems=3,
        progress=reached.append,
    )
    assert (done.imported, done.refused, [one.row for one in done.problems]) == (0, 2_500, [2, 3, 4])
    assert reached == [1_001, 2_001, 2_501]


def test_a_file_is_read_line_by_line_as_its_text_is(tmp_path, store):
    world = World(store)
    raw = '\ufeffaddress;digest;profile\r\nada@example.org;daily;"{""keywords"": [""a\r\nb""]}"\r\n'.encode()
    file = tmp_path / "people.csv"
    file.write_bytes(raw)
    with file.open("rb") as opened:
        assert take(world, read_lines(opened, "people.csv")) == take(world, raw.decode("utf-8-sig"))
        assert not opened.closed
