"""What can go wrong, by the decision the caller can take. Every error says what happened, to what, and what to do."""

from __future__ import annotations


class DigestError(Exception):
    """Something we were asked to do could not be done.

    ``what`` happened, ``where`` (a file, key, address, source …), and what to ``try``. Doors turn the class into an
    exit code or an HTTP status; the three texts are shown to a person, so they are sentences.
    """

    def __init__(self, what: str, *, where: str = "", try_: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.try_ = try_

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head} ({self.try_})" if self.try_ else head


class UsageError(DigestError):
    """The call is wrong: an unknown name, a malformed argument."""


class ConfigError(DigestError):
    """The configuration is missing, unreadable or wrong."""


class InputError(DigestError):
    """A file or document that somebody gave us cannot be read as what it should be."""


class Forged(DigestError):
    """What came from outside does not prove whom it is from: a wrong signature or password, or it is too old."""


class FetchError(DigestError):
    """A source could not be fetched.

    ``http_status`` is None when no answer came; ``retry_after`` is in seconds, from the server; ``throttled`` tells a
    server that asked us to slow down (429, 503 with Retry-After) from one that is broken; ``gone`` is HTTP 410.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        try_: str = "",
        http_status: int | None = None,
        retry_after: float | None = None,
        throttled: bool = False,
        gone: bool = False,
    ) -> None:
        super().__init__(what, where=where, try_=try_)
        self.http_status = http_status
        self.retry_after = retry_after
        self.throttled = throttled
        self.gone = gone


class ParseError(DigestError):
    """A document that was fetched is not a feed of its kind."""


class TemplateError(DigestError):
    """A template cannot be loaded or rendered; ``where`` holds file and line."""


class StorageError(DigestError):
    """The database cannot be used: locked, full, read-only, unreachable."""


class Conflict(StorageError):
    """A unique index refused a second one: another process was quicker. Read again and decide again."""


class SchemaError(StorageError):
    """The database's schema is newer or older than this program."""


class SendingRefused(DigestError):
    """Sending is not allowed in this state: restored from a backup, too many readers without a public URL, paused."""


class NotFound(DigestError):
    """The thing asked for (an entry, a subscriber, a delivery …) is not in the store."""


class RelayError(DigestError):
    """No relay could be used at all: absent, wrong certificate, refused login."""
