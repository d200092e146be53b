"""`digest taste`: what readers say of papers, "more like this" or "less", and what is learnt from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli import terminal
from digest.cli.door import Door, reader_address, with_door
from digest.cli.terminal import Rows

if TYPE_CHECKING:
    from digest.model.people import SubscriberId, Taste

group = typer.Typer(help="What a reader says of papers: more like this, or less.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
Papers = Annotated[list[str], typer.Argument(metavar="PAPER", help="Any id, link, arXiv id or DOI.")]
_WORDS = {1: "more", -1: "less"}


@group.command("more")
@with_door
def more(door: Door, address: Address, papers: Papers) -> None:
    """More papers like these."""
    _say(door, address, papers, 1)


@group.command("less")
@with_door
def less(door: Door, address: Address, papers: Papers) -> None:
    """Fewer papers like these."""
    _say(door, address, papers, -1)


@group.command("undo")
@with_door
def undo(door: Door, address: Address, papers: Papers) -> None:
    """Take back what was said of these papers."""
    undone = door.app.tastes.undo(_reader(door, address), papers)
    door.show({"undone": [one.work for one in undone]}, *(f"Taken back: {one.title}" for one in undone))


@group.command("list")
@with_door
def list_(door: Door, address: Address) -> None:
    """What a reader said, the newest first."""
    found = door.app.tastes.said_by(_reader(door, address))
    rows = [(_WORDS[one.value], one.day.isoformat(), one.work, one.title) for one in found]
    table = Rows(("said", "on", "id", "title"), rows) if rows else "Nothing was said yet."
    door.show({"tastes": [_row(one) for one in found]}, table)


@group.command("export")
@with_door
def export(
    door: Door,
    address: Address,
    out: Annotated[Path | None, typer.Option(help="Write it here; else to standard output.", metavar="FILE")] = None,
) -> None:
    """All that is kept of a reader's words, as JSON."""
    document = door.app.tastes.export(_reader(door, address))
    text = terminal.as_text(document)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    door.show({**document, "file": str(out) if out else None}, f"Written to {out}." if out else text)


@group.command("forget")
@with_door
def forget(door: Door, address: Address) -> None:
    """Delete all that a reader said."""
    number = door.app.tastes.forget(_reader(door, address))
    door.show({"forgotten": number}, f"{number} forgotten.")


def _say(door: Door, address: str, papers: list[str], value: int) -> None:
    said = door.app.tastes.keep(_reader(door, address), papers, value)
    lines = (f"{_WORDS[value].capitalize()} like this: {one.title}" for one in said)
    door.show({"tastes": [_row(one) for one in said]}, *lines)


def _reader(door: Door, address: str) -> SubscriberId:
    return door.app.subscribe.find(reader_address(address, "ADDRESS")).id


def _row(one: Taste) -> dict[str, object]:
    return {"id": one.work, "title": one.title, "url": one.url, "value": one.value, "day": one.day.isoformat()}
