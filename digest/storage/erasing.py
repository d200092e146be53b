"""What an erasure takes out of the editions that were printed by a person's own wishes.

Their papers stay as they were printed, for what counts as sent hangs on them; the wishes go, and whatever names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update

from digest.model.people import Profile, SubscriberId
from digest.storage.base import Tx, batched
from digest.storage.deliveries import deliveries
from digest.storage.editions import editions, items


def forget_wishes(tx: Tx, subscriber_id: SubscriberId) -> None:
    """Cuts a person's mails from the editions that their digests do not publish, and takes the wishes out of those of
    the same wishes that no mail is tied to any more: nobody else was sent them.
    """
    mine = deliveries.c.subscriber_id == subscriber_id
    whose = (editions.c.digest, editions.c.profile_key)
    tied = select(*whose).join(deliveries, deliveries.c.edition_id == editions.c.id).where(mine)
    wished = {(digest, key) for digest, key in tx.execute(tied.distinct())}
    named = editions.c.digest.in_(sorted({digest for digest, _ in wished}))
    wished -= {(digest, key) for digest, key in tx.execute(select(*whose).where(named, editions.c.public.is_(True)))}
    for some in batched(sorted(wished), 500):
        own = select(editions.c.id).where(tuple_(*whose).in_(some))
        tx.execute(update(deliveries).where(mine, deliveries.c.edition_id.in_(own)).values(edition_id=None))
        others = select(deliveries.c.id).where(deliveries.c.edition_id == editions.c.id).exists()
        _blank(tx, tx.execute(own.where(~others)).scalars().all())


def _blank(tx: Tx, edition_ids: Sequence[int]) -> None:
    """The keys go, too: a key is the sum of the wishes, and an edition without them is not to be found as theirs."""
    nothing = asdict(Profile())
    for one in edition_ids:
        key = f"erased:{one}"
        blank = update(editions).where(editions.c.id == one)
        tx.execute(blank.values(key=key, profile_key=key, profile=nothing, notes=[], reason=[], cards=[]))
    for some in batched(edition_ids, 500):
        query = select(items.c.edition_id, items.c.position, items.c.snapshot).where(items.c.edition_id.in_(some))
        rows: list[dict[str, Any]] = [
            {"edition": row.edition_id, "place": row.position, "without": {**row.snapshot, "parts": []}}
            for row in tx.execute(query)
        ]
        if rows:
            theirs = (items.c.edition_id == bindparam("edition"), items.c.position == bindparam("place"))
            tx.execute(update(items).where(*theirs).values(snapshot=bindparam("without")), rows)
