"""One alert mail becomes entries: Google Scholar's, Semantic Scholar's, PubMed's, publishers' tables of contents. Pure.

Takes a mail's parts as texts, gives EntryData; nothing if it names no paper. No sender's layout is known here: a paper
is a link to one, called by its title, with the lines below it that say who wrote it and what it is about. Where a link
is called "read more", the heading above it is the title. arXiv's own mailing is arxiv_mail.py's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digest.model.feeds import EntryData
from digest.sources.reading import arxiv_mail
from digest.sources.reading.ids import first_arxiv_id, first_doi
from digest.sources.reading.markup import Line, lines_of_html, lines_of_text
from digest.sources.reading.names import split_names
from digest.sources.reading.paperlinks import PaperLink, paper_of
from digest.sources.reading.wrapped_links import is_scholars, unwrapped

#: A key begins so: what an alert says of a paper is a shortened copy, and anybody nearer to the paper knows better.
KEY = "mail:"
#: More than any alert holds.
MOST = 500

#: Publishers and services whose alerts hide every link behind a counter; the end of the sender's host.
_SENDERS = re.compile(
    r"(?:^|[.@])(?:nature\.com|springernature\.com|springer\.com|science\.org|aaas\.org|sciencepubs\.org|elsevier\.com"
    r"|sciencedirect\.com|cell\.com|thelancet\.com|wiley\.com|ieee\.org|acm\.org|semanticscholar\.org|nih\.gov"
    r"|acs\.org|rsc\.org|oup\.com|tandfonline\.com|sagepub\.com|aps\.org|aip\.org|iop\.org|ioppublishing\.org|plos\.org"
    r"|frontiersin\.org|mdpi\.com|biorxiv\.org|pnas\.org|cambridge\.org|jamanetwork\.org|nejm\.org|bmj\.com"
    r"|annualreviews\.org|royalsociety\.org|openreview\.net|researchgate\.net|ssrn\.com)>?$",
    re.IGNORECASE,
)
_BUTTON = re.compile(
    r"(?:\W*(?:\[?(?:pdf|html|doc|book|citation)\]?|(?:read|see|view|show|learn|find|get|open|download|go to|click)\b.*"
    r"|(?:full|free|complete)[ -](?:text|article|paper)\b.*|abstract(?: only)?|summary|article|paper|preprint|link|here"
    r"|save|share|cite(?:d by.*)?|twitter|linkedin|facebook|x|bluesky|e?mail|print|(?:un)?subscribe.*|manage.*"
    r"|similar articles?|related articles?|all \d+ versions|supplement\w*|figures?|references|add to .*|more|doi:?"
    r"|create .*alerts?.*"
    r"|https?:.*|www\..*|research articles?|open access|purchase.*|online (?:first|now).*|\d+)\W*)",
    re.IGNORECASE,
)
_END = re.compile(
    r"this (?:message|e-?mail|alert|newsletter) (?:was|is|has)|you(?:'re| are) (?:receiving|following|subscribed)"
    r"|you (?:have )?(?:received|get|subscribed)|unsubscribe|manage (?:your )?(?:alerts?|preferences|subscriptions?)"
    r"|list alerts|cancel alert|email preferences|(?:view|see) all (?:results|\d+)|privacy policy|©|copyright \d"
    r"|terms (?:of|and)|all rights reserved|to (?:stop|change|edit|update) ",
    re.IGNORECASE,
)
_CITATION = re.compile(
    r"\b(?:doi\b|pmid\b|vol(?:ume)?\.? \d|issue \d|pp?\.? \d|published\b|available online|epub|(?:19|20)\d\d\b)",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[^\W\d_][\w.'’-]*\s?){1,6}")
_PMID = re.compile(r"\bPMID:?\s{0,3}(\d{5,9})")
#: What may stand alone below a title and is nobody's name.
_NO_PERSON = re.compile(
    r"\b(?:nature|science|journals?|letters?|research|articles?|reviews?|physics|chemistry|biology|medicine|news|open"
    r"|communications?|access|university|institute|department|volume|issue|pages?|published|abstract|online|reports?"
    r"|proceedings|transactions|conference|perspective|comment|editorial|early|view|free|preprint|accepted)\b",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    {"de", "la", "van", "von", "der", "den", "di", "da", "del", "bin", "al", "el", "le", "ter", "ten"}
)
_ORDER = re.compile(r"^\s*(?:\d{1,3}[.)]|[•▪►▶–-])\s+")
_TAIL = re.compile(r"\s*(?:…|\.\.\.)\s*$")


@dataclass(frozen=True, slots=True)
class _Place:
    """A paper's title: where it stands, and what the link says (nothing if it hides where it leads)."""

    line: int
    title: str
    url: str
    paper: PaperLink | None


def entries_of(*, sender: str, text: str, markup: str, at: datetime | None) -> tuple[EntryData, ...]:
    """The papers of a mail, each once, in its order. ``at`` is when it was sent: their date, if they show none."""
    if arxiv_mail.is_one(text):
        return arxiv_mail.entries_of(text)
    lines = lines_of_html(markup) if markup else ()
    found = _papers(lines, sender)
    if not found and text:
        lines = lines_of_text(text)
        found = [*_listed(text)] or _papers(lines, "")
    kept: dict[str, EntryData] = {}
    for entry in found[:MOST]:
        before = kept.get(entry.key)
        kept[entry.key] = _fuller(before, entry) if before else entry
    return tuple(replace(entry, published_at=at) for entry in kept.values())


def _papers(lines: Sequence[Line], sender: str) -> list[EntryData]:
    places = list(_places(lines, sender))
    ends = [*(place.line for place in places[1:]), len(lines)]
    return [_entry(place, lines[place.line + 1 : end]) for place, end in zip(places, ends, strict=False)]


def _places(lines: Sequence[Line], sender: str) -> Iterator[_Place]:
    """Where the papers' titles stand."""
    hides = _SENDERS.search(sender.strip()) is not None
    heading: tuple[int, str] | None = None
    last = ""
    for number, line in enumerate(lines):
        if line.heading:
            heading = (number, line.text)
        for link in line.links:
            url = unwrapped(link.href)
            paper = paper_of(url)
            if paper is None and url and is_scholars(link.href):
                paper = PaperLink(url=url)
            if paper is not None and paper.url == last:
                break  # the same paper again: its PDF, its full text
            titled = _is_title(link.label)
            if paper is not None and titled:
                yield _Place(number, _title(link.label), url, paper)
            elif paper is not None and heading is not None and not titled:
                yield _Place(heading[0], _title(heading[1]), url, paper)
            elif paper is None and hides and titled and len(link.label.split()) >= 4 and _written(lines, number):
                yield _Place(number, _title(link.label), "", None)
            else:
                continue
            heading, last = None, paper.url if paper else ""
            break


def _written(lines: Sequence[Line], number: int) -> bool:
    """Whether the lines below a title name authors."""
    return any(_authors(line.text) for line in lines[number + 1 : number + 3])


def _is_title(label: str) -> bool:
    if _BUTTON.fullmatch(label) or _END.match(label):
        return False
    return len(label) >= 8 and _words(label) >= 3 and any(c.isalpha() for c in label)


def _words(text: str) -> int:
    """About how many; scripts without spaces have one in some three letters."""
    return len(text.split()) + sum(ord(letter) > 0x2E80 for letter in text) // 3


def _title(text: str) -> str:
    text = re.sub(r"^(?:\[(?:PDF|HTML|DOC|BOOK|CITATION|B|C)\]\s*)+", "", _ORDER.sub("", text))
    return text.removesuffix(".") if text.count(".") == 1 else text


def _entry(place: _Place, below: Sequence[Line]) -> EntryData:
    texts = list(_block(below, place.title))
    authors, rest = _split(texts)
    paper = place.paper or PaperLink(url="")
    venue = " ".join(text for text in texts[:3] if len(text) < 300)
    arxiv_id, version = (paper.arxiv_id, None) if paper.arxiv_id else first_arxiv_id((place.url, venue))
    doi = paper.doi or (None if arxiv_id else first_doi((place.url, *texts[:4])))
    url = f"https://arxiv.org/abs/{arxiv_id}" if arxiv_id else paper.url
    url = url or (f"https://doi.org/{doi}" if doi else "")
    name = f"arxiv:{arxiv_id}" if arxiv_id else f"doi:{doi}" if doi else url or _hash(place.title)
    return EntryData(
        key=KEY + name,
        title=place.title,
        url=url,
        abstract=rest,
        authors=authors,
        arxiv_id=arxiv_id,
        version=version,
        doi=doi,
        pdf_url=place.url if re.search(r"/pdf/|\.pdf$", place.url) else "",
    )


def _block(below: Sequence[Line], title: str) -> Iterator[str]:
    """The lines that still speak of this paper: up to the next heading or what stands at a mail's foot."""
    for line in below:
        if line.heading or _END.search(line.text[:200]):
            return
        if _BUTTON.fullmatch(line.text) or line.text == title:
            continue
        if line.links and all(_BUTTON.fullmatch(link.label) for link in line.links) and len(line.text) < 120:
            labels = " ".join(link.label for link in line.links)
            if len(line.text) - len(labels) < 15:
                continue
        yield line.text


def _split(texts: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """(authors, what the paper is about) of the lines below a title."""
    authors: tuple[str, ...] = ()
    about: list[str] = []
    for number, text in enumerate(texts):
        names = () if authors or about or number > 2 else _authors(text)
        if names:
            authors = names
        elif about or (_words(text) >= 6 and not _is_citation(text)):
            about.append(text)
    said = " ".join(about)
    return authors, said if len(said) >= 60 else ""


def _is_citation(text: str) -> bool:
    return len(text) < 250 and _CITATION.search(text) is not None


def _authors(text: str) -> tuple[str, ...]:
    """The names of a line ``A Smith, B Jones… - Journal of X, 2025``; none if it is another kind of line."""
    line = re.split(r"\s[-–—|·•]\s|\s*;\s*(?=(?:19|20)\d\d)", _ORDER.sub("", text), maxsplit=1)[0]
    line = _TAIL.sub("", re.sub(r"^(?:by|authors?:?)\s+", "", line, flags=re.IGNORECASE))
    line = re.sub(r",?\s+(?:et al\.?|and \d+ (?:more|others))\s*$", "", line.strip().rstrip("."), flags=re.IGNORECASE)
    names = split_names(line) if len(line) <= 3_000 else ()
    if not names or not all(_NAME.fullmatch(name) and name[:1].isupper() for name in names):
        return ()
    if all(len(name.split()) < 2 for name in names) or (len(names) == 1 and not _is_person(names[0])):
        return ()
    return _turned(names)


def _is_person(name: str) -> bool:
    """One name alone must look like one: a section is called "Research", a journal "Nature Physics"."""
    words = name.split()
    capital = all(word[:1].isupper() or word in _PARTICLES for word in words)
    return 2 <= len(words) <= 5 and capital and _NO_PERSON.search(name) is None


def _turned(names: tuple[str, ...]) -> tuple[str, ...]:
    """ "Smith AB" is PubMed's way of writing A. B. Smith; it writes all names so or none."""
    turned = tuple(re.sub(r"^(.+) ([A-Z]{1,3})$", r"\2 \1", name) for name in names)
    return turned if all(one != name for one, name in zip(turned, names, strict=True)) else names


def _listed(text: str) -> Iterator[EntryData]:
    """The citations of a mail in plain text, as My NCBI writes them.

    ``1: Smith J, Doe A. Title. Journal. 2025 …. PMID: 40000001.``
    """
    for paragraph in re.split(r"\n[ \t]*\n", text) if "PMID" in text else ():
        citation = " ".join(paragraph[:6_000].split())
        number = _PMID.search(citation)
        authors, _, rest = re.sub(r"^\d{1,4}[:.] ", "", citation[: number.start() if number else 0]).partition(". ")
        title = re.match(r"[^.?!]{10,600}[.?!]", rest)
        if number is None or title is None:
            continue
        doi = first_doi((rest[title.end() :],))
        url = f"https://pubmed.ncbi.nlm.nih.gov/{number[1]}/"
        yield EntryData(
            key=f"{KEY}doi:{doi}" if doi else KEY + url,
            title=_title(title[0]),
            url=url,
            authors=_turned(split_names(re.sub(r",? et al$", "", authors))),
            doi=doi,
        )


def _fuller(one: EntryData, other: EntryData) -> EntryData:
    """Of a paper that a mail names twice, what either says."""
    return replace(
        one,
        abstract=max(one.abstract, other.abstract, key=len),
        authors=one.authors or other.authors,
        pdf_url=one.pdf_url or other.pdf_url,
    )


def _hash(title: str) -> str:
    return "title:" + hashlib.sha256(" ".join(title.casefold().split()).encode("utf-8", "replace")).hexdigest()[:32]
