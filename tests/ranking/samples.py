"""Entries and instants the ranking tests are written with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from digest.model.feeds import Alias, Entry, EntryId, SourceId, VoteObservation, WorkId

NOW = datetime(2025, 6, 3, 9, tzinfo=UTC)

#: Twelve invented papers with words of their own, for histories and pools.
TITLES = (
    "Tidal Sediment Transport in Narrow Estuaries",
    "Reward Shaping for Warehouse Robots",
    "A Grammar of Whistled Languages",
    "Sparse Attention for Very Long Documents",
    "Diffusion Models of Cloud Formation",
    "Counting Bees with Acoustic Sensors",
    "Proof Search by Tree Policies",
    "Compressing Speech Encoders",
    "Maps of Forgotten Railways",
    "Synthetic Data for Small Language Models",
    "Bandits with Delayed Regret",
    "Photonic Chips for Matrix Products",
)


def paper(number: int, *, votes: int | None = None, hours: float = 10.0, **said) -> Entry:
    """Entry ``arxiv:2506.NUMBER``, put on the list ``hours`` before NOW; the rest as said."""
    observed = () if votes is None else (VoteObservation(source_id=SourceId("hf"), at=NOW, upvotes=votes),)
    work = f"arxiv:2506.{number:05}"
    defaults = {
        "title": TITLES[number % len(TITLES)],
        "url": f"https://arxiv.org/abs/2506.{number:05}",
        "authors": ("Ada Moreno", "Li Wei"),
        "categories": ("cs.CL",),
        "published_at": NOW - timedelta(hours=hours + 12),
        "submitted_at": NOW - timedelta(hours=hours),
        "first_seen_at": NOW - timedelta(hours=hours),
    }
    return Entry(
        id=EntryId(number), work=WorkId(work), aliases=(Alias(work),), title_key="", votes=observed, **(defaults | said)
    )
