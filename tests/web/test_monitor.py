"""What monitoring is told: figures that Prometheus' own reader takes, and why the daemon is not ready."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as families
from starlette.testclient import TestClient

from digest.daemon.jobs import Daemon
from digest.storage import meta
from digest.web import monitor
from digest.web.monitor import Monitor
from tests.apps import having
from tests.services.road import SLOT, Road, paper

ROOT = Path(__file__).parents[2]


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, {"name": "daily"})
    yield made
    made.app.close()


@pytest.fixture
def daemon(road):
    return Daemon(road.app)


@pytest.fixture
def client(daemon, monkeypatch):
    monkeypatch.setattr(monitor, "FRESH_SECONDS", 0.0)
    with TestClient(Monitor(lambda: daemon.app, daemon.pulse).application()) as client:
        yield client


def read(client) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    return {(one.name, *one.labels.values()): one.value for family in families(answer.text) for one in family.samples}


def test_the_figures_are_those_of_status_and_follow_it(road, client):
    assert read(client)["digest_readers", "daily"] == 0
    road.bring(paper(1))
    road.reader()
    road.reader("bo@example.org")
    road.publish()
    told = read(client)
    assert (told["digest_readers", "daily"], told["digest_deliveries", "open"], told["digest_backlog",]) == (2, 2, 2)
    assert told["digest_last_slot_timestamp_seconds", "daily"] == SLOT.timestamp()
    assert told["digest_due_slot_timestamp_seconds", "daily"] == SLOT.timestamp()
    assert told["digest_oldest_open_created_timestamp_seconds",] == road.now.timestamp()
    road.deliver()
    told = read(client)
    assert (told["digest_deliveries", "accepted"], told["digest_backlog",]) == (2, 0)
    assert ("digest_oldest_open_created_timestamp_seconds",) not in told
    assert {name for name, *_ in told} >= {"digest_build_info", "process_resident_memory_bytes"}


def test_figures_are_worked_out_once_for_many_questions(road, client, daemon, monkeypatch):
    monkeypatch.setattr(monitor, "FRESH_SECONDS", 60.0)
    before = read(client)
    road.reader()
    assert read(client)["digest_readers", "daily"] == before["digest_readers", "daily"] == 0


def test_a_job_that_fails_is_counted_and_one_that_stands_still_makes_us_not_ready(road, client, daemon):
    for name in ("look", "send", "tidy", "ask"):
        daemon.ended(name)
    daemon.ended("send", failed=True)
    assert read(client)["digest_job_failures_total", "send"] == 1
    assert client.get("/ready").json()["ready"] is True
    road.now += timedelta(hours=1)
    daemon.ended("tidy")
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["problems"]) == (
        503,
        ["the job look has not come to an end for 30 minutes"],
    )
    daemon.ended("look")
    assert client.get("/ready").json()["ready"] is True, "a send may take hours"


def test_a_restored_database_and_one_that_cannot_be_read_are_not_ready(road, client, daemon):
    with road.app.store.transaction() as tx:
        meta.put(tx, meta.RESTORED, "2026-05-04T00:00:00+00:00")
    assert "db restored" in client.get("/ready").json()["problems"][0]
    road.app.store.close()
    broken = having(road.app, report=replace(road.app.report, store=Gone()))
    daemon.app = broken
    answer = client.get("/ready")
    assert (answer.status_code, client.get("/metrics").status_code) == (503, 503)
    assert "cannot be read: the disk is away" in answer.json()["problems"][0]
    assert client.get("/health").text == "ok\n"


class Gone:
    """A store that went away."""

    def reading(self):
        from digest.model.errors import StorageError

        raise StorageError("the disk is away")


def told(client) -> set[str]:
    """The names of our own samples, each with a sample or without."""
    text = client.get("/metrics").text
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in families(text)
        if family.name.startswith("digest_")
    }


def test_the_page_names_every_figure_and_no_other(client):
    page = (ROOT / "docs/operating.md").read_text("utf-8").partition("\n## Monitoring\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"\bdigest_\w+", page)) == told(client)


def test_the_alarms_ask_only_for_figures_that_exist(client):
    asked = re.findall(r"(?m)^ +expr: (.+)$", (ROOT / "packaging/prometheus-rules.yml").read_text("utf-8"))
    assert len(asked) > 4
    assert {name for expr in asked for name in re.findall(r"\bdigest_\w+", expr)} <= told(client)


def test_the_figures_are_named_as_prometheus_asks(client):
    """Base units, counters alone end with _total, and each has a help text that is a sentence."""
    found = [family for family in families(client.get("/metrics").text) if family.name.startswith("digest_")]
    assert all(re.fullmatch(r"digest(_[a-z]+)+", family.name) for family in found)
    assert all(family.documentation.endswith(".") for family in found)
    assert [family.name for family in found if family.name.endswith(("_total", "_count", "_sum"))] == []
    odd = ("_milliseconds", "_minutes", "_hours", "_days", "_kilobytes", "_megabytes")
    assert [family.name for family in found if family.name.endswith(odd)] == []
    assert {family.type for family in found} == {"gauge", "counter"}
