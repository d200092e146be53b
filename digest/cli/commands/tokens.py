"""`digest tokens`: who may use the JSON API, and for what."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows, when

group = typer.Typer(help="Tokens of the JSON API: add, list, revoke.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]


@group.command("add")
@with_door
def add(
    door: Door,
    name: Name,
    scopes: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="What it opens, such as subscribers:read; repeat it.")
    ],
    days: Annotated[
        int | None, typer.Option("--expires", metavar="DAYS", help="For so many days; else until it is revoked.")
    ] = None,
) -> None:
    """Make a token. It is printed now and kept nowhere: only its hash stays."""
    made = door.app.tokens.add(name, scopes, days=days)
    until = f"until {when(made.token.expires_at)}" if made.token.expires_at else "until it is revoked"
    notes = [] if door.config.web.api else ["The API is off: set `api = true` in [web]."]
    door.show(
        {"name": name, "token": made.secret, "scopes": made.token.scopes, "expires_at": made.token.expires_at},
        made.secret,
    )
    door.note(f"{name} may use {', '.join(made.token.scopes)}, {until}. The token is not shown again.", *notes)


@group.command("list")
@with_door
def list_(door: Door) -> None:
    """Every token, without its secret; when it was used is right to the hour."""
    found = door.app.tokens.listing()
    rows = [
        (one.name, " ".join(one.scopes), when(one.created_at), when(one.expires_at), when(one.last_used_at))
        for one in found
    ]
    table = Rows(("name", "scopes", "since", "until", "last used"), rows)
    document = [
        {
            "name": one.name,
            "scopes": one.scopes,
            "created_at": one.created_at,
            "expires_at": one.expires_at,
            "last_used_at": one.last_used_at,
        }
        for one in found
    ]
    door.show({"tokens": document}, table if rows else "None.")


@group.command("revoke")
@with_door
def revoke(door: Door, name: Name) -> None:
    """Take a token back: its next request is refused."""
    door.app.tokens.revoke(name)
    door.show({"revoked": name}, f"{name} is revoked.")
