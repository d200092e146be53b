"""What a feed that has not changed costs, against reading it: ``python benchmarks/unchanged.py [ENTRIES]``.

Processor time of this process (the server is another one). `304` is a server that knows our validators, `same bytes`
one that does not and sends the document again, which is then known by its hash; both against parsing and cleaning it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from xml.sax.saxutils import escape

from sample import papers

from digest.entries.normalize import clean
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, Source, SourceId, Validators
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS

SERVER = """
import http.server, sys
body = sys.stdin.buffer.read()
class Feed(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path == "/etag" and self.headers.get("If-None-Match") == '"one"'
        self.send_response(304 if known else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Type", "application/atom+xml")
        self.send_header("Content-Length", "0" if known else str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if known else body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Feed)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def atom(count: int) -> bytes:
    return feed_of(papers(count, days=3))


def feed_of(some: Iterable[EntryData]) -> bytes:
    rows = "".join(
        f"<entry><id>{one.url}</id><title>{escape(one.title)}</title><link href='{one.url}'/>"
        f"<summary type='html'>&lt;p&gt;{escape(one.abstract)}&lt;/p&gt;</summary>"
        + "".join(f"<author><name>{escape(name)}</name></author>" for name in one.authors)
        + "".join(f"<category term='{name}'/>" for name in one.categories)
        + f"<updated>{one.published_at:%Y-%m-%dT%H:%M:%SZ}</updated></entry>"
        for one in some
    )
    return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>Bench</title>{rows}</feed>".encode()


def seconds(act: Callable[[], object], times: int) -> float:
    """Processor time of one call, the best of five rounds."""
    rounds: list[float] = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            act()
        rounds.append((time.process_time() - start) / times)
    return min(rounds)


def measure(count: int) -> dict[str, object]:
    body = atom(count)
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(body)
    server.stdin.close()
    base = f"http://127.0.0.1:{int(server.stdout.readline())}"
    fetcher = Fetcher("bench@example.org")
    kind, source = KINDS["feed"], Source(id=SourceId("bench"), kind="feed", url=f"{base}/etag", allow_private=True)

    def fetch(path: str, validators: Validators) -> FetchResponse:
        return fetcher.fetch(FetchRequest(url=base + path, allow_private=True, validators=validators))

    def same_bytes() -> bool:
        return hashlib.sha256(fetch("/plain", Validators()).body).hexdigest() == known

    def parse() -> int:
        return len([clean(data) for data in kind.parse(source, response).entries])

    try:
        response = fetch("/plain", Validators())
        known = hashlib.sha256(response.body).hexdigest()
        assert same_bytes()
        assert fetch("/etag", Validators(etag='"one"')).not_modified
        assert parse() == count
        parsing = seconds(parse, 2)
        return {
            "entries": count,
            "kilobytes": round(len(body) / 1000),
            "parse_milliseconds": round(1000 * parsing, 1),
            "304_per_parse": round(seconds(lambda: fetch("/etag", Validators(etag='"one"')), 20) / parsing, 4),
            "same_bytes_per_parse": round(seconds(same_bytes, 20) / parsing, 4),
        }
    finally:
        fetcher.close()
        server.terminate()
        server.wait()


def main() -> None:
    sizes = [int(text) for text in sys.argv[1:]] or [30, 300]
    print(json.dumps([measure(count) for count in sizes], indent=1))


if __name__ == "__main__":
    main()
