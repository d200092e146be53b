"""Webhooks of mail providers: which are configured, their keys, and the certificates of Amazon's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from digest.config import Config, read_secret
from digest.delivery.webhooks import mailgun, postmark, sendgrid, ses
from digest.delivery.webhooks.reading import need_cryptography
from digest.model.errors import DigestError, FetchError, NotFound
from digest.model.feeds import FetchRequest
from digest.model.mail import Report
from digest.services.ports import Clock, Fetch

#: (headers with names in lower case, body) -> reports.
Reader = Callable[[Mapping[str, str], bytes], tuple[Report, ...]]
_CERTIFICATE_LASTS = timedelta(days=1)
_AN_HOUR = timedelta(hours=1)
#: Certificates that are kept, and that are asked for in an hour: Amazon has one for each region, and a new one a year.
_MOST_KEPT = 20
_MOST_ASKED = 20


class Webhooks:
    """Reads what configured providers tell over HTTP. Keys are read at each request, so a changed file needs no
    restart."""

    def __init__(self, config: Config, fetch: Fetch, clock: Clock) -> None:
        self._settings = config.webhooks
        self._fetch = fetch
        self._clock = clock
        self._certificates = Certificates(fetch, clock)
        given: Mapping[str, tuple[object, Reader]] = {
            "ses": (self._settings.ses_topics, self._ses),
            "postmark": (self._settings.postmark_password_file, self._postmark),
            "mailgun": (self._settings.mailgun_key_file, self._mailgun),
            "sendgrid": (self._settings.sendgrid_key, self._sendgrid),
        }
        self._readers = {name: reader for name, (setting, reader) in given.items() if setting}

    @property
    def providers(self) -> tuple[str, ...]:
        """Those that are configured."""
        return tuple(self._readers)

    def read(self, provider: str, headers: Mapping[str, str], body: bytes) -> tuple[Report, ...]:
        """What a request reports.

        Raises NotFound for a provider that is not configured, Forged, InputError, ConfigError for a key that cannot be
        read, and FetchError where Amazon's certificate cannot be had.
        """
        reader = self._readers.get(provider)
        if reader is None:
            raise NotFound("this provider is not configured", where=provider, try_="name its key in [webhooks]")
        return reader(headers, body)

    def states(self) -> Iterator[tuple[str, DigestError | None]]:
        """Each configured provider, and what is wrong with its key, for `digest doctor` and the start."""
        keys: Mapping[str, Callable[[], object]] = {
            "ses": lambda: need_cryptography("ses_topics"),
            "postmark": self._password,
            "mailgun": self._key,
            "sendgrid": lambda: sendgrid.public_key(self._settings.sendgrid_key),
        }
        for name in self._readers:
            problem: DigestError | None = None
            try:
                keys[name]()
            except DigestError as error:
                problem = error
            yield name, problem

    def _key(self) -> str:
        file = self._settings.mailgun_key_file
        assert file is not None, "it is not read without"
        return read_secret(file)

    def _password(self) -> str:
        file = self._settings.postmark_password_file
        assert file is not None, "it is not read without"
        return read_secret(file)

    def _mailgun(self, _headers: Mapping[str, str], body: bytes) -> tuple[Report, ...]:
        return mailgun.read(body, key=self._key(), now=self._clock())

    def _postmark(self, headers: Mapping[str, str], body: bytes) -> tuple[Report, ...]:
        return postmark.read(headers, body, password=self._password())

    def _sendgrid(self, headers: Mapping[str, str], body: bytes) -> tuple[Report, ...]:
        key = sendgrid.public_key(self._settings.sendgrid_key)
        return sendgrid.read(headers, body, key=key, now=self._clock())

    def _ses(self, _headers: Mapping[str, str], body: bytes) -> tuple[Report, ...]:
        need_cryptography("ses_topics")
        topics = self._settings.ses_topics
        notice = ses.read(body, topics=topics, certificate=self._certificates.at, now=self._clock())
        if notice.confirm:
            self._fetch(FetchRequest(url=notice.confirm))
        return notice.reports


class Certificates:
    """Amazon's signing certificates, each fetched once a day at most. May be used by several threads."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[datetime, bytes]] = {}
        self._asked: deque[datetime] = deque()

    def at(self, url: str) -> bytes:
        """The PEM at an address. Raises FetchError, also where strangers make us ask too often."""
        now = self._clock()
        with self._lock:
            kept = self._kept.get(url)
            if kept is not None and now - kept[0] < _CERTIFICATE_LASTS:
                return kept[1]
            while self._asked and now - self._asked[0] >= _AN_HOUR:
                self._asked.popleft()
            if len(self._asked) >= _MOST_ASKED:
                raise FetchError(
                    "too many certificates were asked for", where="webhook ses", try_="Amazon repeats it; else wait"
                )
            self._asked.append(now)
        found = self._fetch(FetchRequest(url=url))
        if found.url != url:
            raise FetchError("the certificate has moved", where=url, try_="look there with a browser")
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[url] = now, found.body
        return found.body


def marks(config: Config) -> tuple[str, ...]:
    """The header fields by which configured providers name a mail to us."""
    settings = config.webhooks
    return tuple(
        mark
        for mark, setting in (
            (postmark.HEADER, settings.postmark_password_file),
            (sendgrid.HEADER, settings.sendgrid_key),
        )
        if setting
    )
