"""The JSON API at /api/v1, for programs that have a token: a module a subject with its operations, and the door that
all requests go through. It is there only where `[web] api` says so."""

from __future__ import annotations

import re

from starlette.routing import Route

from digest.web.api import deliveries, digests, entries, subscribers, suppressions
from digest.web.api.door import Door
from digest.web.pages import Site

OPERATIONS = tuple(one for room in (subscribers, digests, entries, deliveries, suppressions) for one in room.OPERATIONS)


def routes(site: Site) -> list[Route]:
    below = Route("/api/v1/{rest:path}", Door(site, OPERATIONS))
    # A path with a line break (%0A) is ours to refuse, too.
    below.path_regex = re.compile(r"/api/v1/(?P<rest>[\s\S]*)\Z")
    return [below]
