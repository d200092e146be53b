"""Whether a form that a stranger posts was filled in by a person, on a page of ours; and whether a network asks for
too much of what is dear to answer.

A form that was not (another site's, an old one, one that came back too quickly) is never lost: it is shown again with
what was typed, and one more press of the button sends it. No cookie is needed, for nobody is logged in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from urllib.parse import urlsplit

from starlette.requests import Request

from digest.services.readers.admission import FORM_SECONDS, Admission, network_of
from digest.web.forms import first

#: A field that people do not see, and that programs fill in.
HONEYPOT = "website"
#: The field that says when a form was made.
STAMP = "form"
_MINUTE = timedelta(minutes=1)
_MOST_REMEMBERED = 10_000


class Verdict(StrEnum):
    GOOD = "good"
    MACHINE = "machine"
    """The field that nobody sees was filled in: answered like a good one, and forgotten."""
    AGAIN = "again"
    """To be shown once more."""


def judge(request: Request, form: Mapping[str, list[str]], admission: Admission) -> Verdict:
    if first(form, HONEYPOT):
        return Verdict.MACHINE
    age = admission.age_of(first(form, STAMP))
    if not is_from_here(request, admission.public_url) or age is None or age.total_seconds() < FORM_SECONDS:
        return Verdict.AGAIN
    return Verdict.GOOD


def is_from_here(request: Request, public_url: str) -> bool:
    """Whether a browser says that the form stood on our own page.

    Every browser of today says so by Sec-Fetch-Site, where the page came over TLS. Origin is "null" behind our own
    Referrer-Policy, so only a site that it names speaks against a form. The Host header counts for nothing.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin in (None, "null") or origin == origin_of(public_url)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each network asked within its minute; kept by this process alone, and by nobody for longer."""

    _asked: dict[str, tuple[datetime, int]] = field(default_factory=dict[str, tuple[datetime, int]])

    def seconds_left(self, peer: str, now: datetime, most: int) -> int:
        """Counts a request; gives how long its network has to wait, 0 where it asked at most ``most`` times."""
        network = network_of(peer)
        began, asked = self._asked.get(network, (now, 0))
        if not began <= now < began + _MINUTE:
            began, asked = now, 0
        if network not in self._asked and len(self._asked) >= _MOST_REMEMBERED:
            self._asked.clear()
        self._asked[network] = began, asked + 1
        return 0 if asked < most else ceil((began + _MINUTE - now).total_seconds())


def peer_of(request: Request) -> str:
    """The IP address that a request came from; "unknown" where it has none."""
    return request.client.host if request.client is not None else "unknown"
