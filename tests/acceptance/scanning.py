"""What scanners between a mail server and an inbox do with a mail: they follow every link in it, and some run scripts.

Takes mails as they went over the wire and an installation's address; gives its links, asks for them as scanners do,
and tells which rows of the database are others than before.
"""

from __future__ import annotations

import email
import email.policy
import http.client
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from sqlalchemy import select

from digest.storage.base import metadata
from digest.storage.engine import Store

#: Rows of tables, each table as a multiset.
Rows = Mapping[str, Counter[tuple[object, ...]]]
_ADDRESS = re.compile(r"https?://[^\s<>\"']+")


class _Links(HTMLParser):
    """Whatever a browser might ask for: links, pictures, forms."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src", "action", "background") and value]


def mail_of(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def links_of(mail: EmailMessage, base: str) -> tuple[str, ...]:
    """The paths at ``base`` that a mail names: in its headers, its text and its HTML."""
    found = [link for value in mail.values() for link in _ADDRESS.findall(str(value))]
    for part in mail.walk():
        if part.get_content_type() == "text/plain":
            found += _ADDRESS.findall(part.get_content())
        elif part.get_content_type() == "text/html":
            html = _Links()
            html.feed(part.get_content())
            found += html.found
    ours = (urlsplit(link) for link in found if link.startswith(f"{base}/"))
    return tuple(dict.fromkeys(link.path + (f"?{link.query}" if link.query else "") for link in ours))


def kind_of(path: str) -> str:
    """What a link is for: unsubscribe, of /unsubscribe/SECRET."""
    return path.split("/")[1].partition("?")[0]


def fetch(port: int, paths: Sequence[str], *, hands: int = 8) -> Counter[tuple[str, str, int]]:
    """Asks for every path by GET and HEAD, twice, many at once; gives how often (kind, method, status) came."""
    wanted = [(method, path) for method in ("GET", "HEAD") for path in paths] * 2
    with ThreadPoolExecutor(hands) as pool:
        shares = [pool.submit(_fetch, port, wanted[hand::hands]) for hand in range(hands)]
        return sum((share.result() for share in shares), Counter[tuple[str, str, int]]())


def _fetch(port: int, wanted: Iterable[tuple[str, str]]) -> Counter[tuple[str, str, int]]:
    came = Counter[tuple[str, str, int]]()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for method, path in wanted:
        line.request(method, path, headers={"User-Agent": "Mozilla/5.0 (compatible; scanner)"})
        answer = line.getresponse()
        answer.read()
        came[kind_of(path), method, answer.status] += 1
    line.close()
    return came


def crawled(port: int, starts: Sequence[str], most: int = 60) -> list[str]:
    """What stands behind pages: the paths that they link to, and those that these link to, and so on."""
    found = list(dict.fromkeys(starts))
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for path in found:  # it grows
        line.request("GET", path)
        html = _Links()
        html.feed(line.getresponse().read().decode("utf-8", "replace"))
        new = (urljoin(path, link) for link in html.found)
        found += [one for one in dict.fromkeys(new) if one.startswith("/") and one not in found][: most - len(found)]
    line.close()
    return found


def press(port: int, path: str, body: str) -> int:
    """The status of one POST."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("POST", path, body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    status = line.getresponse().status
    line.close()
    return status


def rows(store: Store) -> Rows:
    """All rows of all tables."""
    with store.reading() as tx:
        return {
            table.name: Counter(tuple(map(_hashable, row)) for row in tx.execute(select(table)))
            for table in metadata.sorted_tables
        }


def changed(before: Rows, after: Rows) -> dict[str, tuple[int, int]]:
    """By table how many rows went and how many came; a row that is another now did both."""
    both = {name: (before[name] - after[name], after[name] - before[name]) for name in before}
    return {name: (gone.total(), come.total()) for name, (gone, come) in both.items() if gone or come}


def _hashable(value: object) -> object:
    return value if value.__hash__ is not None else repr(value)
