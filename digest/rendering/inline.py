"""CSS inlined once a template, not once a mail.

Takes a template's source with all its includes and gives the same template with its styles on the elements: Jinja's
marks are masked, the inliner runs, the marks come back. Rendering the result equals rendering first and inlining
afterwards (a test compares the two), at a twentieth of the cost. Rules for templates: no ``{% %}`` inside a tag, no
macros from other files, includes by literal name, and what clients may lose stands in ``<style data-keep>``.

The inliner is premailer, or css-inline (the extra ``fast``); both give the same declarations (a test compares them).
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import zip_longest
from types import ModuleType
from typing import Any

from digest.model.errors import ConfigError, TemplateError

ENGINES = ("premailer", "css-inline")

_QUOTED = r"\"[^\"]*\"|'[^']*'"
_TEXT = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_JINJA = re.compile(rf"(?P<statement>\{{%(?:{_TEXT}|[^\"'])*?%\}})|\{{\{{(?:{_TEXT}|[^\"'])*?\}}\}}", re.DOTALL)
_NOTE = re.compile(r"(?:^[ \t]*)?\{#.*?#\}\n?", re.DOTALL | re.MULTILINE)
_INCLUDE = re.compile(r"\{%-?\s*include\s+[\"'](?P<part>[^\"']+)[\"']\s*-?%\}")
_NOTE_OR_INCLUDE = re.compile(rf"(?ms:{_NOTE.pattern})|{_INCLUDE.pattern}")
_ELSEWHERE = re.compile(r"\{%-?\s*(extends|import|from|include)\b")
_TAG = re.compile(rf"<[A-Za-z/](?:{_QUOTED}|[^'\">])*>")
#: Marks stand for Jinja's: zqs a statement, zqo an output, zqk a style that is kept as it is.
_STATEMENT_MARK = re.compile(r"zqs(\d+)qz")
#: An output that stands for a whole attribute comes back with an empty value.
_MARK = re.compile(r"(?:<!--)?zq[sok](\d+)qz(?:-->|=\"\")?")
#: Where a comment inside would be text: conditional comments, styles, scripts, the title.
_RAW = r"<!--\[if[^\]]*\]>(?!<!).*?<!\[endif\]-->|<(?P<raw>style|script|title|textarea)\b.*?</(?P=raw)\s*>"
_OUTSIDE = re.compile(rf"(?P<kept>{_RAW})|(?P<mark>zqs\d+qz)", re.DOTALL | re.IGNORECASE)
_ANY_COMMENT = re.compile(r"<!--(?!\[|<!|>).*?-->", re.DOTALL)
_COMMENT = re.compile(r"<!--(?!\[|<!|>|zq).*?-->", re.DOTALL)
_KEPT = re.compile(r"(<style\b[^>]*?)\sdata-keep\b(?:=\"\")?([^>]*>.*?</style\s*>)", re.DOTALL | re.IGNORECASE)
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_BODY = re.compile(r"<(/?)tbody\b([^>]*)>", re.IGNORECASE)
_CLASSES = re.compile(r'\sclass="([^"]*)"')
_STYLES = re.compile(r'\sstyle="[^"]*"')
_BLOCK = r"(?:table|tr|td|p|h[1-6]|div)"
_AT_BLOCKS = re.compile(rf"\n(?=</?{_BLOCK}\b)|(?<=</p>)\n|(?<=</td>)\n|(?<=</tr>)\n|(?<=</table>)\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One template as it is written, and the file it was read from."""

    text: str
    file: str


class LostMark(Exception):
    """Inlining would lose or move this statement of Jinja; the text is the statement."""


def expand(name: str, source_of: Callable[[str], Source], chain: tuple[str, ...] = ()) -> str:
    """The source of ``name`` with every literal include replaced by the source it names, notes removed.

    TemplateError for templates that include each other in a circle.
    """
    source = source_of(name)
    chain = (*chain, name)

    def replaced(found: re.Match[str]) -> str:
        part = found["part"]
        if part is None:
            return ""
        if part in chain:
            circle = " → ".join((*chain[chain.index(part) :], part))
            raise _wrong(f"templates include each other without end: {circle}", source, found.start())
        return expand(part, source_of, chain).rstrip("\n")

    return _NOTE_OR_INCLUDE.sub(replaced, source.text)


def check(source: Source) -> None:
    """TemplateError where the template of an HTML mail breaks a rule that inlining beforehand rests on."""
    # Everything keeps its length, so that places stay what they are in the file.
    bare = _NOTE.sub(_blank, source.text)
    for found in _JINJA.finditer(bare):
        elsewhere = _ELSEWHERE.match(found[0])
        if elsewhere and not _INCLUDE.fullmatch(found[0]):
            what = "an include needs one literal name" if elsewhere[1] == "include" else f"no {{% {elsewhere[1]} %}}"
            raise _wrong(f"{what} in a mail, whose styles are put on once a template", source, found.start())
    masked = _JINJA.sub(lambda found: ("\0" if found["statement"] else "o") * len(found[0]), bare)
    for tag in _TAG.finditer(_ANY_COMMENT.sub(_blank, masked)):
        if (at := tag[0].find("\0")) >= 0:
            what = "{% … %} stands inside a tag; put it around whole tags, or write {{ … if … else … }}"
            raise _wrong(what, source, tag.start() + at)


def inline_template(source: str, engine: str = "premailer") -> str:
    """An expanded template with its styles inlined; its Jinja marks stand where they stood.

    LostMark where the inliner would lose or move a statement, as one inside a style that is inlined.
    """
    marks: list[str] = []

    def masked(found: re.Match[str]) -> str:
        marks.append(found[0])
        return f"zq{'s' if found['statement'] else 'o'}{len(marks) - 1}qz"

    def outside(found: re.Match[str]) -> str:
        return found[0] if found["kept"] else f"<!--{found[0]}-->"

    def uncommented(found: re.Match[str]) -> str:
        return "".join(mark[0] for mark in _STATEMENT_MARK.finditer(found[0]))

    bare = _ANY_COMMENT.sub(uncommented, _JINJA.sub(masked, source))
    done = inline_document(_OUTSIDE.sub(outside, bare), engine)
    before, after = _STATEMENT_MARK.findall(bare), _STATEMENT_MARK.findall(done)
    if before != after:
        moved = next((n for n, now in zip_longest(before, after) if n != now), None)
        raise LostMark(marks[int(moved or before[-1])])
    return _MARK.sub(lambda found: marks[int(found[1])], done)


def inline_document(html: str, engine: str = "premailer") -> str:
    """Any document with its styles inlined, classes nobody needs and white space nobody sees removed.

    ``engine`` is one of ENGINES; ConfigError for another, and for one that is not installed.
    """
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[1] + found[2])
        return f"<!--zqk{len(kept) - 1}qz-->"

    run = engine_for(engine)
    start = max(0, html.lower().find("<!doctype"))
    done = run(_KEPT.sub(keep, _COMMENT.sub("", html[start:])))
    for number, style in enumerate(kept):
        done = done.replace(f"<!--zqk{number}qz-->", style)
    return html[:start] + _tidy(done)


def engine_for(name: str) -> Callable[[str], str]:
    """The inliner of this name; ConfigError for an unknown one, and for one that is not installed."""
    if name == "premailer":
        return _premailer
    if name != "css-inline":
        raise ConfigError(f"there is no inliner {name!r}", where="inliner", try_=f"use one of {', '.join(ENGINES)}")
    try:
        css_inline: Any = import_module("css_inline")
    except ImportError as error:
        raise ConfigError(
            "the inliner css-inline is not installed",
            where="inliner",
            try_="install it with `pip install 'digest-papers[fast]'`, or use premailer",
        ) from error
    return lambda html: _css_inline(css_inline, html)


@contextmanager
def _without(name: str) -> Generator[None]:
    """Has an empty module stand for another while somebody imports it who will not use it."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]


def _premailer(html: str) -> str:
    # Read by premailer when it is imported; its cache of parsed styles holds 128 entries otherwise.
    os.environ.setdefault("PREMAILER_CACHE_MAXSIZE", "2048")
    # What would fetch style sheets, which nobody may, is a third of what it imports takes: 8 MB of 21.
    with _without("requests"):
        premailer: Any = import_module("premailer")  # 0.1 s, so only where a mail is really made
    transform = premailer.Premailer(
        html,
        strip_important=False,
        disable_validation=True,
        allow_network=False,
        align_floating_images=False,
        disable_basic_attributes=["width", "height", "align", "valign", "bgcolor"],
        cssutils_logging_level=logging.CRITICAL,
    )
    return str(transform.transform())


def _css_inline(css_inline: Any, html: str) -> str:
    ours = _BODY.sub(lambda found: found[0] if found[1] else f"<tbody data-ours{found[2]}>", html)
    done = str(css_inline.CSSInliner(load_remote_stylesheets=False).inline(ours))
    # Its parser puts a tbody into every table, which tears loops over rows apart and costs bytes.
    open_: list[bool] = []

    def body(found: re.Match[str]) -> str:
        if not found[1]:
            open_.append(" data-ours" in found[2])
            rest = re.sub(r"\sdata-ours(?:=\"\")?", "", found[2])
            return f"<tbody{rest}>" if open_[-1] else ""
        return found[0] if not open_ or open_.pop() else ""

    return _BODY.sub(body, done)


def _tidy(html: str) -> str:
    kept = " ".join(_STYLE.findall(html))
    used = set(re.findall(r"\.([A-Za-z][\w-]*)", kept))

    def needed(found: re.Match[str]) -> str:
        names = [name for name in found[1].split() if name in used or "zqo" in name]
        return f' class="{" ".join(names)}"' if names else ""

    html = _STYLES.sub(
        lambda found: re.sub(r"([;:,]) ", r"\1", found[0]).replace(';"', '"'), _CLASSES.sub(needed, html)
    )
    html = re.sub(r"[ \t]*\n\s*", "\n", html)
    return _AT_BLOCKS.sub("", html)


def _blank(found: re.Match[str]) -> str:
    """As long as it was, with its line ends."""
    return re.sub(r"[^\n]", " ", found[0])


def _wrong(what: str, source: Source, at: int) -> TemplateError:
    line = source.text.count("\n", 0, at) + 1
    shown = source.text.splitlines()[line - 1].strip()
    return TemplateError(
        f"{what} – in: {shown}", where=f"{source.file}:{line}", try_="docs/templates.md states the rules for templates"
    )
