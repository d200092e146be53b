"""Text as mail needs it: what a feed says made harmless, cut at a sentence, broken so that nothing overflows, wrapped.

Takes and gives str; knows nothing of papers or mails. Display width follows Unicode's East Asian Width (UAX 11).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote, urlsplit

ZERO_WIDTH_SPACE = "\u200b"
#: Controls, replacement characters, direction overrides and isolates, lone surrogates, interlinear and tag characters,
#: noncharacters.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffc-\uffff\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb\ufdd0-\ufdef\ufeff"
    "\U000e0000-\U000e0fff]"
)
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_MARKS = re.compile(f"({_MARK}{{3}}){_MARK}+")
#: Three letters or digits and more, one or two are a formula; and an Arabic sign that is a whole sentence.
_STYLED = re.compile("[\U0001d400-\U0001d7ff]{3,}|\ufdfa")
#: Another, which Unicode does not resolve: one glyph of some ten letters' width.
_BASMALA = "\ufdfd"
#: Marks and joiners that nothing stands before.
_STRAY = re.compile(f"(?:(?<=\\s)|^)(?:{_MARK}|[\u200d\ufe00-\ufe0f])+")
_MERGE = re.compile(r"(?<=\{)(?=[{%])|(?<=[}%])(?=\})")
_RUN = re.compile(r"[^\s\u200b\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]{33,}")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdcf\ufdf0-\ufefc]")
_ARABIC = re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufefc]")
_JOINER = "\u200d"
#: What no text ends with before an ellipsis.
_LOOSE = " ,;:.\u2013\u2014-([\u060c\u061b\u3001\uff0c\uff1b\uff1a\u3002\uff08\u300c\u300e\u3010"
_WIDE = re.compile(
    "[\u2e80-\u303e\u3041-\u33ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60\U00020000-\U0003fffd]"
)
#: Closing marks that begin no line of Chinese or Japanese, and opening ones that end none.
_CLOSING = frozenset(
    "\u3001\u3002\uff0c\uff0e\uff1a\uff1b\uff01\uff1f\uff09\u300d\u300f\u3011\u3009\u300b\u30fc\u201d\u2019%"
)
_OPENING = frozenset("\uff08\u300c\u300e\u3010\u3008\u300a\u201c\u2018")
_ALL_WIDE = re.compile("[\u3001-\u3003\u3005-\u3029\u3041-\u3096\u30a1-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff01-\uff60]+")
_WIDE_PIECE = re.compile(
    "[\uff08\u300c\u300e\u3010\u3008\u300a]{0,3}.[\u3001\u3002\uff0c\uff0e\uff1a\uff1b\uff01\uff1f\uff09\u300d\u300f\u3011\u3009\u300b\u30fc]{0,3}"
)
#: Where a sentence may end: a stop with its closing marks before white space, or a full stop of Chinese or Japanese.
_STOP = re.compile(
    "([.!?\u061f\u06d4\u0964])[\"'\u201d\u2019\u00bb)\\]]*\\s+(?=[\"'\u201c\u2018\u00ab(\\[]*(\\w))"
    "|[\u3002\uff01\uff1f\uff61][\u300d\u300f\u201d\u2019\uff09\u3011]*"
)
#: Words whose stop ends no sentence, whatever follows, and those whose stop ends none before a number.
_ABBREVIATION = re.compile(
    r"(?:\b(?:al|eg|ie|vs|resp|approx|viz|incl|figs?|eqs?|eqns?|secs?|sects?|thm|refs?|dr|mrs?|prof|inc|ltd|corp|dept|univ"
    r"|assoc|proc|trans|conf|intl|bzw|vgl|bspw|ggf|(?-i:ca|[Cc]f|eds?|Ms|St|Mt|Jr|Sr|Gen|Sen|Rep|Gov))"
    r"|(?:^|[\s.(\[\"'“‘/-])[^\W\d_]|(?:^|[:;.!?]\s)[(]?(?:\d{1,2}|[ivx]{1,4})|\.\.|\bYahoo!)\.?$",
    re.IGNORECASE,
)
_BEFORE_NUMBER = re.compile(
    r"(?:\b(?:nos?|pp?|chs?|chap|vols?|tab|tbl|def|lem|prop|cor|alg|app|ver|art|ex|nr|bd|abs)|\d)\.$", re.IGNORECASE
)
#: Lower case that begins a sentence all the same: mT5, (ii), an address.
_LOWER_CASE_START = re.compile(r"[a-z]{1,3}[A-Z0-9]|[ivx]{1,4}\)|[a-h]\)|https?://")
_LETTER_STOP = re.compile(r"(?:^|[\s(])[A-Z]\.$")
_NO_SURNAME = re.compile(
    r"(?:We|This|The|Our|These|However|Moreover|Furthermore|To|Specifically|Extensive|Experiments)\b"
)
#: Letters of one column: Latin, Greek, Cyrillic, punctuation, signs of mathematics; no marks, no wide letters.
_NARROW = re.compile(
    "[\\s\x20-\x7e\xa1-\xac\xae-\u02ff\u0370-\u0482\u2010-\u2027\u2030-\u205e\u2070-\u20bf\u2100-\u22ff]*"
)
#: White space at which a line may break: the no-break spaces are none.
_SPACE = re.compile("[^\\S\u00a0\u2007\u202f]+")
#: A word that is an address, perhaps in brackets.
_ADDRESS = re.compile(r"[\W_]{0,3}[A-Za-z][A-Za-z0-9+.-]*://")
_NOT_IN_URL = re.compile(r"[\s<>\"\\^`{|}]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def plain(text: str, limit: int = 100_000) -> str:
    """One line of harmless text of at most ``limit`` characters: no controls, no overrides, at most three marks a
    letter, no ``{{`` (a sending service on the way would take it for a field to fill in), no words in the letters of
    mathematics (no screen reader says them, and spam filters mind).
    """
    if len(text) > 4 * limit + 100:
        text = text[: 4 * limit + 100]
    if not (text.isascii() and text.isprintable()):
        text = _HARMFUL.sub("", text.replace("\r", " ").replace("\n", " "))
        text = text.replace(_BASMALA, " بسم الله الرحمن الرحيم ")
        text = _STRAY.sub("", _MARKS.sub(r"\1", text))
        text = _STYLED.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    if "{" in text or "}" in text:
        text = _MERGE.sub(" ", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else shorten(text, limit)


def shorten(text: str, limit: int) -> str:
    """``text`` cut at a word (Chinese and Japanese: at a letter) to at most ``limit`` characters, an ellipsis where
    anything is gone. No letter loses its marks.
    """
    if len(text) <= limit:
        return text
    cut = max(0, limit - 1)
    if text[cut] != " " and not _WIDE.match(text, cut):
        space = text.rfind(" ", 0, cut)
        cut = space if space >= limit * 0.6 else _letter_start(text, cut)
    return (text[:cut].rstrip(_LOOSE) or text[:cut]) + "…"[:limit]


def _letter_start(text: str, at: int) -> int:
    """The nearest place at or before ``at`` that is not inside a letter with marks or a joined emoji."""
    start = at
    while start > 0 and (_is_extending(text[start]) or text[start - 1] == _JOINER):
        start -= 1
    return start or at


@lru_cache(maxsize=8192)
def _is_extending(letter: str) -> bool:
    """Whether it belongs to the letter before it: a mark, a joiner, a variation or a skin tone."""
    return letter > "\u02ff" and (
        letter == _JOINER
        or "\U0001f3fb" <= letter <= "\U0001f3ff"
        or unicodedata.category(letter) in ("Mn", "Me", "Mc")
    )


def _ends_at(text: str, found: re.Match[str]) -> int:
    """The offset behind the sentence that ends at this stop, or -1 where it only looks like one."""
    end = found.start() + len(found.group().rstrip())
    if found.group(1):
        following = found.group(2)
        stop = text[max(0, found.start() - 14) : found.start() + 1]
        if following.islower() and not _LOWER_CASE_START.match(text, found.start(2)):
            return -1
        address = "/" in text[text.rfind(" ", 0, found.start()) + 1 : found.start() - 5]
        if found.group(1) in ".!" and not address and _ABBREVIATION.search(stop):
            variable = _LETTER_STOP.search(stop) and _NO_SURNAME.match(text, found.start(2))
            if not variable and (found.group(1) == "." or stop.endswith("Yahoo!")):
                return -1
        if following.isdigit() and _BEFORE_NUMBER.search(stop):
            return -1
    return -1 if _is_enclosed(text, end) else end


def _is_enclosed(text: str, end: int) -> bool:
    """Whether a parenthesis that opened before closes soon behind: ``f(X. Y)``, ``(as in A. It is so.)``."""
    for opening, closing in ("()", "[]"):
        start = max(0, end - 300)
        opened = text.count(opening, start, end)
        if opened and opened > text.count(closing, start, end):
            closes = text.find(closing, end, end + 300)
            if closes >= 0 and text.find(opening, end, closes) < 0:
                return True
    return False


def cut_at_sentence(text: str, limit: int) -> str:
    """As many whole sentences as fit into ``limit`` characters and an ellipsis, at least a third of it; else cut at a
    word.
    """
    if len(text) <= limit:
        return text
    for found in reversed(list(_STOP.finditer(text, limit // 3, limit))):
        end = _ends_at(text, found)
        if limit / 3 <= end <= limit - 2:
            return f"{text[:end].rstrip()}\u00a0…"
    return shorten(text, limit)


def first_sentence(text: str, limit: int = 320) -> str:
    """The first sentence, never ended inside a number, a formula, an initial or "et al."; cut at a word if longer."""
    for found in _STOP.finditer(text, 0, min(len(text), limit + 4)):
        end = _ends_at(text, found)
        if 0 < end <= limit:
            return text[:end].rstrip()
    return shorten(text, limit)


def soft(text: str) -> str:
    """``text`` with a zero width space every 32 characters of a run that nothing else could break."""
    if max(map(len, text.split()), default=0) <= 32:
        return text
    return _RUN.sub(_break_run, text)


def _break_run(found: re.Match[str]) -> str:
    run, at = found.group(), 0
    out: list[str] = []
    while at < len(run):
        stop = min(len(run), at + 32)
        while stop < len(run) and (_is_extending(run[stop]) or run[stop - 1] == _JOINER):
            stop += 1
        out.append(run[at:stop])
        at = stop
    return ZERO_WIDTH_SPACE.join(out)


def direction(text: str, around: str = "ltr") -> str:
    """``rtl`` when most letters are written from right to left, else ``ltr``. Within a text that runs from right to
    left (``around``), any such letter will do: a sentence there may hold a long Latin name.
    """
    if text.isascii():
        return "ltr"
    if around == "rtl" and _RTL.search(text):
        return "rtl"
    right_to_left = sum(map(str.isalpha, _RTL.findall(text)))
    return "rtl" if right_to_left and 2 * right_to_left > sum(map(str.isalpha, text)) else "ltr"


def language_of(text: str, said: str) -> str:
    """The BCP 47 tag the feed said, else a guess from the script alone (a screen reader needs no more)."""
    if said and _LANGUAGE.fullmatch(said):
        return said
    if text.isascii():
        return "en"
    if direction(text) == "rtl":
        return "ar" if _ARABIC.search(text) else "he"
    if re.search("[\u3040-\u30ff]", text):
        return "ja"
    if re.search("[\uac00-\ud7af]", text):
        return "ko"
    return "zh" if re.search("[\u4e00-\u9fff]", text) else "en"


def safe_url(url: str, limit: int = 1_500) -> str:
    """``url`` as ASCII when it is an absolute http(s) address of a host and not absurdly long, else an empty string."""
    url = url.strip()
    if not url or len(url) > limit or _NOT_IN_URL.search(url) or _HARMFUL.search(url):
        return ""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii") if not (parts.hostname or "").isascii() else ""
    except (ValueError, UnicodeError):
        return ""
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    if host:
        url = url.replace(parts.netloc, host + (f":{parts.port}" if parts.port else ""), 1)
    return url if url.isascii() else quote(url, safe="%/:=&?~#+!$,;'@()*[]")


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal; a letter with its marks and a joined emoji count once."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, _clusters(text)))


def _clusters(text: str) -> list[str]:
    """``text`` in letters with their marks, joined emoji, flags whole."""
    out: list[str] = []
    for letter in text:
        if out and (_is_extending(letter) or (letter > "\u00ff" and out[-1][-1] == _JOINER)):
            out[-1] += letter
        else:
            out.append(letter)
    return out


@lru_cache(maxsize=8192)
def _columns(cluster: str) -> int:
    base = cluster[0]
    spacing = sum(unicodedata.category(mark) == "Mc" for mark in cluster[1:])
    if unicodedata.category(base) in ("Mn", "Me", "Cf") or "\u1160" <= base <= "\u11ff":
        return spacing
    return spacing + (2 if unicodedata.east_asian_width(base) in "WF" or "\ufe0f" in cluster else 1)


def wrap(text: str, indent: str = "", columns: int = 72) -> str:
    """``text`` in lines of at most ``columns`` columns, each behind ``indent``; wide letters may break anywhere."""
    room = max(16, columns - width(indent))
    if _NARROW.fullmatch(text):
        return "\n".join(indent + line for line in _narrow_lines(_SPACE.sub(" ", text.strip()), room))
    lines: list[str] = []
    line, used = "", 0
    for word in _SPACE.split(text.strip()):
        for piece, glue, size in _pieces(word, room):
            gap = 1 if line and not glue else 0
            if line and used + gap + size > room:
                lines.append(line)
                line, used, gap = "", 0, 0
            line += " " * gap + piece
            used += gap + size
    if line:
        lines.append(line)
    return "\n".join(indent + line for line in lines)


def _narrow_lines(text: str, room: int) -> list[str]:
    """Lines of a text whose letters all take one column; most texts are such, and this is ten times as fast."""
    lines: list[str] = []
    at = 0
    while len(text) - at > room:
        stop = text.rfind(" ", at, at + room + 1)
        if stop <= at:
            stop = text.find(" ", at)
            stop = len(text) if stop < 0 else stop
            # An address that is broken opens nothing.
            stop = stop if "://" in text[at:stop] else at + room
        lines.append(text[at:stop])
        at = stop + (text[stop : stop + 1] == " ")
    return [*lines, text[at:]] if at < len(text) else lines


def _pieces(word: str, room: int) -> list[tuple[str, bool, int]]:
    """``word`` as (piece, stands directly behind the piece before, columns): whole if it fits and is narrow."""
    if _ADDRESS.match(word) or (word.isascii() and len(word) <= room):
        return [(word, False, width(word))]
    if _ALL_WIDE.fullmatch(word):
        return [(piece, at > 0, 2 * len(piece)) for at, piece in enumerate(_WIDE_PIECE.findall(word))]
    out: list[tuple[str, bool, int]] = []
    piece, used = "", 0
    for cluster in _clusters(word):
        size = _columns(cluster)
        if piece and size and (used + size > room or (used and _may_break(piece[-1], cluster[0], size))):
            out.append((piece, bool(out), used))
            piece, used = "", 0
        piece += cluster
        used += size
    return [*out, (piece, bool(out), used)]


def _may_break(before: str, after: str, size: int) -> bool:
    """Whether a line may end between these letters of one word: beside Chinese and Japanese ones and emoji."""
    if after in _CLOSING or before in _OPENING:
        return False
    return size == 2 or _WIDE.match(before) is not None
