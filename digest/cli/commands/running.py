"""`digest run`, the daemon, and `digest bounce`, which a mail server hands a mail to."""

from __future__ import annotations

import os
import sys

from digest.cli.door import Door, with_door
from digest.cli.failures import TRY_LATER
from digest.model.errors import UsageError

#: What a machine or a reader has to say stands at the beginning; the rest of a long mail is taken and dropped.
_MOST_BYTES = 1_000_000


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
def bounce(door: Door) -> int:
    """Read one mail from standard input: who asks to leave leaves, a report is counted. Exit 75: try again later."""
    try:
        raw = _whole_input()
        done = door.app.feedback.one(raw)
    except Exception as error:
        # Any other code makes a mail server give the mail back or drop it; it must wait until we are well again.
        door.fail(error)
        return TRY_LATER
    ended = f"{done.ended} subscription{'' if done.ended == 1 else 's'} ended"
    listed = "The address is suppressed." if done.suppressed else "The suppression list stays as it was."
    said = {
        "left": f"It asked to unsubscribe: {ended}.",
        "unknown": "It asks to unsubscribe, with a token that nobody has.",
        "hard": f"A mail of ours came back: there is no such mailbox. {listed}",
        "soft": f"A mail of ours did not get through; this is kept. {listed}",
        "complaint": f"A mail of ours was called spam: {ended}. {listed}",
        "repeated": "The same was reported of the same mail before; nothing was done.",
        "nothing": "A mail of ours is late, or a machine answered it; nothing was done.",
        "foreign": "It names a mail of ours that was not sent, or is about another address; nothing was done.",
        "early": "It is about a mail that is being sent just now; the mail server must bring it again.",
        "unrelated": "It neither asks to unsubscribe nor reports on a mail of ours; nothing was done.",
    }
    of = f"Delivery {done.delivery_id}" if done.delivery_id is not None else ""
    to = " to ".join(filter(None, (of, done.address)))
    door.show(done, f"{to}: {said[done.heard.value]}" if to else said[done.heard.value])
    return TRY_LATER if done.heard.value == "early" else 0


def _whole_input() -> bytes:
    """The mail's beginning, with all of it taken: a mail server may call it a failure when a pipe closes early."""
    raw = sys.stdin.buffer.read(_MOST_BYTES)
    while sys.stdin.buffer.read(_MOST_BYTES):
        pass
    return raw


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
