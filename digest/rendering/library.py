"""The template folders. Takes folders in order of preference, gives compiled templates; mails come with their CSS
inlined.

A file in an earlier folder hides the one of the same name in a later, so an operator overrides one part and keeps the
rest. Changed files are seen at the next rendering (the preview reloads while templates are edited).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, cast

import jinja2

from digest.model.errors import TemplateError
from digest.rendering.inline import expand, inline_template
from digest.rendering.text import shorten, soft, width, wrap


def default_template_folder() -> Path:
    """The folder that the project ships: ``digest/_templates`` in a wheel, ``templates`` beside ``digest`` in a
    checkout.
    """
    package = Path(__file__).resolve().parents[1]
    packed = package / "_templates"
    return packed if packed.is_dir() else package.parent / "templates"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Resolved:
    template: jinja2.Template
    current: tuple[Callable[[], bool], ...]
    """Functions of the loader: is the file still the one that was read?"""


class Library:
    """Templates by name, each read, inlined and compiled once until one of its files changes."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._env = jinja2.Environment(
            loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
            autoescape=_escaped,  # noqa: S701 - everything but the text parts
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=400,
        )
        filters: dict[str, Any] = cast(Any, self._env).filters
        filters.update(_FILTERS)
        # Text parts hold no markup, so nothing in them is escaped; a template made from a string has no name to tell.
        self._plain = self._env.overlay(autoescape=False)
        self._held: dict[str, _Resolved] = {}
        self._lock = Lock()

    def mail(self, name: str, context: Mapping[str, object]) -> str:
        """One part of a mail, includes and styles resolved once: ``name.html.j2`` or ``name.txt.j2``."""
        try:
            return self._resolved(name).render(context)
        except Exception as error:
            # Lines moved while inlining; the template as written shows the true place.
            self.page(name, context)
            raise _told(error, name) from error

    def page(self, name: str, context: Mapping[str, object]) -> str:
        """A template as it is written: a page."""
        try:
            return self._env.get_template(name).render(context)
        except Exception as error:
            raise _told(error, name) from error

    def _resolved(self, name: str) -> jinja2.Template:
        with self._lock:
            held = self._held.get(name)
            if held is not None and all(current() for current in held.current):
                return held.template
            current: list[Callable[[], bool]] = []

            def source_of(part: str) -> str:
                assert self._env.loader is not None
                source, _, uptodate = self._env.loader.get_source(self._env, part)
                self._env.parse(source, part)
                if uptodate is not None:
                    current.append(uptodate)
                return source

            source = expand(name, source_of)
            if name.endswith(".html.j2"):
                template = self._env.from_string(inline_template(source))
            else:
                template = self._plain.from_string(source)
            self._held[name] = _Resolved(template=template, current=tuple(current))
            return template


def _escaped(name: str | None) -> bool:
    return not (name or "").endswith(".txt.j2")


def _soft(text: str) -> str:
    return soft(str(text))


def _nobreak(text: str) -> str:
    return str(text).replace(" ", "\u00a0")


def _underline(text: str, letter: str = "=") -> str:
    return letter * min(72, max(3, width(text)))


_FILTERS = {
    "soft": _soft,
    "wrap": wrap,
    "width": width,
    "shorten": shorten,
    "underline": _underline,
    "nobreak": _nobreak,
}


def _told(error: Exception, name: str) -> TemplateError:
    """The error with the file, the line's number and the line itself."""
    if isinstance(error, TemplateError):
        return error
    file, line = name, 0
    if isinstance(error, jinja2.TemplateNotFound):
        return TemplateError(
            f"template {error.name or name} is missing", where=name, try_="put it into the template folder"
        )
    if isinstance(error, jinja2.TemplateSyntaxError):
        file, line = error.filename or error.name or name, error.lineno
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.endswith(".j2"):
                file, line = frame.filename, frame.lineno or 0
    path = Path(file)
    lines = path.read_text("utf-8", "replace").splitlines() if line and path.is_file() else []
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    what = str(error) or type(error).__name__
    return TemplateError(
        f"{what} – in: {shown}" if shown else what,
        where=f"{file}:{line}" if line else file,
        try_="docs/templates.md lists every field a template may use",
    )
