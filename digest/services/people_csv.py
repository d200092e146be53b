"""Subscribers and suppressions as CSV, both ways.

Takes texts and the functions that write rows (`Subscribe.add_all`, `Subscribe.suppress`); gives texts, and for an
import what was taken and what is wrong with the rest, by row and column. Importing an export changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, cast
from zoneinfo import ZoneInfo

from digest.model.errors import DigestError
from digest.model.people import Subscription, SubscriptionState, Suppression, SuppressionReason
from digest.services.subscribe import Choices, Joining, normal_address
from digest.services.table import Imported, RowProblem, inert, inert_read, read_table, write_table
from digest.storage.base import batched

COLUMNS = ("address", "digest", "state", "language", "timezone", "profile")
SUPPRESSION_COLUMNS = ("address", "reason", "detail", "since")

#: Gives the preference keys in a profile's file by its name; raises DigestError.
ReadProfile = Callable[[str], Mapping[str, object]]
#: Reasons that a list may give; an erased address is known by its hash only, so no table can name it.
_REASONS = tuple(reason for reason in SuppressionReason if reason is not SuppressionReason.ERASED)


#: Subscribes each, or changes its subscription; gives what is wrong with each that was not taken (`Subscribe.add_all`).
AddAll = Callable[[Sequence[Joining]], Sequence[DigestError | None]]
#: Rows that are written together, and different wishes that are remembered as they were read.
_TOGETHER = 1_000
_KEPT = 1_000


class Suppress(Protocol):
    """Puts one address on the suppression list; raises DigestError."""

    def __call__(
        self, address: str, reason: SuppressionReason, detail: str = "", *, since: datetime | None = None
    ) -> object: ...


class _Wrong(Exception):
    """One cell cannot be taken."""

    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column, self.what = column, what


def export_subscriptions(subscriptions: Sequence[Subscription]) -> str:
    """One row a subscription; the profile is inline JSON, empty where the reader changed nothing."""
    return write_table(
        COLUMNS,
        (
            (
                one.address,
                one.digest,
                one.state.value,
                one.language,
                one.timezone,
                json.dumps(dict(one.preferences), ensure_ascii=False, sort_keys=True) if one.preferences else "",
            )
            for one in subscriptions
        ),
    )


def import_subscriptions(
    text: str, *, name: str, digests: Collection[str], add_all: AddAll, read_profile: ReadProfile
) -> Imported:
    """Takes the good rows; a later row about the same address and digest changes what an earlier one said.

    A column that is absent leaves things as they are, an empty cell returns to the digest's own; an empty state is
    ``confirmed``. Raises InputError for a table that cannot be read at all.
    """
    problems: list[RowProblem] = []
    imported = 0
    rows = read_table(text, name=name, required=COLUMNS[:2], optional=COLUMNS[2:], problems=problems)
    chosen: dict[tuple[str | None, ...], Choices] = {}
    for some in batched(rows, _TOGETHER):
        numbers: list[int] = []
        joining: list[Joining] = []
        for number, cells in some:
            try:
                joining.append(_joining(cells, digests, chosen, read_profile))
            except _Wrong as wrong:
                problems.append(RowProblem(row=number, column=wrong.column, what=wrong.what))
            else:
                numbers.append(number)
        for number, one, error in zip(numbers, joining, add_all(joining), strict=True):
            if error is None:
                imported += 1
                continue
            column = error.where if error.where in COLUMNS else "address" if error.where == one.address else "profile"
            problems.append(RowProblem(row=number, column=column, what=_sentence(error)))
    return Imported(imported=imported, problems=tuple(sorted(problems, key=lambda problem: problem.row)))


def export_suppressions(suppressions: Sequence[Suppression]) -> str:
    """One row an address. Erased ones are not in it: of them only a hash is known."""
    return write_table(
        SUPPRESSION_COLUMNS,
        (
            (one.address, one.reason.value, inert(one.detail), one.since_at.astimezone(UTC).isoformat())
            for one in suppressions
            if one.address
        ),
    )


def import_suppressions(text: str, *, name: str, suppress: Suppress) -> Imported:
    """Takes the good rows; only ``address`` is needed. An address that is on the list already stays as it is."""
    problems: list[RowProblem] = []
    imported = 0
    known, more = SUPPRESSION_COLUMNS[:1], SUPPRESSION_COLUMNS[1:]
    rows = read_table(text, name=name, required=known, optional=more, problems=problems)
    for number, cells in rows:
        try:
            _take_suppression(cells, suppress)
        except _Wrong as wrong:
            problems.append(RowProblem(row=number, column=wrong.column, what=wrong.what))
        else:
            imported += 1
    return Imported(imported=imported, problems=tuple(sorted(problems, key=lambda problem: problem.row)))


def _joining(
    cells: Mapping[str, str],
    digests: Collection[str],
    chosen: dict[tuple[str | None, ...], Choices],
    read_profile: ReadProfile,
) -> Joining:
    """A row as the subscription it asks for. ``chosen`` remembers what the same cells said in earlier rows."""
    address = _told("address", lambda: normal_address(cells["address"]))
    if cells["digest"] not in digests:
        raise _Wrong("digest", f'there is no digest "{cells["digest"]}"; known are: {", ".join(sorted(digests))}')
    state = cells.get("state", "").lower() or SubscriptionState.CONFIRMED.value
    if state not in tuple(SubscriptionState):
        raise _Wrong("state", f'"{state}" is none of {", ".join(SubscriptionState)}')
    wishes = (cells.get("language"), cells.get("timezone"), cells.get("profile"))
    if wishes not in chosen:
        if len(chosen) >= _KEPT:
            chosen.clear()
        chosen[wishes] = _choices(*wishes, read_profile)
    return Joining(address=address, digest=cells["digest"], state=SubscriptionState(state), choices=chosen[wishes])


def _choices(language: str | None, timezone: str | None, profile: str | None, read_profile: ReadProfile) -> Choices:
    if timezone:
        _check_zone(timezone)
    preferences = _profile(profile, read_profile) if profile is not None else None
    return Choices(language=language, timezone=timezone, preferences=preferences)


def _take_suppression(cells: Mapping[str, str], suppress: Suppress) -> None:
    address = _told("address", lambda: normal_address(cells["address"]))
    reason = cells.get("reason") or SuppressionReason.OPERATOR.value
    if reason not in _REASONS:
        raise _Wrong("reason", f'"{reason}" is none of {", ".join(_REASONS)}')
    since = _instant(cells.get("since", ""))
    suppress(address, SuppressionReason(reason), inert_read(cells.get("detail", "")), since=since)


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise _Wrong("timezone", f'"{name}" is not a time zone; write a name such as Europe/Berlin') from error


def _profile(cell: str, read_profile: ReadProfile) -> Mapping[str, object]:
    """Inline JSON, or the name of a profile's file."""
    if not cell.startswith("{"):
        return _told("profile", lambda: read_profile(cell)) if cell else {}
    try:
        found: Any = json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise _Wrong("profile", f"it is not JSON: {error}") from error
    return cast("Mapping[str, object]", found)


def _told(column: str, get: Callable[[], Any]) -> Any:
    try:
        return get()
    except DigestError as error:
        raise _Wrong(column, _sentence(error)) from error
    except OSError as error:
        raise _Wrong(column, f"the file cannot be read: {error.strerror or error}") from error


def _instant(cell: str) -> datetime | None:
    if not cell:
        return None
    try:
        at = datetime.fromisoformat(cell)
    except ValueError as error:
        raise _Wrong("since", f'"{cell}" is not an instant such as 2026-05-04T07:30:00Z') from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _sentence(error: DigestError) -> str:
    return f"{error.what}; {error.try_}" if error.try_ else error.what
