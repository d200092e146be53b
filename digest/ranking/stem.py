"""Words of scientific English without their endings, so that a topic of ``predicting`` finds ``prediction``.

Takes one folded word (text.py), gives its stem. Lighter than Porter's rules on purpose: ``generative`` and
``general``, ``transformer`` and ``transform``, ``university`` and ``universe`` stay apart. For free-text topics only:
keywords and mutes are compared by whole words.
"""

from __future__ import annotations

from functools import lru_cache

_SHORTEST = 5
_VOWELS = frozenset("aeiouy")
#: (ending, what stands for it, how many letters must be left before it); the first that fits is taken.
_Rules = tuple[tuple[str, str, int], ...]
_ADVERB: _Rules = (("ically", "ic", 3), ("ly", "", 4), ("ness", "", 4))
_VERB: _Rules = (("ing", "", 3), ("ed", "", 3))
_ADJECTIVE: _Rules = (
    ("isation", "iz", 3),
    ("ization", "iz", 3),
    ("ical", "ic", 3),
    ("ivity", "ive", 3),
    ("bility", "bl", 3),
    ("al", "", 5),
)
_NOUN: _Rules = (("ment", "", 4),)
#: The last letters of all endings below; most words have another, and are done with at once.
_LAST = frozenset("ydegnlst")


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """``optimizing``, ``optimization`` and ``optimisation`` give ``optimiz``; what is not plain English stays."""
    if len(word) < _SHORTEST or not (word.isascii() and word.isalpha()):
        return word
    if word[-1] not in _LAST and word[-1] != word[-2]:
        return word
    whole = word
    word = _without(word, _ADVERB)
    if any(letter in _VOWELS for letter in word[: -len("ing")]):
        word = _without(word, _VERB)
    word = _without(_without(word, _ADJECTIVE), _NOUN)
    if len(word) > 6 and word.endswith(("tion", "sion", "tive", "sive")):
        word = word[:-3]
    if len(word) > 4 and word[-1] == "e":
        word = word[:-1]
    if word.endswith("is") and not whole.endswith("is"):
        word = f"{word[:-1]}z"
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in _VOWELS:
        word = word[:-1]
    return word


def _without(word: str, rules: _Rules) -> str:
    for ending, instead, left in rules:
        if word.endswith(ending) and len(word) - len(ending) >= left:
            return word[: -len(ending)] + instead
    return word
