"""Kinds ``maildir`` and ``imap``: alert mails as a source. What is new in the box comes as one JSON document.

The road to the box (services/fetching/letters.py) takes each mail apart and writes the document; here it is asked for
and read. A mail that is no alert is a Problem and nothing else; a second mail that names the same paper adds to it.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceKind
from digest.sources.reading import alerts, document
from digest.sources.reading.dates import parse_date
from digest.sources.reading.jsonfeed import load
from digest.sources.reading.records import Record, said
from digest.sources.requests import no_more

#: The member of the document that holds the mails; by it such a document is known.
MAILS = "digest_mails"


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """One box; what was read before is not asked for again, so ``since`` changes nothing."""
    del now, since
    url = source.url
    if source.kind == "maildir" and not re.match(r"maildir:", url, re.IGNORECASE):
        url = f"maildir:{url}"
    return (
        FetchRequest(
            url=url,
            accept="application/json",
            allow_files=source.from_operator,
            arguments=source.given("password_file"),
        ),
    )


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """The papers that the mails name. Raises ParseError if the document is not a mailbox's."""
    if document.shape(response).form != "json":
        raise _no_mailbox(response, f"what was read is not mails, but {'text' if response.body else 'nothing'}")
    loaded = load(response)
    box = cast(Record, loaded) if isinstance(loaded, dict) else {}
    mails = box.get(MAILS)
    if not isinstance(mails, list):
        raise _no_mailbox(response, f"the document has no list `{MAILS}`, so it is not a mailbox's")
    entries: dict[str, EntryData] = {}
    problems: list[Problem] = []
    for number, one in enumerate(cast(list[Any], mails), 1):
        mail = cast(Record, one) if isinstance(one, dict) else {}
        found, problem = _read(mail, number)
        if problem is not None:
            problems.append(problem)
        for entry in found:
            entries.setdefault(entry.key, entry)
    waiting = box.get("waiting")
    if isinstance(waiting, int) and waiting > 0:
        problems.append(Problem(where="the mailbox", what=f"{waiting} more mails wait for the next round"))
    return ParsedFeed(title=source.id, entries=tuple(entries.values()), problems=tuple(problems))


def _read(mail: Record, number: int) -> tuple[tuple[EntryData, ...], Problem | None]:
    """One mail's papers, or why it has none."""
    where = f'the mail "{said(mail, "subject")[:100]}" from {said(mail, "from")[:100]}'
    try:
        found = alerts.entries_of(
            sender=said(mail, "from"),
            text=said(mail, "text"),
            markup=said(mail, "html"),
            at=parse_date(said(mail, "date")),
        )
    except Exception as error:  # a strange mail must not cost the others
        return (), Problem(where=where, what=f"mail {number} cannot be read ({type(error).__name__}: {error})")
    if not found:
        return (), Problem(where=where, what="it is no alert that can be read: nothing in it names a paper by a link")
    return found, None


def _no_mailbox(response: FetchResponse, what: str) -> ParseError:
    return ParseError(what, where=response.url, try_="give the path of a Maildir, or an imaps: address")


def wants_a_maildir(source: Source) -> str:
    if not source.url:
        return 'needs a url: the folder of a Maildir, such as "/var/mail/alerts"'
    scheme = source.url.partition(":")[0].lower() if re.match(r"[a-z][a-z0-9+.-]+:", source.url, re.IGNORECASE) else ""
    return "" if scheme in ("", "maildir") else "should have a path or maildir: URL of a folder"


def wants_imap(source: Source) -> str:
    try:
        parts = urlsplit(source.url)
        named = parts.scheme.lower() in ("imap", "imaps") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return "has an url that is no address"
    if not named:
        return "needs a url such as imaps://user@mail.example.org/Alerts"
    if not parts.username:
        return "does not say who reads the mailbox: imaps://user@host/folder, an @ in the name as %40"
    if parts.password is not None:
        return "has a password in its url; put it into a file and name that as password_file"
    return "" if source.one("password_file") else "needs a password_file: a file whose first line is the password"


MAILDIR = SourceKind(
    name="maildir", about="alert mails in a Maildir", plan=plan, parse=parse, follow=no_more, wants=wants_a_maildir
)
IMAP = SourceKind(
    name="imap",
    about="alert mails in an IMAP folder",
    plan=plan,
    parse=parse,
    follow=no_more,
    wants=wants_imap,
    options={"password_file": "a file whose first line is the mailbox's password"},
)
