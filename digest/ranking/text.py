"""Words of titles and abstracts, and an index of where they stand.

Takes plain texts; gives case-folded words (accents dropped, English plurals folded) and ``TextIndex``, which answers
"which documents hold this phrase, how often, in the title?" with numpy arrays. Weighting is left to the signals.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

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
_AFTER_SIBILANT = ("sses", "shes", "ches", "xes", "zzes")
_SEPARATOR = -1

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


def plain(text: str) -> str:
    """Case-folded, compatibility forms resolved, accents dropped: ``Erdős`` and ``ERDOS`` become equal."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


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
    return tuple(fold(word) for word in _WORD.findall(plain(text)))


@lru_cache(maxsize=16_384)
def spaced(text: str) -> str:
    """The words with a space around each, so that ``" large language " in spaced(text)`` finds whole words only."""
    return f" {' '.join(words(text))} "


def holds(text: str, phrase: str) -> bool:
    """True where the phrase's words stand in the text, whole and in this order."""
    wanted = spaced(phrase)
    return bool(wanted.strip()) and wanted in spaced(text)


class _Vocabulary(dict[str, int]):
    """Word as written -> number of its folded form; a missing word is given the next number."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        number = self.numbers.setdefault(fold(word), len(self.numbers))
        self[word] = number
        return number


class TextIndex:
    """Every position of every word in ``(title, body)`` documents, sorted by word.

    ``tokens`` are word numbers with a separator after each title and body, so no phrase runs over from one to the next.
    """

    def __init__(self, documents: Sequence[tuple[str, str]]) -> None:
        vocabulary = _Vocabulary()
        numbers = array("i")
        sizes: list[int] = []
        title_sizes: list[int] = []
        for title, body in documents:
            before = len(numbers)
            numbers.extend(map(vocabulary.__getitem__, _WORD.findall(plain(title))))
            numbers.append(_SEPARATOR)
            title_sizes.append(len(numbers) - before)
            numbers.extend(map(vocabulary.__getitem__, _WORD.findall(plain(body))))
            numbers.append(_SEPARATOR)
            sizes.append(len(numbers) - before)
        self.count = len(documents)
        self.terms: dict[str, int] = vocabulary.numbers
        self.tokens: Ints = np.frombuffer(numbers, dtype=np.int32) if numbers else np.zeros(0, np.int32)
        self.docs: Ints = np.repeat(np.arange(self.count, dtype=np.int32), sizes)
        lengths = np.asarray(sizes, np.int64)
        titles = np.asarray(title_sizes, np.int64)
        spans = np.column_stack((titles, lengths - titles)).ravel()
        self.in_title: NDArray[np.bool_] = np.repeat(np.tile((True, False), self.count), spans)
        self.lengths: Floats = lengths.astype(np.float64)
        self._order = np.argsort(self.tokens, kind="stable")
        self._starts = np.searchsorted(self.tokens[self._order], np.arange(len(self.terms) + 1))

    def positions(self, phrase: Iterable[str]) -> NDArray[np.int64]:
        """Where the folded words stand one after another; empty for an empty phrase."""
        numbers = [self.terms.get(word, _SEPARATOR) for word in phrase]
        if not numbers or _SEPARATOR in numbers:
            return np.zeros(0, np.int64)
        found = self._order[self._starts[numbers[0]] : self._starts[numbers[0] + 1]]
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
