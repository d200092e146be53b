"""`digest subscribers`: who reads what, at the operator's word."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, Named, reader_address, with_door
from digest.cli.failures import share
from digest.cli.files import read_text
from digest.cli.terminal import Rows, when
from digest.model.errors import DigestError, NotFound, UsageError

if TYPE_CHECKING:
    from digest.model.people import Subscription, Suppression
    from digest.services.readers.mydata import KeptSuppression
    from digest.services.readers.people_csv import Foreseen
    from digest.services.readers.table import Imported, RowProblem

group = typer.Typer(
    help="Who reads what: list, add, ask, link, pause, resume, remove, show, import, export, erase.",
    no_args_is_help=True,
)

Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS")]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@group.command("list")
@with_door
def list_(
    door: Door,
    digest: Named = None,
    state: Annotated[
        str, typer.Option(metavar="STATE", help="pending, confirmed or unsubscribed.", show_default=False)
    ] = "",
) -> None:
    """Every subscription."""
    from digest.model.people import SubscriptionState

    if state and state not in tuple(SubscriptionState):
        raise UsageError(f'there is no state "{state}"', where="--state", try_=f"one of {', '.join(SubscriptionState)}")
    if digest is not None:
        digest = door.config.digest(digest).name
    found = door.app.subscribe.everybody(digest=digest or "", state=state)
    listed = door.app.subscribe.suppressed({one.address for one in found})
    rows = [
        (
            one.address,
            one.digest,
            one.state.value,
            one.language or "-",
            when(one.confirmed_at or one.created_at),
            one.last_slot_date or "-",
            _no_mail(listed.get(one.address)),
        )
        for one in found
    ]
    columns = ("address", "digest", "state", "language", "since", "last slot", "suppressed")
    document = [_row(one) | {"suppressed": _entry(listed.get(one.address))} for one in found]
    door.show({"subscriptions": document}, Rows(columns, rows) if rows else "Nobody.")


@group.command("show")
@with_door
def show(door: Door, address: Address) -> None:
    """What one address reads, and how; whether it may be written to, and what came back from it. With --json all that
    is kept of it: what its owner may have of you.
    """
    spelt = reader_address(address, "ADDRESS")
    found = door.app.subscribe.show(spelt)
    kept = door.app.mydata.of(spelt)
    columns = ("digest", "state", "language", "hour", "time zone", "days", "since", "last slot")
    rows = [_settings(door, one) for one in found]
    parts: list[str | Rows] = [f"{spelt}:", Rows(columns, rows)]
    parts += [_pause(one) for one in found if _is_paused(door, one)]
    if any(str(cell).startswith("(") for row in rows for cell in row):
        parts.append("In brackets: as the digest has it.")
    if any(one.joined for one in found):
        parts.append("Digests of one instant come in one mail.")
    elif len(found) > 1:
        parts.append("Each digest comes in a mail of its own.")
    if kept.suppressed is not None:
        detail = f" ({kept.suppressed.detail})" if kept.suppressed.detail else ""
        parts.append(f"Suppressed, so nothing is sent: {_no_mail(kept.suppressed)}{detail}.")
        parts.append(f"`digest suppressions remove {spelt}` lifts it.")
    if kept.tastes:
        liked = sum(one.value > 0 for one in kept.tastes)
        papers = "1 paper" if liked == 1 else f"{liked} papers"
        parts.append(f"Said more like this of {papers}, less of {len(kept.tastes) - liked}.")
        parts += [f"Leans on {what}: {', '.join(some)}." for what, some in kept.leans_on.items() if some]
    if kept.deliveries:
        number = len(kept.deliveries)
        parts.append(f"{number} mail{'s' if number > 1 else ''} in the ledger; --json names each and its tries.")
    if kept.bounces:
        came = [(when(one.at), one.kind.value, one.status or "-", one.delivery_id, one.detail) for one in kept.bounces]
        parts += ["", Rows(("came back", "kind", "status", "delivery", "detail"), came)]
    door.show(kept, *parts)


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
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="Of the mail's own words: en, de, fr, es, zh or ar.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(metavar="NAME", help="For example Europe/Berlin.")] = None,
    send_at: Annotated[str | None, typer.Option(metavar="HH:MM", help="Local time of day.")] = None,
    days: Annotated[str | None, typer.Option(metavar="DAYS", help="Weekdays, such as mon,wed,fri.")] = None,
    joined: Annotated[
        bool | None, typer.Option("--joined/--separate", help="Digests of one instant in one mail.")
    ] = None,
) -> int:
    """Subscribe addresses at your word, confirmed at once; for one that is there, change what is given."""
    from digest.services.readers.subscribe import Choices

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


@group.command("ask")
@with_door
def ask(door: Door, addresses: Addresses, digest: Named = None) -> int:
    """Ask addresses by mail whether they want a digest: at most one mail a day to each, as the form on the web does."""
    from digest.services.readers.admission import Asked

    name = door.config.digest(digest).name
    done: list[dict[str, str]] = []
    failed: list[DigestError] = []
    for address in addresses:
        try:
            outcome = door.app.admission.join(Asked(address=address, digest=name)).outcome.value
            done.append({"address": address, "outcome": outcome})
        except DigestError as error:
            if len(addresses) == 1:
                raise
            failed.append(error)
    said = {
        "planned": "a mail is planned.",
        "repeated": "it had such a mail within a day.",
        "silent": "it must not be written to.",
    }
    door.show(
        {"asked": done, "problems": [_problem(error) for error in failed]},
        *(f"{one['address']}: {said[one['outcome']]}" for one in done),
        *(f"{error.where}: {error.what} ({error.try_})" for error in failed),
    )
    return share(len(failed), len(addresses))


@group.command("link")
@with_door
def link(
    door: Door,
    address: Address,
    digest: Named = None,
    mail: Annotated[bool, typer.Option("--mail", help="Send it to the address instead of printing it.")] = False,
) -> None:
    """The links by which a reader chooses and leaves, for who lost them. Whoever has them can use them."""
    from digest.services.readers.admission import Asked

    spelt = reader_address(address, "ADDRESS")
    name = door.config.digest(digest).name if digest is not None else ""
    links = door.app.admission.links(spelt, name)
    if mail:
        outcome = door.app.admission.remind(Asked(address=spelt, digest=name)).outcome.value
        said = {
            "planned": "A mail is planned.",
            "repeated": "It had such a mail within a day.",
            "silent": "Nothing is sent: it reads nothing now, or must not be written to.",
        }
        door.show({"outcome": outcome}, said[outcome])
        return
    rows = [(one.subscription.digest, one.preferences, one.unsubscribe) for one in links]
    document = [{"digest": name, "preferences": choose, "unsubscribe": leave} for name, choose, leave in rows]
    told = [f"{name}: {choose}\n  to unsubscribe: {leave}" for name, choose, leave in rows]
    door.show({"links": document}, *told)


@group.command("pause")
@with_door
def pause(
    door: Door,
    address: Address,
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="The first day that mail comes again.")],
    digest: Named = None,
) -> None:
    """Send a reader nothing before a day, of one digest or of all. It ends by itself, and nothing old is sent then."""
    from digest.services.readers.pausing import read_day

    found = _reads(door, address, digest)
    days = [(one, read_day(until, door.app.subscribe.today_of(one))) for one in found]
    paused = [door.app.subscribe.pause(one, day) for one, day in days]
    door.show({"subscriptions": [_row(one) for one in paused]}, *map(_pause, paused))


@group.command("resume")
@with_door
def resume(door: Door, address: Address, digest: Named = None) -> None:
    """End a reader's pause, of one digest or of all: mail comes again from today's on."""
    found = _reads(door, address, digest)
    resumed = [door.app.subscribe.resume(one) for one in found]
    told = (f"{one.digest} comes again." if _is_paused(door, one) else f"{one.digest} was not paused." for one in found)
    door.show({"subscriptions": [_row(one) for one in resumed]}, *told)


@group.command("remove")
@with_door
def remove(
    door: Door,
    addresses: Addresses,
    digest: Named = None,
    tell: Annotated[bool, typer.Option("--tell", help="Mail each reader a goodbye.")] = False,
) -> int:
    """Unsubscribe addresses, from one digest or from all."""
    end = door.app.goodbye.remove if tell else door.app.subscribe.leave
    name = door.config.digest(digest).name if digest is not None else None
    removed: list[dict[str, object]] = []
    failed: list[DigestError] = []
    for address in addresses:
        try:
            removed.append({"address": address, "ended": end(address, name)})
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
    found = door.app.subscribe.find(reader_address(address, "ADDRESS"))
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
    from digest.services.readers.people_csv import export_subscriptions
    from digest.services.readers.roster import Wanted

    if digest is not None:
        digest = door.config.digest(digest).name
    people = door.app.roster.each(Wanted(digest=digest or ""))
    links = (one for person in people for one in person.links if digest in (None, one.digest))
    found = sorted(links, key=lambda one: (one.address, one.digest))
    table = export_subscriptions(found)
    if out is not None:
        out.write_text(table, encoding="utf-8", newline="")
    document = {"subscriptions": [_row(one) for one in found], "file": str(out) if out else None}
    door.show(document, f"{len(found)} written to {out}." if out else table.replace("\r\n", "\n").rstrip("\n"))


@group.command("import")
@with_door
def import_(
    door: Door,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: address, digest, and more.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what it would do; nothing is changed.")] = False,
) -> int:
    """Take subscriptions from CSV; bad rows are named and never keep the good ones out."""
    from digest.config import read_profile
    from digest.services.readers.people_csv import import_subscriptions, try_subscriptions

    folder, text, name = file.absolute().parent, read_text(file), str(file)
    digests = [one.name for one in door.config.digests]

    def profile(name: str) -> Mapping[str, object]:
        return read_profile(folder / name)

    if dry_run:
        foresee = door.app.subscribe.foresee
        would = try_subscriptions(text, name=name, digests=digests, foresee=foresee, read_profile=profile)
        return show_foreseen(door, would)
    add_all = door.app.subscribe.add_all
    return show_imported(
        door, import_subscriptions(text, name=name, digests=digests, add_all=add_all, read_profile=profile)
    )


def show_imported(door: Door, found: Imported) -> int:
    """What a table brought, and its bad rows; gives the exit code."""
    told = [f"  {_of_row(problem)}" for problem in found.problems]
    document = {"imported": found.imported, "problems": found.problems}
    door.show(document, f"{found.imported} imported, {found.refused} could not be taken.", *told)
    return share(found.refused, found.refused + found.imported)


def show_foreseen(door: Door, would: Foreseen) -> int:
    """What a table would bring; gives the exit code that its import would have."""
    told = [f"  {_of_row(problem)}" for problem in would.problems]
    repeated = f"{would.repeated} name one again, " if would.repeated else ""
    door.show(
        would,
        f"{would.added} would be added, {would.changed} changed; {would.same} are so already, {repeated}"
        f"{would.refused} could not be taken. Nothing was changed.",
        *told,
    )
    return share(would.refused, would.refused + would.repeated + would.added + would.changed + would.same)


def _of_row(problem: RowProblem) -> str:
    return f"row {problem.row}{f', {problem.column}' if problem.column else ''}: {problem.what}"


def _preferences(profile: Path | None, seed: Path | None) -> Mapping[str, object] | None:
    """A library's authors and keywords, with what the profile's file says over them."""
    from digest.config import read_profile
    from digest.services.learning.seed import seed as learn

    if profile is None and seed is None:
        return None
    wishes: dict[str, object] = {}
    if seed is not None:
        wishes |= learn(read_text(seed), str(seed))
    if profile is not None:
        wishes |= read_profile(profile)
    return wishes


def _reads(door: Door, address: str, digest: str | None) -> list[Subscription]:
    """The confirmed subscriptions of an address to one digest or to all that there are. Raises NotFound."""
    from digest.model.people import SubscriptionState

    spelt = reader_address(address, "ADDRESS")
    names = [door.config.digest(digest).name] if digest is not None else [one.name for one in door.config.digests]
    links = door.app.subscribe.show(spelt)
    found = [one for one in links if one.digest in names and one.state is SubscriptionState.CONFIRMED]
    if not found:
        raise NotFound(
            f"gets no mail of {digest or 'any digest'}",
            where=spelt,
            try_=f"`digest subscribers show {spelt}` shows what they read",
        )
    return found


def _is_paused(door: Door, one: Subscription) -> bool:
    """Whether a pause lasts still; never of a digest that is gone."""
    known = any(digest.name == one.digest for digest in door.config.digests)
    return known and one.is_paused(door.app.subscribe.today_of(one))


def _pause(one: Subscription) -> str:
    return f"{one.digest} is paused until {one.paused_until}, when it comes again."


def _weekdays(text: str) -> tuple[int, ...]:
    names = [part.strip().lower()[:3] for part in text.split(",") if part.strip()]
    for name in names:
        if name not in _DAYS:
            raise UsageError(f'"{name}" is no weekday', where="--days", try_=f"some of {','.join(_DAYS)}")
    return tuple(sorted({_DAYS.index(name) for name in names}))


def _settings(door: Door, one: Subscription) -> tuple[object, ...]:
    """How one digest comes: the reader's own settings, and the digest's in brackets where there are none."""
    usual = next((digest.schedule for digest in door.config.digests if digest.name == one.digest), None)
    language = next((digest.profile.language for digest in door.config.digests if digest.name == one.digest), "")
    return (
        one.digest,
        one.state.value,
        one.language or _usual(language),
        f"{one.send_at:%H:%M}" if one.send_at else _usual(f"{usual.send_at:%H:%M}" if usual else ""),
        one.timezone or _usual(usual.timezone if usual else ""),
        _named(one.days) or _usual(_named(usual.days) if usual else ""),
        when(one.confirmed_at or one.created_at),
        one.last_slot_date or "-",
    )


def _usual(text: str) -> str:
    return f"({text})" if text else "-"


def _named(days: Sequence[int]) -> str:
    return "every day" if len(days) == len(_DAYS) else ",".join(_DAYS[day] for day in days)


def _no_mail(listed: Suppression | KeptSuppression | None) -> str:
    return f"{listed.reason} since {when(listed.since_at)}" if listed else "-"


def _entry(listed: Suppression | None) -> dict[str, object] | None:
    return {"reason": listed.reason, "since_at": listed.since_at, "detail": listed.detail} if listed else None


def _row(one: Subscription) -> dict[str, object]:
    """Everything but the secret."""
    return {
        "address": one.address,
        "digest": one.digest,
        "state": one.state,
        "language": one.language,
        "timezone": one.timezone,
        "send_at": one.send_at.strftime("%H:%M") if one.send_at else "",
        "paused_until": one.paused_until,
        "days": one.days,
        "joined": one.joined,
        "preferences": one.preferences,
        "created_at": one.created_at,
        "confirmed_at": one.confirmed_at,
        "last_slot": one.last_slot_date or None,
    }


def _problem(error: DigestError) -> dict[str, str]:
    return {"where": error.where, "what": error.what, "try": error.try_}
