"""What stays: `digest run`, the daemon, `digest web`, its pages, and `digest worker`, one of many; and `digest bounce`,
which a mail server hands a mail to."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import TRY_LATER
from digest.model.errors import UsageError

if TYPE_CHECKING:
    from digest.services.ports import Work

#: What a machine or a reader has to say stands at the beginning; the rest of a long mail is taken and dropped.
_MOST_BYTES = 1_000_000


@with_door
def run(door: Door) -> int:
    """Fetch, publish and deliver from now on; SIGTERM drains and ends, SIGHUP reads the configuration again."""
    _refuse_standing_clock("digest run")
    from digest.app import build
    from digest.cli.logs import log_to_stderr
    from digest.config import load
    from digest.daemon.running import run as run_daemon

    log_to_stderr(door)
    return run_daemon(door.app, rebuild=lambda: build(load(door.config_path, os.environ)))


@with_door
def web(door: Door) -> int:
    """Answer the web pages alone, beside a `digest run` that has them off; SIGTERM ends, SIGHUP reads anew."""
    _refuse_standing_clock("digest web")
    from digest.app import build
    from digest.cli.logs import log_to_stderr
    from digest.config import load
    from digest.daemon.pages import run_pages

    log_to_stderr(door)
    return run_pages(door.app, rebuild=lambda: build(load(door.config_path, os.environ)))


@with_door
def worker(
    door: Door,
    roles: Annotated[
        str, typer.Option(metavar="NAMES", help="fetch, publish, deliver, inbound; all of them unless some are named.")
    ] = "",
    concurrency: Annotated[
        int, typer.Option(metavar="N", help="So many processes, one for each processor.", min=1)
    ] = 1,
    monitor: Annotated[str, typer.Option(metavar="HOST:PORT", help="Answer monitoring there.")] = "",
) -> int:
    """Work as one of many machines beside a PostgreSQL; SIGTERM drains and ends, SIGHUP reads anew."""
    _refuse_standing_clock("digest worker")
    from digest.app import build
    from digest.app.calling import check_server
    from digest.cli.logs import log_to_stderr
    from digest.config import load
    from digest.services.ports import Work

    chosen = _roles(roles, tuple(Work))
    _refuse_one_machine(door.config.database_url)
    check_server(door.config)
    log_to_stderr(door)
    if concurrency > 1:
        from digest.daemon.crew import run_crew

        if monitor:
            raise UsageError("is one address, and each process would need its own", where="--monitor",
                             try_="watch the fleet at `digest web`, or start the processes one by one")  # fmt: skip
        at = ["--config", str(door.config_path)] if door.config_path else []
        return run_crew([sys.executable, "-m", "digest", *at, "worker", "--roles", ",".join(chosen)], concurrency)
    from digest.daemon.worker import run_worker

    return run_worker(
        door.app, roles=chosen, monitor=monitor, rebuild=lambda: build(load(door.config_path, os.environ))
    )


def _roles(text: str, known: tuple[Work, ...]) -> tuple[Work, ...]:
    """The roles that are named, in their usual order; all without any. Raises UsageError."""
    from digest.config.nearest import nearest

    names = {name.strip() for name in text.split(",") if name.strip()}
    for name in sorted(names - {*known}):
        raise UsageError(f'there is no role "{name}"', where="--roles", try_=nearest(name, known))
    return tuple(work for work in known if work in names) or known


def _refuse_one_machine(url: str) -> None:
    """Raises UsageError for SQLite."""
    if url.startswith("sqlite"):
        raise UsageError(
            "the database is a SQLite file, which the processes of several machines cannot share",
            where="digest worker",
            try_="`digest run` does all of it on one machine; for several: digest db move postgresql://…",
        )


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


def _refuse_standing_clock(command: str) -> None:
    """Raises UsageError where DIGEST_NOW stops the clock, under which nothing ever becomes due or too old."""
    if os.environ.get("DIGEST_NOW"):
        raise UsageError(
            "what runs on cannot have a clock that stands still", where="DIGEST_NOW", try_=f"unset it for {command}"
        )


def _whole_input() -> bytes:
    """The mail's beginning, with all of it taken: a mail server may call it a failure when a pipe closes early."""
    raw = sys.stdin.buffer.read(_MOST_BYTES)
    while sys.stdin.buffer.read(_MOST_BYTES):
        pass
    return raw
