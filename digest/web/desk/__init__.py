"""The operator's desk: the installation at a glance, and what an operator may do, behind a login.

Everything it does is one call of a service that the command line has, too, and stands in the log afterwards.
"""

from __future__ import annotations

from starlette.routing import Route

from digest.web.desk import (
    digests,
    entering,
    importing,
    log,
    machines,
    papers,
    plots,
    sources,
    subscriber,
    subscribers,
    suppressions,
    today,
)
from digest.web.desk.door import Desk
from digest.web.pages import Site

_ROOMS = (
    entering,
    today,
    plots,
    sources,
    digests,
    importing,
    subscribers,
    subscriber,
    papers,
    suppressions,
    machines,
    log,
)


def routes(site: Site) -> list[Route]:
    desk = Desk(site)
    return [route for room in _ROOMS for route in room.routes(desk)]
