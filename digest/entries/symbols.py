"""What single TeX commands and characters are in Unicode: letters, operators, accents, alphabets, scripts.

Takes a command name or a converted argument, gives the Unicode text or None. Common names are listed here; the
rest (several hundred arrows, relations and letters) are looked up in pylatexenc's tables. Reading TeX is mathtext.py's.
"""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache
from typing import Any

from pylatexenc.latex2text import get_default_latex_context_db  # pyright: ignore[reportMissingTypeStubs]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Names of functions, set upright with a space before their argument.
OPERATORS = _words(
    "log ln lg exp sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth max min sup inf lim limsup liminf "
    "arg argmax argmin det dim ker deg gcd hom Pr tr mod bmod sgn sign softmax diag rank poly polylog"
)

#: Commands that only change the look of what follows, or nothing a reader sees.
SILENT = _words(
    "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle limits nolimits displaystyle "
    "textstyle scriptstyle em it bf tt rm sf sl sc bfseries itshape ttfamily sffamily rmfamily scshape "
    "normalfont small large Large LARGE huge Huge footnotesize scriptsize tiny normalsize boldmath xspace protect "
    "allowbreak noindent relax centering newline displaylimits nobreak nonumber par linebreak mathstrut unboldmath"
)

#: Commands of one argument that only change its look: the argument is what a reader needs.
STYLES = _words(
    "text textit textbf texttt textsc textrm textsf textsl textup textmd textnormal textin emph underline uline mbox "
    "hbox fbox mathbf mathrm mathit mathsf mathtt mathnormal boldsymbol bm pmb ensuremath mathop mathbin mathrel "
    "mathord nolinkurl smash uppercase lowercase textlf hl sout overbrace underbrace acro boxed bold uwave "
    "term"
)

#: What a text on LaTeX names rather than uses.
OF_LATEX = _words(
    "begin end item section subsection subsubsection chapter paragraph usepackage documentclass newcommand "
    "renewcommand def let include includegraphics input caption maketitle title author table figure newtheorem "
    "tableofcontents bibliography bibitem appendix index"
)

#: siunitx: prefixes and units.
_UNITS = {
    "kilo": "k", "mega": "M", "giga": "G", "tera": "T", "centi": "c", "milli": "m", "micro": "µ", "nano": "n",
    "pico": "p", "meter": "m", "metre": "m", "second": "s", "gram": "g", "hertz": "Hz", "watt": "W", "joule": "J",
    "byte": "B", "bit": "bit", "volt": "V", "ampere": "A", "newton": "N", "pascal": "Pa", "kelvin": "K", "hour": "h",
    "minute": "min", "percent": "%", "degree": "°", "celsius": "°C", "degreeCelsius": "°C", "ohm": "Ω", "litre": "l",
    "liter": "l", "electronvolt": "eV", "decibel": "dB", "per": "/", "squared": "²", "cubed": "³", "square": "²",
}  # fmt: skip

#: Letters and words that stand for themselves; TeX swallows the space behind the letters.
LETTERS = {
    "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ss": "ß", "SS": "ẞ", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ",
    "aa": "å", "AA": "Å", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ",
    "ng": "ŋ", "NG": "Ŋ",
}  # fmt: skip
WORDS = {
    "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "ie": "i.e.", "eg": "e.g.", "etc": "etc.", "etal": "et al.",
    "vs": "vs.", "ldots": "…", "dots": "…", "textellipsis": "…", "S": "§", "P": "¶", "textmu": "µ",
    "textregistered": "®", "texttrademark": "™", "copyright": "©", "textcopyright": "©", "circledR": "®",
    "textasciitilde": "~", "textasciicircum": "^", "textbackslash": "\\", "textgreater": ">", "textless": "<",
    "textbar": "|", "textunderscore": "_", "textdegree": "°", "degree": "°", "textendash": "–", "textemdash": "—",
    "textperthousand": "‰", "textpertenthousand": "‱", "textrightarrow": "→", "textleftarrow": "←",
    "textquoteright": "’", "textquoteleft": "‘", "textquotedblleft": "“", "textquotedblright": "”", "textdollar": "$",
    "pounds": "£", "euro": "€", "checkmark": "✓", "space": " ", "quad": " ", "qquad": " ", "thinspace": " ",
    "enspace": " ", "slash": "/", "textbullet": "•",
}  # fmt: skip

_OWN_SYMBOLS = {
    "epsilon": "ε", "varepsilon": "ε", "phi": "φ", "varphi": "φ", "sim": "∼", "circ": "∘", "top": "⊤", "bot": "⊥",
    "ell": "ℓ", "to": "→", "gets": "←", "le": "≤", "ge": "≥", "ne": "≠", "neq": "≠", "leq": "≤", "geq": "≥",
    "ll": "≪", "gg": "≫", "leqslant": "≤", "geqslant": "≥", "cdots": "⋯", "vdots": "⋮", "prime": "′", "mid": "|",
    "vert": "|", "lvert": "|", "rvert": "|", "Vert": "‖", "lVert": "‖", "rVert": "‖", "|": "‖", "star": "⋆",
    "ast": "*", "setminus": "∖", "emptyset": "∅", "varnothing": "∅", "colon": ":", "lbrace": "{", "rbrace": "}",
    "lbrack": "[", "rbrack": "]", "implies": "⇒", "iff": "⇔", "land": "∧", "lor": "∨", "lnot": "¬", "neg": "¬",
    "cdot": "·", "R": "ℝ", "triangleq": "≜", "coloneqq": "≔", "lesssim": "≲", "gtrsim": "≳", "mu": "μ",
    "partial": "∂", "nabla": "∇", "hbar": "ħ", "dagger": "†", "lt": "<", "gt": ">", "approx": "≈", "odot": "⊙",
    "bullet": "•", "square": "□", "Box": "□", "deg": "°", "langle": "⟨", "rangle": "⟩", "times": "×", "pm": "±",
    "infty": "∞", "propto": "∝", "perp": "⊥", "parallel": "∥", "dot": "˙",
}  # fmt: skip
#: In prose these names are words or macros of the author's more often than symbols.
_ONLY_IN_MATHS = frozenset({"R", "to", "top", "mid", "star", "colon", "square", "dot", "lt", "gt", "ne", "ll", "gg"})

#: Combining characters of accent commands. Those of the first row may do without braces.
ACCENT_MARKS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307"}
ACCENT_LETTERS = {
    "v": "\u030c", "c": "\u0327", "u": "\u0306", "H": "\u030b", "k": "\u0328", "r": "\u030a", "d": "\u0323",
    "b": "\u0331",
}  # fmt: skip
MATH_ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "bar": "\u0304", "overline": "\u0305", "tilde": "\u0303",
    "widetilde": "\u0303", "vec": "\u20d7", "dot": "\u0307", "ddot": "\u0308", "check": "\u030c", "breve": "\u0306",
    "acute": "\u0301", "grave": "\u0300", "mathring": "\u030a",
}  # fmt: skip

_SUPER = dict(
    zip(
        "0123456789+-−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθ",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿ",
        strict=True,
    )
)
_SUB = dict(zip("0123456789+-−=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
#: What is raised already, or reads better on the line.
_RAISED = {"∘": "°", "°": "°", "′": "′", "″": "″", "*": "*", "∗": "*", "⊤": "ᵀ", "†": "†", "‡": "‡", "⋆": "⋆", "♯": "♯"}

_STYLED = {
    "mathbb": (0x1D538, 0x1D552, dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True))),
    "mathcal": (0x1D49C, 0x1D4B6, dict(zip("BEFHILMRego", "ℬℰℱℋℐℒℳℛℯℊℴ", strict=True))),
    "mathfrak": (0x1D504, 0x1D51E, dict(zip("CHIRZ", "ℭℌℑℜℨ", strict=True))),
}
ALPHABETS = {"mathbb": "mathbb", "mathds": "mathbb", "Bbb": "mathbb", "mathcal": "mathcal", "mathscr": "mathcal",
             "cal": "mathcal", "mathfrak": "mathfrak", "frak": "mathfrak"}  # fmt: skip

#: Symbols that stand before one thing rather than between two.
_PREFIX = frozenset("∞∂∇∑∏∫∮∀∃¬√∅°…ℓ∠")


@lru_cache(maxsize=2048)
def symbol(name: str, *, maths: bool) -> str | None:
    """The character a command stands for, or None."""
    if name in WORDS:
        return WORDS[name]
    if not maths and (name in _ONLY_IN_MATHS or len(name) == 1):
        return None
    if name in _OWN_SYMBOLS:
        return _OWN_SYMBOLS[name]
    context: Any = get_default_latex_context_db()
    found: object = getattr(context.get_macro_spec(name), "simplify_repl", None)
    # A replacement with % is a pattern for arguments; one of several letters is a word, not a symbol.
    if not isinstance(found, str) or not found or "%" in found or len(found) > 2 or not found.isprintable():
        return None
    return found


def unit(text: str) -> str:
    r"""A unit of siunitx: ``\kilo\meter`` is km; what is unknown keeps its name."""
    return re.sub(r"\\([A-Za-z]+)\s*", lambda m: _UNITS.get(m.group(1), m.group(1)), text).strip()


def is_between(text: str) -> bool:
    """Whether it stands between two things (a relation, an arrow), so that its spaces are equal on both sides."""
    return len(text) == 1 and text not in _PREFIX and (unicodedata.category(text) == "Sm" or text == "·")


def superscript(text: str) -> str:
    """``text`` raised: in Unicode where it is short and possible, else ``^text`` or ``^(a + b)``."""
    text = _tight(text)
    if text and all(c in _RAISED for c in text):
        return "".join(_RAISED[c] for c in text)
    return _script(text, _SUPER, "^")


def subscript(text: str) -> str:
    """``text`` lowered, as :func:`superscript`."""
    return _script(_tight(text), _SUB, "_")


def _tight(text: str) -> str:
    return re.sub(r"\s*([^\w\s,;])\s*", r"\1", text.strip())


def _script(text: str, table: dict[str, str], mark: str) -> str:
    # Raised letters are hard to read and no search finds them, so words stay words.
    if text and all(c in table for c in text) and sum(c.isalpha() for c in text) <= 3:
        return "".join(table[c] for c in text)
    if not text or len(text) == 1 or text.isalnum() or re.fullmatch(r"\d+\.\d+", text):
        return mark + text if text else ""
    return f"{mark}({text})"


def styled(alphabet: str, text: str) -> str:
    """One or two letters in a mathematical alphabet; a longer word stays plain so that it can be read and found."""
    if len(text) > 2:
        return text
    upper, lower, exceptions = _STYLED[alphabet]

    def one(char: str) -> str:
        if char in exceptions:
            return exceptions[char]
        if char in string.ascii_uppercase:
            return chr(upper + ord(char) - ord("A"))
        if char in string.ascii_lowercase:
            return chr(lower + ord(char) - ord("a"))
        if char in string.digits and alphabet == "mathbb":
            return chr(0x1D7D8 + int(char))
        return char

    return "".join(map(one, text))


def accented(text: str, mark: str) -> str | None:
    """One letter under an accent, composed where Unicode has it; None where it is not one letter."""
    base = {"ı": "i", "ȷ": "j"}.get(text, text)
    if len(base) != 1 or not base.isalpha():
        return None
    return unicodedata.normalize("NFC", base + mark)


def grouped(text: str) -> str:
    """``text`` in parentheses unless it is one thing: a number, a word, or parenthesised already."""
    plain = text.strip()
    if all(c.isalnum() or c in ".°′%" or unicodedata.category(c) in ("Mn", "No", "Lm") for c in plain):
        return plain
    if plain[0] == "(" and plain.find(")") == len(plain) - 1:
        return plain
    return f"({plain})"
