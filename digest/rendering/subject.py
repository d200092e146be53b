"""The line a reader sees first: subject and preheader. Takes titles by rank, gives short texts that tell what is
inside.
"""

from __future__ import annotations

import re

from digest.rendering.text import plain, shorten

LONGEST = 90
_REPLY = re.compile(
    r"\s*(?:re|fwd?|aw|wg|sv|vs|antw|tr|rv|enc|odp|ynt|rif|res|ref)\s*(?:\[\d+\])?\s*[:：]", re.IGNORECASE
)


def subject_of(digest: str, titles: tuple[str, ...], date: str, unfit: bool = False) -> str:
    """``Title of the best paper + 11 more papers``; without papers the digest's title and the date. ``unfit`` tells
    that there were new papers, but none for this reader.
    """
    digest = plain(digest, 40)
    if not titles:
        return honest(f"{digest}: nothing {'for you' if unfit else 'new'} on {date}", digest)
    more = len(titles) - 1
    tail = f" + {more} more paper{'s' if more > 1 else ''}" if more else ""
    title = titles[0]
    if _REPLY.match(title):
        title = f"{digest}: {title}"
    return honest(shorten(plain(title), LONGEST - len(tail)) + tail, digest)


def honest(text: str, digest: str) -> str:
    """One clean line of at most LONGEST characters that never claims to be a reply."""
    text = plain(text, LONGEST)
    if _REPLY.match(text):
        text = plain(f"{digest or 'Digest'} – {text}", LONGEST)
    return f"New – {text}"[:LONGEST] if _REPLY.match(text) else text


def preheader_of(titles: tuple[str, ...], otherwise: str) -> str:
    """The next best titles, as far as an inbox shows them."""
    return "; ".join(shorten(title, 70) for title in titles[1:4]) or otherwise or " ".join(titles[:1])
