"""What came of the last try to learn from one's own papers (refit.py): written down, and told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from digest.storage import meta
from digest.storage.base import Tx

_KEY = "refit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refitted:
    """What came of one try."""

    at: datetime
    kept: bool
    why: str


def last(tx: Tx) -> Refitted | None:
    """What came of the last try; None before the first."""
    text = meta.get(tx, _KEY)
    if text is None:
        return None
    said = json.loads(text)
    return Refitted(at=datetime.fromisoformat(said["at"]), kept=said["kept"], why=said["why"])


def put_down(tx: Tx, done: Refitted) -> None:
    meta.put(tx, _KEY, json.dumps({"at": done.at.isoformat(), "kept": done.kept, "why": done.why}))
