"""Writes the shared archive in the form that `digest backtest --archive DIR` reads: `python benchmarks/archive.py DIR`.

Takes the folder that DIGEST_SHARED names (else ../shared) with `data/archive`: Hugging Face's daily pages, their later
vote counts, and arXiv's listings. Gives DIR/daily.jsonl.gz (source `hf`), DIR/late.jsonl.gz (papers that the morning's
page had not yet, source `hf-late`) and DIR/arxiv.jsonl.gz (source `arxiv`, without votes). To rank only what the
morning's pages and listings held: `digest backtest --archive DIR --source hf --source arxiv`.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

Line = dict[str, Any]
SHARED = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[1] / "../shared")) / "data" / "archive"
#: arXiv announces at 00:00 UTC or 01:00; a morning's fetch reads it some hours later.
LISTED_AT = "T03:00:00+00:00"
SAID = (
    "id", "title", "abstract", "authors", "categories", "upvotes", "comments", "comment", "code_url", "stars",
    "organization", "published_at", "submitted_at",
)  # fmt: skip


def rows(name: str) -> Iterator[Line]:
    with gzip.open(SHARED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def daily() -> Iterator[Line]:
    """A line a paper as the morning's page showed it, then one for each later count."""
    later: defaultdict[str, list[Line]] = defaultdict(list)
    for seen in rows("hf_upvote_observations"):
        later[seen["id"]].append(seen)
    for row in rows("hf_daily_dev"):
        yield {key: row[key] for key in SAID if key in row} | {"observed_at": row["snapshot_at"], "source": "hf"}
        yield from counts(row["id"], later[row["id"]], "hf")


def late() -> Iterator[Line]:
    for row in rows("hf_late_dev"):
        said = {key: row[key] for key in ("id", "title", "abstract", "authors", "upvotes")}
        dates = {
            "published_at": parsedate_to_datetime(row["published"]).isoformat(),
            "observed_at": row["first_seen_at"],
        }
        yield said | dates | {"source": "hf-late"}
        yield from counts(row["id"], row["upvotes_later"] or [], "hf-late")


def counts(paper: str, seen: Iterable[Line], source: str) -> Iterator[Line]:
    for one in seen:
        yield {"id": paper, "upvotes": one["upvotes"], "observed_at": one["at"], "source": source}


def listed() -> Iterator[Line]:
    for row in rows("arxiv_pool_dev"):
        said = {key: row[key] for key in ("id", "title", "abstract", "authors", "categories", "comment")}
        yield said | {"observed_at": row["date"] + LISTED_AT, "source": "arxiv"}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("daily", daily()), ("late", late()), ("arxiv", listed())):
        count = 0
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
        print(f"{folder / name}.jsonl.gz: {count} lines")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
