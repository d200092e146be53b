"""Work that asks the network: one piece at a time for each session, in a thread of its own.

No page waits for it longer than a moment; what came of it is kept for a while, for the page that is loaded next.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from digest.model.errors import DigestError
from digest.web.desk.door import Visit

#: How long a page waits, and how long what came is kept.
_MOMENT_SECONDS = 20.0
_KEPT = timedelta(minutes=30)
_MOST_AT_ONCE = 4

log = structlog.get_logger("digest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Errand:
    """``what`` and ``about`` are the asker's own words. ``result`` is an object, or the DigestError that says why not;
    None while it goes on."""

    what: str
    about: str
    began_at: datetime
    future: Future[object] = field(repr=False)

    @property
    def is_running(self) -> bool:
        return not self.future.done()

    @property
    def result(self) -> object:
        return self.future.result() if self.future.done() else None


class Errands:
    """By session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, Errand] = {}

    async def run(self, visit: Visit, what: str, about: str, work: Callable[[], object]) -> Errand | None:
        """Begins it and waits for a moment; None where this session, or too many together, have one that goes on."""
        errand = self._begun(visit, what, about, work)
        if errand is not None:
            await asyncio.wait([asyncio.wrap_future(errand.future)], timeout=_MOMENT_SECONDS)
        return errand

    def last(self, visit: Visit, what: str, about: str = "") -> Errand | None:
        """The session's own, if it was its last and such a one."""
        found = self._last.get(visit.session.csrf)
        if found is None or found.what != what or (about and found.about != about):
            return None
        return found if visit.app.clock() - found.began_at <= _KEPT else None

    def _begun(self, visit: Visit, what: str, about: str, work: Callable[[], object]) -> Errand | None:
        now, key = visit.app.clock(), visit.session.csrf
        with self._lock:
            kept = {one: last for one, last in self._last.items() if last.is_running or now - last.began_at <= _KEPT}
            running = sum(last.is_running for last in kept.values())
            if running >= _MOST_AT_ONCE or (key in kept and kept[key].is_running):
                return None
            future: Future[object] = Future()
            errand = Errand(what=what, about=about, began_at=now, future=future)
            self._last = {**kept, key: errand}
        # A daemon's thread: the end of the process waits for no server far away.
        threading.Thread(target=_do, args=(future, what, work), name="errand", daemon=True).start()
        return errand


def _do(future: Future[object], what: str, work: Callable[[], object]) -> None:
    try:
        future.set_result(work())
    except DigestError as error:
        future.set_result(error)
    except Exception as error:  # a fault of ours must not stand in the session's way from now on
        log.exception("an errand of the desk stopped", errand=what)
        said = f"it failed unexpectedly ({type(error).__name__}: {error})"
        future.set_result(DigestError(said, try_="please report this; the log says more"))
