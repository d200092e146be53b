"""How mails leave and what comes back: relays, the return path, the mailbox of bounces and of who leaves by mail."""

from __future__ import annotations

import time

from digest.app.webhooks import marks
from digest.config import Config, RelaySettings, read_secret
from digest.delivery.inbound import Mailbox
from digest.delivery.mailbox import Imap, Maildir
from digest.delivery.oauth import TokenCommand
from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import ANSWER_SECONDS, Relay
from digest.delivery.warmup import WarmUp
from digest.services.ports import Clock
from digest.services.sending.outlets import Outlet
from digest.services.sending.packing import ReturnPath
from digest.services.sending.slices import Lending, Quota
from digest.storage.engine import Store


def relay(settings: RelaySettings, number: int, of: int, account: str = "") -> Relay:
    """``account`` tells it from others of its host and port."""
    file = settings.password_file
    return Relay(
        name="smtp" if of == 1 else f"smtp {number}",
        transport=settings.transport,
        host=settings.host,
        port=settings.port_used,
        account=account,
        security=settings.security,
        username=settings.username,
        password=(lambda: read_secret(file)) if file is not None else None,
        token=TokenCommand(settings.token_command) if settings.token_command else None,
        allow_plain_auth=settings.allow_plain_auth,
        connections=settings.connections,
        chunking=settings.chunking,
        timeout=settings.timeout.total_seconds(),
        answer_timeout=max(ANSWER_SECONDS, settings.timeout.total_seconds()),
        path=settings.path,
        ca_file=settings.ca_file,
    )


def mailbox_of(config: Config) -> Mailbox | None:
    inbound = config.inbound
    if inbound.maildir is not None:
        return Maildir(inbound.maildir)
    file = inbound.password_file
    if not inbound.host or file is None:
        return None
    return Imap(
        host=inbound.host,
        port=inbound.port,
        security=inbound.security,
        username=inbound.username,
        password=lambda: read_secret(file),
        folder=inbound.folder,
    )


def outlet(relay: Relay, settings: RelaySettings, store: Store, clock: Clock) -> Outlet:
    # A SQLite file has one machine, and next to always one process that sends: it asks nobody how fast it may be.
    lender = None if store.is_sqlite else Lending(store=store, place=relay.place, clock=clock)
    plan = warm_up(settings)
    return Outlet(
        relay=relay,
        throttle=Throttle(relay.connections),
        rates=RateLimit(settings.rate, settings.domain_rates, lender),
        weight=settings.weight,
        quota=None if plan is None else Quota(store, relay.place, plan, clock, time.monotonic),
    )


def warm_up(settings: RelaySettings) -> WarmUp | None:
    plan = settings.warm_up
    if plan is None:
        return None
    return WarmUp(first=plan.first, growth=plan.growth, since=plan.since, until=plan.until)


def return_path(config: Config) -> ReturnPath:
    bounces = config.mail.bounces_to
    return ReturnPath(address=bounces or config.sender.from_address, tokens=bool(bounces), marks=marks(config))


def can_read(config: Config) -> bool:
    """Opens the mailbox and looks; False when none is named. Raises MailboxError."""
    box = mailbox_of(config)
    if box is None:
        return False
    try:
        next(iter(box.unread()), None)
    finally:
        box.close()
    return True
