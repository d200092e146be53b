"""Bringing a table of subscribers or suppressions: upload, dry run, and only then the import itself.

A table of a million rows takes minutes, so both run in a thread beside the pages; the page that shows them loads itself
anew. `digest subscribers import` and `digest suppressions import` call the same services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.model.errors import InputError
from digest.services.readers.people_csv import (
    COLUMNS,
    SUPPRESSION_COLUMNS,
    import_subscriptions,
    import_suppressions,
    try_subscriptions,
    try_suppressions,
)
from digest.services.readers.table import Imported, read_lines
from digest.web.desk.door import Desk, Visit
from digest.web.desk.uploads import MOST_BYTES, Stage, Upload, Uploads, read_upload

_MOST_PROBLEMS = 100
#: Seconds after which the page of a running import loads itself anew. By a header, for no page needs a script for it.
_ANEW = "3"
_COLUMNS = {"subscribers": COLUMNS, "suppressions": SUPPRESSION_COLUMNS}


def routes(desk: Desk) -> list[Route]:
    uploads = Uploads()
    found: list[Route] = []
    for what in _COLUMNS:
        room = _Importing(what, uploads, desk.changed)
        base = f"/desk/{what}/import"
        found += [
            desk.get(base, room.ask),
            desk.post(base, room.upload, read=read_upload),
            desk.get(f"{base}/{{token}}", room.show),
            desk.post(f"{base}/{{token}}", room.take),
            desk.post(f"{base}/{{token}}/drop", room.drop),
        ]
    return found


@dataclass(frozen=True, slots=True)
class _Importing:
    what: str
    uploads: Uploads
    changed: Callable[[], None]

    async def ask(self, visit: Visit) -> Response:
        context = {"what": self.what, "columns": _COLUMNS[self.what], "megabytes": MOST_BYTES >> 20}
        return await visit.page("import", context)

    async def upload(self, visit: Visit) -> Response:
        one = self.uploads.add(visit.request, owner=visit.session.csrf, what=self.what, now=visit.app.clock())
        self.uploads.start(one, Stage.TRYING, lambda one: _try(visit, one))
        return visit.back(self._path(one))

    async def show(self, visit: Visit) -> Response:
        one = replace(self._mine(visit))  # as it is now: the thread goes on while the page is made
        response = await visit.page("imported", {"what": self.what, "upload": one, "stage": one.stage.value})
        if one.is_running:
            response.headers["refresh"] = _ANEW
        return response

    async def take(self, visit: Visit) -> Response:
        one = self._mine(visit)
        self.uploads.start(one, Stage.TAKING, lambda one: self._take(visit, one))
        return visit.back(self._path(one))

    async def drop(self, visit: Visit) -> Response:
        one = self._mine(visit)
        await run_in_threadpool(self.uploads.drop, one)
        return visit.back(f"/desk/{self.what}", "The table was dropped.")

    def _mine(self, visit: Visit) -> Upload:
        token = visit.path["token"]
        return self.uploads.get(token, owner=visit.session.csrf, what=self.what, now=visit.app.clock())

    def _take(self, visit: Visit, one: Upload) -> None:
        try:
            _take(visit, one)
        finally:
            self.changed()

    def _path(self, one: Upload) -> str:
        return f"/desk/{self.what}/import/{one.token}"


def _try(visit: Visit, one: Upload) -> None:
    lines = read_lines(one.file, one.name)
    if one.what == "suppressions":
        one.foreseen = try_suppressions(
            lines,
            name=one.name,
            on_list=lambda some: visit.app.subscribe.on_list(some),
            most_problems=_MOST_PROBLEMS,
            progress=one.reached,
        )
        return
    one.foreseen = try_subscriptions(
        lines,
        name=one.name,
        digests=_digests(visit.app),
        foresee=lambda some: visit.app.subscribe.foresee(some),
        read_profile=_no_file,
        most_problems=_MOST_PROBLEMS,
        progress=one.reached,
    )


def _take(visit: Visit, one: Upload) -> None:
    """What stops in the middle may be started again: rows that were taken stay as they are."""
    visit.app.operators.note(visit.who, f"begin import {one.what}", one.what, f"{one.size:,} bytes")
    one.imported = done = _imported(visit, one)
    detail = f"{done.imported:,} rows taken, {done.refused:,} refused"
    visit.app.operators.note(visit.who, f"import {one.what}", one.what, detail)


def _imported(visit: Visit, one: Upload) -> Imported:
    lines = read_lines(one.file, one.name)
    if one.what == "suppressions":
        return import_suppressions(
            lines,
            name=one.name,
            suppress_all=lambda some: visit.app.subscribe.suppress_all(some),
            most_problems=_MOST_PROBLEMS,
            progress=one.reached,
        )
    return import_subscriptions(
        lines,
        name=one.name,
        digests=_digests(visit.app),
        add_all=lambda some: visit.app.subscribe.add_all(some),
        read_profile=_no_file,
        most_problems=_MOST_PROBLEMS,
        progress=one.reached,
    )


def _digests(app: App) -> list[str]:
    return [one.name for one in app.config.digests]


def _no_file(name: str) -> Mapping[str, object]:
    """On the command line a profile may be a file beside the table; a browser sends the table alone."""
    raise InputError("is no profile", where=name[:100], try_="write it as JSON, in braces")
