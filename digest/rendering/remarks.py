"""What an edition says of itself -> a sentence. Takes Remarks, gives text in a language.

| key | figures |
|---|---|
| ``said`` | ``text``, a finished sentence |
| ``nothing-new``, ``all-sent``, ``nothing-read``, ``no-room``, ``restored`` | none |
| ``unfit`` | how many papers each cause kept out: the keys of CAUSES |
| ``best-of`` | ``days``, how far back the papers reach |
| ``quiet-topics`` | ``topics`` that no new paper is near |
| ``quiet-people`` | ``papers``, how many there were to choose from, none of them by anybody who is followed |
| ``short`` | ``printed`` papers, and how many are ``usual`` |
| ``source`` | ``id``, ``source`` its title, ``state`` (empty before its first fetch), ``kind``, ``detail`` in English |

What a ``source`` further has: instants as text, ``at`` of its last look, ``since`` when it fails (and in how many
``tries``), ``until`` when it rests; how many ``papers`` it brought for the edition, of these as many as each key of
CAUSES and BESIDES says; and how many ``older`` ones.

What follows ``short`` stands at the foot of a mail, for readers who wish it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from digest.model.editions import Figures, Remark
from digest.rendering.language import ENGLISH, Language
from digest.rendering.text import plain, shorten
from digest.rendering.words import quoted

SHORT = "short"
Count = Callable[[int, Language], str]


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
    figures = remark.figures
    detail = str(figures.get("detail") or "not fetched yet")
    state = figures.get("state")
    if state in ("broken", "gone") and (since := _instant(figures, "since")):
        tries = _number(figures, "tries")
        failing = f"since {since:%Y-%m-%d %H:%M} UTC ({tries} {'try' if tries == 1 else 'tries'})"
        detail = f"{_stopped(detail)} Broken {failing}."
    if state == "throttled" and (until := _instant(figures, "until")):
        detail = f"{_stopped(detail)} Throttled until {until:%Y-%m-%d %H:%M} UTC."
    if brought := _brought(figures, ENGLISH):
        detail = f"{_stopped(detail)} It brought {brought}."
    title, source_id = str(figures.get("source", "")), figures.get("id")
    # Two sources may have one title, and every command asks for the id.
    name = f"{title} ({source_id})" if source_id and source_id != title else title
    return plain(f"{name}: {detail}", 600)


def parted(notes: Sequence[Remark]) -> tuple[tuple[Remark, ...], tuple[Remark, ...]]:
    """(what stands at the head of an edition, what stands at its foot)."""
    at = next((number for number, one in enumerate(notes) if one.key == SHORT), len(notes))
    return tuple(notes[:at]), tuple(notes[at:])


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


def _quiet_people(figures: Figures, language: Language) -> str:
    return language.count(
        "%(n)s paper came for this mail, but not by anyone you follow.",
        "%(n)s papers came for this mail, none of them by anyone you follow.",
        _number(figures, "papers"),
    )


def _no_room(figures: Figures, language: Language) -> str:
    return language.say("The mail had no room for its papers; they stay unsent and come with the next one.")


def _restored(figures: Figures, language: Language) -> str:
    return language.say("What came counts as sent, since our database was restored.")


def _short(figures: Figures, language: Language) -> str:
    """``Fewer papers than usual: 2, and mostly about 9.``"""
    usual = figures.get("usual", 0)
    mostly = round(usual) if isinstance(usual, int | float) else 0
    return language.say(
        "Fewer papers than usual: %(printed)s, and mostly about %(usual)s.",
        printed=language.number(_number(figures, "printed")),
        usual=language.number(mostly),
    )


def _unfit(figures: Figures, language: Language) -> str:
    """``No new paper fits your settings: 4 below your minimum score, 2 muted.``"""
    return language.say("No new paper fits your settings: %(causes)s.", causes=_causes(figures, CAUSES, language))


def _causes(figures: Figures, known: Mapping[str, Count], language: Language) -> str:
    """What became of papers, the most frequent first."""
    counted = sorted((-_number(figures, key), key) for key in figures if key in known)
    return language.comma.join(known[key](-number, language) for number, key in counted)


#: Why a new paper is not printed, by the reasons of ranking/select.py.
CAUSES: dict[str, Count] = {
    "nobody-followed": lambda n, language: language.count(
        "%(n)s by nobody you follow", "%(n)s by nobody you follow", n
    ),
    "off-topic": lambda n, language: language.count("%(n)s not near your topics", "%(n)s not near your topics", n),
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


#: What else became of the papers of one source.
BESIDES: dict[str, Count] = {
    "printed": lambda n, language: language.count("%(n)s printed", "%(n)s printed", n),
    "no-room": lambda n, language: language.count(
        "%(n)s without room in the mail", "%(n)s without room in the mail", n
    ),
    "already-sent": lambda n, language: language.count("%(n)s already sent to you", "%(n)s already sent to you", n),
    "counted-as-sent": lambda n, language: language.count(
        "%(n)s that counts as sent since a restore", "%(n)s that count as sent since a restore", n
    ),
    "withdrawn": lambda n, language: language.count("%(n)s withdrawn", "%(n)s withdrawn", n),
}


def _brought(figures: Figures, language: Language) -> str:
    """``4 papers (3 already sent to you, 1 muted)``; what is older than the edition looks back, too."""
    papers, older = _number(figures, "papers"), _number(figures, "older")
    told: list[str] = []
    if papers:
        causes = _causes(figures, CAUSES | BESIDES, language)
        # Before its mail goes out, nothing became of a paper that will be printed.
        told.append(
            language.count("%(n)s paper (%(causes)s)", "%(n)s papers (%(causes)s)", papers, causes=causes)
            if causes
            else language.count("%(n)s paper", "%(n)s papers", papers)
        )
    if older:
        told.append(
            language.count("%(n)s from before the days of this mail", "%(n)s from before the days of this mail", older)
        )
    return language.comma.join(told)


def _source(figures: Figures, language: Language) -> str:
    """How it stands; of one that works, first what it brought."""
    state, brought = _state(figures, language), _brought(figures, language)
    if not brought:
        return state
    if figures.get("state") in ("ok", "unchanged", "quiet"):
        return language.say("%(source)s: %(papers)s", source=plain(str(figures.get("source", "")), 80), papers=brought)
    return language.say("%(state)s; before that %(papers)s", state=state, papers=brought)


def _state(figures: Figures, language: Language) -> str:
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
            if (since := _instant(figures, "since")) is None:
                return language.say("%(source)s: could not be read", source=name)
            day = language.short_date(since.date(), with_year=False)
            return language.say("%(source)s: could not be read since %(day)s", source=name, day=day)
        case "gone":
            return language.say("%(source)s: is gone for good", source=name)
        case "removed":
            return language.say("%(source)s: is no longer read for this mail", source=name)
        case "idle":
            return language.say("%(source)s: was not looked at in time", source=name)
        case "lost":
            return language.say("%(source)s: how it stood then is no longer known", source=name)
        case _:
            return language.say("%(source)s: not read yet", source=name)


def _stopped(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _instant(figures: Figures, key: str) -> datetime | None:
    """An instant that an edition froze as text."""
    value = figures.get(key)
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


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
    "restored": _restored,
    "short": _short,
    "quiet-topics": _quiet_topics,
    "quiet-people": _quiet_people,
    "source": _source,
}
