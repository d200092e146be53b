"""Who asks, whether that opens what is asked, and how often."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from digest.app import App
from digest.services.access.tokens import ApiToken
from digest.web.api.operation import AnyOperation
from digest.web.api.problems import Refused

_MINUTE = 60


class Rates:
    """How often each token asked in this minute of the clock.

    Kept in memory: a restart forgets it, and of two processes each counts for itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = 0
        self._taken: Counter[int] = Counter()

    def wait(self, token_id: int, weight: int, *, most: int, now: datetime) -> int:
        """Counts a request; 0, or nothing is counted and it is to come again in so many seconds. The first request of
        a minute may always go, however much it weighs."""
        minute, second = divmod(int(now.timestamp()), _MINUTE)
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._taken.clear()
            if self._taken[token_id] and self._taken[token_id] + weight > most:
                return _MINUTE - second
            self._taken[token_id] += weight
            return 0


async def admitted(app: App, request: Request, operation: AnyOperation, rates: Rates) -> ApiToken:
    """The token of a request that may go on. Raises Refused: 401, 403 or 429.

    A token counts in the Authorization header alone (RFC 6750, 2.1): what stands in an address is written into logs.
    """
    given = request.headers.getlist("authorization")
    scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    token = await run_in_threadpool(app.tokens.known, secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        challenge = 'Bearer realm="digest"' + (', error="invalid_token"' if given else "")
        raise Refused(
            status=401,
            what="the token is not known, or no longer good" if given else "a token is needed",
            where="Authorization",
            try_="send Authorization: Bearer TOKEN, with one that `digest tokens add` made",
            headers={"WWW-Authenticate": challenge},
        )
    most = app.config.web.api_requests
    if seconds := rates.wait(token.id, operation.weight, most=most, now=app.clock()):
        raise Refused(
            status=429,
            what=f"{token.name} made its {most:,} requests of this minute",
            where="Authorization",
            try_=f"ask again in {seconds} s; [web] api_requests allows more",
            headers={"Retry-After": str(seconds)},
        )
    if lacking := [scope for scope in operation.scopes if scope not in token.scopes]:
        raise Refused(
            status=403,
            what=f"{token.name} has not the scope {lacking[0]}",
            where="Authorization",
            try_=f"make a token with --scope {lacking[0]}",
            headers={"WWW-Authenticate": f'Bearer realm="digest", error="insufficient_scope", scope="{lacking[0]}"'},
        )
    return token
