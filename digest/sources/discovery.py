"""Finds what to poll: takes what a person pastes (an address, a category, a web page), gives proposals. Pure.

``of_address`` knows the sites that researchers follow by the form of their addresses; ``of_page`` reads what an HTML
page says of its feeds (RSS autodiscovery, www.rssboard.org/rss-autodiscovery); ``guesses`` are the places where feeds
lie by custom. None of them looks at the network: services/fetching/discover.py tries what is proposed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, unquote, urljoin, urlsplit

#: So much of a page is looked through; feeds are named in its head, journals link theirs in the first screens.
PAGE = 1_000_000
#: A page may link hundreds of feeds; so many are proposed.
MOST = 12

_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
_CATEGORY = re.compile(r"[a-z]+(?:-[a-z]+)*(?:\.(?:[A-Z]{2}|[a-z]+(?:-[a-z]+)*))?")
_ARCHIVES = re.compile(
    r"astro-ph|cond-mat|cs|econ|eess|gr-qc|hep-(?:ex|lat|ph|th)|math|math-ph|nlin|nucl-(?:ex|th)|physics|q-bio|q-fin"
    r"|quant-ph|stat"
)
#: An ISSN with its check digit (ISO 3297).
_ISSN = re.compile(r"\b(\d{4}-\d{3}[\dXx])\b")
_FEED_LINK = re.compile(r"(?:^|[/._?=&-])(?:rss|atom|feed|feeds|xml)(?:$|[/._?=&-])", re.IGNORECASE)
_LESS_WANTED = re.compile(r"comment|podcast|tag/|/category/|\bauthor/|replies", re.IGNORECASE)
_GUESSES = ("feed", "rss", "feed.xml", "atom.xml", "rss.xml", "index.xml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A source that might be meant: its kind, the keys of its [[source]], and how it was found."""

    kind: str
    url: str = ""
    category: str = ""
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    title: str = ""
    why: str


def of_address(given: str) -> tuple[Proposal, ...]:
    """What the form of an address tells, the likeliest first; nothing where its page or document must be looked at."""
    text = given.strip()
    if "://" not in text:
        head = text.partition(".")[0]
        if _ARCHIVES.fullmatch(head) and _CATEGORY.fullmatch(text):
            return (Proposal(kind="arxiv", category=text, why="a category of arXiv"),)
        if re.fullmatch(r"10\.\d{4,9}/\S+", text):
            return (_cites("openalex", text, "a DOI: new papers that cite it"),)
        if text and issn_of(text) == text.upper():
            return (_journal(text.upper()),)
        return ()
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return ()
    segments = tuple(unquote(part) for part in parts.path.split("/") if part)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    rule = next((rule for site, rule in _SITES.items() if host == site or host.endswith("." + site)), None)
    return tuple(rule(segments, query)) if rule else ()


def of_page(body: bytes, base: str) -> tuple[Proposal, ...]:
    """The feeds that an HTML page names in its head, then those it links, then its journal's ISSN."""
    reader = _Page(base)
    reader.feed(body[:PAGE].decode("utf-8", "replace"))
    reader.close()
    named = dict(reader.named)
    found = dict(reader.linked) | named
    order = sorted(found, key=lambda url: (url not in named, bool(_LESS_WANTED.search(url + found[url]))))
    proposals = [
        Proposal(
            kind=kind_of_address(url),
            url=url,
            title=found[url],
            why="the page names this feed" if url in named else "the page links to this",
        )
        for url in order[:MOST]
    ]
    return (*proposals, *(_journal(issn) for issn in reader.issns[:1]))


def guesses(base: str) -> tuple[Proposal, ...]:
    """Where feeds lie by custom: beside the page, then at the site's root."""
    parts = urlsplit(base)
    folder = parts.path if parts.path.endswith("/") else parts.path.rpartition("/")[0] + "/"
    page = parts.path.rstrip("/") + "/"
    places = dict.fromkeys((page, folder, "/"))
    urls = dict.fromkeys(f"{parts.scheme}://{parts.netloc}{place}{name}" for place in places for name in _GUESSES)
    return tuple(Proposal(kind="feed", url=url, why="feeds often lie there") for url in urls)[:MOST]


def kind_of_address(url: str) -> str:
    """The kind that reads a feed's document at this address."""
    return "arxiv" if (urlsplit(url).hostname or "") in ("rss.arxiv.org", "export.arxiv.org") else "feed"


def issn_of(text: str) -> str:
    """The first ISSN in a text whose check digit is right; else empty."""
    for found in _ISSN.findall(text):
        digits = found.replace("-", "").upper()
        total = sum((8 - place) * (10 if digit == "X" else int(digit)) for place, digit in enumerate(digits))
        if total % 11 == 0:
            return found.upper()
    return ""


class _Page(HTMLParser):
    """Gathers what a page says of feeds."""

    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base = base
        self._text: list[str] | None = None
        self._href = ""
        self.named: list[tuple[str, str]] = []
        self.linked: list[tuple[str, str]] = []
        self.issns: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: (value or "").strip() for name, value in attrs}
        if tag == "base" and values.get("href"):
            self._base = urljoin(self._base, values["href"])
        elif tag == "link":
            self._link(values)
        elif tag == "meta":
            issn = issn_of(values.get("content", "")) if "issn" in values.get("name", "").lower() else ""
            self.issns += [issn] if issn and issn not in self.issns else []
        elif tag == "a" and values.get("href"):
            self._href, self._text = values["href"], []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag != "a" or self._text is None:
            return
        title = " ".join("".join(self._text).split())[:200]
        url = self._whole(self._href)
        names = re.fullmatch(r"(?:rss|atom|xml)(?: feeds?| 1\.0| 2\.0)?|feed", title, re.IGNORECASE)
        if url and (names or _FEED_LINK.search(urlsplit(url).path + "?" + urlsplit(url).query)):
            self.linked.append((url, title))
        self._text = None

    def _link(self, values: dict[str, str]) -> None:
        kind = values.get("type", "").lower().partition(";")[0].strip()
        relations = values.get("rel", "").lower().split()
        if "alternate" in relations and kind in _FEED_TYPES and (url := self._whole(values.get("href", ""))):
            self.named.append((url, " ".join(values.get("title", "").split())[:200]))

    def _whole(self, href: str) -> str:
        try:
            url = urljoin(self._base, href.strip())
            scheme = urlsplit(url).scheme
        except ValueError:
            return ""
        if scheme == "feed":  # feed:https://… and feed://… (an old custom of browsers)
            url = url.removeprefix("feed:")
            url = f"https:{url}" if url.startswith("//") else url
        return url if urlsplit(url).scheme in ("http", "https") else ""


_Rule = Callable[[Sequence[str], dict[str, str]], Iterator[Proposal]]


def _arxiv(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    match list(path):
        case ["list" | "archive" | "rss" | "atom", category, *_]:
            for one in category.split("+"):
                yield Proposal(kind="arxiv", category=one, why="a category of arXiv")
        case ["a", author, *_]:
            name = re.sub(r"\.atom2?$", "", author)
            yield Proposal(kind="arxiv", url=f"https://arxiv.org/a/{name}.atom2", why="an author's page on arXiv")
        case ["abs" | "pdf" | "html", *rest] if rest:
            name = re.sub(r"v\d+$|\.pdf$", "", "/".join(rest))
            yield _cites("semanticscholar", name, "a paper: new papers that cite it")
        case ["search", *_] if query.get("query"):
            words = query["query"]
            if query.get("searchtype") == "author":
                yield Proposal(kind="arxiv", options=(("authors", (words,)),), why="an author search on arXiv")
            else:
                yield Proposal(kind="arxiv", options=(("query", (f"all:{words}",)),), why="a search on arXiv")
        case ["api", "query"] if query.get("search_query"):
            yield Proposal(kind="arxiv", options=(("query", (query["search_query"],)),), why="a query to arXiv's API")
        case _:
            return


def _youtube(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    feeds = "https://www.youtube.com/feeds/videos.xml"
    match list(path):
        case ["channel", channel, *_]:
            yield Proposal(kind="feed", url=f"{feeds}?channel_id={quote(channel)}", why="a channel of YouTube")
        case ["user", name, *_]:
            yield Proposal(kind="feed", url=f"{feeds}?user={quote(name)}", why="a channel of YouTube")
        case ["playlist"] if query.get("list"):
            yield Proposal(kind="feed", url=f"{feeds}?playlist_id={quote(query['list'])}", why="a playlist of YouTube")
        case _:
            return


def _github(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    del query
    match list(path):
        case ["topics", topic, *_]:
            yield Proposal(kind="github", options=(("topics", (topic,)),), why="a topic of GitHub")
        case [owner, name, *rest] if owner not in ("topics", "orgs", "sponsors", "features") and not (
            rest and rest[-1].endswith(".atom")
        ):
            whole = f"{owner}/{name.removesuffix('.git')}"
            yield Proposal(kind="github", options=(("repositories", (whole,)),), why="releases of a repository")
        case [owner] if not owner.endswith(".atom"):
            yield Proposal(kind="feed", url=f"https://github.com/{quote(owner)}.atom", why="what an account does")
        case _:
            return


def _huggingface(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    del query
    match list(path):
        case ["papers", "week", *_]:
            yield _papers("weekly")
        case ["papers", "month", *_]:
            yield _papers("monthly")
        case ["papers", "trending", *_]:
            yield _papers("trending")
        case ["papers"] | ["papers", "date", *_] | ["api", "daily_papers"]:
            yield Proposal(kind="huggingface", why="the daily papers of Hugging Face")
        case ["papers", paper, *_]:
            yield _cites("semanticscholar", paper, "a paper: new papers that cite it")
        case ["blog", *_]:
            yield Proposal(kind="feed", url="https://huggingface.co/blog/feed.xml", why="the blog of Hugging Face")
        case _:
            return


def _rxiv(server: str) -> _Rule:
    def rule(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
        del query
        match list(path):
            case ["collection", subject, *_]:
                yield Proposal(kind=server, category=subject.replace("-", " "), why=f"a subject of {server}")
            case []:
                yield Proposal(kind=server, why=f"everything new on {server}")
            case _:
                return

    return rule


def _pubmed(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    if query.get("term"):
        yield Proposal(kind="pubmed", options=(("query", (query["term"],)),), why="a search on PubMed")
    elif path[:2] == ("rss", "search"):
        url = "https://pubmed.ncbi.nlm.nih.gov/" + "/".join(map(quote, path)) + "/"
        yield Proposal(kind="pubmed", url=url, why="a saved search of PubMed")


def _openreview(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    if path[:1] == ("group",) and query.get("id"):
        yield Proposal(kind="openreview", options=(("venue", (query["id"],)),), why="a venue of OpenReview")


def _hackernews(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    del path, query
    yield Proposal(kind="hackernews", why="papers that are discussed on Hacker News")


def _semanticscholar(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    if path[:1] == ("author",) and path[-1].isdigit():
        yield Proposal(kind="semanticscholar", options=(("authors", (path[-1],)),), why="an author's page")
    elif path[:1] == ("paper",) and re.fullmatch(r"[0-9a-f]{40}", path[-1]):
        yield _cites("semanticscholar", path[-1], "a paper: new papers that cite it")
    elif path[:1] == ("search",) and query.get("q"):
        yield Proposal(kind="semanticscholar", options=(("query", (query["q"],)),), why="a search")


def _openalex(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    del query
    name = path[-1].upper() if path else ""
    if re.fullmatch(r"A\d+", name):
        yield Proposal(kind="openalex", options=(("authors", (name,)),), why="an author in OpenAlex")
    elif re.fullmatch(r"I\d+", name):
        yield Proposal(kind="openalex", options=(("institutions", (name,)),), why="an institution in OpenAlex")
    elif re.fullmatch(r"W\d+", name):
        yield _cites("openalex", name, "a work: new papers that cite it")


def _orcid(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    del query
    if path and re.fullmatch(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]", path[0]):
        yield Proposal(kind="openalex", options=(("authors", (path[0],)),), why="a person's ORCID")


def _doi(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    del query
    if path and path[0].startswith("10."):
        yield _cites("openalex", "/".join(path), "a DOI: new papers that cite it")


def _reddit(path: Sequence[str], query: dict[str, str]) -> Iterator[Proposal]:
    del query
    if path[:1] == ("r",) and len(path) > 1:
        yield Proposal(kind="feed", url=f"https://www.reddit.com/r/{quote(path[1])}/.rss", why="a forum of Reddit")


def _papers(period: str) -> Proposal:
    return Proposal(kind="huggingface", options=(("period", (period,)),), why=f"the {period} papers of Hugging Face")


def _cites(kind: str, paper: str, why: str) -> Proposal:
    return Proposal(kind=kind, options=(("cites", (paper,)),), why=why)


def _journal(issn: str) -> Proposal:
    return Proposal(kind="crossref", options=(("journals", (issn,)),), why=f"the journal with the ISSN {issn}")


#: A site's rule speaks for its subdomains too.
_SITES: dict[str, _Rule] = {
    "arxiv.org": _arxiv,
    "youtube.com": _youtube,
    "github.com": _github,
    "huggingface.co": _huggingface,
    "biorxiv.org": _rxiv("biorxiv"),
    "medrxiv.org": _rxiv("medrxiv"),
    "pubmed.ncbi.nlm.nih.gov": _pubmed,
    "openreview.net": _openreview,
    "news.ycombinator.com": _hackernews,
    "semanticscholar.org": _semanticscholar,
    "openalex.org": _openalex,
    "orcid.org": _orcid,
    "doi.org": _doi,
    "reddit.com": _reddit,
}
