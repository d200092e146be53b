"""A record as plain JSON values: what the doors print for ``--json``. Instants are ISO 8601 in UTC, with a Z."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, cast


def as_json(value: object) -> Any:
    """Dataclasses become objects, tuples and sets arrays, enums their values."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return {str(as_json(name)): as_json(one) for name, one in pairs}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {one.name: as_json(getattr(value, one.name)) for one in fields(value)}
        case frozenset() | set():
            return sorted(as_json(one) for one in cast("Iterable[object]", value))
        case tuple() | list():
            return [as_json(one) for one in cast("Iterable[object]", value)]
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")
