"""What a run of tests makes but once: compiled templates, and the tree of commands. Importing this does it.

A process of ours compiles its templates once, and has one command line. A run of tests is thousands of installations in
one process: each compiled the same texts, and each call built the tree of two hundred options anew. What is
remembered here follows from its key alone and is never changed; what fails is not remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import typer.main

from digest.rendering import library
from digest.rendering.bounded import Bounded

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
