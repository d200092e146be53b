"""The whole road in one folder: sample feeds -> SQLite -> ranking -> mail -> real SMTP to a server inside this process.

Takes a folder and what to do on each day; gives the mails as they arrived. The feeds of two invented days are in
digest/samples; the clock is ours, so that the second day comes at once. With real feeds there is one day, today.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digest.model.errors import DigestError

if TYPE_CHECKING:
    from digest.app import App
    from digest.services.fetching.ingest import FetchedSource

SAMPLES = Path(__file__).parent.parent / "samples"
READER = "reader@example.org"
#: Half an hour before each day's slot the sources are read.
DAYS = (datetime(2026, 3, 3, 6, 30, tzinfo=UTC), datetime(2026, 3, 4, 6, 30, tzinfo=UTC))
WISHES: Mapping[str, object] = {"keywords": ["reasoning", "proof"], "authors": ["Ayumi Serizawa"]}
#: Nothing listens there; with it the mails show every link and header that a real installation's have.
SHOWN: Mapping[str, object] = {"enabled": False, "public_url": "https://digest.example.org"}
_SLOT = timedelta(minutes=30)

_CONFIG = """
[mail]
from = "Digest <digest@example.org>"
[fetch]
arxiv_api = ""
[[source]]
id = "hf-daily"
kind = "huggingface"
url = "feeds/hf-daily.json"
[[source]]
id = "arxiv"
kind = "arxiv"
url = "feeds/arxiv.atom"
[[source]]
id = "laboratory-notes"
kind = "feed"
url = "feeds/blog.rss"
[[digest]]
name = "papers"
title = "Trending papers"
send_at = "07:00"
max_items = 25
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoMail:
    """One mail as it arrived, where its parts were written, and which papers it holds."""

    day: str
    subject: str
    printed: int
    works: tuple[str, ...]
    html: str
    text: str
    eml: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Demo:
    """What the demo did. ``repeated`` are works that came twice: there must be none."""

    folder: str
    fetched: tuple[FetchedSource, ...]
    """The last day's rows."""
    mails: tuple[DemoMail, ...]
    repeated: tuple[str, ...]


def two_days(folder: Path) -> Demo:
    """The samples' two days. Raises DigestError when anything on the road fails."""
    feeds = folder / "feeds"
    now = [DAYS[0]]
    with _Road(folder, tomllib.loads(_CONFIG), now) as road:
        for number, morning in enumerate(DAYS, 1):
            shutil.copytree(SAMPLES / f"day-{number}", feeds, dirs_exist_ok=True)
            road.day(morning, morning + _SLOT)
        return road.done()


def today(folder: Path) -> Demo:
    """The real feeds of config.example.toml, once."""
    from digest.config.printing import example

    at = datetime.now(UTC)
    table = tomllib.loads(example())
    table["digest"][0]["send_at"] = at.strftime("%H:%M")
    now = [at]
    with _Road(folder, table, now) as road:
        road.day(at, at)
        return road.done()


class _Road:
    """The services of one folder beside a mail server that keeps what it gets."""

    def __init__(self, folder: Path, table: dict[str, Any], now: list[datetime]) -> None:
        self.folder, self.table, self.now = folder, table, now
        self.fetched: tuple[FetchedSource, ...] = ()
        self.mails: list[DemoMail] = []

    def __enter__(self) -> _Road:
        from digest.app import build
        from digest.app.sending import catch_all
        from digest.config import from_table

        self.folder.mkdir(parents=True, exist_ok=True)
        self.server = catch_all()
        smtp = {"host": self.server.host, "port": self.server.port, "security": "none"}
        config = from_table({**self.table, "smtp": [smtp], "web": SHOWN}, folder=self.folder)
        self.app: App = build(config, clock=lambda: self.now[0])
        return self

    def __exit__(self, *_: object) -> None:
        self.app.close()
        self.server.close()

    def day(self, morning: datetime, slot_at: datetime) -> None:
        """Fetch, then publish and deliver; writes down what arrived."""
        from digest.services.readers.subscribe import Choices

        self.now[0] = morning
        self.fetched = self.app.ingest.run(everything=True)
        digest = self.app.config.digest(None)
        self.app.subscribe.add(READER, digest.name, choices=Choices(preferences=WISHES))
        self.now[0] = slot_at
        published = self.app.publish.run(slot_at, insist=True)
        before = self.server.count
        sent = self.app.deliver.run()
        if sent.problem is not None:
            raise sent.problem
        if self.server.count == before:
            reason = next((slot.reason for slot in published.slots), "Nothing was due.")
            told = " ".join(f"{row.id} is {row.state.value}: {row.detail}" for row in self.fetched)
            raise DigestError(f"no mail came. {reason} {told}", where="digest demo", try_="check the network")
        self._keep(self.server.messages[-1].content)

    def _keep(self, mail: bytes) -> None:
        from digest.services.publishing.documents import proof

        at = self.now[0]
        shown = self.app.preview.run(self.app.config.digest(None), address=READER, at=at.isoformat())
        number = len(self.mails) + 1
        paths = {ending: self.folder / f"mail-{number}.{ending}" for ending in ("html", "txt", "eml")}
        parts = proof(mail)
        paths["html"].write_text(parts.html, encoding="utf-8")
        paths["txt"].write_text(parts.text, encoding="utf-8")
        paths["eml"].write_bytes(parts.eml)
        items = shown.edition.items if shown.edition else ()
        self.mails.append(
            DemoMail(
                day=at.date().isoformat(),
                subject=shown.message.subject if shown.message else "",
                printed=len(items),
                works=tuple(item.work for item in items),
                html=str(paths["html"]),
                text=str(paths["txt"]),
                eml=str(paths["eml"]),
            )
        )

    def done(self) -> Demo:
        works = [work for mail in self.mails for work in mail.works]
        repeated = tuple(sorted({work for work in works if works.count(work) > 1}))
        return Demo(folder=str(self.folder), fetched=self.fetched, mails=tuple(self.mails), repeated=repeated)
