"""What a run of tests makes but once: compiled templates, the tree of commands, and SQL. Importing this does it.

A process of ours compiles its templates once, has one command line and one database. A run of tests is thousands of
installations in one process: each compiled the same texts and the same statements, and each call built the tree of two
hundred options anew. What is remembered here follows from its key alone and is never changed; what fails is not
remembered.

For the same reason the collector of garbage never looks again at what was there before the first test.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import lru_cache, wraps
from types import SimpleNamespace
from typing import Any

import typer.main
from sqlalchemy import Engine, util

from digest.daemon import jobs
from digest.rendering import library
from digest.rendering.bounded import Bounded
from digest.services.sending import dispatch
from digest.storage import engine as storage

MOST = 1_000


def _by_text(made: Callable[..., Any]) -> Callable[..., Any]:
    """A method of an environment that makes something of a template's text, and of what it knows itself."""
    held: dict[object, Any] = {}

    @wraps(made)
    def by_text(self: Bounded, source: object, *named: object, **options: object) -> Any:
        if not isinstance(source, str):
            return made(self, source, *named, **options)
        known = (type(self), self.autoescape, self.trim_blocks, self.lstrip_blocks, frozenset(self.filters.items()))
        key = (source, named, tuple(sorted(options.items())), known)
        if key not in held:
            if len(held) >= MOST:
                held.clear()
            held[key] = made(self, source, *named, **options)
        return held[key]

    return by_text


Bounded.compile = _by_text(Bounded.compile)
Bounded.parse = _by_text(Bounded.parse)
library.inline_template = lru_cache(maxsize=MOST)(library.inline_template)
typer.main.get_command = lru_cache(maxsize=MOST)(typer.main.get_command)


class _Statements:
    """What an engine keeps its compiled statements in: one store for all databases of a kind and version."""

    def __init__(self) -> None:
        self._held: MutableMapping[object, Any] = util.LRUCache(MOST)

    def get(self, key: tuple[Any, ...]) -> Any:
        return self._held.get(self._of_any(key))

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._held[self._of_any(key)] = compiled

    def _of_any(self, key: tuple[Any, ...]) -> object:
        dialect, *others = key
        return (type(dialect), dialect.server_version_info, *others)


_statements = _Statements()


def _with_one_store(made: Callable[..., Engine]) -> Callable[..., Engine]:
    @wraps(made)
    def create(*arguments: Any, **options: Any) -> Engine:
        engine = made(*arguments, **options)
        engine._compiled_cache = _statements  # type: ignore[assignment]
        return engine

    return create


storage.create_engine = _with_one_store(storage.create_engine)
# A send has the collector overlook what is there and then look at it again: here that is all that thousands of tests
# hold, and conftest.py has put it out of sight for good.
dispatch.gc = SimpleNamespace(freeze=lambda: None, unfreeze=lambda: None)  # type: ignore[assignment]
# And a daemon has it look at everything after each slot and send: here the collector's own turns do.
jobs.gc = SimpleNamespace(collect=lambda: 0)  # type: ignore[assignment]
