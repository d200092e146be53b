"""HTML and CSS, read just far enough to change tags, style sheets and declarations. Takes text, gives text.

No parser of the web's HTML: what is not touched comes out byte for byte, conditional comments and all, which is what a
comparison of mail programs lives on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape, unescape

#: An element's name ("" where it is not known) and its (property, value) pairs -> the pairs that stay.
Restyle = Callable[[str, list[tuple[str, str]]], list[tuple[str, str]]]
#: An at-rule's prelude (``@media print``) -> the one to write instead; None drops the rule.
AtRule = Callable[[str], str | None]
Attributes = dict[str, str]

_ATTRIBUTES = r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+"""
_PIECE = re.compile(
    rf"(?P<comment><!--.*?(?:-->|\Z))"
    rf"|(?P<open><style\b{_ATTRIBUTES}>)(?P<css>.*?)(?P<close></style\s*>|\Z)"
    rf"|(?P<tag><(?P<name>[a-zA-Z][\w:-]*){_ATTRIBUTES}>)",
    re.S | re.I,
)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""")
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.S)
_CSS_MARK = re.compile(r"""\\.|"[^"]*"|'[^']*'|[{};]""", re.S)
_DECLARATION = re.compile(r"""\s*+([-\w]++)\s*+:((?:[^;"'(]++|"[^"]*+"|'[^']*+'|\([^)]*+\)|["'(])*+)""")
_HEAD = re.compile(rf"<head\b{_ATTRIBUTES}>", re.I)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.I)


def rewritten(
    html: str,
    *,
    tag: Callable[[str, Attributes], Attributes | None] | None = None,
    css: Callable[[str], str | None] | None = None,
) -> str:
    """The page with its tags and style sheets changed.

    ``tag`` takes a lower-case name and the attributes (lower-case names, values unescaped) and gives them as they
    should be, or None to drop the tag; ``css`` takes a style sheet, None drops the whole element. Comments stay.
    """

    def piece(found: re.Match[str]) -> str:
        if found["css"] is not None:
            if css is None:
                return found[0]
            new = css(found["css"])
            return "" if new is None else f"{found['open']}{new}{found['close']}"
        if found["tag"] is None or tag is None:
            return found[0]
        return _tag(found["tag"], found["name"], tag)

    return _PIECE.sub(piece, html)


def _tag(text: str, name: str, change: Callable[[str, Attributes], Attributes | None]) -> str:
    inside = text[1 + len(name) : -1]
    before: Attributes = {}
    for found in _ATTRIBUTE.finditer(inside):
        before.setdefault(found[1].lower(), unescape(found[2] or found[3] or found[4] or ""))
    after = change(name.lower(), dict(before))
    if after is None:
        return ""
    if after == before:
        return text
    written = "".join(f' {key}="{escape(value)}"' for key, value in after.items())
    return f"<{name}{written}{'/' if inside.rstrip().endswith('/') else ''}>"


def restyled(html: str, change: Restyle, at_rule: AtRule = lambda prelude: prelude) -> str:
    """The page with every declaration changed, in ``style`` attributes as in style sheets."""

    def tag(name: str, attributes: Attributes) -> Attributes:
        if "style" in attributes:
            kept = _written(change(name, declarations(attributes["style"])))
            attributes["style"] = kept
            if not kept:
                del attributes["style"]
        return attributes

    return rewritten(html, tag=tag, css=lambda css: sheet(css, change, at_rule))


def sheet(css: str, change: Restyle, at_rule: AtRule = lambda prelude: prelude) -> str:
    """A style sheet with its declarations changed; rules of which nothing is left are dropped."""
    lines: list[str] = []
    for prelude, body in rules(_CSS_COMMENT.sub("", css)):
        if not prelude.startswith("@"):
            kept = _written(change(_element(prelude), declarations(body or "")))
            lines += [f"{prelude} {{ {kept} }}"] if kept else []
            continue
        new = at_rule(prelude)
        if new is None:
            continue
        if body is None:
            lines.append(f"{new};")
        elif "{" in body:
            lines.append(f"{new} {{\n{sheet(body, change, at_rule)}\n}}")
        else:
            lines.append(f"{new} {{ {_written(change('', declarations(body)))} }}")
    return "\n".join(lines)


def rules(css: str) -> Iterator[tuple[str, str | None]]:
    """(prelude, what stands between its braces) of each outermost rule; None where a semicolon ends it."""
    depth = start = inside = 0
    for mark in _CSS_MARK.finditer(css):
        letter = mark[0]
        if letter == "{":
            depth += 1
            if depth == 1:
                inside = mark.end()
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0:
                yield css[start : inside - 1].strip(), css[inside : mark.start()]
                start = mark.end()
        elif letter == ";" and depth == 0:
            if prelude := css[start : mark.start()].strip():
                yield prelude, None
            start = mark.end()
    if depth:  # the end of the sheet closes what is open
        yield css[start : inside - 1].strip(), css[inside:].strip().rstrip("}")


def declarations(style: str) -> list[tuple[str, str]]:
    """(property in lower case, value) as written, in order."""
    return [(found[1].lower(), found[2].strip()) for found in _DECLARATION.finditer(style)]


def with_base_style(html: str, css: str) -> str:
    """The page with a style sheet before its own: what a program assumes where the mail says nothing."""
    style = f"<style>{css}</style>"
    place = _HEAD.search(html) or _DOCTYPE.match(html)
    at = place.end() if place else 0
    return html[:at] + style + html[at:]


def _written(pairs: list[tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in pairs)


def _element(selector: str) -> str:
    """The element that a selector ends in, lower case; "" where it names none or several."""
    ends = {re.split(r"[\s>+~]+", one.strip())[-1] for one in selector.split(",")}
    names = {found[0].lower() if (found := re.match(r"[a-zA-Z][\w-]*", end)) else "" for end in ends}
    return names.pop() if len(names) == 1 else ""
