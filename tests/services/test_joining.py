"""Joining: what arXiv says of works that came without categories is kept like what any ingest keeps, in its turn."""

from __future__ import annotations

import threading

from digest.model.feeds import FetchRequest, FetchResponse
from digest.services.fetching.joining import join_categories
from digest.storage import authorships, entries
from tests.services.test_social_kinds import feed, paper
from tests.storage.papers import SLOT_AT, new_paper

API = "https://export.arxiv.example/api/query"


def arxiv(request: FetchRequest) -> FetchResponse:
    return FetchResponse(url=request.url, status=200, body=feed(paper("2605.00001")).encode())


def test_it_waits_for_an_ingest_that_writes(store):
    bare = new_paper(1, categories=(), authors=(), abstract="")
    with store.transaction() as tx:
        entries.apply(tx, [bare], now=SLOT_AT)
    joined: list[int] = []
    joining = threading.Thread(
        target=lambda: joined.append(join_categories(store, arxiv, lambda: SLOT_AT, arxiv_api=API))
    )
    with store.transaction() as tx:
        entries.lock(tx)
        joining.start()
        joining.join(1)
        assert joining.is_alive(), "it wrote in the middle of an ingest"
    joining.join(20)
    assert joined == [1]
    with store.reading() as tx:
        (held,) = entries.load(tx, range(9))
        assert (held.categories, held.authors) == (("cs.CL",), ("Ada Lumen",))
        assert authorships.works_by(tx, ["Ada Lumen"], SLOT_AT, limit=9)
