"""One process among those of a fleet: whether it fits there, and its signs of life."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import __version__
from digest.model.errors import ConfigError
from digest.services.ports import Clock, Work
from digest.storage import meta, workers
from digest.storage.engine import Store
from digest.storage.workers import Worker

#: Longer than it takes to read a mailbox and to clear away what is old.
_ALONE = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class Crew:
    """One process among the others."""

    store: Store
    keys: str
    """The mark of its secrets."""
    holder: str
    zones: str
    """The version of this machine's time zone database."""
    ahead: Callable[[], float]
    """Seconds by which this machine's clock is ahead of the one that all share; looks at it anew."""
    accepted: Callable[[], Mapping[str, Mapping[str, int]]]
    """Mails that each relay took from this process so far, by the recipients' domain."""
    clock: Clock

    def enlist(self) -> None:
        """Makes sure that this process fits among the others. Raises ConfigError."""
        with self.store.reading() as tx:
            others = workers.living(tx, self.clock())
        stranger = next((one for one in others if one.keys != self.keys), None)
        if stranger is not None:
            raise ConfigError(
                f"the secret is another than that of the worker {stranger.name}: "
                "neither would know the links in the other's mails",
                where="web.secret_file",
                try_="give all machines the same file; to change it, stop all workers first",
            )

    def sign(self, roles: tuple[Work, ...], started_at: datetime, refused: tuple[datetime, str] | None = None) -> None:
        """Gives a sign of life; ``refused``: since when no relay takes our mails, and why. Raises StorageError."""
        ahead = self.ahead()
        now = self.clock()
        one = Worker(
            holder=self.holder,
            roles=tuple(role.value for role in roles),
            version=__version__,
            zones=self.zones,
            keys=self.keys,
            started_at=started_at,
            seen_at=now,
            ahead=round(ahead, 3),
            accepted=self.accepted(),
            refused_since=refused[0] if refused else None,
            refused=refused[1] if refused else "",
        )
        with self.store.transaction() as tx:
            workers.sign(tx, one)
            workers.prune(tx, now)

    def refused(self) -> tuple[datetime, str] | None:
        """Since when no relay takes anything from any worker that delivers, and why; None while one does."""
        with self.store.reading() as tx:
            living = workers.living(tx, self.clock())
        senders = [one for one in living if Work.DELIVER.value in one.roles]
        since = [(one.refused_since, one.refused) for one in senders if one.refused_since is not None]
        return min(since) if since and len(since) == len(senders) else None

    @contextmanager
    def alone(self, name: str) -> Generator[bool]:
        """Whether nobody else is at this now; nobody else is until the block ends, or for ``_ALONE`` at most."""
        holder = f"{self.holder}:{name}"
        with self.store.transaction() as tx:
            now = self.clock()
            taken = meta.take_lease(tx, name, holder, now, now + _ALONE)
        try:
            yield taken
        finally:
            if taken:
                with self.store.transaction() as tx:
                    meta.give_back(tx, name, holder)

    def leave(self) -> None:
        """This process ends: nobody need miss it."""
        with self.store.transaction() as tx:
            workers.leave(tx, self.holder)
