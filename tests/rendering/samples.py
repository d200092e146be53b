"""Editions, digests and senders for the rendering tests, made up here."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from digest.model.editions import (
    AuthorCard,
    Counts,
    Digest,
    Edition,
    EditionId,
    Item,
    Part,
    Remark,
    Schedule,
    Section,
    Slot,
)
from digest.model.feeds import EntryId, WorkId
from digest.model.mail import Sender, Stamp
from digest.model.people import Profile

SENDER = Sender(
    from_name="Papers at Wren Hall",
    from_address="papers@wren.example",
    reply_to="desk@wren.example",
    postal_address="Wren Hall, 4 Mill Lane, Ambleford",
    unsubscribe_address="leave@wren.example",
    public_url="https://wren.example",
)
DIGEST = Digest(
    name="morning",
    title="The Morning Papers",
    list_id="morning.wren.example",
    schedule=Schedule(send_at=time(8), timezone="Europe/Zurich", days=(0, 1, 2, 3, 4)),
)
SLOT = Slot(digest="morning", local_date=date(2026, 11, 20), at=datetime(2026, 11, 20, 7, tzinfo=UTC))
VALUES = {
    Stamp.TO: "reader@inbox.example",
    Stamp.MESSAGE_ID: "0123456789abcdef0123456789abcdef",
    Stamp.UNSUBSCRIBE: "uuuuuuuuuuuuuuuuuuuuuu",
    Stamp.PREFERENCES: "pppppppppppppppppppppp",
    Stamp.TASTE: "t" * 38,
    Stamp.CONFIRM: "cccccccccccccccccccccc",
}
ABSTRACT = (
    "Tides leave salt on every window of the reading room. We measure 0.4 grams a night, e.g. after storms, following "
    "Brandt et al. and their pails. A soft brush removes most of it! Whoever reads through the rest reads slower."
)


def item(position: int = 1, **changes: object) -> Item:
    """A paper with every field, or with ``changes``."""
    fields: dict[str, object] = {
        "position": position,
        "entry_id": EntryId(position),
        "work": WorkId(f"arxiv:2611.{position:05d}"),
        "title": f"Salt on the Windows, Part {position}: A Study of Reading Rooms by the Sea",
        "url": f"https://arxiv.org/abs/2611.{position:05d}",
        "abstract": ABSTRACT,
        "authors": ("Mira Halden", "Tomás Vega", "Wen Li", "Oda Berg"),
        "institutions": ("Wren Hall", "Ambleford College"),
        "categories": ("cs.CL",),
        "category": "cs.CL",
        "published_at": datetime(2026, 11, 19, 17, tzinfo=UTC),
        "score": max(1, 95 - position),
        "parts": (
            Part(
                key="trend", points=max(1, 95 - position) - 1, figures={"votes": 128, "hours": 21.2, "expected": 190.3}
            ),
            Part(key="novelty", points=1, figures={"share": 0.83, "neighbour": "Salt on the Doors"}),
        ),
        "upvotes": 128,
        "comments": 31,
        "comment": "12 pages, 3 windows",
        "code_url": "https://code.example/salt",
        "stars": 1912,
        "arxiv_id": f"2611.{position:05d}",
        "version": 2,
        "also": ("doi:10.5555/salt", "https://papers.example/salt"),
        "seen_in": ("Hugging Face", "arXiv cs.CL"),
    }
    return Item(**{**fields, **changes})  # type: ignore[arg-type]


def edition(*items: Item, layout: str = "full", **changes: object) -> Edition:
    """An edition of ``items``, a section a category."""
    categories = list(dict.fromkeys(one.category for one in items))
    sections = tuple(
        Section(
            category=category,
            title={"cs.CL": "Computation and Language", "cs.CV": "Computer Vision"}.get(category, category),
            items=tuple(one for one in items if one.category == category),
            new=83,
        )
        for category in categories
    )
    fields: dict[str, object] = {
        "id": EditionId(1),
        "slot": SLOT,
        "profile": Profile(layout=layout),
        "history_key": "h",
        "composed_at": SLOT.at,
        "sections": sections,
        "counts": Counts(candidates=214, printed=len(items)),
    }
    return Edition(**{**fields, **changes})  # type: ignore[arg-type]


def said(*texts: str) -> tuple[Remark, ...]:
    """Finished sentences as an edition's ``reason`` or ``notes``."""
    return tuple(Remark(key="said", figures={"text": text}) for text in texts)


def silence() -> tuple[Remark, ...]:
    """Why three sources brought nothing, one of each kind of silence."""
    return (
        Remark(key="source", figures={"source": "arXiv cs.CL", "state": "holiday", "kind": "arxiv"}),
        Remark(key="source", figures={"source": "Hugging Face", "state": "unchanged", "kind": "huggingface"}),
        Remark(key="source", figures={"source": "Wren Hall Letters", "state": "broken", "kind": "feed"}),
    )


def card(**changes: object) -> AuthorCard:
    """Somebody whose papers a digest follows, with every field, or with ``changes``."""
    fields: dict[str, object] = {
        "name": "Mira Halden",
        "url": "https://people.example/mira-halden",
        "institutions": ("Wren Hall",),
        "category": "cs.CL",
        "h_index": 24,
        "papers": 105,
        "citations": 56683,
        "novelty": 46,
        "ai_score": 56,
    }
    return AuthorCard(**{**fields, **changes})  # type: ignore[arg-type]
