"""Numbers -> small pictures (SVG) for a page. Takes series, gives markup that needs nothing from outside.

Drawn by matplotlib (the extra ``backtest``), which is imported here and only when something is drawn. Ink and rules
take the colours of the page around them, so a picture can be read in light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

#: Its hints leave too much open to be of use.
Axes = Any

#: Placeholders that no picture has by chance; the page's own colours take their places.
_INK, _RULE = "#010203", "#040506"
#: Each stands out from the light and from the dark page by 3:1 at least (WCAG 2.2, 1.4.11).
_SERIES = ("#2f7fc1", "#a85fc0", "#2e8b57", "#c8662b", "#c2476f")
#: Matplotlib numbers its groups; several pictures on a page would have the same names.
_NUMBERED = re.compile(r' id="[^"]*_\d+"')
_WIDTH, _HEIGHT = 8.6, 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One series: a value for each mark of the horizontal axis, None where there is none."""

    name: str
    values: tuple[float | None, ...]


def lines(marks: Sequence[str], series: Sequence[Line], *, upright: str) -> str:
    """Series over named marks, drawn as lines; ``upright`` names the vertical axis. ImportError without matplotlib."""
    with _drawn("lines") as (axes, made):
        places = range(len(marks))
        for number, one in enumerate(series):
            values = [float("nan") if value is None else value for value in one.values]
            style = "--" if number == 0 else "-"
            axes.plot(places, values, style, marker="o", markersize=3, color=_colour(number), label=one.name)
        _name_marks(axes, marks)
        axes.set_ylabel(upright)
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return made[0]


def bars(marks: Sequence[str], values: Sequence[float], *, upright: str) -> str:
    """One bar a mark, above or below nought. ImportError without matplotlib."""
    with _drawn("bars") as (axes, made):
        colours = [_colour(1 if value >= 0 else 4) for value in values]
        axes.bar(range(len(marks)), values, color=colours)
        axes.axhline(0.0, color=_INK, linewidth=0.8)
        _name_marks(axes, marks)
        axes.set_ylabel(upright)
    return made[0]


def reliability(points: Sequence[tuple[float, float, int]]) -> str:
    """(said, came, how many) of each tenth beside the line of a perfect model. ImportError without matplotlib."""
    with _drawn("reliability") as (axes, made):
        axes.plot((0, 1), (0, 1), "--", color=_INK, linewidth=0.8, label="a perfect model")
        said, came, counts = zip(*points, strict=True) if points else ((), (), ())
        most = max(counts, default=1)
        sizes = [18 + 160 * (count / most) ** 0.5 for count in counts]
        axes.scatter(said, came, s=sizes, color=_colour(1), alpha=0.8, label="papers of a tenth")
        axes.set_xlabel("probability that was said")
        axes.set_ylabel("share that was featured")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return made[0]


@contextmanager
def _drawn(salt: str) -> Generator[tuple[Axes, list[str]]]:
    """Axes to draw on; the picture is in the list afterwards."""
    mpl: Any = import_module("matplotlib")
    new_figure: Any = import_module("matplotlib.figure").Figure
    look: dict[str, object] = {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _RULE,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "grid.color": _RULE,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    made: list[str] = []
    with mpl.rc_context(look):
        figure = new_figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        yield axes, made
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    whole = file.getvalue()
    made.append(_at_home(whole[whole.index("<svg") :]))


def _at_home(svg: str) -> str:
    coloured = svg.replace(_INK, "currentColor").replace(_RULE, "var(--rule)")
    return re.sub(r"<metadata>.*?</metadata>", "", _NUMBERED.sub("", coloured), flags=re.DOTALL)


def _name_marks(axes: Axes, marks: Sequence[str]) -> None:
    """At most eight names, so that they can be read."""
    step = max(1, -(-len(marks) // 8))
    axes.set_xticks(range(0, len(marks), step), list(marks[::step]))


def _colour(number: int) -> str:
    """The first is for what does not rank: the ink itself."""
    return _INK if number == 0 else _SERIES[(number - 1) % len(_SERIES)]
