"""How a relay that is new to the world is made known: a plan of so many mails a day, growing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

#: More than anybody sends in a day, and far below what a float of that many days could hold.
_MOST = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmUp:
    """``first`` mails on the day ``since`` (and on all days before it), then ``growth`` times as many each day."""

    first: int
    growth: float
    since: date
    until: int | None = None
    """From the day on that would have so many there is no limit."""

    def allowed(self, day: date) -> int | None:
        """How many mails may go on a day; None: as many as one likes."""
        most = self.until or _MOST
        mails = float(self.first)
        for _ in range((day - self.since).days if self.growth > 1 else 0):
            if mails >= most:
                break
            mails *= self.growth
        return None if mails >= most else int(mails)
