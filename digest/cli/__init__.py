"""The command line: arguments -> one service call, or a few in order -> text or JSON and an exit code.

door holds what all commands share, failures the exit codes, terminal the printing; commands/ has a file a subject.
Nothing but typer is imported before a command runs, so help appears at once.
"""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Sequence
from typing import NoReturn

from digest.cli.door import Door, gone
from digest.cli.failures import TRY_LATER, WRONG
from digest.cli.root import root
from digest.model.errors import UsageError

__all__ = ["main", "run"]


def main() -> NoReturn:
    """The script `digest`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter gets its number; nothing ends for that.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # A command makes many objects and few circles: looking for those less often saves a tenth of its time.
    gc.set_threshold(20_000)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """One call of `digest`; gives its exit code."""
    try:
        code = root(args=list(arguments), prog_name="digest", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return gone()
    except Exception as error:
        return _refused(error, arguments)
    return code if isinstance(code, int) else 0


def _refused(error: Exception, arguments: Sequence[str]) -> int:
    """typer does not know the option, or wants an argument that is not there."""
    door = Door(command="", json="--json" in arguments)
    message = getattr(error, "format_message", None)
    if message is None:
        return door.fail(error)
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and not door.json:
        sys.stderr.write(message() + "\n")
        return WRONG
    path = context.command_path if context is not None else "digest"
    text = message().partition("\n")[0] or "a command is missing"
    what = text[:1].lower() + text[1:].rstrip(".")
    code = door.fail(UsageError(what, where=path, try_=f"{path} --help shows how it is called"))
    return TRY_LATER if _is_piped(path, arguments) else code


def _is_piped(path: str, arguments: Sequence[str]) -> bool:
    """Whether a mail server may have called: it would bounce a report for good at any code but one."""
    return path == "digest bounce" or (path == "digest" and "bounce" in arguments)
