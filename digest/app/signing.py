"""The keys of [[dkim]], and every file of a configuration that holds a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from digest.config import Config, SigningSettings, read_secret
from digest.config.loading import read_text
from digest.delivery.sign import Signer
from digest.delivery.signing_key import ascii_domain, new_key, read_key
from digest.model.errors import ConfigError
from digest.model.signing import KeyKind, SigningKey
from digest.services.ports import Clock
from digest.services.tending.doctor import Secret

#: ``://user:password@`` in a line that is no comment.
_PASSWORD_IN_URL = re.compile(r"^[^#\n]*://[^\s/@:]*:[^\s/@]+@", re.MULTILINE)


def signing_keys(config: Config) -> tuple[SigningKey, ...]:
    """The keys of [[dkim]], read from their files. Raises ConfigError for the first that cannot be used."""
    return tuple(signing_key(settings, config) for settings in config.signing)


def new_signing_key(kind: str, *, selector: str, domain: str) -> tuple[str, SigningKey]:
    """(PEM, key) of a new key, ``kind`` rsa or ed25519. ValueError for what is no domain, ConfigError as read_key."""
    return new_key(KeyKind(kind), selector=selector, domain=ascii_domain(domain))


def signer(config: Config, clock: Clock) -> Signer | None:
    """What signs the mails of a run; None without [[dkim]]. Raises ConfigError for a key that cannot be used."""
    keys = signing_keys(config)
    return Signer(keys, clock=clock) if keys else None


def key_reader(settings: SigningSettings, config: Config) -> Callable[[], SigningKey]:
    return lambda: signing_key(settings, config)


def signing_key(settings: SigningSettings, config: Config) -> SigningKey:
    file = settings.key_file
    assert file is not None, "settings refuse a [[dkim]] without"
    domain = settings.domain or config.sender.from_address.rpartition("@")[2]
    try:
        spelt = ascii_domain(domain)
    except ValueError as error:
        raise ConfigError(str(error), where="domain of [[dkim]]", try_="leave it out: it is the sender's") from error
    return read_key(read_text(file), where=str(file), selector=settings.selector, domain=spelt)


def secret_files(config: Config) -> Iterator[Secret]:
    """The files of a configuration that nobody else should read."""
    if config.path is not None and _PASSWORD_IN_URL.search(config.path.read_text("utf-8", "replace")):
        yield Secret(holds="a password", file=config.path)
    found = [
        *(("a DKIM key", settings.key_file) for settings in config.signing),
        *(("the mail server's password", settings.password_file) for settings in config.relays),
        *(("a mailbox's password", Path(file)) for one in config.sources for file in one.given("password_file")),
        ("the mailbox's password", config.inbound.password_file),
        ("the password of a webhook", config.webhooks.postmark_password_file),
        ("the key of a webhook", config.webhooks.mailgun_key_file),
        ("the secret of all links", config.web.secret_file),
    ]
    told: set[Path] = set()
    for holds, file in found:
        if file is not None and file not in told:  # two relays may share one
            told.add(file)
            yield Secret(holds=holds, file=file)
    for name, file in config.keys:
        if file is not None:
            yield Secret(holds=f"the key of {name} in [keys]", file=file, read=partial(read_secret, file))
