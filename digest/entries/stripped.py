r"""TeX whose backslashes a feed has lost: ``mathcal{O}(n^{2})``, ``up to 5times faster``, ``pi_0``, ``x2014``.

Takes text before (:func:`restored`) and after (:func:`scripted`) the reading of its TeX, gives text. Only what no
prose, name of a file or address contains is touched: ``5 times``, ``snake_case`` and ``sim-to-real`` stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from digest.entries import symbols

#: Addresses, paths and names of files: nothing in them is TeX.
_KEPT = re.compile(
    r"://|www\.|\w\.[a-z]{2,5}/|\w@\w|\w/\w{2,40}_\w|`[^`]|"
    r"\w\.(?:py|json|jsonl|csv|txt|md|yaml|yml|toml|sh|cpp|ipynb|xml|html)\b"
)
_COLOURS = "red|green|blue|cyan|magenta|yellow|orange|purple|violet|brown|teal|olive|gray|grey|pink|black|colorblue"
_LINKED = re.compile(
    rf"((?:https?://|www\.|github\.com/|huggingface\.co/)[^\s{{}}]{{1,300}})\{{(?:(?:{_COLOURS})\{{)?([^{{}}]{{1,300}})\}}+"
)
_STYLED = re.compile(
    r"(?<![\\A-Za-z])(text(?:bf|it|tt|sc|rm|sf|sl|md|up|normal)?|math(?:bf|rm|it|sf|tt|cal|bb|frak|scr|ds)"
    r"|emph|boldsymbol|underline|operatorname|widetilde|widehat|frac|sqrt)(?=\{(?:[^{}]|\{[^{}]{0,80}\}){0,200}\})"
)
_COLOURED = re.compile(rf"(?<![\\A-Za-z{{])({_COLOURS})(?=\{{[^{{}}]{{2,}}\}})")
_DELIMITED = re.compile(
    r"(?<![\\a-z])left([|(\[.]|lfloor|lceil|langle|\\\{)([^\n]{1,120}?)right([|)\].]|rfloor|rceil|rangle|\\\})"
)
_DELIMITERS = {"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "langle": "⟨", "rangle": "⟩", ".": ""}

#: Signs that stand behind a digit or between two things; as words of their own they are no English.
_SIGNS = {
    "leftrightarrow": "↔", "longrightarrow": "→", "rightarrow": "→", "leftarrow": "←", "Rightarrow": "⇒",
    "Leftrightarrow": "⇔", "uparrow": "↑", "downarrow": "↓", "leqslant": "≤", "geqslant": "≥", "leq": "≤", "geq": "≥",
    "neq": "≠", "propto": "∝", "infty": "∞", "cdots": "⋯", "cdot": "·", "ldots": "…", "lceil": "⌈", "rceil": "⌉",
    "lfloor": "⌊", "rfloor": "⌋", "langle": "⟨", "rangle": "⟩", "lesssim": "≲", "gtrsim": "≳", "varepsilon": "ε",
    "vartheta": "ϑ", "varphi": "φ", "circlearrowright": "↻", "circlearrowleft": "↺",
}  # fmt: skip
#: One of these is in every name above: asking for them is quicker than asking for all the names.
_IN_SIGNS = ("arrow", "leq", "geq", "neq", "propto", "infty", "dot", "ceil", "floor", "angle", "lesssim", "gtrsim",
             "vare", "vart", "varp")  # fmt: skip
_ALONE = re.compile(rf"(?<![\\A-Za-z_/-])({'|'.join(_SIGNS)})(?![a-z_/])")
_GLUED = re.compile(r"(?<=[\d)])(leftrightarrow|rightarrow|uparrow|downarrow|leq|geq|propto)(?![a-z])")
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta theta eta iota kappa lambda mu nu xi pi rho sigma tau phi varphi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell nabla"
).replace(" ", "|")
#: ``pi_0``, ``tau^2-bench``, ``lambda_{max}``: a letter with a short script, not the name ``delta_activations``.
_LETTER = re.compile(
    rf"(?<![\\A-Za-z_])({_GREEK})(?=[_^](?:\{{|[0-9]|[A-Za-z]{{1,2}}(?![A-Za-z_])|\())|(?<=\{{)({_GREEK})(?=\}}[_^])"
    rf"|(?<=\b[A-Za-z]_)({_GREEK})(?![A-Za-z_])"
)
_CHARACTER = re.compile(r"(?:(?<![\w&#\\{])|(?<=[a-z]))x20(13|14|18|19|1c|1d|22|26)(?:(?!\w)|(?=[a-z]))")
_MONEY = re.compile(r"\\(?=\d)")
_OF_MONEY = re.compile(
    r"\b(?:costs?|prices?|priced|valued|USD|budget|paid|pay|worth|million|billion)\b|\$", re.IGNORECASE
)

_SCRIPT = re.compile(r"(?<=[\w)\]|}])([_^])\{((?:[^{}]|\{[^{}]*\}){1,60})\}")
_POWER = re.compile(
    r"(?<=[A-Za-z0-9)\u0370-\u03ff\u2100-\u2214])\^(-?\d{1,3}(?!\d|\.\d)|circ\b|ast\b|top\b|\((?:-?\d{1,3})\))"
)
_INDEX = re.compile(r"(?<![\w.\\{-])([A-Za-z]|[\u0370-\u03ff]|[ℓ∇])_(\d{1,2}(?:\.\d)?|[aehijkmnt])(?![\w{^.]*\w)")
_INNER = re.compile(rf"(?<![\\A-Za-z])({_GREEK}|ast|circ|star|top|infty|prime|times|cdot|pm)(?![A-Za-z])")


def restored(text: str) -> str:
    """``text`` with the signs and the commands with braces that lost their backslash."""
    if "{" in text and "://" in text:
        text = _LINKED.sub(_link, text)
    return _outside(text, _restored)


def scripted(text: str, formula: Callable[[str], str | None]) -> str:
    """``text`` with ``^{…}``, ``_{…}``, ``^2`` and ``T_i`` raised and lowered where Unicode can."""
    if "^" not in text and "_" not in text:
        return text
    return _outside(text, lambda piece: _scripted(piece, formula))


def linked(url: str, words: str) -> str:
    """What is shown of a link in prose: its words and, unless they name it, its address."""
    words = words.strip()
    if not words or words in url or re.fullmatch(r"this (?:https? )?url", words, re.IGNORECASE):
        return url
    if url.rstrip("/") in words:
        return words
    return f"{words} ({url})"


def _outside(text: str, change: Callable[[str], str]) -> str:
    """``text`` changed everywhere but in addresses and names of files."""
    changed = change(text)
    if changed == text or not _KEPT.search(text):
        return changed
    out: list[str] = []
    at = 0
    while found := _KEPT.search(text, at):
        start = text.rfind(" ", at, found.start()) + 1 or at
        end = text.find(" ", found.end())
        end = len(text) if end < 0 else end
        out += (change(text[at:start]), text[start:end])
        at = end
    return "".join((*out, change(text[at:])))


def _link(found: re.Match[str]) -> str:
    url, words = found.groups()
    return linked(url, words) + ("" if found.group().count("{") == found.group().count("}") else "}")


def _restored(text: str) -> str:
    if "{" in text:
        text = re.sub(r"(?<=\d)\{,\}(?=\d)", ",", text)
        text = re.sub(
            r"\{(sim|approx|times|pm)\}(?=[\d\s%x.,)]|$)",
            lambda m: {"sim": "∼", "approx": "≈", "times": "×", "pm": "±"}[m.group(1)],
            text,
        )
        text = re.sub(r"(?<![\\\w])\{(?:bf|tt|sc|em|sf|rm) +([^{}]+)\}", r"\1", text)
        text = _COLOURED.sub(lambda m: rf"\textcolor{{{m.group(1)}}}", text)
        text = _STYLED.sub(r"\\\1", text)
        # {F}aster {D}istillation, tea{c}her: the letters of an acronym
        text = re.sub(r"(?<![\\_^}A-Za-z])([A-Za-z]{0,30})\{([A-Za-z])\}(?=[a-z'])", r"\1\2", text)
    if "left" in text:
        text = _DELIMITED.sub(_delimited, text)
    if "times" in text:
        text = re.sub(r"times(?<=[\d)]times)(?= \d)", " ×", text)
        text = re.sub(r"times(?<=[\d)]times)(?![a-z])", "×", text)
    if "sim" in text or "approx" in text:
        text = re.sub(r"sim(?<=\dsim) ?(?=\d)|sim(?<![\w\\-]sim)[! ](?=\d)", "∼", text)
        text = re.sub(r"approx(?<=\dapprox)(?![a-z])|approx(?<![\w\\-]approx)(?= \d)", "≈", text)
    if any(map(text.__contains__, _IN_SIGNS)):
        text = _GLUED.sub(lambda m: _SIGNS[m.group(1)], text)
        text = _ALONE.sub(lambda m: _SIGNS[m.group(1)], text)
    text = _related(text)
    if "_" in text or "^" in text:
        text = _LETTER.sub(lambda m: symbols.symbol(m.group(m.lastindex or 1), maths=True) or m.group(), text)
    if "x20" in text:
        text = _CHARACTER.sub(lambda m: chr(int("20" + m.group(1), 16)), text)
    if "\\" in text:
        text = _MONEY.sub(lambda m: _dollar(m, text), text)
    return text


def _related(text: str) -> str:
    """Signs whose names are words: only where a number or a letter of mathematics stands on the right side."""
    if "pm " in text:
        text = re.sub(r"(?<=\d\.\d) pm (?=\d)", " ± ", text)
        text = re.sub(r"(?<=[{(\[])pm (?=\w\b)|(?<=, )pm (?=\w[,)}\]])|(?<=\bby )pm (?=\d)", "±", text)
    if " ll " in text or " gg " in text:
        text = re.sub(r"(?<=\b[A-Za-z] )(ll|gg)(?= [A-Za-z0-9]\b)", lambda m: {"ll": "≪", "gg": "≫"}[m.group()], text)
    if " ge " in text:
        text = re.sub(r"(?<=\b[a-zA-Z] )ge(?= \d)", "≥", text)
    if "(" not in text:
        return text
    if "(le " in text or "(ge " in text:
        text = re.sub(r"(?<=\()(le|ge)(?= \d)", lambda m: {"le": "≤", "ge": "≥"}[m.group()], text)
    if "tilde " in text:
        text = re.sub(r"(?<!\w)(?:wide)?tilde (O|Theta|Omega)(?=\()", _tilde, text)
    if "Omega(" not in text and "Theta(" not in text:
        return text
    return re.sub(r"(?<![\w\\])(Omega|Theta)(?=\()", lambda m: {"Omega": "Ω", "Theta": "Θ"}[m.group()], text)


def _tilde(found: re.Match[str]) -> str:
    return symbols.accented({"Theta": "Θ", "Omega": "Ω"}.get(found.group(1), "O"), "\u0303") or found.group()


def _delimited(found: re.Match[str]) -> str:
    opening, inner, closing = found.groups()
    if not inner.strip() or "left" in inner:
        return found.group()
    if opening == "|" and " " not in inner:  # "left|,text{BUS},right|": the commas were thin spaces
        inner = inner.strip(",").replace(",", " ")
    return _DELIMITERS.get(opening, opening[-1]) + inner + _DELIMITERS.get(closing, closing[-1])


def _dollar(found: re.Match[str], text: str) -> str:
    r"""``\500`` was ``\$500`` where money is spoken of; ``\1`` may be a back-reference."""
    around = text[max(0, found.start() - 60) : found.end() + 40]
    number = re.match(r"\d+(?:\.\d+)?(?: (?:million|billion|USD|dollars))?", text[found.end() :])
    if number is None or text[found.end() + len(number.group()) :][:1] == ")":
        return "\\"
    sure = "." in number.group() or (_OF_MONEY.search(around) and (len(number.group()) > 1 or ">" in around))
    return "$" if sure else "\\"


def _scripted(text: str, formula: Callable[[str], str | None]) -> str:
    if "{" in text:
        text = re.sub(r"(?<![\\{])\{(\w{1,3})\}(?=[_^])", r"\1", text)
        text = _SCRIPT.sub(lambda found: _braced(found, formula), text)
    if "^" in text:
        text = _POWER.sub(lambda found: _raised(found, formula), text)
    if "_" in text:
        text = _INDEX.sub(lambda m: m.group(1) + symbols.subscript(m.group(2)), text)
    return text


def _braced(found: re.Match[str], formula: Callable[[str], str | None]) -> str:
    mark, inner = found.groups()
    shown = formula(f"{mark}{{{_INNER.sub(lambda m: chr(92) + m.group(), inner)}}}")
    if shown is None:
        return found.group()
    # "G_{stack}able" must not become one word
    return shown + " " if shown[:1] in "_^" and shown[-1:].isalnum() and _followed_by_letter(found) else shown


def _followed_by_letter(found: re.Match[str]) -> bool:
    return found.string[found.end() : found.end() + 1].isalnum()


def _raised(found: re.Match[str], formula: Callable[[str], str | None]) -> str:
    inner = found.group(1)
    return formula(f"^{{{chr(92) if inner.isalpha() else ''}{inner.strip('()')}}}") or found.group()
