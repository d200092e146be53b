"""An entry and what is known of its authors -> numbers and terms that the prior weighs.

Three groups: PLAIN (the entry itself), HISTORY (what authors and institutions did before; ``prestige = false`` leaves
it out) and terms (words and pairs of words of title and abstract). Votes are never looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

import numpy as np

from digest.model.feeds import Entry
from digest.model.names import institution_key, person_key
from digest.model.ranking import Record
from digest.ranking.text import Floats
from digest.ranking.text import plain as bare

PLAIN = (
    "code", "page", "venue", "comment line", "pages", "team", "team squared", "colon", "question", "title length",
    "abstract length", "abstract missing", "category known", "cs.CV", "cs.CL", "cs.LG", "cs.AI", "eess.IV",
    "cross lists", "institution", "comments", "two comments", "stars known", "stars", "listed in a day",
    "listed in two days", "listed late",
)  # fmt: skip
HISTORY = (
    "all authors", "share known", "last author", "first author", "mean votes", "best institution",
    "institution's mean votes",
)  # fmt: skip
#: How well earlier works did says much of votes, and nothing more of being featured than that there were some.
OF_VOTES_ONLY = frozenset({"mean votes", "institution's mean votes"})

#: A new installation is told of authors with so many works on voting lists; a list of all would be too long to ship.
FEWEST_WORKS = 2
TYPICAL_TEAM = 6
#: Beyond this a longer author list says no more.
LARGEST_TEAM = 50
#: A mean of ln(1 + votes) is drawn to this one as if by two works more.
USUAL_LOG_VOTES = 2.5
USUAL_WORKS = 2.0

_CODE_LINKS = ("github.com", "github.io", "gitlab", "huggingface.co")
_PAGE_LINKS = ("project page", "homepage", "github.io", "project website", "webpage")
_VENUE_WORDS = ("accepted", "to appear", "proceedings", "published")
_CATEGORIES = ("cs.CV", "cs.CL", "cs.LG", "cs.AI", "eess.IV")
#: Kept apart from the words that topics are looked for in: fitted weights hang on how these are cut.
_WORD = re.compile(r"[a-z0-9][a-z0-9+#]*")
_PAGES = re.compile(r"(\d{1,4}) pages")
_TYPICAL_PAGES = 14
_DAY = 24.0


def links_code(entry: Entry) -> bool:
    """True where the entry names a repository, in its own field or in its text."""
    return bool(entry.code_url) or _names_one(_prose(entry), _CODE_LINKS)


def plain(entry: Entry) -> list[float]:
    """The values of PLAIN, each of order one."""
    prose, comment, title = _prose(entry), entry.comment.lower(), entry.title.lower()
    team = math.log(min(LARGEST_TEAM, len(entry.authors) or TYPICAL_TEAM))
    primary = entry.categories[0] if entry.categories else ""
    pages = _PAGES.search(comment)
    hours = _hours_until_listed(entry)
    return [
        float(value)
        for value in (
            links_code(entry),
            bool(entry.project_url) or _names_one(prose, _PAGE_LINKS),
            _names_one(comment, _VENUE_WORDS),
            bool(comment),
            math.log(max(1, int(pages[1])) if pages else _TYPICAL_PAGES),
            team,
            team * team / 4.0,
            ":" in title,
            "?" in title,
            min(30, len(entry.title.split())) / 10.0,
            min(400, len(entry.abstract.split())) / 150.0,
            not entry.abstract.strip(),
            bool(primary),
            *(primary == one for one in _CATEGORIES),
            min(6, len(entry.categories)) / 2.0,
            bool(entry.institutions),
            _log_count(entry.comments),
            (entry.comments or 0) >= 2,
            entry.stars is not None,
            _log_count(entry.stars) / 2.0,
            hours is not None and hours < _DAY,
            hours is not None and hours < 2.0 * _DAY,
            hours is not None and hours > 14.0 * _DAY,
        )
    ]


def history(
    entry: Entry, authors: Mapping[str, Record], institutions: Mapping[str, Record], *, fewest: int = 1
) -> list[float]:
    """The values of HISTORY; all 0 where nobody is known. Authors with fewer works than ``fewest`` count as unknown."""
    people = [_known(authors.get(person_key(name)), fewest) for name in entry.authors] or [_NOBODY]
    houses = [institutions.get(institution_key(name), _NOBODY) for name in entry.institutions] or [_NOBODY]
    best_house = max(houses, key=lambda one: (one.voted, one.log_votes))
    return [
        math.log1p(sum(one.voted for one in people)),
        sum(one.voted > 0 for one in people) / len(people),
        math.log1p(people[-1].voted),
        math.log1p(people[0].voted),
        _mean(people),
        math.log1p(best_house.voted),
        _mean([best_house]),
    ]


def terms(entry: Entry) -> frozenset[str]:
    """Words and pairs of neighbouring words of title and abstract; the title's words once more as ``t:WORD``."""
    title, abstract = _words(entry.title), _words(entry.abstract)
    found = {*title, *abstract, *(f"t:{word}" for word in title)}
    for text in (title, abstract):
        found.update(f"{one} {other}" for one, other in pairwise(text))
    return frozenset(found)


def matrix(rows: Iterable[list[float]], width: int) -> Floats:
    """Rows of equal width as an array; of no rows too."""
    return np.array(list(rows), np.float64).reshape(-1, width)


_NOBODY = Record()


def _known(record: Record | None, fewest: int) -> Record:
    return record if record and record.voted >= fewest else _NOBODY


def _words(text: str) -> list[str]:
    return [singular(word) for word in _WORD.findall(bare(text))]


@lru_cache(maxsize=65_536)
def singular(word: str) -> str:
    """Lighter than ``text.fold``: fitted weights hang on it."""
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "sui" else word


def _mean(records: list[Record]) -> float:
    """Mean ln(1 + votes) of these works, above the usual one and drawn to it."""
    works, total = sum(one.voted for one in records), sum(one.log_votes for one in records)
    return (total + USUAL_WORKS * USUAL_LOG_VOTES) / (works + USUAL_WORKS) - USUAL_LOG_VOTES


def _log_count(count: int | None) -> float:
    return math.log1p(min(10**6, max(0, count or 0)))


def _hours_until_listed(entry: Entry) -> float | None:
    if entry.submitted_at is None or entry.published_at is None:
        return None
    return _hours(entry.submitted_at, entry.published_at)


def _hours(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds() / 3600.0


def _prose(entry: Entry) -> str:
    return f"{entry.abstract}\n{entry.comment}".lower()


def _names_one(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)
