"""Gets one document, politely and safely: FetchRequest -> FetchResponse, or a FetchError with a sentence.

HTTP (RFC 9110) with conditional requests, redirects followed by hand so that each is judged, limits on bytes (on the
wire and unpacked), on time (per read and in all) and on redirects. Addresses that are not public are refused unless
the request allows them; files only if it allows files. What the document means is the kinds' business.
"""

from __future__ import annotations

import base64
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from urllib.parse import unquote

import httpcore2
import httpx2

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.sources.asking import answers, files
from digest.sources.asking.credentials import NOTHING, Credentials, Given
from digest.sources.asking.network import (
    Allowance,
    Answer,
    Connections,
    Dial,
    NoSuchName,
    NotPublic,
    Resolve,
    TooMuch,
    TooSlow,
    Untrusted,
    dial,
    resolve,
)
from digest.sources.asking.politeness import DEFAULT_SPACING, Fleet, Resting, Turns
from digest.sources.asking.unpacking import Damaged, unpacked
from digest.sources.requests import without_password

_PERMANENT = frozenset({301, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DOCUMENT = frozenset({200, 203, 204})
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
#: What status line, headers and TLS records may add to a document of the largest size.
_WIRE_EXTRA = 1_000_000
#: So much of an answer that says nothing is read, so that the connection can be used again.
_LEFTOVER = 16_000
#: A server that throttles us without saying for how long, or does not answer in time, rests so long, twice as long each
#: time, up to the most.
_REST, _LONGEST_REST = 60.0, 900.0
#: Longer a host is never left alone: some say "next month".
_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class _Hop:
    """One answer of the chain: the document, or where to go on."""

    status: int
    response: FetchResponse | None = None
    location: str = ""
    permanent: bool = False


@dataclass(slots=True)
class _Trip:
    """One fetch on its way: what it may use, and the cookies that it was given."""

    request: FetchRequest
    allowance: Allowance
    cookies: httpx2.Cookies | None = None
    used: float = 0.0
    """Seconds spent with servers."""
    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


@cache
def _trusting() -> ssl.SSLContext:
    """Whom everybody trusts; read once a process, for it takes as long as all else that an App is made of."""
    context = httpx2.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


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
        credentials: Credentials | None = None,
        fleet: Fleet | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._agent = _user_agent(version, contact)
        self._timeout = timeout
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects
        self._credentials = credentials or Credentials()
        self._now = now
        self._closed = threading.Event()
        self._turns = Turns(spacing, fleet=fleet, clock=clock, sleep=sleep or self._closed.wait)
        self._rested: dict[str, int] = {}
        self._connections = Connections(tls=tls or _trusting(), resolve=resolve, dial=dial, timeout=timeout)

    def close(self) -> None:
        """Wake those who wait for their turn and take no more requests; what is on its way is finished."""
        self._closed.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Closes the connections that were kept for a next request."""
        self._connections.hang_up()

    def queue(self, url: str) -> str:
        """What must be asked one after the other: the host of an address, or the organisation it belongs to.

        Empty for what is no web address.
        """
        host = _host(url)
        return self._turns.group(host) if host else ""

    def free_in(self, url: str) -> float:
        """Seconds until the host of an address may be asked again, as far as its pause goes."""
        host = _host(url)
        return self._turns.free_in(host) if host else 0.0

    def fetch(self, request: FetchRequest) -> FetchResponse:
        """The document, or status 304 if it is what ``request.validators`` describe."""
        named = re.match(r"([a-z][a-z0-9+.-]*)://", request.url, re.IGNORECASE)
        scheme = named[1].lower() if named else ""
        if scheme in ("http", "https"):
            return self._over_http(request)
        if scheme not in ("", "file"):
            raise FetchError(
                f"{scheme}: addresses are not supported",
                where=without_password(request.url),
                try_="use http, https or a file",
            )
        if not request.allow_files:
            raise FetchError(
                "only http and https addresses are allowed here",
                where=without_password(request.url),
                try_="sources that are files belong into the operator's configuration",
            )
        return files.read(request.url, max_bytes=self._max_bytes)

    def _over_http(self, request: FetchRequest) -> FetchResponse:
        allowance = Allowance(time.monotonic(), self._max_bytes + _WIRE_EXTRA)
        try:
            return self._follow(_Trip(request, allowance))
        except FetchError as error:
            if error.http_status == 401 and self._credentials.refused(request.credential):
                return self._follow(_Trip(request, allowance))  # with a new token
            raise

    def _follow(self, trip: _Trip) -> FetchResponse:
        request = trip.request
        url, permanent, status = request.url, True, None
        for _ in range(self._max_redirects + 1):
            address = _address(url)
            state = (str(address), _cookie(trip.cookies, address))
            if state in trip.seen:
                raise _lost("the redirects go round in a circle", request.url, status)
            trip.seen.add(state)
            given = self._given(request.credential, str(address))
            hop = self._in_turn(trip, address, given)
            if hop.response is not None:
                moved = hop.response.url if url != request.url and permanent else None
                return replace(hop.response, moved_to=moved)
            permanent, status = permanent and hop.permanent, hop.status
            url = given.scrubbed(hop.location)
        raise _lost(f"more than {self._max_redirects} redirects", request.url, status)

    def _given(self, name: str, url: str) -> Given:
        return self._credentials.given(name, url, self._post) if name else NOTHING

    def _in_turn(self, trip: _Trip, address: httpx2.URL, given: Given) -> _Hop:
        """One request, when its host is free; waiting for that is not the server's time."""
        url = without_password(str(address))
        try:
            with self._turns.turn(address.host):
                if self._closed.is_set():
                    raise FetchError("not fetched: the program is stopping", where=url, try_="start it again")
                started = time.monotonic()
                trip.allowance.ends_at = started + self._deadline - trip.used
                try:
                    return self._ask(trip, address, given)
                finally:
                    trip.used += time.monotonic() - started
        except Resting as error:
            raise answers.resting(url, address.host, error.seconds, slow=error.slow, busy=error.busy) from error

    def _post(self, url: str, body: bytes) -> bytes:
        """Sends JSON to a service's own address; follows nothing."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Accept": "application/json"}
        trip = _Trip(FetchRequest(url=url), Allowance(time.monotonic(), self._max_bytes + _WIRE_EXTRA))
        hop = self._in_turn(trip, _address(url), Given(headers=tuple(headers.items()), body=body))
        if hop.response is None:
            raise FetchError("the login is elsewhere now", where=url, try_="look for a newer version of this program")
        return hop.response.body

    def _ask(self, trip: _Trip, address: httpx2.URL, given: Given) -> _Hop:
        """Send one request and read its answer; every way in which that fails becomes a FetchError here."""
        url, allowance, status = without_password(str(address)), trip.allowance, None
        # Leave is given to the host that the operator named; nobody else's redirect leads further into his network.
        private = trip.request.allow_private and address.host == _address(trip.request.url).host
        try:
            answer = self._connections.ask(self._message(trip, address, given), allowance, allow_private=private)
            status = answer.status
            try:
                return self._read(trip, address, given, answer)
            finally:
                answer.close()
        except NotPublic as error:
            raise answers.not_public(url, error.host, error.addresses) from error
        except NoSuchName as error:
            raise answers.no_such_name(url, address.host) from error
        except Untrusted as error:
            raise answers.untrusted(url, str(error)) from error
        except TooSlow as error:
            self._turns.rest(address.host, self._longer(address.host), slow=True)
            raise answers.too_slow(url, self._deadline) from error
        except TooMuch as error:
            raise answers.too_big(url, self._max_bytes, status=status) from error
        except httpcore2.TimeoutException as error:
            over = time.monotonic() >= allowance.ends_at
            self._turns.rest(address.host, self._longer(address.host), slow=True)
            raise answers.too_slow(url, self._deadline if over else self._timeout) from error
        except httpcore2.ConnectError as error:
            raise answers.unreachable(url, str(error)) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise answers.broken_off(url, given.scrubbed(str(error)).rstrip(".")) from error
        except Damaged as error:
            raise FetchError(
                "the document's compression is damaged",
                where=url,
                try_="nothing; it is tried again later",
                http_status=status,
            ) from error

    def _message(self, trip: _Trip, address: httpx2.URL, given: Given) -> httpcore2.Request:
        request = trip.request
        headers = {
            "Host": address.netloc.decode("ascii"),
            "User-Agent": self._agent,
            "Accept": request.accept,
            "Accept-Encoding": "gzip, deflate",
            "Connection": "keep-alive",
        }
        if request.validators.etag:
            headers["If-None-Match"] = request.validators.etag
        if request.validators.last_modified:
            headers["If-Modified-Since"] = request.validators.last_modified
        if address.userinfo:
            name, _, password = address.userinfo.decode("ascii").partition(":")
            login = f"{unquote(name)}:{unquote(password)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        if cookie := _cookie(trip.cookies, address):
            headers["Cookie"] = cookie
        headers |= dict(given.headers)
        target = address.raw_path
        if given.query:
            target += (b"&" if b"?" in target else b"?") + given.query.encode()
        return httpcore2.Request(
            method="POST" if given.body else "GET",
            url=httpcore2.URL(scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=target),
            headers=[(name.encode("ascii"), value.encode()) for name, value in headers.items()],
            content=given.body,
            extensions={"timeout": {"read": self._timeout, "write": self._timeout}},
        )

    def _read(self, trip: _Trip, address: httpx2.URL, given: Given, answer: Answer) -> _Hop:
        url, status = str(address), answer.status
        headers = {name: given.scrubbed(value) for name, value in _joined_headers(answer).items()}
        self._keep_to(address.host, status, headers)
        if status in _REDIRECTS and headers.get("location"):
            trip.cookies = _cookies(trip.cookies, url, answer)
            _drain(answer)
            location = _joined(address, headers["location"], status)
            return _Hop(status=status, location=location, permanent=status in _PERMANENT)
        asked = trip.request.validators.etag or trip.request.validators.last_modified
        if status == 304 and asked:
            _drain(answer)
            return _Hop(status=status, response=FetchResponse(url=url, status=304, headers=headers))
        if status not in _DOCUMENT:
            if status in (401, 403) and given.secret:
                raise answers.key_refused(
                    without_password(url), status, self._credentials.named(trip.request.credential)
                )
            if status in (401, 403) and trip.request.credential and not answers.rest_after(headers, now=self._now()):
                raise answers.key_missing(
                    without_password(url), status, self._credentials.named(trip.request.credential)
                )
            raise answers.refusal(without_password(url), status, headers, now=self._now())
        body = self._body(url, headers, answer)
        return _Hop(status=status, response=FetchResponse(url=url, status=200, headers=headers, body=body))

    def _keep_to(self, host: str, status: int, headers: Mapping[str, str]) -> None:
        """Lets the host rest if its answer asks for that, or if it throttles us and leaves open for how long."""
        seconds = answers.rest_after(headers, now=self._now())
        if status != 429:
            self._rested.pop(self._turns.group(host), None)
        elif not seconds:
            longer = self._longer(host)
            seconds = answers.retry_after(headers, now=self._now()) or longer
        if seconds:
            self._turns.rest(host, min(seconds, _A_DAY))

    def _longer(self, host: str) -> float:
        """Seconds of rest for a host that does not say how long it wants; more each time, until it answers."""
        group = self._turns.group(host)
        before = self._rested.get(group, 0)
        self._rested[group] = before + 1
        return min(_REST * 2 ** min(before, 10), _LONGEST_REST)

    def _body(self, url: str, headers: Mapping[str, str], answer: Answer) -> bytes:
        where = without_password(url)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise answers.too_big(where, self._max_bytes, status=answer.status)
        encodings = [part.strip().lower() for part in headers.get("content-encoding", "").split(",")]
        strange = sorted({*encodings} - _ENCODINGS)
        if strange:
            raise FetchError(
                f"the server compresses in a way we did not ask for ({', '.join(strange)})",
                where=where,
                try_="tell the publisher; Accept-Encoding says gzip, deflate",
                http_status=answer.status,
            )
        body = bytearray()
        for piece in unpacked(answer.chunks(), encodings):
            body += piece
            if len(body) > self._max_bytes:
                raise answers.too_big(where, self._max_bytes, status=answer.status)
        return bytes(body)


_LOOK = "open the address in a browser and take the one it ends at"


def _lost(what: str, url: str, status: int | None) -> FetchError:
    """``status`` is that of the last redirect: the server answered, if with nothing of use."""
    return FetchError(what, where=without_password(url), try_=_LOOK, http_status=status)


#: Taking an address apart costs as much as the rest of our part in asking for it.
_parsed = lru_cache(maxsize=4096)(httpx2.URL)


def _address(url: str) -> httpx2.URL:
    try:
        address = _parsed(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError(
            f"this is not an address: {error}", where=without_password(url), try_="check its spelling"
        ) from error
    if address.scheme not in ("http", "https") or not address.host:
        raise FetchError("this is not an http or https address", where=without_password(url), try_="check its spelling")
    return address


def _host(url: str) -> str:
    """Empty for what is no web address."""
    if not url.lower().startswith(("http://", "https://")):
        return ""
    try:
        return _parsed(url).host
    except (httpx2.InvalidURL, ValueError):
        return ""


def _joined(base: httpx2.URL, location: str, status: int) -> str:
    try:
        return str(base.join(location))
    except (httpx2.InvalidURL, ValueError) as error:
        raise _lost("the server points to something that is not an address", str(base), status) from error


def _joined_headers(answer: Answer) -> dict[str, str]:
    """By name; what stands there several times is one list (RFC 9110 section 5.2)."""
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _drain(answer: Answer) -> None:
    """Reads the little that comes with an answer of no interest; a longer one costs the connection."""
    size = 0
    for chunk in answer.chunks():
        size += len(chunk)
        if size > _LEFTOVER:
            return


def _cookies(held: httpx2.Cookies | None, url: str, answer: Answer) -> httpx2.Cookies | None:
    """Cookies live for this one fetch: some publishers redirect in a circle until theirs comes back."""
    said = [(name, value) for name, value in answer.headers if name == "set-cookie"]
    if not said:
        return held
    jar = held or httpx2.Cookies()
    jar.extract_cookies(httpx2.Response(answer.status, headers=said, request=httpx2.Request("GET", url)))
    return jar


def _cookie(held: httpx2.Cookies | None, address: httpx2.URL) -> str:
    if held is None:
        return ""
    request = httpx2.Request("GET", address)
    held.set_cookie_header(request)
    return request.headers.get("cookie", "")


def _user_agent(version: str, contact: str) -> str:
    clean = re.sub(r"[^\x20-\x7e]|[()]", "", contact).strip()
    return f"Digest/{version} (+{clean})" if clean else f"Digest/{version}"
