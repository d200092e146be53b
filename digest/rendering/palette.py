"""Colours that can be read. Takes category names or an operator's accent, gives pairs that keep 4.5:1 (WCAG 2.2, 1.4.3)
in light and dark.

The dark twin of each category's colour stands in templates/css/kept.css under the same number.
"""

from __future__ import annotations

import colorsys
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourView:
    """A category's colour: its number in the style sheet, for text, and as a pale ground."""

    number: int
    ink: str
    tint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccentView:
    """The colours of a digest: ``rule`` for the line below its name, ``link`` for links and buttons."""

    rule: str
    link: str
    dark_rule: str
    dark_link: str


PALETTE = tuple(
    ColourView(number=number, ink=ink, tint=tint)
    for number, (ink, tint) in enumerate(
        (
            ("#0f5c8c", "#e3f0f8"),
            ("#7a3b93", "#f3e8f7"),
            ("#1f6b45", "#e2f2e9"),
            ("#9a4318", "#fbeae0"),
            ("#0d6668", "#def1f1"),
            ("#9c2f55", "#fae6ed"),
            ("#5d5a12", "#f3f1d9"),
            ("#44509c", "#e8eaf8"),
        )
    )
)
PLAIN = AccentView(rule="#1b1f24", link="#0b4a8f", dark_rule="#e9edf1", dark_link="#8ec3ff")
#: Grounds on which links stand: card, lead, page; light and dark.
LIGHT = ("#ffffff", "#f7f5ef", "#eef0f3")
DARK = ("#181c21", "#1f2329", "#101317")
#: What is enough to be read (WCAG 2.2, 1.4.3), and what a light colour on dark needs so as not to look dim (1.4.6).
ENOUGH, BRIGHT = 4.5, 7.0
_WELL_KNOWN = {"cs.CL": 0, "cs.CV": 1, "cs.LG": 2, "cs.AI": 3, "cs.RO": 4, "stat.ML": 5, "cs.IR": 6, "eess.AS": 7}


def colours(categories: Iterable[str]) -> dict[str, ColourView]:
    """A colour a category, the same every day; of two that would wear one, the better known or earlier keeps it."""
    wanted = dict.fromkeys(categories)
    chosen: dict[str, ColourView] = {}
    for category in sorted(wanted, key=lambda name: name not in _WELL_KNOWN):
        start = _WELL_KNOWN.get(category, zlib.crc32(category.encode("utf-8", "replace")) % len(PALETTE))
        taken = {colour.number for colour in chosen.values()}
        free = [number for step in range(len(PALETTE)) if (number := (start + step) % len(PALETTE)) not in taken]
        chosen[category] = PALETTE[free[0] if free else start]
    return chosen


@lru_cache(maxsize=64)
def accent(colour: str) -> AccentView:
    """An accent from ``#rrggbb``, darker or lighter as reading needs it; anything else gives the plain one."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        return PLAIN
    light, dark = _readable(colour, LIGHT, -1, ENOUGH), _readable(colour, DARK, 1, BRIGHT)
    return AccentView(rule=light, link=light, dark_rule=dark, dark_link=dark)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours ``#rrggbb``, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _readable(colour: str, grounds: tuple[str, ...], step: int, enough: float) -> str:
    """The colour, its lightness moved by hundredths until it can be read on every ground; at the end black or white."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    for moved in range(101):
        shown = colorsys.hls_to_rgb(hue, min(1.0, max(0.0, lightness + step * moved / 100)), saturation)
        made = "#" + "".join(f"{round(255 * part):02x}" for part in shown)
        if all(contrast(made, ground) >= enough for ground in grounds):
            return made
    return "#000000" if step < 0 else "#ffffff"


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
