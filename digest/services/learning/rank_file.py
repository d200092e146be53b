"""`digest rank FILE.jsonl`: lines and profiles in, the contract's document out; no configuration and no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from digest.entries import near
from digest.entries.identity import aliases
from digest.entries.normalize import clean
from digest.model.people import Profile
from digest.ranking import rank_file as ranking
from digest.ranking.observations import Identity, read_lines

IDENTITY = Identity(clean=clean, aliases=aliases, words=near.text_of, agree=near.ids_agree)


def rank_lines(
    lines: Iterable[str],
    *,
    name: str,
    at: datetime | None = None,
    profiles: Sequence[tuple[str, Profile]] = (),
    history: Iterable[str] = (),
    history_name: str = "history",
    limit: int | None = None,
) -> Mapping[str, object]:
    """Ranks the papers of a JSON Lines document. Raises InputError with file and line."""
    return ranking.rank_file(
        read_lines(lines, name=name),
        identity=IDENTITY,
        at=at,
        profiles=profiles,
        history=read_lines(history, name=history_name),
        limit=limit,
        name=name,
        history_name=history_name,
    )
