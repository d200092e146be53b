"""What every room of the web shares: the App in force, and a page in the mail's design."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from digest.app import App
from digest.model.people import Subscription
from digest.web.figures import Pulse


@dataclass(frozen=True, slots=True)
class Site:
    """Handed to every room. ``app()`` gives the App in force: a reload replaces it, so nobody keeps it.

    ``pulse()`` is the daemon's; None where none is known.
    """

    app: Callable[[], App]
    pulse: Callable[[], Pulse | None] = lambda: None
    at_end: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """Called when the last answer has gone: what a room does behind its answers is done to its end."""

    async def page(self, name: str, context: Mapping[str, object], *, status: int = 200) -> Response:
        """templates/pages/NAME.html.j2, whose context is described at its top."""
        html = await run_in_threadpool(self.app().renderer.page, name, context)
        return HTMLResponse(html, status_code=status)

    async def message(self, title: str, *lines: str, status: int = 200) -> Response:
        """A page that only says something, a sentence a line."""
        return await self.page("message", {"title": title, "lines": lines}, status=status)

    async def dead_link(self) -> Response:
        lines = (
            "It is not one of ours, or it is too old.",
            "The newest mail you got from us has links that work; answering it reaches the sender.",
        )
        context: dict[str, object] = {"title": "This link does not work", "lines": lines}
        if self.app().config.sender.public_url:
            context["back"] = {"url": self.at("/link"), "text": "Have your own link sent to you"}
        return await self.page("message", context, status=404)

    async def subscription(self, token: str) -> Subscription | None:
        """Whose preferences a token opens."""
        return await run_in_threadpool(self.app().subscribe.preferences_of, token)

    def at(self, path: str) -> str:
        """A path of ours as readers reach it: behind that of ``[web] public_url``."""
        return urlsplit(self.app().config.sender.public_url).path.rstrip("/") + path

    def title(self, digest: str) -> str:
        return next((one.title for one in self.app().config.digests if one.name == digest), digest)

    def named(self, found: Sequence[Subscription]) -> list[Mapping[str, str]]:
        """Digests as pages name them."""
        return [{"name": one.digest, "title": self.title(one.digest)} for one in found]
