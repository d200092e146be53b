"""What every process does that stays: hears signals, tells systemd how it is, and reads its configuration again."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import structlog

from digest.app import App
from digest.daemon.memory import Collector
from digest.daemon.signals import listening
from digest.model.errors import DigestError

log = structlog.get_logger("digest")

#: How often systemd's watchdog is told that we are there.
_SIGN_SECONDS = 20.0


def until_stopped(reload: Callable[[], object], is_well: Callable[[], bool]) -> None:
    """Says READY, and comes back at SIGTERM or SIGINT, when STOPPING is said. Runs within ``heeding_no_hangup``.

    At each SIGHUP ``reload`` is called, which must come back at once: meanwhile a stop must still be heard. The
    watchdog is told nothing while ``is_well`` says no.
    """
    with listening((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)) as ear, ear:
        ear.settimeout(_SIGN_SECONDS)
        notify("READY=1")
        collector = Collector()
        while True:
            heard = _hear(ear)
            collector.by_the_minute()
            if is_well():
                notify("WATCHDOG=1")
            if signal.SIGTERM in heard or signal.SIGINT in heard:
                break
            if signal.SIGHUP in heard:
                reload()
        notify("STOPPING=1")
        log.info("stopping")


@contextmanager
def heeding_no_hangup() -> Generator[None]:
    """SIGHUP does nothing where nobody listens: by its default it would end us amidst what is being sent."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def swapped(rebuild: Callable[[], App], put: Callable[[App], App]) -> None:
    """Builds the App anew; ``put`` puts it in force and gives the old one, which is closed.

    A configuration that is wrong is told, and the old one stays in force.
    """
    notify("RELOADING=1")
    try:
        fresh = rebuild().ready()
    except DigestError as error:
        log.error("not reloaded, the old configuration stays", problem=str(error))
    except Exception:
        log.exception("not reloaded, the old configuration stays", problem="a fault of ours")
    else:
        put(fresh).close()
        log.info("reloaded")
    notify("READY=1")


def notify(state: str) -> None:
    """sd_notify(3): tells systemd how we are, where it listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            log.warning("systemd cannot be told", state=state)


def _hear(ear: socket.socket) -> bytes:
    """The signals that came; empty after a while without."""
    try:
        return ear.recv(64)
    except TimeoutError:
        return b""
