"""Text made safe and plain: entities, HTML, control characters, direction overrides, white space.

Takes strings of a feed, gives one line of Unicode text (NFC) without markup. What only looks like markup ("a < b",
"<think>") stays: it is escaped where it is shown.
"""

from __future__ import annotations

import html
import re
import unicodedata

import nh3

from digest.entries import symbols

_ELEMENTS = (
    "a button canvas abbr acronym address applet area article aside audio b base basefont bdi bdo big blink "
    "blockquote body br "
    "caption center cite code col colgroup dd del details dfn dialog dir div dl dt em embed fieldset figcaption "
    "figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label "
    "legend li link main map mark marquee math menu meta meter nav noframes noscript object ol optgroup option output "
    "p param picture pre progress q s samp script section select small source span strike strong style sub summary "
    "sup svg table tbody td template textarea tfoot th thead title tr track tt u ul var video wbr "
    # JATS and MathML, as publishers' feeds carry them
    "jats mml inline-formula tex-math italic bold sec list list-item xref disp-formula"
)
_MATHML = (
    "mrow mi mn mo ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mfenced mstyle mtable "
    "mtr mtd mpadded mphantom menclose mmultiscripts mprescripts semantics annotation annotation-xml"
)
_NAMES = "|".join(sorted(f"{_ELEMENTS} {_MATHML}".split(), key=len, reverse=True))
#: What makes it a tag rather than words in angle brackets ("<picture of a cat>"): nothing, or attributes.
_REST = r"(?=\s*/?>|\s[^<>=]{0,300}=|\s+(?:async|defer|controls|disabled|hidden|autoplay|open)[\s/>])[^<>]{0,2000}>"
_TAG = re.compile(rf"</?(?:{_NAMES})(?::[\w-]+)?{_REST}|<!DOCTYPE\s[^<>]{{0,500}}>|<!\[CDATA\[|\]\]>", re.IGNORECASE)
_STRAY = re.compile(rf"<(?!/?(?:{_NAMES})(?::[\w-]+)?{_REST}|!--|!DOCTYPE\s)", re.IGNORECASE)
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|big|cite|code|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|tt|u|var|wbr|"
    rf"italic|bold|jats:(?:italic|bold|sub|sup|sc|monospace)|mml:[\w-]+|math|xref|"
    rf"{'|'.join(sorted(_MATHML.split(), key=len, reverse=True))}){_REST}",
    re.IGNORECASE,
)
#: Opens something whose content nobody reads: (opening, what closes it).
_HIDDEN = (
    (re.compile("<!--"), re.compile("-->")),
    *(
        (re.compile(rf"<{name}(?=[\s/>])", re.IGNORECASE), re.compile(rf"</{name}\s{{0,50}}>", re.IGNORECASE))
        for name in ("script", "style", "template", "noscript", "iframe", "object", "svg")
    ),
)
#: The tags of a usual abstract: nothing in them, and what they part is parted by a space.
_BARE_TAG = re.compile(r"</?(?:p|br|div)\s?/?>", re.IGNORECASE)
_SCRIPT = re.compile(r"<(?:jats:)?(sub|sup)(?:\s[^<>]{0,200})?>([^<>]{0,40})</(?:jats:)?\1\s*>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")

#: Zero width, direction marks, overrides, isolates, soft hyphen, tags, interlinear marks, non-characters, surrogates.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ufdd0-\ufdef\ud800-\udfff\U000e0000-\U000e007f]"
)
#: A terminal's escape sequences (ECMA-48): without its first character the rest would stay as letters.
_ESCAPED = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,500}(?:\x07|\x1b\\))")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
#: UTF-8 that somebody read as Latin-1 or Windows-1252 ("KroiÃ\u009f", "itâ€™s").
_MOJIBAKE = re.compile(
    "Ã[\u0080-\u00bf]|Â[\u0080-\u00aa\u00ac-\u00ba\u00bc-\u00bf]|[\u00c4-\u00df][\u0080-\u009f]"
    "|[\u00e0-\u00ef](?:[\u0080-\u009f][\u0080-\u00bf]|[\u00a0-\u00bf][\u0080-\u009f])|â€[™œ˜¦“”–—\u009d]"
)
_JOINER = re.compile("[\u200c\u200d]")


def decode(text: str) -> str:
    """Entities to characters, twice where they were escaped twice."""
    for _ in range(3):
        if not _ENTITY.search(text):
            break
        text = _unescape(text)
    return text


def _unescape(text: str) -> str:
    """Once, and only what ends in a semicolon: ``?a=1&copy=2`` names no sign."""
    return _ENTITY.sub(lambda found: html.unescape(found.group()), text)


def strip_tags(text: str) -> str:
    """A line (a title, a name) without its tags. Script and style go with their content; ``a < b`` stays."""
    for _ in range(3):
        if "<" in text:
            text = _SCRIPT.sub(_scripted, _without_hidden(text))
            text = _TAG.sub(" ", _INLINE.sub("", text)).removesuffix("<!--")
        if not _ENTITY.search(text):
            break
        text = _unescape(text)
    return text


def from_html(text: str) -> str:
    """An abstract, HTML or not, as text; inline elements join, all others part words."""
    if "&" not in text and "]]>" not in text:
        bare = _BARE_TAG.sub(" ", text)
        if "<" not in bare:
            return bare  # most abstracts: what follows would say the same, in ten times the time
    for _ in range(3):
        if "<" in text and _TAG.search(text):
            text = _SCRIPT.sub(_scripted, _STRAY.sub("&lt;", text))
            text = _TAG.sub("<br>", _INLINE.sub("", _without_hidden(text)))
            text = text.encode("utf-8", "ignore").decode()  # halves of surrogate pairs, which JSON can write
            text = nh3.clean(text, tags={"br"}, attributes={}, strip_comments=True).replace("<br>", " ")
            text = html.unescape(text)
        elif _ENTITY.search(text):
            text = _unescape(text)
        else:
            break
    return text


def _without_hidden(text: str) -> str:
    """Without scripts, styles and comments, content included; one that never closes is left to the tag rule."""
    for opening, closing in _HIDDEN:
        kept: list[str] = []
        at = 0
        while (opened := opening.search(text, at)) and (closed := closing.search(text, opened.end())):
            kept += (text[at : opened.start()], " ")
            at = closed.end()
        text = "".join(kept) + text[at:]
    return text


def _scripted(found: re.Match[str]) -> str:
    inner = html.unescape(found.group(2)).strip()
    raised = found.group(1).lower() == "sup"
    shown = symbols.superscript(inner) if raised else symbols.subscript(inner)
    # A footnote mark or a word gains nothing from a ^ before it.
    return html.escape(inner if shown[:1] in "^_" else shown, quote=False)


def one_line(text: str) -> str:
    """Without controls, invisible characters and line ends; NFC; single spaces."""
    if text.isascii() and text.isprintable():  # most texts: nothing else is in them
        return " ".join(text.split()) if "  " in text else text.strip()
    if not text.isascii():
        text = _MOJIBAKE.sub(_read_again, text)
    text = _CONTROL.sub(_control, _ESCAPED.sub("", text))
    text = _INVISIBLE.sub("", text)
    text = _JOINER.sub(_joiner, text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def _read_again(found: re.Match[str]) -> str:
    """The letter that was meant, or what stands here where none was."""
    text = found.group()
    for encoding in ("latin-1", "cp1252"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return {"â€“": "–", "â€”": "—", "â€\u009d": "”"}.get(text, text)


def _control(found: re.Match[str]) -> str:
    """C1 characters are Windows-1252 punctuation that somebody read as Latin-1 (HTML reads them so, too)."""
    char = found.group()
    if "\x80" <= char <= "\x9f":
        return bytes([ord(char)]).decode("cp1252", "ignore")
    return ""


def _joiner(found: re.Match[str]) -> str:
    """Zero-width joiners belong to Arabic, Indic … words and to emoji; elsewhere they only hide things."""
    text, at = found.string, found.start()
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if not before or not after:
        return ""
    if before == "\ufe0f" or ord(before) >= 0x1F000 or unicodedata.category(before) == "So":
        return found.group() if ord(after) >= 0x2000 else ""
    scripted = all(0x0600 <= ord(c) < 0x2000 and unicodedata.category(c)[0] in "LM" for c in (before, after))
    return found.group() if scripted else ""


def clamp(text: str, length: int) -> str:
    """At most ``length`` characters, cut between words, with an ellipsis where something is missing."""
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    head, gap, _ = cut.rpartition(" ")
    return (head if gap and len(head) > length // 2 else cut).rstrip() + "…"
