"""The template folders. Takes folders in order of preference, gives compiled templates; mails come with their CSS
inlined.

A file in an earlier folder hides the one of the same name in a later, so an operator overrides one part and keeps the
rest; a wrong one is an error and never replaced by ours. Changed and added files are seen at the next rendering (the
preview reloads while templates are edited).
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, cast

import jinja2
from markupsafe import Markup, escape

from digest.model.errors import DigestError, TemplateError
from digest.rendering.bounded import Bounded, rendered
from digest.rendering.inline import LostMark, Source, check, engine_for, expand, inline_template
from digest.rendering.language import ENGLISH, Language
from digest.rendering.quick import Quick
from digest.rendering.text import direction, shorten, soft, width, wrap
from digest.rendering.view import PageView


def default_template_folder() -> Path:
    """The folder that the project ships: ``digest/_templates`` in a wheel, ``templates`` beside ``digest`` in a
    checkout.
    """
    package = Path(__file__).resolve().parents[1]
    packed = package / "_templates"
    return packed if packed.is_dir() else package.parent / "templates"


class _Folders(jinja2.FileSystemLoader):
    """Jinja's loader, which also sees that a file was added to a folder before the one it had read from."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        stamps = self.stamps(template)  # before reading: a change while we read is seen at the next rendering
        text, file, _ = super().get_source(environment, template)
        return text, file, lambda: _unchanged(stamps)

    def stamps(self, template: str) -> dict[Path, int]:
        """The file and the folders in which another would hide it, each with its time of change."""
        stamps: dict[Path, int] = {}
        for folder in self.searchpath:
            path = Path(folder, template)
            at = _changed_at(path)
            if at >= 0:
                stamps[path] = at
                break
            stamps[path.parent] = _changed_at(path.parent)
        return stamps


def _changed_at(path: Path) -> int:
    """The time of change in nanoseconds; -1 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1


def _unchanged(stamps: Mapping[Path, int]) -> bool:
    return all(_changed_at(path) == at for path, at in stamps.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Resolved:
    quick: jinja2.Template
    exact: Callable[[], jinja2.Template]
    """Made when a field is no attribute."""
    stamps: Mapping[Path, int]
    """Of everything it was made from."""


class Library:
    """Templates by name, each read, inlined and compiled once until one of its files changes.

    ``inliner`` is one of inline.ENGINES; ConfigError for another or one that is not installed.
    """

    def __init__(self, folders: Sequence[Path], inliner: str = "premailer") -> None:
        engine_for(inliner)
        self._inliner = inliner
        self._loader = _Folders([str(folder) for folder in folders])
        self._env = self._environment(Bounded)
        self._quick = self._environment(Quick)
        self._held: dict[str, _Resolved] = {}
        self._lock = Lock()

    def _environment(self, kind: type[Bounded]) -> Bounded:
        environment = kind(
            loader=self._loader,
            autoescape=_escaped,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=400,
        )
        filters: dict[str, Any] = cast(Any, environment).filters
        filters.update(_FILTERS)
        return environment

    def mail(self, name: str, context: Mapping[str, object], language: Language) -> str:
        """One part of a mail, includes and styles resolved once: ``name.html.j2`` or ``name.txt.j2``. Its ``_`` and
        ``count`` speak ``language``. TemplateError with file, line and the line itself.
        """
        given = {**context, **_words(language, _escaped(name))}
        try:
            held = self._resolved(name)
            try:
                return rendered(held.quick, given)
            except AttributeError:
                return rendered(held.exact(), given)
        except DigestError:
            raise
        except Exception as error:
            # Lines moved while inlining; the template as written shows the true place.
            self.page(name, context, language)
            raise _told(error, name) from error

    def page(self, name: str, context: Mapping[str, object], language: Language = ENGLISH) -> str:
        """A template as it is written: a page. TemplateError with file, line and the line itself."""
        try:
            return rendered(self._env.get_template(name), {**context, **_words(language, _escaped(name))})
        except Exception as error:
            raise _told(error, name) from error

    def problems(self) -> tuple[TemplateError, ...]:
        """What is wrong with mails and pages, as far as reading, inlining and compiling them tells; each once."""
        found: dict[str, TemplateError] = {}
        for name in self._env.list_templates(extensions=("j2",)):
            if name.startswith("parts/"):
                continue  # they are looked at with what includes them
            try:
                if name.startswith("pages/"):
                    self._env.get_template(name)
                else:
                    self._resolved(name)
            except Exception as error:
                told = error if isinstance(error, TemplateError) else _told(error, name)
                found.setdefault(f"{told.where} {told.what}", told)
        return tuple(found.values())

    def _resolved(self, name: str) -> _Resolved:
        with self._lock:
            held = self._held.get(name)
            if held is not None and _unchanged(held.stamps):
                return held
            sources: dict[str, Source] = {}
            stamps: dict[Path, int] = {}

            def source_of(part: str) -> Source:
                stamps.update(self._loader.stamps(part))
                text, file, _ = self._loader.get_source(self._env, part)
                self._env.parse(text, part, file)
                sources[part] = source = Source(text=text, file=file)
                if name.endswith(".html.j2"):
                    check(source)
                return source

            source = self._inlined(name, expand(name, source_of), sources)
            held = _Resolved(
                quick=_compiled(self._quick, source, name),
                exact=lru_cache(maxsize=1)(lambda: _compiled(self._env, source, name)),
                stamps=stamps,
            )
            self._held[name] = held
            return held

    def _inlined(self, name: str, source: str, sources: Mapping[str, Source]) -> str:
        if not name.endswith(".html.j2"):
            return source
        if "<" not in source:
            raise TemplateError("the template holds no element", where=name, try_="copy ours and change it")
        try:
            return inline_template(source, self._inliner)
        except LostMark as lost:
            statement = str(lost)
            file, line = name, 0
            for one in sources.values():
                if statement in one.text:
                    file, line = one.file, one.text[: one.text.index(statement)].count("\n") + 1
                    break
            raise TemplateError(
                f"a statement stands where inlining the styles would lose or move it – in: {statement}",
                where=f"{file}:{line}" if line else file,
                try_="let it stand between whole elements, and none in css/mail.css",
            ) from lost


def _compiled(environment: jinja2.Environment, source: str, name: str) -> jinja2.Template:
    """A template that was not read from one file. Without a file's name, with the escaping that its name asks for."""
    code = environment.compile(source, name)
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _escaped(name: str | None) -> bool:
    return not (name or "").endswith(".txt.j2")


@lru_cache(maxsize=64)
def _words(language: Language, escaped: bool) -> dict[str, Callable[..., str]]:
    """What a template calls to speak ``language``: ``_("… %(x)s …", x=value)`` and ``count("%(n)s paper", "%(n)s
    papers", number)``. In HTML the values are escaped; the message is ours and is not.
    """
    translations = language.translations

    def filled(said: str, values: Mapping[str, object]) -> str:
        try:
            return Markup(said % {name: escape(value) for name, value in values.items()}) if escaped else said % values  # noqa: S704 - ours
        except KeyError as missing:
            raise jinja2.TemplateRuntimeError(
                f"%({missing.args[0]})s is in the text {said!r}, but no such value is given"
            ) from None

    def say(message: str, /, **values: object) -> str:
        said = translations.gettext(message)
        if values or "%(" in said:
            return filled(said, values)
        return Markup(said) if escaped else said  # noqa: S704 - ours

    def count(one: str, many: str, number: int, /, **values: object) -> str:
        said = translations.ngettext(one, many, number)
        return filled(said, {"n": language.number(number), **values})

    return {"_": say, "count": count}


# Editions of one day share their papers, and every reader's mail has two parts: most texts come again.
_soft_cached = lru_cache(maxsize=4096)(soft)
_wrap_cached = lru_cache(maxsize=4096)(wrap)


def _soft(text: str) -> str:
    # A message of `_` is markup; what may be long in it are its values, which are softened before.
    return text if isinstance(text, Markup) else _soft_cached(str(text))


def _wrap(text: str, indent: str = "", columns: int = 72) -> str:
    return _wrap_cached(str(text), indent, columns)


def _hang(text: str, first: str) -> str:
    """``text`` wrapped behind ``first``, its further lines indented as far."""
    indent = " " * width(first)
    return first + _wrap_cached(str(text), indent, 72)[len(indent) :]


def _speech(language: str, direction: str, page: PageView) -> Markup:
    """``lang`` and ``dir`` of a text, as far as they are not those of the mail around it."""
    return _attributes(language if language != page.language else "", direction if direction != page.direction else "")


@lru_cache(maxsize=256)
def _attributes(language: str, direction: str) -> Markup:
    said = (f'{name}="{escape(value)}"' for name, value in (("lang", language), ("dir", direction)) if value)
    return Markup(" ".join(said))  # noqa: S704 - escaped above


def _nobreak(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _underline(text: str, letter: str = "=") -> str:
    return letter * min(72, max(3, width(text)))


_FILTERS = {
    "soft": _soft,
    "wrap": _wrap,
    "hang": _hang,
    "width": width,
    "shorten": shorten,
    "underline": _underline,
    "nobreak": _nobreak,
    "direction": direction,
    "speech": _speech,
}


#: How Jinja says that a view has no such field.
_LACKS = re.compile(r"'?(?:[\w.]*\.)?(\w+) object'? has no attribute '(\w+)'")


def _told(error: Exception, name: str) -> TemplateError:
    """The error with the file, the line's number and the line itself."""
    if isinstance(error, TemplateError):
        return error
    file, line = name, 0
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.endswith(".j2"):
            file, line = frame.filename, frame.lineno or 0
    if isinstance(error, jinja2.TemplateSyntaxError):
        file, line = error.filename or error.name or name, error.lineno
    path = Path(file)
    lines = path.read_text("utf-8", "replace").splitlines() if line and path.is_file() else []
    shown = lines[line - 1].strip()[:300] if 0 < line <= len(lines) else ""
    what, try_ = _said(error), "docs/templates.md lists every field a template may use"
    if isinstance(error, jinja2.TemplateNotFound):
        what, try_ = f"template {error.name or name} is missing", "put it into the template folder"
    return TemplateError(
        f"{what} – in: {shown}" if shown else what, where=f"{file}:{line}" if line else file, try_=try_
    )


def _said(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8; save it so"
    if isinstance(error, jinja2.UndefinedError) and (lacks := _LACKS.fullmatch(str(error))):
        return f"{lacks[1]} has no field {lacks[2]!r}"
    if isinstance(error, RecursionError):
        return "templates, macros or loops call themselves without end"
    if isinstance(error, jinja2.TemplateError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
