"""What readers say of papers, "more like this" or "less", by a mail's link or by command; kept to be looked at, taken
back, carried off and forgotten.

Of a reader nothing is kept but the work, +1 or -1, and the day: no click, no opening, no machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from digest.model.errors import NotFound
from digest.model.feeds import Entry
from digest.model.people import Profile, SubscriberId, Subscription, Taste
from digest.services.learning.evidence import gather
from digest.services.ports import Clock, Lean
from digest.services.stamping import TASTE, Keys, read_scoped
from digest.services.status.report import find_entry
from digest.storage import entries, people, tastes
from digest.storage.base import Tx
from digest.storage.engine import Store

#: A row's number as a link carries it: below 2**63, as any database can take it.
_ROW = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a link in a mail is about: a paper, for one reader, with what he said of it: 1, -1, or 0 for nothing."""

    reader: Subscription
    entry: Entry
    value: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tastes:
    """The use cases around a reader's words. A paper is named as for `digest explain`: any id, link, arXiv id or DOI.

    NotFound where no source has brought it.
    """

    store: Store
    keys: Keys
    lean: Lean
    clock: Clock

    def keep(self, who: SubscriberId, papers: Sequence[str], value: int) -> tuple[Taste, ...]:
        """Keeps 1 (more like these) or -1 (less), of all or of none; the newest word about a work counts."""
        with self.store.transaction() as tx:
            return tuple(self._put(tx, who, find_entry(tx, typed), value) for typed in papers)

    def undo(self, who: SubscriberId, papers: Sequence[str]) -> tuple[Entry, ...]:
        """Takes back what was said of papers, of all or of none; NotFound where that is nothing."""
        with self.store.transaction() as tx:
            found = tuple(find_entry(tx, typed) for typed in papers)
            for entry in found:
                if not tastes.undo(tx, who, entry.id):
                    raise NotFound(
                        "nothing was said of this paper", where=entry.work, try_="`digest taste list` shows what was"
                    )
            return found

    def said_by(self, who: SubscriberId) -> tuple[Taste, ...]:
        """All that a reader said, the newest first."""
        with self.store.reading() as tx:
            return tastes.said_by(tx, who)

    def leanings(self, who: SubscriberId) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words and the people that a reader's likes point to, ten each at most and strongest first."""
        now = self.clock()
        with self.store.reading() as tx:
            said = tastes.said_by(tx, who)[: tastes.HEARD]
            likes = tuple(sorted(one.work for one in said if one.value > 0))
            if not likes:
                return (), ()
            spoken_of = entries.load(tx, [one.entry_id for one in said], texts_only=True)
            evidence = gather(tx, spoken_of, now)
        dislikes = tuple(sorted(one.work for one in said if one.value < 0))
        return self.lean(spoken_of, evidence, now, Profile(likes=likes, dislikes=dislikes))

    def export(self, who: SubscriberId) -> dict[str, Any]:
        """All that is kept of a reader's words, as plain values for JSON."""
        return {"tastes": list(map(exported, self.said_by(who)))}

    def forget(self, who: SubscriberId) -> int:
        """Deletes all that a reader said; gives how much it was."""
        with self.store.transaction() as tx:
            return tastes.erase(tx, who)

    def asked(self, token: str, number: str) -> Asked | None:
        """What a link is about; None for a token that is forged or too old, and for a paper that is not here."""
        with self.store.reading() as tx:
            return self._asked(tx, token, number)

    def answer(self, token: str, number: str, value: int) -> Asked | None:
        """Keeps what a reader says by a link: 1, -1, or 0 to take it back. None as ``asked``."""
        with self.store.transaction() as tx:
            found = self._asked(tx, token, number)
            if found is None:
                return None
            who = found.reader.subscriber_id
            if value:
                self._put(tx, who, found.entry, value)
            else:
                tastes.undo(tx, who, found.entry.id)
            return Asked(reader=found.reader, entry=found.entry, value=value)

    def _put(self, tx: Tx, who: SubscriberId, entry: Entry, value: int) -> Taste:
        day = self.clock().date()
        tastes.put(tx, who, entry.id, value, day)
        return Taste(entry_id=entry.id, work=entry.work, title=entry.title, url=entry.url, value=value, day=day)

    def _asked(self, tx: Tx, token: str, number: str) -> Asked | None:
        subscription_id = read_scoped(TASTE, token, self.clock().date(), self.keys.links)
        reader = people.subscription(tx, subscription_id) if subscription_id is not None else None
        if reader is None or not _ROW.fullmatch(number):
            return None
        row = int(number)
        found = entries.load(tx, [entries.roots(tx, [row]).get(row, row)], texts_only=True)
        if not found:
            return None
        said = next((one.value for one in tastes.said_by(tx, reader.subscriber_id) if one.entry_id == found[0].id), 0)
        return Asked(reader=reader, entry=found[0], value=said)


def exported(one: Taste) -> dict[str, Any]:
    """What was said of one paper, as plain values for JSON."""
    return {"id": one.work, "title": one.title, "url": one.url, "value": one.value, "day": one.day.isoformat()}
