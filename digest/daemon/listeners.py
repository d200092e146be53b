"""What listens: readers' pages, and what monitoring asks."""

from __future__ import annotations

from collections.abc import Callable

from digest.app import App
from digest.model.errors import DigestError
from digest.web.application import application
from digest.web.figures import Pulse
from digest.web.monitor import Monitor
from digest.web.server import WebServer


def listen(current: Callable[[], App], pulse: Callable[[], Pulse], *, pages: bool) -> dict[str, WebServer]:
    """The servers by name, ``web`` and ``monitor``. Raises DigestError when an address is taken."""
    settings, servers = current().config.web, dict[str, WebServer]()
    try:
        if pages:
            servers["web"] = WebServer(application(current, pulse), settings.bind, option="web.bind")
        if settings.monitor:
            monitor = Monitor(current, pulse)
            servers["monitor"] = WebServer(monitor.application(), settings.monitor, option="web.monitor")
    except DigestError:
        for server in servers.values():
            server.close()
        raise
    return servers


def watch(
    current: Callable[[], App], pulse: Callable[[], Pulse], is_well: Callable[[], bool], bind: str
) -> dict[str, WebServer]:
    """What monitoring asks of one worker, at an address of its own. Raises DigestError when it is taken."""
    return {"monitor": WebServer(Monitor(current, pulse, is_well).application(), bind, option="--monitor")}
