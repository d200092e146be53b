"""`digest preview --serve`: the mail in a browser, as phone, desktop and text, printed again when a template changes.

A server for this machine alone (127.0.0.1). The page asks twice a second whether anything changed; the mail stands in
sandboxed frames, so nothing in it can run.
"""

from __future__ import annotations

import hashlib
import threading
import webbrowser
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from digest.cli.door import Door
from digest.model.errors import DigestError

if TYPE_CHECKING:
    from digest.model.editions import Digest

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Preview</title>
<style>
body { margin: 0; padding: 16px; font: 14px/1.4 system-ui, sans-serif; background: #e7e5e0; color: #222 }
main { display: flex; gap: 16px; align-items: flex-start; flex-wrap: wrap }
figure { margin: 0 } figcaption { margin: 0 0 6px; color: #555 }
iframe { border: 1px solid #bbb; background: #fff; height: calc(100vh - 70px) }
</style>
<main>
<figure><figcaption>Phone</figcaption>
<iframe sandbox width="390" title="phone" src="/edition.html"></iframe></figure>
<figure><figcaption>Desktop</figcaption>
<iframe sandbox width="720" title="desktop" src="/edition.html"></iframe></figure>
<figure><figcaption>Text</figcaption>
<iframe sandbox width="620" title="text" src="/edition.txt"></iframe></figure>
</main>
<script>
let known = "";
async function look() {
  try {
    const state = await (await fetch("/state")).text();
    if (known && state !== known) for (const f of document.querySelectorAll("iframe")) f.src = f.getAttribute("src");
    known = state;
  } catch { }
  setTimeout(look, 500);
}
look();
</script></html>"""


class Shown:
    """The mail as it was printed last; printed again when a watched file has changed."""

    def __init__(self, render: Callable[[], tuple[str, str]], watched: Iterable[Path]) -> None:
        self._render = render
        self._watched = tuple(watched)
        self._lock = threading.Lock()
        self._print = ""
        self._pages = ("", "")

    def state(self) -> str:
        """Changes whenever the pages do."""
        with self._lock:
            now = fingerprint(self._watched)
            if now != self._print:
                self._print = now
                try:
                    self._pages = self._render()
                except DigestError as error:
                    text = f"{error.where}\n{error.what}\n{error.try_}"
                    self._pages = (f"<pre>{_escaped(text)}</pre>", text)
            return now

    def pages(self) -> tuple[str, str]:
        """(HTML, text), current."""
        self.state()
        return self._pages


def serve(door: Door, digest: Digest, *, address: str, at: str, port: int, browser: bool) -> None:
    """Serves until Ctrl-C."""
    from digest.app import build, template_folders
    from digest.services.documents import proof

    config = door.config

    def render() -> tuple[str, str]:
        app = build(config, clock=door.clock)
        try:
            shown = app.preview.run(digest, address=address, at=at, afresh=True)
        finally:
            app.close()
        if shown.mail is None:
            return f"<p>No mail: {_escaped(shown.reason)}</p>", f"No mail: {shown.reason}"
        mail = proof(shown.mail)
        return mail.html, mail.text

    server = listen(Shown(render, template_folders(config)), port)
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    door.show({"url": url}, f"{url} shows it, also while templates are edited; Ctrl-C ends.")
    if browser:
        webbrowser.open(url)
    with door.stoppable() as stop:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        stop.wait()
        server.shutdown()
    server.server_close()


def listen(shown: Shown, port: int) -> ThreadingHTTPServer:
    """Listens on this machine's own address. Raises DigestError when the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = (self.headers.get("host") or "").rpartition(":")[0]
            # A page of the web must not read this one by giving its own name our address.
            if host not in ("127.0.0.1", "localhost"):
                self._answer(421, "text/plain", "this is for 127.0.0.1 only")
                return
            match self.path:
                case "/":
                    self._answer(200, "text/html", PAGE)
                case "/state":
                    self._answer(200, "text/plain", shown.state())
                case "/edition.html":
                    self._answer(200, "text/html", shown.pages()[0])
                case "/edition.txt":
                    self._answer(200, "text/plain", shown.pages()[1])
                case _:
                    self._answer(404, "text/plain", "there is nothing here")

        def _answer(self, code: int, kind: str, text: str) -> None:
            body = text.encode("utf-8", "replace")
            self.send_response(code)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing: the page asks twice a second."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise DigestError(
            f"cannot listen there: {error.strerror or error}", where=f"127.0.0.1:{port}", try_="choose another --port"
        ) from error


def fingerprint(folders: Iterable[Path]) -> str:
    """Changes when a file below the folders is written, added or removed."""
    lines: list[str] = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            try:
                told = path.stat()
            except OSError:
                continue  # removed meanwhile, which the next look sees
            lines.append(f"{path} {told.st_mtime_ns} {told.st_size}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
