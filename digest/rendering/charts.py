"""Numbers by day -> pictures (SVG) for a page, without script or colour of their own.

Drawn by pygal (the extra ``desk``), which is imported here and only when something is drawn. Series are told apart by
the classes color-0, color-1 … that templates/css/plot.css colours for light and dark; what a bar or a dot stands for is
said in its <title>.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from math import ceil, floor
from typing import Any

_HEIGHT = 240
#: Of a picture beside others, and of one that has the page for itself: text is as large in both.
NARROW, BROAD = 500, 1000
#: One name below the axis for so many points of width, and about so many lines across.
_NAME_WIDTH, _RULES = 80, 4
#: Round numbers: 1, 2, 5, 10 and so on.
_ROUND = tuple(float(f"{digit}e{power}") for power in range(12) for digit in (1, 2, 5))
_PLACE = re.compile(r"^color-(\d+)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """A value for each mark of the horizontal axis, None where there is none. ``colour`` is the number of its class."""

    name: str
    values: tuple[float | None, ...]
    colour: int


def can_draw() -> bool:
    """Whether pygal is installed; it is not imported for that."""
    return find_spec("pygal") is not None


def bars(marks: Sequence[str], series: Sequence[Series], *, said: Callable[[float], str], width: int = NARROW) -> str:
    """One bar a mark, the series upon each other; what is negative hangs below nought. ``said`` writes a value.

    Raises ImportError where pygal is not installed.
    """
    columns = list(zip(*([value or 0.0 for value in one.values] for one in series), strict=True))
    high = max((sum(value for value in column if value > 0) for column in columns), default=0.0)
    low = min((sum(value for value in column if value < 0) for column in columns), default=0.0)
    return _drawn("StackedBar", marks, series, said, ticks(low, high, _ROUND), width)


def lines(
    marks: Sequence[str],
    series: Sequence[Series],
    *,
    said: Callable[[float], str],
    steps: Sequence[float] = (),
    width: int = NARROW,
) -> str:
    """Series as lines with a dot a mark, from nought on; ``steps`` are good distances of the lines across, else round
    numbers. Raises ImportError where pygal is not installed.
    """
    high = max((value for one in series for value in one.values if value is not None), default=0.0)
    return _drawn("Line", marks, series, said, ticks(0.0, high, steps or _ROUND), width)


def ticks(low: float, high: float, steps: Sequence[float]) -> list[float]:
    """Where lines go across: from below ``low`` to above ``high``, at the least of the steps that makes few of them."""
    step = next((one for one in steps if (high - low) / one <= _RULES), (high - low) / _RULES)
    return [step * place for place in range(floor(low / step), max(1, ceil(high / step)) + 1)]


def _drawn(
    shape: str,
    marks: Sequence[str],
    series: Sequence[Series],
    said: Callable[[float], str],
    across: list[float],
    width: int,
) -> str:
    pygal: Any = import_module("pygal")
    style: Any = import_module("pygal.style").Style
    step = max(1, ceil(len(marks) * _NAME_WIDTH / width))
    chart: Any = getattr(pygal, shape)(
        width=width,
        height=_HEIGHT,
        margin=6,
        spacing=8,
        style=style(label_font_size=13, major_label_font_size=13),
        css=[],
        js=[],
        no_prefix=True,
        disable_xml_declaration=True,
        show_legend=False,
        x_labels=list(marks),
        x_labels_major=list(marks[::step]),
        show_minor_x_labels=False,
        y_labels=across,
        truncate_label=-1,
        value_formatter=said,
        dots_size=2.5,
    )
    for one in series:
        chart.add(one.name, list(one.values), allow_interruptions=True)
    places = dict(enumerate(series))
    chart.add_xml_filter(partial(_at_home, places=places))
    drawn: str = chart.render(is_unicode=True)
    return drawn


def _at_home(root: Any, places: Mapping[int, Series]) -> Any:
    """The drawing without scripts and styles; each mark says what it stands for, each series has its colour."""
    for parent in _nodes(root):
        for child in list(parent):
            if _tag(child) in ("", "defs", "title") or "tooltip-overlay" in (child.get("class") or ""):
                parent.remove(child)
    for group in _nodes(root):
        names = (group.get("class") or "").split()
        found = next((known for name in names if (known := _PLACE.match(name))), None)
        if found is not None and int(found[1]) in places:
            one = places[int(found[1])]
            group.set("class", " ".join([*(n for n in names if n != found[0]), f"color-{one.colour}"]))
            _tell(group, one.name)
    root.set("class", "plot")
    root.attrib.pop("id", None)
    root.set("aria-hidden", "true")  # the same numbers stand in a table beside it
    return root


def _tell(group: Any, name: str) -> None:
    """Notes that are there for a script become the titles that browsers show by themselves."""
    for holder in _nodes(group):
        notes = [child for child in holder if _tag(child) == "desc"]
        told = {note.get("class", "").split()[0]: note.text or "" for note in notes if note.get("class")}
        for note in notes:
            holder.remove(note)
        if "value" in told:
            title = holder.makeelement(holder.tag.rpartition("}")[0] + "}title" if "}" in holder.tag else "title", {})
            title.text = f"{told.get('x_label', '')} {name}: {told['value']}".strip()
            holder.insert(0, title)


def _nodes(root: Any) -> list[Any]:
    """The elements, without comments."""
    return [node for node in root.iter() if _tag(node)]


def _tag(node: Any) -> str:
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
