"""`digest run`, the daemon, and `digest bounce`, which a mail server hands a mail to."""

from __future__ import annotations

import os
import sys

from digest.cli.door import Door, with_door
from digest.model.errors import UsageError

#: What asks to leave is short; the rest of a longer mail is not even read.
_MOST_BYTES = 10_000_000


@with_door
def run(door: Door) -> int:
    """Fetch, publish and deliver from now on; SIGTERM drains and ends, SIGHUP reads the configuration again."""
    if os.environ.get("DIGEST_NOW"):
        raise UsageError(
            "the daemon cannot run with a clock that stands still", where="DIGEST_NOW", try_="unset it for digest run"
        )
    from digest.app import build
    from digest.config import load
    from digest.daemon import run as run_daemon

    _log_to_stderr(door)
    return run_daemon(door.app, rebuild=lambda: build(load(door.config_path, os.environ)))


@with_door
def bounce(door: Door) -> None:
    """Read one mail from standard input; a mail that asks to unsubscribe is obeyed."""
    heard, ended = door.app.feedback.one(sys.stdin.buffer.read(_MOST_BYTES))
    said = {
        "left": f"It asked to unsubscribe: {ended} subscription{'' if ended == 1 else 's'} ended.",
        "unknown": "It asks to unsubscribe, with a token that nobody has.",
        "unrelated": "It does not ask to unsubscribe; nothing was done.",
    }
    door.show({"heard": heard, "ended": ended}, said[heard.value])


def _log_to_stderr(door: Door) -> None:
    import logging

    import structlog

    level = logging.DEBUG if door.verbose else logging.WARNING if door.quiet else logging.INFO
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if door.json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
