"""`digest relays`: how each relay stands, for all processes; give one no more mails, let it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows, when

if TYPE_CHECKING:
    from digest.services.sending.relays import RelayRow

group = typer.Typer(help="How the relays stand; pause and resume one.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help='Its place as `list` shows it, or its name ("smtp 2").', show_default=False),
]


@group.command("list")
@with_door
def list_(door: Door) -> None:
    """Every relay: ready, paused or resting, and what its limits leave."""
    found = door.app.relays.listing()
    columns = ("name", "place", "state", "weight", "rate", "connections", "warm-up", "")
    door.show({"relays": found}, Rows(columns, [_cells(one) for one in found]))


def _cells(one: RelayRow) -> tuple[object, ...]:
    rates = [f"{one.rate:g}/s"] if one.rate is not None else []
    rates += [f"{domain} {rate:g}/s" for domain, rate in one.domain_rates.items()]
    return (
        one.name,
        one.place,
        _state(one),
        one.weight or "-",
        ", ".join(rates) or "-",
        one.connections or "-",
        warming(one) or "-",
        one.detail,
    )


def warming(one: RelayRow) -> str:
    """How far its warm-up plan is used; empty without one."""
    if one.warm_up is None:
        return ""
    day = f"day {one.plan_day}, " if one.plan_day is not None else ""
    return f"{day}{one.warm_up.used:,} of {one.warm_up.allowed:,} today"


def _state(one: RelayRow) -> str:
    if one.until is not None:
        return f"{one.state} until {when(one.until)}"
    return f"{one.state} since {when(one.since)}" if one.state == "paused" else one.state


@group.command("pause")
@with_door
def pause(door: Door, name: Name) -> None:
    """Give a relay no more mails, from any process; what is on the wire is finished."""
    place, changed = door.app.relays.pause(name)
    text = (
        f"{place} gets no more mails: what is only for it waits for `digest relays resume {place}`, "
        "and others take the rest."
        if changed
        else f"{place} is paused already."
    )
    door.show({"paused": place, "changed": changed}, text)


@group.command("resume")
@with_door
def resume(door: Door, name: Name) -> None:
    """Give it mails again, also where it asked for a rest that is not over."""
    place, changed = door.app.relays.resume(name)
    text = f"{place} gets mails again, at first over one connection." if changed else f"{place} was not paused."
    door.show({"resumed": place, "changed": changed}, text)
