"""Kind ``command``: a program of the operator that prints a JSON Feed (or any other feed) on its standard output.

For what no other kind reads: a script over the house's own database, a service with a library of its own.
sources/asking/programs.py runs it; here is what is asked for and how its output is read.
"""

from __future__ import annotations

from datetime import date, datetime

from digest.model.feeds import FetchRequest, Source, SourceKind
from digest.sources.kinds.feed import parse
from digest.sources.requests import no_more


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """One run. A program that knows a past is told nothing of ``since``: it prints what it has."""
    del now, since
    argv = source.given("command")
    # Arguments may say what nobody else should read; the program's name is enough to tell one from another.
    return (
        FetchRequest(
            url=f"command:{argv[0] if argv else ''}",
            accept="application/feed+json",
            allow_files=source.from_operator,
            arguments=argv,
        ),
    )


def wants(source: Source) -> str:
    if source.url:
        return "has a url; a program is named in command"
    argv = source.given("command")
    if not argv or not argv[0].strip():
        return 'needs a command: program and arguments, such as ["/usr/local/bin/our-papers", "--new"]'
    if "\x00" in "".join(argv):
        return "has a NUL character in its command"
    return "" if source.from_operator else "may not run a program: it was not added by the operator"


COMMAND = SourceKind(
    name="command",
    about="a program of yours that prints JSON Feed",
    plan=plan,
    parse=parse,
    follow=no_more,
    wants=wants,
    options={"command": "the program and its arguments, run without a shell"},
)
