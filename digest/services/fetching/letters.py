"""A mailbox as a document: the road of maildir: and imap: addresses (sources/kinds/mailboxes.py reads what it brings).

Takes a FetchRequest whose url names the box, gives its new mails, taken apart, as JSON; status 304 if there are none.
The mark of what was read is the document's ETag, kept with its entries, so a crash between the two reads the mails
again. Mails are left as they are, neither marked nor moved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from digest.delivery.inbound import Letterbox, MailboxError
from digest.delivery.mime import Part, read
from digest.model.errors import ConfigError, FetchError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.services.ports import Fetch

#: Mails of one round; more of them wait for the next one.
MOST = 200
#: Of each mail; the largest tables of contents have half as much.
SIZE = 2_000_000
#: Of each of its two texts, in characters.
_TEXT = 1_000_000
#: Of a round's mails together, in bytes: memory has an end, mails wait.
TOTAL = 40_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a box is: a Maildir's folder, or a server with who reads which folder there."""

    folder: str
    """A path, or the name of an IMAP folder."""
    host: str = ""
    port: int = 993
    security: Literal["tls", "starttls"] = "tls"
    username: str = ""
    password_file: Path | None = None


def road(open_box: Callable[[Place], Letterbox]) -> Fetch:
    """The function that fetches from boxes, given what opens one."""

    def fetch(request: FetchRequest) -> FetchResponse:
        before = request.validators.etag or ""
        box = open_box(place_of(request))
        try:
            batch = box.after(before, most=MOST, size=SIZE, total=TOTAL)
        except MailboxError as error:
            raise FetchError(error.what, where=error.where, try_=error.try_) from error
        except ConfigError as error:
            raise FetchError(
                f"the password of the mailbox cannot be used: {error.where}: {error.what}",
                where=request.url,
                try_="write it as the first line of that file, or name another as the source's password_file",
            ) from error
        finally:
            box.close()
        if before and not batch.mails:
            return FetchResponse(url=request.url, status=304, headers={"etag": before})
        mails = [told(handle, read(raw, SIZE)) for handle, raw in batch.mails]
        body = json.dumps({"digest_mails": mails, "waiting": batch.waiting}, ensure_ascii=False)
        return FetchResponse(
            url=request.url,
            status=200,
            headers={"content-type": "application/json", "etag": batch.mark},
            body=body.encode("utf-8", "replace"),
        )

    return fetch


def place_of(request: FetchRequest) -> Place:
    """The box that an address names (maildir:/path, imaps://user@host/folder as in RFC 5092). Raises FetchError."""
    if request.url.lower().startswith("maildir:"):
        path = re.sub(r"(?i)^maildir:(?://(?=/))?", "", request.url)
        return Place(folder=path)
    try:
        parts = urlsplit(request.url)
        encrypted = parts.scheme.lower() == "imaps"
        port = parts.port or (993 if encrypted else 143)
    except ValueError as error:
        raise FetchError(f"this is not an address: {error}", where=request.url, try_="check its spelling") from error
    if not parts.hostname or not parts.username or not request.arguments:
        raise FetchError(
            "the address does not say whose mailbox it is, or no password_file is named",
            where=request.url,
            try_="write imaps://user@host/folder, and password_file beside it",
        )
    return Place(
        folder=unquote(parts.path.strip("/")) or "INBOX",
        host=parts.hostname,
        port=port,
        security="tls" if encrypted else "starttls",
        username=unquote(parts.username),
        password_file=Path(request.arguments[0]),
    )


def told(handle: str, mail: Part) -> dict[str, str]:
    """What of a mail is looked at."""
    return {
        "handle": handle,
        "from": mail.words("from"),
        "subject": mail.words("subject"),
        "date": mail.header("date"),
        "text": _first(mail, "text/plain"),
        "html": _first(mail, "text/html"),
    }


def _first(mail: Part, media: str) -> str:
    return next((part.text(_TEXT) for part in mail.walk() if part.media == media and not part.parts), "")
