"""What is dear to count is kept for a while: whoever looks within that time sees it as it was, and is told since when.

What is a little too old is still shown, and made anew behind the answer, so that nobody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from digest.app import App

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held(Generic[T]):
    app: App
    at: datetime
    since: object
    value: T


class Fresh(Generic[T]):
    """One value, made by ``make`` from the App in force. A reload of the configuration forgets it."""

    def __init__(self, make: Callable[[App], T], *, new_for: timedelta, shown_for: timedelta) -> None:
        self._make = make
        self._new_for = new_for
        self._shown_for = shown_for
        self._making = threading.Lock()
        self._held: _Held[T] | None = None
        self._since = object()
        """Another one after each deed: what was begun before is not kept after it."""

    async def get(self, app: App) -> tuple[T, BackgroundTask | None]:
        """(the value, what to do behind the answer, if anything)."""
        found = self._within(app, self._shown_for)
        if found is None:
            found = await run_in_threadpool(self._renewed, app, self._shown_for)
        return found.value, self._after(app)

    def peek(self, app: App) -> tuple[T | None, BackgroundTask | None]:
        """(the value if it is there, what to do behind the answer): nobody waits for it."""
        found = self._within(app, self._shown_for)
        return (found.value if found else None), self._after(app)

    def forget(self) -> None:
        """After a deed, so that it is seen."""
        self._since = object()

    def _after(self, app: App) -> BackgroundTask | None:
        return None if self._within(app, self._new_for) else BackgroundTask(self._renewed, app, self._new_for)

    def _within(self, app: App, age: timedelta) -> _Held[T] | None:
        held, now = self._held, app.clock()
        if held is None or held.app is not app or held.since is not self._since:
            return None
        return held if timedelta() <= now - held.at <= age else None

    def _renewed(self, app: App, age: timedelta) -> _Held[T]:
        with self._making:
            held = self._within(app, age)  # another may have made it meanwhile
            if held is None:
                at, since = app.clock(), self._since
                held = self._held = _Held(app=app, at=at, since=since, value=self._make(app))
            return held
