"""`digest backtest`: replays history and scores the ranking; with --fit it makes the prior's data file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from digest.cli.door import Door, Named, with_door
from digest.cli.files import lines, read_text
from digest.cli.terminal import Rows
from digest.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from digest.services.learning.backtest import Backtest, Estimate, Sample
    from digest.services.learning.past import Past
    from digest.services.learning.replay import Contender, Plan

#: Replayed where --from does not say.
_USUAL_DAYS = 90
_REPORT = Path("backtest.html")


@with_door
def backtest(
    door: Door,
    archive: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Replay the *.jsonl and *.jsonl.gz files in this folder.")
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="Replay what your own database has seen.")] = False,
    since: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First day; else 90 days back.", show_default=False)
    ] = "",
    until: Annotated[
        str, typer.Option("--to", metavar="DATE", help="Last day; else the last one there is.", show_default=False)
    ] = "",
    profile: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.toml", help="Rank by this profile; may be repeated.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Compare the first profile with this one, pool by pool.")
    ] = None,
    digest: Named = None,
    prior: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Expect what this fitted prior says, not the shipped one.")
    ] = None,
    no_prestige: Annotated[
        bool, typer.Option("--no-prestige", help="Leave out what authors and institutions did before.")
    ] = False,
    source: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Rank only what this source carried; may be repeated.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=90, metavar="NUMBER", help="Days in a pool.")] = 5,
    top: Annotated[
        int, typer.Option(min=1, max=100, metavar="NUMBER", help="How many papers a list is judged by.")
    ] = 10,
    morning: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="HH:MM",
            help="When lists are made, in UTC; else after the day's last paper, of a store at send_at.",
            show_default=False,
        ),
    ] = "",
    fit: Annotated[bool, typer.Option("--fit", help="Fit the prior on these papers instead.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The report, else backtest.html; with --fit the prior, else into the database.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Replay history with votes as they stood, and score the ranking."""
    from digest.config.environment import table_of
    from digest.services.learning.replay import Plan

    table_of(os.environ)  # nothing is taken from it, but a misspelt DIGEST_ name is told here, too
    if store == (archive is not None):
        raise UsageError("name one past", where="digest backtest", try_="give --archive DIR or --store")
    first, last = _day(since, "--from"), _day(until, "--to")
    if first and last and first > last:
        raise UsageError(f"{first} is after {last}", where="--from", try_="name the first day, then the last")
    past = _archive(door, archive) if archive is not None else _store(door)
    last = last or past.last_at.date()
    try:
        if fit:
            _fit(door, past, first, last, out)
            return
        plan = Plan(
            since=first or last - timedelta(days=_USUAL_DAYS - 1),
            until=last,
            contenders=_contenders(door, profile or (), against, digest, prior, no_prestige=no_prestige, store=store),
            compared=against is not None or prior is not None or no_prestige,
            days=days,
            top=top,
            morning=_time(morning) or (_sent_at(door, digest, last) if store else None),
            sources=tuple(source or ()),
        )
        _replay(door, past, plan, out or _REPORT)
    finally:
        door.progress_ends()


def _archive(door: Door, folder: Path) -> Past:
    from digest.services.learning.past import read_archive

    files = sorted(path for path in folder.iterdir() if path.name.endswith((".jsonl", ".jsonl.gz")))
    if not files:
        raise InputError("holds no *.jsonl or *.jsonl.gz file", where=str(folder), try_="name the archive's folder")
    return read_archive(str(folder), ((str(path), _lines(door, path)) for path in files))


def _lines(door: Door, path: Path) -> Iterator[str]:
    for number, line in enumerate(lines(str(path)), 1):
        if number % 1000 == 0:
            door.progress(f"reading {path.name}, line {number}")
        yield line


def _store(door: Door) -> Past:
    from digest.services.learning.past import StorePast

    return StorePast(store=door.app.store, until=door.clock())


def _contenders(
    door: Door,
    profiles: Sequence[Path],
    against: Path | None,
    digest: str | None,
    prior: Path | None,
    *,
    no_prestige: bool,
    store: bool,
) -> tuple[Contender, ...]:
    """What is asked about, then what it is compared with: the other profile, else the same without the switches."""
    from digest.config import parse_profile, read_profile
    from digest.model.people import Profile
    from digest.services.learning.backtest import read_prior
    from digest.services.learning.replay import Contender

    named = [(str(path), parse_profile(read_profile(path), where=str(path))) for path in profiles]
    if not named and store:
        own = door.config.digest(digest)
        named = [(own.name, own.profile)]
    usual = door.config.ranking.prestige if store else True
    given = read_prior(read_text(prior), name=str(prior)) if prior is not None else None
    ours = [
        Contender(name=name, profile=profile, fit=given, prestige=usual and not no_prestige)
        for name, profile in named or [("general", Profile())]
    ]
    if against is not None:
        profile = parse_profile(read_profile(against), where=str(against))
        ours.append(Contender(name=_other(str(against), ours), profile=profile, fit=given, prestige=ours[0].prestige))
    elif given is not None or no_prestige:
        ours.append(Contender(name=f"{ours[0].name}, as usual", profile=ours[0].profile, prestige=usual))
    return tuple(ours)


def _sent_at(door: Door, digest: str | None, day: date) -> time:
    """When the digest is made, in UTC as it is on that day: a store goes on taking papers in after it."""
    schedule = door.config.digest(digest).schedule
    return datetime.combine(day, schedule.send_at, ZoneInfo(schedule.timezone)).astimezone(UTC).time()


def _other(name: str, ours: Sequence[Contender]) -> str:
    return f"{name} (again)" if name in {one.name for one in ours} else name


def _fit(door: Door, past: Past, first: date | None, last: date, out: Path | None) -> None:
    from digest.services.learning.backtest import keep_prior, learn

    fitted = learn(past, until=last, since=first, note=door.progress)
    door.progress_ends()
    if out is not None:
        out.write_text(fitted.document, encoding="utf-8")
    else:
        keep_prior(door.app.store, fitted, now=door.clock())
    where = str(out.absolute()) if out is not None else "the database; rankings use it from now on"
    door.show(
        {
            "first": fitted.first,
            "last": fitted.last,
            "votes": fitted.votes,
            "listed": fitted.listed,
            "featured": fitted.featured,
            "file": str(out.absolute()) if out is not None else None,
        },
        f"Fitted on papers of {fitted.first} to {fitted.last}: {fitted.votes} with final votes; "
        + (
            f"{fitted.listed} listed without votes, {fitted.featured} of them featured later."
            if fitted.listed
            else "too few were listed without votes, so P(featured) is the shipped one."
        ),
        f"It is in {where}.",
    )


def _replay(door: Door, past: Past, plan: Plan, out: Path) -> None:
    from digest.services.learning.backtest import run
    from digest.services.learning.backtest_page import page
    from digest.services.plain import as_json

    found = run(past, plan, note=door.progress)
    door.progress("writing the report")
    html, remark = page(found)
    out.write_text(html, encoding="utf-8")
    door.progress_ends()
    notes = (*found.notes, *((remark,) if remark else ()))
    door.show(
        {**as_json(found), "notes": list(notes), "report": str(out.absolute())},
        f"{found.since} to {found.until}: {len(found.pools)} pools of {found.days} days, "
        f"{len(found.listings)} listings without votes. Intervals hold 95 %.",
        _table(found),
        *_calibration(found),
        *(("", _by_pool(found)) if found.compared_with else ()),
        "",
        *notes,
        str(out.absolute()),
    )


def _table(found: Backtest) -> Rows:
    gain = f"gain over {found.compared_with}" if found.compared_with else ""
    return Rows(
        ("measure", "list", "mean", "95 %", "gain over plain", "95 %", *((gain, "95 %") if gain else ())),
        [
            (
                row.label,
                row.list,
                *_told(row.value),
                *_told(row.over_plain, signed=True),
                *(_told(row.over_other, signed=True) if gain else ()),
            )
            for row in found.rows
        ],
    )


def _told(value: Estimate | None, *, signed: bool = False) -> tuple[str, str]:
    if value is None:
        return "", ""
    form = "+.3f" if signed else ".3f"
    return f"{value.mean:{form}}", f"{value.low:{form}} to {value.high:{form}}"


def _calibration(found: Backtest) -> tuple[str, ...]:
    known = found.calibration
    if known is None:
        return ()
    return (
        f"Calibration error of P(featured) over {known.count} papers: {known.error:.4f}, "
        f"{'inside' if known.inside else 'above'} the 95 % band of a calibrated model "
        f"({known.low:.4f} to {known.high:.4f}).",
    )


def _by_pool(found: Backtest) -> Rows:
    """The two compared lists, pool by pool."""
    ours, theirs = found.lists[0], found.compared_with

    def row(sample: Sample) -> tuple[object, ...]:
        values = sample.values["precision"]
        mine, other = values.get(ours), values.get(theirs)
        told = [f"{value:.2f}" if value is not None else "" for value in (values.get("raw votes"), mine, other)]
        difference = f"{mine - other:+.2f}" if mine is not None and other is not None else ""
        return (_days(sample), sample.papers, *told, difference)

    return Rows(("days", "papers", "raw votes", ours, theirs, "gain"), [row(sample) for sample in found.pools])


def _days(sample: Sample) -> str:
    return str(sample.first) if sample.first == sample.last else f"{sample.first} to {sample.last}"


def _day(text: str, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date", where=option, try_="write 2026-05-04") from error


def _time(text: str) -> time | None:
    try:
        return datetime.strptime(text, "%H:%M").replace(tzinfo=UTC).time() if text else None
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time of day", where="--at", try_="write 07:30") from error
