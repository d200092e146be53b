"""What a reader's form means: the choices it makes, and what is wrong with which field.

What is left as it stands changes nothing. What is set to what the digest has follows the digest from then on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date

from digest.model.errors import DigestError, InputError
from digest.services.readers.pausing import read_day
from digest.services.readers.subscribe import Choices, normal_address
from digest.web.readers.fields import LISTS, MOST_LINE, MOST_LIST, MOST_WORDS, Ground, Typed

#: How much of a category somebody wants, as a multiple of its usual weight.
AMOUNTS = {"0": "none", "0.5": "less", "1": "as usual", "2": "more"}
LAYOUTS = {
    "full": "Abstracts, cut at a sentence",
    "brief": "One sentence each",
    "catalogue": "Authors and facts, no abstract",
    "titles": "Titles only",
}
EXPLAINS = {
    "empty": "When it has no new paper",
    "short": "Also when it has far fewer than usual",
    "never": "Never",
}
JOINED = {"yes": "In one mail", "no": "Each in its own mail"}
_MUTES = ("keywords", "authors", "institutions", "categories", "anything")
_MOST_PAPERS, _MOST_AMOUNT = 200, 10
_TWICE = "This came more than once, and can hold one value only."
_NO_CHOICE = "Choose one of the list."
_LONG = f"At most {MOST_LINE} characters."

#: Raises an error for choices that a digest cannot print: services' Subscribe.check.
Check = Callable[[str, Choices], None]
#: (preferences that change, None for those that are to follow the digest; what is wrong by field)
_Part = tuple[Mapping[str, object], Mapping[str, str]]


def choices_of(said: Typed, ground: Ground, check: Check) -> tuple[Choices, Mapping[str, str]]:
    """(what a form means, what is wrong by field; "form" for what is no field's own)."""
    problems = dict.fromkeys(said.repeated, _TWICE)
    if "email" in said.texts:
        try:
            normal_address(said.address)
        except DigestError as error:
            problems.setdefault("email", f"This {error.what}")
    if not said.whole:
        return Choices(), problems
    preferences = dict(ground.mine.preferences) if ground.mine is not None else {}
    for part in (_lists, _mutes, _categories, _size):
        changed, wrong = part(said, ground)
        preferences |= changed
        problems = {**wrong, **problems}
    preferences = {name: value for name, value in preferences.items() if value is not None}
    problems = {**_mistimed(said, ground, check), **problems}
    if amounts := [text for name, text in problems.items() if name.startswith("amount-")]:
        problems.setdefault("categories", amounts[0])
    if not problems and (wrong := _objection(ground, check, Choices(preferences=preferences))):
        problems["form"] = wrong
    return _chosen(said, ground, preferences), problems


def pause_of(said: Typed, ground: Ground) -> tuple[date | None, str]:
    """(until when a reader wants no mail, what is wrong with it); None: he wants it."""
    text = said.texts.get("paused_until", "")
    if not text or ground.today is None:
        return None, ""
    try:
        return read_day(text, ground.today), ""
    except InputError as error:
        return None, _sentence(error)


def things_in(text: str, *, by_commas: bool, whole: Collection[str] = ()) -> list[str]:
    """The things of a list, each once: one a line, or divided by semicolons, or by commas too. What is in ``whole`` is
    not divided.
    """
    divider = r"[,;]" if by_commas else r";"
    found: list[str] = []
    for line in text.splitlines():
        plain = " ".join(line.split())
        found += [plain] if plain in whole else (" ".join(part.split()) for part in re.split(divider, plain))
    return list(dict.fromkeys(filter(None, found)))


def _chosen(said: Typed, ground: Ground, preferences: Mapping[str, object]) -> Choices:
    usual, stands = ground.digest.schedule, ground.typed
    is_new = ground.mine is None
    texts = {
        "language": ground.digest.profile.language,
        "timezone": usual.timezone,
        "send_at": f"{usual.send_at:%H:%M}",
    }
    own = {
        name: None if said.texts[name] == stands.texts[name] and not is_new else _unless(said.texts[name], at)
        for name, at in texts.items()
    }
    days = () if said.days == tuple(sorted(usual.days)) else said.days
    joined = said.texts.get("joined", "")
    return Choices(
        **own,
        days=None if said.days == stands.days and not is_new else days,
        preferences=preferences,
        joined=None if joined == stands.texts.get("joined", "") else joined == "yes",
    )


def _unless(text: str, usual: str) -> str:
    """What is as usual follows the digest."""
    return "" if text == usual else text


def _list(name: str, said: Typed, ground: Ground) -> tuple[list[str], str]:
    """(the things in a list, what is wrong with it)."""
    noun, most, by_commas = LISTS[name]
    text, held = said.texts[name], ground.typed.texts[name].splitlines()
    found = things_in(text, by_commas=by_commas, whole=held)
    if len(text) > MOST_LIST:
        return found, f"At most {MOST_LIST} characters; these are {len(text)}."
    if len(found) > max(most, len(held)) or any(len(one) > MOST_WORDS and one not in held for one in found):
        return found, f"At most {most} {noun}, each of at most {MOST_WORDS} characters."
    if any(unicodedata.category(char) in ("Cc", "Cs") for one in found for char in one):
        return found, "There is a character in it that cannot be shown."
    return found, ""


def _lists(said: Typed, ground: Ground) -> _Part:
    changed: dict[str, object] = {}
    problems: dict[str, str] = {}
    for name in ("topics", "keywords", "authors", "institutions"):
        if _is_as_it_stood(said, ground, name):
            continue
        found, problems[name] = _list(name, said, ground)
        changed[name] = None if _equal(found, getattr(ground.digest.profile, name)) else found
    return changed, _told(problems)


def _mutes(said: Typed, ground: Ground) -> _Part:
    """All lists of mutes are one preference."""
    if all(_is_as_it_stood(said, ground, f"mute-{name}") for name in _MUTES):
        return {}, {}
    found: dict[str, list[str]] = {}
    problems: dict[str, str] = {}
    for name in _MUTES:
        found[name], problems[f"mute-{name}"] = _list(f"mute-{name}", said, ground)
    usual = ground.digest.profile.mute
    is_usual = all(_equal(words, getattr(usual, name)) for name, words in found.items())
    return {"mute": None if is_usual else {name: words for name, words in found.items() if words}}, _told(problems)


def _categories(said: Typed, ground: Ground) -> _Part:
    held = ground.typed.amounts
    more, problem = _list("more", said, ground) if "more" in said.texts else ([], "")
    if said.amounts == held and not more:
        return {}, {}
    problems = {"more": problem}
    factors: dict[str, float] = {}
    for code, amount in said.amounts.items():
        if amount == held[code]:
            factors[code] = ground.factors[code]
        elif re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?", amount) and float(amount) <= _MOST_AMOUNT:
            factors[code] = float(amount)
        else:
            problems[f"amount-{code}"] = f"{_cut(amount)} for {code} is not a number from 0 to {_MOST_AMOUNT}."
    factors |= {code: 1.0 for code in more if not factors.get(code)}
    usual = dict(ground.digest.profile.categories)
    if usual and factors and not any(factors.values()):
        problems.setdefault("categories", "Keep at least one category.")
    wanted = {code: factor for code, factor in factors.items() if factor}
    if wanted == dict.fromkeys(usual, 1.0):
        return {"categories": None}, _told(problems)
    return {"categories": dict(_weighed(wanted, usual, ground))}, _told(problems)


def _weighed(factors: Mapping[str, float], usual: Mapping[str, float], ground: Ground) -> Iterator[tuple[str, object]]:
    """Each category with its weight, and its bounds where it has some."""
    for code, factor in factors.items():
        weight = usual.get(code, 1.0) * factor
        if code not in ground.seats:
            yield code, weight
            continue
        least, most = ground.seats[code]
        yield code, {"weight": weight, "min": least, **({} if most is None else {"max": most})}


def _size(said: Typed, ground: Ground) -> _Part:
    """How many papers, how much of each, and whether a short mail says why."""
    changed: dict[str, object] = {}
    problems: dict[str, str] = {}
    profile = ground.digest.profile
    if not _is_as_it_stood(said, ground, "max_items"):
        most = said.texts["max_items"]
        if not most:
            changed["max_items"] = None
        elif re.fullmatch(r"[0-9]{1,3}", most) and 1 <= int(most) <= _MOST_PAPERS:
            changed["max_items"] = None if int(most) == profile.max_items else int(most)
        else:
            problems["max_items"] = f"{_cut(most)} is not a number from 1 to {_MOST_PAPERS}."
    for name, usual, known in (("layout", profile.layout, LAYOUTS), ("explain", profile.explain, EXPLAINS)):
        if not _is_as_it_stood(said, ground, name):
            value = said.texts[name]
            changed[name] = None if value == usual else value
            problems[name] = "" if value in known else _NO_CHOICE
    return changed, _told(problems)


def _mistimed(said: Typed, ground: Ground, check: Check) -> Mapping[str, str]:
    """What is wrong with days, hour, zone and language, and with which mails are one."""
    problems = {} if said.days else {"days": "Tick at least one day."}
    at = {name: said.texts[name] or "-" for name in ("language", "timezone", "send_at")}
    for name, choices in (
        ("language", Choices(language=at["language"])),
        ("timezone", Choices(timezone=at["timezone"])),
        ("send_at", Choices(send_at=at["send_at"])),
    ):
        if ground.mine is None or not _is_as_it_stood(said, ground, name):
            problems[name] = _LONG if len(at[name]) > MOST_LINE else _objection(ground, check, choices)
    if not _is_as_it_stood(said, ground, "joined") and said.texts["joined"] not in JOINED:
        problems["joined"] = _NO_CHOICE
    return _told(problems)


def _is_as_it_stood(said: Typed, ground: Ground, name: str) -> bool:
    """Also of a field that the form does not have."""
    return said.texts.get(name) == ground.typed.texts.get(name)


def _objection(ground: Ground, check: Check, choices: Choices) -> str:
    try:
        check(ground.digest.name, choices)
    except DigestError as error:
        return _sentence(error)
    return ""


def _sentence(error: DigestError) -> str:
    return "; ".join(filter(None, (error.what, error.try_)))


def _equal(words: Collection[str], usual: Collection[str]) -> bool:
    """Whether two lists are one wish: neither order nor capitals mean anything."""
    return {word.casefold() for word in words} == {word.casefold() for word in usual}


def _told(problems: Mapping[str, str]) -> Mapping[str, str]:
    return {name: text for name, text in problems.items() if text}


def _cut(text: str) -> str:
    """What was typed, as a message repeats it."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
