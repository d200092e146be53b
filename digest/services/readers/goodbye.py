"""A reader whom the operator removes is told so, once (decisions/0015): who leaves by himself gets no mail after it."""

from __future__ import annotations

from dataclasses import dataclass

from digest.delivery.tokens import address_key
from digest.model.editions import Digest
from digest.model.errors import NotFound
from digest.model.mail import Message
from digest.model.people import Subscription, SubscriptionState
from digest.services.ports import Clock, PrintLetter
from digest.services.readers.subscribe import normal_address
from digest.storage import deliveries, editions, people
from digest.storage.engine import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Goodbye:
    """Ends subscriptions at the operator's word, with a mail to their reader."""

    store: Store
    digests: tuple[Digest, ...]
    key: bytes
    print_letter: PrintLetter
    clock: Clock

    def remove(self, address: str, digest: str | None = None) -> int:
        """Unsubscribes an address from one digest or all, and plans a goodbye for each it was reading; gives how many
        subscriptions ended. Raises NotFound.
        """
        now = self.clock()
        spelt = normal_address(address)
        with self.store.reading() as tx:
            who = people.subscriber(tx, spelt)
            mine = people.subscriptions_of(tx, who.id) if who is not None else ()
        if who is None:
            raise NotFound("is not a subscriber", where=spelt, try_="`digest subscribers list` shows who is")
        ended = 0
        for one in mine:
            if digest is not None and one.digest != digest:
                continue
            message = self._letter(one)
            with self.store.transaction() as tx:
                people.hold(tx, one.address)
                if not people.set_state(tx, one.id, SubscriptionState.UNSUBSCRIBED, now):
                    continue
                ended += 1
                if message is None:
                    continue
                editions.keep_message(tx, message, now)
                row = deliveries.plan_row(
                    kind="goodbye",
                    address=one.address,
                    address_key=address_key(one.address, self.key),
                    message_key=message.key,
                    now=now,
                    digest=one.digest,
                    subscriber_id=one.subscriber_id,
                    subscription_id=one.id,
                    notice_key=f"{one.digest}:{now.date().isoformat()}",
                )
                deliveries.plan(tx, [row])
        return ended

    def _letter(self, reader: Subscription) -> Message | None:
        """None for a digest that is gone, and for who never said yes and so has nothing to leave."""
        digest = next((one for one in self.digests if one.name == reader.digest), None)
        if digest is None or reader.state is not SubscriptionState.CONFIRMED:
            return None
        now = self.clock()
        language = reader.language or digest.profile.language
        key = address_key(f"goodbye:{digest.name}:{language}:{now.date().isoformat()}", self.key)
        with self.store.reading() as tx:
            kept = editions.message(tx, key)
        return kept or self.print_letter("goodbye", digest, language, now, key, {})
