"""`digest subscribers`: who reads what, at the operator's word."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, Named, with_door
from digest.cli.failures import share
from digest.cli.files import read_text
from digest.cli.terminal import Rows, when
from digest.model.errors import DigestError, UsageError

if TYPE_CHECKING:
    from digest.model.mail import Bounce
    from digest.model.people import Subscription

group = typer.Typer(help="Who reads what: list, add, remove, show, import, export, erase.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...")]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@group.command("list")
@with_door
def list_(
    door: Door,
    digest: Named = None,
    state: Annotated[str, typer.Option(help="pending, confirmed or unsubscribed.", show_default=False)] = "",
) -> None:
    """Every subscription."""
    from digest.model.people import SubscriptionState

    if state and state not in tuple(SubscriptionState):
        raise UsageError(f'there is no state "{state}"', where="--state", try_=f"one of {', '.join(SubscriptionState)}")
    if digest is not None:
        digest = door.config.digest(digest).name
    _show(door, door.app.subscribe.everybody(digest=digest or "", state=state))


@group.command("show")
@with_door
def show(door: Door, address: Address) -> None:
    """What one address reads, and how; what came back from it."""
    _show(door, door.app.subscribe.show(address), door.app.feedback.history(address))


@group.command("add")
@with_door
def add(
    door: Door,
    addresses: Addresses,
    digest: Named = None,
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What to print: preferences, TOML or JSON.")
    ] = None,
    seed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A library (BibTeX, CSL JSON, RIS) to learn from.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Of the mail's own words: en, de, fr, es, zh or ar.")] = None,
    timezone: Annotated[str | None, typer.Option(help="For example Europe/Berlin.")] = None,
    send_at: Annotated[str | None, typer.Option(metavar="HH:MM", help="Local time of day.")] = None,
    days: Annotated[str | None, typer.Option(help="Weekdays, such as mon,wed,fri.")] = None,
    joined: Annotated[
        bool | None, typer.Option("--joined/--separate", help="Digests of one instant in one mail.")
    ] = None,
) -> int:
    """Subscribe addresses at your word, confirmed at once; for one that is there, change what is given."""
    from digest.services.subscribe import Choices

    choices = Choices(
        language=language,
        timezone=timezone,
        send_at=send_at,
        days=_weekdays(days) if days is not None else None,
        preferences=_preferences(profile, seed),
        joined=joined,
    )
    name = door.config.digest(digest).name
    added: list[Subscription] = []
    failed: list[DigestError] = []
    for address in addresses:
        try:
            added.append(door.app.subscribe.add(address, name, choices=choices))
        except DigestError as error:
            if len(addresses) == 1:
                raise
            failed.append(error)
    door.show(
        {"subscriptions": [_row(one) for one in added], "problems": [_problem(error) for error in failed]},
        *(f"{one.address} reads {one.digest}." for one in added),
        *(f"{error.where}: {error.what} ({error.try_})" for error in failed),
    )
    return share(len(failed), len(addresses))


@group.command("remove")
@with_door
def remove(door: Door, addresses: Addresses, digest: Named = None) -> int:
    """Unsubscribe addresses, from one digest or from all."""
    name = door.config.digest(digest).name if digest is not None else None
    removed: list[dict[str, object]] = []
    failed: list[DigestError] = []
    for address in addresses:
        try:
            removed.append({"address": address, "ended": door.app.subscribe.leave(address, name)})
        except DigestError as error:
            if len(addresses) == 1:
                raise
            failed.append(error)
    door.show(
        {"removed": removed, "problems": [_problem(error) for error in failed]},
        *(f"{one['address']}: {one['ended']} ended." for one in removed),
        *(f"{error.where}: {error.what}" for error in failed),
    )
    return share(len(failed), len(addresses))


@group.command("erase")
@with_door
def erase(
    door: Door, address: Address, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Take a person out for good; only a keyed hash stays, so that nobody writes to the address again."""
    found = door.app.subscribe.find(address)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Erase {found.address} for good?", err=True):
        raise UsageError("nothing was erased", where=found.address)
    if not yes and not sys.stdin.isatty():
        raise UsageError("erasing cannot be undone", where=found.address, try_="say so with --yes")
    door.app.subscribe.erase(found.address)
    door.show({"erased": True}, "Erased.")


@group.command("export")
@with_door
def export(
    door: Door,
    out: Annotated[Path | None, typer.Option(help="Write it here; else to standard output.", metavar="FILE")] = None,
    digest: Named = None,
) -> None:
    """Every subscription as CSV."""
    from digest.services.people_csv import export_subscriptions

    found = door.app.subscribe.everybody(digest=digest or "")
    table = export_subscriptions(found)
    if out is not None:
        out.write_text(table, encoding="utf-8", newline="")
    document = {"subscriptions": [_row(one) for one in found], "file": str(out) if out else None}
    door.show(document, f"{len(found)} written to {out}." if out else table.replace("\r\n", "\n").rstrip("\n"))


@group.command("import")
@with_door
def import_(door: Door, file: Annotated[Path, typer.Argument(help="CSV: address, digest, and more.")]) -> int:
    """Take subscriptions from CSV; bad rows are named and never keep the good ones out."""
    from digest.config import read_profile
    from digest.services.people_csv import import_subscriptions

    folder = file.absolute().parent
    found = import_subscriptions(
        read_text(file),
        name=str(file),
        digests=[one.name for one in door.config.digests],
        add_all=door.app.subscribe.add_all,
        read_profile=lambda name: read_profile(folder / name),
    )
    told = [f"  row {p.row}{f', {p.column}' if p.column else ''}: {p.what}" for p in found.problems]
    door.show(found, f"{found.imported} imported, {len(found.problems)} could not be taken.", *told)
    return share(len(found.problems), len(found.problems) + found.imported)


def _preferences(profile: Path | None, seed: Path | None) -> Mapping[str, object] | None:
    """A library's authors and keywords, with what the profile's file says over them."""
    from digest.config import read_profile
    from digest.services.seed import seed as learn

    if profile is None and seed is None:
        return None
    wishes: dict[str, object] = {}
    if seed is not None:
        wishes |= learn(read_text(seed), str(seed))
    if profile is not None:
        wishes |= read_profile(profile)
    return wishes


def _weekdays(text: str) -> tuple[int, ...]:
    names = [part.strip().lower()[:3] for part in text.split(",") if part.strip()]
    for name in names:
        if name not in _DAYS:
            raise UsageError(f'"{name}" is no weekday', where="--days", try_=f"some of {','.join(_DAYS)}")
    return tuple(sorted({_DAYS.index(name) for name in names}))


def _show(door: Door, found: tuple[Subscription, ...], bounces: tuple[Bounce, ...] | None = None) -> None:
    """``bounces`` are told of one address only."""
    came: list[str | Rows] = []
    if bounces:
        rows = [(when(one.at), one.kind.value, one.status or "-", one.delivery_id, one.detail) for one in bounces]
        came = ["", Rows(("came back", "kind", "status", "delivery", "detail"), rows)]
    document: dict[str, object] = {"subscriptions": [_row(one) for one in found]}
    door.show(
        document if bounces is None else {**document, "bounces": bounces},
        Rows(
            ("address", "digest", "state", "language", "since", "last slot"),
            [
                (
                    one.address,
                    one.digest,
                    one.state.value,
                    one.language or "-",
                    when(one.confirmed_at or one.created_at),
                    one.last_slot_date or "-",
                )
                for one in found
            ],
        )
        if found
        else "Nobody.",
        *came,
    )


def _row(one: Subscription) -> dict[str, object]:
    """Everything but the secret."""
    return {
        "address": one.address,
        "digest": one.digest,
        "state": one.state,
        "language": one.language,
        "timezone": one.timezone,
        "send_at": one.send_at.strftime("%H:%M") if one.send_at else "",
        "days": one.days,
        "joined": one.joined,
        "preferences": one.preferences,
        "created_at": one.created_at,
        "confirmed_at": one.confirmed_at,
        "last_slot": one.last_slot_date or None,
    }


def _problem(error: DigestError) -> dict[str, str]:
    return {"where": error.where, "what": error.what, "try": error.try_}
