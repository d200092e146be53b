"""The operators at the desk, and the doctor, who looks at everything from the configuration to the DNS."""

from __future__ import annotations

from functools import partial

from digest.app.parts import Parts
from digest.app.post import can_read
from digest.app.ranking import model_reader
from digest.app.signing import key_reader, secret_files
from digest.delivery.exchange import look_in
from digest.delivery.records import text_records
from digest.model.errors import ConfigError
from digest.services.access.operators import Operators
from digest.services.access.passwords import is_hash
from digest.services.readers.admission import Admission
from digest.services.status.fleet import Fleet
from digest.services.tending.doctor import Doctor, Exit


def operators(parts: Parts) -> Operators:
    """Raises ConfigError for a password hash with which nobody could ever log in."""
    for one in parts.config.operators:
        if one.password_hash and not is_hash(one.password_hash):
            raise ConfigError(
                f'the password_hash of "{one.name}" has numbers that are never tried',
                where="[[operator]]",
                try_="`digest desk password` makes one that works",
            )
    return Operators(
        store=parts.store,
        known=parts.config.operators,
        lasting=parts.keys.lasting,
        public_url=parts.config.sender.public_url,
        new_secret=parts.new_secret,
        clock=parts.clock,
    )


def doctor(parts: Parts, admission: Admission, fleet: Fleet) -> Doctor:
    config = parts.config
    return Doctor(
        store=parts.store,
        digests=config.digests,
        configured=config.sources,
        sender=config.sender,
        template_problems=parts.renderer.problems,
        exits=tuple(
            Exit(where=relay.where, is_server=relay.path is None, look_in=partial(look_in, relay))
            for relay in parts.relays
        ),
        is_ours=lambda form: admission.age_of(form) is not None,
        fetch=parts.ways.fetch,
        kinds=parts.kinds,
        foreign=parts.kinds.foreign,
        print_edition=parts.print_edition,
        print_question=parts.print_question,
        text_records=text_records,
        signing=tuple(key_reader(settings, config) for settings in config.signing),
        read_inbox=lambda: can_read(config),
        bounces_to=config.mail.bounces_to,
        webhooks=parts.webhooks.states,
        secrets=lambda: tuple(secret_files(config)),
        load_model=model_reader(config),
        troubles=lambda: [(one.what, one.try_) for one in fleet.look().troubles],
        clock=parts.clock,
    )
