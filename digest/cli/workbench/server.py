"""The workbench's web server: for this machine alone, GET alone, and nothing that a frame holds can run.

Listens on 127.0.0.1 and answers only to that name, so that a page of the web cannot read it by giving its own name our
address (DNS rebinding). Every answer carries a Content-Security-Policy; the mail stands in sandboxed frames without
scripts, twice told: by the frame and by its policy.
"""

from __future__ import annotations

import json
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from digest.cli.stopping import stoppable
from digest.cli.workbench.clients import FRAMES
from digest.cli.workbench.wish import Wish
from digest.model.errors import DigestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from digest.cli.door import Door

_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: The page may reach into a frame (to keep its scroll position), a frame can do nothing: no script, no form.
_FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; {images} base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_NOTHING_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


class Answers(Protocol):
    """What the server asks for its answers: a Bench."""

    def state(self, wish: Wish, *, again: bool = False) -> dict[str, object]: ...

    def frame(self, name: str, wish: Wish) -> str | None: ...


def serve(door: Door, wish: Wish, *, profiles: Iterable[Path], port: int, browser: bool) -> None:
    """Serves until Ctrl-C. The page starts with ``wish``."""
    import os

    from digest.cli.workbench.bench import Bench
    from digest.config import load

    config = door.config
    bench = Bench(config, load=lambda: load(config.path, os.environ), clock=door.clock, profiles=profiles)
    server = listen(bench, port)
    query = f"?{wish.query}" if wish.query else ""
    url = f"http://127.0.0.1:{server.server_address[1]}/{query}"
    door.show({"url": url}, f"{url} shows it, also while templates are edited; Ctrl-C ends.")
    if browser:
        webbrowser.open(url)
    try:
        with stoppable() as stop:
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
            stop.wait()
            server.shutdown()
    finally:
        server.server_close()
        bench.close()


def listen(answers: Answers, port: int) -> ThreadingHTTPServer:
    """Listens on this machine's own address. Raises DigestError when the port is taken."""

    class Handler(_Handler):
        bench = answers

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise DigestError(
            f"cannot listen there: {error.strerror or error}", where=f"127.0.0.1:{port}", try_="choose another --port"
        ) from error
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    bench: Answers
    timeout = 30
    server_version, sys_version = "digest", ""

    def do_GET(self) -> None:
        host = self.headers.get("host") or ""
        if _name(host) not in ("127.0.0.1", "localhost"):
            self._answer(421, "text/plain", "this is for 127.0.0.1 only")
            return
        try:
            self._route()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser went elsewhere
        except Exception as error:
            self._answer(500, "text/plain", f"this is a fault of ours: {type(error).__name__}")

    def _route(self) -> None:
        path, _, query = self.path.partition("?")
        wish = Wish.of_query(query)
        if path in _FILES:
            name, kind = _FILES[path]
            text = Path(__file__).with_name(name).read_text("utf-8")
            self._answer(200, kind, text, _PAGE_POLICY)
        elif path == "/state":
            again = "again=1" in query.split("&")
            self._answer(200, "application/json", json.dumps(self.bench.state(wish, again=again)))
        elif path.startswith("/frame/"):
            self._frame(unquote(path.removeprefix("/frame/"), errors="replace"), wish)
        else:
            self._answer(404, "text/plain", "there is nothing here")

    def _frame(self, name: str, wish: Wish) -> None:
        html = self.bench.frame(name, wish)
        if html is None:
            self._answer(404, "text/plain", "there is no such frame")
            return
        loads = any(frame.name == name and frame.images for frame in FRAMES)
        images = "img-src https: http: data:; font-src https: data:;" if loads else "img-src 'none';"
        self._answer(200, "text/html", html, _FRAME_POLICY.format(images=images))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The standard library's own refusals: a method that is not GET, a request that cannot be read."""
        if code == 501:
            self._answer(405, "text/plain", "only GET is answered", allow="GET")
        else:
            self._answer(code, "text/plain", message or "this cannot be answered")
        self.close_connection = True

    def _answer(self, code: int, kind: str, text: str, policy: str = _NOTHING_POLICY, allow: str = "") -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(code)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        if allow:
            self.send_header("Allow", allow)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing: the page asks twice a second."""


def _name(netloc: str) -> str:
    """A Host header without its port."""
    name, colon, port = netloc.rpartition(":")
    return name if colon and port.isdigit() else netloc
