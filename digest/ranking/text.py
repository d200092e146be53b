"""Words of titles and abstracts, and an index of where they stand.

Takes plain texts; gives case-folded words (accents dropped, English plurals folded) and ``TextIndex``, which answers
"which documents hold this phrase, how often, in the title?" with numpy arrays. Weighting is left to the signals.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

#: Chinese, Japanese: written without spaces, so every character is a word and a phrase is a run of them.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
#: ``C++`` and ``C#`` are words of their own.
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:\+\+|#)?")
#: Folding these plurals would make another word of them.
_NOT_PLURAL = frozenset(
    _WORD.findall("aids alias always atlas bias canvas chaos cosmos goods lens news pandas perhaps series species")
)
#: Plurals of scientific English that no ending tells: plural, singular.
_IRREGULAR: Mapping[str, str] = dict(
    re.findall(
        r"(\w+) (\w+)",
        "aliases alias, analyses analysis, axes axis, biases bias, buses bus, caches cache, corpora corpus, gases gas,"
        " hypotheses hypothesis, indices index, lenses lens, matrices matrix, movies movie, niches niche,"
        " phenomena phenomenon, syntheses synthesis, vertices vertex, viruses virus",
    )
)
#: What is no letter or digit of ASCII becomes a space, and capitals small.
_ASCII = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))
_AFTER_SIBILANT = ("sses", "shes", "ches", "xes", "zzes")
_SEPARATOR = -1

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def plain(text: str) -> str:
    """Case-folded, compatibility forms resolved, accents dropped: ``Erdős`` and ``ERDOS`` become equal."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    for char in set(decomposed):
        if unicodedata.combining(char):
            decomposed = decomposed.replace(char, "")
    return decomposed


def written(text: str) -> list[str]:
    """The words as ``plain`` leaves them, plurals and all."""
    if text.isascii() and "#" not in text and "++" not in text:
        return text.translate(_ASCII).split()  # as below, three times as fast
    return _WORD.findall(plain(text))


def fold(word: str) -> str:
    """An English plural without its s: a reader who writes ``LLM`` means ``LLMs`` too."""
    if len(word) <= 3 or word[-1] not in "sa":
        return word
    if (singular := _IRREGULAR.get(word)) is not None:
        return singular
    if word[-1] != "s" or word[-2] in "sui" or word in _NOT_PLURAL:
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(_AFTER_SIBILANT) else word[:-1]


def words(text: str) -> tuple[str, ...]:
    return tuple(map(fold, written(text)))


@lru_cache(maxsize=16_384)
def spaced(text: str) -> str:
    """The words with a space around each, so that ``" large language " in spaced(text)`` finds whole words only."""
    return f" {' '.join(words(text))} "


def holds(text: str, phrase: str) -> bool:
    """True where the phrase's words stand in the text, whole and in this order."""
    wanted = spaced(phrase)
    return bool(wanted.strip()) and wanted in spaced(text)


def grouped(numbers: NDArray[np.integer], count: int) -> tuple[Places, Places]:
    """(order, starts): ``order[starts[n] : starts[n + 1]]`` are the places of number n, ascending.

    ``numbers`` are below ``count``; -1 stands for none, and those come first. Sorted by digits of 16 bits, the lowest
    first: for these alone numpy sorts in a time that grows no faster than the numbers.
    """
    shifted = numbers.astype(np.int32) + np.int32(1)
    order = np.argsort(shifted.astype(np.uint16), kind="stable")
    for digit in range(16, count.bit_length(), 16):
        order = order[np.argsort((shifted[order] >> digit).astype(np.uint16), kind="stable")]
    return order, np.cumsum(np.bincount(shifted, minlength=count + 1))


def distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each once, ascending. Millions of them are sorted sooner than np.unique has hashed them."""
    ordered = np.sort(numbers)
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


class _Spellings(dict[str, int]):
    """Word as written -> its number; a missing word is given the next one."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


class TextIndex:
    """Every position of every word in ``(title, body)`` documents, sorted by word.

    ``tokens`` are word numbers with a separator (-1) after each title and body, so no phrase runs over from one to the
    next. ``written`` is the same before plurals were folded: numbers in ``spellings``.
    """

    def __init__(self, documents: Sequence[tuple[str, str]]) -> None:
        spellings = _Spellings()
        numbers = array("i")
        sizes: list[int] = []
        title_sizes: list[int] = []
        for title, body in documents:
            before = len(numbers)
            numbers.extend(map(spellings.__getitem__, written(title)))
            numbers.append(_SEPARATOR)
            title_sizes.append(len(numbers) - before)
            numbers.extend(map(spellings.__getitem__, written(body)))
            numbers.append(_SEPARATOR)
            sizes.append(len(numbers) - before)
        self.count = len(documents)
        self.spellings = tuple(spellings)
        self.written: Ints = np.frombuffer(numbers, dtype=np.int32) if numbers else np.zeros(0, np.int32)
        self.terms: dict[str, int] = {}
        folded = (self.terms.setdefault(fold(word), len(self.terms)) for word in spellings)
        # A separator looks up the last number: that is -1 again.
        self.tokens: Ints = np.array([*folded, _SEPARATOR], np.int32)[self.written]
        self.docs: Ints = np.repeat(np.arange(self.count, dtype=np.int32), sizes)
        lengths = np.asarray(sizes, np.int64)
        titles = np.asarray(title_sizes, np.int64)
        spans = np.column_stack((titles, lengths - titles)).ravel()
        self.in_title: NDArray[np.bool_] = np.repeat(np.tile((True, False), self.count), spans)
        self.lengths: Floats = lengths.astype(np.float64)

    @cached_property
    def _places(self) -> tuple[Places, Places]:
        return grouped(self.tokens, len(self.terms))

    def holders(self) -> Mapping[str, int]:
        """In how many documents each word stands."""
        width = max(1, len(self.terms))
        real = self.tokens >= 0
        pairs = distinct(self.docs[real].astype(np.int64) * width + self.tokens[real])
        return dict(zip(self.terms, np.bincount(pairs % width, minlength=width).tolist(), strict=False))

    def positions(self, phrase: Iterable[str]) -> NDArray[np.int64]:
        """Where the folded words stand one after another; empty for an empty phrase."""
        numbers = [self.terms.get(word, _SEPARATOR) for word in phrase]
        if not numbers or _SEPARATOR in numbers:
            return np.zeros(0, np.int64)
        order, starts = self._places
        found = order[starts[numbers[0]] : starts[numbers[0] + 1]]
        for step, number in enumerate(numbers[1:], 1):
            # The last token is a separator, so found + step can only run out of bounds after a mismatch: drop those.
            found = found[found + step < len(self.tokens)]
            found = found[self.tokens[found + step] == number]
        return found

    def counts(self, phrase: Iterable[str]) -> Floats:
        """How often the phrase stands in each document."""
        return np.bincount(self.docs[self.positions(phrase)], minlength=self.count).astype(np.float64)

    def present(self, phrase: Iterable[str]) -> NDArray[np.bool_]:
        return self.counts(phrase) > 0
