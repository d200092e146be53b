"""Sixty days of real daily papers as the documents a daemon would fetch: what each source said on each day.

Reads the shared archive (never copied here). A day's Hugging Face document holds the last three days, so most papers
come thrice; some come again with an id version, some only by DOI in a second feed; late additions come when they
came; arXiv's own listing is a second source where it exists. Votes are those that were seen by then.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

FIRST = date(2025, 5, 1)
DAYS = 60
FETCH_AT = time(10, 30)
SEND_AT = "11:00"
POOL_MOST = 60

Row = Mapping[str, Any]


def shared() -> Path:
    """The shared folder; says so when it is absent."""
    folder = Path(os.environ.get("DIGEST_SHARED", "../shared"))
    assert (folder / "data" / "archive").is_dir(), f"{folder}/data/archive is absent: set DIGEST_SHARED"
    return folder


def _rows(name: str) -> Iterator[Row]:
    with gzip.open(shared() / "data" / "archive" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


@dataclass(slots=True)
class Archive:
    """The rows of sixty days, by day."""

    daily: dict[date, list[Row]] = field(default_factory=lambda: defaultdict(list))
    late: dict[date, list[Row]] = field(default_factory=lambda: defaultdict(list))
    pool: dict[date, list[Row]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls) -> Archive:
        archive = cls()
        last = FIRST + timedelta(days=DAYS)
        for row in _rows("hf_daily_dev"):
            day = date.fromisoformat(row["date"])
            if FIRST - timedelta(days=2) <= day < last:
                archive.daily[day].append(row)
        for row in _rows("hf_late_dev"):
            day = datetime.fromisoformat(row["first_seen_at"]).date()
            if FIRST <= day < last:
                archive.late[day].append(row)
        for row in _rows("arxiv_pool_dev"):
            day = date.fromisoformat(row["date"])
            if FIRST <= day < last and len(archive.pool[day]) < POOL_MOST:
                archive.pool[day].append(row)
        return archive

    def write(self, day: date, folder: Path) -> None:
        """The three documents of a day, in place of yesterday's."""
        at = datetime.combine(day, FETCH_AT, UTC)
        papers, mirrored = self._huggingface(day, at)
        (folder / "hf.json").write_text(json.dumps(papers), "utf-8")
        (folder / "mirror.json").write_text(json.dumps(mirrored), "utf-8")
        (folder / "arxiv.xml").write_text(_atom(self.pool.get(day, ()), at), "utf-8")

    def ids_until(self, day: date) -> frozenset[str]:
        """Every paper that some document named up to a day."""
        found: set[str] = set()
        for back in range((day - FIRST).days + 1):
            on = FIRST + timedelta(days=back)
            for when in (on, on - timedelta(days=1), on - timedelta(days=2)):
                found |= {row["id"] for row in self.daily.get(when, ())}
            found |= {row["id"] for row in (*self.late.get(on, ()), *self.pool.get(on, ()))}
        return frozenset(found)

    def _huggingface(self, day: date, at: datetime) -> tuple[list[object], object]:
        papers: list[object] = []
        mirrored: list[object] = []
        for back in range(3):
            on = day - timedelta(days=back)
            rows = [(row, row["submitted_at"]) for row in self.daily.get(on, ())]
            rows += [(row, row["first_seen_at"]) for row in self.late.get(on, ()) if _seen(row) <= at]
            for number, (row, submitted) in enumerate(rows):
                if back == 1 and number % 7 == 3:
                    # Yesterday's paper only by DOI, in another feed.
                    mirrored.append(_mirror_item(row))
                else:
                    version = "v2" if back == 2 and number % 5 == 1 else ""
                    papers.append(_paper(row, submitted, version, _votes(row, at)))
        return papers, {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "A mirror",
            "home_page_url": "https://mirror.example.org/",
            "items": mirrored,
        }


def _seen(row: Row) -> datetime:
    return datetime.fromisoformat(row["first_seen_at"])


def _votes(row: Row, at: datetime) -> int:
    later = [o for o in row["upvotes_later"] or () if datetime.fromisoformat(o["at"]) <= at]
    return max(later, key=lambda o: o["at"])["upvotes"] if later else row["upvotes"]


def _paper(row: Row, submitted: str, version: str, upvotes: int) -> object:
    published = row.get("published_at") or submitted
    return {
        "paper": {
            "id": row["id"] + version,
            "title": row["title"],
            "summary": row["abstract"],
            "authors": [{"name": name, "hidden": False} for name in row["authors"]],
            "publishedAt": published,
            "submittedOnDailyAt": submitted,
            "upvotes": upvotes,
            "githubRepo": row.get("code_url"),
            "githubStars": row.get("stars"),
        },
        "publishedAt": published,
        "title": row["title"],
        "summary": row["abstract"],
        "numComments": row.get("comments"),
        "organization": {"name": row["organization"]} if isinstance(row.get("organization"), str) else None,
    }


def _mirror_item(row: Row) -> object:
    return {
        "id": f"mirror-{row['id']}",
        "url": f"https://doi.org/10.48550/arXiv.{row['id']}",
        "title": row["title"],
        "content_text": row["abstract"],
        "authors": [{"name": name} for name in row["authors"]],
    }


def _atom(rows: Sequence[Row], at: datetime) -> str:
    entries = "".join(
        f"""<entry><id>oai:arXiv.org:{row["id"]}v1</id><title>{escape(row["title"])}</title>
<link href="https://arxiv.org/abs/{row["id"]}" rel="alternate" type="text/html"/>
<summary>arXiv:{row["id"]}v1 Announce Type: new
Abstract: {escape(row["abstract"])}</summary>
{"".join(f'<category term="{escape(c)}"/>' for c in row["categories"])}
<published>{at.date()}T00:00:00-04:00</published><updated>{at.isoformat()}</updated>
<arxiv:announce_type>new</arxiv:announce_type>
<dc:creator>{escape(", ".join(row["authors"]))}</dc:creator></entry>"""
        for row in rows
    )
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns="http://www.w3.org/2005/Atom" xml:lang="en-us"><id>http://rss.arxiv.org/atom/cs</id>
<title>cs updates on arXiv.org</title><updated>{at.isoformat()}</updated>{entries}</feed>"""


CONFIG = """
[database]
url = "{database}"
[mail]
from = "Digest <digest@example.org>"
[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
connections = 3
[web]
enabled = false
[fetch]
arxiv_api = ""
[[source]]
id = "hf"
kind = "huggingface"
url = "hf.json"
[[source]]
id = "mirror"
kind = "feed"
url = "mirror.json"
[[source]]
id = "arxiv"
kind = "arxiv"
url = "arxiv.xml"
[[digest]]
name = "papers"
title = "The Morning Papers"
send_at = "{send_at}"
max_items = 150
layout = "titles"
"""

#: address -> preferences: five readers of three profiles.
READERS: Mapping[str, Mapping[str, object]] = {
    "all-1@example.org": {},
    "all-2@example.org": {},
    "vision-1@example.org": {"categories": {"cs.CV": 2, "cs.CL": 1}},
    "vision-2@example.org": {"categories": {"cs.CV": 2, "cs.CL": 1}},
    "picky@example.org": {"keywords": ["reasoning", "agents"], "max_items": 5, "min_score": 20},
}


def instants(day: date) -> tuple[datetime, datetime]:
    """When the day's documents are fetched, and when its edition goes out."""
    return datetime.combine(day, FETCH_AT, UTC), datetime.combine(day, time.fromisoformat(SEND_AT), UTC)
