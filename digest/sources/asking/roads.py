"""Which way a document comes: by its address' scheme. Takes the roads there are, gives one Fetch. Pure.

http, https, files and paths are the Fetcher's; what only the operator may name (mailboxes, programs) has a road of its
own, and is refused to a source that was added over the web.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.sources.requests import without_password

Road = Callable[[FetchRequest], FetchResponse]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


def by_scheme(fetch: Road, roads: Mapping[str, Road]) -> Road:
    """``fetch``, but for the schemes (in lower case, without the colon) that have a road of their own."""

    def choose(request: FetchRequest) -> FetchResponse:
        named = _SCHEME.match(request.url)
        road = roads.get(named[1].lower()) if named else None
        if named is None or road is None:
            return fetch(request)
        if not request.allow_files:
            raise FetchError(
                f"{named[1].lower()}: addresses are not allowed here",
                where=without_password(request.url),
                try_="mailboxes and programs belong into the operator's configuration",
            )
        try:
            return road(request)
        except FetchError as error:
            error.where = without_password(error.where)
            raise

    return choose
