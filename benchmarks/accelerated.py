"""The world around a daemon whose days pass quickly: a clock, a feed with new papers each day, a mailbox, web readers.

Used by soak.py. Everything listens on loopback.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import mmap
import random
import re
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2

from digest.delivery.catchall import CatchAll

DAY = timedelta(days=1)
#: The first accelerated day begins here.
BEGIN = datetime(2026, 5, 4, tzinfo=UTC)
#: At these times a source shows a new paper; all of a day's are there before its slot.
HOURS = (1, 4)
SOURCES = ("lab", "zoo", "hut")
#: A language has an end, else every cache of words would fill; its words are spread as usual (Zipf).
_LETTERS = random.Random(1)
_WORDS = ["".join(_LETTERS.choices("aeioubdfgklmnprst", k=_LETTERS.randint(4, 9))) for _ in range(4_000)]
_WEIGHTS = list(itertools.accumulate(1 / rank for rank in range(1, len(_WORDS) + 1)))
_SHAPE = struct.Struct("ddd")
_MARK = re.compile(r"mark(\d{8})([a-z]+)(\d)")


class Clock:
    """An accelerated clock in a file that several processes map: (when it was set, the machine's time then, factor)."""

    def __init__(self, path: Path, *, day_seconds: float = 0.0) -> None:
        """``day_seconds`` makes the file; without, one that is there is read."""
        if day_seconds:
            path.write_bytes(_SHAPE.pack(BEGIN.timestamp(), time.monotonic(), 0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SHAPE.size)
        self._factor = DAY.total_seconds() / day_seconds if day_seconds else 0.0
        self.held = 0.0
        """For how many of the machine's seconds it stood still."""
        self._held_since: float | None = time.monotonic()

    def __call__(self) -> datetime:
        at, since, factor = _SHAPE.unpack_from(self._map)
        return datetime.fromtimestamp(at + (time.monotonic() - since) * factor, UTC)

    def runs(self, wanted: bool) -> None:
        """Lets it go on or stand still."""
        if wanted == (self._held_since is None):
            return
        now = time.monotonic()
        if self._held_since is not None:
            self.held += now - self._held_since
        self._held_since = None if wanted else now
        _SHAPE.pack_into(self._map, 0, self().timestamp(), now, self._factor if wanted else 0.0)


class Feeds(ThreadingHTTPServer):
    """JSON Feeds, /SOURCE.json; each shows what the last three days brought."""

    daemon_threads = True

    def __init__(self, clock: Clock) -> None:
        super().__init__(("127.0.0.1", 0), _Feed)
        self.clock = clock
        self.newest: date | None = None
        """The last day of which a paper was shown to anybody."""
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def document(self, source: str) -> bytes:
        now = self.clock()
        if now.hour >= HOURS[0]:
            self.newest = now.date()
        days = [now.date() - number * DAY for number in range(3)]
        items = [
            item(source, day, number, at)
            for day in days
            for number, hour in enumerate(HOURS)
            if BEGIN <= (at := datetime(day.year, day.month, day.day, hour, tzinfo=UTC)) <= now
        ]
        shown = {"version": "https://jsonfeed.org/version/1.1", "title": source, "items": items}
        return json.dumps(shown).encode()


class _Feed(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.server.document(self.path.strip("/").partition(".")[0])  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/feed+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Nobody reads it."""


def item(source: str, day: date, number: int, at: datetime) -> dict[str, object]:
    """A paper; the mark in its title says which one."""
    chance = random.Random(f"{source} {day} {number}")
    words = chance.choices(_WORDS, cum_weights=_WEIGHTS, k=150)
    mark = f"mark{day:%Y%m%d}{source}{number}"
    return {
        "id": mark,
        "url": f"https://{source}.example.org/{mark}",
        "title": " ".join([*words[:8], mark]).capitalize(),
        "content_text": " ".join(words) + ".",
        "authors": [{"name": f"{words[0]} {words[1]}".title()}],
        "date_published": at.isoformat(),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """A mail of an edition."""

    marks: frozenset[str]
    read: str
    """Its page on the web."""
    leave: str


class Mailbox(CatchAll):
    """Takes every mail, and keeps of it only what the laws ask about."""

    def __init__(self) -> None:
        self.editions: dict[str, dict[date, list[Got]]] = defaultdict(lambda: defaultdict(list))
        """By address and local date."""
        self.per_day: Counter[date] = Counter()
        self.letters: dict[str, list[str]] = defaultdict(list)
        """By address the texts of the other mails."""
        super().__init__(keep=False)

    def take(self, sender: str, recipients: list[str], content: bytes) -> None:
        mail = email.message_from_bytes(content, policy=email.policy.default)
        day, _, kind = f"{mail['Feedback-ID']}::letter".split(":")[:3]
        text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        for address in recipients:
            if kind == "edition":
                got = Got(
                    marks=frozenset("".join(found) for found in _MARK.findall(text.replace("\n", " "))),
                    read=(re.findall(r"http\S+/read/\S+", text) or [""])[0],
                    leave=str(mail["List-Unsubscribe"]).partition("<")[2].partition(">")[0],
                )
                self.editions[address][date.fromisoformat(day)].append(got)
                self.per_day[date.fromisoformat(day)] += 1
            else:
                self.letters[address].append(text)
        super().take(sender, recipients, content)


@dataclass
class Web:
    """Strangers and readers at the pages, so many requests a second until ``close``."""

    base: str
    monitor: str
    clock: Clock
    mailbox: Mailbox
    rate: float
    statuses: Counter[str] = field(default_factory=Counter[str])
    failed: list[str] = field(default_factory=list[str])
    slowest: float = 0.0
    """Seconds, of a request that was answered."""
    joined: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When a reader who came by the form had said yes."""
    left: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When his one-click request was answered."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._client = httpx2.Client(trust_env=False, timeout=30)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._look, self._look, self._live)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _look(self) -> None:
        pages = itertools.cycle(self._pages())
        while not self._stop.wait(random.expovariate(self.rate / 2)):
            self._ask("GET", next(pages)())

    def _pages(self) -> list[Callable[[], str]]:
        fixed = ("/archive", "/archive/daily", "/archive/daily/feed.atom", "/archive/daily/feed.json", "/sitemap.xml",
                 "/join/daily", "/join", "/archive/daily/search?q=mark", "/nowhere", "/unsubscribe/forged")  # fmt: skip
        urls = [f"{self.base}{path}" for path in fixed]
        urls += [f"{self.monitor}{path}" for path in ("/metrics", "/ready", "/health")]
        return [
            *((lambda url=url: url) for url in urls),
            lambda: f"{self.base}/archive/daily/{(self.clock() - DAY):%Y-%m-%d}",
            lambda: next((got.read for got in self._newest("reader-1@example.org")), self.base),
            lambda: next((got.leave for got in self._newest("reader-2@example.org")), self.base),
        ]

    def _newest(self, address: str) -> Iterator[Got]:
        for day in sorted(self.mailbox.editions[address], reverse=True)[:1]:
            yield from self.mailbox.editions[address][day]

    def _live(self) -> None:
        """One reader a day joins by the form, confirms, and leaves from the mail client after three days."""
        for number in itertools.count():
            address = f"joiner-{number}@example.org"
            page = self._ask("GET", f"{self.base}/join/daily")
            form = re.search(r'name="form" value="([^"]+)"', page.text if page else "")
            if self._pause(DAY / 2):
                return
            if form and self._ask("POST", f"{self.base}/join/daily", {"email": address, "form": form[1]}):
                self._confirm(address)
            for one in [one for one, at in self.joined.items() if self.clock() - at > 3 * DAY and one not in self.left]:
                for got in list(self._newest(one))[:1]:
                    if self._ask("POST", got.leave, {"List-Unsubscribe": "One-Click"}):
                        self.left[one] = self.clock()
            if self._pause(DAY / 2):
                return

    def _confirm(self, address: str) -> None:
        for _ in range(20):
            for text in self.mailbox.letters[address]:
                link = re.search(rf"{self.base}/confirm/\S+", text)
                if link and self._ask("POST", link[0], {}):
                    self.joined[address] = self.clock()
                    return
            if self._pause(DAY / 10):
                return

    def _pause(self, length: timedelta) -> bool:
        """Waits so long by the accelerated clock; whether it is time to end."""
        until = self.clock() + length
        while self.clock() < until:
            if self._stop.wait(0.02):
                return True
        return False

    def _ask(self, method: str, url: str, data: dict[str, str] | None = None) -> httpx2.Response | None:
        """The answer if it is 200."""
        start = time.monotonic()
        try:
            answer = self._client.request(method, url, data=data)
        except httpx2.HTTPError:
            self.statuses["none"] += 1  # while the daemon starts anew
            return None
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.statuses[str(answer.status_code)] += 1
        if answer.status_code >= 500 and not url.endswith("/ready"):  # half an hour without a job passes in a moment
            self.failed.append(f"{method} {url}: {answer.status_code} {answer.text[:200]}")
        return answer if answer.status_code == 200 else None
