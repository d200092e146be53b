"""A language of the mails: its words, plural forms, numbers, dates and direction.

Words come from gettext catalogues, ``locales/CODE/LC_MESSAGES/digest.po``, read with babel when a language is first
used; the English ones are the keys. A message is marked by calling ``say`` or ``count`` with a literal, which
``pybabel extract`` finds (CONTRIBUTING.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, get_day_names
from babel.lists import format_list
from babel.numbers import format_decimal

from digest.model.people import LANGUAGES

__all__ = ["ENGLISH", "LANGUAGES", "LOCALES", "Language", "language_for"]

LOCALES = Path(__file__).parent / "locales"
_RIGHT_TO_LEFT = frozenset({"ar", "he", "fa", "ur", "ps", "sd", "yi", "dv", "ug", "ckb"})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Language:
    """One language. ``code`` is a BCP 47 tag."""

    code: str
    direction: str
    """``ltr`` or ``rtl``."""
    locale: Locale
    translations: NullTranslations

    @property
    def comma(self) -> str:
        """What divides the parts of a list."""
        return {"zh": "，", "ar": "، "}.get(self.locale.language, ", ")

    @property
    def gap(self) -> str:
        """What stands between two sentences."""
        return "" if self.locale.language == "zh" else " "

    def say(self, message: str, /, **values: object) -> str:
        """The message in this language, its ``%(name)s`` filled in."""
        said = self.translations.gettext(message)
        return said % values if values else said

    def count(self, one: str, many: str, number: int, /, **values: object) -> str:
        """The message in the plural form of ``number``, which enters as ``%(n)s``."""
        said = self.translations.ngettext(one, many, number)
        return said % {"n": self.number(number), **values}

    def number(self, number: int) -> str:
        """``12,345`` as this language groups digits."""
        return _decimal(number, self.locale) if abs(number) >= 1000 else str(number)

    def compact(self, number: int) -> str:
        """``950``, ``1.9k``, ``24k``, ``1.2M``."""
        for size, letter in ((1_000_000, "M"), (1_000, "k")):
            if number >= size:
                tenths = number * 10 // size
                if tenths >= 100 or tenths % 10 == 0:
                    return f"{tenths // 10}{letter}"
                point = str(cast(Any, self.locale).number_symbols["latn"]["decimal"])
                return f"{tenths // 10}{point}{tenths % 10}{letter}"
        return str(number)

    def listed(self, names: tuple[str, ...]) -> str:
        """``A, B and C``."""
        if self.locale.language == "zh":  # 和 would stand glued to Latin names
            return "、".join(names)
        return str(format_list(names, "standard", locale=self.locale)) if len(names) > 1 else "".join(names)

    def weekday(self, number: int) -> str:
        """``Monday`` for 0."""
        return str(get_day_names("wide", locale=self.locale)[number])

    def long_date(self, day: date) -> str:
        """``Saturday 21 November 2026``, as the language writes a whole date."""
        return _long_date(day, self.locale)

    def short_date(self, day: date, *, with_year: bool) -> str:
        """``20 Nov`` or ``20 Nov 2025``."""
        return _short_date(day, self.locale, with_year)


@lru_cache(maxsize=64)
def language_for(code: str) -> Language:
    """The language of a BCP 47 tag (``de``, ``de-AT``); English for one that mails are not written in."""
    base = code.replace("_", "-").split("-")[0].lower()
    if base not in LANGUAGES:
        code = base = "en"
    if base == "zh" and code != "zh":
        code = "zh-Hans"  # the catalogue's script, whatever was asked for
    return Language(
        code=code.replace("_", "-"),
        direction="rtl" if base in _RIGHT_TO_LEFT else "ltr",
        locale=_locale(code, base),
        translations=_catalogue(base),
    )


def _locale(code: str, base: str) -> Locale:
    """Plain ``en`` writes dates as 21 November 2026."""
    if code == "en":
        return Locale.parse("en_GB")
    try:
        return Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_GB" if base == "en" else base)


@lru_cache(maxsize=16)
def _catalogue(base: str) -> NullTranslations:
    if base == "en":
        return NullTranslations()
    # Only where a mail is written in another language than English.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from babel.support import Translations

    with (LOCALES / base / "LC_MESSAGES" / "digest.po").open("rb") as file:
        catalogue = read_po(file, locale=base)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled, domain="digest")


@lru_cache(maxsize=2048)
def _decimal(number: int, locale: Locale) -> str:
    return str(format_decimal(number, locale=locale))


@lru_cache(maxsize=512)
def _long_date(day: date, locale: Locale) -> str:
    if locale.language == "en" and locale.territory != "US":
        return format_date(day, format="EEEE d MMMM y", locale=locale)
    return format_date(day, format="full", locale=locale)


@lru_cache(maxsize=512)
def _short_date(day: date, locale: Locale, with_year: bool) -> str:
    return format_skeleton("yMMMd" if with_year else "MMMd", day, locale=locale)


#: What doors and logs are written in.
ENGLISH = language_for("en")
