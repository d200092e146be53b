"""How documents come: over the network, from mailboxes and from programs of the operator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from digest import __version__
from digest.app.keys import key_of
from digest.config import Config, FetchSettings, read_secret
from digest.delivery.inbound import Letterbox
from digest.delivery.mailbox import Imap, Maildir
from digest.services.fetching import letters
from digest.services.fetching.letters import Place
from digest.services.ports import Clock, Fetch
from digest.sources.asking.credentials import Credentials
from digest.sources.asking.fetch import Fetcher
from digest.sources.asking.programs import Programs
from digest.sources.asking.roads import by_scheme
from digest.storage.engine import Store
from digest.storage.hosts import Hosts


@dataclass(frozen=True, kw_only=True, slots=True)
class Ways:
    """All ways by which documents come."""

    fetcher: Fetcher
    programs: Programs
    fetch: Fetch
    """Takes the way that an address names."""

    def close(self) -> None:
        """Nothing more is asked for, and a program that runs is ended; what is on its way is finished."""
        self.fetcher.close()
        self.programs.close()


def ways(config: Config | None, clock: Clock, store: Store | None = None) -> Ways:
    """Without a configuration: as an empty one would have it.

    Processes that share a PostgreSQL take turns at hosts through their ``store``; any other is alone.
    """
    settings = config.fetch if config else FetchSettings()
    fetcher = Fetcher(
        settings.contact,
        timeout=settings.timeout.total_seconds(),
        max_bytes=settings.max_bytes,
        version=__version__,
        credentials=Credentials(partial(key_of, config)) if config else None,
        fleet=Hosts(store) if store is not None and not store.is_sqlite else None,
        now=clock,
    )
    programs = Programs(config.folder if config else Path.cwd(), max_bytes=settings.max_bytes)
    mails = letters.road(_letterbox)
    roads = {"maildir": mails, "imap": mails, "imaps": mails, "command": programs.fetch}
    return Ways(fetcher=fetcher, programs=programs, fetch=by_scheme(fetcher.fetch, roads))


def _letterbox(place: Place) -> Letterbox:
    """A mailbox that is a source: it is only looked into."""
    file = place.password_file
    if file is None:
        return Maildir(Path(place.folder))
    return Imap(
        host=place.host,
        port=place.port,
        security=place.security,
        username=place.username,
        password=lambda: read_secret(file),
        folder=place.folder,
        read_only=True,
    )
