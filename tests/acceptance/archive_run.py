"""The child of the archive test: lives through the days of a folder, one after the other, and may be killed at any
moment.

``python -m tests.acceptance.archive_run FOLDER``: config.toml is there; the file ``done`` names the last finished
day, ``awake`` says that the first one has begun.
"""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from pathlib import Path

from digest.app import App, build
from digest.config import load
from tests.acceptance.archive import DAYS, FIRST, READERS, Archive, instants


def live(folder: Path) -> None:
    """From the day after the last finished one to the end."""
    archive = Archive.read()
    done = folder / "done"
    day = date.fromisoformat(done.read_text()) + timedelta(days=1) if done.exists() else FIRST
    now: list[datetime] = [instants(day)[0]]
    app = build(load(folder / "config.toml", {}), clock=lambda: now[0])
    join(app)
    (folder / "awake").touch()
    while day < FIRST + timedelta(days=DAYS):
        archive.write(day, folder)
        for at in instants(day):
            now[0] = at
            app.ingest.run(everything=True)
            app.publish.run(at)
            app.deliver.run()
        mark = folder / "done.new"
        mark.write_text(day.isoformat())
        mark.replace(done)
        day += timedelta(days=1)
    app.close()


def join(app: App) -> None:
    """The five readers; a second call changes nothing."""
    from digest.services.readers.subscribe import Choices

    for address, preferences in READERS.items():
        app.subscribe.add(address, "papers", choices=Choices(preferences=preferences))


if __name__ == "__main__":
    live(Path(sys.argv[1]))
