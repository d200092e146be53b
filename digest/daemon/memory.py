"""What a process that stays for months does so that its memory stays as it is."""

from __future__ import annotations

import ctypes
import gc
import time

#: How often at least all that points at itself is looked for.
_COLLECT_SECONDS = 60.0
#: mallopt(3) of glibc: the numbers of its options, and what we want of them.
_ARENA_MAX, _ARENAS = -8, 2
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_LARGE = 128 * 1024


def settle() -> None:
    """Has what is freed given back. Elsewhere than with glibc nothing is done, for nothing is known.

    glibc takes ever larger blocks from a heap that it shrinks only from its end, as soon as one of them was freed, and
    opens a heap for each of a few threads; a day's ranking then leaves holes that the next day's does not fit into.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_ARENA_MAX, _ARENAS), (_TRIM_THRESHOLD, _LARGE), (_MMAP_THRESHOLD, _LARGE)):
            mallopt(option, value)


class Collector:
    """Looks for what points at itself by the minute.

    Left alone, Python does so when a quarter more has been made than lives, and what a send put out of its sight
    meanwhile (services/sending/dispatch.py) is not counted for that: a daemon grew by a megabyte a day.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()

    def by_the_minute(self) -> None:
        if time.monotonic() - self._last >= _COLLECT_SECONDS:
            gc.collect()
            self._last = time.monotonic()
