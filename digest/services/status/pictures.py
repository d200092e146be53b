"""A Trend as pictures with their numbers: what a page shows, and says in a table to whoever sees no picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from digest.rendering import charts
from digest.rendering.charts import Series
from digest.services.status.trends import Day, Took, Trend

NO_PICTURES = "The numbers stand here without pictures: pip install 'digest-papers[desk]' brings what draws them."
#: Sources that are told apart; the others are one.
_NAMED = 6
#: What became of mails, in the order in which bars are stacked, with the number of the colour.
_OUTCOMES = tuple(
    (name, colour)
    for colour, name in enumerate(("accepted", "open", "deferred", "rejected", "uncertain", "suppressed", "expired"))
)
#: Good distances of lines across, in seconds.
_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0)
_NOT_WELL = _OUTCOMES[2:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One series: ``cells`` are its values as they are written, a day each. ``colour`` is the number of its class."""

    name: str
    cells: tuple[str, ...]
    colour: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One picture. ``svg`` is empty where there is nothing to draw, or nothing to draw with."""

    name: str
    title: str
    about: str
    svg: Markup
    days: tuple[str, ...]
    columns: tuple[Column, ...]


def pictures(trend: Trend) -> tuple[tuple[Picture, ...], str]:
    """(the pictures, what to install for them where that is missing)."""
    made = (
        mails(trend, charts.NARROW),
        _picture(
            trend,
            "trouble",
            "Mails that were not accepted",
            "The same without those that were accepted or are still open, so that few can be seen, too.",
            [_of_mails(trend, name, colour) for name, colour in _NOT_WELL],
        ),
        _picture(
            trend,
            "readers",
            "Subscriptions",
            "Confirmed subscriptions at the end of each day.",
            [_series(trend, "subscriptions", 0, lambda day: day.readers)],
            as_lines=True,
        ),
        _picture(
            trend,
            "coming",
            "Joined and left",
            "Who left and came back counts by the last time.",
            [_series(trend, "joined", 0, lambda day: day.joined), _series(trend, "left", 3, lambda day: -day.left)],
        ),
        _picture(
            trend,
            "papers",
            "New papers by source",
            "Each counts for the source that was first to show it.",
            _by_source(trend),
        ),
        _durations(trend, "latency", "From the slot to the mail server", lambda day: day.delivery),
        _durations(trend, "fetching", "A look at a source", lambda day: day.fetch),
    )
    return made, "" if charts.can_draw() else NO_PICTURES


def mails(trend: Trend, width: int = charts.BROAD) -> Picture:
    """Mails by outcome, which a page may show alone."""
    return _picture(
        trend,
        "deliveries",
        "Mails by outcome",
        "Editions, by the date for which they were published.",
        [_of_mails(trend, name, colour) for name, colour in _OUTCOMES],
        width=width,
    )


def _durations(trend: Trend, name: str, title: str, took: Callable[[Day], Took | None]) -> Picture:
    def median(day: Day) -> float | None:
        found = took(day)
        return found.median if found else None

    def p95(day: Day) -> float | None:
        found = took(day)
        return found.p95 if found else None

    number = max((found.number for day in trend.days if (found := took(day))), default=0)
    return _picture(
        trend,
        name,
        title,
        "Half took no longer than the median, nineteen of twenty no longer than p95."
        + (f" Told from up to {number:,} a day." if number else ""),
        [_series(trend, "median", 0, median), _series(trend, "p95", 3, p95)],
        said=duration,
        as_lines=True,
        steps=_SECONDS,
    )


def _of_mails(trend: Trend, name: str, colour: int) -> Series:
    return _series(trend, name, colour, lambda day: day.mails[name])


def _by_source(trend: Trend) -> list[Series]:
    named = trend.sources[:_NAMED]
    found = [_of_source(trend, name, colour) for colour, name in enumerate(named)]
    if others := trend.sources[_NAMED:]:
        found.append(
            _series(trend, f"{len(others)} others", 7, lambda day: sum(day.brought.get(name, 0) for name in others))
        )
    return found


def _of_source(trend: Trend, name: str, colour: int) -> Series:
    return _series(trend, name, colour, lambda day: day.brought.get(name, 0))


def _series(trend: Trend, name: str, colour: int, value: Callable[[Day], float | None]) -> Series:
    return Series(name=name, values=tuple(map(value, trend.days)), colour=colour)


def _picture(
    trend: Trend,
    name: str,
    title: str,
    about: str,
    series: Sequence[Series],
    *,
    said: Callable[[float], str] = lambda value: f"{value:,.0f}",
    as_lines: bool = False,
    steps: tuple[float, ...] = (),
    width: int = charts.NARROW,
) -> Picture:
    marks = [f"{one.day.day} {one.day:%b}" for one in trend.days]
    shown = [one for one in series if any(one.values)]
    svg = ""
    if shown and charts.can_draw():
        if as_lines:
            svg = charts.lines(marks, shown, said=said, steps=steps, width=width)
        else:
            svg = charts.bars(marks, shown, said=said, width=width)
    return Picture(
        name=name,
        title=title,
        about=about,
        svg=Markup(svg),  # noqa: S704  our own drawing, in which names are escaped
        days=tuple(str(one.day) for one in trend.days),
        columns=tuple(
            Column(
                name=one.name,
                cells=tuple("" if value is None else said(value) for value in one.values),
                colour=one.colour,
            )
            for one in series
        ),
    )


def duration(seconds: float) -> str:
    """As people say it."""
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"
