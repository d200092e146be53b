"""The HTML of a mail as lines: takes markup from anybody, gives texts with their links, block by block. Pure.

No more than that is needed to find a title, what stands below it, and where it leads. Time grows with the number of
characters only, whatever they are: nothing is looked for twice, and what never closes ends with the document.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

#: The rest of a longer document is not read.
LONGEST = 1_000_000
_LONGEST_TAG = 8_000

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCK = re.compile(
    r"address|article|aside|blockquote|br|caption|center|d[dlt]|div|fieldset|figure|footer|form|h[1-6]|header|hr|li|main"
    r"|nav|ol|p|pre|section|table|tbody|td|tfoot|th|thead|tr|ul"
)
_HIDDEN = ("script", "style", "title", "head", "template", "noscript")
_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9:-]{0,30})")
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"\[\]{}|\\^`]{1,4000}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Link:
    """Where it leads, as written, and what it is called; nothing where it is an address in plain text."""

    href: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One block's text, or what stands between two line breaks of it, on one line."""

    text: str
    links: tuple[Link, ...] = ()
    heading: bool = False


def lines_of_html(markup: str) -> tuple[Line, ...]:
    """The document's lines that hold a text, in their order."""
    markup = markup[:LONGEST]
    writer = _Writer()
    endless: set[str] = set()
    at = 0
    while (opened := markup.find("<", at)) >= 0:
        writer.write(markup[at:opened])
        if markup.startswith("<!--", opened):
            closed = markup.find("-->", opened)
            at = len(markup) if closed < 0 else closed + 3
            continue
        name = _NAME.match(markup, opened)
        if name is None and not markup.startswith(("<!", "<?"), opened):
            writer.write("<")
            at = opened + 1
            continue
        closed = _end_of_tag(markup, opened)
        if closed < 0:
            return writer.lines()
        at = closed + 1
        if name is not None:
            writer.tag(name[1].lower(), markup[opened : min(at, opened + _LONGEST_TAG)])
            at = _after_hidden(markup, name[1].lower(), opened, at, endless)
    writer.write(markup[at:])
    return writer.lines()


def lines_of_text(text: str) -> tuple[Line, ...]:
    """Plain text; the first line of a paragraph counts as its heading, and addresses as links without a label."""
    found: list[Line] = []
    begins = True
    for raw in text[:LONGEST].splitlines():
        line = " ".join(raw.split())
        if line:
            links = tuple(Link(one.rstrip(".,;:)>'")) for one in _URL.findall(line))
            found.append(Line(line, links, heading=begins and not line.lower().startswith("http")))
        begins = not line
    return tuple(found)


def _end_of_tag(markup: str, opened: int) -> int:
    """Where the tag's ``>`` is, or -1; one inside a quoted value does not count, if the quotes are few."""
    closed = markup.find(">", opened)
    for _ in range(8):
        inner = markup[opened : min(closed, opened + _LONGEST_TAG)]
        if closed < 0 or inner.count('"') % 2 == 0:
            break
        further = markup.find(">", closed + 1, closed + 2_000)
        if further < 0:
            break
        closed = further
    return closed


def _after_hidden(markup: str, name: str, opened: int, at: int, endless: set[str]) -> int:
    """Past what nobody is shown: the place of the element's end tag. What never closes is ``endless``, and is shown."""
    if name not in _HIDDEN or name in endless or markup.startswith("</", opened):
        return at
    found = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(markup, at)
    if found is None:
        endless.add(name)
        return at
    return found.start()


class _Writer:
    """Collects text into lines; knows which link and heading is open."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._text: list[str] = []
        self._label: list[str] = []
        self._links: list[Link] = []
        self._href = ""
        self._heading = False
        self._is_heading = False

    def write(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._label.append(text)
            self._is_heading = self._is_heading or (self._heading and not text.isspace())

    def tag(self, name: str, raw: str) -> None:
        ends = raw.startswith("</")
        if _BLOCK.fullmatch(name):
            self._end_line()
            self._heading = not ends if name in _HEADINGS else self._heading
        elif name == "a":
            self._end_link()
            found = None if ends else _HREF.search(raw)
            self._href = html.unescape(found[1] or found[2] or found[3] or "").strip() if found else ""
        elif name == "img":
            self.write(" ")

    def lines(self) -> tuple[Line, ...]:
        self._end_line()
        return tuple(self._lines)

    def _end_link(self) -> None:
        label = _plain("".join(self._label))
        if self._href and label:
            self._links.append(Link(self._href, label))
        self._label = []

    def _end_line(self) -> None:
        """A link that goes on is on both lines."""
        self._end_link()
        text = _plain("".join(self._text))
        if text:
            self._lines.append(Line(text, tuple(self._links), heading=self._is_heading))
        self._text, self._links, self._is_heading = [], [], False


def _plain(text: str) -> str:
    """On one line; characters that show nothing (they pad the preview line of a mail) are left out."""
    return " ".join(re.sub("[\u00ad\u034f\u200b-\u200f\u2007\u2060\ufeff]", "", html.unescape(text)).split())
