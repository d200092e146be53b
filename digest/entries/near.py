"""Are two records one work, going by their words? Same, possibly, or different (stage 2).

Takes cleaned titles, abstracts and names; gives fingerprints by which like records are found (so that nothing is
compared with everything) and a judgement of two records. Ids come first: two arXiv papers are never one work, nor are
two articles with DOIs of one registrant. Words come second, and only words that say the same: a title that differs in a
number, a part or "A Reply to …" is another work, however alike the rest is.

Abstracts are compared by their runs of five words (Broder, "On the resemblance and containment of documents", 1997);
the smallest hashes of these are the fingerprint (a bottom-k sketch of the same paper).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from digest.entries import kinship
from digest.entries.kinship import Kin
from digest.model.feeds import EntryData

#: Runs of so many words are compared.
RUN = 5
#: So many of an abstract's smallest hashes are its fingerprint.
SKETCH = 8
#: Fewer runs than this say nothing.
_FEW_RUNS = 8


#: Below these, neither titles nor abstracts can make one work of two: nothing more is looked at.
_LIKE_TITLES, _LEAST_SHARE = 0.8, 0.15


class Answer(StrEnum):
    SAME = "same"
    POSSIBLY = "possibly"
    DIFFERENT = "different"


@dataclass(frozen=True, kw_only=True, slots=True)
class Likeness:
    """How two records compare. ``title_ratio`` and ``overlap`` (Jaccard, of runs of five words) are 0 to 1."""

    answer: Answer
    why: str
    title_ratio: float = 0.0
    overlap: float = 0.0


class Text:
    """One record's words, made ready to be compared; what is costly is made when it is first asked for."""

    def __init__(
        self,
        title: str,
        abstract: str = "",
        authors: Sequence[str] = (),
        *,
        arxiv_id: str | None = None,
        dois: Iterable[str] = (),
    ) -> None:
        self.title, self.abstract, self.authors = _undecorated(title), abstract, tuple(authors)
        self._said = title
        self.arxiv_id, self.dois = arxiv_id, frozenset(dois)

    @cached_property
    def names(self) -> tuple[tuple[str, ...], ...]:
        return kinship.names(self.authors)

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(words(self.title))

    @cached_property
    def squeezed(self) -> str:
        return "".join(self.words)

    @cached_property
    def parts(self) -> tuple[str, str]:
        """The title before and behind its first colon, dash or bar, squeezed; both empty where it has none."""
        head, *tail = _SEPARATOR.split(self.title, maxsplit=1)
        return ("".join(words(head)), "".join(words(tail[0]))) if tail else ("", "")

    @cached_property
    def runs(self) -> NDArray[np.uint64]:
        """Sorted hashes of the abstract's runs of five words, each once."""
        return _runs(words(self.abstract))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        return frozenset(words(self.abstract))

    @property
    def bands(self) -> tuple[int, ...]:
        """Signed 64-bit numbers; records that share none of them are not compared."""
        return bands_of(self._said, self.abstract)

    def sameness(self, other: Text) -> float:
        """How surely both are one work, title ratio and overlap summed; 0 where that is not sure enough."""
        found = compare(self, other)
        return found.title_ratio + found.overlap if found.answer is Answer.SAME else 0.0


@lru_cache(maxsize=5_000)
def bands_of(title: str, abstract: str) -> tuple[int, ...]:
    """``Text.bands``, remembered: a feed's are asked for when it is looked up, when it is compared, and when kept."""
    text = Text(title, abstract)
    titles = [name for name in (text.squeezed, *text.parts) if len(name) >= 4]
    if len(text.words) >= 6:  # one misspelt word leaves one end of a title as it is
        titles += ["".join(text.words[:5]), "".join(text.words[-5:])]
    found = [_hash("title " + name) for name in titles]
    runs = text.runs
    sketch: list[int] = runs[:SKETCH].view(np.int64).tolist() if len(runs) >= _FEW_RUNS else []
    return tuple(dict.fromkeys([*found, *sketch]))


def text_of(data: EntryData) -> Text:
    """The words and ids of a cleaned record."""
    return Text(data.title, data.abstract, data.authors, arxiv_id=data.arxiv_id, dois=filter(None, (data.doi,)))


def compare(one: Text, other: Text) -> Likeness:
    """The judgement; the same whichever comes first."""
    if one.arxiv_id and other.arxiv_id and one.arxiv_id != other.arxiv_id:
        return Likeness(answer=Answer.DIFFERENT, why="two arXiv papers")
    if not one.words or not other.words:
        return Likeness(answer=Answer.DIFFERENT, why="a record has no title")
    people = kinship.people(one.names, other.names)
    if people is kinship.People.NONE:
        return Likeness(answer=Answer.DIFFERENT, why=people.value)
    if _RECURRING.fullmatch(one.title):
        return Likeness(answer=Answer.DIFFERENT, why="a heading that recurs")
    if _role(one.title) != _role(other.title):
        return Likeness(answer=Answer.DIFFERENT, why="one is about the other")
    shared, least = _overlap(one.runs, other.runs)
    total = len(one.runs) + len(other.runs) - shared
    titles = SequenceMatcher(None, *sorted((one.squeezed, other.squeezed)), autojunk=False)
    related = one.squeezed in other.parts or other.squeezed in one.parts or titles.real_quick_ratio() >= _LIKE_TITLES
    if shared < _LEAST_SHARE * least and not related:
        return Likeness(answer=Answer.DIFFERENT, why="other titles and other abstracts")
    differing = tuple(_differing(one.words, other.words))
    evidence = kinship.Evidence(
        kin=_kin(one, other, differing),
        title_words=min(len(one.words), len(other.words)),
        title_ratio=titles.ratio(),
        overlap=shared / total if total else 0.0,
        contained=shared / least if least >= _FEW_RUNS else 0.0,
        both_abstracts=least >= _FEW_RUNS,
        people=people,
        preprint_of_article=_preprint_of_article(one, other),
        each_own_words=_each_has_its_own_words(one, other, differing),
    )
    answer, why = kinship.judge(evidence)
    if answer == Answer.SAME and _two_articles(one.dois, other.dois):
        answer, why = Answer.POSSIBLY, f"{why}, but two DOIs"
    return Likeness(
        answer=Answer(answer), why=why, title_ratio=round(evidence.title_ratio, 3), overlap=round(evidence.overlap, 3)
    )


def ids_agree(arxiv_ids: frozenset[str], dois: frozenset[str]) -> bool:
    """Whether records with these ids may be one work: one arXiv paper at most, no two articles of one registrant."""
    found = sorted(dois)
    return len(arxiv_ids) <= 1 and not any(
        _two_articles(frozenset({one}), frozenset({other})) for n, one in enumerate(found) for other in found[n + 1 :]
    )


def words(text: str) -> list[str]:
    """The words without case, accents, punctuation; Greek letters by name, each Chinese or Japanese character alone."""
    if text.isascii():
        return text.translate(_ASCII).split()  # as below, many times as fast
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()))
    return _WORD.findall(plain.translate(_LETTERS))


#: What is no letter or digit of ASCII becomes a space, and capitals small.
_ASCII = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))
_MARKS = re.compile(r"[\u0300-\u036f\u20d0-\u20ff\u00ad\u200b-\u200f]")
_EACH_ALONE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_EACH_ALONE}]|[^\W_{_EACH_ALONE}]+")
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ο": "omicron", "π": "pi", "ρ": "rho",
    "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
_LETTERS = str.maketrans({**_GREEK, "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})

#: A colon, a dash, a bar or the end of a sentence. One set comes first, as only that is looked for quickly.
_SEPARATOR = re.compile(r"[\s:：?!—](?:(?<=[:：?!])\s|(?<=[：—])|(?<=\s)[-–|·]\s)")
#: What lists and sites put around a title; "(v2)" is not among it: that may be a model's name.
_DECORATION = re.compile(
    r"^\s*\[(?:R|D|P|N|PDF|HTML)\]\s+"
    r"|\s*[(\[](?:preprint|pdf|(?:extended|full|long|short|camera[- ]ready) version|oral|spotlight|poster)[)\]]\s*$",
    re.IGNORECASE,
)
#: What stands over other texts in each issue; its words, and its editors' names, are the same every time.
_RECURRING = re.compile(
    r"\W*(?:(?:guest )?editorial(?: board| note)?|issue information|masthead|(?:front|back) (?:matter|cover)"
    r"|(?:table of )?contents|cover(?: image| picture)?|in this issue|preface|foreword|introduction|news"
    r"|announcements?|call for papers|list of reviewers|acknowledg\w+(?: of reviewers)?|book reviews?|obituary"
    r"|in memoriam)\W*",
    re.IGNORECASE,
)
#: A record about another work, by how its title begins or ends.
_ROLE = re.compile(
    r"^\s*(?:an?\s+|the\s+)?(?:(?:author|publisher|editorial)(?:['’]?s)?\s+)?"
    r"(correction|corrigend|errat|addend|retract|repl[iy]|comment|response|rebuttal|rejoinder|discussion|review of|"
    r"book review|erratum|note on|remarks? on|withdraw|expression of concern)\w*"
    r"(?=\s*[:：]|\s+(?:to|on|of|for|from)\b|\s*[-–—]|$)"
    r"|[:：(\[–—-]\s*(?:an?\s+|the\s+)?(correction|corrigend|errat|addend|retract|repl[iy]|comment|response|rebuttal|"
    r"rejoinder)\w*(?:\s+to\s+\w+(?:\s+\w+){0,4})?\s*[)\]]?\s*$",
    re.IGNORECASE,
)


def _undecorated(title: str) -> str:
    return _DECORATION.sub("", title) or title if "[" in title or "(" in title else title


def _role(title: str) -> str:
    found = _ROLE.search(title)
    return (found.group(1) or found.group(2)).lower()[:5] if found else ""


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)


class _Hashes(dict[str, bytes]):
    """Words' hashes as numpy reads them, remembered: most words of a text were met before."""

    def __missing__(self, word: str) -> bytes:
        if len(self) > 1 << 16:
            self.clear()
        self[word] = found = _hash(word).to_bytes(8, "little", signed=True)
        return found


_HASHES = _Hashes()
_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F],
    dtype=np.uint64,
)


def _runs(said: Sequence[str]) -> NDArray[np.uint64]:
    count = len(said) - RUN + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    hashed = np.frombuffer(b"".join(map(_HASHES.__getitem__, said)), dtype="<u8")
    mixed = np.zeros(count, dtype=np.uint64)
    for place, factor in enumerate(_FACTORS):
        mixed ^= hashed[place : place + count]
        mixed *= factor
    mixed ^= mixed >> np.uint64(29)
    mixed.sort()
    first = np.ones(count, np.bool_)
    np.not_equal(mixed[1:], mixed[:-1], out=first[1:])
    return mixed[first]


def _overlap(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> tuple[int, int]:
    """(runs in common, runs of the shorter)."""
    if not len(one) or not len(other):
        return 0, 0
    return len(np.intersect1d(one, other, assume_unique=True)), min(len(one), len(other))


#: Words of no weight: a title with one more or less is the same title.
_LIGHT = frozenset(
    ("a", "an", "the", "and", "of", "for", "to", "in", "on", "with", "by", "via", "from", "towards", "toward", "at")
)
_NUMERAL = re.compile(r"^(?:[ivx]+|[a-h])$")
_PART = re.compile(r"^(?:parts?|vol|volumes?|chapters?|supplement\w*|appendix|editions?|version|series|v\d+)$")


def _differing(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Where the titles differ: the words of each, without those that differ in nothing but where words end."""
    if one == other:
        return
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        left, right = tuple(one[a:b]), tuple(other[c:d])
        if kind != "equal" and "".join(left) != "".join(right):
            yield left, right


def _kin(one: Text, other: Text, differing: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]) -> Kin:
    if one.squeezed == other.squeezed:
        return Kin.EQUAL
    if _is_behind_nickname(one, other) or _is_behind_nickname(other, one):
        return Kin.PART
    if _is_part(one, other) or _is_part(other, one):
        return Kin.NUMBERED if any(_tells_apart(side) for pair in differing for side in pair) else Kin.PART
    if any(_numbers(left) != _numbers(right) for left, right in differing):
        return Kin.NUMBERED
    if all(_is_spelling(left, right) for left, right in differing):
        return Kin.SPELLING
    return Kin.OTHER


def _is_behind_nickname(short: Text, long: Text) -> bool:
    """Whether a title is the other's without the name before its colon, whatever number that name has."""
    return len(short.words) >= kinship.TITLE_WORDS and short.squeezed == long.parts[1]


def _is_part(short: Text, long: Text) -> bool:
    """Whether a title is the other's head or tail, or its beginning cut off ("…")."""
    if short.squeezed in long.parts and len(short.squeezed) >= 3:
        return True
    cut = short.title.rstrip().endswith(("…", "..."))
    return cut and len(short.words) >= 5 and long.squeezed.startswith("".join(short.words[:-1]))


def _tells_apart(said: Sequence[str]) -> bool:
    """Whether what a subtitle adds makes a series of it: "Part …", a volume, a bare number."""
    return any(_PART.match(word) for word in said[:1]) or (
        len(said) <= 2 and any(_NUMERAL.match(word) or word[0].isdigit() for word in said)
    )


def _numbers(said: Sequence[str]) -> Counter[str]:
    """What tells a series or versions apart: whatever has a digit, Roman numerals, single letters, "part"."""
    return Counter(
        word
        for word in said
        if (any(c.isdigit() for c in word) or _NUMERAL.match(word) or _PART.match(word)) and word not in _LIGHT
    )


def _is_spelling(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two runs of words are one in two spellings: light words, a slip of one letter, an acronym's words."""
    one, other = ("".join(w for w in side if w not in _LIGHT) for side in (left, right))
    if not one and not other:
        return True
    if not one or not other:
        one, other = "".join(left), "".join(right)
    return _skeleton(one) == _skeleton(other) or _one_slip(one, other) or _abbreviates(left, right)


def _skeleton(word: str) -> str:
    """British and American spellings, singular and plural, doubled letters: all the same."""
    plain = word.replace("our", "or").replace("ise", "ize").replace("isa", "iza").replace("yse", "yze")
    return re.sub(r"(.)\1", r"\1", plain.replace("ae", "e")).rstrip("s")


def _one_slip(one: str, other: str) -> bool:
    """Two letters of a longer word swapped, or one more, less or other behind the first three."""
    if min(len(one), len(other)) < 6 or abs(len(one) - len(other)) > 1 or one[0] != other[0]:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return swapped or (start >= 3 and (a[1:] == b[1:] or a[1:] == b or a == b[1:]))


def _abbreviates(left: Sequence[str], right: Sequence[str]) -> bool:
    """ "LLMs" for "large language models"."""
    short, long = sorted((left, right), key=len)
    letters = "".join(word[0] for word in long)
    return len(short) == 1 and len(long) >= 2 and short[0].rstrip("s") == letters.rstrip("s")


def _each_has_its_own_words(
    one: Text, other: Text, differing: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]
) -> bool:
    """Whether each title's own words stand in its own abstract and not in the other's: one frame, two subjects."""
    mine = {word for left, _ in differing for word in left if len(word) > 3}
    theirs = {word for _, right in differing for word in right if len(word) > 3}
    return bool(mine & one.vocabulary - other.vocabulary) and bool(theirs & other.vocabulary - one.vocabulary)


#: Registrants of preprint servers and repositories, which give a DOI to every version or copy.
_REPOSITORIES = frozenset(
    (
        "10.1101", "10.64898", "10.21203", "10.26434", "10.31234", "10.31219", "10.31235", "10.31222", "10.31224",
        "10.20944", "10.36227", "10.22541", "10.2139", "10.5281", "10.6084", "10.48550", "10.14293", "10.17605",
    )
)  # fmt: skip


def _registrant(doi: str) -> str:
    return doi.partition("/")[0]


def _two_articles(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether the DOIs say that these are two works: two of one registrant, or of two publishers."""
    if not one or not other or one & other:
        return False
    return any(
        _registrant(mine) == _registrant(theirs)
        or (_registrant(mine) not in _REPOSITORIES and _registrant(theirs) not in _REPOSITORIES)
        for mine in one
        for theirs in other
    )


def _preprint_of_article(one: Text, other: Text) -> bool:
    """Whether one is a preprint by its ids and the other an article of a publisher."""
    return (_is_preprint(one) and _is_article(other)) or (_is_preprint(other) and _is_article(one))


def _is_preprint(text: Text) -> bool:
    own = any(_registrant(doi) in _REPOSITORIES for doi in text.dois)
    return (bool(text.arxiv_id) or own) and not _is_article(text)


def _is_article(text: Text) -> bool:
    return any(_registrant(doi) not in _REPOSITORIES for doi in text.dois)
