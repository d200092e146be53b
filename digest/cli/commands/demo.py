"""`digest demo`: two days of sample feeds as two real mails, with no network and nothing installed."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import DONE, FAILED
from digest.cli.terminal import Rows
from digest.model.errors import UsageError


@with_door
def demo(
    door: Door,
    live: Annotated[bool, typer.Option("--live", help="Read the real feeds of config.example.toml instead.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where everything goes; else a new temporary folder.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the mails in the browser.")] = False,
) -> int:
    """The whole road at once: feeds, ranking, two mails over SMTP, the second with only what is new."""
    from digest.cli.demo import today, two_days

    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("is there already and not empty", where=str(out), try_="name a new folder")
    folder = (out or Path(tempfile.mkdtemp(prefix="digest-demo-"))).absolute()
    done = today(folder) if live else two_days(folder)
    fresh = (
        "None of it came before." if not done.repeated else f"{len(done.repeated)} papers came twice: a fault of ours."
    )
    table = [(mail.day, mail.printed, mail.subject) for mail in done.mails]
    door.show(
        done,
        Rows(("day", "papers", "subject"), table),
        *([f"The second mail holds only what is new. {fresh}"] if len(done.mails) > 1 else []),
        "The mails, as they came over SMTP:",
        *(f"  {path}" for mail in done.mails for path in (mail.html, mail.text, mail.eml)),
    )
    asked = sys.stdin.isatty() and sys.stdout.isatty() and not (door.json or door.quiet or open_)
    if open_ or (asked and typer.confirm("Show them in the browser?", default=True, err=True)):
        for mail in done.mails:
            webbrowser.open(Path(mail.html).as_uri())
    return FAILED if done.repeated else DONE
