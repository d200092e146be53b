"""`digest deliveries`: what is open, uncertain or failed; stop and continue a running send."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import share
from digest.cli.terminal import Rows, when
from digest.model.errors import DigestError

if TYPE_CHECKING:
    from digest.services.ledger import DeliveryRow

group = typer.Typer(help="What is open, uncertain or failed; pause, resume and cancel.", no_args_is_help=True)

Ids = Annotated[list[int], typer.Argument(metavar="ID...")]
Which = Annotated[str, typer.Option("--digest", metavar="NAME", help="One digest; else all.", show_default=False)]
_UNFINISHED = ("queued", "leased", "sending", "deferred", "uncertain", "rejected")


@group.command("list")
@with_door
def list_(
    door: Door,
    state: Annotated[
        list[str] | None, typer.Option(help="Of this state; may be repeated. Else all that are not well.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of every state.")] = False,
    digest: Which = "",
    address: Annotated[str, typer.Option(help="To this address.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """Deliveries, the oldest first."""
    states = () if everything else tuple(state or _UNFINISHED)
    found = door.app.ledger.listing(states=states, digest=digest, address=address, limit=limit)
    nothing = "None." if everything or state else "None that is open or failed; --all lists the others, too."
    door.show({"deliveries": found}, _table(found) if found else nothing)


@group.command("show")
@with_door
def show(door: Door, delivery: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """One delivery and everything that was tried."""
    found = door.app.ledger.show(delivery)
    tries = [(when(t.started_at), t.outcome or "open", t.code or "-", t.enhanced or "-", t.remote) for t in found.tries]
    door.show(
        found,
        _table((found.delivery,)),
        "",
        Rows(("tried", "outcome", "code", "", "answer"), tries) if tries else "Not tried yet.",
    )


@group.command("retry")
@with_door
def retry(door: Door, ids: Ids) -> int:
    """Try again now: what waits, or was rejected while no later edition holds its papers."""
    return _each(door, ids, door.app.ledger.retry)


@group.command("resolve")
@with_door
def resolve(
    door: Door,
    ids: Ids,
    decision: Annotated[str, typer.Option("--as", help="accepted, lost or resend.", show_default=False)],
) -> int:
    """Settle what is uncertain: it arrived, it was lost, or send it again under the same Message-ID."""
    return _each(door, ids, lambda one: door.app.ledger.resolve(one, decision))


@group.command("pause")
@with_door
def pause(door: Door, digest: Which = "") -> None:
    """Stop sending; what is on the wire is finished."""
    changed = door.app.ledger.pause(digest or "*")
    door.show({"paused": digest or "*", "changed": changed}, "Paused." if changed else "It was paused already.")


@group.command("resume")
@with_door
def resume(door: Door, digest: Which = "") -> None:
    """Go on sending."""
    changed = door.app.ledger.resume(digest or "*")
    door.show({"resumed": digest or "*", "changed": changed}, "Sending goes on." if changed else "It was not paused.")


@group.command("cancel")
@with_door
def cancel(door: Door, digest: Which = "") -> None:
    """End what waits; its papers are free for the next edition."""
    ended = door.app.ledger.cancel(digest or "*")
    door.show({"cancelled": ended}, f"{ended} deliveries were cancelled.")


def _each(door: Door, ids: list[int], work: Callable[[int], DeliveryRow]) -> int:
    done: list[DeliveryRow] = []
    refused: list[DigestError] = []
    for one in ids:
        try:
            done.append(work(one))
        except DigestError as error:
            if len(ids) == 1:
                raise
            refused.append(error)
    problems = [{"where": error.where, "what": error.what, "try": error.try_} for error in refused]
    _show(
        door,
        {"deliveries": done, "problems": problems},
        tuple(done),
        *(f"{e.where}: {e.what} ({e.try_})" for e in refused),
    )
    return share(len(refused), len(ids))


def _show(door: Door, document: object, rows: tuple[DeliveryRow, ...], *more: str) -> None:
    door.show(document, _table(rows) if rows else "None.", *more)


def _table(rows: tuple[DeliveryRow, ...]) -> Rows:
    return Rows(
        ("id", "kind", "digest", "date", "address", "state", "tries", "next", "reason"),
        [
            (
                r.id,
                r.kind,
                r.digest or "-",
                r.local_date or "-",
                r.address,
                r.state,
                r.attempts,
                when(r.next_at),
                r.reason or r.remote,
            )
            for r in rows
        ],
    )
