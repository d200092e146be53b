"""What went wrong -> an exit code, and two readable lines or the contract's JSON.

A traceback is shown only for a fault of ours, and only when asked for.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

import typer

from digest.model.errors import ConfigError, DigestError, UsageError

DONE, FAILED, WRONG, PARTLY, INTERRUPTED = 0, 1, 2, 3, 130
#: EX_TEMPFAIL of sysexits.h, for `digest bounce`: the mail server keeps the mail and comes again.
TRY_LATER = 75

#: The first class that fits decides.
EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (ConfigError, WRONG),
    (UsageError, WRONG),
    (KeyboardInterrupt, INTERRUPTED),
    (typer.Abort, INTERRUPTED),
    (BaseException, FAILED),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An error as it is told. ``ours`` marks what nobody but us can have caused: then a traceback may follow."""

    code: int
    what: str
    where: str = ""
    try_: str = ""
    ours: bool = False

    def document(self) -> dict[str, object]:
        return {"error": {"what": self.what, "where": self.where, "try": self.try_}}

    def lines(self) -> tuple[str, ...]:
        head = f"error: {self.where}: {self.what}" if self.where else f"error: {self.what}"
        return (head, f"  try: {self.try_}") if self.try_ else (head,)


def failure(error: BaseException, command: str) -> Failure:
    code = next(code for kind, code in EXIT_CODES if isinstance(error, kind))
    match error:
        case DigestError():
            return Failure(code=code, what=error.what, where=error.where, try_=error.try_)
        case KeyboardInterrupt() | typer.Abort():
            return Failure(code=code, what="interrupted", where=command, try_="run it again; what was done is kept")
        case OSError(errno=errno.ENOSPC):
            return Failure(code=code, what="the disk is full", where=command, try_="free some space and run it again")
        case OSError() if error.filename is not None:
            what = (error.strerror or str(error)).lower()
            return Failure(code=code, what=what, where=_name(error.filename), try_="check the path and who may use it")
        case OSError():
            return Failure(code=code, what=error.strerror or str(error), where=command, try_="try again later")
        case _:
            what = f"this is a fault of ours: {type(error).__name__}: {error}"
            return Failure(
                code=code,
                what=what,
                where=command,
                try_="run it again with --verbose and report what it shows",
                ours=True,
            )


def share(failed: int, of: int) -> int:
    """The exit code of work on several things: done, done in part, or all failed."""
    if not failed:
        return DONE
    return FAILED if failed == of else PARTLY


def _name(filename: object) -> str:
    return filename.decode("utf-8", "replace") if isinstance(filename, bytes) else str(filename)
