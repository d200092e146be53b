"""Real titles and abstracts of the development data: no crash, no word lost, one work per paper."""

from __future__ import annotations

import gzip
import html
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pylatexenc.latex2text import get_default_latex_context_db

from digest.entries.diff import Held, diff, keys
from digest.entries.mathtext import to_unicode
from digest.entries.normalize import clean, clean_abstract, clean_title
from digest.model.feeds import Entry, EntryData, EntryId, Source, SourceId

pytestmark = pytest.mark.shared

DATA = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "../shared")) / "data"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: Accent commands join letters into a word; a colour, a code point and a key are no words.
_ACCENT = r"\{?\\(?:[\"'`^~=.]\s?|[vcuHkr](?![a-zA-Z])\s?)\{?\\?[a-zA-Z]\}?\}?"
_TAGS = r"</?(?:a|span|b|i|p|br)(?:\s[^<>]*=[^<>]*)?/?>|"
_NO_WORDS = (
    rf"{_TAGS}\$[^$]*\$|\\\(.*?\\\)|\\(?:color|textcolor|unicode|hyperlink)\{{[^}}]*\}}|{_ACCENT}|\\[a-zA-Z]+|\\."
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing: set DIGEST_SHARED to the folder that holds data/")
    files = [*sorted((DATA / "archive").glob("*.jsonl.gz")), *sorted((DATA / "seeds").glob("00*.jsonl"))]
    return [row for file in files for row in _lines(file) if row.get("title")]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text))


#: Names of commands that some of the archive's texts carry without their backslash: no words of the papers.
_NAMES = (
    "leftrightarrow|rightarrow|leftarrow|uparrow|downarrow|circlearrowright|varepsilon|epsilon|varphi|propto|approx|times"
    "|widetilde|tilde|infty|lfloor|rfloor|lceil|rceil|langle|rangle|boldsymbol|text(?:bf|it|tt|sc|rm|sf)|math(?:cal|bb|bf|rm)"
    "|emph|left|right|cdot|circ|nabla|lambda|alpha|beta|gamma|delta|Delta|theta|Theta|sigma|omega|Omega|Phi|phi|Psi|psi|eta"
    "|tau|rho|leq|geq|ell|sim|ast|mix|pm|ll|gg|ge|le|nu|mu|pi|bf|x20(?:1[3489cd]|2[26])"
    "|text|blue|red|orange|teal|magenta|green|purple|cyan|this|https?|URL|url|star|top|stack|O|b"
)
#: What may stay, by what it is in these texts.
_STAYS = {
    r"\\[a-z](?![a-zA-Z])": "an escape of a programming language or a regular expression",
    r"\\[A-Z](?![a-zA-Z])": "one letter: a class of regular expressions or a macro of the author's",
    r"\\\d": "a back-reference, or a list's number",
}


def _has_unicode_form(command: str) -> bool:
    """Whether pylatexenc, which knows some 700 commands, has a character for it."""
    spec: Any = get_default_latex_context_db().get_macro_spec(command[1:])
    form = getattr(spec, "simplify_repl", None)
    return isinstance(form, str) and 0 < len(form) <= 2 and "%" not in form and len(command) > 2


def _lost(raw: str, shown: str) -> list[str]:
    """Words of ``raw`` outside its mathematics that ``shown`` does not have."""
    # One word may be set from pieces (\\textbf{I}ntent, HyCo$_2$): they are looked for in the run of letters.
    have, run = set(_words(shown)), "".join(_words(shown))
    wanted = _words(re.sub(_NO_WORDS, " ", html.unescape(raw), flags=re.DOTALL))
    missing = [word for word in wanted if word not in have and word not in run]
    return [word for word in missing if not all(piece in run for piece in re.split(_NAMES, word) if piece)]


def test_no_command_with_a_unicode_form_is_left_and_no_word_outside_mathematics_is_lost(
    rows: list[dict[str, Any]],
) -> None:
    lost: list[tuple[list[str], str]] = []
    left: dict[str, list[str]] = {}
    before = texts = 0
    for row in rows:
        for raw, shown in (
            (row["title"], clean_title(row["title"])),
            (row.get("abstract") or "", clean_abstract(row.get("abstract") or "")),
        ):
            texts += 1
            assert isinstance(to_unicode(raw), str)
            before += len(re.findall(r"\\[a-zA-Z]+|\\[^a-zA-Z\s]", raw))
            for found in re.finditer(r"\\(?:[a-zA-Z]+|[^a-zA-Z\s])", shown):
                around = shown[max(0, found.start() - 30) : found.end() + 30]
                left.setdefault(found.group(), []).append(around)
            if missing := _lost(raw, shown):
                lost.append((missing, shown[:60]))
    print(f"{texts} texts; {before} TeX commands, {sum(map(len, left.values()))} left as they were:")
    reasons: dict[str, list[str]] = {}
    for command, places in left.items():
        reason = next((why for form, why in _STAYS.items() if re.fullmatch(form, command)), "NO REASON")
        reasons.setdefault(reason, []).extend(places)
    for reason, places in sorted(reasons.items()):
        print(f"  {len(places)} {reason}", *places, sep="\n      … ")
    print(f"words lost: {sum(len(words) for words, _ in lost)} {lost[:20]}")
    assert not [command for command in left if _has_unicode_form(command)]
    assert "NO REASON" not in reasons
    assert not lost


def test_every_spelling_of_an_archived_paper_is_one_work(rows: list[dict[str, Any]]) -> None:
    papers = {row["id"]: row for row in rows if re.fullmatch(r"\d{4}\.\d{5}", str(row.get("id")))}
    items: dict[str, list[EntryData]] = {}
    for number, row in papers.items():
        base = clean(
            EntryData(
                key=number,
                title=row["title"],
                abstract=row.get("abstract") or "",
                authors=tuple(row.get("authors") or ()),
            )
        )
        items[number] = [
            clean(replace(base, url=f"https://huggingface.co/papers/{number}")),
            clean(replace(base, key=f"oai:arXiv.org:{number}v1", url=f"https://arxiv.org/abs/{number}")),
            clean(replace(base, key="x" * 12, url=f"http://www.arxiv.org/pdf/{number}v3.pdf?utm_source=feed")),
            clean(replace(base, key="y" * 12, doi=f"https://doi.org/10.48550/arXiv.{number}")),
        ]
    entries: dict[int, Entry] = {}
    tallies: list[Counter[str]] = []
    for spelling in range(4):
        feed = [spellings[spelling] for spellings in items.values()]
        changes = diff(
            feed, _held(entries, feed), source=Source(id=SourceId(f"s{spelling}"), kind="feed"), now=NOW, backfill=False
        )
        for change in changes:
            assert not change.absorbed
            number = change.after.id or EntryId(len(entries) + 1)
            entries[number] = replace(change.after, id=number)
        tallies.append(Counter(str(change.kind) for change in changes))
    print(f"{len(papers)} papers in 4 spellings: {len(entries)} works; {[dict(t) for t in tallies]}")
    assert {e.work for e in entries.values()} == {f"arxiv:{number}" for number in papers}
    assert len(entries) == len(papers)
    assert tallies[1] == tallies[3] == Counter(unchanged=len(papers))


def _held(entries: dict[int, Entry], feed: list[EntryData]) -> Held:
    _, titles = keys(feed)
    by_title: dict[str, tuple[Entry, ...]] = dict.fromkeys(titles, ())
    for entry in entries.values():
        if entry.title_key in by_title:
            by_title[entry.title_key] += (entry,)
    return Held(by_alias={a: e for e in entries.values() for a in e.aliases}, by_title=by_title)
