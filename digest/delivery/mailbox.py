"""Where mail to us arrives: a Maildir or an IMAP folder (RFC 3501). Does I/O.

Gives the unread mails, or those after a mark, as (handle, raw bytes), and changes nothing by reading. The caller
acknowledges a handle after its own work is committed, so a crash between the two reads the mail again instead of losing
it. Mails that are not acknowledged stay as they are.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
import ssl
import time
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from digest.delivery.inbound import Batch, MailboxError
from digest.delivery.mime import MAX_MAIL

#: Nanoseconds. A file system's clock ticks coarsely, and a scan takes a while: mails that changed so lately wait.
_SETTLED = 2_000_000_000


class Maildir:
    """A folder with new/, cur/ and tmp/, filled by a mail server or a pipe. ``clock`` gives Unix time in ns."""

    def __init__(self, path: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._new = path / "new"
        self._cur = path / "cur"

    def unread(self, but: Container[str] = ()) -> Iterator[tuple[str, bytes]]:
        try:
            found = (entry.name for entry in os.scandir(self._new) if not entry.name.startswith("."))
            names = sorted(name for name in found if name not in but)
        except OSError as exc:
            raise _no_maildir(self._new, exc) from exc
        for name in names:
            # Another reader may have taken it in the meantime.
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                yield name, _read(self._new / name, MAX_MAIL)

    def after(self, mark: str, *, most: int, size: int, total: int) -> Batch:
        """See Letterbox.

        The mark is when a file was last changed (``st_ctime_ns``), and its name: a mail that is brought here with an
        old date is new all the same, and one that gets a flag is only read twice. Files that changed just before the
        look are left for the next one: others may yet get the same instant.
        """
        settled = self._clock() - _SETTLED
        found = sorted(self._all())
        at = _place(mark)
        fresh = [one for one in found if one[:2] > at] if mark else found[-most:]
        mails: list[tuple[str, bytes]] = []
        used = 0
        mark = mark if mark or found else "0:"
        for changed, name, file, length in fresh[:most]:
            used += min(length, size)
            if changed >= settled or (mails and used > total):
                break
            try:
                mails.append((name, _read(file, size)))
            except (FileNotFoundError, IsADirectoryError):
                break  # another reader moved or removed it: the next look finds it where it is then, if anywhere
            mark = f"{changed}:{quote(os.fsencode(name))}"
        return Batch(mails=tuple(mails), mark=mark, waiting=len(fresh) - len(mails))

    def _all(self) -> Iterator[tuple[int, str, Path, int]]:
        """(changed at, name without flags, file, bytes) of every mail; one that moves meanwhile may be met twice."""
        for folder in (self._new, self._cur):
            try:
                for entry in os.scandir(folder):
                    if not entry.name.startswith("."):
                        with contextlib.suppress(FileNotFoundError):
                            if entry.is_file():
                                held, name = entry.stat(), entry.name.partition(":")[0]
                                yield held.st_ctime_ns, name, Path(entry.path), held.st_size
            except OSError as exc:
                if folder is self._cur and isinstance(exc, FileNotFoundError):
                    continue
                raise _no_maildir(folder, exc) from exc

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
        read_only: bool = False,
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
        self._read_only = read_only
        self._client: imaplib.IMAP4 | None = None
        self._validity = ""

    def unread(self, but: Container[str] = ()) -> Iterator[tuple[str, bytes]]:
        with self._explained():
            uids = self._uids("UNSEEN")
        for uid in uids:
            handle = f"{self._validity}:{uid}"
            if handle in but:
                continue
            with self._explained():
                raw = self._raw(str(uid), MAX_MAIL)
            if raw is not None:  # another reader may have removed it
                yield handle, raw

    def after(self, mark: str, *, most: int, size: int, total: int) -> Batch:
        """See Letterbox; the mark is UIDVALIDITY and the highest UID (RFC 3501 section 2.3.1.1)."""
        with self._explained():
            self._connected()
            validity, _, number = mark.partition(":")
            last = int(number) if number.isdecimal() else 0
            known = bool(mark) and validity == self._validity
            # "n:*" names the newest mail even where none comes after n.
            uids = [uid for uid in self._uids("UID", f"{last + 1}:*" if known else "1:*") if not known or uid > last]
            uids = uids if known else uids[-most:]
            lengths = self._lengths(uids[:most])
        mails: list[tuple[str, bytes]] = []
        used = 0
        last = last if known else 0
        waiting = len(uids)
        for uid in uids[:most]:
            used += min(lengths.get(uid, size), size)
            if mails and used > total:
                break
            with self._explained():
                raw = self._raw(str(uid), size)
            if raw is not None:
                mails.append((f"{self._validity}:{uid}", raw))
            last, waiting = uid, waiting - 1
        return Batch(mails=tuple(mails), mark=f"{self._validity}:{last}", waiting=waiting)

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

    def _uids(self, *criteria: str) -> list[int]:
        """The numbers of the mails that a search finds, in their order."""
        found = self._uid("SEARCH", *criteria)
        texts = b" ".join(line for line in found if isinstance(line, bytes)).decode("ascii", "replace").split()
        return sorted(int(text) for text in texts if text.isdecimal())

    def _lengths(self, uids: Iterable[int]) -> dict[int, int]:
        """How many bytes the mails have, by number, as the server says."""
        wanted = ",".join(map(str, uids))
        found: dict[int, int] = {}
        for line in self._uid("FETCH", wanted, "(RFC822.SIZE)") if wanted else ():
            text = line if isinstance(line, bytes) else b""
            uid, length = re.search(rb"\bUID (\d+)", text), re.search(rb"\bRFC822\.SIZE (\d+)", text)
            if uid and length:
                found[int(uid[1])] = int(length[1])
        return found

    def _raw(self, uid: str, size: int) -> bytes | None:
        """A mail's first bytes; None if another reader removed it."""
        # PEEK: reading marks nothing as seen.
        answer = self._uid("FETCH", uid, f"(BODY.PEEK[]<0.{size}>)")
        return next((item[1] for item in answer if isinstance(item, tuple)), None)

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
            status, answer = client.select(f'"{quoted}"', readonly=self._read_only)
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
            text = " ".join(_said(exc).split())[:300]
            raise MailboxError(
                f"the mailbox cannot be used: {text}",
                where=self._where,
                try_="check host, port, security, username, password_file and folder",
            ) from exc


def _said(error: Exception) -> str:
    """A fault in words; of a refused login imaplib has the server's answer as bytes."""
    answer = error.args[0] if error.args else ""
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _read(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except (FileNotFoundError, IsADirectoryError):
        raise
    except OSError as exc:
        raise MailboxError(
            f"the mail cannot be read: {exc.strerror}", where=str(path), try_="check its permissions"
        ) from exc


def _no_maildir(folder: Path, error: OSError) -> MailboxError:
    return MailboxError(
        f"the Maildir cannot be read: {error.strerror}", where=str(folder), try_="check the path and its permissions"
    )


def _place(mark: str) -> tuple[int, str]:
    """(changed at, name) of a Maildir's mark; zero for what is no number."""
    at, _, name = mark.partition(":")
    return int(at) if at.isdecimal() else 0, os.fsdecode(unquote_to_bytes(name))


def _drop(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        client.shutdown()


def _number(values: list[object]) -> str:
    match = re.search(rb"\d+", values[0]) if values and isinstance(values[0], bytes) else None
    return match[0].decode("ascii") if match else ""
