"""Where mail to us arrives: a Maildir or an IMAP folder (RFC 3501). Does I/O.

Gives the unread mails as (handle, raw bytes) and changes nothing by reading. The caller acknowledges a handle after its
own work is committed, so a crash between the two reads the mail again instead of losing it. Mails that are not
acknowledged stay as they are.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
import ssl
from collections.abc import Callable, Container, Generator, Iterator
from pathlib import Path
from typing import Literal

from digest.delivery.inbound import MailboxError
from digest.delivery.mime import MAX_MAIL


class Maildir:
    """A folder with new/, cur/ and tmp/, filled by a mail server or a pipe."""

    def __init__(self, path: Path) -> None:
        self._new = path / "new"
        self._cur = path / "cur"

    def unread(self, but: Container[str] = ()) -> Iterator[tuple[str, bytes]]:
        try:
            found = (entry.name for entry in os.scandir(self._new) if not entry.name.startswith("."))
            names = sorted(name for name in found if name not in but)
        except OSError as exc:
            raise MailboxError(
                f"the Maildir cannot be read: {exc.strerror}",
                where=str(self._new),
                try_="check the path and its permissions",
            ) from exc
        for name in names:
            # Another reader may have taken it in the meantime.
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                yield name, self._read(name)

    def acknowledge(self, handle: str) -> None:
        try:
            self._cur.mkdir(exist_ok=True)
            # A delivery agent may have put flags there already.
            (self._new / handle).rename(self._cur / f"{handle.partition(':')[0]}:2,S")
        except FileNotFoundError:
            return
        except OSError as exc:
            raise MailboxError(
                f"the mail cannot be marked as read: {exc.strerror}",
                where=str(self._new / handle),
                try_="check the permissions of new/ and cur/",
            ) from exc

    def close(self) -> None:
        """Nothing is held open."""

    def _read(self, name: str) -> bytes:
        try:
            with (self._new / name).open("rb") as file:
                return file.read(MAX_MAIL)
        except (FileNotFoundError, IsADirectoryError):
            raise
        except OSError as exc:
            raise MailboxError(
                f"the mail cannot be read: {exc.strerror}", where=str(self._new / name), try_="check its permissions"
            ) from exc


class Imap:
    """An IMAP folder. Connects when first used, and anew after a fault."""

    def __init__(
        self,
        *,
        host: str,
        port: int = 993,
        security: Literal["tls", "starttls", "none"] = "tls",
        username: str,
        password: Callable[[], str],
        folder: str = "INBOX",
        timeout: float = 60.0,
        ca_file: Path | None = None,
        allow_plain_auth: bool = False,
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password
        self._folder = folder
        self._timeout = timeout
        self._ca_file = ca_file
        self._allow_plain_auth = allow_plain_auth
        self._client: imaplib.IMAP4 | None = None
        self._validity = ""

    def unread(self, but: Container[str] = ()) -> Iterator[tuple[str, bytes]]:
        with self._explained():
            found = self._uid("SEARCH", "UNSEEN")
            uids = b" ".join(line for line in found if isinstance(line, bytes)).decode("ascii", "replace").split()
        for uid in uids:
            handle = f"{self._validity}:{uid}"
            if handle in but:
                continue
            with self._explained():
                # PEEK: reading marks nothing as seen.
                answer = self._uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_MAIL}>)")
                raw = next((item[1] for item in answer if isinstance(item, tuple)), None)
            if raw is not None:  # another reader may have removed it
                yield handle, raw

    def acknowledge(self, handle: str) -> None:
        validity, _, uid = handle.partition(":")
        with self._explained():
            self._connected()
            # A folder that was made anew has other numbers: mark nothing rather than a stranger's mail.
            if validity == self._validity and uid.isdecimal():
                self._uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def _uid(self, command: str, *args: str) -> list[bytes | tuple[bytes, bytes] | None]:
        status, data = self._connected().uid(command, *args)
        if status != "OK":
            raise imaplib.IMAP4.error(f"{command} was answered {status}")
        return list(data)

    def _connected(self) -> imaplib.IMAP4:
        if self._client is None:
            self._client = self._log_in()
        return self._client

    def _log_in(self) -> imaplib.IMAP4:
        if self._security == "none" and not self._allow_plain_auth:
            raise MailboxError(
                "the password would travel unencrypted, so nothing was sent",
                where=self._where,
                try_='set security to "tls" or "starttls"',
            )
        context = ssl.create_default_context(cafile=None if self._ca_file is None else str(self._ca_file))
        if self._security == "tls":
            client = imaplib.IMAP4_SSL(self._host, self._port, ssl_context=context, timeout=self._timeout)
        else:
            client = imaplib.IMAP4(self._host, self._port, timeout=self._timeout)
        try:
            if self._security == "starttls":
                client.starttls(context)
            client.login(self._username, self._password())
            quoted = self._folder.replace("\\", "\\\\").replace('"', '\\"')
            status, answer = client.select(f'"{quoted}"')
            if status != "OK":
                text = b" ".join(part for part in answer if part).decode("utf-8", "replace")
                raise imaplib.IMAP4.error(f"the folder {self._folder} cannot be opened: {text}")
            self._validity = _number(client.response("UIDVALIDITY")[1])
        except BaseException:
            _drop(client)
            raise
        return client

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        """A fault ends the connection and is told as one sentence."""
        try:
            yield
        except (OSError, ValueError, imaplib.IMAP4.error) as exc:
            client, self._client = self._client, None
            if client is not None:
                _drop(client)
            said = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
            text = " ".join(said.split())[:300]
            raise MailboxError(
                f"the mailbox cannot be used: {text}",
                where=self._where,
                try_="check host, port, security, username, password_file and folder",
            ) from exc


def _drop(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        client.shutdown()


def _number(values: list[object]) -> str:
    match = re.search(rb"\d+", values[0]) if values and isinstance(values[0], bytes) else None
    return match[0].decode("ascii") if match else ""
