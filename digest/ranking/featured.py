"""P(featured later): will a paper without votes reach the day's list of featured papers?

Takes the entries of a pool; gives one probability each. A logistic model with constants fitted on the arXiv listings
of 2025-04-01 to 2025-05-06 (base rate of 2025-04-25 to 2025-05-06, when late additions are known); later dates test
it.
"""

from __future__ import annotations

import math

import numpy as np

from digest.model.feeds import Entry
from digest.ranking.pool import Pool
from digest.ranking.text import Floats

BASE = -5.05
CODE = 0.82
PROJECT_PAGE = 0.71
VENUE = -0.42
#: Times the natural logarithm of the number of authors.
TEAM = 0.82
COLON = 0.29
#: By primary category; cs.CL and unknown categories are the base.
CATEGORY = {"cs.CL": 0.0, "cs.CV": -0.17, "cs.AI": 0.16, "cs.LG": 0.34}
OTHER_CATEGORY = -0.51
#: Words of title or abstract, plurals folded as in text.py.
CUES = {
    "accuracy": -0.26, "achieve": 0.35, "adaptation": -0.45, "agent": 0.26, "artificial": -0.41, "benchmark": 0.23,
    "capabilitie": 0.14, "code": 0.26, "crucial": -0.34, "deep": -0.26, "design": 0.19, "detection": -0.27,
    "diffusion": 0.29, "empirical": 0.35, "enabling": 0.37, "even": 0.38, "experimental": -0.45, "feature": -0.19,
    "find": 0.36, "generating": 0.24, "generation": 0.21, "information": -0.40, "initial": 0.42, "introduce": 0.19,
    "key": 0.21, "language": 0.31, "large": -0.12, "leading": 0.35, "llm": 0.13, "machine": -0.29, "made": -0.50,
    "maintaining": 0.35, "map": -0.23, "method": -0.21, "network": -0.17, "neural": -0.27, "only": 0.20, "open": 0.40,
    "outperform": 0.36, "proposed": -0.35, "quality": 0.16, "reasoning": 0.57, "recognition": -0.23,
    "reinforcement": 0.30, "reward": 0.45, "sampling": 0.28, "scaling": 0.28, "segmentation": -0.24,
    "significantly": 0.14, "simple": 0.34, "strong": 0.26, "study": -0.17, "than": 0.34, "token": 0.32,
    "traditional": -0.19, "training": 0.19, "unified": 0.28, "use": -0.31, "using": -0.20, "video": 0.41,
}  # fmt: skip

TYPICAL_TEAM = 6
#: Beyond this a longer author list says no more.
LARGEST_TEAM = 50

_CODE_LINKS = ("github.com", "github.io", "gitlab", "huggingface.co")
_PAGE_LINKS = ("project page", "homepage", "github.io")
_VENUE_WORDS = ("accepted", "to appear", "proceedings", "published")


def links_code(entry: Entry) -> bool:
    """True where the entry names a repository, in its own field or in its text."""
    return bool(entry.code_url) or _names_one(_prose(entry), _CODE_LINKS)


def log_team(entry: Entry) -> float:
    """Natural logarithm of the number of authors, a typical number where the source names none."""
    return math.log(min(LARGEST_TEAM, len(entry.authors) or TYPICAL_TEAM))


def probabilities(pool: Pool) -> Floats:
    """P(featured later) of every entry of the pool, 0 to 1."""
    logits = np.array([_logit(entry) for entry in pool.entries], np.float64)
    for cue, weight in CUES.items():
        logits += weight * pool.index.present((cue,))
    return 1.0 / (1.0 + np.exp(-logits))


def _logit(entry: Entry) -> float:
    logit = BASE + TEAM * log_team(entry) + COLON * (":" in entry.title)
    logit += CODE * links_code(entry) + VENUE * _names_one(entry.comment.lower(), _VENUE_WORDS)
    logit += PROJECT_PAGE * (bool(entry.project_url) or _names_one(_prose(entry), _PAGE_LINKS))
    return logit + (CATEGORY.get(entry.categories[0], OTHER_CATEGORY) if entry.categories else 0.0)


def _prose(entry: Entry) -> str:
    return f"{entry.abstract}\n{entry.comment}".lower()


def _names_one(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)
