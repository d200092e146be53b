"""Who runs the installation, and what they did."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """Somebody who may log in at the desk. Without a ``password_hash`` only by a link that `digest desk link` makes."""

    name: str
    password_hash: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """One thing that was done on purpose, and by whom.

    ``deed`` is a verb and its object ("pause source"). ``about`` names what it was done to without naming a person
    ("subscriber 12", "source hf", "digest daily"): it must outlive whoever is erased.
    """

    at: datetime
    who: str
    deed: str
    about: str = ""
    detail: str = ""
    id: int = 0
