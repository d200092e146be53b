"""A stored profile back as the dataclass it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from digest.model.people import Mutes, Profile, Weights


def profile_from(values: Mapping[str, Any]) -> Profile:
    """The inverse of ``dataclasses.asdict`` after a trip through JSON."""
    plain: dict[str, Any] = {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in values.items()
    }
    plain["categories"] = tuple((str(name), float(weight)) for name, weight in values["categories"])
    plain["seats"] = tuple((str(name), int(least), most) for name, least, most in values.get("seats", ()))
    plain["mute"] = Mutes(**{name: tuple(value) for name, value in values["mute"].items()})
    plain["weights"] = Weights(**values["weights"]) if values["weights"] is not None else None
    return Profile(**plain)
