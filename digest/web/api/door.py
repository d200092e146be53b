"""One request of the API, from its path to its answer: which operation, whose token, in which form, done once.

Nothing of a request is logged: addresses, tokens and texts stay where they are.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from digest.app import App
from digest.model.errors import DigestError, StorageError
from digest.services.access.once import Answered, Once, Refusal
from digest.services.access.tokens import ApiToken
from digest.web.api import openapi, reading
from digest.web.api.gate import Rates, admitted
from digest.web.api.operation import AnyOperation
from digest.web.api.problems import MEDIA_TYPE, Refused, refused, said
from digest.web.api.shapes import Nothing
from digest.web.caching import for_everybody
from digest.web.pages import Site

log = structlog.get_logger("digest")

KEY = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Door:
    """The whole API as one ASGI application."""

    def __init__(self, site: Site, operations: tuple[AnyOperation, ...]) -> None:
        self._site = site
        self._operations = operations
        self._rates = Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        app = self._site.app()
        if not app.config.web.api:
            raise HTTPException(404)
        try:
            response = await self._answer(app, request)
        except Refused as error:
            response = error.response()
        except ClientDisconnect:
            return
        except Exception as error:
            response = _ours(error).response()
        if request.method == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, app: App, request: Request) -> Response:
        path = "/" + request.path_params["rest"]
        if path == openapi.PATH:
            if request.method not in ("GET", "HEAD"):
                raise _not_allowed(["GET", "HEAD"])
            body = openapi.document(self._operations, app.config.sender.public_url)
            return for_everybody(request, body, "application/json", is_listed=False)
        operation, in_path = self._find(path, request.method)
        token = await admitted(app, request, operation, self._rates)
        at = reading.placed(operation.at, in_path, request.url.query)
        given = await (reading.document(request) if operation.body is not None else reading.nothing(request))
        body = reading.shaped(operation.body or Nothing, given)
        key = _key(request) if operation.once else ""

        def work() -> Answered:
            return _done(app, operation, token, at, body)

        if not key:
            return _response(await run_in_threadpool(work))
        wanted = json.dumps([request.method, path, request.url.query, given], sort_keys=True)
        return await run_in_threadpool(_once, app.once, token, key, wanted, work)

    def _find(self, path: str, method: str) -> tuple[AnyOperation, Mapping[str, str]]:
        """The operation of a path; one that names it whole goes before one that has a place in it. Raises Refused."""
        found = [(one, texts) for one in self._operations if (texts := one.match(path)) is not None]
        if not found:
            raise Refused(status=404, what="there is nothing here", where=path[:200], try_="see /api/v1/openapi.json")
        fewest = min(len(texts) for _, texts in found)
        found = [(one, texts) for one, texts in found if len(texts) == fewest]
        wanted = "GET" if method == "HEAD" else method
        for one, texts in found:
            if one.method == wanted:
                return one, texts
        methods = [one.method for one, _ in found]
        raise _not_allowed([*methods, *(["HEAD"] if "GET" in methods else [])])


def _not_allowed(methods: list[str]) -> Refused:
    allowed = ", ".join(dict.fromkeys(methods))
    return Refused(
        status=405,
        what="there is no such method here",
        where="method",
        try_=f"use {allowed}",
        headers={"Allow": allowed},
    )


def _key(request: Request) -> str:
    given = request.headers.getlist(KEY)
    if not given:
        return ""
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Refused(status=400, what="it is no key", where=KEY, try_="send 1 to 255 letters or digits, a UUID say")
    return given[0]


def _once(once: Once, token: ApiToken, key: str, wanted: str, work: Callable[[], Answered]) -> Response:
    """Does a request under its key, or gives the answer that it got before. Raises Refused."""
    found = once.take(token.id, key, wanted)
    if isinstance(found, Answered):
        return _response(found, {"Idempotency-Replayed": "true"})
    if found is Refusal.OTHER:
        what = "the key was used for another request"
        raise Refused(status=422, what=what, where=KEY, try_="make a new key for each request")
    if isinstance(found, Refusal):
        what = "the same request is being worked on"
        raise Refused(status=409, what=what, where=KEY, try_="ask again in a moment", headers={"Retry-After": "2"})
    try:
        answered = work()
    except BaseException:
        with _told():
            once.let_go(found)
        raise
    with _told():
        once.keep(found, answered)
    return _response(answered)


def _done(app: App, operation: AnyOperation, token: ApiToken, at: object, body: object) -> Answered:
    """Does what is asked, and writes down who did it, if it changes something. Raises what is our fault."""
    try:
        answer = operation.run(app, at, body)
    except DigestError as error:
        told = refused(error)
        if told.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return Answered(status=told.status, body=told.body())
    if operation.about is not None:
        with _told():
            app.operators.note(f"token {token.name}", operation.name, *operation.about(at, body, answer))
    return Answered(status=200, body=answer.model_dump_json(by_alias=True))


@contextmanager
def _told() -> Generator[None]:
    """What is done stays done, and is answered so, also where the database does not take the rest."""
    try:
        yield
    except StorageError as error:
        _ours(error)


def _ours(error: Exception) -> Refused:
    """Logs what is no fault of the asker's, without what was asked; a database's own words may hold it."""
    if isinstance(error, DigestError):
        log.error("api", problem=said(error).what, try_=said(error).try_)
        return refused(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("api", problem=type(error).__name__, at=f"{place.filename}:{place.lineno}")
    return Refused(status=500, what="this is a fault of ours", try_="try again later; the log says where it happened")


def _response(answered: Answered, headers: Mapping[str, str] | None = None) -> Response:
    kind = "application/json" if answered.status == HTTPStatus.OK else MEDIA_TYPE
    return Response(answered.body, status_code=answered.status, headers=headers, media_type=kind)
