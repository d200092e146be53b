"""`digest desk`: who may use the operator's pages, and what they did there."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows, when
from digest.model.errors import UsageError

group = typer.Typer(help="The operator's pages: passwords, links to log in, the log.", no_args_is_help=True)


@group.command("password")
@with_door
def password(door: Door) -> None:
    """Make the password_hash of an [[operator]]; asks twice, or reads a line from standard input."""
    import getpass
    import secrets

    from digest.services.access.passwords import SALT_BYTES, hashed, problem

    if sys.stdin.isatty():
        given = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != given:
            raise UsageError("the two are not the same", where="password", try_="run it again")
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if wrong := problem(given):
        raise UsageError(wrong, where="password", try_="a few words in a row are easy to keep in mind")
    line = hashed(given, secrets.token_bytes(SALT_BYTES))
    door.show({"password_hash": line}, f'password_hash = "{line}"')


@group.command("link")
@with_door
def link(door: Door, name: Annotated[str, typer.Argument(metavar="NAME", help="The name of an [[operator]].")]) -> None:
    """Make a link that logs an operator in once, within a quarter of an hour."""
    if not door.config.sender.public_url:
        raise UsageError("a link needs it", where="[web] public_url", try_="say at which address the pages are")
    url = door.app.operators.new_link(name)
    door.show({"url": url}, url)


@group.command("sessions")
@with_door
def sessions(door: Door) -> None:
    """Who is logged in."""
    found = door.app.operators.sessions()
    document = [{"operator": one.operator, "since_at": one.made_at, "ends_at": one.ends_at} for one in found]
    rows = [(one.operator, when(one.made_at), when(one.ends_at)) for one in found]
    door.show({"sessions": document}, Rows(("operator", "since", "until"), rows) if rows else "Nobody is logged in.")


@group.command("logout")
@with_door
def logout(door: Door, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """End all sessions of an operator, and the links that were not used."""
    ended = door.app.operators.log_out_everywhere(name, who="command line")
    door.show({"operator": name, "ended": ended}, f"{ended} sessions ended.")


@group.command("log")
@with_door
def log(
    door: Door,
    who: Annotated[str, typer.Option(metavar="NAME", help="Only what this operator did.", show_default=False)] = "",
    about: Annotated[
        str, typer.Option(metavar="WHAT", help='Only what was done to it, as "subscriber 12".', show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(metavar="N", help="So many, the newest.", min=1, max=500)] = 50,
) -> None:
    """Who did what at the desk and by the API."""
    found = door.app.operators.log(limit=limit, who=who, about=about)
    rows = [(when(one.at), one.who, one.deed, one.about, one.detail) for one in found]
    door.show({"deeds": found}, Rows(("when", "who", "what", "about", "detail"), rows) if rows else "Nothing was done.")
