"""Numbers, dates and reasons as a reader reads them. Takes model values, gives short English."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton

from digest.model.editions import Figure, Part, Schedule
from digest.rendering.text import plain, shorten

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RIGHT_TO_LEFT = frozenset({"ar", "he", "fa", "ur", "ps", "sd", "yi", "dv", "ug", "ckb"})


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """The babel locale of a BCP 47 tag; plain ``en`` writes dates as 21 November 2026, an unknown tag reads as
    English.
    """
    try:
        return Locale.parse("en_GB" if language in ("", "en") else language, sep="-" if "-" in language else "_")
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_GB")


def page_direction(language: str) -> str:
    return "rtl" if language.split("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


@lru_cache(maxsize=512)
def long_date(day: date, language: str) -> str:
    """``Saturday 21 November 2026``, as the language writes a whole date."""
    if language in ("", "en"):
        return format_date(day, format="EEEE d MMMM y", locale=locale_of(language))
    return format_date(day, format="full", locale=locale_of(language))


@lru_cache(maxsize=512)
def short_date(day: date, language: str, with_year: bool) -> str:
    return format_skeleton("yMMMd" if with_year else "MMMd", day, locale=locale_of(language))


def compact(number: int) -> str:
    """``950``, ``1.9k``, ``24k``, ``1.2M``."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            tenths = number * 10 // size
            return f"{tenths // 10}{letter}" if tenths >= 100 or tenths % 10 == 0 else f"{tenths / 10:.1f}{letter}"
    return str(number)


def count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def short_authors(authors: tuple[str, ...], show: int = 3) -> str:
    """``A, B, C et al.``"""
    names = [plain(name, 80) for name in authors[:show]]
    return ", ".join(name for name in names if name) + (" et al." if len(authors) > show else "")


def rhythm(schedule: Schedule) -> str:
    """``every weekday at 08:00``."""
    days = schedule.days
    if set(days) == set(range(7)) or not days:
        when = "every day"
    elif tuple(sorted(days)) == (0, 1, 2, 3, 4):
        when = "every weekday"
    else:
        when = "every " + listed(tuple(_DAYS[day] for day in sorted(days)))
    return f"{when} at {schedule.send_at.strftime('%H:%M')}"


def reason(part: Part) -> str:
    """Why a part of the score was given, from the figures it was computed from; figures that are absent are not
    needed.
    """
    return _REASONS.get(part.key, _other)(part.figures) or plain(part.key, 40)


def _number(figures: Mapping[str, Figure], key: str) -> float | None:
    value = figures.get(key)
    return None if value is None or isinstance(value, (str, tuple)) or value != value else float(value)


def _names(figures: Mapping[str, Figure], key: str, limit: int = 3) -> tuple[str, ...]:
    value = figures.get(key, ())
    names = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
    return tuple(filter(None, (plain(name, 60) for name in names[:limit])))


def _trend(figures: Mapping[str, Figure]) -> str:
    votes, hours = _number(figures, "votes"), _number(figures, "hours")
    expected, probability = _number(figures, "expected"), _number(figures, "probability")
    if votes is None:
        if probability is None:
            return ""
        percent = "under 1" if probability < 0.01 else str(round(100 * probability))
        return f"{percent} % likely to be featured on Hugging Face"
    text = count(int(votes), "vote", "votes")
    if hours is not None:
        text += f" in {max(1, round(hours))} h" if hours < 48 else f" in {round(hours / 24)} days"
    if expected is not None and round(expected) > votes:
        text += f", on the way to about {round(expected):,}"
    return text


def _topic(figures: Mapping[str, Figure]) -> str:
    said = [f"“{name}”" for key in ("keywords", "topics") for name in _names(figures, key)]
    if "liked" in figures:
        said.append("like papers you liked")
    if "disliked" in figures:
        said.append("like papers you did not like")
    return ", ".join(said) or "close to your topics"


def _people(figures: Mapping[str, Figure]) -> str:
    authors, institutions = _names(figures, "authors"), _names(figures, "institutions")
    said = [f"by {listed(authors)}" if authors else "", f"from {listed(institutions)}" if institutions else ""]
    named = ", ".join(text for text in said if text)
    if not named:
        return "by people you follow"
    return f"{named}, {'whom' if authors else 'which'} you follow"


def _novelty(figures: Mapping[str, Figure]) -> str:
    share, neighbour = _number(figures, "share"), figures.get("neighbour")
    if share is None:
        return "little history to compare with"
    text = f"freer than {round(100 * share)} % of its nearest earlier papers"
    if isinstance(neighbour, str) and neighbour:
        text += f", the nearest is “{shorten(plain(neighbour, 200), 60)}”"
    return text


def _other(figures: Mapping[str, Figure]) -> str:
    return ""


_REASONS = {"trend": _trend, "topic": _topic, "people": _people, "novelty": _novelty}
