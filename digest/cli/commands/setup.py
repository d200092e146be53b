"""`digest init`, which writes a configuration that works, and `digest doctor`, which looks at all of it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import DONE, FAILED, WRONG
from digest.model.errors import ConfigError, DigestError

if TYPE_CHECKING:
    from digest.config import Answers
    from digest.services.tending.doctor import Finding


@with_door
def init(
    door: Door, yes: Annotated[bool, typer.Option("--yes", help="Ask nothing, take the defaults.")] = False
) -> None:
    """Write config.toml from a few questions; an existing one is never touched."""
    from digest.config import Answers, from_table, write_config
    from digest.config.starter import starter

    path = door.config_path or Path(os.environ.get("DIGEST_CONFIG") or "config.toml")
    if path.exists():
        raise ConfigError(
            "exists already, and init never overwrites", where=str(path), try_="edit it, or name another with --config"
        )
    answers = Answers() if yes else _asked()
    # Nothing is written before it is known to work.
    from_table(tomllib.loads(starter(answers)), folder=path.absolute().parent)
    write_config(path, answers)
    door.config_path = path
    digest = door.config.digest(None)
    if answers.reader:
        door.app.subscribe.add(answers.reader, digest.name)
    following = (
        "digest fetch --all                     reads the sources now",
        *(() if answers.reader else ("digest subscribers add ADDRESS         adds a reader",)),
        "digest preview --open                  shows the next mail",
        "digest doctor                          tells what is not right yet",
        "digest run                             from then on, by itself",
    )
    door.show(
        {
            "config": str(path.absolute()),
            "reader": answers.reader or None,
            "next": [line.split("  ")[0] for line in following],
        },
        f"Wrote {path}." + (f" {answers.reader} reads {digest.title}." if answers.reader else ""),
        "Next:",
        *(f"  {line}" for line in following),
    )


@with_door
def doctor(
    door: Door,
    live: Annotated[bool, typer.Option("--live", help="Also fetch every source and a page at public_url.")] = False,
) -> int:
    """Test configuration, database, templates, sources, mail server, DNS and the ways to leave."""
    from digest.services.tending.doctor import State

    findings: list[Finding] = []
    for finding in _findings(door, live):
        findings.append(finding)
        door.progress(finding.what)
    door.progress_ends()
    wrong = sum(one.state is State.FAIL for one in findings)
    doubtful = sum(one.state is State.WARN for one in findings)
    lines: list[str] = []
    for one in findings:
        lines.append(f"{one.state.value:<5} {one.what}: {one.detail}")
        lines += [f"      try: {one.try_}"] if one.try_ and one.state is not State.OK else []
    rows = [{"what": one.what, "state": one.state, "detail": one.detail, "try": one.try_} for one in findings]
    door.show({"ok": not wrong, "findings": rows}, *lines, f"{wrong} wrong, {doubtful} worth a look.")
    if any(one.state is State.FAIL and one.what == "configuration" for one in findings):
        return WRONG
    return FAILED if wrong else DONE


def _findings(door: Door, live: bool) -> Iterator[Finding]:
    """What cannot even be opened is a finding, too."""
    from digest.services.tending.doctor import Finding, State

    try:
        config = door.config
    except ConfigError as error:
        yield Finding(what="configuration", state=State.FAIL, detail=f"{error.where}: {error.what}", try_=error.try_)
        return
    over = f"; from the environment: {', '.join(sorted(config.variables))}" if config.variables else ""
    yield Finding(what="configuration", state=State.OK, detail=f"{config.path}{over}")
    try:
        app = door.app
    except DigestError as error:
        yield Finding(what="database", state=State.FAIL, detail=f"{error.where}: {error.what}", try_=error.try_)
        return
    yield from app.doctor.run(live=live)


def _asked() -> Answers:
    from digest.config import Answers
    from digest.services.readers.subscribe import normal_address

    default = Answers()

    def ask(question: str, value: str) -> str:
        answer: str = typer.prompt(question, default=value, err=True, show_default=bool(value))
        return answer.strip()

    sender = ask("Sender's address", default.from_address)
    server = ask("SMTP server, host or host:port (empty: write the mails into a folder)", "")
    reader = ask("Your own address, as the first reader (empty: nobody yet)", "")
    categories = ask("arXiv categories", " ".join(default.categories))
    when = ask("Send at, and in which time zone", f"{default.send_at} {default.timezone}").split()
    return Answers(
        from_address=sender,
        smtp_host=server,
        reader=normal_address(reader) if reader else "",
        categories=tuple(categories.replace(",", " ").split()),
        send_at=when[0] if when else default.send_at,
        timezone=when[1] if len(when) > 1 else default.timezone,
    )
