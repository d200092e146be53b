"""`digest rank` (a file, offline) and `digest explain` (one paper, one reader)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from digest.cli.door import Door, digest_of, reader_address, with_door
from digest.cli.files import lines
from digest.cli.terminal import Rows
from digest.model.errors import UsageError


@with_door
def rank(
    door: Door,
    file: Annotated[str, typer.Argument(metavar="FILE.jsonl", help="One observation a line; - is standard input.")],
    at: Annotated[
        str, typer.Option(metavar="INSTANT", help="As of when; else the newest observed_at.", show_default=False)
    ] = "",
    profile: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.toml", help="Rank by this profile; may be repeated.")
    ] = None,
    history: Annotated[
        str, typer.Option(metavar="FILE.jsonl", help="Earlier observations, which inform.", show_default=False)
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Print at most this many.")] = None,
) -> None:
    """Rank the papers of a file, without configuration and database."""
    from digest.config import parse_profile, read_profile
    from digest.config.environment import table_of
    from digest.services.learning.rank_file import rank_lines

    table_of(os.environ)  # nothing is taken from it, but a misspelt DIGEST_ name is told here, too
    profiles = [(str(path), parse_profile(read_profile(path), where=str(path))) for path in profile or ()]
    instant = _instant(at) if at else None
    document = rank_lines(
        lines(file),
        name=file,
        at=instant,
        profiles=profiles,
        history=lines(history) if history else (),
        history_name=history or "history",
        limit=limit,
    )
    lists = cast("list[dict[str, Any]]", document.get("profiles") or [{"profile": "", "items": document["items"]}])
    text: list[str | Rows] = []
    for one in lists:
        text += [f"{one['profile']}:"] if one["profile"] else []
        text.append(
            Rows(
                ("rank", "score", "category", "id", "parts"),
                [
                    (
                        item["rank"],
                        item["score"],
                        item["category"] or "-",
                        item["id"],
                        ", ".join(f"{part['key']} {part['points']}" for part in item["parts"]),
                    )
                    for item in one["items"]
                ],
            )
        )
    door.show(document, *text)


@with_door
def explain(
    door: Door,
    entry: Annotated[str, typer.Argument(metavar="PAPER", help="Any id, link, arXiv id or DOI.")],
    reader: Annotated[str, typer.Option("--for", metavar="ADDRESS", help="For this reader.", show_default=False)] = "",
    digest: Annotated[str | None, typer.Option(help="Which digest, where there are several.", metavar="NAME")] = None,
    at: Annotated[str, typer.Option(metavar="INSTANT", help="In the edition due then.", show_default=False)] = "",
) -> None:
    """Why a paper was printed or left out, part by part."""
    address = reader_address(reader)
    found = door.app.explain.run(entry, digest_of(door, digest, address), address=address, at=at)
    door.show(
        found,
        found.title,
        f"{found.id}, {found.digest} {found.slot}" + (f" for {found.address}" if found.address else ""),
        f"{found.verdict}: {found.sentence}",
        *((Rows(("part", "points", "why"), [(p.key, p.points, p.why) for p in found.parts]),) if found.parts else ()),
    )


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not an instant", where="--at", try_="write 2026-05-04T07:30:00Z") from error
