"""Which works of a new day are held already: ``python benchmarks/identity.py [--held 300000] [--day 1500]``.

A store of invented papers on SQLite and on PostgreSQL, then a day of others: a tenth of them are held ones in other
clothes (no id, one letter of the title wrong, a sentence of the abstract gone). Prints how long finding and telling
them apart takes, how long it takes to write them, and whether each was told right; then the same question asked of a
file (`digest rank`).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import numpy as np
from prepared import postgresql

from digest.entries.diff import diff
from digest.entries.identity import title_key
from digest.entries.near import text_of
from digest.model.feeds import ChangeKind, EntryData, Source, SourceId
from digest.ranking.observations import Line, observation, works
from digest.services.fetching.keeping import keep, known
from digest.services.learning.rank_file import IDENTITY
from digest.storage import migrate
from digest.storage.base import batched
from digest.storage.engine import Store, open_store
from digest.storage.entries import aliases, entries, sightings

NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)
SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "on")]
#: Words of a language that nobody speaks, the common ones first, drawn as often as words are (Zipf).
WORDS = tuple("".join(random.Random(n).choices(SYLLABLES, k=2 + n % 3)) for n in range(30_000))
OFTEN = [1 / (n + 3) for n in range(len(WORDS))]
CUMULATED = list(accumulate(OFTEN))


def paper(number: int) -> EntryData:
    drawn = random.Random(number)
    said = drawn.choices(WORDS, cum_weights=CUMULATED, k=170)
    cut = [said[n : n + 20] for n in range(10, 170, 20)]
    return EntryData(
        key=f"https://papers.example.org/{number}",
        url=f"https://papers.example.org/{number}",
        title=" ".join(said[:10]).capitalize(),
        abstract=" ".join(" ".join(one).capitalize() + "." for one in cut),
        authors=tuple(f"{drawn.choice(WORDS).title()} {drawn.choice(WORDS).title()}" for _ in range(4)),
        categories=("cs.CL",),
        published_at=NOW - timedelta(days=number % 900),
    )


def in_other_clothes(data: EntryData) -> EntryData:
    """The same paper elsewhere: another link, a slip in the title, a sentence less."""
    longest = max(data.title.split(), key=len)
    link = data.url.replace("papers.", "mirror.")
    return replace(
        data,
        key=link,
        url=link,
        title=data.title.replace(longest, longest[:-2] + longest[-1], 1),
        abstract=data.abstract.partition(". ")[2],
    )


def day(held: int, size: int) -> Iterator[EntryData]:
    for number in range(size):
        other = in_other_clothes(paper(number * 97 % held))
        yield paper(held + number) if number % 10 else other


def fill(store: Store, held: int) -> None:
    """Writes the held papers as ingesting would, a table at a time."""
    bands: list[np.ndarray] = []
    empty = {"comment": "", "code_url": "", "pdf_url": "", "project_url": "", "language": ""}
    for some in batched(range(held), 5_000):
        rows, names, seen = [], [], []
        for number in some:
            data = paper(number)
            at, row = data.published_at, number + 1
            own = {name: list(getattr(data, name)) for name in ("authors", "author_ids", "institutions", "categories")}
            texts = {"title": data.title, "title_key": title_key(data.title), "abstract": data.abstract}
            base = {"id": row, "work": f"work:{number}", "url": data.url, "withdrawn": False, "stored_at": at}
            rows.append(base | texts | own | empty | {"first_seen_at": at, "published_at": at})
            names.append({"alias": f"url:{data.url}", "entry_id": row})
            seen.append({"entry_id": row, "source_id": "a", "key": data.key, "url": data.url, "first_seen_at": at})
            own_bands = text_of(data).bands
            bands.append(np.array([own_bands, [row] * len(own_bands)]))
        with store.transaction() as tx:
            for table, given in ((entries, rows), (aliases, names), (sightings, seen)):
                tx.execute(table.insert(), given)
    both = np.concatenate(bands, axis=1)
    ordered = both[:, np.lexsort((both[1], both[0]))].T
    with store.transaction() as tx:
        if tx.dialect.name == "sqlite":
            for some in batched(ordered, 50_000):
                given = [(int(band), int(row)) for band, row in some]
                tx.exec_driver_sql("INSERT INTO fingerprints (band, entry_id) VALUES (?, ?)", given)
        else:
            cursor = tx.connection.cursor()
            with cursor.copy("COPY fingerprints (band, entry_id) FROM STDIN") as copy:
                for band, row in ordered:
                    copy.write_row((int(band), int(row)))
            tx.exec_driver_sql("SELECT setval('entries_id_seq', (SELECT max(id) FROM entries))")
            tx.exec_driver_sql("ANALYZE")


def measure(store: Store, held: int, size: int) -> dict[str, object]:
    said = tuple(day(held, size))
    source = Source(id=SourceId("b"), kind="feed", url="https://mirror.example.org/feed")
    with store.transaction() as tx:
        started = time.perf_counter(), time.process_time()
        taken, found = known(tx, said, now=NOW)
        changes = diff(taken, found, source=source, now=NOW, backfill=False)
        told = time.perf_counter(), time.process_time()
        keep(tx, changes, now=NOW)
        written = time.perf_counter()
    new = sum(change.kind is ChangeKind.NEW for change in changes)
    return {
        "seconds": round(told[0] - started[0], 2),
        "processor_seconds": round(told[1] - started[1], 2),
        "writing_seconds": round(written - told[0], 2),
        "new": new,
        "new_expected": size - -(-size // 10),
    }


def of_a_file(lines: int, history: int) -> dict[str, object]:
    """Grouping a file's lines with those of its history; half of the lines have no arXiv id."""
    seen = []
    for number in range(lines + history):
        data = paper(number)
        says: dict[str, object] = {"id": f"line-{number}", "title": data.title, "abstract": data.abstract}
        url = f"https://arxiv.org/abs/2401.{number:05}" if number % 2 else data.url
        line = Line(number=number, says={**says, "authors": list(data.authors), "url": url})
        seen.append(observation(line, IDENTITY, name="F"))
    started = time.perf_counter(), time.process_time()
    groups = works(seen, IDENTITY)
    done = time.perf_counter(), time.process_time()
    return {
        "lines": lines + history,
        "works": len(groups),
        "seconds": round(done[0] - started[0], 2),
        "processor_seconds": round(done[1] - started[1], 2),
    }


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--held", type=int, default=300_000)
    given.add_argument("--day", type=int, default=1_500)
    given.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    options = given.parse_args()
    told: dict[str, object] = {"held": options.held, "day": options.day}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for kind in options.database or ("sqlite", "postgresql"):
            url = f"sqlite:///{folder / 'digest.db'}"
            if kind == "postgresql":
                url = stack.enter_context(postgresql()).create()
            store = open_store(url)
            migrate.ready(store)
            fill(store, options.held)
            told[kind] = measure(store, options.held, options.day)
            store.close()
    told["file"] = of_a_file(2_000, 10_000)
    told["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
