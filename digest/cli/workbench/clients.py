"""What mail programs make of a mail. Takes its HTML, gives the HTML that a browser shows as the program would.

Each view is a rough likeness, made to find what breaks: no program is imitated to the pixel. What programs support is
from caniemail.com and from Microsoft's list of what Word renders.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from digest.cli.workbench.markup import Attributes, restyled, rewritten, with_base_style

_SCHEME = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.I)
_COLOR_SCHEME = re.compile(r"(?<![-\w])(color-scheme\s*:\s*)([^;}\"']+)", re.I)
_URL = re.compile(r"url\(", re.I)
_OPENS = re.compile(r"(?:https?|mailto):", re.I)


def in_scheme(html: str, scheme: str) -> str:
    """The mail where the reader has chosen ``light`` or ``dark``, whatever this machine has."""

    def media(found: re.Match[str]) -> str:
        return "(min-width: 0)" if found[1].lower() == scheme else "(max-width: 0)"

    def supported(value: str) -> str:
        return scheme if scheme in value.lower().split() else value

    def told(text: str) -> str:
        text = _SCHEME.sub(media, text)
        return _COLOR_SCHEME.sub(lambda found: found[1] + supported(found[2]), text)

    def tag(name: str, attributes: Attributes) -> Attributes:
        for key in ("media", "style"):
            if key in attributes:
                attributes[key] = told(attributes[key])
        if name == "meta" and attributes.get("name", "").lower() == "color-scheme":
            attributes["content"] = supported(attributes.get("content", ""))
        return attributes

    return rewritten(html, tag=tag, css=told)


def without_styles(html: str) -> str:
    """Every style sheet gone; what stands in ``style`` attributes is all that is left."""

    def tag(name: str, attributes: Attributes) -> Attributes | None:
        return None if name == "link" and "stylesheet" in attributes.get("rel", "").lower() else attributes

    return rewritten(html, tag=tag, css=lambda _: None)


def without_images(html: str) -> str:
    """No picture is loaded: the words in ``alt`` stand in its place, backgrounds are plain."""

    def tag(name: str, attributes: Attributes) -> Attributes:
        if name == "img":
            attributes["src"] = "data:,"
        for key in ("srcset", "background", "poster"):
            attributes.pop(key, None)
        return attributes

    def plain(_: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(name, value) for name, value in pairs if not _URL.search(value)]

    return restyled(rewritten(html, tag=tag), plain)


# -- Outlook on Windows, which prints with Word's engine ----------------------------------------------------------

_WORD = 16
_REVEALED = re.compile(
    r"<!--\[if\s([^\]]*)\]><!--\s*-->(.*?)<!--\s*<!\[endif\]-->|<!\[if\s([^\]]*)\]>(.*?)<!\[endif\]>", re.S | re.I
)
_HIDDEN = re.compile(r"<!--\[if\s([^\]]*)\]>(.*?)<!\[endif\]-->", re.S | re.I)
#: Word's own settings, which are not shown.
_SETTINGS = re.compile(r"<xml\b.*?</xml\s*>", re.S | re.I)
_VERSION = re.compile(r"(?:(gte|gt|lte|lt)\s+)?mso(?:\s+(\d+))?$", re.I)
_COMPARED: dict[str, Callable[[int], bool]] = {
    "gte": lambda version: version <= _WORD,
    "gt": lambda version: version < _WORD,
    "lte": lambda version: version >= _WORD,
    "lt": lambda version: version > _WORD,
    "": lambda version: version == _WORD,
}
_UNKNOWN = frozenset(
    {
        *("max-width", "min-width", "max-height", "min-height", "overflow", "float", "position", "top", "right"),
        *("bottom", "left", "border-radius", "box-shadow", "text-shadow", "opacity", "filter", "object-fit"),
        *("background-image", "background-size", "background-position", "background-repeat", "flex", "gap"),
        *("transform", "transition", "animation", "word-break", "overflow-wrap"),
        *("text-decoration-color", "text-decoration-thickness", "text-underline-offset"),
    }
)
_UNREADABLE = re.compile(r"\b(?:calc|var|rgba|hsla?|min|max|clamp|[a-z-]+-gradient|url)\(|\drem\b", re.I)
#: Block elements whose box Word does not draw: it draws their paragraphs.
_NO_BOX = frozenset({"p", "div", "a", "span", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "section"})
#: The families that a Windows machine has; Helvetica is read as Arial there.
_FAMILIES = frozenset(
    {
        *("arial", "helvetica", "georgia", "times new roman", "times", "verdana", "tahoma", "trebuchet ms", "calibri"),
        *("cambria", "candara", "segoe ui", "consolas", "courier new", "courier", "serif", "sans-serif", "monospace"),
    }
)
_SIZED = re.compile(r"^(.*?\d(?:px|pt|em|%)(?:\s*/\s*[\d.]+(?:px|pt|em|%)?)?\s+)(.+)$")


def in_word(html: str) -> str:
    """Outlook on Windows: conditional comments are obeyed, and what Word does not know is dropped.

    No @media and no other @-rule, no max-width, rounded corner, background image or positioning; no padding and no
    width but on tables and their cells; no background behind a div; a font that Windows lacks becomes Times New Roman,
    and tables do not inherit one.
    """

    def conditional(found: re.Match[str]) -> str:
        condition, inside = [part for part in found.groups() if part is not None]
        return _SETTINGS.sub("", inside) if _holds(condition) else ""

    html = _REVEALED.sub(conditional, html)
    html = _HIDDEN.sub(conditional, html)
    html = restyled(html, _word_keeps, lambda _: None)
    return with_base_style(html, 'table { font-family: "Times New Roman", serif; font-size: 16px }')


def _holds(condition: str) -> bool:
    """Whether a conditional comment is for Word: ``mso``, ``!mso``, ``gte mso 9``, joined by ``|`` and ``&``."""

    def one(term: str) -> bool:
        term = term.strip(" ()")
        if term.startswith("!"):
            return not one(term[1:])
        found = _VERSION.match(term)
        if found is None:
            return term.lower() == "vml"
        return found[2] is None or _COMPARED[(found[1] or "").lower()](int(found[2]))

    return any(all(one(term) for term in way.split("&")) for way in condition.split("|"))


def _word_keeps(element: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, _in_windows_font(name, value)) for name, value in pairs if _word_reads(element, name, value)]


def _word_reads(element: str, name: str, value: str) -> bool:
    bare = value.lower().replace("!important", "").strip()
    if name in _UNKNOWN or _UNREADABLE.search(value):
        return False
    if name == "display":
        return bare == "none"
    if name == "text-align":
        return bare not in ("start", "end")
    if name.startswith("margin"):
        return "auto" not in bare and "-" not in bare and element not in ("table", "td", "th", "img", "a", "span")
    if element in _NO_BOX:
        if name.startswith("padding") or name in ("width", "height"):
            return False
        return not (element == "div" and name.startswith("background"))
    return True


def _in_windows_font(name: str, value: str) -> str:
    """Word takes the first family, or Times New Roman where there is none of that name."""
    if name not in ("font", "font-family"):
        return value
    sized = _SIZED.match(value) if name == "font" else None
    size, families = (sized[1], sized[2]) if sized else ("", value)
    if name == "font" and not sized:
        return value
    first = families.split(",")[0].strip().strip("\"'")
    if first.lower().replace("!important", "").strip() in _FAMILIES:
        return value
    return f"{size}'Times New Roman'"


# -- a program that recolours by itself ---------------------------------------------------------------------------

_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|rgba?\([^)]*\)|\b(?:white|black|gray|grey|silver|navy|red|green|blue)\b", re.I)
_NAMED = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "navy": (0, 0, 128),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
}
_COLOURED = ("color", "background", "border", "outline", "text-decoration")
#: How light white becomes.
_GROUND = 0.07


def recoloured(html: str) -> str:
    """A program that makes any mail dark by turning light into dark and dark into light, the hue kept, as Gmail's apps
    do; the mail's own dark styles are not read.
    """

    def turned(_: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [
            (name, _COLOUR.sub(_inverted, value) if name.startswith(_COLOURED) else value)
            for name, value in pairs
            if name != "color-scheme"
        ]

    def tag(name: str, attributes: Attributes) -> Attributes | None:
        if name == "meta" and "color-scheme" in attributes.get("name", "").lower():
            return None
        for key in ("bgcolor", "color", "text", "link"):
            if key in attributes:
                attributes[key] = _COLOUR.sub(_inverted, attributes[key])
        return attributes

    html = restyled(rewritten(html, tag=tag), turned, lambda rule: None if "prefers-color-scheme" in rule else rule)
    return with_base_style(html, "html { background: #121212; color: #fff } a { color: #8ab4f8 }")


def _inverted(found: re.Match[str]) -> str:
    """A colour with its lightness turned round: white becomes nearly black, black white."""
    read = _rgb(found[0].lower())
    if read is None:
        return found[0]
    (red, green, blue), alpha = read
    hue, light, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    turned = colorsys.hls_to_rgb(hue, 1 - (1 - _GROUND) * light, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in turned) + alpha


def _rgb(text: str) -> tuple[tuple[int, int, int], str] | None:
    """((red, green, blue), alpha as two hex digits or ""); None for what is no colour."""
    if text in _NAMED:
        return _NAMED[text], ""
    if text.startswith("#"):
        digits = text[1:]
        if len(digits) in (3, 4):
            digits = "".join(digit * 2 for digit in digits)
        if len(digits) not in (6, 8):
            return None
        return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)), digits[6:]
    numbers = re.findall(r"[\d.]+", text)
    if len(numbers) < 3 or "%" in text:
        return None
    red, green, blue = (min(255, round(float(number))) for number in numbers[:3])
    return (red, green, blue), f"{min(255, round(float(numbers[3]) * 255)):02x}" if len(numbers) > 3 else ""


# -- the frames ---------------------------------------------------------------------------------------------------


def framed(html: str) -> str:
    """The mail for a frame: links open beside it, and nothing in it moves the frame elsewhere by itself."""

    def tag(name: str, attributes: Attributes) -> Attributes | None:
        if name == "base" or (name == "meta" and attributes.get("http-equiv", "").lower() == "refresh"):
            return None
        if name in ("a", "area") and _OPENS.match(attributes.get("href", "").strip()):
            attributes |= {"target": "_blank", "rel": "noreferrer"}
        return attributes

    return with_base_style(rewritten(html, tag=tag), "html { scrollbar-width: none }")


def text_page(text: str) -> str:
    """The plain-text part as a program with a fixed-width font shows it; a hairline stands after 72 columns."""
    style = (
        "html { color-scheme: light dark; scrollbar-width: none } body { margin: 0; padding: 20px 22px; width: 73ch;"
        " background: linear-gradient(90deg, transparent 72ch, #8885 72ch, #8885 calc(72ch + 1px), transparent 0)"
        " 22px 0; font: 14px/1.45 ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace }"
        " pre { margin: 0; font: inherit; unicode-bidi: plaintext }"
    )
    return f"<!doctype html><meta charset=utf-8><title>Text</title><style>{style}</style><pre>{escape(text)}</pre>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One way to look at the mail, ``width`` pixels wide. ``view`` takes the part's text."""

    name: str
    title: str
    note: str
    width: int
    view: Callable[[str], str]
    part: str = "html"
    """``html`` or ``text``."""
    images: bool = True
    """Whether pictures of the web may be loaded."""


def _light(html: str) -> str:
    return framed(in_scheme(html, "light"))


FRAMES = (
    Frame(name="phone", title="Phone", note="390 px", width=390, view=_light),
    Frame(name="desktop", title="Desktop", note="720 px", width=720, view=_light),
    Frame(
        name="dark",
        title="Dark",
        note="its own dark styles",
        width=390,
        view=lambda html: framed(in_scheme(html, "dark")),
    ),
    Frame(
        name="forced",
        title="Forced dark",
        note="recoloured by the program",
        width=390,
        view=lambda html: framed(recoloured(html)),
    ),
    Frame(
        name="plain",
        title="Styles dropped",
        note="no <style> left",
        width=390,
        view=lambda html: framed(without_styles(in_scheme(html, "light"))),
    ),
    Frame(
        name="outlook",
        title="Outlook-like",
        note="what Word draws",
        width=720,
        view=lambda html: framed(in_word(in_scheme(html, "light"))),
    ),
    Frame(
        name="images",
        title="Images blocked",
        note="as most first see it",
        width=390,
        view=lambda html: framed(without_images(in_scheme(html, "light"))),
        images=False,
    ),
    Frame(name="text", title="Text", note="72 columns", width=660, view=text_page, part="text"),
)
