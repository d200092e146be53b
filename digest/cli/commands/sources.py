"""`digest sources`: what is polled, and what a file or address would bring."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from digest.cli.commands.adding import Kind, Private, add, in_words, name_of, shown, source_of
from digest.cli.commands.watching import show, test
from digest.cli.door import Door, with_door
from digest.cli.failures import share
from digest.cli.terminal import Rows, when
from digest.model.errors import ConfigError, DigestError, InputError

if TYPE_CHECKING:
    from digest.config import Config

group = typer.Typer(
    help="What is polled: list, show, test, add, remove, check, kinds, import, export.", no_args_is_help=True
)


@group.command("list")
@with_door
def list_(door: Door) -> None:
    """Every source, from the configuration and added."""
    from digest.services.fetching.sources import gone

    held = door.app.sources.known()
    silent = door.app.sources.silent()
    lost = {one.source.id: gone(one) for one in held if one.stopped_at is not None}
    rows = [
        {
            "id": one.source.id,
            **shown(one.source),
            "every": one.source.every,
            "origin": one.origin,
            "title": one.title,
            "state": one.state,
            "detail": one.detail,
            "next_at": one.next_at,
            "gone_at": one.stopped_at,
            "silence": silent[one.source.id].sentence if one.source.id in silent else None,
        }
        for one in held
    ]
    table = [
        (
            o.source.id,
            o.source.kind,
            o.origin,
            "gone" if o.source.id in lost else o.state.value if o.state else "-",
            when(o.next_at),
            in_words(o.source),
        )
        for o in held
    ]
    door.show(
        {"sources": rows},
        Rows(("source", "kind", "origin", "state", "next", "from"), table),
        *(f"{name} {one.sentence}." for name, one in silent.items()),
        *(f"{name} {sentence}: {remedy}." for name, (sentence, remedy) in lost.items()),
    )


group.command("add")(add)
group.command("show")(show)
group.command("test")(test)


@group.command("remove")
@with_door
def remove(door: Door, source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its id.")]) -> None:
    """Stop polling an added source; its papers stay."""
    door.app.sources.remove(source)
    door.show({"removed": source}, f"{source} is no longer polled.")


@group.command("kinds")
@with_door
def kinds(door: Door) -> int:
    """Every kind of source there is, and the keys of a [[source]] that it reads."""
    from digest.app.fetching import source_kinds

    own, foreign = source_kinds()
    found = [(kind, "digest", "") for kind in own] + [(one.kind, one.package, one.problem) for one in foreign]
    documents = [
        {
            "name": kind.name,
            "about": None if problem else kind.about,
            "options": dict(kind.options),
            "has_past": kind.has_past,
            "from": package,
            "problem": problem or None,
        }
        for kind, package, problem in found
    ]
    table = [
        (kind.name, "-" if package == "digest" else package, ", ".join(sorted(kind.options)), problem or kind.about)
        for kind, package, problem in found
    ]
    door.show({"kinds": documents}, Rows(("kind", "package", "keys besides url", "what it reads"), table))
    return share(sum(bool(problem) for *_, problem in found), len(found))


@group.command("check")
@with_door
def check(
    door: Door,
    inputs: Annotated[list[str], typer.Argument(metavar="URL-or-FILE", help="Addresses and files.")],
    kind: Kind = "",
    allow_private: Private = False,
) -> int:
    """Show what would be taken; nothing is stored, and no configuration is needed."""
    from digest.app.fetching import check_sources

    config = _config(door)
    found = check_sources(config, inputs, kind=kind, allow_private=allow_private, clock=door.clock)
    ids = {source.id for source in config.sources} if config else set[str]()
    text: list[str | Rows] = []
    for one in found:
        papers = f"{len(one.entries)} paper{'' if len(one.entries) == 1 else 's'}"
        said = f"{one.kind}, {papers}" if one.ok else one.error or ""
        text.append(said if said.startswith(f"{one.input}: ") else f"{one.input}: {said}")
        if not one.ok and one.input in ids:
            text.append(f"  It is the id of a source: digest sources test {one.input} reads it.")
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
    door: Door,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A list of feeds, OPML.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be added, and add nothing.")] = False,
) -> int:
    """Add the feeds of a list from another reader."""
    from digest.services.fetching.opml import read_opml

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
        wanted = name_of(outline.title)
        name = next(n for n in (wanted, *(f"{wanted}-{number}" for number in range(2, 9999))) if n not in taken)
        kind = "arxiv" if urlsplit(outline.url).hostname == "rss.arxiv.org" else "feed"
        try:
            source = source_of({"id": name, "kind": kind, "url": _web(outline.url)})
            if not dry_run:
                door.app.sources.add(source)
        except DigestError as error:
            problems.append({"where": outline.url, "what": error.what})
            continue
        added.append({"id": name, "url": outline.url})
        urls.add(outline.url)
        taken.add(name)
    door.show(
        {"dry_run": dry_run, "added": added, "known": known, "problems": problems},
        *((f"  {one['id']}: {one['url']}" for one in added) if dry_run else ()),
        f"{len(added)} {'would be added' if dry_run else 'added'}, {len(known)} known already, "
        f"{len(problems)} could not be taken.",
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
    from digest.services.fetching.opml import write_opml

    held = door.app.sources.known()
    text, left_out = write_opml([one.source for one in held], [one.title for one in held])
    if left_out:
        number = "1 source" if len(left_out) == 1 else f"{len(left_out)} sources"
        names = ", ".join(f"{source.id} ({source.kind})" for source in left_out)
        door.note(f"left out {number} that no other program could read: {names}")
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


def _web(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(
            "a list from elsewhere may name web addresses only", where=url, try_="add it with digest sources add"
        )
    return url
