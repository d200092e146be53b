"""What must hold of a ledger and of what its mail server got, whatever happened in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sqlalchemy import delete, select, update

from digest.model.mail import DeliveryState
from digest.storage.deliveries import attempts, deliveries
from digest.storage.engine import Store
from tests.acceptance.taker import Taker
from tests.services.sending import WEEKLY, Office, enrol, identity, message_id, office, reader
from tests.services.world import DAILY, World, with_profile

#: Two digests that each bring something: of the two papers there are, the first one shows one.
TWO = (with_profile(DAILY, max_items=1), WEEKLY)


def crowd(store: Store, readers: int) -> Office:
    """So many readers with a planned mail each; every third reads two digests in one joined mail."""
    world = World(store, digests=TWO)
    world.source()
    for number in (1, 2):
        world.paper(number)
    enrol(world, [(reader(n), TWO if n % 3 == 0 else TWO[:1]) for n in range(readers)])
    world.publish.run(world.now)
    assert sum(identity(store).values()) == readers + len(range(0, readers, 3))
    return Office(store, world)


def joined(store: Store, readers: int) -> Office:
    """So many readers with a planned mail of two digests each."""
    desk = office(store, readers, digests=TWO, papers=2)
    assert len(desk.rows()) == 2 * readers
    return desk


def again(store: Store) -> None:
    """Makes the ledger as it was before anything was sent."""
    fresh: dict[str, object] = {"state": "queued", "lease": "", "leased_until": None, "attempts": 0, "relay": ""}
    fresh |= {"reason": "", "code": None, "enhanced": "", "remote": "", "settled_at": None, "tried_at": None}
    with store.transaction() as tx:
        tx.execute(delete(attempts))
        tx.execute(update(deliveries).values(**fresh, next_at=deliveries.c.created_at))


def held(store: Store) -> int:
    """How many mails have a dot that may have gone, their end not written down. The identity is checked with it."""
    identity(store)
    with store.reading() as tx:
        sending = (deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.leader_id.is_(None))
        return len(tx.execute(select(deliveries.c.id).where(*sending)).all())


def doubted(store: Store) -> Counter[str]:
    """How often each recipient's mail was uncertain."""
    with store.reading() as tx:
        tries = (
            select(deliveries.c.address)
            .join(attempts, attempts.c.delivery_id == deliveries.c.id)
            .where(attempts.c.outcome == "uncertain")
        )
        found = Counter(tx.execute(tries).scalars())
        now = (deliveries.c.state == DeliveryState.UNCERTAIN.value, deliveries.c.leader_id.is_(None))
        return found + Counter(tx.execute(select(deliveries.c.address).where(*now)).scalars())


def check(
    store: Store, relay: Taker, readers: Collection[str], *, doubts: int, resend: bool = False
) -> tuple[int, int]:
    """Asserts the laws when all is sent; gives (how many mails are or were uncertain, duplicates at the server).

    ``doubts``: at most so many mails may have become uncertain.
    """
    identity(store)
    copies = relay.copies()
    unsure = doubted(store)
    with store.reading() as tx:
        rows = tx.execute(select(deliveries.c.address, deliveries.c.state)).all()
    states = {(row.address, row.state) for row in rows}
    accepted = {address for address, state in states if state == "accepted"}
    uncertain = {address for address, state in states if state == "uncertain"}
    # Nothing lost: each is accepted or named as uncertain, never both; what is accepted has arrived.
    assert accepted | uncertain == set(readers)
    assert not accepted & uncertain
    assert accepted <= copies.keys() <= set(readers)
    assert sum(unsure.values()) <= doubts
    assert not (resend and uncertain)
    # Nothing twice, unless it was uncertain before; and then it is the same mail.
    for address, mails in copies.items():
        assert len(mails) - 1 <= (unsure[address] if resend else 0), f"{address} got {len(mails)}"
        assert len(set(mails)) == 1
    assert len({message_id(mails[0]) for mails in copies.values()}) == len(copies)
    return sum(unsure.values()), sum(len(mails) - 1 for mails in copies.values())
