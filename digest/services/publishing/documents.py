"""An edition in the contract's words, for `digest preview --json`, and a mail's parts for the door to write down."""

from __future__ import annotations

from dataclasses import dataclass

from digest.model.editions import Item
from digest.ranking.explain import why
from digest.rendering.ladder import LIMIT
from digest.rendering.message import parts
from digest.services.publishing.preview import Previewed

#: What the HTML part of a mail weighs at most, for doors that show it.
HTML_LIMIT = LIMIT


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What a reader's program shows of a mail, and the mail itself."""

    html: str
    text: str
    eml: bytes


def proof(mail: bytes) -> Proof:
    html, text = parts(mail)
    return Proof(html=html, text=text, eml=mail)


def document(shown: Previewed) -> dict[str, object]:
    """The contract's ``preview`` and the people's cards, without its files: only the door knows where they lie."""
    edition, message = shown.edition, shown.message
    return {
        "digest": shown.digest.name,
        "slot": shown.slot.key,
        "for": shown.address or None,
        "subject": message.subject if message else None,
        "preheader": message.preheader if message else None,
        "sections": [
            {"category": section.category, "title": section.title, "items": [_item(item) for item in section.items]}
            for section in (edition.sections if edition else ())
        ],
        "cards": edition.cards if edition else (),
        "counts": edition.counts if edition else {"candidates": 0, "already_sent": 0, "muted": 0, "printed": 0},
        "reason": shown.reason,
        "notes": shown.notes,
    }


def _item(item: Item) -> dict[str, object]:
    return {
        "id": item.work,
        "title": item.title,
        "url": item.url,
        "authors": item.authors,
        "institutions": item.institutions,
        "categories": item.categories,
        "published_at": item.published_at,
        "score": item.score,
        "parts": [{"key": part.key, "points": part.points, "why": why(part)} for part in item.parts],
        "code_url": item.code_url or None,
        # A link is an alias as well, but no id.
        "also": [alias for alias in item.also if alias.startswith(("arxiv:", "doi:"))],
    }
