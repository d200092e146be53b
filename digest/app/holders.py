"""Who holds a lease on this machine, and whether that process is still there."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Sequence

#: When this process began to make lease holders; an older one of its number was another process.
_STARTED = time.time_ns()
_MOST_NAME = 30


def new_holder() -> str:
    """A name for a run of this process: ``host:pid:start``."""
    return f"{_host()}:{os.getpid()}:{time.time_ns()}"


def dead_holders(holders: Sequence[str]) -> list[str]:
    """Lease holders ("host:pid:start:run") that were processes of this machine and are gone."""
    host = _host()
    return [holder for holder in holders if holder.startswith(f"{host}:") and _is_dead(*holder.split(":")[1:3])]


def _host() -> str:
    """This machine's name. Of a long one, as a container's, the end tells it from its brothers."""
    name = socket.gethostname()
    return name if len(name) <= _MOST_NAME else f"{name[:20]}-{hashlib.sha256(name.encode()).hexdigest()[:9]}"


def _is_dead(pid: str, start: str) -> bool:
    if pid == str(os.getpid()):
        # In a container every process may have this number.
        return start.isdecimal() and int(start) < _STARTED
    return not _alive(pid)


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
