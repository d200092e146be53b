"""OpenAlex as a catalogue of people (developers.openalex.org: GET /authors/ID, GET /works/ID). Pure.

Takes ``openalex:A…``, ``orcid:…`` and works with an arXiv id or a DOI. An author who was merged into another is
answered with 301; the fetcher follows, and the id in the answer is the new one. Without a key it answers a few requests
a day at most.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from digest.model.catalogue import Catalogue, Facts
from digest.model.errors import ParseError
from digest.model.feeds import FetchRequest, FetchResponse, WorkId
from digest.sources.people.answers import ACCEPT, CHANGED, Fields, count, needed, text, whole
from digest.sources.reading.records import objects, within

API_URL = "https://api.openalex.org"
_AUTHOR = "id,orcid,display_name,works_count,cited_by_count,summary_stats,last_known_institutions,topics"
_NAME = "OpenAlex"
#: Institutions named; some people list a dozen.
_MOST = 3


def by_id(name: str) -> FetchRequest | None:
    kind, _, rest = name.partition(":")
    if kind == "openalex" and re.fullmatch(r"A\d{4,12}", rest):
        return _request(f"authors/{rest}?select={_AUTHOR}")
    if kind == "orcid" and re.fullmatch(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]", rest):
        return _request(f"authors/orcid:{rest}?select={_AUTHOR}")
    return None


def by_paper(work: WorkId) -> FetchRequest | None:
    kind, _, rest = work.partition(":")
    doi = f"10.48550/arxiv.{rest}" if kind == "arxiv" else rest if kind == "doi" else ""
    return _request(f"works/doi:{quote(doi, safe='/.')}?select=id,authorships") if doi else None


def author(response: FetchResponse) -> Facts:
    fields = whole(response, _NAME)
    return Facts(
        id=_id(needed(fields, "id", response, _NAME), response),
        name=needed(fields, "display_name", response, _NAME),
        orcid=_orcid(text(fields, "orcid")),
        url=text(fields, "id"),
        institutions=tuple(
            filter(None, (text(one, "display_name") for one in objects(fields, "last_known_institutions")[:_MOST]))
        ),
        field=_field(fields),
        h_index=count(within(fields, "summary_stats"), "h_index"),
        papers=count(fields, "works_count"),
        citations=count(fields, "cited_by_count"),
    )


def authors(response: FetchResponse) -> tuple[Facts, ...]:
    fields = whole(response, _NAME)
    if not isinstance(fields.get("authorships"), list):
        raise ParseError(f"the answer of {_NAME} has no `authorships`", where=response.url, try_=CHANGED)
    found: list[Facts] = []
    for authorship in objects(fields, "authorships"):
        one = within(authorship, "author")
        if text(one, "id") and text(one, "display_name"):
            found.append(Facts(id=_id(text(one, "id"), response), name=text(one, "display_name")))
    return tuple(found)


def _request(path: str) -> FetchRequest:
    return FetchRequest(url=f"{API_URL}/{path}", accept=ACCEPT, credential="openalex")


def _id(url: str, response: FetchResponse) -> str:
    found = re.search(r"(?:^|/)(A\d{4,12})$", url, re.IGNORECASE)
    if found is None:
        raise ParseError(f"the `id` that {_NAME} gives is no author's: {url[:80]}", where=response.url, try_=CHANGED)
    return f"openalex:{found[1].upper()}"


def _orcid(url: str) -> str:
    found = re.search(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]$", url)
    return f"orcid:{found[0]}" if found else ""


def _field(fields: Fields) -> str:
    """The subfield of most papers: topics come with how many papers each has."""
    papers: dict[str, int] = {}
    for topic in objects(fields, "topics"):
        name = text(within(topic, "subfield"), "display_name")
        if name:
            papers[name] = papers.get(name, 0) + (count(topic, "count") or 0)
    return max(papers, key=lambda name: papers[name], default="")


OPENALEX = Catalogue(
    name="openalex",
    title=_NAME,
    needs_key=True,
    by_id=by_id,
    by_paper=by_paper,
    author=author,
    authors=authors,
)
