"""`digest fetch`: the sources that are due, a row a source."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import DONE, INTERRUPTED, share
from digest.cli.stopping import stoppable
from digest.cli.terminal import Rows, when
from digest.model.errors import UsageError
from digest.model.feeds import SourceState

if TYPE_CHECKING:
    from digest.services.fetching.backfill import Progress
    from digest.services.fetching.ingest import FetchedSource

_NONE_DUE = "No source is due. (--all fetches them now.)"


@with_door
def fetch(
    door: Door,
    source: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE", help="Ids of sources; none: those that are due.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all of them now, due or not.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Read the past from this day on, where a source has one; goes on where it was broken off.",
        ),
    ] = None,
) -> int:
    """Fetch what is due and store what is new."""
    app = door.app
    day = _day(since, door.clock()) if since else None

    def hurry() -> None:
        door.progress("ending when what is on its way has come; Ctrl-C again ends at once")
        app.hurry()

    with stoppable(hurry) as stop:
        if day is not None:
            rows = app.backfill.run(day, source or None, stop=stop, progress=lambda one: door.progress(_reached(one)))
        else:
            rows = app.ingest.run(
                source or None,
                everything=everything,
                stop=stop,
                progress=lambda row: door.progress(f"{row.id}: {row.state.value}"),
            )
        door.progress_ends()
    table = Rows(
        ("source", "state", "new", "revised", "unchanged", "http", "next", "detail"),
        [
            (r.id, r.state.value, r.new, r.revised, r.unchanged, r.http_status or "-", when(r.next_at), r.detail)
            for r in rows
        ],
    )
    door.show(
        {"sources": [_row(row) for row in rows]},
        *((table,) if rows else ("Interrupted before a source was read." if stop.is_set() else _NONE_DUE,)),
    )
    if stop.is_set():
        return INTERRUPTED
    return share(sum(row.state is SourceState.BROKEN for row in rows), len(rows)) if rows else DONE


def _reached(one: Progress) -> str:
    left = f", {one.left} to go" if one.left else ""
    return f"{one.source}: {one.entries} entries in {one.documents} documents{left}"


def _row(row: FetchedSource) -> dict[str, object]:
    return {one.name: getattr(row, one.name) for one in fields(row)}


def _day(text: str, now: datetime) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a day", where="--since", try_="write 2026-05-04") from error
    if day > now.date():
        raise UsageError(f"{text} is in the future", where="--since", try_="name a day that has been")
    return day
