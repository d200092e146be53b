"""How mails leave and what comes back: relays, the return path, the mailbox of bounces and of who leaves by mail."""

from __future__ import annotations

from digest.app.webhooks import marks
from digest.config import Config, RelaySettings, read_secret
from digest.delivery.inbound import Mailbox
from digest.delivery.mailbox import Imap, Maildir
from digest.delivery.oauth import TokenCommand
from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import ANSWER_SECONDS, Relay
from digest.services.sending.outlets import Outlet
from digest.services.sending.packing import ReturnPath


def relay(settings: RelaySettings, number: int, of: int) -> Relay:
    file = settings.password_file
    return Relay(
        name="smtp" if of == 1 else f"smtp {number}",
        transport=settings.transport,
        host=settings.host,
        port=settings.port_used,
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


def outlet(relay: Relay, settings: RelaySettings) -> Outlet:
    return Outlet(
        relay=relay,
        throttle=Throttle(relay.connections),
        rates=RateLimit(settings.rate, settings.domain_rates),
    )


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
