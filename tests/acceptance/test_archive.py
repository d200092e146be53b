"""Sixty real days through the real services: no work twice, none lost, every empty day explained; also when killed."""

from __future__ import annotations

import email
import email.policy
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.app import App, build
from digest.config import load
from digest.delivery.catchall import CatchAll
from digest.storage import deliveries, editions
from tests.acceptance.archive import CONFIG, DAYS, FIRST, READERS, SEND_AT, Archive

pytestmark = [pytest.mark.shared, pytest.mark.timeout(1500)]
ROOT = Path(__file__).parents[2]
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
#: A paper's own link: that of a heading, or that of a title line.
_TITLE = re.compile(r'<a class="ink"[^>]*>|<td>\s*<a [^>]*>')
_PAPER = re.compile(r"(?:arxiv\.org/abs/|huggingface\.co/papers/|doi\.org/10\.48550/arxiv\.)(\d{4}\.\d{4,5})", re.I)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "sqlite":
        yield "digest.db"
        return
    server = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


def printed_papers(raw: bytes) -> list[str]:
    """The papers of a mail, by the links of its titles, read from the HTML a person gets."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    html = message.get_body(("html",)).get_content()
    found = [match.group(1) for title in _TITLE.findall(html) if (match := _PAPER.search(title))]
    return list(dict.fromkeys(found))


def received(server: CatchAll) -> dict[str, list[str]]:
    """Per reader every paper of every mail."""
    by_reader: dict[str, list[str]] = defaultdict(list)
    for caught in server.messages:
        by_reader[caught.recipient] += printed_papers(caught.content)
    return by_reader


def prepare(folder: Path, database: str, server: CatchAll) -> None:
    (folder / "config.toml").write_text(CONFIG.format(database=database, port=server.port, send_at=SEND_AT), "utf-8")


def child(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.acceptance.archive_run", str(folder)], cwd=ROOT)


def awake(folder: Path, running: subprocess.Popen[bytes]) -> None:
    """Waits until a child has begun to live its days, so that a kill never hits its start alone."""
    mark = folder / "awake"
    while not mark.exists() and running.poll() is None:
        time.sleep(0.005)
    mark.unlink(missing_ok=True)


def opened(folder: Path) -> App:
    return build(load(folder / "config.toml", {}))


def test_sixty_days_print_every_paper_once(database: str, tmp_path: Path) -> None:
    """Readers of everything get every paper exactly once, categories and limits hold, silent days say why."""
    archive = Archive.read()
    with CatchAll() as server:
        prepare(tmp_path, database, server)
        assert child(tmp_path).wait() == 0
        by_reader = received(server)
        mails = Counter(caught.recipient for caught in server.messages)
    app = opened(tmp_path)
    everything = archive.ids_until(FIRST + timedelta(days=DAYS - 1))
    for reader, papers in by_reader.items():
        repeated = [paper for paper, times in Counter(papers).items() if times > 1]
        assert repeated == [], f"{reader} got {repeated[:5]} twice"
    for reader in ("all-1@example.org", "all-2@example.org"):
        assert set(by_reader[reader]) == everything, _lost(everything, by_reader[reader])
    assert by_reader["vision-1@example.org"] == by_reader["vision-2@example.org"]
    with app.store.reading() as tx:
        public = {e.slot.local_date: e for e in _public(tx)}
        states = deliveries.counts(tx)
    assert set(states) == {"accepted"}
    assert len(public) == DAYS
    empty = [edition for edition in public.values() if not edition.items]
    assert all(edition.reason and len(edition.notes) == 3 for edition in empty)
    silent = {day for day in public if day.weekday() >= 5}
    print(f"papers {len(everything)}, mails {dict(mails)}, empty days {len(empty)}, of {len(silent)} week-end days")
    app.close()


def test_sixty_days_killed_at_twenty_random_instants(database: str, tmp_path: Path) -> None:
    """Killed twenty times: still nothing twice, and what is missing at a reader is named uncertain."""
    archive = Archive.read()
    chance = random.Random(20250501)
    kills = 0
    with CatchAll() as server:
        prepare(tmp_path, database, server)
        while True:
            running = child(tmp_path)
            try:
                awake(tmp_path, running)
                code = running.wait(timeout=chance.uniform(0.0, 1.2) if kills < 20 else 1200)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.wait()
                kills += 1
                continue
            assert code == 0
            break
        time.sleep(0.2)
        by_reader = received(server)
    app = opened(tmp_path)
    with app.store.reading() as tx:
        states = deliveries.counts(tx)
        doubtful = deliveries.listing(tx, states=["uncertain"], limit=1000)
        excused: dict[str, set[str]] = defaultdict(set)
        for delivery in doubtful:
            edition = editions.load(tx, delivery.edition_id)
            excused[delivery.address] |= {item.arxiv_id for item in edition.items}
    everything = archive.ids_until(FIRST + timedelta(days=DAYS - 1))
    for reader in READERS:
        papers = by_reader[reader]
        repeated = [paper for paper, times in Counter(papers).items() if times > 1]
        assert repeated == [], f"{reader} got {repeated[:5]} twice"
    for reader in ("all-1@example.org", "all-2@example.org"):
        missing = everything - set(by_reader[reader])
        assert missing <= excused[reader], _lost(everything - excused[reader], by_reader[reader])
    assert set(states) <= {"accepted", "uncertain"}
    print(f"kills {kills}, states {dict(states)}")
    assert kills == 20
    app.close()


def _public(tx) -> list:
    ids = editions.public_ids(tx, "papers", composed_since=_EPOCH)
    return [editions.load(tx, i) for i in ids]


def _lost(wanted: frozenset[str], got: list[str]) -> str:
    missing = sorted(wanted - set(got))
    extra = sorted(set(got) - wanted)
    return f"{len(missing)} lost, such as {missing[:5]}; {len(extra)} unexpected, such as {extra[:5]}"
