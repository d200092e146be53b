"""Turns: how many documents are parsed at once, and none while much that was parsed waits to be written.

Whoever asks the network has no turn, so a slow host holds up nobody; whoever writes needs none, so what waits is always
written, and the wait for a turn ends.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager


class Turns:
    """``at_once`` documents are parsed while no more than ``unwritten`` entries wait to be written."""

    def __init__(self, *, at_once: int, unwritten: int, crowd: int) -> None:
        """From the moment that documents of ``crowd`` bytes in all wait for their turn, there is a crowd."""
        self._at_once, self._most_unwritten, self._crowd = at_once, unwritten, crowd
        self._parsing = self._unwritten = self._waiting = 0
        self._is_crowded = self._is_over = False
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, size: int) -> Generator[bool]:
        """The turn of a document of so many bytes; gives whether there has been a crowd."""
        with self._changed:
            self._waiting += size
            self._is_crowded = self._is_crowded or self._waiting >= self._crowd
            self._changed.wait_for(self._may_parse)
            self._waiting -= size
            self._parsing += 1
        try:
            yield self._is_crowded
        finally:
            with self._changed:
                self._parsing -= 1
                self._changed.notify()

    def read(self, entries: int) -> None:
        """So many more wait to be written."""
        with self._changed:
            self._unwritten += entries

    def written(self, entries: int) -> None:
        """So many were written."""
        with self._changed:
            self._unwritten -= entries
            self._changed.notify(self._at_once)

    def end(self) -> None:
        """Nothing is written any more: nobody waits for it."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _may_parse(self) -> bool:
        return self._is_over or (self._parsing < self._at_once and self._unwritten <= self._most_unwritten)
