"""`digest status`: what the store can tell; nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digest.cli.commands.relays import warming
from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows, slot, when

if TYPE_CHECKING:
    from digest.services.status.fleet import FleetStatus
    from digest.services.status.report import DigestStatus, OpenSlot

_NOW = {"leased": "it is being sent now", "sending": "it is being sent now"}


@with_door
def status(door: Door) -> None:
    """Sources, slots, deliveries and backlog at a glance."""
    from digest.services.plain import as_json

    app = door.app
    app.sources.known()
    found = app.report.status()
    fleet = app.fleet.look()
    counts = ", ".join(f"{number} {name}" for name, number in found.deliveries.items() if number) or "none yet"
    lines: list[str | Rows] = [
        Rows(
            ("source", "state", "last new", "next", "detail"),
            [(s.id, s.state or "-", when(s.last_new_at), when(s.next_at), s.detail) for s in found.sources],
        ),
        "",
        Rows(
            ("digest", "readers", "last slot", "printed", "next slot", ""),
            [
                (d.name, _readers(d), slot(d.last_slot), d.printed, slot(d.next_slot), "paused" if d.paused else "")
                for d in found.digests
            ],
        ),
    ]
    lines += [f"{source.id} {source.silence}." for source in found.sources if source.silence]
    for digest in found.digests:
        lines += [f"{digest.name}: {said}" for said in (digest.reason, *digest.notes) if said]
    lines += [_under_way(one) for one in found.open_slots]
    lines += [
        "",
        f"Deliveries: {counts}. Backlog: {found.backlog}. Suppressed addresses: {found.suppressions}. "
        f"Papers: {found.entries}.",
    ]
    if any(found.bounces.values()):
        came = ", ".join(f"{number} {kind}" for kind, number in found.bounces.items() if number)
        lines.append(f"Came back in the last 7 days: {came}. `digest suppressions list` shows who gets no mail.")
    if found.waiting_for_category:
        lines.append(
            f"Papers of the last week that wait for their category: {found.waiting_for_category}. "
            "Meanwhile digests that name categories leave them out."
        )
    if found.deliveries["uncertain"]:
        lines.append(
            "Whether the uncertain ones arrived, `digest deliveries reconcile` asks the relay's log; else it is for "
            "you to say: `digest deliveries resolve`."
        )
    # Without a plan, what relays need is not loaded.
    plans = app.relays.listing() if any(relay.warm_up for relay in door.config.relays) else ()
    warm = [one for one in plans if one.warm_up is not None]
    lines += [f"The warm-up plan of {one.place}: {warming(one)}." for one in warm]
    if found.oldest_open is not None:
        oldest = found.oldest_open
        lines.append(
            f"The oldest open delivery is {oldest.id} ({oldest.state}, since {when(oldest.created_at)}): "
            f"{_NOW.get(oldest.state) or oldest.reason or 'not tried yet; digest doctor looks at the mail server'}"
        )
    if found.refit is not None:
        became = "kept" if found.refit.kept else "not kept"
        lines.append(f"A prior of your own was {became} on {when(found.refit.at)}: {found.refit.why}.")
    if found.restored:
        lines.append("This database is a restored backup: nothing is sent until `digest db restored`.")
    if fleet.is_one:
        lines += ["", *_fleet(fleet)]
    told = [{"relay": one.place, "plan_day": one.plan_day, **as_json(one.warm_up)} for one in warm]
    door.show({**as_json(found), "warm_up": told, "fleet": fleet if fleet.is_one else None}, *lines)


def _fleet(fleet: FleetStatus) -> list[str | Rows]:
    """Who works, which calls wait, and what is wrong."""
    workers = [
        (one.name, ", ".join(one.roles), one.version, when(one.seen_at), "" if one in fleet.living else "fell silent")
        for one in (*fleet.living, *fleet.lost)
    ]
    calls = ", ".join(f"{one.waiting} for {one.work}" for one in fleet.calls if one.waiting) or "none"
    return [
        Rows(("worker", "roles", "version", "last sign of life", ""), workers),
        f"Calls that wait: {calls}.",
        *(f"{trouble.what}; {trouble.try_}" for trouble in fleet.troubles),
    ]


def _under_way(one: OpenSlot) -> str:
    """A slot that is not served; one that should be by now, with where to look."""
    said = (
        f"{one.digest}: the slot of {slot(one.slot)} is open since {when(one.since)}, "
        f"{one.waiting:,} of {one.readers:,} readers are still to be served"
    )
    if not one.is_late:
        return f"{said}."
    return f"Warning: {said}. Whatever publishes goes on with it; its log says what is in the way."


def _readers(digest: DigestStatus) -> str:
    """How many read it; in brackets how many of them want no mail now."""
    return f"{digest.readers} ({digest.paused_readers} paused)" if digest.paused_readers else str(digest.readers)
