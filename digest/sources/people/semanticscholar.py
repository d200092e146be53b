"""Semantic Scholar as a catalogue of people (api.semanticscholar.org/api-docs/graph: author and paper). Pure.

Takes ``semanticscholar:NUMBER`` and works with an arXiv id or a DOI; a paper's authors come with all their facts, so
that a name and a paper cost one request. It knows no field of a person. Without a key it answers when it is not busy.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from digest.model.catalogue import Catalogue, Facts
from digest.model.errors import ParseError
from digest.model.feeds import FetchRequest, FetchResponse, WorkId
from digest.sources.people.answers import ACCEPT, CHANGED, Fields, count, needed, text, texts, web, whole
from digest.sources.reading.records import objects

API_URL = "https://api.semanticscholar.org/graph/v1"
_FACTS = ("name", "url", "affiliations", "hIndex", "paperCount", "citationCount")
_NAME = "Semantic Scholar"
_MOST = 3


def by_id(name: str) -> FetchRequest | None:
    kind, _, rest = name.partition(":")
    if kind != "semanticscholar" or not re.fullmatch(r"\d{1,15}", rest):
        return None
    return _request(f"author/{rest}?fields={','.join(_FACTS)}")


def by_paper(work: WorkId) -> FetchRequest | None:
    kind, _, rest = work.partition(":")
    prefix = {"arxiv": "ARXIV", "doi": "DOI"}.get(kind)
    if prefix is None:
        return None
    fields = ",".join(f"authors.{name}" for name in _FACTS)
    return _request(f"paper/{prefix}:{quote(rest, safe='/.')}?fields={fields}")


def author(response: FetchResponse) -> Facts:
    fields = whole(response, _NAME)
    needed(fields, "authorId", response, _NAME)
    needed(fields, "name", response, _NAME)
    return _facts(fields)


def authors(response: FetchResponse) -> tuple[Facts, ...]:
    fields = whole(response, _NAME)
    if not isinstance(fields.get("authors"), list):
        raise ParseError(f"the answer of {_NAME} has no `authors`", where=response.url, try_=CHANGED)
    # Somebody whom it could not tell apart has a name and no id.
    return tuple(_facts(one) for one in objects(fields, "authors") if text(one, "authorId") and text(one, "name"))


def _request(path: str) -> FetchRequest:
    return FetchRequest(url=f"{API_URL}/{path}", accept=ACCEPT, credential="semanticscholar")


def _facts(fields: Fields) -> Facts:
    return Facts(
        id=f"semanticscholar:{text(fields, 'authorId')}",
        name=text(fields, "name"),
        url=web(text(fields, "url")),
        institutions=texts(fields, "affiliations")[:_MOST],
        h_index=count(fields, "hIndex"),
        papers=count(fields, "paperCount"),
        citations=count(fields, "citationCount"),
    )


SEMANTIC_SCHOLAR = Catalogue(
    name="semanticscholar",
    title=_NAME,
    needs_key=False,
    by_id=by_id,
    by_paper=by_paper,
    author=author,
    authors=authors,
)
