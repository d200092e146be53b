"""Subscribers and suppressions as CSV, both ways.

Takes texts (or their lines) and the functions that write rows (`Subscribe.add_all`, `Subscribe.suppress_all`); gives
texts, and for an import what was taken and what is wrong with the rest, by row and column. Rows are read, checked and
written a thousand at a time: a list of a million needs no more memory than a short one. Importing an export changes
nothing.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from digest.model.errors import DigestError
from digest.model.people import Subscription, SubscriptionState, Suppression, SuppressionReason
from digest.services.readers.subscribe import Choices, Effect, Joining, Listing, normal_address
from digest.services.readers.table import Imported, RowProblem, inert, inert_read, read_table, write_rows
from digest.storage.base import batched

T = TypeVar("T")

COLUMNS = ("address", "digest", "state", "language", "timezone", "profile")
SUPPRESSION_COLUMNS = ("address", "reason", "detail", "since")

#: Gives the preference keys in a profile's file by its name; raises DigestError.
ReadProfile = Callable[[str], Mapping[str, object]]
#: Reasons that a list may give; an erased address is known by its hash only, so no table can name it.
REASONS = tuple(reason for reason in SuppressionReason if reason is not SuppressionReason.ERASED)


#: Subscribes each, or changes its subscription; gives what is wrong with each that was not taken (`Subscribe.add_all`).
AddAll = Callable[[Sequence[Joining]], Sequence[DigestError | None]]
#: What that would do with each (`Subscribe.foresee`).
Foresee = Callable[[Sequence[Joining]], Sequence[Effect | DigestError]]
#: Puts addresses on the suppression list (`Subscribe.suppress_all`).
SuppressAll = Callable[[Sequence[Listing]], object]
#: Those of the addresses that are on it (`Subscribe.on_list`).
OnList = Callable[[Sequence[str]], Collection[str]]
#: Is told the number of each row that all is done up to; what it raises ends the import there.
Progress = Callable[[int], object]
#: Rows that are written together, and different wishes that are remembered as they were read.
_TOGETHER = 1_000
_KEPT = 1_000
#: Different rows are counted in so many turns, so that a million takes a few megabytes.
_TURNS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """What an import would do. Of rows that would do the same to one subscription (or address) the first counts.

    ``repeated`` are the others, ``refused`` rows that cannot be taken; ``problems`` are the
    first of these.
    """

    added: int
    changed: int
    same: int
    repeated: int
    refused: int
    problems: tuple[RowProblem, ...]


@dataclass(slots=True)
class _Problems:
    """All problems are counted, and as many kept as are wanted."""

    most: int | None
    number: int = 0
    kept: list[RowProblem] = field(default_factory=list[RowProblem])

    def add(self, some: Iterable[RowProblem]) -> None:
        for one in sorted(some, key=lambda problem: problem.row):
            self.number += 1
            if self.most is None or len(self.kept) < self.most:
                self.kept.append(one)


@dataclass(slots=True)
class _Seen:
    """How many different things there were, by their hashes."""

    hashes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, *key: str) -> None:
        self.hashes.append(hash(key))

    @property
    def different(self) -> int:
        return sum(len({one for one in self.hashes if one % _TURNS == turn}) for turn in range(_TURNS))


class _Wrong(Exception):
    """One cell cannot be taken."""

    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column, self.what = column, what


def export_subscriptions(subscriptions: Iterable[Subscription]) -> str:
    """One row a subscription; the profile is inline JSON, empty where the reader changed nothing."""
    return "".join(subscription_rows(subscriptions))


def subscription_rows(subscriptions: Iterable[Subscription]) -> Iterator[str]:
    """The same, line by line."""
    yield from write_rows([COLUMNS])
    yield from write_rows(
        (
            inert(one.address),
            one.digest,
            one.state.value,
            one.language,
            one.timezone,
            json.dumps(dict(one.preferences), ensure_ascii=False, sort_keys=True) if one.preferences else "",
        )
        for one in subscriptions
    )


def import_subscriptions(
    text: str | Iterable[str],
    *,
    name: str,
    digests: Collection[str],
    add_all: AddAll,
    read_profile: ReadProfile,
    most_problems: int | None = None,
    progress: Progress = lambda row: None,
) -> Imported:
    """Takes the good rows; a later row about the same address and digest changes what an earlier one said.

    A column that is absent leaves things as they are, an empty cell returns to the digest's own; an empty state is
    ``confirmed``. Raises InputError for a table that cannot be read at all.
    """
    problems, imported = _Problems(most_problems), 0
    for numbers, joining, wrong, last in _subscriptions(text, name, digests, read_profile):
        errors = add_all(joining)
        imported += sum(error is None for error in errors)
        problems.add([*wrong, *_refused(numbers, joining, errors)])
        progress(last)
    return Imported(imported=imported, refused=problems.number, problems=tuple(problems.kept))


def try_subscriptions(
    text: str | Iterable[str],
    *,
    name: str,
    digests: Collection[str],
    foresee: Foresee,
    read_profile: ReadProfile,
    most_problems: int | None = None,
    progress: Progress = lambda row: None,
) -> Foreseen:
    """What ``import_subscriptions`` would do now; nothing is changed. Raises as it does."""
    problems, good = _Problems(most_problems), 0
    seen = {effect: _Seen() for effect in Effect}
    for numbers, joining, wrong, last in _subscriptions(text, name, digests, read_profile):
        effects = foresee(joining)
        for one, effect in zip(joining, effects, strict=True):
            if isinstance(effect, Effect):
                seen[effect].add(one.address, one.digest)
                good += 1
        errors = [None if isinstance(one, Effect) else one for one in effects]
        problems.add([*wrong, *_refused(numbers, joining, errors)])
        progress(last)
    different = {effect: found.different for effect, found in seen.items()}
    return Foreseen(
        added=different[Effect.ADDED],
        changed=different[Effect.CHANGED],
        same=different[Effect.SAME],
        repeated=good - sum(different.values()),
        refused=problems.number,
        problems=tuple(problems.kept),
    )


def export_suppressions(suppressions: Iterable[Suppression]) -> str:
    """One row an address. Erased ones are not in it: of them only a hash is known."""
    return "".join(suppression_rows(suppressions))


def suppression_rows(suppressions: Iterable[Suppression]) -> Iterator[str]:
    """The same, line by line."""
    yield from write_rows([SUPPRESSION_COLUMNS])
    yield from write_rows(
        (inert(one.address), one.reason.value, inert(one.detail), one.since_at.astimezone(UTC).isoformat())
        for one in suppressions
        if one.address
    )


def import_suppressions(
    text: str | Iterable[str],
    *,
    name: str,
    suppress_all: SuppressAll,
    most_problems: int | None = None,
    progress: Progress = lambda row: None,
) -> Imported:
    """Takes the good rows; only ``address`` is needed. An address that is on the list already stays as it is."""
    problems, imported = _Problems(most_problems), 0
    for _, listing, wrong, last in _suppressions(text, name):
        suppress_all(listing)
        imported += len(listing)
        problems.add(wrong)
        progress(last)
    return Imported(imported=imported, refused=problems.number, problems=tuple(problems.kept))


def try_suppressions(
    text: str | Iterable[str],
    *,
    name: str,
    on_list: OnList,
    most_problems: int | None = None,
    progress: Progress = lambda row: None,
) -> Foreseen:
    """What ``import_suppressions`` would do now; nothing is changed."""
    problems, good, seen, same = _Problems(most_problems), 0, _Seen(), _Seen()
    for _, listing, wrong, last in _suppressions(text, name):
        listed = on_list([one.address for one in listing])
        for one in listing:
            (same if one.address in listed else seen).add(one.address)
        good += len(listing)
        problems.add(wrong)
        progress(last)
    added, stay = seen.different, same.different
    return Foreseen(
        added=added,
        changed=0,
        same=stay,
        repeated=good - added - stay,
        refused=problems.number,
        problems=tuple(problems.kept),
    )


#: (rows' numbers, what they ask for, what is wrong with others, the last row)
_Some = tuple[list[int], list[T], list[RowProblem], int]


def _subscriptions(
    text: str | Iterable[str], name: str, digests: Collection[str], read_profile: ReadProfile
) -> Iterator[_Some[Joining]]:
    chosen: dict[tuple[str | None, ...], Choices] = {}
    rows = read_table(text, name=name, required=COLUMNS[:2], optional=COLUMNS[2:])
    return _read(rows, lambda cells: _joining(cells, digests, chosen, read_profile))


def _suppressions(text: str | Iterable[str], name: str) -> Iterator[_Some[Listing]]:
    rows = read_table(text, name=name, required=SUPPRESSION_COLUMNS[:1], optional=SUPPRESSION_COLUMNS[1:])
    return _read(rows, _listing)


def _read(
    rows: Iterator[tuple[int, Mapping[str, str] | RowProblem]], take: Callable[[Mapping[str, str]], T]
) -> Iterator[_Some[T]]:
    for some in batched(rows, _TOGETHER):
        numbers: list[int] = []
        taken: list[T] = []
        wrong: list[RowProblem] = []
        for number, cells in some:
            if isinstance(cells, RowProblem):
                wrong.append(cells)
                continue
            try:
                taken.append(take(cells))
            except _Wrong as error:
                wrong.append(RowProblem(row=number, column=error.column, what=error.what))
            else:
                numbers.append(number)
        yield numbers, taken, wrong, some[-1][0]


def _refused(
    numbers: Sequence[int], joining: Sequence[Joining], errors: Sequence[DigestError | None]
) -> Iterator[RowProblem]:
    for number, one, error in zip(numbers, joining, errors, strict=True):
        if error is not None:
            column = error.where if error.where in COLUMNS else "address" if error.where == one.address else "profile"
            yield RowProblem(row=number, column=column, what=_sentence(error))


def _joining(
    cells: Mapping[str, str],
    digests: Collection[str],
    chosen: dict[tuple[str | None, ...], Choices],
    read_profile: ReadProfile,
) -> Joining:
    """A row as the subscription it asks for. ``chosen`` remembers what the same cells said in earlier rows."""
    address = _told("address", lambda: normal_address(inert_read(cells["address"])))
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


def _listing(cells: Mapping[str, str]) -> Listing:
    """A row as the entry it asks for."""
    address = _told("address", lambda: normal_address(inert_read(cells["address"])))
    reason = cells.get("reason") or SuppressionReason.OPERATOR.value
    if reason not in REASONS:
        raise _Wrong("reason", f'"{reason}" is none of {", ".join(REASONS)}')
    since = _instant(cells.get("since", ""))
    detail = inert_read(cells.get("detail", ""))
    return Listing(address=address, reason=SuppressionReason(reason), detail=detail, since_at=since)


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
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the latter at the ends of the calendar
        raise _Wrong("since", f'"{cell}" is not an instant such as 2026-05-04T07:30:00Z') from error


def _sentence(error: DigestError) -> str:
    return f"{error.what}; {error.try_}" if error.try_ else error.what
