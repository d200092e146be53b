"""Text as mail needs it: what a feed says made harmless, cut at a sentence, broken so that nothing overflows, wrapped.

Takes and gives str; knows nothing of papers or mails. Display width follows Unicode's East Asian Width (UAX 11).
"""

from __future__ import annotations

import re
import unicodedata
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
_RUN = re.compile(r"[^\s\u200b\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]{33,}")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdcf\ufdf0-\ufefc]")
_ARABIC = re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufefc]")
_LETTER = re.compile(r"[^\W\d_]")
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W\d_a-zß-öø-ÿ]|[\"'“‘(\[]*\d)|(?<=[。！？])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:al|e\.g|i\.e|eg|ie|cf|vs|resp|approx|ca|fig|figs|eq|eqs|sec|nos|dr|mr|mrs|ms|prof|inc|ltd|w\.r\.t)"
    r"|(?:^|[\s.(])[^\W\d_])\.$",
    re.IGNORECASE,
)
#: Letters of one column: Latin, Greek, Cyrillic, punctuation, signs of mathematics; no marks, no wide letters.
_NARROW = re.compile(
    "[\\s\x20-\x7e\xa1-\xac\xae-\u02ff\u0370-\u0482\u2010-\u2027\u2030-\u205e\u2070-\u20bf\u2100-\u22ff]*"
)
_NOT_IN_URL = re.compile(r"[\s<>\"\\^`{|}]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def plain(text: str, limit: int = 100_000) -> str:
    """One line of harmless text of at most ``limit`` characters: no controls, no overrides, at most three marks a
    letter.
    """
    if len(text) > 4 * limit + 100:
        text = text[: 4 * limit + 100]
    if not (text.isascii() and text.isprintable()):
        text = _HARMFUL.sub("", text.replace("\r", " ").replace("\n", " "))
        text = _MARKS.sub(r"\1", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else shorten(text, limit)


def shorten(text: str, limit: int) -> str:
    """``text`` cut at a word to at most ``limit`` characters, an ellipsis at the end if anything is gone."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    space = head.rfind(" ")
    if space >= limit * 0.6:
        head = head[:space]
    return head.rstrip(" ,;:.–—-(") + "…"


def _ends(text: str, limit: int) -> list[int]:
    """Offsets just behind the sentences of ``text[:limit]`` that really end there."""
    ends: list[int] = []
    for found in _END.finditer(text, 0, min(len(text), limit + 2)):
        stop = found.start()
        if not _ABBREVIATION.search(text[max(0, stop - 12) : stop]):
            ends.append(stop + len(found.group().rstrip()))
    return [end for end in ends if end <= limit]


def cut_at_sentence(text: str, limit: int) -> str:
    """As many whole sentences as fit into ``limit`` characters and an ellipsis, at least a third of it; else cut at a
    word.
    """
    if len(text) <= limit:
        return text
    ends = _ends(text, limit - 2)
    if ends and ends[-1] >= limit / 3:
        return f"{text[: ends[-1]].rstrip()}\u00a0…"
    return shorten(text, limit)


def first_sentence(text: str, limit: int = 320) -> str:
    """The first sentence, never ended inside a number, an initial or "et al."."""
    ends = _ends(text, limit)
    return text[: ends[0]].rstrip() if ends else shorten(text, limit)


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
        while stop < len(run) and (unicodedata.combining(run[stop]) or run[stop] in "\u200d\ufe0f"):
            stop += 1
        out.append(run[at:stop])
        at = stop
    return ZERO_WIDTH_SPACE.join(out)


def direction(text: str) -> str:
    """``rtl`` when most letters are written from right to left, else ``ltr``."""
    if text.isascii():
        return "ltr"
    return "rtl" if 2 * len(_RTL.findall(text)) > len(_LETTER.findall(text)) else "ltr"


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
    """Columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    total = 0
    for letter in text:
        if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
            continue
        total += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
    return total


def wrap(text: str, indent: str = "", columns: int = 72) -> str:
    """``text`` in lines of at most ``columns`` columns, each behind ``indent``; wide letters may break anywhere."""
    room = max(16, columns - width(indent))
    if _NARROW.fullmatch(text):
        return "\n".join(indent + line for line in _narrow_lines(" ".join(text.split()), room))
    lines: list[str] = []
    line, used = "", 0
    for word in text.split():
        for piece, glue in _pieces(word, room):
            size = width(piece)
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
            stop = at + room
        lines.append(text[at:stop])
        at = stop + (text[stop] == " ")
    return [*lines, text[at:]] if at < len(text) else lines


def _pieces(word: str, room: int) -> list[tuple[str, bool]]:
    """``word`` as (piece, stands directly behind the piece before): whole if it fits and is narrow."""
    if word.isascii() and len(word) <= room:
        return [(word, False)]
    out: list[tuple[str, bool]] = []
    piece, used = "", 0
    for letter in word:
        size = width(letter)
        if piece and size and (used + size > room or size == 2):
            out.append((piece, bool(out)))
            piece, used = "", 0
        piece += letter
        used += size
    return [*out, (piece, bool(out))]
