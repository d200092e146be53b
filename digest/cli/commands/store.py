"""`digest db`: the database's tables, copies, retention, its release after a restore, and moving it elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import DONE, FAILED, INTERRUPTED
from digest.cli.stopping import stoppable
from digest.cli.terminal import Rows
from digest.model.errors import StorageError, UsageError

group = typer.Typer(help="Migrations, copies, retention, release after a restore, moving.", no_args_is_help=True)


@group.command("upgrade")
@with_door
def upgrade(door: Door) -> int:
    """Bring the tables to this program's; copy it first, by `digest db backup FILE` of the version before."""
    from digest.app.tables import take_apart
    from digest.app.tables import upgrade as bring

    before, after = bring(door.config)
    said = (
        "It was at this program's tables already."
        if before == after
        else f"Upgraded from {before or 'nothing'} to {after}."
    )
    with stoppable() as stop:

        def progress(part: str, rows: int, number: int, of: int) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            door.progress(f"{part}, {number + 1} of {of}: {rows:,} rows get a table of their own")

        try:
            apart = take_apart(door.config, clock=door.clock, progress=progress)
        except KeyboardInterrupt:
            door.progress_ends()
            door.fail(
                StorageError(
                    f"{said} Interrupted while large weeks of the ledger were given tables of their own",
                    where="digest db upgrade",
                    try_="run it again, it goes on with what is left; meanwhile everything works",
                )
            )
            return INTERRUPTED
        finally:
            door.progress_ends()
    told = {"before": before, "after": after, "parts": apart.rows, "left": apart.left}
    moved = [f"{sum(apart.rows.values()):,} rows in {len(apart.rows)} tables of their own."] if apart.rows else []
    left = [f"{apart.left} are left, for others were at work on them: run it again."] if apart.left else []
    door.show(told, said, *moved, *left)
    return DONE


@group.command("current")
@with_door
def current(door: Door) -> int:
    """Which tables the database has, and which this program wants."""
    from digest.app.tables import schema

    has, wants = schema(door.config)
    said = f"The database is at {has or 'nothing'}, this program at {wants}."
    door.show({"current": has, "head": wants}, said)
    return DONE if has == wants else FAILED


@group.command("backup")
@with_door
def backup(
    door: Door, file: Annotated[Path, typer.Argument(metavar="FILE", help="A SQLite file that is not there yet.")]
) -> None:
    """Write a consistent copy while everything runs, with the secret; only you may read it."""
    secret_file = door.config.web.secret_file
    secret = secret_file.read_bytes() if secret_file is not None else None
    copied = door.app.upkeep.backup(file, secret_file=secret)
    door.show(copied, f"{copied.rows} rows were copied to {copied.where}.")


@group.command("prune")
@with_door
def prune(door: Door) -> None:
    """Drop what [retention] no longer keeps; the daemon does so once a day."""
    pruned = door.app.prune()
    door.show(
        pruned,
        f"{pruned.deliveries} deliveries became daily totals, {pruned.messages} mails and {pruned.bounces} bounces "
        "were dropped.",
    )


@group.command("restored")
@with_door
def restored(
    door: Door,
    sent_until: Annotated[
        str, typer.Option(metavar="INSTANT", help="When the lost database sent for the last time.", show_default=False)
    ],
) -> None:
    """Let a restored database send again; papers first seen before the instant count as sent."""
    try:
        at = datetime.fromisoformat(sent_until)
        until = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{sent_until!r} is not an instant", where="--sent-until", try_="write 2026-05-04T07:30Z"
        ) from error
    done = door.app.upkeep.restored(until)
    door.show(
        done,
        f"It sends again. {done.uncertain} deliveries that were open are uncertain now:",
        "  digest deliveries list --state uncertain",
    )


@group.command("move")
@with_door
def move(
    door: Door,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="An empty database: postgresql://… or sqlite:///…", show_default=False)
    ] = "",
    undo: Annotated[
        bool, typer.Option("--undo", help="Let the configured one go on, after a move that was killed or lost.")
    ] = False,
) -> int:
    """Copy the database into another one, verify it, and let only that one go on; keep the password in ~/.pgpass."""
    if undo == bool(url):
        raise UsageError(
            "takes a URL, or --undo", where="digest db move", try_="digest db move postgresql://user@host/name"
        )
    if undo:
        _undo(door)
        return DONE
    from digest.app.tables import move as carry

    with stoppable() as stop:

        def progress(what: str, table: str, rows: int, of: int) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            door.progress(f"{table}: {rows:,} of {of:,} rows {what}")

        try:
            done = carry(door.config, url, clock=door.clock, progress=progress)
        except KeyboardInterrupt:
            door.progress_ends()
            door.fail(
                StorageError(
                    "interrupted, and nothing was moved",
                    where="digest db move",
                    try_="run it again; the old database goes on as it was",
                )
            )
            return INTERRUPTED
        finally:
            door.progress_ends()
    door.show(
        done,
        Rows(("table", "rows"), list(done.moved.items())),
        f"{sum(done.moved.values())} rows were moved and compared in {done.seconds:.1f} s. The old database refuses to "
        "be used.",
        f"Next: set database.url to {done.to} and start `digest run` again.",
    )
    return DONE


def _undo(door: Door) -> None:
    from digest.app.tables import undo_move

    done = undo_move(door.config, clock=door.clock)
    if done.was_gone:
        door.show(
            done,
            f"This database is taken back, without what was done in {done.other} since. It refuses to send until:",
            "  digest db restored --sent-until INSTANT",
        )
    else:
        door.show(done, f"This database goes on as it was; nothing was moved to {done.other}.")
