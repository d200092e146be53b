"""Several workers on one machine: as many processes, which start, reload and end together."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence

import structlog

from digest.daemon.signals import listening
from digest.daemon.standing import notify

log = structlog.get_logger("digest")

_LOOK_SECONDS = 1.0


def run_crew(command: Sequence[str], number: int) -> int:
    """Starts a command so many times; gives 0 when it was told to end, 1 when one of them ended by itself.

    Then the others are told to end, too: whoever started us starts us again, all of us. A Ctrl-C that comes
    while they end already ends them at once (``standing``).
    """
    heard = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    with listening(tuple(heard)) as ear, ear:
        ear.settimeout(_LOOK_SECONDS)
        # In a session of their own: a Ctrl-C at the terminal comes to us, and we pass it on once.
        crew = [subprocess.Popen(command, start_new_session=True) for _ in range(number)]  # noqa: S603
        told, asked, code = False, False, 0
        notify("READY=1")
        while any(one.poll() is None for one in crew):
            try:
                numbers = ear.recv(64)
            except TimeoutError:
                numbers = b""
            notify("WATCHDOG=1")
            for number_ in numbers:
                at_once = asked and number_ == signal.SIGINT
                _tell(crew, number_ if at_once or number_ == signal.SIGHUP else signal.SIGTERM)
                asked = asked or number_ != signal.SIGHUP
                told = told or asked
            gone = [one for one in crew if one.poll() is not None]
            if gone and not told:
                told, code = True, 1
                log.error("a worker ended by itself, the others end, too", code=gone[0].returncode)
                _tell(crew, signal.SIGTERM)
        return code or int(any(one.returncode for one in crew))


def _tell(crew: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for one in crew:
        if one.poll() is None:
            one.send_signal(number)
