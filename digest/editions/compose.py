"""Ranked entries become an edition:

snapshots in sections, counts, and a name for the history they were chosen against.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime

from digest.model.editions import AuthorCard, Counts, Edition, EditionId, Item, Ranked, Remark, Section, Selection, Slot
from digest.model.feeds import EntryId, SourceId
from digest.model.people import Profile


def history_key(window_start: datetime, sent: Iterable[EntryId]) -> str:
    """Hash of where the window starts and which works of it were sent: readers with equal ones share an edition."""
    text = window_start.isoformat() + "\n" + ",".join(str(i) for i in sorted(sent))
    return hashlib.sha256(text.encode()).hexdigest()


def compose(
    *,
    slot: Slot,
    profile: Profile,
    history: str,
    composed_at: datetime,
    selection: Selection,
    already_sent: int,
    title_of: Callable[[str], str],
    source_titles: Callable[[SourceId], str],
    reason: tuple[Remark, ...] = (),
    notes: tuple[Remark, ...] = (),
    cards: tuple[AuthorCard, ...] = (),
    public: bool = False,
) -> Edition:
    """The edition of a slot; ``selection`` says which papers are printed, and where, and how many there were."""
    sections: list[Section] = []
    position = 0
    for category, chosen in selection.sections:
        items: list[Item] = []
        for one in chosen:
            position += 1
            items.append(_item(one, position, category, source_titles))
        if items:
            new = max(selection.candidates.get(category.casefold(), 0), len(items))
            sections.append(Section(category=category, title=title_of(category), items=tuple(items), new=new))
    counts = Counts(
        candidates=sum(selection.candidates.values()) + len(selection.muted),
        already_sent=already_sent,
        muted=len(selection.muted),
        printed=position,
    )
    return Edition(
        id=EditionId(0),
        slot=slot,
        profile=profile,
        history_key=history,
        composed_at=composed_at,
        sections=tuple(sections),
        counts=counts,
        reason=reason,
        notes=notes,
        cards=cards,
        public=public,
    )


def _item(one: Ranked, position: int, category: str, source_titles: Callable[[SourceId], str]) -> Item:
    entry = one.entry
    arxiv = entry.arxiv_id
    return Item(
        position=position,
        entry_id=entry.id,
        work=entry.work,
        title=entry.title,
        url=entry.url
        or (f"https://arxiv.org/abs/{arxiv}" if arxiv else f"https://doi.org/{entry.doi}" if entry.doi else ""),
        abstract=entry.abstract,
        authors=entry.authors,
        institutions=entry.institutions,
        categories=entry.categories,
        category=category,
        published_at=entry.published_at or entry.submitted_at,
        score=one.score,
        parts=one.parts,
        probability=one.probability,
        upvotes=entry.upvotes,
        comments=entry.comments,
        comment=entry.comment,
        code_url=entry.code_url,
        stars=entry.stars,
        pdf_url=entry.pdf_url or (f"https://arxiv.org/pdf/{arxiv}" if arxiv else ""),
        project_url=entry.project_url,
        arxiv_id=arxiv,
        version=entry.version,
        doi=entry.doi,
        language=entry.language,
        also=tuple(alias for alias in entry.aliases if alias != entry.work),
        seen_in=tuple(
            dict.fromkeys(
                source_titles(seen.source_id)
                for seen in sorted(entry.sightings, key=lambda seen: seen.url != entry.url)
            )
        ),
    )
