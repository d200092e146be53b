"""What an edition says of itself -> a sentence. Takes Remarks, gives text in a language.

| key | figures |
|---|---|
| ``said`` | ``text``, a finished sentence |
| ``nothing-new``, ``all-sent``, ``nothing-read``, ``no-room`` | none |
| ``unfit`` | how many papers each cause kept out: the keys of CAUSES |
| ``best-of`` | ``days``, how far back the papers reach |
| ``quiet-topics`` | ``topics`` that no new paper is near |
| ``source`` | ``source`` its title, ``state`` (empty before its first fetch), ``kind``, ``detail`` for the operator |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from digest.model.editions import Figures, Remark
from digest.rendering.language import ENGLISH, Language
from digest.rendering.text import plain, shorten
from digest.rendering.words import quoted


def sentence(remark: Remark, language: Language = ENGLISH) -> str:
    """The remark as a reader reads it; empty for a key that is not known."""
    say = _SENTENCES.get(remark.key)
    return shorten(say(remark.figures, language), 400) if say else ""


def sentences(remarks: Iterable[Remark], language: Language = ENGLISH) -> str:
    """Several in a row."""
    return language.gap.join(filter(None, (sentence(remark, language) for remark in remarks)))


def for_operator(remark: Remark) -> str:
    """The remark in English with everything that is known: a source's own report, not only its state."""
    if remark.key != "source":
        return sentence(remark)
    return plain(f"{remark.figures.get('source', '')}: {remark.figures.get('detail') or 'not fetched yet'}", 400)


def _said(figures: Figures, language: Language) -> str:
    return plain(str(figures.get("text", "")), 400)


def _nothing_new(figures: Figures, language: Language) -> str:
    return language.say("Nothing new arrived.")


def _all_sent(figures: Figures, language: Language) -> str:
    return language.say("Everything new was already sent to you.")


def _nothing_read(figures: Figures, language: Language) -> str:
    return language.say("No source could be read yet.")


def _best_of(figures: Figures, language: Language) -> str:
    days = _number(figures, "days")
    return language.count(
        "Here is the best of the last %(n)s day that you have not been sent.",
        "Here is the best of the last %(n)s days that you have not been sent.",
        days,
    )


def _quiet_topics(figures: Figures, language: Language) -> str:
    topics = figures.get("topics", ())
    names = tuple(quoted(plain(topic, 80), language) for topic in (topics if isinstance(topics, tuple) else ()))
    return language.say("Nothing near %(topics)s today.", topics=language.listed(names))


def _no_room(figures: Figures, language: Language) -> str:
    return language.say("The mail had no room for its papers; they stay unsent and come with the next one.")


def _unfit(figures: Figures, language: Language) -> str:
    """``No new paper fits your settings: 4 below your minimum score, 2 muted.``"""
    counted = sorted((-_number(figures, key), key) for key in figures if key in CAUSES)
    told = language.comma.join(CAUSES[key](-number, language) for number, key in counted)
    return language.say("No new paper fits your settings: %(causes)s.", causes=told)


#: Why a new paper is not printed, by the reasons of ranking/select.py.
CAUSES: dict[str, Callable[[int, Language], str]] = {
    "below-min-score": lambda n, language: language.count(
        "%(n)s below your minimum score", "%(n)s below your minimum score", n
    ),
    "category": lambda n, language: language.count("%(n)s in other categories", "%(n)s in other categories", n),
    "category unknown yet": lambda n, language: language.count(
        "%(n)s of a category not known yet", "%(n)s of a category not known yet", n
    ),
    "liked": lambda n, language: language.count("%(n)s that you liked already", "%(n)s that you liked already", n),
    "disliked": lambda n, language: language.count("%(n)s that you did not like", "%(n)s that you did not like", n),
    "per-category": lambda n, language: language.count(
        "%(n)s beyond your limit a category", "%(n)s beyond your limit a category", n
    ),
    "max-items": lambda n, language: language.count(
        "%(n)s beyond your limit of papers", "%(n)s beyond your limit of papers", n
    ),
    "muted": lambda n, language: language.count("%(n)s muted", "%(n)s muted", n),
}


def _source(figures: Figures, language: Language) -> str:
    name = plain(str(figures.get("source", "")), 80)
    match str(figures.get("state", "")):
        case "ok":
            return language.say("%(source)s: read, nothing in it for this mail", source=name)
        case "unchanged" | "quiet":
            return language.say("%(source)s: nothing new", source=name)
        case "holiday":
            return language.say("%(source)s: announces no papers today (weekend or holiday)", source=name)
        case "stale":
            return language.say("%(source)s: today’s list has not appeared yet", source=name)
        case "throttled":
            return language.say("%(source)s: asked us to wait and will be read later", source=name)
        case "broken":
            return language.say("%(source)s: could not be read", source=name)
        case _:
            return language.say("%(source)s: not read yet", source=name)


def _number(figures: Figures, key: str) -> int:
    value = figures.get(key, 0)
    return int(value) if isinstance(value, int | float) else 0


_SENTENCES: dict[str, Callable[[Figures, Language], str]] = {
    "said": _said,
    "nothing-new": _nothing_new,
    "all-sent": _all_sent,
    "nothing-read": _nothing_read,
    "unfit": _unfit,
    "best-of": _best_of,
    "no-room": _no_room,
    "quiet-topics": _quiet_topics,
    "source": _source,
}
