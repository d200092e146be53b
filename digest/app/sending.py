"""Services of what is sent, and of what comes back."""

from __future__ import annotations

import random
import time

from digest.app.holders import dead_holders
from digest.app.parts import Parts
from digest.app.post import outlet, return_path, warm_up
from digest.app.signing import signer
from digest.config import Config
from digest.delivery.catchall import CatchAll
from digest.delivery.exchange import Exchange, hand_over
from digest.delivery.folder import arrived
from digest.services.readers.feedback import Feedback
from digest.services.sending.deliver import Deliver
from digest.services.sending.ledger import Ledger
from digest.services.sending.notify import Notify
from digest.services.sending.reconcile import Reconcile
from digest.services.sending.relays import Known, Relays


def deliver(parts: Parts) -> Deliver:
    kept = parts.config.delivery
    return Deliver(
        store=parts.store,
        outlets=tuple(
            outlet(relay, settings, parts.store, parts.clock)
            for relay, settings in zip(parts.relays, parts.config.relays, strict=True)
        ),
        exchange=Exchange,
        hand_over=hand_over,
        arrived=arrived,
        keys=parts.keys,
        return_path=return_path(parts.config),
        signer=lambda: signer(parts.config, parts.clock),
        resend=kept.uncertain == "resend",
        soft_bounces=kept.soft_bounces,
        soft_window=kept.soft_window,
        holder=parts.holder,
        lease=kept.lease,
        dead=dead_holders,
        clock=parts.clock,
        jitter=random.random,
        has_public_url=parts.has_public_url,
        seconds=time.monotonic,
        call_others=parts.wake,
    )


def accepted(deliver: Deliver) -> dict[str, dict[str, int]]:
    """Mails that each relay took from this process so far, by the recipients' domain."""
    return {outlet.relay.place: dict(outlet.accepted) for outlet in deliver.outlets}


def ledger(parts: Parts) -> Ledger:
    return Ledger(
        store=parts.store,
        digests=parts.config.digests,
        keys=parts.keys,
        return_path=return_path(parts.config),
        host=_host(parts.config),
        folders=tuple(relay.place for relay in parts.relays if relay.path is not None),
        clock=parts.clock,
    )


def relays(parts: Parts) -> Relays:
    return Relays(
        store=parts.store,
        exits=tuple(
            Known(
                name=relay.name,
                place=relay.place,
                connections=relay.connections,
                weight=settings.weight,
                rate=settings.rate,
                domain_rates=settings.domain_rates,
                plan=warm_up(settings),
            )
            for relay, settings in zip(parts.relays, parts.config.relays, strict=True)
        ),
        clock=parts.clock,
    )


def reconcile(parts: Parts) -> Reconcile:
    return Reconcile(store=parts.store, keys=parts.keys, host=_host(parts.config), clock=parts.clock)


def feedback(parts: Parts) -> Feedback:
    return Feedback(
        store=parts.store,
        clock=parts.clock,
        lasting=parts.keys.lasting,
        links=parts.keys.links,
        soft_bounces=parts.config.delivery.soft_bounces,
        soft_window=parts.config.delivery.soft_window,
    )


def notify(parts: Parts) -> Notify:
    return Notify(
        store=parts.store,
        digests=parts.config.digests,
        alerts_to=parts.config.mail.alerts_to,
        print_alert=parts.print_alert,
        key=parts.keys.lasting,
        clock=parts.clock,
    )


def catch_all() -> CatchAll:
    """A small SMTP server inside this process that keeps every mail, for `digest demo`."""
    return CatchAll()


def _host(config: Config) -> str:
    return config.sender.from_address.rpartition("@")[2]
