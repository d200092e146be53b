"""Sources besides their fetching: which ones are polled, adding one for good, taking it out again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from digest.model.errors import Conflict, NotFound
from digest.model.feeds import Source, SourceId
from digest.services.ports import Clock
from digest.services.status.hush import hushes
from digest.services.status.standing import said
from digest.services.status.usual import Hush
from digest.sources.requests import without_password
from digest.storage import sources
from digest.storage.base import storable
from digest.storage.engine import Store
from digest.storage.sources import HeldSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """The configuration's sources and those that were added to the database."""

    store: Store
    configured: tuple[Source, ...]
    clock: Clock

    def known(self) -> tuple[HeldSource, ...]:
        """Every source that is polled, by id; the configuration's are there before their first fetch, too."""
        with self.store.transaction() as tx:
            sources.sync(tx, self.configured)
            return sources.all_held(tx)

    def silent(self) -> Mapping[SourceId, Hush]:
        """Those that have been silent for unusually long by their own rhythm."""
        with self.store.reading() as tx:
            return hushes(tx, self.clock())

    def add(self, source: Source) -> None:
        """Raises Conflict when the id is taken, or another source reads the same."""
        told = (source.kind, source.url, source.category, source.options)
        with self.store.transaction() as tx:
            sources.sync(tx, self.configured)
            for held in (one.source for one in sources.all_held(tx)):
                if held.id != source.id and (held.kind, held.url, held.category, held.options) == told:
                    raise Conflict(
                        f'the source "{held.id}" reads the same already',
                        where=held.id,
                        try_="`digest sources list` shows how it is",
                    )
            if not sources.add(tx, source):
                raise Conflict(
                    f'there is a source "{source.id}" already', where=source.id, try_="choose another with --id"
                )

    def free_id(self, wanted: str) -> str:
        """The id, with a number where a source has it already."""
        taken = {held.source.id for held in self.known()}
        ids = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3)))
        return next(one for one in ids if SourceId(one) not in taken)

    def remove(self, source_id: str) -> None:
        """Stops polling an added source; its papers stay. Raises NotFound, also for one of the configuration's."""
        with self.store.transaction() as tx:
            sources.sync(tx, self.configured)
            if sources.remove(tx, storable(source_id)):
                return
        if any(source.id == source_id for source in self.configured):
            raise NotFound(
                "it stands in the configuration", where=source_id, try_="take its [[source]] out of the file"
            )
        raise NotFound("there is no such source", where=source_id, try_="`digest sources list` shows which there are")


def name_of(text: str) -> str:
    """A short name from a title or an address."""
    parts = urlsplit(text)
    plain = (
        f"{(parts.hostname or '').removeprefix('www.')}{parts.path}"
        if parts.hostname
        else text.rstrip("/").rpartition("/")[2]
    )
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-") or "source"


def gone(held: HeldSource) -> tuple[str, str]:
    """(since when a source is gone for good, what to do); two empty texts for one that is not."""
    if held.stopped_at is None:
        return "", ""
    leave = f"digest sources remove {held.source.id}" if held.origin == "added" else "take its [[source]] out"
    return (
        f"is gone for good since {said(held.stopped_at)}: its server says that it was taken down "
        f"(HTTP {held.http_status}), so it is not asked any more",
        f"{leave}, or give its new address; digest fetch {held.source.id} asks the old one once more",
    )


def shown_url(source: Source) -> str:
    """Its address as it may be shown: without a name and password."""
    return without_password(source.url)


def shown_options(source: Source) -> Mapping[str, tuple[str, ...]]:
    """A source's options as they may be shown: of a program its name only, as its arguments may be secrets."""
    return {
        name: tuple(" ".join(values).split()[:1]) if name == "command" else values for name, values in source.options
    }
