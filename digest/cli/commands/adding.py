"""`digest sources add`: finds the feed behind what was typed, shows what it brings, and stores it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows, when
from digest.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from digest.model.feeds import Source
    from digest.services.fetching.discover import Found

Private = Annotated[bool, typer.Option("--allow-private", help="It may lie in your own network.")]
Kind = Annotated[
    str,
    typer.Option(metavar="KIND", help="One of `digest sources kinds`; else its content tells.", show_default=False),
]


@with_door
def add(
    door: Door,
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="A feed, a page (of a lab, a journal, an author, a channel, a repository), a file, a category of "
            "arXiv, a DOI or an ISSN.",
        ),
    ],
    name: Annotated[
        str,
        typer.Option("--id", metavar="NAME", help="Its short name; else made from the address.", show_default=False),
    ] = "",
    kind: Kind = "",
    every: Annotated[str, typer.Option(metavar="DURATION", help="How often to look.")] = "1h",
    allow_private: Private = False,
    pick: Annotated[int, typer.Option(metavar="N", min=1, help="Which one, where several are found.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it brings now; store nothing.")] = False,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Store it without looking at it first.")] = False,
) -> None:
    """Store a source for good, after finding its feed and looking at what it brings."""
    if not url.strip():
        raise UsageError("nothing was given", where="digest sources add", try_="give an address, a file or a category")
    if not kind and (Path(url) / "cur").is_dir() and (Path(url) / "new").is_dir():
        kind = "maildir"
    given = str(Path(url).absolute()) if "://" not in url and Path(url).exists() else url
    found = () if unchecked else _found(door, given, kind, allow_private)
    if found and pick > len(found):
        number = "only one was" if len(found) == 1 else f"only {len(found)} were"
        raise UsageError(f"{number} found there", where="--pick", try_="look at them with --dry-run")
    meant = found[pick - 1].source if found else door.app.discover.unseen(given, kind=kind, allow_private=allow_private)
    short = name or door.app.sources.free_id(name_of(meant.url or url))
    named = source_of({"id": short, "url": "https://localhost/", "every": every})
    source = replace(meant, id=named.id, every=named.every)
    if not dry_run:
        door.app.sources.add(source)
    document = {
        "id": source.id,
        **shown(source),
        "every": source.every,
        "stored": not dry_run,
        "found": [
            {
                **shown(one.source),
                "title": one.title,
                "why": one.why,
                "entries": one.entries,
                "unseen": one.unseen or None,
            }
            for one in found
        ],
    }
    text: list[str | Rows] = [
        f"{'*' if number == pick else ' '} {number}. {_sentence(one)}" for number, one in enumerate(found, 1)
    ]
    if dry_run and found and not found[pick - 1].unseen:
        taken = found[pick - 1]
        text += [f"  left out: {problem.where}: {problem.what}" for problem in taken.problems]
        text.append(Rows(("id", "published", "title"), [(e.id, when(e.published_at), e.title) for e in taken.entries]))
    text.append(
        f"{source.id} {'would be' if dry_run else 'is'} looked at every {every}, less often where its own rhythm or "
        f"its server says so.{' Nothing was stored.' if dry_run else ''}"
    )
    door.show(document, *text)


def source_of(table: dict[str, object]) -> Source:
    """A source checked by the same settings as a [[source]] of the file."""
    from digest.config import from_table

    return from_table({"mail": {"from": "digest@localhost"}, "source": [table]}, folder=Path.cwd()).sources[0]


def name_of(text: str) -> str:
    """A short name from a title or an address."""
    from digest.services.fetching import sources

    return sources.name_of(text)


def shown(source: Source) -> dict[str, object]:
    """What a source reads, as `--json` tells it."""
    from digest.services.fetching.sources import shown_options, shown_url

    return {
        "kind": source.kind,
        "url": shown_url(source),
        "category": source.category,
        "options": {name: list(values) for name, values in shown_options(source).items()},
    }


def in_words(source: Source) -> str:
    """A source in one line: where, or what of its kind."""
    from digest.services.fetching.sources import shown_options, shown_url

    options = (f"{name} {', '.join(values)}" for name, values in shown_options(source).items())
    return " ".join(part for part in (shown_url(source), source.category, *options) if part)


def _found(door: Door, given: str, kind: str, allow_private: bool) -> tuple[Found, ...]:
    """What could be polled there; raises when there is nothing, saying where it was looked for."""
    looked = door.app.discover.look(given, kind=kind, allow_private=allow_private)
    if looked.found:
        return looked.found
    first, *others = looked.failed
    for problem in others:
        door.note(f"looked at {problem.where}: {problem.what}")
    advice = "correct the address, or store it anyway with --unchecked and --kind"
    if "allow_private" in first.what:
        advice = "if it is your own machine, say --allow-private"
    what, _, told = first.what.partition("; ")
    if "[[source]]" in told:
        advice = told
    raise InputError(what, where=first.where, try_=advice)


def _sentence(found: Found) -> str:
    """``feed https://… (the page names this feed): Title, 20 papers now, the newest of 2026-11-03, about 5 a week``."""
    what = " ".join(filter(None, (found.source.kind, in_words(found.source))))
    if found.unseen:
        return f"{what} ({found.why}); it could not be looked at now: {found.unseen}"
    papers = f"{len(found.entries)} paper{'' if len(found.entries) == 1 else 's'} now"
    newest = f", the newest of {found.newest.isoformat()}" if found.newest else ""
    pace = f", about {found.a_week:g} a week" if found.a_week else ""
    return f"{what} ({found.why}): {found.title or 'without a title'}, {papers}{newest}{pace}"
