"""`digest send`: publishes what is due and delivers, resuming what is open."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from digest.cli.door import At, Door, Named, reader_address, with_door
from digest.cli.failures import DONE, FAILED, INTERRUPTED, PARTLY
from digest.cli.stopping import stoppable
from digest.cli.terminal import slot
from digest.model.errors import DigestError, UsageError

if TYPE_CHECKING:
    from digest.model.editions import Digest
    from digest.services.publishing.publish import PublishedSlot
    from digest.services.sending.deliver import Sent
    from digest.services.sending.ledger import Answer
    from digest.services.status.report import SlotReport

_UNSETTLED = ("deferred", "rejected", "uncertain")
_WAITING = ("queued", "deferred")


@with_door
def send(
    door: Door,
    digest: Named = None,
    at: At = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be sent; nothing is recorded.")] = False,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="ADDRESS", help="Send one test copy there; nothing is recorded.", show_default=False
        ),
    ] = "",
) -> int:
    """Publish what is due and deliver, resuming what is open."""
    if to:
        return _test_copy(door, door.config.digest(digest), to, at)
    chosen = [door.config.digest(digest)] if digest or not door.config.digests else list(door.config.digests)
    instants = {one.name: as_of for one in chosen if (as_of := _instant(door, one, at)) is not None}
    if dry_run:
        _show(door, [_would_send(door, one, instants.get(one.name), at) for one in chosen])
        return DONE
    started = time.monotonic()
    published, busy = _publish(door, instants, insist=bool(at))
    names = [one.name for one in chosen] if digest else None
    door.app.deliver.wake(names)
    with stoppable() as stop:
        sent = door.app.deliver.run(digests=names, stop=stop, progress=lambda count: door.progress(f"{count} mails"))
        door.progress_ends()
    seconds = round(time.monotonic() - started, 3)
    paused = door.app.ledger.still_paused()
    days = {one.name: [slot.slot.local_date for slot in published if slot.digest == one.name] for one in chosen}
    reports = {
        one.name: door.app.report.slot(one, instants[one.name], days[one.name])
        for one in chosen
        if one.name in instants
    }
    problem = _stopped(door, sent, digest) if stop.is_set() else sent.problem
    _show(
        door,
        [
            _sent(reports[one.name], published, sent, busy, seconds, paused)
            | _trouble(problem, _commonest(door, reports[one.name], days[one.name]))
            if one.name in reports
            else _closed(door, one, at, seconds)
            for one in chosen
        ],
    )
    if not door.json:
        _passed_over(door, sent.passed_over)
        if problem is not None:
            door.fail(problem)
    return INTERRUPTED if stop.is_set() else _code(list(reports.values()), sent)


def _instant(door: Door, digest: Digest, at: str) -> datetime | None:
    """As of when to publish; None for a day on which the digest does not go out. The future is not sent."""
    if not at:
        return door.clock()
    from digest.services.publishing.preview import slot_at

    _, as_of, closed = slot_at(digest, None, at)
    if as_of > door.clock():
        raise UsageError(
            "that is in the future", where=f"--at {at}", try_="`digest preview --at` shows what is to come"
        )
    return None if closed else as_of


def _publish(door: Door, instants: Mapping[str, datetime], *, insist: bool) -> tuple[list[PublishedSlot], bool]:
    """What was published, and whether another process was at it; digests of one instant go together."""
    slots: list[PublishedSlot] = []
    busy = False
    for as_of in sorted(set(instants.values())):
        names = [name for name, theirs in instants.items() if theirs == as_of]
        done = door.app.publish.run(as_of, digests=names, insist=insist)
        slots += done.slots
        busy = busy or done.busy
    return slots, busy


def _closed(door: Door, digest: Digest, at: str, seconds: float) -> dict[str, object]:
    """A day without a slot."""
    from digest.services.status.report import accounting

    shown = door.app.preview.run(digest, at=at)
    return {
        "digest": digest.name,
        "slot": shown.slot.key,
        "editions": 0,
        "deliveries": accounting({}),
        "seconds": seconds,
        "reason": shown.reason,
    }


def _sent(
    report: SlotReport,
    published: Sequence[PublishedSlot],
    sent: Sent,
    busy: bool,
    seconds: float,
    paused: Sequence[str],
) -> dict[str, object]:
    mine = [slot for slot in published if slot.digest == report.digest]
    reasons = [slot.reason for slot in mine if slot.reason]
    if stopped := [name for name in ("*", report.digest) if name in paused]:
        which = "" if stopped[0] == "*" else f" --digest {report.digest}"
        reasons.append(f"Sending is paused; `digest deliveries resume{which}` goes on.")
    if busy:
        reasons.append("Another process is publishing.")
    elif not mine:
        reasons.append(f"Nothing was due; the next slot is {slot(report.next_slot)}.")
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
    if sent.passed_over:
        told["passed_over"] = [_error(one) for one in sent.passed_over]
    return told


def _trouble(problem: DigestError | None, answers: Sequence[Answer]) -> dict[str, object]:
    """What a slot's document holds only where something is not well."""
    told: dict[str, object] = {"answers": answers} if answers else {}
    return told | {"error": _error(problem)} if problem is not None else told


def _error(error: DigestError) -> dict[str, str]:
    return {"what": error.what, "where": error.where, "try": error.try_}


def _stopped(door: Door, sent: Sent, digest: str | None) -> DigestError:
    """Ctrl-C or SIGTERM: what became of the run."""
    from digest.services.sending.ledger import Which

    left = door.app.ledger.count(Which(states=_WAITING, digest=digest or "")).values()
    mails = sent.outcomes["accepted"]
    return DigestError(
        f"sending was stopped: {mails:,} mail{' was' if mails == 1 else 's were'} sent, {sum(left):,} still wait",
        where="digest send",
        try_="`digest send` goes on with the rest",
    )


def _commonest(door: Door, report: SlotReport, days: Sequence[date]) -> list[Answer]:
    """Of what is not well of a slot, the most frequent answer of each state."""
    from digest.services.sending.ledger import Which

    states = tuple(state for state in _UNSETTLED if report.deliveries[state])
    of_slot = {*days, *((date.fromisoformat(report.slot[:10]),) if report.slot else ())}
    found: dict[str, Answer] = {}
    for day in of_slot if states else ():
        for answer in door.app.ledger.answers(Which(states=states, digest=report.digest, local_date=day)):
            if answer.state not in found or found[answer.state].number < answer.number:
                found[answer.state] = answer
    return [found[state] for state in states if state in found]


def _passed_over(door: Door, errors: Sequence[DigestError]) -> None:
    for one in errors:
        door.note(f"{one.where} was passed over: {one.what}", *([f"  try: {one.try_}"] if one.try_ else []))


def _code(reports: Sequence[SlotReport], sent: Sent) -> int:
    if sent.problem is not None:
        return PARTLY if sent.outcomes["accepted"] else FAILED
    return PARTLY if any(report.deliveries[name] for report in reports for name in _UNSETTLED) else DONE


def _would_send(door: Door, digest: Digest, as_of: datetime | None, at: str) -> dict[str, object]:
    due = list(door.app.publish.due(as_of, digests=[digest.name], insist=bool(at))) if as_of else []
    shown = door.app.preview.run(digest, at=as_of.isoformat() if as_of else at)
    return {
        "digest": digest.name,
        "slot": shown.slot.key,
        "dry_run": True,
        "readers": [{"address": reader.address, "slot": slot.key} for reader, slot in due],
        "subject": shown.message.subject if shown.message else None,
        "printed": shown.edition.counts.printed if shown.edition else 0,
        "reason": shown.reason or ("" if due else "No reader is due now."),
    }


def _test_copy(door: Door, digest: Digest, to: str, at: str) -> int:
    from digest.model.mail import OutcomeKind

    address = reader_address(to, "--to")
    shown = door.app.preview.run(digest, address=address, at=at)
    told: dict[str, object] = {"digest": digest.name, "slot": shown.slot.key, "to": address, "reason": shown.reason}
    if shown.message is None:
        door.show(told | {"outcome": None}, f"{slot(shown.slot.key)} sends no mail. {shown.reason}")
        return DONE
    copied = door.app.deliver.copy(shown.message, address)
    if not door.json:
        _passed_over(door, copied.passed_over)
    outcome = copied.outcome
    answer = " ".join(str(part) for part in (outcome.code, outcome.enhanced, outcome.remote) if part)
    if outcome.kind is not OutcomeKind.ACCEPTED:
        raise DigestError(
            f"the test copy was {outcome.kind.value}: {answer}",
            where=address,
            try_="digest doctor looks at the mail server",
        )
    passed_over = [_error(one) for one in copied.passed_over]
    door.show(
        told | {"outcome": outcome.kind, "answer": answer, "relay": copied.relay, "passed_over": passed_over},
        f"{shown.message.subject}",
        f"A test copy went to {address} through {copied.relay}: {answer}",
    )
    return DONE


def _show(door: Door, documents: Sequence[Mapping[str, object]]) -> None:
    lines: list[str] = []
    for one in documents:
        lines.append(f"{one['digest']}, {slot(cast('str | None', one['slot']))}: {_in_words(one)}")
        lines += [f"  {text}" for text in (one["reason"], *_list(one.get("notes"))) if text]
        lines += [f"  {_answered(answer)}" for answer in cast("Sequence[Answer]", one.get("answers", ()))]
    door.show(documents[0] if len(documents) == 1 else {"digests": documents}, *lines)


def _answered(one: Answer) -> str:
    code = " ".join(str(part) for part in (one.code, one.enhanced) if part)
    said = f"{code} {one.text}".strip() or "no answer"
    return f"{one.state}, most often ({one.number:,}): {said}; `digest deliveries show {one.example}` tells more"


def _in_words(one: Mapping[str, object]) -> str:
    if "dry_run" in one:
        readers = _list(one["readers"])
        who = f"{len(readers)} reader{'' if len(readers) == 1 else 's'} would get"
        return f"{who} {one['printed']} papers: {one['subject']}" if readers and one["subject"] else "no mail"
    counts = cast("Mapping[str, int]", one["deliveries"])
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number or name == "planned")


def _list(value: object) -> list[object]:
    return list(cast("list[object]", value)) if isinstance(value, list) else []
