"""`digest deliveries`: what is open, uncertain or failed; settle it, stop and continue a running send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, reader_address, with_door
from digest.cli.failures import DONE, PARTLY, share
from digest.cli.files import blocks
from digest.cli.terminal import Rows, when
from digest.model.errors import DigestError, UsageError

if TYPE_CHECKING:
    from digest.services.sending.ledger import Changed, DeliveryReport, DeliveryRow, Which
    from digest.services.sending.reconcile import Found, Reconciled

group = typer.Typer(help="What is open, uncertain or failed; pause, resume and cancel.", no_args_is_help=True)

Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", show_default=False)]
Digest = Annotated[str, typer.Option("--digest", metavar="NAME", help="One digest; else all.", show_default=False)]
Day = Annotated[str, typer.Option("--date", metavar="DATE", help="Editions of this local date.", show_default=False)]
Address = Annotated[str, typer.Option("--address", metavar="ADDRESS", help="To this address.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All, or all that --digest, --date and --address leave.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell how many; nothing is changed.")]
_UNFINISHED = ("queued", "leased", "sending", "deferred", "uncertain", "rejected")
_HELD = ("leased", "sending")
#: Found by a log, so many are listed; the counts tell of all.
_LISTED = 50


@group.command("list")
@with_door
def list_(
    door: Door,
    state: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Of this state; may be repeated. Else all that are not well."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of every state.")] = False,
    digest: Digest = "",
    date: Day = "",
    address: Address = "",
    by_answer: Annotated[bool, typer.Option("--by-answer", help="Count them by what the servers answered.")] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="At most so many.")] = 100,
) -> None:
    """Deliveries, the oldest first; how many of each state before them."""
    which = _which(digest, date, address, () if everything else tuple(state or _UNFINISHED))
    counts = door.app.ledger.count(which)
    if by_answer:
        return _answers(door, which, counts, limit)
    found = door.app.ledger.listing(which, limit=limit)
    if not found:
        narrowed = everything or state or digest or date or address
        nothing = "None." if narrowed else "None that is open or failed; --all lists the others, too."
        return door.show({"counts": counts, "deliveries": found}, nothing)
    left = sum(counts.values()) - len(found)
    more = (f"{left:,} more: --limit lists them, --by-answer counts them by what the servers answered.",)
    door.show({"counts": counts, "deliveries": found}, _counted(counts), _table(found), *(more if left > 0 else ()))
    return None


def _answers(door: Door, which: Which, counts: Mapping[str, int], limit: int) -> None:
    found = door.app.ledger.answers(which, limit=limit)
    rows = [(f"{a.number:,}", a.state, a.code or "-", a.enhanced or "-", a.text, a.example) for a in found]
    table = Rows(("number", "state", "code", "", "answer", "first id"), rows)
    door.show({"counts": counts, "answers": found}, *((_counted(counts), table) if found else ("None.",)))


@group.command("show")
@with_door
def show(door: Door, delivery: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """One delivery: every try, what came back, what a relay's log names it by, and what can be done."""
    found = door.app.ledger.show(delivery)
    door.show(found, *_report(found))


def _report(found: DeliveryReport) -> list[str | Rows]:
    tries = [(when(t.started_at), t.outcome or "open", t.code or "-", t.enhanced or "-", t.remote) for t in found.tries]
    parts: list[str | Rows] = [
        _table((found.delivery,)),
        "",
        Rows(("tried", "outcome", "code", "", "answer"), tries) if tries else _untried(found.delivery.state),
    ]
    if found.bounces:
        back = [(when(b.at), b.kind, b.status or "-", b.detail) for b in found.bounces]
        parts += ["", Rows(("came back", "kind", "status", "what it says"), back)]
    if found.joined:
        mail = [(m.id, m.digest, m.local_date or "-", m.state) for m in found.joined]
        parts += ["", "One mail with:", Rows(("id", "digest", "date", "state"), mail)]
    one = found.delivery
    named = [("Message-ID", found.message_id), ("return path", found.return_path)]
    named += [("relay", found.relay)] if found.relay else []
    named += [("reason", one.reason)] if one.reason else []
    named += [("answer", one.remote)] if one.remote and one.remote[:100] not in one.reason else []
    named += [("too late at", when(one.expires_at))] if one.expires_at is not None and one.settled_at is None else []
    return [*parts, "", *(f"{name}: {value}" for name, value in named), *(f"next: {text}" for text in found.next)]


def _untried(state: str) -> str:
    return "No try has ended yet." if state in _HELD else "Not tried yet."


@group.command("retry")
@with_door
def retry(
    door: Door,
    ids: Ids = None,
    every: All = False,
    state: Annotated[
        str, typer.Option(metavar="STATE", help="deferred or rejected; else both.", show_default=False)
    ] = "",
    digest: Digest = "",
    date: Day = "",
    address: Address = "",
    dry_run: DryRun = False,
) -> int:
    """Try again now: what waits, or was rejected while no later edition holds its papers."""
    if state not in ("", "queued", "deferred", "rejected"):
        raise UsageError(f"what is {state} is not tried again", where="--state", try_="deferred or rejected")
    which = _which(digest, date, address, (state,) if state else ())
    if _by_id(ids, every or bool(state), which, dry_run):
        return _each(door, ids or [], door.app.ledger.retry)
    return _changed(door, door.app.ledger.retry_all(which, dry_run=dry_run), "due now", dry_run)


@group.command("resolve")
@with_door
def resolve(
    door: Door,
    decision: Annotated[
        str, typer.Option("--as", metavar="DECISION", help="accepted, lost or resend.", show_default=False)
    ],
    ids: Ids = None,
    every: All = False,
    digest: Digest = "",
    date: Day = "",
    address: Address = "",
    dry_run: DryRun = False,
) -> int:
    """Settle what is uncertain: it arrived, it was lost, or send it again under the same Message-ID."""
    which = _which(digest, date, address)
    if _by_id(ids, every, which, dry_run):
        return _each(door, ids or [], lambda one: door.app.ledger.resolve(one, decision))
    done = {"accepted": "accepted", "lost": "given up as lost", "resend": "sent again"}.get(decision, decision)
    return _changed(door, door.app.ledger.resolve_all(which, decision, dry_run=dry_run), done, dry_run)


@group.command("reconcile")
@with_door
def reconcile(
    door: Door,
    logs: Annotated[
        list[str], typer.Option("--log", metavar="FILE", help="May be repeated; gzip too; - is standard input.")
    ],
    more: Annotated[list[str] | None, typer.Argument(metavar="FILE", show_default=False)] = None,
    absent: Annotated[
        str,
        typer.Option(
            metavar="DECISION", help="What becomes of mails that the log has no trace of: keep, lost or resend."
        ),
    ] = "keep",
    zone: Annotated[
        str, typer.Option(metavar="NAME", help="Zone of stamps without one; else this machine's.", show_default=False)
    ] = "",
    digest: Digest = "",
    date: Day = "",
    address: Address = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what the log shows; nothing is changed.")] = False,
) -> int:
    """Settle what is uncertain by the mail log of the relay, Postfix's or OpenSMTPD's."""
    from digest.services.sending.reconcile import Log

    names = [*logs, *(more or [])]
    if names.count("-") > 1:
        raise UsageError("standard input can be read once", where="--log -", try_="name each log once")
    found = door.app.reconcile.run(
        [Log(name=name, blocks=blocks(name)) for name in dict.fromkeys(names)],
        which=door.app.ledger.checked(_which(digest, date, address)),
        absent=absent,
        zone=_zone(zone),
        dry_run=dry_run,
        progress=lambda lines: door.progress(f"{lines:,} lines"),
    )
    door.progress_ends()
    door.show(found, *_reconciled(found))
    return PARTLY if found.counts.get("uncertain") else DONE


def _reconciled(found: Reconciled) -> list[str | Rows]:
    if not found.uncertain:
        return ["Nothing was uncertain."]
    would = "would become " if found.dry_run else ""
    parts: list[str | Rows] = [f"{found.uncertain:,} were uncertain: {would}{_counted(found.counts)}"]
    spans = "; ".join(f"{when(first)} to {when(last)}" for first, last in found.covers)
    parts.append(f"{found.lines:,} lines, from {spans}.")
    parts += [found.note] if found.note else []
    shown = found.found[:_LISTED]
    parts.append(Rows(("id", "digest", "address", "state", "code", "", "why"), [_judged(one) for one in shown]))
    left = len(found.found) - len(shown)
    return [*parts, f"{left:,} more: --json lists all."] if left else parts


def _judged(one: Found) -> tuple[object, ...]:
    return one.id, one.digest or "-", one.address, one.state, one.code or "-", one.enhanced or "-", one.reason


@group.command("pause")
@with_door
def pause(door: Door, digest: Digest = "") -> None:
    """Stop sending; what is on the wire is finished."""
    changed = door.app.ledger.pause(digest or "*")
    what = f"{digest} is paused" if digest else "All sending is paused"
    resume = f"`digest deliveries resume{f' --digest {digest}' if digest else ''}`"
    text = f"{what}: what is planned waits for {resume}." if changed else f"{what} already."
    door.show({"paused": digest or "*", "changed": changed}, text)


@group.command("resume")
@with_door
def resume(door: Door, digest: Digest = "") -> None:
    """Go on sending."""
    changed = door.app.ledger.resume(digest or "*")
    left = ", ".join("all" if name == "*" else name for name in door.app.ledger.still_paused())
    text = f"Sending{f' of {digest}' if digest else ''} goes on." if changed else "It was not paused."
    still = (f"Still paused: {left}.",) if left else ()
    door.show({"resumed": digest or "*", "changed": changed}, text, *still)


@group.command("cancel")
@with_door
def cancel(door: Door, digest: Digest = "") -> None:
    """End what waits; its papers are free for the next edition."""
    ended = door.app.ledger.cancel(digest or "*")
    of = f" of {digest}" if digest else ""
    what = f"{_number(ended)}{of} {'was' if ended == 1 else 'were'} cancelled"
    text = f"{what}; the papers come in the next edition." if ended else f"Nothing{of} waited."
    door.show({"cancelled": ended}, text)


def _which(digest: str, day: str, address: str, states: tuple[str, ...] = ()) -> Which:
    from digest.services.sending.ledger import Which

    return Which(
        states=states,
        digest=digest,
        local_date=_date(day),
        address=reader_address(address, "--address"),
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date", where="--date", try_="write 2026-05-04") from error


def _zone(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, LookupError) as error:
        raise UsageError(
            f"{name!r} is no time zone", where="--zone", try_="write one as Europe/Berlin, or UTC"
        ) from error


def _by_id(ids: Sequence[int] | None, every: bool, which: Which, dry_run: bool) -> bool:
    """Whether single deliveries are named; UsageError where neither they nor a choice are, or both."""
    chosen = every or which.digest or which.local_date or which.address
    if ids and (chosen or dry_run):
        raise UsageError(
            "ids and a choice do not go together", where=str(ids[0]), try_="name ids, or --all, --digest, --date …"
        )
    if not ids and not chosen:
        raise UsageError("nothing is named", try_="name ids, or --all, --digest NAME, --date DATE, --address ADDRESS")
    return bool(ids)


def _each(door: Door, ids: list[int], work: Callable[[int], DeliveryRow]) -> int:
    done: list[DeliveryRow] = []
    refused: list[DigestError] = []
    for one in ids:
        try:
            done.append(work(one))
        except UsageError:
            raise
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


def _changed(door: Door, found: Changed, done: str, dry_run: bool) -> int:
    """What became of many; nothing to do is done."""
    refused = sum(found.refused.values())
    be = "would be" if dry_run else "is" if found.changed == 1 else "are"
    text = f"{_number(found.changed)} {be} {done}." if found.changed or not refused else f"None is {done}."
    document = {"changed": found.changed, "refused": found.refused, "dry_run": dry_run}
    door.show(document, text, *(f"{_number(number)} not: {why}." for why, number in found.refused.items()))
    return share(refused, found.changed + refused)


def _number(number: int) -> str:
    return f"{number:,} deliver{'y' if number == 1 else 'ies'}"


def _counted(counts: Mapping[str, int]) -> str:
    return f"{', '.join(f'{number:,} {state}' for state, number in counts.items())}."


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
                "now" if r.state in _HELD else when(r.next_at),
                r.reason or r.remote,
            )
            for r in rows
        ],
    )
