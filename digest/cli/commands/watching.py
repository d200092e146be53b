"""`digest sources show` and `test`: how one source is, and what it would bring now."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows, when

Id = Annotated[str, typer.Argument(metavar="SOURCE", help="Its id.")]


@with_door
def show(door: Door, source: Id) -> None:
    """How a source is, the log of its last rounds, and the papers that it showed last."""
    found = door.app.watch.one(source)
    one = found.source
    rounds = [
        (when(r.at), r.state.value, r.new, r.revised, r.unchanged, r.http_status or "-", f"{r.seconds:.1f} s", r.detail)
        for r in found.rounds
    ]
    text = [f"{one.id} ({one.kind}, {one.origin}) is {one.state}. {one.detail}".strip()]
    text += [f"It {one.silence}."] if one.silence else []
    text += [f"What to do: {one.remedy}."] if one.remedy else []
    text.append(f"Next look: {when(one.next_at)}. New in the last 7 days: {one.lately}.")
    door.show(
        found,
        *text,
        Rows(("when", "state", "new", "revised", "unchanged", "http", "took", "detail"), rounds),
        "",
        Rows(("id", "since", "title"), [(p.work, when(p.at), p.title) for p in found.papers]),
    )


@with_door
def test(door: Door, source: Id) -> None:
    """What a source would bring now; nothing is stored."""
    found = door.app.discover.again(door.app.watch.source(source))
    door.show(
        {"source": source, "title": found.title, "entries": found.entries, "problems": found.problems},
        f"{source}: {len(found.entries)} paper{'' if len(found.entries) == 1 else 's'}. Nothing was stored.",
        *(f"left out: {problem.where}: {problem.what}" for problem in found.problems),
        Rows(("id", "published", "title"), [(e.id, when(e.published_at), e.title) for e in found.entries]),
    )
