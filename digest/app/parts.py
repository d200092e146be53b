"""What several services share, made when a service first needs it: ways to the world, printer, relays, keys."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from digest.app.keys import keys_of
from digest.config import Config
from digest.delivery.tokens import new_secret
from digest.model.editions import Digest, Edition
from digest.model.mail import Message
from digest.services.ports import Clock, Prepare, Wake
from digest.services.stamping import Keys
from digest.storage.engine import Store

if TYPE_CHECKING:
    from digest.app.documents import Ways
    from digest.app.webhooks import Webhooks
    from digest.delivery.relay import Relay
    from digest.rendering.render import Renderer
    from digest.sources.kinds import Kinds


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Of one configuration. What costs time is imported only with the part that needs it: a command needs few."""

    config: Config
    clock: Clock
    store: Store
    kinds: Kinds

    @cached_property
    def keys(self) -> Keys:
        return keys_of(self.store, self.config)

    @cached_property
    def holder(self) -> str:
        """Our name on what we lease."""
        from digest.app.holders import new_holder

        return new_holder()

    @cached_property
    def wake(self) -> Wake:
        """Calls the other processes of a fleet."""
        from digest.app.calling import wake_of

        return wake_of(self.store)

    @cached_property
    def ways(self) -> Ways:
        from digest.app.documents import ways

        return ways(self.config, self.clock, self.store)

    @cached_property
    def renderer(self) -> Renderer:
        from digest.app.printing import make_renderer

        return make_renderer(self.config)

    @cached_property
    def prepare(self) -> Prepare:
        from digest.app.ranking import ranks

        return ranks(self.store, self.config)

    @cached_property
    def relays(self) -> tuple[Relay, ...]:
        from digest.app.post import relay

        found = self.config.relays
        several = {address for address, number in Counter(one.address for one in found).items() if number > 1}
        return tuple(
            relay(one, number, len(found), one.username if one.address in several else "")
            for number, one in enumerate(found, 1)
        )

    @cached_property
    def webhooks(self) -> Webhooks:
        from digest.app.webhooks import Webhooks

        return Webhooks(self.config, lambda request: self.ways.fetcher.fetch(request), self.clock)

    @property
    def has_public_url(self) -> bool:
        return bool(self.config.sender.public_url)

    def print_edition(self, editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
        return self.renderer.edition(editions, digests, sender=self.config.sender)

    def print_alert(self, at: datetime, key: str, context: Mapping[str, object]) -> Message:
        return self.renderer.notice(
            "alert", sender=self.config.sender, digest=None, language="en", date=at, key=key, context=context
        )

    def print_letter(
        self, kind: str, digest: Digest, language: str, at: datetime, key: str, context: Mapping[str, object]
    ) -> Message:
        return self.renderer.notice(
            kind, sender=self.config.sender, digest=digest, language=language, date=at, key=key, context=context
        )

    def print_question(self, name: str, language: str, at: datetime, key: str) -> Message:
        digest = self.config.digest(name)
        return self.print_letter("confirmation", digest, language or digest.profile.language, at, key, {})

    def new_secret(self) -> str:
        """For a link, as the tokens module writes it."""
        return new_secret(secrets.token_bytes(16))

    def close(self) -> None:
        """Gives back what was made of it."""
        made: Ways | None = vars(self).get("ways")
        if made is not None:
            made.close()
