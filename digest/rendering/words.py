"""What a reader is told about a paper, a schedule or a person, in the mail's language. Takes model values, gives short
texts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite

from babel.dates import format_time, get_day_names

from digest.model.editions import Figure, Figures, Part, Schedule
from digest.rendering.language import Language
from digest.rendering.text import plain, shorten

#: Half of the share at which a topic counts as reached (ranking/query.py).
CLOSE = 0.25


@lru_cache(maxsize=4096)
def short_authors(authors: tuple[str, ...], others: bool) -> str:
    """``A, B, C et al.``; ``others`` tells that there are more."""
    names = filter(None, (plain(name, 80) for name in authors))
    return ", ".join(names) + (" et al." if others else "")


def rhythm(schedule: Schedule, language: Language) -> str:
    """``every weekday at 08:00``."""
    at = format_time(schedule.send_at, "short", locale=language.locale)
    days = tuple(sorted(set(schedule.days)))
    if not days or len(days) == 7:
        return language.say("every day at %(time)s", time=at)
    if days == (0, 1, 2, 3, 4):
        return language.say("every weekday at %(time)s", time=at)
    names = get_day_names("wide", locale=language.locale)
    return language.say("every %(days)s at %(time)s", days=language.listed(tuple(names[day] for day in days)), time=at)


def reason(part: Part, language: Language) -> str:
    """Why a part of the score was given, from the figures it was computed from; figures that are absent are not
    needed.
    """
    return _reason(part.key, tuple(part.figures.items()), language)


@lru_cache(maxsize=8192)
def _reason(key: str, figures: tuple[tuple[str, Figure], ...], language: Language) -> str:
    say = _REASONS.get(key)
    return (say(dict(figures), language) if say else "") or plain(key, 40)


def _figure(figures: Figures, key: str) -> float | None:
    value = figures.get(key)
    return None if value is None or isinstance(value, (str, tuple)) or not isfinite(value) else float(value)


def _names(figures: Figures, key: str, limit: int = 3) -> tuple[str, ...]:
    value = figures.get(key, ())
    names = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
    return tuple(filter(None, (plain(name, 60) for name in names[:limit])))


def _trend(figures: Figures, language: Language) -> str:
    votes, hours = _figure(figures, "votes"), _figure(figures, "hours")
    expected, probability = _figure(figures, "expected"), _figure(figures, "probability")
    if votes is None:
        return "" if probability is None else _chance(probability, language)
    number = int(votes)
    if hours is None:
        text = language.count("%(n)s vote", "%(n)s votes", number)
    elif hours < 48:
        text = _votes_in(number, language.count("%(n)s h", "%(n)s h", max(1, round(hours))), language)
    else:
        text = _votes_in(number, language.count("%(n)s day", "%(n)s days", round(hours / 24)), language)
    if expected is not None and round(expected) > votes:
        about = language.number(round(expected))
        return language.say("%(votes)s, on the way to about %(expected)s", votes=text, expected=about)
    return text


def _votes_in(number: int, time: str, language: Language) -> str:
    return language.count("%(n)s vote in %(time)s", "%(n)s votes in %(time)s", number, time=time)


def _chance(probability: float, language: Language) -> str:
    if probability < 0.01:
        return language.say("under 1 %% likely to be featured on %(site)s", site="Hugging Face")
    return language.say(
        "%(percent)s %% likely to be featured on %(site)s", percent=round(100 * probability), site="Hugging Face"
    )


def quoted(name: str, language: Language) -> str:
    return language.say("“%(name)s”", name=name)


def _topic(figures: Figures, language: Language) -> str:
    said = [quoted(name, language) for key in ("keywords", "topics") for name in _names(figures, key)]
    if "liked" in figures:
        said.append(language.say("like papers you liked"))
    if "disliked" in figures:
        said.append(language.say("like papers you did not like"))
    if said:
        return language.comma.join(said)
    closeness = figures.get("closeness", 0.0)
    if isinstance(closeness, int | float) and closeness >= CLOSE:
        return language.say("close to your topics")
    return language.say("a little near your topics")


def _people(figures: Figures, language: Language) -> str:
    authors = language.listed(_names(figures, "authors"))
    institutions = language.listed(_names(figures, "institutions"))
    said: list[str] = []
    if authors and institutions:
        said.append(
            language.say(
                "by %(authors)s, from %(institutions)s, whom you follow", authors=authors, institutions=institutions
            )
        )
    elif authors:
        said.append(language.say("by %(authors)s, whom you follow", authors=authors))
    elif institutions:
        said.append(language.say("from %(institutions)s, which you follow", institutions=institutions))
    for author, doubt in zip(_names(figures, "perhaps"), _names(figures, "doubts"), strict=False):
        said.append(_perhaps(author, doubt, language))
    return language.comma.join(said) or language.say("by people you follow")


def _perhaps(author: str, doubt: str, language: Language) -> str:
    if doubt == "initial":
        return language.say("perhaps by %(author)s (only the initial agrees)", author=author)
    return language.say("perhaps by %(author)s (a common name)", author=author)


def _novelty(figures: Figures, language: Language) -> str:
    share, neighbour = _figure(figures, "share"), figures.get("neighbour")
    if share is None:
        return language.say("novelty (little history yet)")
    percent = round(100 * share)
    if isinstance(neighbour, str) and neighbour:
        return language.say(
            "more novel than %(percent)s %% of its nearest earlier papers, the nearest is “%(title)s”",
            percent=percent,
            title=shorten(plain(neighbour, 200), 60),
        )
    return language.say("more novel than %(percent)s %% of its nearest earlier papers", percent=percent)


_REASONS: dict[str, Callable[[Figures, Language], str]] = {
    "trend": _trend,
    "topic": _topic,
    "people": _people,
    "novelty": _novelty,
}
