"""`digest people`: whom readers follow, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.door import Door, with_door
from digest.cli.failures import DONE, INTERRUPTED, share
from digest.cli.stopping import stoppable
from digest.cli.terminal import Rows, when

if TYPE_CHECKING:
    from digest.services.fetching.cards import Known
    from digest.services.fetching.catalogue import Refreshed

group = typer.Typer(help="The people that readers follow: what is known of them.", no_args_is_help=True)


@group.command("list")
@with_door
def list_(door: Door) -> None:
    """Everybody who is followed, and what the card says."""
    found = door.app.people.known()
    rows = [
        (
            one.written,
            _number(one.facts.h_index if one.facts else None),
            _number(one.facts.papers if one.facts else None),
            _number(one.facts.citations if one.facts else None),
            len(one.portrait.works),
            _number(one.portrait.novelty),
            _number(one.portrait.ai_score),
            "; ".join(f"{asked.catalogue}: {asked.why}" for asked in one.asked) or "not asked for",
        )
        for one in found
    ]
    columns = ("person", "h-index", "papers", "citations", "here", "novelty", "AI score", "catalogues")
    door.show(
        {"people": [_document(one) for one in found]},
        Rows(columns, rows) if rows else "Nobody is followed: no digest and no reader names authors.",
    )


@group.command("show")
@with_door
def show(
    door: Door,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="A name, an id, or both; followed or not.")],
) -> None:
    """One person: what catalogues say, what the store knows, and what the figures are the sum of."""
    one = door.app.people.about(person)
    facts, portrait = one.facts, one.portrait
    lines = [facts.name if facts else one.written]
    if facts is not None:
        said = [("h-index", facts.h_index), ("papers", facts.papers), ("citations", facts.citations)]
        lines += [
            *filter(None, (facts.url, ", ".join(facts.institutions), facts.field)),
            ", ".join(f"{name} {number}" for name, number in said if number is not None),
        ]
    lines += [f"{asked.catalogue}, {when(asked.asked_at)}: {asked.why}." for asked in one.asked]
    lines.append(
        f"{len(portrait.works)} papers here are theirs beyond doubt, {portrait.doubtful} more bear the name."
        + (f" {portrait.votes} votes." if portrait.votes is not None else "")
    )
    if portrait.novelty is not None:
        lines.append(f"Novelty {portrait.novelty} %: the mean of these papers.")
    if portrait.ai_score is not None:
        lines.append(f"AI score {portrait.ai_score}: " + ", ".join(f"{p.key} {p.points}" for p in portrait.parts) + ".")
    else:
        lines.append("Too few papers for an AI score.")
    door.show(_document(one), *filter(None, lines))


@group.command("refresh")
@with_door
def refresh(
    door: Door,
    everybody: Annotated[bool, typer.Option("--all", help="Ask for everybody now, asked lately or not.")] = False,
) -> int:
    """Ask the catalogues for those of whom a week was heard nothing."""
    people = door.app.people
    with stoppable() as stop:
        done = people.refresh(
            everybody=everybody,
            stop=stop,
            progress=lambda answer: door.progress(f"{answer.person}: {answer.state}"),
        )
        door.progress_ends()
    rows = [(one.person, one.catalogue, one.state, one.why) for one in done.answers]
    door.show(
        done,
        *_told(done, rows),
    )
    if stop.is_set():
        return INTERRUPTED
    failed = sum(one.state == "failed" for one in done.answers)
    return share(failed, len(done.answers)) if done.answers else DONE


def _told(done: Refreshed, rows: Sequence[tuple[str, ...]]) -> Sequence[str | Rows]:
    if not rows:
        return done.why or ("Nobody is due. (--all asks for all of them.)",)
    left = [f"{done.left} are still due."] if done.left else []
    return [Rows(("person", "catalogue", "state", "why"), rows), *done.why, *left]


def _number(value: int | None) -> object:
    return "-" if value is None else value


def _document(one: Known) -> dict[str, object]:
    """What is known as JSON: the facts, what came of asking, and the store's own figures with their parts."""
    portrait = one.portrait
    return {
        "person": one.written,
        "facts": one.facts,
        "asked": one.asked,
        "papers_here": len(portrait.works),
        "doubtful": portrait.doubtful,
        "votes": portrait.votes,
        "category": portrait.category,
        "novelty": portrait.novelty,
        "ai_score": portrait.ai_score,
        "parts": [{"key": part.key, "points": part.points, "figures": dict(part.figures)} for part in portrait.parts],
    }
