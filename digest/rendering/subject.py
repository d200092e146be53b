"""The line a reader sees first: subject and preheader. Takes titles by rank, gives short texts that tell what is
inside.
"""

from __future__ import annotations

import re
import unicodedata

from digest.rendering.language import Language
from digest.rendering.text import plain, shorten

LONGEST = 78
_REPLY = re.compile(
    r"\s*(?:re|fwd?|aw|wg|sv|vs|antw|tr|rv|enc|odp|ynt|rif|res|ref|rép|رد|答复|回复|转发)\s*(?:\[\d+\])?\s*[:：]",
    re.IGNORECASE,
)


def subject_of(
    digest: str, titles: tuple[str, ...], papers: int, date: str, language: Language, *, unfit: bool = False
) -> str:
    """``Title of the best paper + 11 more papers``; without papers the digest's title and the date. ``titles`` are the
    best ones; ``unfit`` tells that there were new papers, but none for this reader.
    """
    digest = plain(digest, 40)
    if not titles:
        if unfit:
            return honest(language.say("%(digest)s: nothing for you on %(date)s", digest=digest, date=date), digest)
        return honest(language.say("%(digest)s: nothing new on %(date)s", digest=digest, date=date), digest)
    more = papers - 1
    tail = f" {language.count('+ %(n)s more paper', '+ %(n)s more papers', more)}" if more else ""
    title = _calm(titles[0])
    if _claims(title):
        title = f"{digest}: {title}"
    return honest(shorten(plain(title), LONGEST - len(tail)) + tail, digest)


def honest(text: str, digest: str) -> str:
    """One clean line of at most LONGEST characters that never claims to be a reply."""
    text = plain(text, LONGEST)
    if _claims(text):
        text = plain(f"{digest or 'Digest'} – {text}", LONGEST)
    return f"New – {text}"[:LONGEST] if _claims(text) else text


def _claims(text: str) -> bool:
    """Whether it begins as answers do, also in wide letters or behind invisible ones."""
    seen = "".join(letter for letter in text[:40] if unicodedata.category(letter) != "Cf")
    return _REPLY.match(unicodedata.normalize("NFKC", seen)) is not None


def _calm(title: str) -> str:
    """A title that shouts all through, in small letters; any other as it is."""
    letters = [letter for letter in title if letter.isalpha()]
    shouts = len(letters) > 12 and len(title.split()) > 2 and sum(map(str.isupper, letters)) > 0.9 * len(letters)
    return title.capitalize() if shouts else title


def preheader_of(titles: tuple[str, ...], otherwise: str) -> str:
    """The next best titles, as far as an inbox shows them."""
    return "; ".join(shorten(title, 70) for title in titles[1:4]) or otherwise or " ".join(titles[:1])
