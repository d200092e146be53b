"""What the rest of the program gets: one frozen record, in the model's words, every path absolute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from digest.config.nearest import nearest
from digest.config.relaying import RelaySettings
from digest.config.settings import (
    DeliverySettings,
    FetchSettings,
    InboundSettings,
    KeySettings,
    MailSettings,
    RankingSettings,
    RetentionSettings,
    SigningSettings,
    WebhookSettings,
    WebSettings,
)
from digest.model.desk import Operator
from digest.model.editions import Digest
from digest.model.errors import UsageError
from digest.model.feeds import Source
from digest.model.mail import Sender


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The whole configuration, checked. ``path`` is None where it was not read from a file."""

    path: Path | None
    folder: Path
    """What relative paths are relative to: the file's folder."""
    database_url: str = field(repr=False)
    """As SQLAlchemy takes it; may hold a password, so it is never printed."""
    relays: tuple[RelaySettings, ...]
    """In order of preference."""
    signing: tuple[SigningSettings, ...]
    delivery: DeliverySettings
    mail: MailSettings
    web: WebSettings
    operators: tuple[Operator, ...]
    """Who may use the desk."""
    fetch: FetchSettings
    """``contact`` is never empty here."""
    keys: KeySettings
    catalogues: tuple[str, ...]
    """Services that are asked about people."""
    inbound: InboundSettings
    webhooks: WebhookSettings
    ranking: RankingSettings
    retention: RetentionSettings
    sources: tuple[Source, ...]
    source_places: tuple[str, ...]
    """Where each source is written, for an error: file and line."""
    digests: tuple[Digest, ...]
    sender: Sender
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Which keys came from the environment, for `digest doctor`: ``{"smtp.host": "DIGEST_SMTP__HOST"}``."""

    def digest(self, name: str | None) -> Digest:
        """The digest of that name; the only one for None. UsageError where that is not decided."""
        names = [digest.name for digest in self.digests]
        if name is None:
            if len(names) == 1:
                return self.digests[0]
            raise UsageError(
                "there are several digests" if names else "the configuration has no [[digest]]",
                where=str(self.path or ""),
                try_=f"name one with --digest: {', '.join(names)}" if names else "add one, or run digest init",
            )
        for digest in self.digests:
            if digest.name == name:
                return digest
        raise UsageError(f'there is no digest "{name}"', where="--digest", try_=nearest(name, names))
