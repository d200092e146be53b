"""Kinds of sources from other packages: those behind the entry point group ``digest.sources``, beside our own.

Takes our kinds, gives a mapping that has both. A package is imported when its kind is first asked for, so one that is
slow to import costs nobody else. One that cannot be imported, brings something that is no SourceKind, or wants a name
that is taken, is named, and everything else runs: its kind is there, and fails with that sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from digest.model.errors import ConfigError, DigestError, ParseError
from digest.model.feeds import FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind

_T = TypeVar("_T")

GROUP = "digest.sources"
#: As in [[source]] kind.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """A kind that another package brings."""

    name: str
    package: str
    """Its name and version, where they are known."""
    kind: SourceKind
    problem: str = ""
    """Why it cannot be used; empty when it can."""


class Kinds(Mapping[str, SourceKind]):
    """Our kinds and those of other packages, by name. Asked for a name that nobody brings, it gives a kind that fails
    and says so: a source of a package that was taken out is told as broken, and is no end of a round."""

    def __init__(
        self,
        own: Mapping[str, SourceKind],
        find: Callable[[], Iterable[EntryPoint]] = lambda: entry_points(group=GROUP),
    ) -> None:
        self._own = own
        self._find = find
        self._met: dict[str, Foreign] = {}

    def __getitem__(self, name: str) -> SourceKind:
        if name in self._own:
            return self._own[name]
        if name not in self._points:
            return _broken(
                name, f"no installed package brings the kind {name}", "install it again, or remove the source"
            )
        return self._foreign(name).kind

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._points

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in sorted(self._points) if name not in self._own)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def foreign(self) -> tuple[Foreign, ...]:
        """What other packages bring, imported now, with what is wrong with it."""
        return tuple(self._foreign(name) for name in sorted(self._points))

    @cached_property
    def _points(self) -> Mapping[str, Sequence[EntryPoint]]:
        found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
        for point in self._find():
            # An environment may see one installation twice.
            found.setdefault(point.name, {})[_package(point), point.value] = point
        return {name: tuple(points.values()) for name, points in found.items()}

    def _foreign(self, name: str) -> Foreign:
        if name not in self._met:
            self._met[name] = self._load(name, self._points[name])
        return self._met[name]

    def _load(self, name: str, points: Sequence[EntryPoint]) -> Foreign:
        package = " and ".join(sorted(_package(point) for point in points))
        try:
            if name in self._own:
                raise _Refused("the name is one of our own kinds, which no package can take over")
            if not _NAME.fullmatch(name):
                raise _Refused("a kind's name is lower-case letters, digits, - and _, a letter first")
            if len(points) > 1:
                raise _Refused("several packages bring a kind of this name, so it is nobody's")
            kind = _loaded(points[0])
        except _Refused as refused:
            problem = str(refused)
            broken = _broken(name, f"the kind of {package} cannot be used: {problem}", "tell its authors, or remove it")
            return Foreign(name=name, package=package, kind=broken, problem=problem)
        return Foreign(name=name, package=package, kind=_guarded(kind, package))


class _Refused(Exception):
    """What is behind an entry point cannot be used; the text says why."""


class _AnyOption(Mapping[str, str]):
    """Every option is known to a kind that cannot be asked which it knows."""

    def __getitem__(self, name: str) -> str:
        return "whatever it means"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _package(point: EntryPoint) -> str:
    dist = point.dist
    return f"{dist.name} {dist.version}" if dist is not None else point.value


def _loaded(point: EntryPoint) -> SourceKind:
    try:
        loaded: object = point.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does when it is imported
        raise _Refused(f"importing {point.value} fails ({type(error).__name__}: {_short(error)})") from error
    if not isinstance(loaded, SourceKind):
        raise _Refused(f"{point.value} is not a SourceKind, but of type {type(loaded).__name__}")
    if loaded.name != point.name:
        raise _Refused(f"its entry point is called {point.name}, but the kind calls itself {loaded.name}")
    return loaded


def _broken(name: str, what: str, try_: str) -> SourceKind:
    def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
        raise ConfigError(what, where=f"kind {name}", try_=try_)

    def parse(source: Source, response: FetchResponse) -> ParsedFeed:
        raise ConfigError(what, where=f"kind {name}", try_=try_)

    return SourceKind(
        name=name,
        about=what,
        plan=plan,
        parse=parse,
        follow=lambda request, parsed: None,
        wants=lambda source: "",
        options=_AnyOption(),
    )


def _guarded(kind: SourceKind, package: str) -> SourceKind:
    """The same kind; what it raises that is no error of ours becomes a sentence with the package's name."""

    @contextmanager
    def told(step: str) -> Generator[None]:
        try:
            yield
        except DigestError:
            raise
        except Exception as error:
            raise ParseError(
                f"the kind {kind.name} of {package} failed in {step} ({type(error).__name__}: {_short(error)})",
                where=f"kind {kind.name}",
                try_="tell the authors of the package",
            ) from error

    def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
        with told("plan"):
            return tuple(_of(FetchRequest, one) for one in kind.plan(source, now, since))

    def parse(source: Source, response: FetchResponse) -> ParsedFeed:
        with told("parse"):
            return _of(ParsedFeed, kind.parse(source, response))

    def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
        with told("follow"):
            following = kind.follow(request, parsed)
            return None if following is None else _of(FetchRequest, following)

    def wants(source: Source) -> str:
        with told("wants"):
            return _of(str, kind.wants(source))

    return replace(kind, plan=plan, parse=parse, follow=follow, wants=wants)


def _of(wanted: type[_T], given: object) -> _T:
    if not isinstance(given, wanted):
        raise TypeError(f"it gave a {type(given).__name__}, not a {wanted.__name__}")
    return given


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
