"""A replay's figures as one HTML page that needs nothing from outside; its pictures need the extra ``backtest``."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from digest.ranking.evaluate import Estimate
from digest.rendering import plots
from digest.rendering.render import Renderer, default_template_folder
from digest.services.learning.backtest import Backtest, Row
from digest.services.learning.replay import CHANCE, FEATURED, PRECISION, VOTES, Sample

NO_PLOTS = "The report has no plots: pip install 'digest-papers[backtest]' brings what draws them."


def page(found: Backtest) -> tuple[str, str]:
    """(the page, a remark for whoever made it: how to get plots, where there are none)."""
    try:
        pictures = _pictures(found)
        remark = ""
    except ImportError:
        pictures, remark = [], NO_PLOTS
    context: dict[str, object] = {
        "found": found,
        "groups": _groups(found.rows),
        "pictures": pictures,
        "remark": remark,
        "other": found.compared_with,
        "lists": (VOTES, *found.lists),
        "pools": [_pool(found, sample) for sample in found.pools],
    }
    return Renderer((default_template_folder(),)).page("backtest", context), remark


def _groups(rows: tuple[Row, ...]) -> list[dict[str, object]]:
    """The rows by measure, in their order, with figures as they are printed."""
    groups: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        groups.setdefault(row.label, []).append(
            {
                "list": row.list,
                "value": _told(row.value),
                "plain": _told(row.over_plain, signed=True),
                "other": _told(row.over_other, signed=True),
                "count": str(row.value.count),
            }
        )
    return [{"label": label, "rows": some} for label, some in groups.items()]


def _pool(found: Backtest, sample: Sample) -> dict[str, object]:
    values = sample.values[PRECISION]
    mine, other = values.get(found.lists[0]), values.get(found.compared_with)
    return {
        "days": str(sample.first) if sample.first == sample.last else f"{sample.first} to {sample.last}",
        "papers": sample.papers,
        "figures": [f"{values[name]:.2f}" if name in values else "" for name in (VOTES, *found.lists)],
        "gain": f"{mine - other:+.2f}" if mine is not None and other is not None else "",
        "ours": sample.ours,
        "theirs": sample.theirs,
    }


def _pictures(found: Backtest) -> list[dict[str, object]]:
    """Markup of our own drawing, so it may stand in the page as it is."""
    pictures: list[dict[str, object]] = []

    def add(says: str, svg: str) -> None:
        pictures.append({"says": says, "svg": Markup(svg)})  # noqa: S704

    if found.pools:
        days = [str(sample.last) for sample in found.pools]
        label = f"P@{found.top}"
        series = [
            plots.Line(name=name, values=tuple(sample.values[PRECISION].get(name) for sample in found.pools))
            for name in (VOTES, *found.lists)
        ]
        add(f"{label} against final votes, pool by pool", plots.lines(days, series, upright=label))
        if found.compared_with:
            gains = [
                sample.values[PRECISION][found.lists[0]] - sample.values[PRECISION][found.compared_with]
                for sample in found.pools
            ]
            says = f"What {found.lists[0]} gains over {found.compared_with}, pool by pool"
            add(says, plots.bars(days, gains, upright=f"gain in {label}"))
    if found.listings:
        days = [str(sample.last) for sample in found.listings]
        series = [
            plots.Line(name=name, values=tuple(sample.values[FEATURED].get(name) for sample in found.listings))
            for name in (CHANCE, *found.lists)
        ]
        add(
            "Of the first 20 papers without votes, how many were featured later",
            plots.lines(days, series, upright="P@20"),
        )
    if found.calibration is not None:
        points = [(one.said, one.came, one.count) for one in found.calibration.bins]
        add("P(featured later) against what came; a larger dot is more papers", plots.reliability(points))
    return pictures


def _told(value: Estimate | None, *, signed: bool = False) -> str:
    if value is None:
        return ""
    form = "+.3f" if signed else ".3f"
    return f"{value.mean:{form}} ({value.low:{form}} to {value.high:{form}})"
