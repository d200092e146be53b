"""`digest suppressions`: addresses that must not be written to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.commands.subscribers import show_foreseen, show_imported
from digest.cli.door import Door, reader_address, with_door
from digest.cli.files import read_text
from digest.cli.terminal import Rows, when
from digest.model.errors import NotFound, UsageError

group = typer.Typer(help="Addresses that must not be written to.", no_args_is_help=True)

_REASONS = ("operator", "request", "complaint", "hard-bounce", "soft-bounce")


@group.command("list")
@with_door
def list_(door: Door) -> None:
    """The list; of erased addresses only a hash is kept."""
    found = door.app.subscribe.suppressions()
    rows = [(one.address or "(erased)", one.reason.value, when(one.since_at), one.detail) for one in found]
    document = [
        {"address": one.address, "reason": one.reason, "detail": one.detail, "since_at": one.since_at} for one in found
    ]
    door.show(
        {"suppressions": document},
        Rows(("address", "reason", "since", "detail"), rows) if rows else "The list is empty.",
    )


@group.command("add")
@with_door
def add(
    door: Door,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS")],
    reason: Annotated[str, typer.Option(metavar="REASON", help=f"One of {', '.join(_REASONS)}.")] = "operator",
    detail: Annotated[str, typer.Option(metavar="TEXT", help="A note.", show_default=False)] = "",
) -> None:
    """Never write to these addresses."""
    from digest.model.people import SuppressionReason

    if reason not in _REASONS:
        raise UsageError(f'there is no reason "{reason}"', where="--reason", try_=f"one of {', '.join(_REASONS)}")
    wanted = [reader_address(address, "ADDRESS") for address in addresses]
    added = [one for one in wanted if door.app.subscribe.suppress(one, SuppressionReason(reason), detail)]
    held = len(wanted) - len(added)
    door.show({"added": added}, f"{len(added)} added" + (f", {held} on the list already." if held else "."))


@group.command("remove")
@with_door
def remove(door: Door, address: Annotated[str, typer.Argument(metavar="ADDRESS")]) -> None:
    """Lift a suppression."""
    if not door.app.subscribe.lift(reader_address(address, "ADDRESS")):
        raise NotFound("it is not on the list", where=address, try_="`digest suppressions list` shows who is")
    door.show({"removed": address}, f"{address} may be written to again.")


@group.command("export")
@with_door
def export(
    door: Door,
    out: Annotated[Path | None, typer.Option(help="Write it here; else to standard output.", metavar="FILE")] = None,
) -> None:
    """The list as CSV."""
    from digest.services.readers.people_csv import export_suppressions

    table = export_suppressions(door.app.subscribe.suppressions())
    if out is not None:
        out.write_text(table, encoding="utf-8", newline="")
    document = {"csv": table, "file": str(out) if out else None}
    door.show(document, f"Written to {out}." if out else table.replace("\r\n", "\n").rstrip("\n"))


@group.command("import")
@with_door
def import_(
    door: Door,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a column address.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what it would do; nothing is changed.")] = False,
) -> int:
    """Take addresses from CSV."""
    from digest.services.readers.people_csv import import_suppressions, try_suppressions

    text, name = read_text(file), str(file)
    if dry_run:
        return show_foreseen(door, try_suppressions(text, name=name, on_list=door.app.subscribe.on_list))
    return show_imported(door, import_suppressions(text, name=name, suppress_all=door.app.subscribe.suppress_all))
