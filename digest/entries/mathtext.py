r"""LaTeX in prose to Unicode text: ``O($n^2 \log n$)`` gives ``O(n² log n)``, ``Erd\H{o}s`` gives ``Erdős``.

Takes text without HTML, gives text. Only ``$…$``, ``$$…$$``, ``\(…\)`` and ``\[…\]`` are read as mathematics, and
dollars only where they are no money. What cannot be converted stays as it was: no word is lost. Time is linear in the
length. Entities, control characters and white space are normalize.py's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from digest.entries import stripped, symbols

#: Longer texts keep what lies behind this as it is.
MAX_CHARS = 100_000
_MAX_FORMULA = 2_000
_MAX_DEPTH = 24
#: Dollars that are tried as the end of a formula whose words hold formulas.
_MAX_NESTED = 12

_PLAIN_PROSE = re.compile(r"[^\\{}$]+")
_PLAIN_MATHS = re.compile(r"[^\\{}$^_~&'\s]+")
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?")
_STRONG = re.compile(r"\\[a-zA-Z%]|[\^_]|\\[,;!]")
_STYLED_TEXT = re.compile(r"\\(?:text[a-z]*|math[a-z]+|emph|href|mbox|operatorname|underline|underbrace)\s*\{[^{}]*\}")
_WORDY = re.compile(r"(?<![\\\w])[A-Za-z]{3,}[,;]? +[a-z]{2,}(?![\w(])")
_SPACED = re.compile(r"[=<>+*/|≤≥×∈,:-]|\.\.")
_RELATION = re.compile(r"[=<>≤≥∈]")
_WORD = re.compile(r"(?<![\\\w])[A-Za-z]{2,}")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_SPECIALS = frozenset("%&_#${}")
#: Escapes and classes of regular expressions (``\n``, ``\d``), and a line break before a sentence (``\nThe``).
_NO_MACRO = re.compile(r"[a-zA-Z]$|[ntr][A-Z][a-z]")
_IN_CODE = re.compile(r"[\w:.\\/\"'|]$")
_BOLD = {"bb": "mathbb", "cal": "mathcal"}
#: "US$", "HK$": what stands before it is money.
_CURRENCY = re.compile(r"\b(?:US|HK|NZ|NT|AU|CA|[ACSR])$")


class _Unreadable(Exception):
    """This formula is not one we can convert as a whole."""


def to_unicode(text: str) -> str:
    """``text`` with its LaTeX converted. Never raises; text without LaTeX comes back as it is."""
    head, tail = stripped.restored(text[:MAX_CHARS]), text[MAX_CHARS:]
    if "\\" in head or "$" in head:
        head = _Reader(head).prose()
    return _typography(stripped.scripted(head, _convert)) + tail


def _typography(text: str) -> str:
    """TeX's quotes, dashes and ties. ``~70 %``, ``5~10``, ``--help`` and ``/~user`` are none."""
    if "``" in text or "''" in text:
        text = re.sub(r"(?<!`)``(?!`)\s?([^`\"“”]{0,400}?)(?:''(?!')|\")", r"“\1”", text)
        text = re.sub(r"(?<![\w'])''(?=[^\W_])([^`\"“”]{1,200}?)(?<=[\w.,!?)])(?:''(?!')|\")", r"“\1”", text)
        text = re.sub(r"(?<![`\w])``(?=[^\W_])", "“", text)
        text = re.sub(r"(?<=\w)``(?=[\s.,;)])", "”", text)
    if "--" in text:
        text = re.sub(r"(?<=[\w)\]%”.,])(?<!-)---(?=[\w(\[“])|(?<=\s)---(?=\s)", "—", text)
        text = re.sub(r"(?<=[\w)\]%”.,])(?<!-)--(?=[\w(\[“])|(?<=\s)--(?=\s)", "–", text)
    if "~" in text:
        text = re.sub(r"(?<=\s)~(?=\()|(?<=\w)~(?=\s[(–—])|(?<=[–—]\s)~(?=\w)|(?<=\s)~(?=https?:)", "", text)
        text = re.sub(r"~([↔→←⇒×=+–—])~", r" \1 ", text)
        text = re.sub(r"(?<=[^\W\d_])~(?=[\w(\[])|(?<=[\d.,;:)\]}%])~(?=[^\W\d_]|[(\[])|(?<=[a-z]\.)~(?=\d)", " ", text)
    return text


def _matching_braces(text: str) -> dict[int, int]:
    """Positions of opening braces with those of their closing ones; escaped ones count for nothing."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for found in _BRACES.finditer(text):
        if found.group() == "{":
            waiting.append(found.start())
        elif found.group() == "}" and waiting:
            pairs[waiting.pop()] = found.start()
    return pairs


class _Reader:
    """A cursor over one text. Methods take what they read off it and give its conversion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.braces: dict[int, int] | None = None
        self.even: bool | None = None
        # Some feeds escape quotation marks as in JSON: a \" before a space or at the end ends a quotation.
        self.quotes = {q for q in "\"'" if re.search(rf"(?<=[\w.,!?])\\{q}(?![A-Za-z{{\\ ])|(?<=\w)\\{q} ", text)}

    def prose(self) -> str:
        return self._run(maths=False, closing="", depth=0)[0]

    def formula(self) -> str:
        return self._run(maths=True, closing="", depth=0)[0].strip()

    def _run(self, *, maths: bool, closing: str, depth: int) -> tuple[str, bool]:
        """Converted text up to ``closing`` (taken), and whether it was there."""
        out: list[str] = []
        plain = _PLAIN_MATHS if maths else _PLAIN_PROSE
        while self.pos < len(self.text):
            char = self.text[self.pos]
            if char == closing:
                self.pos += 1
                return "".join(out), True
            if found := plain.match(self.text, self.pos):
                self.pos = found.end()
                out.append(found.group())
            elif char == "\\":
                out.append(self._command(maths=maths, depth=depth, before=out[-1][-1:] if out else ""))
            elif char == "{":
                out.append(self._group(maths=maths, depth=depth))
            elif maths:
                out.append(self._maths_char(char, depth))
            elif char == "$":
                out.append(self._dollars())
            else:
                out.append(char)
                self.pos += 1
        return "".join(out), False

    def _maths_char(self, char: str, depth: int) -> str:
        self.pos += 1
        if char in "^_":
            script = (symbols.superscript if char == "^" else symbols.subscript)(self._argument(depth))
            # "x_θ p" must not run together where θ has no lowered form.
            return script + " " if script.startswith(char) and self.text[self.pos - 1].isspace() else script
        if char == "'":
            return "′"
        if char in "}$":
            raise _Unreadable
        if char in "~&" or char.isspace():
            self._skip_space()
            return " "
        return char

    def _group(self, *, maths: bool, depth: int) -> str:
        """``{…}``: in maths only a grouping; in prose kept, unless made for a command (``{\\em x}``, ``{\\"o}``)."""
        if depth >= _MAX_DEPTH:
            if maths:
                raise _Unreadable
            self.pos += 1
            return "{"
        self.pos += 1
        for_command = self.text.startswith("\\", self.pos)
        inner, closed = self._run(maths=maths, closing="}", depth=depth + 1)
        if not closed:
            if maths:
                raise _Unreadable
            return "{" + inner
        return inner if maths or (for_command and not inner.startswith("\\")) else "{" + inner + "}"

    def _argument(self, depth: int) -> str:
        """A command's argument in maths: a group, a command or one character."""
        self._skip_space()
        if self.pos >= len(self.text) or depth >= _MAX_DEPTH:
            raise _Unreadable
        char = self.text[self.pos]
        if char == "{":
            return self._group(maths=True, depth=depth)
        if char == "\\":
            return self._command(maths=True, depth=depth + 1, before="")
        if char in "^_}$":
            raise _Unreadable
        self.pos += 1
        return char

    def _braced(self, *, maths: bool, depth: int) -> str | None:
        """The converted inside of ``{…}`` if a closed one stands here; else None, and the cursor stays."""
        start = self.pos
        self._skip_space()
        if not self.text.startswith("{", self.pos) or depth >= _MAX_DEPTH:
            self.pos = start
            return None
        end = self._closing_brace()
        if end is None:
            self.pos = start
            return None
        self.pos += 1
        return self._run(maths=maths, closing="}", depth=depth + 1)[0]

    def _raw(self) -> str | None:
        """As :meth:`_braced`, but unconverted (a URL, a colour)."""
        start = self.pos
        self._skip_space()
        end = self._closing_brace() if self.text.startswith("{", self.pos) else None
        if end is None:
            self.pos = start
            return None
        inner = self.text[self.pos + 1 : end]
        self.pos = end + 1
        return inner

    def _closing_brace(self) -> int | None:
        """Where the group that opens here closes."""
        if self.braces is None:
            self.braces = _matching_braces(self.text)
        return self.braces.get(self.pos)

    def _skip_space(self) -> bool:
        start = self.pos
        while self.pos < len(self.text) and self.text[self.pos].isspace():
            self.pos += 1
        return self.pos > start

    def _dollars(self) -> str:
        """``$…$`` here: converted if it is a formula, else the dollar itself, and what follows is read as prose."""
        mark = "$$" if self.text.startswith("$$", self.pos) else "$"
        start = self.pos + len(mark)
        end = start
        limit = min(len(self.text), start + _MAX_FORMULA)
        while end < limit and self.text[end] != "$":
            end += 2 if self.text[end] == "\\" else 1
        if self._unbalanced(start, end):
            end = self._nested_end(start, end, limit)
        inside = self.text[start:end]
        closed = self.text.startswith(mark, end) and end < limit
        behind = self.text[end + len(mark) : end + len(mark) + 1]
        if closed and (_is_formula(inside, behind) or self._is_set_off(inside, behind, start - len(mark))):
            converted = _convert(inside)
            if converted is not None:
                self.pos = end + len(mark)
                return converted
        self.pos = start
        return mark

    def _unbalanced(self, start: int, end: int) -> bool:
        return self.text.count("{", start, end) > self.text.count("}", start, end)

    def _nested_end(self, start: int, end: int, limit: int) -> int:
        r"""Where the formula ends whose words hold formulas (``$\textbf{a $\to$ b}$``); ``end`` if nowhere near."""
        further = end
        for _ in range(_MAX_NESTED):
            if not 0 <= further < min(limit, start + 300):
                break
            if not self._unbalanced(start, further):
                return further
            further = self.text.find("$", further + 1, limit)
        return end

    def _is_set_off(self, inside: str, behind: str, start: int) -> bool:
        """Whether the dollars can be no money though words stand between them (``$30 FPS$``, ``$n$-gram``)."""
        before = self.text[start - 1 : start] if start else " "
        if behind.isalnum() or not (before.isspace() or before in "(–—") or len(inside) > 120:
            return False
        if not inside or inside[0].isspace() or inside[-1].isspace() or inside[-1].isdigit():
            return False
        if self.even is None:
            self.even = self.text.count("$") % 2 == 0
        return self.even and not _CURRENCY.search(inside)

    def _brackets(self, closing: str) -> str | None:
        r"""``\(…\)`` or ``\[…\]`` here, converted; None if it is no formula."""
        end = self.text.find(closing, self.pos + 2, self.pos + _MAX_FORMULA)
        if end < 0:
            return None
        inside = self.text[self.pos + 2 : end]
        if self.text[self.pos : self.pos + 2] in inside or (closing == r"\]" and not _STRONG.search(inside)):
            return None
        converted = _convert(inside)
        if converted is not None:
            self.pos = end + 2
        return converted

    def _command(self, *, maths: bool, depth: int, before: str) -> str:
        """The command here. ``before`` is the character in front of it, which decides about spaces."""
        found = _COMMAND.match(self.text, self.pos)
        if found is None:
            return self._escaped(maths=maths, depth=depth)
        start, name = self.pos, found.group(1)
        self.pos = found.end()
        if maths and name in ("begin", "end"):
            raise _Unreadable
        if name in _ARGUMENTS:
            converted = _ARGUMENTS[name](self, maths, depth)
        elif name in symbols.STYLES:
            converted = self._styled(maths=maths, depth=depth, wordy=name.startswith("text") or name == "mbox")
        elif not maths and name in symbols.ACCENT_LETTERS:
            converted = self._letter_accent(name, depth)
        else:
            converted = self._simple(name, maths=maths, depth=depth, before=before)
        if converted is None and name not in _ARGUMENTS and name not in symbols.STYLES:
            self.pos = found.end()
            converted = self._macro(name, maths=maths, depth=depth)
        if converted is None:
            self.pos = found.end()
            return self.text[start : self.pos]
        return converted

    def _macro(self, name: str, *, maths: bool, depth: int) -> str | None:
        r"""A macro of the author's own: its argument, or else its name, which says more than nothing (``\method``).

        None for what may be a path, a regular expression, an escape of a programming language or TeX spoken of.
        """
        self.pos -= self.text[self.pos - 1] == "*"
        start = self.pos - len(name) - 1
        if maths and (found := re.fullmatch(r"(b|bb|bf|bm|cal)([A-Z])", name)):
            return symbols.styled(_BOLD[found.group(1)], found.group(2)) if found.group(1) in _BOLD else found.group(2)
        if _NO_MACRO.match(name) or name in symbols.OF_LATEX or _IN_CODE.match(self.text[max(0, start - 1) : start]):
            return None
        following = self.text[self.pos : self.pos + 2]
        if following[:1] in ("\\", "_") and following[1:].isalnum() and not self._known_follows():
            return None
        if self._take_empty_group():
            return name
        if following[:1] == "{" and not maths and (inner := self._braced(maths=False, depth=depth)) is not None:
            return inner if any(c.isalpha() for c in inner) else name + inner
        return name

    def _known_follows(self) -> bool:
        found = _COMMAND.match(self.text, self.pos)
        name = found.group(1) if found else ""
        return len(name) > 1 and (name in symbols.SILENT or symbols.symbol(name, maths=False) is not None)

    def _simple(self, name: str, *, maths: bool, depth: int, before: str) -> str | None:
        """A command that is a letter, an operator, a symbol, an accent or an alphabet of maths."""
        if name in symbols.LETTERS and not (maths and len(name) == 1 and name in "oOlLij"):
            self._end_of_name()
            return symbols.LETTERS[name]
        if name in symbols.SILENT:
            self._skip_space()
            if name == "left" or name == "right":
                self.pos += self.text.startswith(".", self.pos)
            return ""
        if not maths and (name in symbols.ALPHABETS or name in symbols.MATH_ACCENTS):
            maths = self._has_groups(1)
        if maths and name in symbols.ALPHABETS:
            return symbols.styled(symbols.ALPHABETS[name], self._argument(depth).strip())
        if maths and name in symbols.MATH_ACCENTS:
            inner = self._argument(depth)
            return symbols.accented(inner, symbols.MATH_ACCENTS[name]) or inner
        if maths and name in symbols.OPERATORS:
            return self._operator(name, before)
        sign = symbols.symbol(name, maths=maths)
        if sign is None:
            return None
        if not self._take_empty_group() and maths:
            return self._spaced(sign, before)
        return sign

    def _spaced(self, sign: str, before: str) -> str:
        """TeX eats the space behind a command; a sign between two things gets the space it has in front, and a relation
        keeps the one it has.
        """
        gap = self._skip_space()
        following = self.text[self.pos : self.pos + 1]
        between = symbols.is_between(sign) and before == " "
        return sign + " " if following and (between or (gap and following in "=<>≤≥≈∈")) else sign

    def _operator(self, name: str, before: str) -> str:
        self._skip_space()
        following = self.text[self.pos : self.pos + 1]
        name = {"argmax": "arg max", "argmin": "arg min", "bmod": "mod"}.get(name, name)
        lead = " " if before.isalnum() or before == ")" else ""
        return lead + name + (" " if following and (following.isalnum() or following in "\\{|") else "")

    def _styled(self, *, maths: bool, depth: int, wordy: bool) -> str | None:
        inner = self._braced(maths=maths and not wordy, depth=depth)
        if inner is None and maths:
            return self._argument(depth)
        return inner

    def _end_of_name(self) -> None:
        """What TeX swallows behind the name of a letter."""
        if not self._take_empty_group():
            self._skip_space()

    def _take_empty_group(self) -> bool:
        empty = self.text.startswith("{}", self.pos)
        self.pos += 2 if empty else 0
        return empty

    def _letter_accent(self, name: str, depth: int) -> str | None:
        r"""``\v{c}``, ``\c{\i}`` or ``\v c``; anything else (``\b``, ``\r\n``) is no accent."""
        inner = self._braced(maths=False, depth=depth)
        if inner is not None and re.fullmatch(r"[A-Za-z][A-Za-z ,-]+", inner):
            # Some feeds took \\rho for a ring over "ho"; others set words in bold with a macro \\b.
            whole = symbols.symbol(name + inner, maths=True) if inner.isalpha() else None
            return whole or (inner if name != "u" and not re.fullmatch("[A-Fa-f]+", inner) else None)
        if inner is None and name in "vcHk" and re.match(r"\s[A-Za-z]", self.text[self.pos : self.pos + 2]):
            inner = self.text[self.pos + 1]
            self.pos += 2
        return None if inner is None else symbols.accented(inner, symbols.ACCENT_LETTERS[name])

    def _escaped(self, *, maths: bool, depth: int) -> str:
        r"""A backslash before something that is no letter: ``\%``, ``\'e``, ``\(``, ``\\``, ``\,``."""
        start = self.pos
        char = self.text[start + 1 : start + 2]
        if not maths and char in ("(", "["):
            converted = self._brackets({"(": r"\)", "[": r"\]"}[char])
            if converted is not None:
                return converted
        self.pos = start + 1 + len(char)
        if char and char in _SPECIALS:
            return char
        if maths:
            return {"|": "‖", "\\": " ", "!": "", "/": "", ",": " ", ";": " ", ":": " ", " ": " ", "\n": " "}.get(
                char, "\\" + char
            )
        if char in symbols.ACCENT_MARKS:
            accent = self._mark_accent(char, depth)
            if accent is not None:
                return accent
            self.pos = start + 2
            return char if char in self.quotes else "\\" + char
        if char in (" ", ",", ";", "\n"):
            return " "
        if char == "\\" and (self.pos >= len(self.text) or self.text[self.pos].isspace()):
            return " "
        if char in ("-", "/", "@"):
            return "" if char != "/" or self.text[self.pos : self.pos + 1] == " " else "\\/"
        return "\\" + char

    def _mark_accent(self, mark: str, depth: int) -> str | None:
        r"""``\'e``, ``\'{e}``, ``\"{\i}``, ``\'\i`` here, behind the mark."""
        following = self.text[self.pos : self.pos + 1]
        if following == "{":
            inner = self._braced(maths=False, depth=depth)
        elif self.text.startswith(("\\i", "\\j"), self.pos):
            inner = self.text[self.pos + 1]
            self.pos += 2
            self._end_of_name()
        elif following.isalpha() and mark not in self.quotes:
            inner = following
            self.pos += 1
        else:
            return None
        composed = symbols.accented(inner or "", symbols.ACCENT_MARKS[mark])
        return composed if composed is not None and len(composed) == 1 else None

    # Commands with arguments of their own. Each gives None where its arguments are missing.

    def frac(self, maths: bool, depth: int) -> str | None:
        if not maths and not self._has_groups(2):
            return None
        above = self._argument(depth)
        below = self._argument(depth)
        return f"{symbols.grouped(above)}/{symbols.grouped(below)}"

    def _has_groups(self, number: int) -> bool:
        """Whether so many groups stand here: then it is TeX even where the dollars were lost."""
        at = self.pos
        try:
            return all(self._raw() is not None for _ in range(number))
        finally:
            self.pos = at

    def binom(self, maths: bool, depth: int) -> str | None:
        if not maths:
            return None
        above = self._argument(depth)
        return f"({above} choose {self._argument(depth)})"

    def sqrt(self, maths: bool, depth: int) -> str | None:
        if not maths and not self._has_groups(1):
            return None
        self._skip_space()
        degree = ""
        if self.text.startswith("[", self.pos) and (end := self.text.find("]", self.pos, self.pos + 20)) > 0:
            degree = symbols.superscript(self.text[self.pos + 1 : end])
            self.pos = end + 1
        return f"{degree}√{symbols.grouped(self._argument(depth))}"

    def over(self, maths: bool, depth: int) -> str | None:
        if not maths:
            return None
        above = self._argument(depth)
        return self._argument(depth) + symbols.superscript(above)

    def under(self, maths: bool, depth: int) -> str | None:
        if not maths:
            return None
        below = self._argument(depth)
        return self._argument(depth) + symbols.subscript(below)

    def operatorname(self, maths: bool, depth: int) -> str | None:
        inner = self._braced(maths=False, depth=depth)
        return None if inner is None else self._operator(inner, "")

    def pmod(self, maths: bool, depth: int) -> str | None:
        inner = self._braced(maths=maths, depth=depth)
        return None if inner is None else f" (mod {inner})"

    def negated(self, maths: bool, depth: int) -> str | None:
        return unicodedata.normalize("NFC", self._argument(depth) + "\u0338") if maths else None

    def raised(self, maths: bool, depth: int) -> str | None:
        inner = self._braced(maths=maths, depth=depth)
        return None if inner is None else symbols.superscript(inner)

    def lowered(self, maths: bool, depth: int) -> str | None:
        inner = self._braced(maths=maths, depth=depth)
        return None if inner is None else symbols.subscript(inner)

    def coloured(self, maths: bool, depth: int) -> str | None:
        start = self.pos
        if self._raw() is None:
            return None
        inner = self._braced(maths=maths, depth=depth)
        if inner is None:
            self.pos = start
        return inner

    def colour(self, maths: bool, depth: int) -> str | None:
        return None if self._raw() is None else ""

    def href(self, maths: bool, depth: int) -> str | None:
        url = self._raw()
        if url is None:
            return self._unclosed()
        url = re.sub(r"\\([%#_&~])", r"\1", url).strip()
        words = (self._braced(maths=maths, depth=depth) or self._unclosed() or "").strip()
        if "://" in words and "://" not in url:
            url, words = words, url
        return stripped.linked(url, words)

    def url(self, maths: bool, depth: int) -> str | None:
        url = self._raw()
        return None if url is None else re.sub(r"\\([%#_&~])", r"\1", url).strip()

    def cited(self, maths: bool, depth: int) -> str | None:
        inner = self._raw()
        return None if inner is None else f"[{inner}]"

    def footnote(self, maths: bool, depth: int) -> str | None:
        inner = self._braced(maths=maths, depth=depth)
        if inner is not None:
            return f" ({inner.strip()})"
        return self._unclosed() if self.text.startswith("{", self.pos) else ""

    def _unclosed(self) -> str | None:
        """What follows a brace that never closes: the words stay, the brace goes."""
        self.pos += self.text.startswith("{", self.pos)
        return " " if self.text[self.pos - 1 : self.pos] == "{" else None

    def measured(self, maths: bool, depth: int) -> str | None:
        r"""siunitx: ``\si{\kilo\metre}`` is km."""
        inner = self._raw()
        return None if inner is None else symbols.unit(inner)

    def quantity(self, maths: bool, depth: int) -> str | None:
        number = self._raw()
        inner = None if number is None else self._raw()
        return None if number is None or inner is None else f"{number}\u00a0{symbols.unit(inner)}"

    def number(self, maths: bool, depth: int) -> str | None:
        return self._raw()

    def silent(self, maths: bool, depth: int) -> str | None:
        return None if self._raw() is None else ""

    def quoted(self, maths: bool, depth: int) -> str | None:
        inner = self._braced(maths=maths, depth=depth)
        return None if inner is None else f"“{inner}”"

    def codepoint(self, maths: bool, depth: int) -> str | None:
        inner = (self._raw() or "").strip().lower()
        found = re.fullmatch(r"(?:x|u\+|0x|\")([0-9a-f]{2,6})|(\d{2,7})", inner)
        number = (int(found.group(1), 16) if found.group(1) else int(found.group(2))) if found else 0
        return chr(number) if 0x20 <= number <= 0x10FFFF and chr(number).isprintable() else None


_ARGUMENTS: dict[str, Callable[[_Reader, bool, int], str | None]] = {
    "frac": _Reader.frac, "dfrac": _Reader.frac, "tfrac": _Reader.frac, "nicefrac": _Reader.frac,
    "sfrac": _Reader.frac, "binom": _Reader.binom, "tbinom": _Reader.binom, "sqrt": _Reader.sqrt,
    "overset": _Reader.over, "stackrel": _Reader.over, "underset": _Reader.under,
    "operatorname": _Reader.operatorname, "pmod": _Reader.pmod, "not": _Reader.negated,
    "textsuperscript": _Reader.raised, "textsubscript": _Reader.lowered, "textcolor": _Reader.coloured,
    "colorbox": _Reader.coloured, "hyperlink": _Reader.coloured, "color": _Reader.colour, "href": _Reader.href,
    "url": _Reader.url, "path": _Reader.url, "cite": _Reader.cited, "citep": _Reader.cited, "citet": _Reader.cited,
    "ref": _Reader.cited, "footnote": _Reader.footnote, "enquote": _Reader.quoted, "unicode": _Reader.codepoint,
    "symbol": _Reader.codepoint, "si": _Reader.measured, "unit": _Reader.measured, "SI": _Reader.quantity,
    "qty": _Reader.quantity, "num": _Reader.number, "label": _Reader.silent, "vspace": _Reader.silent,
    "hspace": _Reader.silent,
}  # fmt: skip


def _convert(inside: str) -> str | None:
    try:
        return _Reader(inside).formula()
    except _Unreadable:
        return None


def _is_formula(inside: str, behind: str) -> bool:
    """Whether what stands between two dollars is mathematics rather than the prose between two prices."""
    if not inside.strip() or _WORDY.search(_STYLED_TEXT.sub("", inside)):
        return False
    if _STRONG.search(inside):
        return not (inside[0].isdigit() and inside[-1].isspace() and behind.isdigit())
    if inside[0].isspace() or inside[-1].isspace() or (behind.isdigit() and re.search(r"^\d|\s", inside)):
        return False
    if not re.search(r"\s", inside):
        return len(inside) <= 80
    # Words between spaces need a relation to be mathematics: "$2M, or US$" is none, "$n = const$" is.
    return len(inside) <= 80 and bool((_RELATION if _WORD.search(inside) else _SPACED).search(inside))
