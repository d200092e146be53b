"""Keys of services: takes a key's name and the address that is asked, gives what is added to that one request.

A key goes only to its service's own hosts, over TLS, so never after a redirect elsewhere. How each wants it:
OpenAlex developers.openalex.org/guides/authentication; Semantic Scholar api.semanticscholar.org/api-docs; GitHub
docs.github.com/rest/authentication; NCBI ncbi.nlm.nih.gov/books/NBK25497; OpenReview logs in at api2.openreview.net
for a token that holds until it is refused.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from digest.model.errors import DigestError, FetchError
from digest.sources.asking import answers

#: (address, JSON text) -> the answer's body; raises FetchError.
Post = Callable[[str, bytes], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """Where a key may go, and how: one of the three ways is set."""

    hosts: frozenset[str]
    parameter: str = ""
    header: str = ""
    scheme: str = ""
    """Before the key in the header, such as ``Bearer``."""
    login: str = ""
    """Where a name and password become the key."""


SERVICES: Mapping[str, Service] = MappingProxyType(
    {
        "openalex": Service(hosts=frozenset({"api.openalex.org"}), parameter="api_key"),
        "semanticscholar": Service(hosts=frozenset({"api.semanticscholar.org"}), header="x-api-key"),
        "github": Service(hosts=frozenset({"api.github.com"}), header="Authorization", scheme="Bearer"),
        "ncbi": Service(hosts=frozenset({"eutils.ncbi.nlm.nih.gov"}), parameter="api_key"),
        "openreview": Service(
            hosts=frozenset({"api2.openreview.net"}),
            header="Authorization",
            scheme="Bearer",
            login="https://api2.openreview.net/login",
        ),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What one request carries. ``repr`` shows none of it."""

    query: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    """What a login sends; everything else sends nothing."""
    secret: str = field(default="", repr=False)

    def scrubbed(self, text: str) -> str:
        """A text from the server without the secret, should it say it back: an address loses the whole parameter."""
        if not self.secret:
            return text
        if self.query:
            said = re.escape(self.query)
            text = re.sub(rf"(?<=[?&]){said}&|[?&]{said}", "", text)
        for said in (urlencode({"": self.secret})[1:], self.secret):
            text = text.replace(said, "")
        return text


NOTHING = Given()


class Credentials:
    """``read(name)`` gives the lines of that key's file, none where no file is configured; raises DigestError."""

    def __init__(
        self, read: Callable[[str], Sequence[str]] = lambda name: (), services: Mapping[str, Service] = SERVICES
    ) -> None:
        self._read = read
        self._services = services
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def given(self, name: str, url: str, post: Post) -> Given:
        """What to add to a request for ``url``: nothing for another host than the service's own, or without a key."""
        service = self._services.get(name)
        parts = urlsplit(url)
        if service is None or parts.scheme != "https" or (parts.hostname or "") not in service.hosts:
            return NOTHING
        try:
            lines = self._read(name)
        except DigestError as error:
            raise FetchError(
                f"{self.named(name)} cannot be used: {error.where}: {error.what}",
                where=name,
                try_=f"write it into that file ({self._lines(name)}), or take {name} out of [keys]",
            ) from error
        if not lines:
            return NOTHING
        secret = self._token(name, service, lines, post) if service.login else lines[0]
        if not (secret.isascii() and secret.isprintable()):
            raise FetchError(f"{self.named(name)} holds what no key is made of", where=name, try_="look at its file")
        if service.parameter:
            return Given(query=urlencode({service.parameter: secret}), secret=secret)
        return Given(headers=((service.header, f"{service.scheme} {secret}".strip()),), secret=secret)

    def refused(self, name: str) -> bool:
        """Notes that the key was not accepted; True if a new one can be had by logging in again."""
        with self._lock:
            return self._tokens.pop(name, None) is not None

    def named(self, name: str) -> str:
        """What a person calls it."""
        return f"the {'login' if self._services[name].login else 'key'} of [keys] {name}"

    def _lines(self, name: str) -> str:
        """What its file should hold."""
        return (
            "the address on its first line, the password on its second"
            if self._services[name].login
            else ("the key is the whole first line")
        )

    def _token(self, name: str, service: Service, lines: Sequence[str], post: Post) -> str:
        with self._lock:
            if name not in self._tokens:
                if len(lines) < 2:
                    raise FetchError(
                        f"{self.named(name)} has no password",
                        where=name,
                        try_=f"write it into its file: {self._lines(name)}",
                    )
                said = {"id": lines[0], "password": lines[1]}
                try:
                    body = post(service.login, json.dumps(said).encode())
                except FetchError as error:
                    if error.http_status not in (400, 401, 403):
                        raise
                    raise answers.key_refused(service.login, error.http_status, self.named(name)) from error
                self._tokens[name] = _token_in(body, service.login)
            return self._tokens[name]


def _token_in(body: bytes, url: str) -> str:
    try:
        loaded: Any = json.loads(body)
    except ValueError:
        loaded = None
    token = cast(dict[str, Any], loaded).get("token") if isinstance(loaded, dict) else None
    if not isinstance(token, str) or not token:
        raise FetchError(
            "the answer to the login has no field `token`",
            where=url,
            try_="if the login is right, the API has changed: look for a newer version of this program",
        )
    return token
