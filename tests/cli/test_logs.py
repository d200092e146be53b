"""The log of what runs on: one JSON object a line whoever speaks, and nobody's address, password or token in it."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
import structlog

from digest.cli.door import Door
from digest.cli.logs import log_to_stderr, without_people

ADDRESS, TOKEN = "ada.lovelace+papers@mail.example.org", "AAAAAAAAAAEAAAkLxDpr-SNwY8l1Cxj9cTLIDw="


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.captureWarnings(False)  # where a test before let a command begin it, it would not begin anew
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def fault() -> None:
    """A fault of ours whose text quotes a row."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:address)"), {"address": ADDRESS})


def speak() -> None:
    """Everybody who writes to the log, each with something that does not belong there."""
    log = structlog.get_logger("digest")
    log.info("fetched", source="lab", new=3)
    log.warning("odd", problem=f"{ADDRESS} said no", tried=[f"<{ADDRESS}>"], more={"to": ADDRESS})
    log.error("relay", problem=f"GET https://papers.example.org/unsubscribe/{TOKEN} HTTP/1.1")
    log.error("source", where="https://ada:hunter2secret@feeds.example.org/feed")
    try:
        fault()
    except sa.exc.OperationalError:
        log.exception("look", problem="a fault of ours")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    warnings.warn(f"{ADDRESS} is odd", stacklevel=1)


def test_every_line_is_a_json_object_without_anything_of_a_reader(capsys):
    log_to_stderr(Door(command="run", json=True))
    speak()
    said = capsys.readouterr().err
    events = [json.loads(line) for line in said.splitlines()]
    assert len(events) == 7
    assert all({"event", "level", "timestamp"} <= event.keys() for event in events)
    assert (events[0]["event"], events[0]["new"]) == ("fetched", 3)
    assert events[1]["more"] == {"to": "…@mail.example.org"}
    assert events[3]["where"] == "https://…@feeds.example.org/feed"
    assert [event["event"] for event in events if "nowhere" in event.get("exception", "")] == [
        "look",
        "Exception in ASGI application",
    ]
    for secret in (ADDRESS.partition("@")[0], TOKEN, "hunter2secret"):
        assert secret not in said


@pytest.mark.parametrize(
    "path",
    [
        "/data/AAAAAAAAAAAAAAAA",
        "/mydata/AAAAAAAAAAAAAAAA/erase",
        "/unsubscribe/AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA/pause",
        "/desk/enter/AAAAAAAAAAAAAAAA",
    ],
)
def test_no_token_of_any_page_is_told(path):
    said = without_people(None, "", {"where": f"GET {path} failed"})["where"]
    assert (said, "AAA" in said) == (f"GET {path.partition('A')[0]}…{path.rpartition('A')[2]} failed", False)


def test_a_file_in_a_folder_of_data_is_told():
    assert without_people(None, "", {"where": "/srv/data/digest.toml"}) == {"where": "/srv/data/digest.toml"}


def test_a_person_reads_the_same_without_a_dump_of_variables(capsys):
    log_to_stderr(Door(command="run", quiet=True))
    speak()
    said = capsys.readouterr().err
    assert "fetched" not in said, "--quiet"
    assert "Traceback" in said
    assert "no such table: nowhere" in said
    for secret in (ADDRESS.partition("@")[0], TOKEN, "hunter2secret"):
        assert secret not in said
