"""`digest entries`: one paper as the store knows it, and which records are one paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.terminal import Rows, slot, when

if TYPE_CHECKING:
    from digest.services.status.report import EntryReport

group = typer.Typer(help="One paper: show it, join what is one, split what is not.", no_args_is_help=True)

Paper = Annotated[str, typer.Argument(metavar="PAPER", help="Any id, link, arXiv id or DOI.")]


@group.command("show")
@with_door
def show(
    door: Door, entry: Annotated[str, typer.Argument(metavar="PAPER", help="Any id, link, arXiv id or DOI.")]
) -> None:
    """One paper: its sources, version, votes over time, where it was printed, and what it is possibly the same as."""
    found = door.app.report.entry(entry)
    version = f"v{found.version}" if found.version else "-"
    door.show(
        found,
        found.title,
        ", ".join(found.authors),
        f"{found.id}  {version}  {' '.join(found.categories)}{'  withdrawn' if found.withdrawn else ''}",
        f"published {when(found.published_at)}, first seen {when(found.first_seen_at)}",
        *(f"  {link}" for link in found.links),
        "",
        Rows(("source", "since", "key"), [(s.source_id, when(s.first_seen_at), s.key) for s in found.sources]),
        "",
        Rows(("votes of", "at", "votes"), [(v.source_id, when(v.at), v.upvotes) for v in found.votes])
        if found.votes
        else "No source has votes for it.",
        "",
        Rows(("printed in", "slot"), [(one.digest, slot(one.slot)) for one in found.printed])
        if found.printed
        else "It has not been printed.",
        *_joined(found),
        *(
            f'Possibly the same as {like.id} "{like.title}" ({_alike(like.title_ratio, like.overlap)}).'
            for like in found.possibly
        ),
    )


@group.command("likely")
@with_door
def likely(
    door: Door, limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Print at most this many.")] = 50
) -> None:
    """Pairs of papers that are possibly one: join them, or leave them as they are."""
    found = door.app.works.likely(limit=limit)
    if not found:
        door.show({"pairs": found}, "No two papers are possibly one.")
        return
    lines: list[str] = []
    for pair in found:
        lines += [
            f"{pair.one.title}",
            f"  {pair.one.id}  {pair.one.url}",
            f"{pair.other.title}",
            f"  {pair.other.id}  {pair.other.url}",
            f"  {_alike(pair.title_ratio, pair.overlap)}; if they are one: "
            f"digest entries join {pair.one.id} {pair.other.id}",
            "",
        ]
    door.show({"pairs": found}, *lines[:-1])


@group.command("join")
@with_door
def join(door: Door, paper: Paper, other: Paper) -> None:
    """Make one paper of two; whoever was sent either was sent both."""
    done = door.app.works.join(paper, other)
    door.show(done, f"They are one paper now, {done.id}: {done.title}", *(f"  {alias}" for alias in done.aliases))


@group.command("split")
@with_door
def split(door: Door, paper: Paper) -> None:
    """Take a record out of the paper it was joined to, for good; whoever was sent the paper was sent both."""
    done = door.app.works.split(paper)
    door.show(
        done,
        f"They are two papers now, and stay two: {done.kept.id} and {done.out.id}.",
        f"  {done.kept.id}  {done.kept.title}",
        f"  {done.out.id}  {done.out.title}",
    )


def _joined(found: EntryReport) -> Iterator[str]:
    for part in found.joined:
        yield f"Joined on {when(part.at)}: {part.id} ({part.why or 'reason not kept'}); digest entries split {part.id}"


def _alike(title_ratio: float, overlap: float) -> str:
    return f"titles {title_ratio:.0%} alike, {overlap:.0%} of the abstracts in common"
