"""What the benchmarks share: made-up papers of usual size, a configuration, and a look at a process's memory."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path

from digest.app import App, build
from digest.config import load
from digest.entries.diff import Held, diff
from digest.entries.identity import title_key
from digest.model.feeds import EntryData, Source, SourceId
from digest.services.readers.subscribe import Choices
from digest.storage import entries, people, sources

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CATEGORIES = ("cs.CL", "cs.LG", "cs.CV", "cs.AI", "cs.RO", "stat.ML")
_SYLLABLES = ("ka", "lo", "mi", "ren", "tor", "vel", "sha", "du", "pri", "an", "ost", "eli", "gra", "fen", "wu", "zo")

CONFIG = """
[database]
url = "{database}"

[mail]
from = "Digest <digest@example.org>"

[smtp]
{smtp}

[delivery]
expire_after = "30d"

[web]
enabled = false
public_url = "https://digest.example.org"

[[source]]
id = "bench"
kind = "feed"
url = "https://bench.example/feed.xml"

[[digest]]
name = "papers"
send_at = "07:00"
categories = {{ "cs.CL" = 2, "cs.LG" = 1, "cs.CV" = 1 }}
keywords = ["karen tormi"]
max_items = {max_items}
"""
#: ``max_items`` that make a mail of about 20,000 and of about 60,000 bytes, from the papers below.
SMALL, LARGE = 3, 15


def papers(count: int, *, days: float, seed: int = 1) -> Iterator[EntryData]:
    """Papers with abstracts of about 1,300 characters, spread evenly over the days before NOW, the oldest first."""
    chance = random.Random(seed)
    vocabulary = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(12_000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))  # as words are spread (Zipf)

    def words(most: int) -> str:
        return " ".join(chance.choices(vocabulary, cum_weights=weights, k=most))

    for number in range(count):
        at = NOW - timedelta(days=days) * (count - number) / count
        people = tuple(words(2).title() for _ in range(chance.randint(1, 8)))
        yield EntryData(
            key=f"2611.{number:05d}",
            title=words(11).capitalize(),
            url=f"https://arxiv.org/abs/2611.{number:05d}",
            abstract=(words(170) + ".")[:1300],
            authors=people,
            categories=tuple(chance.sample(CATEGORIES, k=2)),
            published_at=at,
            arxiv_id=f"2611.{number:05d}",
            upvotes=int(chance.paretovariate(1.0)) if number % 3 == 0 else None,
        )


def configured(
    folder: Path,
    *,
    smtp: str = 'transport = "folder"\npath = "outbox"',
    database: str = "sqlite:///digest.db",
    max_items: int = 25,
    more: str = "",
) -> Path:
    """The configuration of an installation in a folder; ``more`` are further tables."""
    file = folder / "config.toml"
    file.write_text(CONFIG.format(smtp=smtp, database=database, max_items=max_items) + more, "utf-8")
    return file


def application(
    folder: Path,
    *,
    smtp: str = 'transport = "folder"\npath = "outbox"',
    database: str = "sqlite:///digest.db",
    max_items: int = 25,
    at: datetime = NOW,
) -> App:
    """An installation in a folder, its clock at an instant."""
    file = configured(folder, smtp=smtp, database=database, max_items=max_items)
    return build(load(file, {}), clock=lambda: at)


def fill(app: App, count: int, *, days: float) -> None:
    """Holds so many papers, each first seen at its own date."""
    source = Source(id=SourceId("bench"), kind="feed", url="https://bench.example/feed.xml")
    with app.store.transaction() as tx:
        sources.sync(tx, (source,))
        nothing = Held(by_alias={}, by_title={})
        found = list(papers(count, days=days))
        assert len({title_key(data.title) for data in found}) == count
        entries.apply(tx, diff(tuple(found), nothing, source=source, now=NOW, backfill=True), now=NOW)


def subscribe(app: App, count: int, preferences: Sequence[Mapping[str, object]] = ({},)) -> None:
    """Confirmed readers, who take these preferences in turn; {} keeps the digest's own."""
    for number in range(count):
        choices = Choices(preferences=preferences[number % len(preferences)] or None)
        app.subscribe.add(f"reader{number}@example.org", "papers", choices=choices)


def wishes(number: int) -> tuple[Mapping[str, object], ...]:
    """So many preferences, each another profile; none filters so much that its mail would be shorter."""
    return tuple({"keywords": [f"karen {n}"], "categories": {"cs.CL": 1 + n % 3, "cs.LG": 1}} for n in range(number))


def crowd(app: App, count: int, preferences: Sequence[Mapping[str, object]] = ({},)) -> None:
    """So many confirmed readers of a week ago, who take these preferences in turn, written in bulk."""
    since = NOW - timedelta(days=7)
    plain = {"digest": "papers", "state": "confirmed", "created_at": since, "confirmed_at": since}
    plain |= {"language": "", "timezone": "", "send_at": "", "days": [], "last_slot_date": ""}
    chance = random.Random(1)
    rest = iter(range(count))
    while numbers := tuple(islice(rest, 5_000)):
        who = [{"address": f"reader{n}@example.org", "created_at": since, "joined": False} for n in numbers]
        with app.store.transaction() as tx:
            ids = tx.execute(people.subscribers.insert().returning(people.subscribers.c.id), who).scalars().all()
            links = [
                plain
                | {"subscriber_id": one, "secret": f"{chance.getrandbits(88):022x}"}
                | {"preferences": preferences[n % len(preferences)]}
                for n, one in zip(numbers, ids, strict=True)
            ]
            tx.execute(people.subscriptions.insert(), links)
