"""`digest sources`: what is polled, and what a file or address would bring."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import share
from digest.cli.terminal import Rows, when
from digest.model.errors import ConfigError, DigestError, InputError

if TYPE_CHECKING:
    from digest.config import Config
    from digest.model.feeds import Source

group = typer.Typer(help="What is polled: list, add, remove, check, import, export.", no_args_is_help=True)

Private = Annotated[bool, typer.Option("--allow-private", help="It may lie in your own network.")]
Kind = Annotated[
    str, typer.Option(metavar="KIND", help="feed, arxiv or huggingface; else its content tells.", show_default=False)
]


@group.command("list")
@with_door
def list_(door: Door) -> None:
    """Every source, from the configuration and added."""
    from digest.services.sources import without_password

    held = door.app.sources.known()
    rows = [
        {
            "id": one.source.id,
            "kind": one.source.kind,
            "url": without_password(one.source.url),
            "category": one.source.category,
            "every": one.source.every,
            "origin": one.origin,
            "title": one.title,
            "state": one.state,
            "detail": one.detail,
            "next_at": one.next_at,
        }
        for one in held
    ]
    table = [
        (
            o.source.id,
            o.source.kind,
            o.origin,
            o.state.value if o.state else "-",
            when(o.next_at),
            without_password(o.source.url) or o.source.category,
        )
        for o in held
    ]
    door.show({"sources": rows}, Rows(("source", "kind", "origin", "state", "next", "from"), table))


@group.command("add")
@with_door
def add(
    door: Door,
    url: Annotated[str, typer.Argument(metavar="URL", help="An address, a file, or an arXiv category such as cs.CL.")],
    name: Annotated[
        str,
        typer.Option("--id", metavar="NAME", help="Its short name; else made from the address.", show_default=False),
    ] = "",
    kind: Kind = "",
    every: Annotated[str, typer.Option(metavar="DURATION", help="How often to look.")] = "1h",
    allow_private: Private = False,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Store it without looking at it first.")] = False,
) -> None:
    """Store a source for good, after looking at what it brings."""
    from digest.services.sources import without_password

    category = (
        ""
        if kind not in ("", "arxiv") or not re.fullmatch(r"[a-z-]+(\.[A-Za-z-]+)?", url) or Path(url).exists()
        else url
    )
    table: dict[str, object] = {"every": every, "allow_private": allow_private}
    if category:
        table |= {"kind": "arxiv", "category": category}
    else:
        if not kind:
            kind = "feed" if unchecked else _looked_at(door, url, allow_private)
        table |= {"kind": kind, "url": url if "://" in url else str(Path(url).absolute())}
    source = _source(table | {"id": name or _name(category or url)})
    door.app.sources.add(source)
    shown = {"url": without_password(source.url), "category": source.category}
    door.show(
        {"id": source.id, "kind": source.kind, **shown},
        f"{source.id} is polled from now on.",
    )


@group.command("remove")
@with_door
def remove(door: Door, source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its id.")]) -> None:
    """Stop polling an added source; its papers stay."""
    door.app.sources.remove(source)
    door.show({"removed": source}, f"{source} is no longer polled.")


@group.command("check")
@with_door
def check(
    door: Door,
    inputs: Annotated[list[str], typer.Argument(metavar="URL-or-FILE", help="Addresses and files.")],
    kind: Kind = "",
    allow_private: Private = False,
) -> int:
    """Show what would be taken; nothing is stored, and no configuration is needed."""
    from digest.app import check_sources

    found = check_sources(_config(door), inputs, kind=kind, allow_private=allow_private, clock=door.clock)
    text: list[str | Rows] = []
    for one in found:
        papers = f"{len(one.entries)} paper{'' if len(one.entries) == 1 else 's'}"
        said = f"{one.kind}, {papers}" if one.ok else one.error or ""
        text.append(said if said.startswith(f"{one.input}: ") else f"{one.input}: {said}")
        if one.feed is not None:
            text.append(f"  {one.feed.title}  {one.feed.url}")
        text += [f"  left out: {problem.where}: {problem.what}" for problem in one.problems]
        if one.entries:
            text.append(
                Rows(
                    ("id", "votes", "title"),
                    [(e.id, "-" if e.upvotes is None else e.upvotes, e.title) for e in one.entries],
                )
            )
    door.show({"inputs": found}, *text)
    return share(sum(not one.ok for one in found), len(found))


@group.command("import-opml")
@with_door
def import_opml(
    door: Door, file: Annotated[Path, typer.Argument(metavar="FILE", help="A list of feeds, OPML.")]
) -> int:
    """Add the feeds of a list from another reader."""
    from digest.services.opml import read_opml

    outlines = read_opml(file.read_bytes(), name=str(file))
    held = door.app.sources.known()
    urls, taken = {one.source.url for one in held}, {str(one.source.id) for one in held}
    added: list[dict[str, str]] = []
    known: list[str] = []
    problems: list[dict[str, str]] = []
    for outline in outlines:
        if outline.url in urls:
            known.append(outline.url)
            continue
        wanted = _name(outline.title)
        name = next(n for n in (wanted, *(f"{wanted}-{number}" for number in range(2, 9999))) if n not in taken)
        kind = "arxiv" if urlsplit(outline.url).hostname == "rss.arxiv.org" else "feed"
        try:
            door.app.sources.add(_source({"id": name, "kind": kind, "url": _web(outline.url)}))
        except DigestError as error:
            problems.append({"where": outline.url, "what": error.what})
            continue
        added.append({"id": name, "url": outline.url})
        urls.add(outline.url)
        taken.add(name)
    door.show(
        {"added": added, "known": known, "problems": problems},
        f"{len(added)} added, {len(known)} known already, {len(problems)} could not be taken.",
        *(f"  {one['where']}: {one['what']}" for one in problems),
    )
    return share(len(problems), len(outlines))


@group.command("export-opml")
@with_door
def export_opml(
    door: Door,
    out: Annotated[Path | None, typer.Option(help="Write it here; else to standard output.", metavar="FILE")] = None,
) -> None:
    """The feeds as a list that other readers read."""
    from digest.services.opml import write_opml

    held = door.app.sources.known()
    text, left_out = write_opml([one.source for one in held], [one.title for one in held])
    if left_out:
        door.note(f"left out, as no other program could read them: {', '.join(source.id for source in left_out)}")
    if out is not None:
        out.write_text(text, encoding="utf-8")
    document = {"opml": text, "left_out": [source.id for source in left_out], "file": str(out) if out else None}
    door.show(document, f"Written to {out}." if out else text.rstrip("\n"))


def _config(door: Door) -> Config | None:
    """The configuration if there is one: looking at a document needs none."""
    from digest.config import find

    try:
        find(door.config_path, os.environ)
    except ConfigError:
        if door.config_path is not None or os.environ.get("DIGEST_CONFIG"):
            raise
        return None
    return door.config


def _looked_at(door: Door, url: str, allow_private: bool) -> str:
    """The kind its content tells; raises when nothing can be read there."""
    from digest.app import check_sources

    (found,) = check_sources(door.config, [url], allow_private=allow_private, clock=door.clock)
    if not found.ok or found.kind is None:
        raise InputError(
            found.error or "it cannot be read", try_="correct the address, or store it anyway with --unchecked"
        )
    door.note(f"{found.feed.title if found.feed else url}: {len(found.entries)} papers now.")
    return found.kind


def _source(table: dict[str, object]) -> Source:
    """Checked by the same settings as a [[source]] of the file."""
    from digest.config import from_table

    return from_table({"mail": {"from": "digest@localhost"}, "source": [table]}, folder=Path.cwd()).sources[0]


def _web(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(
            "a list from elsewhere may name web addresses only", where=url, try_="add it with digest sources add"
        )
    return url


def _name(text: str) -> str:
    """A short name from a title or an address."""
    parts = urlsplit(text)
    plain = (
        f"{(parts.hostname or '').removeprefix('www.')}{parts.path}"
        if parts.hostname
        else Path(text).name
        if "/" in text
        else text
    )
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-") or "source"
