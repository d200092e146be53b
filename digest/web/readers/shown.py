"""A reader's form as its templates have it: what was typed, and between what there is to choose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from zoneinfo import available_timezones

from digest.model.people import OWN_NAMES
from digest.web.readers.fields import LISTS, Typed
from digest.web.readers.wishes import AMOUNTS, EXPLAINS, JOINED, LAYOUTS

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: What fields are called, in the order in which pages name them; "categories" stands for the amounts of all.
LABELS = {
    "topics": "Topics you care about",
    "categories": "How much of each category",
    "more": "Other categories",
    "keywords": "Words to look for",
    "authors": "People you follow",
    "institutions": "Institutions you follow",
    "mute-keywords": "Never with these words",
    "mute-authors": "Never by these people",
    "mute-institutions": "Never from these institutions",
    "mute-categories": "Never of these categories",
    "mute-anything": "Never any of these",
    "days": "Days",
    "send_at": "Hour",
    "timezone": "Time zone",
    "paused_until": "No mail before",
    "joined": "Digests of the same hour",
    "max_items": "At most so many papers",
    "layout": "How much of each paper",
    "language": "Language of the mail",
    "explain": "Say why a mail is short",
}
_AREAS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")


def shown(said: Typed, category_title: Callable[[str], str]) -> dict[str, object]:
    """The fields as templates/pages/join.html.j2 and preferences.html.j2 have them."""
    texts = said.texts
    return {
        "texts": texts,
        "rows": {name: min(max(len(texts[name].splitlines()) + 1, 2), 8) for name in LISTS if name in texts},
        "labels": LABELS,
        "email": said.address,
        "topics": texts.get("topics", ""),
        "has_topics": "topics" in texts,
        "categories": [
            {"code": code, "title": category_title(code), "amounts": options(AMOUNTS, amount)}
            for code, amount in said.amounts.items()
        ],
        "days": [{"number": n, "name": name, "chosen": n in said.days} for n, name in enumerate(DAYS)],
        "send_at": texts["send_at"],
        "timezone": texts["timezone"],
        "zones": zones(),
        "languages": [
            {"code": one["value"], "name": one["text"], "chosen": one["chosen"]}
            for one in options(OWN_NAMES, texts["language"])
        ],
        "layouts": options(LAYOUTS, texts.get("layout", "")),
        "explains": options(EXPLAINS, texts.get("explain", "")),
        "joinings": options(JOINED, texts.get("joined", "")),
    }


def listed(
    said: Typed, category_title: Callable[[str], str], *, without: Collection[str] = ()
) -> list[Mapping[str, str]]:
    """What was typed, field by field in words, lists with a thing a line; without what is empty, and some fields."""
    words = dict(said.texts)
    for name, known in (("layout", LAYOUTS), ("explain", EXPLAINS), ("joined", JOINED), ("language", OWN_NAMES)):
        words[name] = next((str(one["text"]) for one in options(known, words.get(name, "")) if one["chosen"]), "")
    words["days"] = ", ".join(DAYS[day] for day in said.days)
    words["categories"] = "\n".join(
        f"{category_title(code)}: {AMOUNTS.get(amount, amount)}" for code, amount in said.amounts.items()
    )
    named = {name: label for name, label in LABELS.items() if words.get(name) and name not in without}
    return [{"label": label, "text": words[name]} for name, label in named.items()]


def options(known: Mapping[str, str], chosen: str) -> list[Mapping[str, object]]:
    """What a list offers. Whatever else was typed or held is offered, too, so that it is not lost."""
    offered = dict(known)
    if chosen and chosen not in known:
        base = OWN_NAMES.get(chosen.partition("-")[0]) if known is OWN_NAMES else None
        offered[chosen] = f"{base} ({chosen})" if base else chosen
    return [{"value": value, "text": text, "chosen": value == chosen} for value, text in offered.items()]


@cache
def zones() -> tuple[str, ...]:
    """Names of zones to pick from, as Area/Place; others may be typed."""
    return ("UTC", *sorted(name for name in available_timezones() if name.startswith(_AREAS)))
