"""Which sources have been silent for unusually long by their own rhythm, as their rounds tell it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from digest.model.feeds import SourceId, SourceState
from digest.services.status.usual import REACH, Hush, hush
from digest.storage import rounds, sources
from digest.storage.base import Tx

#: Nothing is unusual before that.
_SOON = timedelta(days=1)


def hushes(tx: Tx, now: datetime) -> Mapping[SourceId, Hush]:
    """By source; one that does not work is none of them, its state tells why it is silent."""
    held = {one.source.id: one for one in sources.all_held(tx) if one.state is not SourceState.BROKEN}
    last = rounds.last_news(tx, held, until=now)
    quiet = [source_id for source_id, at in last.items() if now - at > _SOON]
    news = rounds.news_since(tx, quiet, since=now - REACH, until=now)
    found = {source_id: hush(instants, now) for source_id, instants in news.items()}
    return {source_id: one for source_id, one in found.items() if one is not None}
