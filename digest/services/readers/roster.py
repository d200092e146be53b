"""Who reads, person by person and page by page, for doors that list; nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from digest.delivery.tokens import address_key
from digest.model.errors import NotFound
from digest.model.people import Subscriber, Subscription, Suppression, SuppressionReason
from digest.storage import people, roster
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.roster import Wanted

__all__ = ["Person", "Roster", "Wanted"]

_A_PAGE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A subscriber with all subscriptions. ``suppressed``: why the address must not be written to."""

    subscriber: Subscriber
    links: tuple[Subscription, ...]
    suppressed: SuppressionReason | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """Reads people by id."""

    store: Store
    lasting: bytes = field(repr=False)

    def page(self, wanted: Wanted, *, after: int = 0, limit: int) -> tuple[Person, ...]:
        """People behind an id, in id order; each with all that he reads, also what ``wanted`` does not name."""
        with self.store.reading() as tx:
            return self._whole(tx, roster.page(tx, wanted, after=after, limit=limit))

    def each(self, wanted: Wanted) -> Iterator[Person]:
        """All of them, page by page: no transaction is open in between, and nothing is held but a page."""
        after = 0
        while some := self.page(wanted, after=after, limit=_A_PAGE):
            yield from some
            after = some[-1].subscriber.id

    def get(self, subscriber_id: int) -> Person:
        """Raises NotFound."""
        with self.store.reading() as tx:
            found = roster.one(tx, subscriber_id)
            if found is None:
                raise NotFound("there is no such subscriber", where=f"subscriber {subscriber_id}")
            return self._whole(tx, [found])[0]

    def suppressions(self, *, after: str = "", limit: int) -> tuple[Suppression, ...]:
        """The suppression list behind a key."""
        with self.store.reading() as tx:
            return roster.suppressed(tx, after=after, limit=limit)

    def newest_suppressions(
        self, *, search: str = "", before: tuple[datetime, str] | None = None, limit: int
    ) -> tuple[Suppression, ...]:
        """The suppression list, the newest first, of addresses with this part; ``before`` is the (since_at, key) of the
        last one read."""
        with self.store.reading() as tx:
            return roster.newest_suppressed(tx, search=search, before=before, limit=limit)

    def each_suppression(self) -> Iterator[Suppression]:
        """All of the list, page by page."""
        after = ""
        while some := self.suppressions(after=after, limit=_A_PAGE):
            yield from some
            after = some[-1].key

    def _whole(self, tx: Tx, found: Sequence[Subscriber]) -> tuple[Person, ...]:
        links: dict[int, list[Subscription]] = defaultdict(list)
        for link in people.subscriptions_of_each(tx, [one.id for one in found]):
            links[link.subscriber_id].append(link)
        hashed = {one.id: address_key(one.address, self.lasting) for one in found}
        listed = people.suppressed(tx, list(hashed.values()))
        return tuple(
            Person(subscriber=one, links=tuple(links[one.id]), suppressed=listed.get(hashed[one.id])) for one in found
        )
