"""What every process does that stays: hears signals, tells systemd how it is, and reads its configuration again."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import structlog

from digest.app import App
from digest.daemon.memory import Collector
from digest.daemon.signals import listening
from digest.model.errors import DigestError

log = structlog.get_logger("digest")

#: How often systemd's watchdog is told that we are there.
_SIGN_SECONDS = 20.0
_FAREWELL_SECONDS = 5.0
#: The exit code after a second Ctrl-C, as of a program that SIGINT ended.
ENDED_AT_ONCE = 130


class Heeding:
    """The signals of a process that stays, from before it says READY to its end."""

    def __init__(self, ear: socket.socket) -> None:
        self._ear = ear
        self._rest: threading.Thread | None = None

    def until_stopped(self, reload: Callable[[], object], is_well: Callable[[], bool]) -> None:
        """Says READY, and comes back at SIGTERM or SIGINT, when STOPPING is said.

        At each SIGHUP ``reload`` is called, which must come back at once: meanwhile a stop must still be heard. The
        watchdog is told nothing while ``is_well`` says no.
        """
        self._ear.settimeout(_SIGN_SECONDS)
        notify("READY=1")
        collector = Collector()
        while True:
            heard = _hear(self._ear)
            collector.by_the_minute()
            if is_well():
                notify("WATCHDOG=1")
            if signal.SIGTERM in heard or signal.SIGINT in heard:
                break
            if signal.SIGHUP in heard:
                reload()
        notify("STOPPING=1")
        log.info("stopping")

    def drain(self, left: Callable[[], Mapping[str, object]]) -> None:
        """From here on what is under way is finished, whoever tells us to stop once more.

        SIGHUP does nothing, and another SIGTERM only has told what is ``left``: whoever stops us twice, a service
        manager or a script, would leave mails uncertain. A Ctrl-C ends the process at once: somebody sits there.
        """
        self._ear.settimeout(None)
        self._rest = threading.Thread(target=self._drain, args=(left,), name="signals", daemon=True)
        self._rest.start()

    def _drain(self, left: Callable[[], Mapping[str, object]]) -> None:
        while heard := self._ear.recv(64):
            if signal.SIGINT in heard:
                log.warning("ended at once; a mail whose answer did not come yet is uncertain")
                os._exit(ENDED_AT_ONCE)
            if signal.SIGTERM in heard:
                log.info("stopping already, what is under way is finished", **left())

    def end(self) -> None:
        """The ear hears its end by now. What is asked of a database that is away is not waited for."""
        if self._rest is not None:
            self._rest.join(_FAREWELL_SECONDS)
        self._ear.close()


@contextmanager
def heeding() -> Generator[Heeding]:
    """Hears signals: none ends us by its default, and one that comes before somebody listens is heard then."""
    heard: Heeding | None = None
    try:
        with listening((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)) as ear:
            heard = Heeding(ear)
            yield heard
    finally:
        if heard is not None:
            heard.end()


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
