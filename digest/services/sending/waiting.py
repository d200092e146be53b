"""What a run has leased and not yet offered: in id order, but for mails that wait for the rate of their domain, and for
those that are bound to one relay.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from math import inf

from digest.model.mail import DeliveryId, Due
from digest.services.sending.outlets import Way, Ways

MOST_ASIDE = 512


class Waiting:
    """Those that may go nowhere else stand at their way (``Way.bound``)."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._line: deque[Due] = deque()
        self._aside: list[tuple[float, int, Due]] = []
        """Those that wait for the rate of their domain: (when, id, due), a heap."""

    def __len__(self) -> int:
        """How many may go by any way."""
        return len(self._line) + len(self._aside)

    @property
    def is_backlog(self) -> bool:
        """Whether some wait for nothing but their turn."""
        return bool(self._line)

    @property
    def ids(self) -> list[DeliveryId]:
        bound = [one.id for way in self._ways.all for one in way.bound]
        return [*(one.id for one in self._line), *(one.id for _, _, one in self._aside), *bound]

    @property
    def wakes_at(self) -> float:
        """When the first of those that wait for a rate may go."""
        return self._aside[0][0] if self._aside else inf

    def add(self, found: Iterable[Due]) -> None:
        self._line.extend(found)

    def put_first(self, due: Due) -> None:
        self._line.appendleft(due)

    def put_aside(self, due: Due, until: float) -> bool:
        """Lets a mail wait; False where so many do that no more should be looked at."""
        heapq.heappush(self._aside, (until, due.id, due))
        return len(self._aside) < MOST_ASIDE

    def next(self, way: Way, now: float) -> Due | None:
        """The mail that this way should take now."""
        if way.bound:
            return way.bound.popleft()
        while way.takes:
            if self._aside and self._aside[0][0] <= now:
                due = heapq.heappop(self._aside)[2]
            elif self._line and len(self._aside) < MOST_ASIDE:
                due = self._line.popleft()
            else:
                return None
            other = self._ways.at(due.relay) if due.relay else None
            if other is None or other is way:
                return due
            other.bound.append(due)  # only where it may have arrived already may it go again
        return None

    def clear(self) -> list[DeliveryId]:
        """Forgets all; gives their ids."""
        ids = self.ids
        self._line.clear()
        self._aside.clear()
        for way in self._ways.all:
            way.bound.clear()
        return ids
