"""`digest db`: the database's tables, copies, retention, and its release after a restore."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import DONE, FAILED
from digest.model.errors import UsageError

group = typer.Typer(help="Migrations, copies, retention, release after a restore.", no_args_is_help=True)


@group.command("upgrade")
@with_door
def upgrade(door: Door) -> None:
    """Bring the tables to this program's; copy it first, by `digest db backup FILE` of the version before."""
    from digest.app.tables import upgrade as bring

    before, after = bring(door.config)
    said = (
        "It was at this program's tables already."
        if before == after
        else f"Upgraded from {before or 'nothing'} to {after}."
    )
    door.show({"before": before, "after": after}, said)


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
