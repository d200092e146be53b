"""Services of what is read: sources, their documents, people, and whether all is well with them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from digest.app.documents import ways
from digest.app.parts import Parts
from digest.config import Config
from digest.model.feeds import SourceKind
from digest.services.fetching.backfill import Backfill
from digest.services.fetching.catalogue import People
from digest.services.fetching.check import Checked, check
from digest.services.fetching.discover import Discover
from digest.services.fetching.ingest import Ingest
from digest.services.fetching.understanding import understood
from digest.services.ports import Clock
from digest.sources.kinds import KINDS, installed
from digest.sources.kinds.elsewhere import Foreign
from digest.sources.people.openalex import OPENALEX
from digest.sources.people.semanticscholar import SEMANTIC_SCHOLAR
from digest.sources.workers import Workers


def ingest(parts: Parts) -> Ingest:
    fetcher, workers = parts.ways.fetcher, Workers()
    return Ingest(
        store=parts.store,
        configured=parts.config.sources,
        kinds=parts.kinds,
        fetch=parts.ways.fetch,
        clock=parts.clock,
        jitter=random.random,
        arxiv_api=parts.config.fetch.arxiv_api,
        queue=fetcher.queue,
        free_in=fetcher.free_in,
        hang_up=fetcher.hang_up,
        elsewhere=partial(workers.call, understood),
        dismiss=workers.close,
        wake=parts.wake,
    )


def backfill(parts: Parts) -> Backfill:
    return Backfill(
        store=parts.store,
        configured=parts.config.sources,
        kinds=parts.kinds,
        fetch=parts.ways.fetch,
        clock=parts.clock,
        arxiv_api=parts.config.fetch.arxiv_api,
        queue=parts.ways.fetcher.queue,
        hang_up=parts.ways.fetcher.hang_up,
    )


def people(parts: Parts) -> People:
    return People(
        store=parts.store,
        digests=parts.config.digests,
        catalogues=tuple(one for one in (OPENALEX, SEMANTIC_SCHOLAR) if one.name in parts.config.catalogues),
        fetch=parts.ways.fetcher.fetch,
        clock=parts.clock,
    )


def discover(parts: Parts) -> Discover:
    return Discover(kinds=parts.kinds, fetch=parts.ways.fetch, clock=parts.clock)


def check_sources(
    config: Config | None, inputs: Sequence[str], *, kind: str = "", allow_private: bool = False, clock: Clock
) -> tuple[Checked, ...]:
    """What would be taken from these files and URLs; needs no database, and no configuration either."""
    asking = ways(config, clock)
    try:
        return check(inputs, asking.fetch, kind=kind, allow_private=allow_private, kinds=installed())
    finally:
        asking.close()


def source_kinds() -> tuple[tuple[SourceKind, ...], tuple[Foreign, ...]]:
    """(our own kinds, those of other packages), for `digest sources kinds`."""
    return tuple(KINDS.values()), installed().foreign()
