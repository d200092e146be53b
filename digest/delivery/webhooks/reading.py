"""What the providers' files read with: JSON from anybody, looked into without trust, and their verdicts. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from digest.delivery.mime import printable
from digest.delivery.verdict import is_vague, status_in, verdict
from digest.model.errors import ConfigError, Forged, InputError
from digest.model.mail import Reported, ReportKind

#: Clocks differ a little.
_AHEAD = timedelta(minutes=15)
#: Of a server's words, and of any other value.
_MOST_WORDS = 500
_MOST_TEXT = 1_000

#: (verdict, whether it counts against the address), where no status tells.
Verdict = tuple[ReportKind, bool]
HARD: Verdict = (ReportKind.HARD, True)
FULL: Verdict = (ReportKind.SOFT, True)
"""The mailbox cannot take mail, or its server is out of reach: it counts."""
OURS: Verdict = (ReportKind.SOFT, False)
"""About the sender, the mail, or nobody knows what: it is shown, and does not count."""
COMPLAINT: Verdict = (ReportKind.COMPLAINT, True)


def parsed(body: bytes | str, where: str) -> object:
    """The JSON of a body. Raises InputError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(
            "the body is not JSON", where=where, try_="look at what the provider, or a proxy before us, sends"
        ) from error


def at(value: object, *names: str) -> object:
    """What stands in tables within tables, by their keys; None where there is no such thing."""
    for name in names:
        value = cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
    return value


def raw(value: object, *names: str) -> str:
    """A text as it was written, for what is signed; a whole number's digits, and empty for anything else."""
    found = at(value, *names)
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 10**18:
        return str(found)
    return found if isinstance(found, str) else ""


def text(value: object, *names: str) -> str:
    """A text on one line, without control characters, of bounded length; empty where there is none."""
    return printable(raw(value, *names)[: 4 * _MOST_TEXT])[:_MOST_TEXT]


def items(value: object, *names: str) -> Sequence[object]:
    """A list; empty where there is none."""
    found = at(value, *names)
    return cast("list[object]", found) if isinstance(found, list) else ()


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value; ``headers`` have names in lower case."""
    return headers.get(name, "")


def in_time(seconds: str, now: datetime, longest: timedelta, where: str) -> None:
    """Raises Forged where an instant (seconds since 1970) is no number, older than ``longest``, or to come."""
    known = seconds.isascii() and seconds.isdigit() and len(seconds) <= 12
    age = now.timestamp() - int(seconds) if known else None
    if age is None or not -_AHEAD.total_seconds() <= age <= longest.total_seconds():
        raise Forged(
            "the request is too old, or not dated",
            where=where,
            try_="set this machine's clock right; an old request that somebody sends again is refused",
        )


def need_cryptography(option: str) -> None:
    """Raises ConfigError without the extra "webhooks"."""
    try:
        import cryptography as _  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "checking its signatures needs one more library",
            where=f"[webhooks] {option}",
            try_="pip install 'digest-papers[webhooks]'",
        ) from error


def failed(address: str, status: str, words: str, otherwise: Verdict, *, server: str = "") -> Reported:
    """A mail that will not arrive: judged as a bounce that comes by mail where a status or the words tell, else as the
    provider's own type has it (``otherwise``).
    """
    kind, counts, exact = verdict(status_in(status), words)
    if kind is ReportKind.SOFT and not counts and is_vague(exact):
        kind, counts = otherwise
    return said(address, (kind, counts), status=exact, words=words, server=server)


def said(address: str, judged: Verdict, *, status: str = "", words: str = "", server: str = "") -> Reported:
    """What is told of one address, as the provider has judged it."""
    return Reported(
        kind=judged[0],
        counts=judged[1],
        final=address,
        status=status,
        text=printable(words[: 4 * _MOST_WORDS])[:_MOST_WORDS],
        remote_mta=server,
    )
