"""What a reader gets of a message: its parts decoded, the words and links of each. For tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import lxml.html
from lxml.html import HtmlElement

from digest.model.mail import Message, Stamp
from digest.rendering.message import parts, stamp
from tests.rendering.samples import VALUES

_STAMP = re.compile("\x02([a-z-]+)\x03")
_UNSEEN = re.compile("[\u00ad\u034f\u200b-\u200f\u2060\ufeff]")
#: Where one word ends and the next begins although no white space stands between them.
_BLOCKS = ("p", "div", "td", "th", "tr", "table", "br", "li", "h1", "h2", "h3")


def unmarked(html: str, values: Mapping[Stamp, str]) -> str:
    """A body as templates give it, with its stamps filled in."""
    return _STAMP.sub(lambda found: values.get(Stamp(found[1]), ""), html)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A mail as it arrives."""

    html: str
    text: str
    raw: bytes
    document: HtmlElement
    """Of the HTML part."""

    @property
    def size(self) -> int:
        """Bytes of the decoded HTML part, CRLF line ends as on the wire."""
        lines = self.html.count("\n") - self.html.count("\r\n")
        return len(self.html.encode()) + lines

    def links(self) -> list[str]:
        """The addresses of the HTML part that lead out of it, in order, with repetition."""
        return [url for url in self.document.xpath("//a/@href") if not url.startswith("#")]

    def readable(self) -> str:
        """What a reader of the HTML part sees, blocks set apart by spaces."""
        shown = lxml.html.document_fromstring(self.html.encode(), parser=lxml.html.HTMLParser(encoding="utf-8"))
        for element in [*shown.iter("style", "title"), *shown.xpath("//*[contains(@style,'display:none')]")]:
            element.drop_tree()
        for element in shown.iter(*_BLOCKS):
            element.text, element.tail = f" {element.text or ''}", f" {element.tail or ''}"
        return _UNSEEN.sub("", shown.text_content())

    def lost_words(self) -> tuple[set[str], int]:
        """(words of the HTML part that the text part has not, how many words it has). A word that the text part had to
        break over lines is there.
        """
        shown = set(re.findall(r"\w+", self.readable().lower()))
        plain = _UNSEEN.sub("", self.text.lower())
        there, squeezed = set(re.findall(r"\w+", plain)), "".join(plain.split())
        return {word for word in shown - there if word not in squeezed}, len(shown)

    def lost_links(self) -> set[str]:
        """Addresses of the HTML part that are not a line, or a word, of the text part."""
        return set(self.links()) - set(self.text.split())


def sent(message: Message) -> Sent:
    """The mail of one recipient."""
    raw = b"".join(stamp(message, VALUES))
    html, text = parts(raw)
    document = lxml.html.document_fromstring(html.encode(), parser=lxml.html.HTMLParser(encoding="utf-8"))
    return Sent(html=html, text=text, raw=raw, document=document)
