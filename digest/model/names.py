"""Keys by which names of people and institutions are looked up: the same in the store and in a ranking."""

from __future__ import annotations

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=65_536)
def person_key(name: str) -> str:
    """All words of a name, given names first, case and accents aside: ``LeCun, Yann`` -> ``yann lecun``.

    Two people can share it, and one person can have several: what hangs on it is evidence, not identity.
    """
    if name.count(",") == 1:
        family, given = name.split(",")
        name = f"{given} {family}"
    return _bare(name)


def institution_key(name: str) -> str:
    """The words of an institution's name, case and accents aside."""
    return _bare(name)


def _bare(text: str) -> str:
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(char for char in decomposed if not unicodedata.combining(char))
    text = text.lower().replace("'", "").replace("’", "")
    if text.isascii():
        return " ".join(text.translate(_ASCII).split())  # as below, many times as fast
    return " ".join("".join(char if char.isalnum() else " " for char in text).split())


#: What is no letter or digit of ASCII becomes a space.
_ASCII = "".join(chr(code) if chr(code).isalnum() else " " for code in range(128))
