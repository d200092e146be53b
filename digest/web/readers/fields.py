"""The fields of a reader's forms: how they stand before anybody types, and what was typed.

The form for joining has some of the fields, the page for choosing all. A field that a posted form does not bring is
taken as it stands; one that may come once and comes twice is named.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast
from urllib.parse import parse_qsl, urlencode

from digest.model.editions import About, Digest
from digest.model.people import Profile, Subscription, SubscriptionState
from digest.web.forms import first

#: Fields that hold a list: what they hold, how many at most, and whether commas divide, too. Names have commas in them.
LISTS: Mapping[str, tuple[str, int, bool]] = {
    "topics": ("topics", 10, True),
    "keywords": ("words or phrases", 100, True),
    "authors": ("names", 100, False),
    "institutions": ("names", 100, False),
    "mute-keywords": ("words or phrases", 100, True),
    "mute-authors": ("names", 100, False),
    "mute-institutions": ("names", 100, False),
    "mute-categories": ("categories", 100, True),
    "mute-anything": ("words or names", 100, False),
    "more": ("categories", 20, True),
}
#: The most characters of a list, of one thing in it, of a field of one line.
MOST_LIST, MOST_WORDS, MOST_LINE = 4000, 120, 64
_MOST_ADDRESS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """A form's fields, each as it was typed. ``whole``: it asked for more than the address."""

    texts: Mapping[str, str]
    """By their name in the form; lists with a thing a line."""
    amounts: Mapping[str, str] = field(default_factory=dict[str, str])
    """By category."""
    days: tuple[int, ...] = ()
    whole: bool = False
    repeated: tuple[str, ...] = ()
    """Fields that hold one value and came with several, of which the first counts as typed."""

    @property
    def address(self) -> str:
        return self.texts.get("email", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What a form stands on: whose it is, and how it looks before anybody types."""

    digest: Digest
    mine: Subscription | None
    """None: a stranger's form for joining."""
    typed: Typed
    factors: Mapping[str, float] = field(default_factory=dict[str, float])
    """How much of each category there is now, as a multiple of its usual weight; the form shows it rounded."""
    seats: Mapping[str, tuple[int, int | None]] = field(default_factory=dict[str, tuple[int, int | None]])
    """(at least, at most) of the papers of a category, where it has such a bound."""
    today: date | None = None
    """Where the reader is at home."""


def stranger(digest: Digest, address: str = "") -> Ground:
    """The form for joining: an address, and the digest as it is."""
    texts = {"email": address[:_MOST_ADDRESS], "topics": "", **_when(digest, None)}
    if digest.about is About.TOPIC:  # its topics are what it is
        del texts["topics"]
    factors = {code: 1.0 for code, _ in digest.profile.categories}
    stands = Typed(texts=texts, amounts=dict.fromkeys(factors, "1"), days=tuple(sorted(digest.schedule.days)))
    return Ground(digest=digest, mine=None, typed=stands, factors=factors, seats=_seats(digest.profile))


def standing(digest: Digest, mine: Subscription, profile: Profile, *, today: date, has_several: bool) -> Ground:
    """A reader's own form. ``profile`` is what he is printed by; ``has_several``: he reads other digests, too."""
    texts = {
        **{name: "\n".join(words) for name, words in _lists(digest, profile).items()},
        **_when(digest, mine),
        "max_items": str(profile.max_items or ""),
        "layout": profile.layout,
        "explain": profile.explain,
    }
    if has_several:
        texts["joined"] = "yes" if mine.joined else "no"
    if mine.state is SubscriptionState.CONFIRMED:
        texts["paused_until"] = str(mine.paused_until) if mine.is_paused(today) else ""
    factors = _factors(digest, mine, profile)
    stands = Typed(
        texts=texts,
        amounts={code: f"{factor:g}" for code, factor in factors.items()},
        days=tuple(sorted(mine.days or digest.schedule.days)),
        whole=True,
    )
    seats = {**_seats(digest.profile), **_seats(profile)}
    return Ground(digest=digest, mine=mine, typed=stands, factors=factors, seats=seats, today=today)


def typed(form: Mapping[str, list[str]], ground: Ground) -> Typed:
    """What a form brings; a stranger's with only an address (on somebody's own page) leaves the rest as it stands.

    What came back as the page had shown it (``marks``, field ``stood``) is as it stands now: another page of this
    reader's may have changed it since.
    """
    held = ground.typed
    if ground.mine is None and not first(form, "whole"):
        return replace(held, texts={**held.texts, "email": first(form, "email")[:_MOST_ADDRESS]})
    names = [*held.texts, *(f"amount-{code}" for code in held.amounts)]
    stood = dict(parse_qsl(first(form, "stood")))

    def unless_left(name: str, text: str, now: str) -> str:
        return now if stood.get(name) == _mark(text) else text

    texts = {name: _as_given(name, first(form, name)) if name in form else text for name, text in held.texts.items()}
    amounts = {code: first(form, f"amount-{code}") or amount for code, amount in held.amounts.items()}
    days = _days(form)
    return Typed(
        texts={name: unless_left(name, text, held.texts[name]) for name, text in texts.items()},
        amounts={code: unless_left(f"amount-{code}", text, held.amounts[code]) for code, text in amounts.items()},
        days=held.days if stood.get("days") == _mark(str(days)) else days,
        whole=True,
        repeated=tuple(name for name in names if len(form.get(name, ())) > 1),
    )


def marks(shown: Typed) -> str:
    """What a page shows, as a short sum a field: the form brings it back."""
    amounts = {f"amount-{code}": amount for code, amount in shown.amounts.items()}
    fields = {**shown.texts, **amounts, "days": str(shown.days)}
    return urlencode({name: _mark(text) for name, text in fields.items()})


def _mark(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def loose(form: Mapping[str, list[str]]) -> Typed:
    """What a form brings of which nobody knows whose it is."""
    return Typed(
        texts={name: _as_given(name, first(form, name)) for name in form},
        amounts={name.removeprefix("amount-"): first(form, name) for name in form if name.startswith("amount-")},
        days=_days(form),
        whole=True,
    )


def is_changed(said: Typed, ground: Ground) -> bool:
    """Whether somebody chose anything beside the address."""
    held = ground.typed
    return said.whole and said != replace(held, texts={**held.texts, "email": said.address}, whole=True)


def _days(form: Mapping[str, list[str]]) -> tuple[int, ...]:
    return tuple(sorted({int(day) for day in form.get("days", []) if day in "0123456" and len(day) == 1}))


def _as_given(name: str, text: str) -> str:
    """As a browser was given it: forms bring lines that end in CR LF (HTML, 4.10.21.4), and some an hour's seconds."""
    if name == "send_at":
        return re.sub(r"^(\d\d:\d\d):\d\d(\.\d+)?$", r"\1", text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _when(digest: Digest, mine: Subscription | None) -> dict[str, str]:
    usual = digest.schedule
    return {
        "send_at": f"{(mine.send_at if mine else None) or usual.send_at:%H:%M}",
        "timezone": (mine.timezone if mine else "") or usual.timezone,
        "language": (mine.language if mine else "") or digest.profile.language,
    }


def _lists(digest: Digest, profile: Profile) -> dict[str, tuple[str, ...]]:
    mute = profile.mute
    found = {
        "topics": profile.topics,
        "keywords": profile.keywords,
        "authors": profile.authors,
        "institutions": profile.institutions,
        "mute-keywords": mute.keywords,
        "mute-authors": mute.authors,
        "mute-institutions": mute.institutions,
        "mute-categories": mute.categories,
        "mute-anything": mute.anything,
        "more": (),
    }
    if digest.about is About.TOPIC:
        del found["topics"]
    return found


def _seats(profile: Profile) -> dict[str, tuple[int, int | None]]:
    return {code: (least, most) for code, least, most in profile.seats}


def _factors(digest: Digest, mine: Subscription, profile: Profile) -> dict[str, float]:
    """How much of each category there is. Only proportions count, so equal ones of any size are as usual."""
    usual = dict(digest.profile.categories)
    own = dict(profile.categories)
    raw = mine.preferences.get("categories")
    if isinstance(raw, Mapping):  # as they were written: a profile's are without a common divisor
        written = {code: _weight(said) for code, said in cast("Mapping[str, object]", raw).items()}
        if written.keys() == own.keys() and all(written.values()):
            own = written
    found = {code: own.get(code, 0.0) / usual.get(code, 1.0) for code in dict.fromkeys([*usual, *own])}
    if usual and not own:  # every category, unweighted
        return dict.fromkeys(found, 1.0)
    if len({f"{factor:g}" for factor in found.values() if factor}) == 1:
        return {code: 1.0 if factor else 0.0 for code, factor in found.items()}
    return found


def _weight(said: object) -> float:
    """A category's weight as it stands in preferences; 0 for what is none."""
    value = cast("Mapping[str, object]", said).get("weight", 1.0) if isinstance(said, Mapping) else said
    return float(value) if isinstance(value, int | float) else 0.0
