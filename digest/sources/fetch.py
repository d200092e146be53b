"""Gets one document, politely and safely: FetchRequest -> FetchResponse, or a FetchError with a sentence.

HTTP (RFC 9110) with conditional requests, redirects followed by hand so that each is judged, limits on bytes (on the
wire and unpacked), on time (per read and in all) and on redirects. Addresses that are not public are refused unless
the request allows them; files only if it allows files. What the document means is the kinds' business.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpcore2
import httpx2

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.sources import answers, files
from digest.sources.network import (
    Allowance,
    Dial,
    GuardedTransport,
    NoSuchName,
    NotPublic,
    Resolve,
    TooMuch,
    TooSlow,
    Untrusted,
    dial,
    resolve,
)
from digest.sources.politeness import DEFAULT_SPACING, Turns

_PERMANENT = frozenset({301, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DOCUMENT = frozenset({200, 203, 204})
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
#: What status line, headers and TLS records may add to a document of the largest size.
_WIRE_EXTRA = 1_000_000


@dataclass(frozen=True, slots=True)
class _Hop:
    """One answer of the chain: the document, or where to go on."""

    response: FetchResponse | None = None
    location: str = ""
    permanent: bool = False


class Fetcher:
    """Fetches documents, from many threads at once. ``timeout`` is per connect and read, ``deadline`` for the whole."""

    def __init__(
        self,
        contact: str,
        timeout: float = 30.0,
        max_bytes: int = 50_000_000,
        max_redirects: int = 5,
        spacing: Mapping[str, float] = DEFAULT_SPACING,
        resolve: Resolve = resolve,
        *,
        dial: Dial = dial,
        deadline: float = 120.0,
        version: str = "0",
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._agent = _user_agent(version, contact)
        self._timeout = timeout
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects
        self._resolve = resolve
        self._dial = dial
        self._tls = tls or httpx2.create_ssl_context(trust_env=False)
        self._now = now
        self._closed = threading.Event()
        self._turns = Turns(spacing, clock=clock, sleep=sleep or self._closed.wait)

    def close(self) -> None:
        """Wake those who wait for their turn and take no more requests; what is on its way is finished."""
        self._closed.set()

    def fetch(self, request: FetchRequest) -> FetchResponse:
        """The document, or status 304 if it is what ``request.validators`` describe."""
        named = re.match(r"([a-z][a-z0-9+.-]*)://", request.url, re.IGNORECASE)
        scheme = named[1].lower() if named else ""
        if scheme in ("http", "https"):
            return self._over_http(request)
        if scheme not in ("", "file"):
            raise FetchError(
                f"{scheme}: addresses are not supported", where=request.url, try_="use http, https or a file"
            )
        if not request.allow_files:
            raise FetchError(
                "only http and https addresses are allowed here",
                where=request.url,
                try_="sources that are files belong into the operator's configuration",
            )
        return files.read(request.url, max_bytes=self._max_bytes)

    def _over_http(self, request: FetchRequest) -> FetchResponse:
        allowance = Allowance(time.monotonic(), self._max_bytes + _WIRE_EXTRA)
        transport = GuardedTransport(
            allowance=allowance,
            allow_private=request.allow_private,
            tls=self._tls,
            resolve=self._resolve,
            dial=self._dial,
        )
        headers = {"User-Agent": self._agent, "Accept": request.accept, "Accept-Encoding": "gzip, deflate"}
        # Cookies live for this one fetch: some publishers redirect in a circle until theirs comes back.
        with httpx2.Client(transport=transport, trust_env=False, timeout=self._timeout, headers=headers) as client:
            return self._follow(client, request, allowance)

    def _follow(self, client: httpx2.Client, request: FetchRequest, allowance: Allowance) -> FetchResponse:
        url, permanent = request.url, True
        used, seen = 0.0, set[tuple[str, str]]()
        for _ in range(self._max_redirects + 1):
            message = self._message(client, url, request)
            state = (str(message.url), message.headers.get("cookie", ""))
            if state in seen:
                raise FetchError("the redirects go round in a circle", where=shown(request.url), try_=_LOOK)
            seen.add(state)
            with self._turns.turn(message.url.host):
                if self._closed.is_set():
                    raise FetchError("not fetched: the program is stopping", where=shown(url), try_="start it again")
                started = time.monotonic()
                allowance.ends_at = started + self._deadline - used  # waiting for a turn is not the server's time
                hop = self._ask(client, message, request, allowance)
                used += time.monotonic() - started
            if hop.response is not None:
                moved = hop.response.url if url != request.url and permanent else None
                return FetchResponse(
                    url=hop.response.url,
                    status=hop.response.status,
                    headers=hop.response.headers,
                    body=hop.response.body,
                    moved_to=moved,
                )
            permanent = permanent and hop.permanent
            url = hop.location
        raise FetchError(f"more than {self._max_redirects} redirects", where=shown(request.url), try_=_LOOK)

    def _message(self, client: httpx2.Client, url: str, request: FetchRequest) -> httpx2.Request:
        headers: dict[str, str] = {}
        if request.validators.etag:
            headers["If-None-Match"] = request.validators.etag
        if request.validators.last_modified:
            headers["If-Modified-Since"] = request.validators.last_modified
        try:
            message = client.build_request("GET", url, headers=headers)
        except (httpx2.InvalidURL, ValueError) as error:
            raise FetchError(f"this is not an address: {error}", where=shown(url), try_="check its spelling") from error
        if message.url.scheme not in ("http", "https") or not message.url.host:
            raise FetchError("this is not an http or https address", where=shown(url), try_="check its spelling")
        return message

    def _ask(self, client: httpx2.Client, message: httpx2.Request, request: FetchRequest, allowance: Allowance) -> _Hop:
        """Send one request and read its answer; every way in which that fails becomes a FetchError here."""
        url = shown(str(message.url))
        try:
            response = client.send(message, stream=True, follow_redirects=False)
            try:
                return self._read(response, request)
            finally:
                response.close()
        except NotPublic as error:
            raise answers.not_public(url, error.host, error.addresses) from error
        except NoSuchName as error:
            raise answers.no_such_name(url, message.url.host) from error
        except Untrusted as error:
            raise answers.untrusted(url, str(error)) from error
        except TooSlow as error:
            raise answers.too_slow(url, self._deadline) from error
        except TooMuch as error:
            raise answers.too_big(url, self._max_bytes) from error
        except httpcore2.TimeoutException as error:
            over = time.monotonic() >= allowance.ends_at
            raise answers.too_slow(url, self._deadline if over else self._timeout) from error
        except httpcore2.ConnectError as error:
            raise answers.unreachable(url, str(error)) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise answers.broken_off(url, str(error).rstrip(".")) from error
        except httpx2.DecodingError as error:
            raise FetchError(
                "the document's compression is damaged", where=url, try_="nothing; it is tried again later"
            ) from error
        except (httpx2.HTTPError, httpcore2.UnsupportedProtocol, httpx2.CookieConflict) as error:
            raise answers.unreachable(url, str(error).rstrip(".")) from error

    def _read(self, response: httpx2.Response, request: FetchRequest) -> _Hop:
        url, status = str(response.url), response.status_code
        headers = {name.lower(): value for name, value in response.headers.items()}
        if status in _REDIRECTS and headers.get("location"):
            return _Hop(location=_joined(response.url, headers["location"]), permanent=status in _PERMANENT)
        asked = request.validators.etag or request.validators.last_modified
        if status == 304 and asked:
            return _Hop(response=FetchResponse(url=url, status=304, headers=headers))
        if status not in _DOCUMENT:
            raise answers.refusal(shown(url), status, headers, now=self._now())
        return _Hop(response=FetchResponse(url=url, status=200, headers=headers, body=self._body(response)))

    def _body(self, response: httpx2.Response) -> bytes:
        url = shown(str(response.url))
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            raise answers.too_big(url, self._max_bytes)
        encodings = {part.strip().lower() for part in response.headers.get("content-encoding", "").split(",")}
        if encodings - _ENCODINGS:
            raise FetchError(
                f"the server compresses in a way we did not ask for ({', '.join(sorted(encodings))})",
                where=url,
                try_="tell the publisher; Accept-Encoding says gzip, deflate",
            )
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > self._max_bytes:
                raise answers.too_big(url, self._max_bytes)
            chunks.append(chunk)
        return b"".join(chunks)


_LOOK = "open the address in a browser and take the one it ends at"


def shown(url: str) -> str:
    """The address for an error or a log: without a user name and password."""
    return re.sub(r"(?<=://)[^/?#@]*@", "", url)


def _joined(base: httpx2.URL, location: str) -> str:
    try:
        return str(base.join(location))
    except (httpx2.InvalidURL, ValueError) as error:
        what = "the server points to something that is not an address"
        raise FetchError(what, where=shown(str(base)), try_=_LOOK) from error


def _user_agent(version: str, contact: str) -> str:
    clean = re.sub(r"[^\x20-\x7e]|[()]", "", contact).strip()
    return f"Digest/{version} (+{clean})" if clean else f"Digest/{version}"
