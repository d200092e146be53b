"""One thing that can be asked: where, with which scopes, how it is checked and answered. The routes, the checks and the
OpenAPI document are all made of these, so none of them can say what another does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from digest.app import App
from digest.web.api.shapes import Answer, Given

At = TypeVar("At", bound=Given)
Body = TypeVar("Body", bound=Given)

_NAMED = re.compile(r"{(\w+)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation(Generic[At, Body]):
    """``run(app, at, body)`` does it; it raises DigestError as the services do."""

    name: str
    """In plain words: "erase subscriber". The log of deeds has it, and with underscores the document."""
    method: str
    path: str
    """Behind /api/v1, with {names} of fields of ``at``."""
    scopes: tuple[str, ...]
    """All are needed."""
    at: type[At]
    """The fields that ``path`` names, and those of the query."""
    body: type[Body] | None = None
    """Of the JSON document; None: there is none."""
    answer: type[Answer]
    run: Callable[[App, At, Body], Answer]
    says: str
    """What it does, for the document."""
    about: Callable[[At, Body, Any], tuple[str, str]] | None = None
    """(at, body, answer) -> (what was changed, in the words of the desk's log: "subscriber 12"; the rest, without an
    address). By the first, the log's filter and a person's own data find it. None where nothing is changed."""
    refuses: tuple[int, ...] = ()
    """Statuses beside those that anything may be answered with."""
    weight: int = 1
    """How many requests it counts for: some are work."""

    @property
    def in_path(self) -> frozenset[str]:
        return frozenset(_NAMED.findall(self.path))

    @property
    def writes(self) -> bool:
        return any(scope.endswith(":write") for scope in self.scopes)

    @property
    def once(self) -> bool:
        """Whether an Idempotency-Key counts."""
        return self.writes and self.method == "POST"

    def match(self, path: str) -> Mapping[str, str] | None:
        """The texts of the fields in a path, if it is this operation's."""
        found = re.fullmatch(_NAMED.sub(r"(?P<\1>[^/]+)", self.path), path)
        return found.groupdict() if found else None


AnyOperation = Operation[Any, Any]
