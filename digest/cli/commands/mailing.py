"""`digest preview`, which records nothing, and `digest send`, which publishes what is due and delivers."""

from __future__ import annotations

import time
import webbrowser
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import DONE, FAILED, INTERRUPTED, PARTLY
from digest.model.errors import DigestError, UsageError

if TYPE_CHECKING:
    from digest.model.editions import Digest
    from digest.model.mail import Delivery
    from digest.services.deliver import Sent
    from digest.services.preview import Previewed
    from digest.services.publish import PublishedSlot
    from digest.services.report import SlotReport

Named = Annotated[str | None, typer.Option("--digest", help="Which digest, where there are several.", metavar="NAME")]
At = Annotated[str, typer.Option(metavar="INSTANT", help="The slot due then; a date is that day's.", show_default=False)]


@with_door
def preview(
    door: Door,
    digest: Named = None,
    reader: Annotated[str, typer.Option("--for", metavar="ADDRESS", help="As this reader gets it.", show_default=False)] = "",
    at: At = "",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where edition.html, .txt and .eml are written.")] = Path("preview"),
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Show it live while templates are edited.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="For --serve; 0 is any free one.")] = 0,
) -> None:
    """Print the next edition without recording or sending anything."""
    from digest.services.documents import document, proof
    from digest.services.subscribe import normal_address

    chosen = door.config.digest(digest)
    address = normal_address(reader) if reader else ""
    if serve:
        from digest.cli.live import serve as serve_live

        serve_live(door, chosen, address=address, at=at, port=port, browser=open_)
        return
    shown = door.app.preview.run(chosen, address=address, at=at)
    if shown.mail is None:
        door.show(document(shown) | {"files": None}, f"{chosen.title}, {shown.slot.key}: no mail. {shown.reason}", *_notes(shown))
        return
    mail = proof(shown.mail)
    out.mkdir(parents=True, exist_ok=True)
    files = {name: (out / f"edition.{ending}").absolute() for name, ending in (("html", "html"), ("text", "txt"), ("eml", "eml"))}
    files["html"].write_text(mail.html, encoding="utf-8")
    files["text"].write_text(mail.text, encoding="utf-8")
    files["eml"].write_bytes(mail.eml)
    counts = shown.edition.counts if shown.edition else None
    door.show(
        document(shown) | {"files": {name: str(path) for name, path in files.items()}},
        f"{chosen.title}, {shown.slot.key}" + (f" for {address}" if address else ""),
        f"Subject: {shown.message.subject if shown.message else ''}",
        f"{counts.printed} printed of {counts.candidates} new; {counts.already_sent} were sent before, {counts.muted} muted."
        if counts
        else "",
        *([shown.reason] if shown.reason else []),
        *_notes(shown),
        *(str(path) for path in files.values()),
    )
    if open_:
        webbrowser.open(files["html"].as_uri())


@with_door
def send(
    door: Door,
    digest: Named = None,
    at: At = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be sent; nothing is recorded.")] = False,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Send one test copy there; nothing is recorded.", show_default=False)] = "",
) -> int:
    """Publish what is due and deliver, resuming what is open."""
    if to:
        return _test_copy(door, door.config.digest(digest), to, at)
    chosen = [door.config.digest(digest)] if digest or not door.config.digests else list(door.config.digests)
    instants = {one.name: _instant(door, one, at) for one in chosen}
    if dry_run:
        _show(door, [_would_send(door, one, instants[one.name], insist=bool(at)) for one in chosen])
        return DONE
    started = time.monotonic()
    published, busy = _publish(door, chosen, instants, insist=bool(at))
    names = [one.name for one in chosen] if digest else None
    door.app.deliver.wake(names)
    with door.stoppable() as stop:
        count = 0

        def progress(_delivery: Delivery, _outcome: str) -> None:
            nonlocal count
            count += 1
            door.progress(f"{count} mails")

        sent = door.app.deliver.run(digests=names, stop=stop, progress=progress)
        door.progress_ends()
    seconds = round(time.monotonic() - started, 3)
    reports = [
        door.app.report.slot(one, instants[one.name], [p.slot.local_date for p in published if p.digest == one.name])
        for one in chosen
    ]
    documents = [_sent(report, published, sent, busy, seconds) for report in reports]
    _show(door, documents)
    if sent.problem is not None and not door.json:
        door.fail(sent.problem)
    return INTERRUPTED if stop.is_set() else _code(reports, sent)


def _instant(door: Door, digest: Digest, at: str) -> datetime:
    """As of when to publish; the future is not sent."""
    if not at:
        return door.clock()
    from digest.services.preview import slot_for

    _, as_of, closed = slot_for(digest, None, at, door.clock)
    if closed:
        raise UsageError(f"{digest.title} is not published on that day", where=f"--at {at}", try_="name another day")
    if as_of > door.clock():
        raise UsageError("that is in the future", where=f"--at {at}", try_="`digest preview --at` shows what is to come")
    return as_of


def _publish(
    door: Door, chosen: Sequence[Digest], instants: Mapping[str, datetime], *, insist: bool
) -> tuple[list[PublishedSlot], bool]:
    """What each digest published, and whether another process was at it."""
    slots: list[PublishedSlot] = []
    busy = False
    for one in chosen:
        done = door.app.publish.run(instants[one.name], digests=[one.name], insist=insist)
        slots += done.slots
        busy = busy or done.busy
    return slots, busy


def _sent(
    report: SlotReport, published: Sequence[PublishedSlot], sent: Sent, busy: bool, seconds: float
) -> dict[str, object]:
    mine = [slot for slot in published if slot.digest == report.digest]
    reasons = [slot.reason for slot in mine if slot.reason]
    if busy:
        reasons.append("Another process is publishing.")
    elif not mine:
        reasons.append(f"Nothing was due; the next slot is {report.next_slot}.")
    told: dict[str, object] = {
        "digest": report.digest,
        "slot": report.slot,
        "editions": report.editions,
        "deliveries": report.deliveries,
        "seconds": seconds,
        "reason": " ".join(reasons),
        "notes": [note for slot in mine for note in slot.notes],
        "next_slot": report.next_slot,
    }
    if sent.problem is not None:
        told["error"] = {"what": sent.problem.what, "where": sent.problem.where, "try": sent.problem.try_}
    return told


def _code(reports: Sequence[SlotReport], sent: Sent) -> int:
    if sent.problem is not None:
        return PARTLY if sent.outcomes["accepted"] else FAILED
    unsettled = ("rejected", "deferred", "uncertain")
    return PARTLY if any(report.deliveries[name] for report in reports for name in unsettled) else DONE


def _would_send(door: Door, digest: Digest, as_of: datetime, *, insist: bool) -> dict[str, object]:
    due = list(door.app.publish.due(as_of, digests=[digest.name], insist=insist))
    shown = door.app.preview.run(digest, at=as_of.isoformat())
    return {
        "digest": digest.name,
        "slot": shown.slot.key,
        "dry_run": True,
        "readers": [{"address": reader.address, "slot": slot.key} for reader, slot in due],
        "subject": shown.message.subject if shown.message else None,
        "printed": shown.edition.counts.printed if shown.edition else 0,
        "reason": shown.reason if due else "Nobody is due.",
    }


def _test_copy(door: Door, digest: Digest, to: str, at: str) -> int:
    from digest.model.mail import OutcomeKind
    from digest.services.subscribe import normal_address

    address = normal_address(to)
    shown = door.app.preview.run(digest, address=address, at=at)
    told: dict[str, object] = {"digest": digest.name, "slot": shown.slot.key, "to": address, "reason": shown.reason}
    if shown.message is None:
        door.show(told | {"outcome": None}, f"{shown.slot.key} sends no mail. {shown.reason}", *_notes(shown))
        return DONE
    outcome = door.app.deliver.copy(shown.message, address)
    answer = " ".join(str(part) for part in (outcome.code, outcome.enhanced, outcome.remote) if part)
    if outcome.kind is not OutcomeKind.ACCEPTED:
        raise DigestError(
            f"the test copy was {outcome.kind.value}: {answer}", where=address, try_="digest doctor looks at the mail server"
        )
    door.show(told | {"outcome": outcome.kind, "answer": answer}, f"{shown.message.subject}", f"A test copy went to {address}: {answer}")
    return DONE


def _show(door: Door, documents: Sequence[Mapping[str, object]]) -> None:
    lines: list[str] = []
    for one in documents:
        lines.append(f"{one['digest']}, {one['slot']}: {_in_words(one)}")
        lines += [f"  {text}" for text in (one["reason"], *_list(one.get("notes"))) if text]
    door.show(documents[0] if len(documents) == 1 else {"digests": documents}, *lines)


def _in_words(one: Mapping[str, object]) -> str:
    if "dry_run" in one:
        readers = _list(one["readers"])
        return f"{len(readers)} readers would get {one['printed']} papers: {one['subject'] or 'no mail'}"
    counts = one["deliveries"]
    assert isinstance(counts, Mapping)
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number or name == "planned")


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _notes(shown: Previewed) -> list[str]:
    return [f"  {note}" for note in shown.edition.notes] if shown.edition else []
