"""Where mail providers tell of bounces and complaints: POST /webhooks/PROVIDER, for each that [webhooks] names.

A provider repeats what was not answered with 200, so: 200 once all of it is done, 503 where the store cannot be
written, a key cannot be read, or the mail is still being sent; 403 for what is not the provider's own, 400 for what
cannot be read, 413 above a megabyte. Nothing else is said, and neither bodies nor addresses are logged.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.model.errors import DigestError, Forged, InputError
from digest.services.readers.feedback import Acted, Heard
from digest.web.pages import Site

log = structlog.get_logger("digest")

#: SendGrid and Amazon send batches.
MOST_BYTES = 1_000_000
#: A log line for each refused request would let strangers fill the disk.
_TELL_EVERY = timedelta(minutes=1)


def routes(site: Site) -> list[Route]:
    """Raises ConfigError for a provider whose key cannot be used, so that it is told at the start."""
    for _, problem in site.app().webhooks.states():
        if problem is not None:
            raise problem
    room = _Webhooks(site, _Refusals())
    return [Route("/webhooks/{provider}", room.take, methods=["POST"])]


@dataclass(frozen=True, slots=True)
class _Webhooks:
    site: Site
    refusals: _Refusals

    async def take(self, request: Request) -> Response:
        app, provider = self.site.app(), request.path_params["provider"]
        if provider not in app.webhooks.providers:
            return Response(status_code=404)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Response(status_code=await run_in_threadpool(self._done, app, provider, headers, body))

    def _done(self, app: App, provider: str, headers: Mapping[str, str], body: bytes) -> int:
        """Acts upon a request; gives the status to answer with."""
        try:
            reports = app.webhooks.read(provider, headers, body)
            acted = [app.feedback.told(report) for report in reports]
        except Forged as error:
            self.refusals.tell(provider, error, app.clock())
            return 403
        except InputError as error:
            self.refusals.tell(provider, error, app.clock())
            return 400
        except DigestError as error:
            log.error("webhook", provider=provider, problem=error.what, where=error.where, try_=error.try_)
            return 503
        _tell(provider, acted)
        return 503 if any(one.heard is Heard.EARLY for one in acted) else 200


async def _body(request: Request) -> bytes | None:
    """None for one that is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


class _Refusals:
    """Counts what was refused, and logs it once a minute at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count: Counter[str] = Counter()
        self._told_at: dict[str, datetime] = {}

    def tell(self, provider: str, error: DigestError, now: datetime) -> None:
        with self._lock:
            self._count[provider] += 1
            told = self._told_at.get(provider)
            if told is not None and now - told < _TELL_EVERY:
                return
            self._told_at[provider] = now
            refused = self._count.pop(provider)
        log.warning("webhook refused", provider=provider, requests=refused, problem=error.what, try_=error.try_)


def _tell(provider: str, acted: Sequence[Acted]) -> None:
    heard = Counter(one.heard.value for one in acted)
    if heard:
        suppressed = sum(one.suppressed for one in acted)
        log.info("came back", provider=provider, suppressed=suppressed, **dict(sorted(heard.items())))
