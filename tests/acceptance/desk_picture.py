"""The picture of the desk in the README: ``python -m tests.acceptance.desk_picture [FILE]``, with Chromium.

The sample feeds of `digest demo` are really read, ranked and published on their second day; the month before it, and
the send that is under way, are written into the ledger as a month of sends leaves them. Nobody is mailed.
"""

from __future__ import annotations

import io
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from sqlalchemy import insert, select, update

from digest.app import App, build
from digest.cli.demo import DAYS, SAMPLES
from digest.config import from_table
from digest.model.mail import ReportKind
from digest.storage import bounces, sources
from digest.storage.base import Tx
from digest.storage.deliveries import deliveries
from digest.storage.people import subscribers, subscriptions
from digest.storage.rounds import rounds
from digest.web.application import application
from digest.web.figures import Job, Pulse
from digest.web.server import WebServer
from tests.acceptance.browser import Browser, chromium

READERS = 1_480
WIDTH, HEIGHT, MOST_BYTES = 1_200, 1_500, 150_000
_DAY = timedelta(days=1)
_NOW = DAYS[1] + timedelta(minutes=34)
_FEEDS = (
    ("hf-daily", "huggingface", "feeds/hf-daily.json"),
    ("arxiv", "arxiv", "feeds/arxiv.atom"),
    ("laboratory-notes", "feed", "feeds/blog.rss"),
    ("old-mirror", "feed", "feeds/gone.rss"),
)


@contextmanager
def desk(url: str = "") -> Iterator[tuple[App, str]]:
    """(an installation with a month behind it, the link that logs its operator in), served on a free port."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(SAMPLES / "day-1", folder / "feeds")
        now = [DAYS[0]]
        app = build(from_table(_table(url or f"sqlite:///{folder}/digest.db", 9), folder=folder), clock=lambda: now[0])
        live(app, folder, now)
        pulse = Pulse(
            started_at=_NOW - 6 * _DAY,
            jobs=tuple(Job(name=job, ended_at=_NOW - timedelta(seconds=20)) for job in ("look", "send", "tidy", "ask")),
        )
        held = [app]
        server = WebServer(application(lambda: held[0], lambda: pulse), "127.0.0.1:0", option="picture")
        config = from_table(
            _table(app.store.engine.url.render_as_string(hide_password=False), server.port), folder=folder
        )
        held[0] = build(config, clock=lambda: now[0])
        try:
            yield held[0], held[0].operators.new_link("ada")
        finally:
            server.close()
            held[0].close()
            app.close()


def live(app: App, folder: Path, now: list[datetime]) -> None:
    """A month, the last two days of it by the real road."""
    rng = random.Random(7)
    now[0] = _NOW - 40 * _DAY
    app.sources.known()
    with app.store.transaction() as tx:
        _readers(tx, rng)
    now[0] = DAYS[0]
    app.ingest.run(everything=True)
    app.publish.run(DAYS[0] + timedelta(minutes=30))
    shutil.copytree(SAMPLES / "day-2", folder / "feeds", dirs_exist_ok=True)
    now[0] = DAYS[1]
    app.ingest.run(everything=True)
    now[0] = DAYS[1] + timedelta(minutes=31)
    app.publish.run(now[0])
    with app.store.transaction() as tx:
        _rounds(tx, rng)
        _mails(tx, rng)
        _reports(tx)
    now[0] = _NOW


def _table(url: str, port: int) -> dict[str, object]:
    shared = {"send_at": "07:00", "timezone": "UTC", "max_items": 25}
    return {
        "database": {"url": url},
        "mail": {"from": "Digest <digest@example.org>"},
        "smtp": {"transport": "folder", "path": "out"},
        "web": {"enabled": False, "public_url": f"http://127.0.0.1:{port}"},
        "fetch": {"arxiv_api": ""},
        "operator": [{"name": "ada"}],
        "source": [{"id": name, "kind": kind, "url": url} for name, kind, url in _FEEDS],
        "digest": [
            {"name": "papers", "title": "Trending papers", **shared},
            {"name": "proofs", "title": "Proofs and programs", "keywords": ["proof"], "days": ["tue", "fri"], **shared},
        ],
    }


def _readers(tx: Tx, rng: random.Random) -> None:
    first = _NOW - 90 * _DAY
    begun = sorted(first + 90 * _DAY * rng.random() ** 0.5 for _ in range(READERS))
    people = [
        {"id": number, "address": f"reader{number}@example.org", "created_at": at, "joined": False}
        for number, at in enumerate(begun, 1)
    ]
    tx.execute(insert(subscribers), people)
    tx.execute(
        insert(subscriptions),
        [
            {
                "subscriber_id": one["id"],
                "digest": "proofs" if number % 5 == 0 else "papers",
                "state": "unsubscribed" if (gone := rng.random() < 0.06) else "confirmed",
                "secret": f"secret{number}",
                "created_at": one["created_at"],
                "confirmed_at": one["created_at"],
                "left_at": min(_NOW, begun[number] + 20 * _DAY * rng.random()) if gone else None,
                **dict.fromkeys(("language", "timezone", "send_at", "last_slot_date"), ""),
                "days": [],
                "preferences": {},
            }
            for number, one in enumerate(people)
        ],
    )


def _rounds(tx: Tx, rng: random.Random) -> None:
    made: list[dict[str, object]] = []
    for hours in range(1, 29 * 24):
        at = DAYS[0] - timedelta(hours=hours)
        for name, most in (("hf-daily", 34), ("arxiv", 70), ("laboratory-notes", 3)):
            comes = at.hour == (1 if name == "arxiv" else 5) and (name != "arxiv" or at.weekday() < 5)
            new = rng.randint(most // 2, most) if comes else 0
            made.append(_round(name, at, "ok" if new else "unchanged", new, rng.uniform(0.3, 2.5)))
    tx.execute(insert(rounds), made)
    tx.execute(
        update(sources.sources)
        .where(sources.sources.c.id == "old-mirror")
        .values(failures=14, http_status=503, detail="The server answers 503. It is asked again in 6 hours.")
    )


def _round(name: str, at: datetime, state: str, new: int, seconds: float) -> dict[str, object]:
    numbers = {"documents": 1, "new": new, "revised": 0, "unchanged": 20, "fresh": new, "problems": 0}
    told = {"source_id": name, "at": at, "state": state, "seconds": seconds, "detail": "", "http_status": 200}
    return {**told, **numbers}


def _mails(tx: Tx, rng: random.Random) -> None:
    """Of the days before, rows like those of today; the send of today is under way."""
    d = deliveries.c
    today = [dict(row) for row in tx.execute(select(deliveries).where(d.local_date == DAYS[1].date())).mappings()]
    tx.execute(deliveries.delete())
    for before in range(29, 0, -1):
        day = DAYS[1] - before * _DAY
        rows = [dict(row) for row in today if row["digest"] == "papers" and rng.random() > before / 90]
        for place, row in enumerate(rows):
            at = day + timedelta(minutes=31, seconds=place * rng.uniform(0.05, 0.4))
            row |= {"local_date": day.date(), "created_at": day + timedelta(minutes=30)}
            row |= _settled(_outcome(rng, 1), at)
            del row["id"]
        tx.execute(insert(deliveries), rows)
    for place, row in enumerate(today):
        share = place / len(today)
        del row["id"]
        if share < 0.64:
            row |= _settled(_outcome(rng, 6), DAYS[1] + timedelta(minutes=31, seconds=share * 260))
        elif share < 0.65:
            row |= {"state": "deferred", "attempts": 1, **_BUSY}
    tx.execute(insert(deliveries), today)


_BUSY = {"code": 451, "enhanced": "4.3.2", "reason": "", "remote": "Greylisted, please come back in 5 minutes"}


def _outcome(rng: random.Random, doubt: int) -> str:
    chance = rng.random() * 1_000
    if chance < doubt * 0.5:
        return "uncertain"
    return "rejected" if chance < 12 else "suppressed" if chance < 18 else "accepted"


def _settled(outcome: str, at: datetime) -> dict[str, object]:
    said = {
        "rejected": {"code": 550, "enhanced": "5.1.1", "remote": "No such user here"},
        "uncertain": {"reason": "the connection was lost after the final dot"},
    }
    empty = {"code": None, "enhanced": "", "remote": "", "reason": ""}
    when = {"settled_at": at, "tried_at": at, "attempts": 1, "lease": ""}
    return {**empty, "state": outcome, **when, **said.get(outcome, {})}


def _reports(tx: Tx) -> None:
    d = deliveries.c
    rows = tx.execute(select(d.id, d.address_key).where(d.state == "accepted").order_by(d.id.desc()).limit(300)).all()
    for place, row in enumerate(rows[::60]):
        kind = (ReportKind.HARD, ReportKind.SOFT)[place % 2]
        status, detail = (("5.1.1", "mailbox does not exist"), ("4.2.2", "mailbox is full"))[place % 2]
        at = _NOW - timedelta(hours=7 * place + 1)
        bounces.note(tx, row.id, kind, address_key=row.address_key, status=status, detail=detail, counts=True, now=at)


def main() -> None:
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/desk.png")
    with desk() as (_, link), chromium() as browser:
        browser.size(WIDTH, HEIGHT)
        enter(browser, link)
        for _ in range(50):  # the plot is drawn behind the first look
            browser.open(link.partition("/desk/")[0] + "/desk")
            browser.wait("document.readyState === 'complete' && !!document.querySelector('#jobs')")
            if browser.ask("!!document.querySelector('svg.plot')"):
                break
            time.sleep(0.2)
        with tempfile.TemporaryDirectory() as name:
            shot = Path(name) / "shot.png"
            browser.photograph(shot)
            small(shot, file)


def enter(browser: Browser, link: str) -> None:
    """Logs in."""
    browser.open(link)
    browser.wait("!!document.querySelector('form button')")
    browser.ask("document.querySelector('form button').click()")
    browser.wait("!!document.querySelector('nav a')")


def small(shot: Path, file: Path) -> None:
    """The picture in as many colours as its size allows: a page has few."""
    picture = Image.open(shot).convert("RGB")
    for colours in (256, 128, 64, 32):
        made = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(made, "png", optimize=True)
        if made.tell() <= MOST_BYTES:
            break
    file.write_bytes(made.getvalue())


if __name__ == "__main__":
    main()
