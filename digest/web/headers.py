"""The strict headers that every answer has, whichever room or trouble it comes from."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Scripts run nowhere, nothing is fetched from anywhere, nobody frames us, and no address of ours leaves in a Referer.
STRICT = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex"),
)
#: Half a year (RFC 6797).
_TLS_ONLY = (b"strict-transport-security", b"max-age=15552000")


class Headers:
    """Puts the strict headers on every answer, but for those that a room has set itself.

    ``public_url`` gives where readers reach us: where that is a whole host with TLS, browsers are told to use nothing
    else. On a part of a host, or a port of its own, that would bind what belongs to others.
    """

    def __init__(self, app: ASGIApp, public_url: Callable[[], str] = str) -> None:
        self.app = app
        self.public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                names = {name.lower() for name, _ in own}
                ours = (*STRICT, _TLS_ONLY) if _is_whole_host(self.public_url()) else STRICT
                message["headers"] = [*own, *(one for one in ours if one[0] not in names)]
            await send(message)

        await self.app(scope, receive, with_headers)


def _is_whole_host(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and parts.port in (None, 443) and not parts.path.strip("/")
