"""Joining a digest, and asking for a lost link: forms that anybody may fill in.

Everybody gets the same answer, at once. Who is behind an address is looked up after the answer has gone, by one thread,
so that neither what is answered nor how quickly tells whether somebody reads here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

import structlog
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.model.editions import Digest
from digest.model.errors import DigestError, InputError
from digest.services.archive.showcase import Showcase, showcase
from digest.services.readers.admission import Admitted, Asked, Outcome, mailbox_of, network_of
from digest.services.readers.subscribe import normal_address
from digest.web.forms import first, read_form
from digest.web.guard import HONEYPOT, STAMP, Verdict, judge, origin_of, peer_of
from digest.web.pages import Site
from digest.web.readers.fields import Ground, Typed, is_changed, stranger, typed
from digest.web.readers.shown import shown
from digest.web.readers.wishes import choices_of

log = structlog.get_logger("digest")

#: Requests that may wait for the one thread; more are answered later or asked to come back, and nothing is lost.
_MOST_WAITING = 100
#: Seconds, and how often: so long a form waits for a place among them.
_MOMENT, _PATIENCE = 0.05, 100
_MOST_REMEMBERED = 10_000
_AGAIN = "Please look this over and press the button once more: then it is sent."
_LATER = "Too many people have asked from where you are, or altogether. Please press the button again in a while."


def routes(site: Site) -> list[Route]:
    room = _Joining(site)
    site.at_end.append(room.turns.finish)
    return [
        Route("/join", room.choose, methods=["GET"]),
        Route("/join/{digest}", room.ask, methods=["GET"]),
        Route("/join/{digest}", room.join, methods=["POST"]),
        Route("/join/{digest}/snippet", room.snippet, methods=["GET"]),
        Route("/link", room.ask_link, methods=["GET"]),
        Route("/link", room.send_link, methods=["POST"]),
    ]


@dataclass(slots=True)
class _Turns:
    """The thread that does the work behind the answers, and who need not ask again for a while."""

    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="join"))
    _refused: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Until when: networks, mailboxes, and "" for everybody."""
    _waiting: int = 0

    async def seconds_left(self, network: str, now: datetime) -> int:
        """How long this network has to wait before it may ask; 0 when it may. Where many wait, each waits a little."""
        for _ in range(_PATIENCE):
            until = max((self._refused[name] for name in ("", network) if name in self._refused), default=now)
            if until > now:
                return int((until - now).total_seconds()) + 1
            if self._waiting < _MOST_WAITING:
                return 0
            await asyncio.sleep(_MOMENT)
        return 30

    def behind(self, asked: Asked, now: datetime, work: Callable[[], Admitted]) -> BackgroundTask | None:
        """``work`` after the answer, in its turn; nothing for a mailbox that had its mail: a thousand requests for one
        victim are no work.
        """
        mailbox = mailbox_of(normal_address(asked.address))
        if mailbox in self._refused and self._refused[mailbox] > now:
            return None
        self._waiting += 1
        return BackgroundTask(self._work, mailbox, network_of(asked.peer), work)

    def finish(self) -> None:
        """Waits for what was promised: a server that ends takes no more, and loses nothing of it."""
        self._thread.shutdown(wait=True)

    async def _work(self, mailbox: str, network: str, work: Callable[[], Admitted]) -> None:
        try:
            # A server that ends lets nobody wait for long, but the work itself goes on.
            done = await asyncio.shield(asyncio.wrap_future(self._thread.submit(work)))
        except DigestError as error:
            log.error("join", problem=error.what, where=error.where, try_=error.try_)
        else:
            whose = {Outcome.CROWDED: network, Outcome.FULL: ""}.get(done.outcome, mailbox)
            self._remember(whose, done.until)
        finally:
            self._waiting -= 1

    def _remember(self, network: str, until: datetime) -> None:
        if len(self._refused) >= _MOST_REMEMBERED:
            self._refused.clear()  # the store knows them still
        self._refused[network] = until


@dataclass(frozen=True, slots=True)
class _Joining:
    site: Site
    turns: _Turns = field(default_factory=_Turns)

    async def choose(self, request: Request) -> Response:
        """Which digest, where there are several."""
        found = self.site.app().admission.open_digests()
        if not found:
            return await self._closed()
        if len(found) == 1:
            return await self._form(stranger(found[0]))
        links = [{"title": digest.title, "says": digest.look.header, "href": self._path(digest)} for digest in found]
        return await self.site.page("join_choose", {"digests": links})

    async def ask(self, request: Request) -> Response:
        digest = self._open(request)
        return await self._form(stranger(digest)) if digest is not None else await self._closed()

    async def join(self, request: Request) -> Response:
        digest = self._open(request)
        if digest is None:
            return await self._closed()
        app = self.site.app()
        form = await read_form(request)
        ground = stranger(digest)
        said = typed(form, ground)
        verdict = judge(request, form, app.admission)
        if verdict is Verdict.MACHINE:
            return await self._sent(digest)
        choices, problems = choices_of(said, ground, app.subscribe.check)
        if verdict is Verdict.AGAIN:
            return await self._form(ground, said, note=_AGAIN)
        if problems:
            return await self._form(ground, said, problems=problems, status=422)
        peer = peer_of(request)
        if wait := await self.turns.seconds_left(network_of(peer), app.clock()):
            return _come_back(await self._form(ground, said, note=_LATER, status=429), wait)
        asked = Asked(address=said.address, digest=digest.name, choices=choices, peer=peer)
        answer = await self._sent(digest)
        answer.background = self.turns.behind(asked, app.clock(), lambda: app.admission.join(asked))
        return answer

    async def snippet(self, request: Request) -> Response:
        """A form of a few lines that the operator puts on a page of his own."""
        digest = self._open(request)
        if digest is None:
            return await self._closed()
        address = escape(f"{self.site.app().config.sender.public_url}/join/{digest.name}")
        lines = (
            f'<form method="post" action="{address}">',
            f"  <label>{escape(digest.title)} by mail:",
            '    <input type="email" name="email" autocomplete="email" maxlength="320" required></label>',
            '  <button type="submit">Subscribe</button>',
            "</form>",
        )
        context = {"title": digest.title, "code": "\n".join(lines), "back": self._path(digest)}
        return await self.site.page("join_snippet", {**context, "origin": origin_of(address)})

    async def ask_link(self, _request: Request) -> Response:
        return await self._link_form("")

    async def send_link(self, request: Request) -> Response:
        app = self.site.app()
        form = await read_form(request)
        address = first(form, "email")[:400]
        verdict = judge(request, form, app.admission)
        if verdict is Verdict.MACHINE:
            return await self._link_sent()
        if verdict is Verdict.AGAIN:
            return await self._link_form(address, note=_AGAIN)
        try:
            normal_address(address)
        except InputError as error:
            return await self._link_form(address, problem=f"This {error.what}", status=422)
        peer = peer_of(request)
        if wait := await self.turns.seconds_left(network_of(peer), app.clock()):
            return _come_back(await self._link_form(address, note=_LATER, status=429), wait)
        asked = Asked(address=address, digest="", peer=peer)
        answer = await self._link_sent()
        answer.background = self.turns.behind(asked, app.clock(), lambda: app.admission.remind(asked))
        return answer

    def _open(self, request: Request) -> Digest | None:
        """The digest of the path, where anybody may join it."""
        name = request.path_params["digest"]
        return next((one for one in self.site.app().admission.open_digests() if one.name == name), None)

    def _path(self, digest: Digest) -> str:
        return self.site.at(f"/join/{digest.name}")

    async def _form(
        self,
        ground: Ground,
        said: Typed | None = None,
        *,
        note: str = "",
        problems: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        """The form; with what comes, where somebody only looks."""
        app, digest = self.site.app(), ground.digest
        said = said or ground.typed
        only_looks = not note and not problems
        sample = await run_in_threadpool(self._sample, digest.name) if only_looks else None
        context = {
            "title": digest.title,
            "header": digest.look.header,
            "action": self._path(digest),
            "token": app.admission.new_form(),
            "token_name": STAMP,
            "honeypot": HONEYPOT,
            "note": note or (problems or {}).get("form", ""),
            "problems": problems or {},
            "opened": is_changed(said, ground) or bool(set(problems or ()) - {"email"}),
            "rhythm": _rhythm(digest),
            "shown": sample,
            "edition": self.site.at(f"/read/{sample.key}") if sample is not None else "",
            "lost": self.site.at("/link"),
            **shown(said, app.category_title),
        }
        return await self.site.page("join", context, status=status)

    def _sample(self, digest: str) -> Showcase | None:
        edition = self.site.app().welcome.newest(digest)
        return showcase(edition) if edition is not None else None

    async def _sent(self, digest: Digest) -> Response:
        return await self.site.page("join_sent", {"title": digest.title, "back": self._path(digest)})

    async def _link_form(self, address: str, *, note: str = "", problem: str = "", status: int = 200) -> Response:
        app = self.site.app()
        if not app.admission.public_url:
            return await self._closed()
        context = {
            "action": self.site.at("/link"),
            "token": app.admission.new_form(),
            "token_name": STAMP,
            "honeypot": HONEYPOT,
            "email": address,
            "note": note,
            "problem": problem,
        }
        return await self.site.page("join_link", context, status=status)

    async def _link_sent(self) -> Response:
        return await self.site.message(
            "Please look into your inbox",
            "If this address reads one of our digests, a mail with its own link is on its way.",
            "At most one such mail goes to an address in a day: if you asked before, look for that one, in spam, too.",
        )

    async def _closed(self) -> Response:
        return await self.site.message(
            "Nobody can join here", "There is no such digest, or it is not open to everybody.", status=404
        )


def _come_back(answer: Response, seconds: int) -> Response:
    answer.headers["retry-after"] = str(seconds)
    return answer


def _rhythm(digest: Digest) -> str:
    """How often it comes, in a few words."""
    days = len(digest.schedule.days)
    if days == 7:
        return "once a day"
    if tuple(sorted(digest.schedule.days)) == (0, 1, 2, 3, 4):
        return "every weekday"
    return {1: "once a week", 2: "twice a week"}.get(days, f"on {days} days a week")
