"""What every command has in common: the four global options, the configuration and the services, output, exit codes.

``with_door`` makes a command of a function whose first parameter is the Door: it adds --config, --json, --quiet and
--verbose, opens nothing by itself, and turns whatever goes wrong into two lines or JSON and an exit code.
"""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from digest.cli import terminal
from digest.cli.failures import DONE, FAILED, failure
from digest.cli.terminal import Rows
from digest.model.errors import ConfigError, InputError, UsageError

if TYPE_CHECKING:
    from digest.app import App
    from digest.config import Config
    from digest.model.editions import Digest
    from digest.services.ports import Clock

Given = ParamSpec("Given")

CONFIG = typer.Option("--config", help="The configuration file.", metavar="PATH", show_default=False)
JSON = typer.Option("--json", help="Print one JSON document.", show_default=False)
QUIET = typer.Option("--quiet", help="Print nothing but errors.", show_default=False)
VERBOSE = typer.Option("--verbose", help="Tell more.", show_default=False)

#: Options that several commands have.
Named = Annotated[str | None, typer.Option("--digest", help="Which digest, where there are several.", metavar="NAME")]
At = Annotated[
    str, typer.Option(metavar="INSTANT", help="The slot due then; a date is that day's.", show_default=False)
]

_GLOBAL: dict[str, Any] = {
    "config": Annotated[Path | None, CONFIG],
    "json": Annotated[bool, JSON],
    "quiet": Annotated[bool, QUIET],
    "verbose": Annotated[bool, VERBOSE],
}


@dataclass(slots=True)
class Door:
    """One call of one command."""

    command: str
    config_path: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    _config: Config | None = None
    _app: App | None = None
    _closing: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])

    @property
    def config(self) -> Config:
        if self._config is None:
            from digest.config import load

            self._config = load(self.config_path, os.environ)
        return self._config

    @property
    def app(self) -> App:
        """The services, opened at the first use and closed when the command ends."""
        if self._app is None:
            from digest.app import build

            self._app = build(self.config, clock=self.clock)
            self._closing.append(self._app.close)
        return self._app

    @property
    def clock(self) -> Clock:
        """The system's, or standing still at DIGEST_NOW."""
        text = os.environ.get("DIGEST_NOW")
        if not text:
            from digest.app import system_clock

            return system_clock
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise ConfigError(
                f"{text!r} is not an instant", where="DIGEST_NOW", try_="write 2026-05-04T07:30:00Z, or unset it"
            ) from error
        standing = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return lambda: standing

    @property
    def on_terminal(self) -> bool:
        """Whether a person watches the progress."""
        return sys.stderr.isatty() and not (self.quiet or self.json)

    def show(self, document: object, *text: str | Rows) -> None:
        """The command's result: the document with --json, else the text."""
        if self.json:
            from digest.services.plain import as_json

            sys.stdout.write(terminal.as_text(as_json(document)) + "\n")
        elif not self.quiet:
            terminal.put(*text)
        sys.stdout.flush()

    def note(self, *text: str) -> None:
        """Said besides the result, on standard error."""
        if not self.quiet:
            terminal.put(*text, to=sys.stderr)

    def progress(self, text: str) -> None:
        """One line that the next one replaces; only where a person watches."""
        if self.on_terminal:
            sys.stderr.write(f"\r\x1b[K{terminal.in_line(text)}")
            sys.stderr.flush()

    def progress_ends(self) -> None:
        if self.on_terminal:
            sys.stderr.write("\r\x1b[K")

    def fail(self, error: BaseException) -> int:
        """Tells what went wrong; gives the exit code."""
        told = failure(error, f"digest {self.command}".strip())
        if self.json:
            sys.stdout.write(terminal.as_text(told.document()) + "\n")
        else:
            terminal.put(*told.lines(), to=sys.stderr)
        if told.ours and self.verbose:
            terminal.put("".join(traceback.format_exception(error)), to=sys.stderr)
        return told.code

    def close(self) -> None:
        while self._closing:
            self._closing.pop()()


def with_door(function: Callable[Concatenate[Door, Given], int | None]) -> Callable[..., None]:
    """The function as typer takes it: its own options and arguments, then the global ones."""
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    kinds: dict[str, Any] = {"context": typer.Context, **{one.name: one.annotation for one in own}, **_GLOBAL}
    defaults = {"context": inspect.Parameter.empty, **{one.name: one.default for one in own}}
    defaults |= {"config": None, "json": False, "quiet": False, "verbose": False}

    def command(context: typer.Context, /, **given: Any) -> None:
        door = _door(context, given)
        raise typer.Exit(_guarded(door, lambda: function(door, **given)))  # pyright: ignore[reportCallIssue]

    def called(**given: Any) -> None:
        command(given.pop("context"), **given)

    called.__name__, called.__doc__ = function.__name__, function.__doc__
    called.__annotations__ = kinds
    called.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind)
            for name, kind in kinds.items()
        ]
    )
    return called


def remember(context: typer.Context, config: Path | None, json: bool, quiet: bool, verbose: bool) -> None:
    """Keeps the global options that stood before the command's name."""
    context.obj = Door(command="", config_path=config, json=json, quiet=quiet, verbose=verbose)


def _door(context: typer.Context, given: dict[str, Any]) -> Door:
    """Takes the global options out of what was given; those before the command's name count as well."""
    before = context.obj if isinstance(context.obj, Door) else Door(command="")
    return Door(
        command=context.command_path.partition(" ")[2],
        config_path=given.pop("config") or before.config_path,
        json=given.pop("json") or before.json,
        quiet=given.pop("quiet") or before.quiet,
        verbose=given.pop("verbose") or before.verbose,
    )


def _guarded(door: Door, work: Callable[[], int | None]) -> int:
    """Runs a command; nothing but the code comes out of it."""
    try:
        try:
            code = work() or DONE
        finally:
            door.close()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return gone()
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, typer.Exit):
            return int(error.exit_code)
        return door.fail(error)


def gone() -> int:
    """Whoever read our output has left (`| head`): there is nobody to tell, and nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def digest_of(door: Door, name: str | None, address: str) -> Digest:
    """The digest of that name; without one the only one there is, or that the reader has. UsageError where that is not
    decided.
    """
    guessed = door.app.preview.guess(address) if name is None and address else None
    return guessed or door.config.digest(name)


def reader_address(text: str, option: str = "--for") -> str:
    """The address of an option as the store spells it, "" for none. UsageError for what is no address."""
    from digest.services.readers.subscribe import normal_address

    try:
        return normal_address(text) if text else ""
    except InputError as error:
        raise UsageError(f"{error.where} {error.what}", where=option, try_=error.try_) from error
