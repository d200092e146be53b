"""What was printed for everybody, by day, for doors that list; readers' own editions are never read here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from digest.model.editions import Digest
from digest.model.errors import NotFound
from digest.rendering import remarks
from digest.services.publishing.preview import Previewed
from digest.storage import archive, editions
from digest.storage.engine import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A public edition without its papers."""

    day: date
    composed_at: datetime
    candidates: int
    printed: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """Reads public editions, of digests with a public archive and without."""

    store: Store

    def days(self, digest: Digest, *, before: date | None = None, limit: int) -> tuple[Heading, ...]:
        """The newest first, one a day."""
        with self.store.reading() as tx:
            found = archive.newest(tx, digest.name, before=before, limit=limit)
        return tuple(
            Heading(
                day=one.day,
                composed_at=one.composed_at,
                candidates=one.candidates,
                printed=one.printed,
                reason=remarks.sentences(one.reason),
            )
            for one in found
        )

    def on(self, digest: Digest, day: date) -> Previewed:
        """A day's edition as it was frozen, without the mail. Raises NotFound."""
        with self.store.reading() as tx:
            edition = editions.public_on(tx, digest.name, day)
            message = editions.message(tx, edition.key) if edition is not None else None
        if edition is None:
            raise NotFound("no edition was printed that day", where=f"{digest.name} {day.isoformat()}")
        return Previewed(
            digest=digest,
            slot=edition.slot,
            address="",
            edition=edition,
            message=message,
            mail=None,
            reason=remarks.sentences(edition.reason),
            notes=tuple(map(remarks.for_operator, edition.notes)),
            kept=True,
        )
