"""What makes two records the same work: arXiv id, DOI, canonical URL; a title only to look up by.

Takes what a feed or a person says, gives aliases. Two different arXiv ids are two works whatever else they share: that
law is kept in diff.py. arXiv identifiers: both schemes of info.arxiv.org/help/arxiv_identifier; DOIs: ISO 26324.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from digest.model.feeds import Alias, EntryData, WorkId

_NEW_ID = r"(\d{2}(?:0[1-9]|1[0-2])\.\d{4,5})(?:v([1-9]\d{0,2}))?"
_ARCHIVES = (
    "acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|cond-mat|cs|dg-ga|"
    "funct-an|gr-qc|hep-ex|hep-lat|hep-ph|hep-th|math-ph|math|mtrl-th|nlin|nucl-ex|nucl-th|patt-sol|physics|plasm-ph|"
    "q-alg|q-bio|quant-ph|solv-int|supr-con"
)
_OLD_ID = rf"({_ARCHIVES})(?:\.[a-z]{{2}})?/(\d{{2}}(?:0[1-9]|1[0-2])\d{{3}})(?:v([1-9]\d{{0,2}}))?"
_BARE = re.compile(rf"(?:arxiv\s*:\s*|oai:arxiv\.org:|10\.48550/arxiv\.)?(?:{_NEW_ID}|{_OLD_ID})", re.IGNORECASE)
_MARKED = re.compile(rf"(?:arxiv:|oai:arxiv\.org:|10\.48550/arxiv\.)(?:{_NEW_ID}|{_OLD_ID})(?![\w/])", re.IGNORECASE)
_IN_PATH = re.compile(rf"/(?:{_NEW_ID}|{_OLD_ID})(?:\.pdf|\.ps|\.html)?/?$", re.IGNORECASE)
#: Sites whose every page about a paper is that arXiv paper, and the folder that says so ("" for any).
_ARXIV_SITES = {
    "arxiv.org": "", "alphaxiv.org": "", "ar5iv.org": "", "ar5iv.labs.arxiv.org": "", "huggingface.co": "/papers/",
    "hf.co": "/papers/", "scirate.com": "/arxiv/", "semanticscholar.org": "/arxiv/", "browse.arxiv.org": "",
    "export.arxiv.org": "", "xxx.lanl.gov": "", "de.arxiv.org": "", "cn.arxiv.org": "", "arxiv-vanity.com": "/papers/",
}  # fmt: skip
_DOI_SITES = frozenset({"doi.org", "dx.doi.org", "doi.acm.org"})

#: Works are named by their DOI; longer ones than this are junk, and no database column would hold them.
_LONGEST_DOI = 280
#: In bytes and characters: an index of PostgreSQL takes no more than 2,700 bytes.
_LONGEST_URL = 2_000
_LONGEST_TITLE_KEY = 500
_DOI = re.compile(r"10\.\d{4,9}(?:\.\d+)*/[^\s\"<>]+")
_DOI_IN_PATH = re.compile(
    r"/(?:doi|article|articles|content|chapter|book|abs|full|pdf)(?:/[a-z]+)?/(10\.\d{4,9}/.+)$", re.IGNORECASE
)
_DOI_TAIL = re.compile(
    r"(?:/(?:full|abstract|pdf|meta|html|fulltext|epub|figures|references|summary|pdfft)"
    r"|\.(?:pdf|full|abstract|short|long|full-text|full\.pdf|full\.pdf\+html))+/?$"
)
#: bioRxiv and medRxiv write the version behind the DOI.
_PREPRINT_VERSION = re.compile(r"^(10\.(?:1101|64898)/.+?)v\d+(?:[.-].*)?$")

_TRACKING = re.compile(
    r"^(?:utm_.*|ga_.*|mc_[ce]id|fbclid|gclid|dclid|msclkid|yclid|igshid|_hsenc|_hsmi|mkt_tok|af|rss|ref|ref_src|ref_url|"
    r"referrer|cmpid|cmp|campaign_id|spm|feature|src|trk|tracking_id|wt_mc|ncid|ocid|sr_share|smid|share|xtor|feed)$"
)


def find_arxiv_id(text: str) -> tuple[str, int | None] | None:
    """The arXiv id in an id, a DOI or a link, and its version if said; None for anything else, free text included."""
    text = text.strip()
    return _arxiv_id_in(text) if len(text) <= 2_000 else None


@lru_cache(maxsize=5_000)
def _arxiv_id_in(text: str) -> tuple[str, int | None] | None:
    """Remembered: a link is asked for its ids when it is cleaned and for each alias, and often it is the key, too."""
    if found := _BARE.fullmatch(text):
        return _arxiv(found)
    if "://" not in text:
        found = _MARKED.search(text)
        return _arxiv(found) if found else None
    try:
        parts = urlsplit(text)
        host = _host(parts.hostname or "")
    except ValueError:
        return None
    folder = _ARXIV_SITES.get(host)
    if folder is None:
        # A link elsewhere may name the paper outright (10.48550/arXiv.X, arxiv:X), but bare digits say nothing.
        found = _MARKED.search(unquote(parts.path))
        return _arxiv(found) if found else None
    path = unquote(parts.path)
    found = _IN_PATH.search(path) if folder in path else None
    return _arxiv(found) if found else None


def _arxiv(found: re.Match[str]) -> tuple[str, int | None] | None:
    new, new_version, archive, number, old_version = found.groups()
    if new:
        month, digits = int(new[:4]), len(new) - 5
        # Four digits from April 2007, five from January 2015.
        if month < 704 or digits != (4 if month <= 1412 else 5):
            return None
        return new, int(new_version) if new_version else None
    if 704 <= int(number[:4]) < 9000:
        return None
    return f"{archive.lower()}/{number}", int(old_version) if old_version else None


def find_doi(text: str) -> str | None:
    """The DOI in a DOI, ``doi:`` or resolver link, or publisher's page named by it: lower case, without resolver.

    10.48550/arXiv.X is no DOI but an arXiv id.
    """
    text = text.strip()
    if "10." not in text and "%" not in text:
        return None  # most links, at a tenth of the time
    return _doi_in(text) if len(text) <= 2_000 else None


@lru_cache(maxsize=5_000)
def _doi_in(text: str) -> str | None:
    """Remembered for the same reason."""
    if "://" in text or text.lower().startswith(("doi.org/", "dx.doi.org/")):
        found = _doi_of_url(text if "://" in text else "https://" + text)
    else:
        match = _DOI.match(re.sub(r"^(?:doi|info:doi/|urn:doi)\s*:?\s*", "", text, flags=re.IGNORECASE))
        found = match.group() if match else None
    if found is None:
        return None
    doi = _untrailed(found.lower())
    if version := _PREPRINT_VERSION.match(doi):
        doi = version.group(1)
    if len(doi) > _LONGEST_DOI or doi.startswith("10.48550/arxiv.") or not _DOI.fullmatch(doi):
        return None
    return doi


def _doi_of_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host = _host(parts.hostname or "")
    except ValueError:
        return None
    path = unquote(parts.path)
    if host in _DOI_SITES:
        found = _DOI.match(path.lstrip("/"))
        return found.group() if found else None
    if found := _DOI_IN_PATH.search(path):
        return _DOI_TAIL.sub("", found.group(1))
    query = dict(parse_qsl(parts.query)) if parts.query else {}
    for name in ("id", "doi"):
        if found := _DOI.fullmatch(query.get(name, "")):
            return found.group()
    return None


def _untrailed(doi: str) -> str:
    """Without the sentence's punctuation behind it; a closing bracket stays where the DOI opens one."""
    while doi and (doi[-1] in ".,;:'\"!?}]*/" or (doi[-1] == ")" and doi.count("(") < doi.count(")"))):
        doi = doi[:-1]
    return doi


def canonical_url(url: str) -> str:
    """One spelling of a link: https, no www., fragment, tracking, default port, last slash; sorted query. Else ''."""
    try:
        parts = urlsplit(url.strip())
        host, port = _host(parts.hostname or ""), parts.port
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not host:
        return ""
    kept = sorted((k, v) for k, v in query if not _TRACKING.match(k.lower()))
    path = re.sub(r"%[0-9a-fA-F]{2}", lambda m: m.group().upper(), parts.path).rstrip("/")
    where = host if port in (None, 80, 443) else f"{host}:{port}"
    return f"https://{where}{path}" + (f"?{urlencode(kept)}" if kept else "")


def _host(host: str) -> str:
    return host.lower().rstrip(".").removeprefix("www.")


def url_alias(url: str) -> Alias | None:
    """The alias of a link: the arXiv paper's or the DOI's where it is one, else the URL; a bare home page has none."""
    if found := find_arxiv_id(url):
        return Alias(f"arxiv:{found[0]}")
    if doi := find_doi(url):
        return Alias(f"doi:{doi}")
    canonical = canonical_url(url)
    if len(canonical.encode("utf-8", "replace")) > _LONGEST_URL:
        return None
    return Alias(f"url:{canonical}") if canonical.count("/") > 2 or "?" in canonical else None


def aliases(data: EntryData) -> tuple[Alias, ...]:
    """What names this work: arXiv id, DOI, link, in that order; never empty."""
    found = strong_aliases(data)
    return found or (key_alias(data),)


def strong_aliases(data: EntryData) -> tuple[Alias, ...]:
    """As :func:`aliases`, but empty where the entry has neither id nor link of its own."""
    return _strong_aliases(data.arxiv_id or "", data.doi or "", data.url, data.key)


@lru_cache(maxsize=5_000)
def _strong_aliases(arxiv_id: str, doi: str, url: str, key: str) -> tuple[Alias, ...]:
    """Remembered: a feed's are asked for when it is looked up and when it is compared."""
    found: list[str] = []
    for text in (arxiv_id, url, key, doi):
        if not found and (paper := find_arxiv_id(text)):
            found.append(f"arxiv:{paper[0]}")
    for text in (doi, url, key):
        if name := find_doi(text):
            found.append(f"doi:{name}")
            break
    # A key that is a link is the entry's permalink: it stands in where the link is missing or feed-wide.
    for link in (url, key):
        alias = url_alias(link)
        if alias is not None and (alias.startswith("url:") or not found):
            found.append(alias)
            break
    return tuple(dict.fromkeys(Alias(a) for a in found))


def key_alias(data: EntryData) -> Alias:
    """The last resort, for an entry without id or link: its key, beside what tells feeds with equal keys apart."""
    key = data.key.strip()
    beside = canonical_url(data.url) or ("" if len(key) >= 12 else folded(data.title))
    return Alias(f"key:{_digest(key, beside)}")


def alias_of(typed: str) -> Alias | None:
    """The alias in what a person types: an id as we print it, an arXiv id, a DOI, a link; None for anything else."""
    typed = typed.strip().strip("<>")
    if typed.lower().startswith(("url:", "key:")):
        return Alias(typed[:4].lower() + typed[4:])
    if found := find_arxiv_id(typed):
        return Alias(f"arxiv:{found[0]}")
    if doi := find_doi(typed):
        return Alias(f"doi:{doi}")
    if re.match(r"(?:www\.)?[\w-]+(?:\.[\w-]+)+/", typed):
        typed = "https://" + typed
    return url_alias(typed)


def arxiv_of(names: Sequence[Alias]) -> str | None:
    """The arXiv id among aliases; a work has at most one."""
    return next((a.removeprefix("arxiv:") for a in names if a.startswith("arxiv:")), None)


def work_id(names: Sequence[Alias], title: str = "", author: str = "") -> WorkId:
    """How the work is named outside: ``arxiv:…``, else ``doi:…``, else ``work:`` and 16 hex digits of SHA-256."""
    for prefix in ("arxiv:", "doi:"):
        for alias in names:
            if alias.startswith(prefix):
                return WorkId(alias)
    link = next((a.removeprefix("url:") for a in names if a.startswith("url:")), None)
    if link is not None:
        return WorkId(f"work:{_digest(link)}")
    return WorkId(f"work:{_digest(*names) if names else _digest(folded(title), folded(author))}")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()[:16]


def folded(text: str) -> str:
    """Case, accents and punctuation away: the words alone, joined by spaces."""
    if text.isascii():
        return " ".join(text.translate(_ASCII).split())  # as below, many times as fast
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = unicodedata.normalize("NFKD", plain)
    letters = "".join(c if c.isalnum() else "" if unicodedata.combining(c) else " " for c in plain)
    return " ".join(letters.translate(_UNDECOMPOSED).split())


_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_UNDECOMPOSED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def title_key(title: str) -> str:
    """The title's words; '' below four, because "Editorial Board" and its like recur."""
    key = folded(title)[:_LONGEST_TITLE_KEY].rstrip()
    return key if key.count(" ") >= 3 else ""


def author_key(name: str) -> tuple[str, str]:
    """Last name and first initial, folded: how names are compared."""
    words = [w for w in folded(name).split() if w not in ("jr", "sr", "ii", "iii", "iv")]
    if not words:
        return "", ""
    return words[-1], words[0][0] if len(words) > 1 else ""


def share_author(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether a name occurs in both lists."""
    left = {author_key(n) for n in one}
    return any(key[0] and key in left for key in map(author_key, other))
