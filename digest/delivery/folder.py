"""Mails as files: a folder of .eml files, or a Maildir. Does I/O.

The same session as SMTP gives: ``offer`` writes and syncs a draft, ``go`` renames it, which is the dot here. A file's
name comes from the Message-ID, so a repeated mail replaces its first copy instead of standing beside it. Bytes are kept
as they are, CRLF too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from digest.delivery.relay import Event, Mail, Relay
from digest.model.errors import RelayError
from digest.model.mail import Outcome, OutcomeKind, Scope

#: A header longer than this has no Message-ID worth looking for.
MAX_HEADER = 65536

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?<([^<>@\s]+)@[^<>\s]*>", re.IGNORECASE | re.MULTILINE)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class FolderSession:
    """A folder or Maildir that takes mail; see relay.Session for what each method promises."""

    def __init__(self, relay: Relay) -> None:
        """Make the folders, or raise RelayError."""
        if relay.path is None:
            raise RelayError("no folder is named", where=relay.name, try_="set path")
        self.relay = relay
        self.pipelining = self.out_of_step = False
        self.round_trip = 0.0
        self._maildir = relay.transport == "maildir"
        self._final = relay.path / "new" if self._maildir else relay.path
        self._draft = relay.path / "tmp" if self._maildir else relay.path
        self._ready: Mail | None = None
        self._written: tuple[Path, str] = (self._draft, "")
        self._events: list[Event] = []
        try:
            for folder in {self._final, self._draft, *((relay.path / "cur",) if self._maildir else ())}:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A mail that was read has moved to cur/: a repeat of it is already there.
            self._read = _names(relay.path / "cur") if self._maildir else frozenset[str]()
        except OSError as exc:
            raise RelayError(
                f"the folder cannot be made: {exc.strerror}", where=relay.where, try_="check path and its permissions"
            ) from exc

    @property
    def alive(self) -> bool:
        """Always: a folder does not hang up."""
        return True

    @property
    def idle(self) -> bool:
        return self._ready is None

    @property
    def ready(self) -> Mail | None:
        return self._ready

    def offer(self, mail: Mail) -> Outcome | None:
        """Write one mail's draft. The envelope is not written: the mail has its own To."""
        name = _file_name(mail.parts) + ("" if self._maildir else ".eml")
        # Always the same name: what a killed process left behind is written over by the repeat.
        draft = self._draft / f".{name}.part"
        try:
            _write(draft, mail.parts)
        except OSError as exc:
            _forget(draft)
            return _relay_fault(f"{self._final}: {exc.strerror}")
        self._ready, self._written = mail, (draft, name)
        self._events.append(Event(self, mail, None))
        return None

    def go(self, following: Mail | None = None) -> Outcome | None:
        mail, self._ready = self._ready, None
        self._events.append(Event(self, mail, self._publish(*self._written)))
        return self.offer(following) if following is not None else None

    def stop(self) -> None:
        self._ready = None
        _forget(self._written[0])

    def turn(self) -> list[Event]:
        """What happened since it was last asked."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        if self._ready is not None:
            self.stop()

    def _publish(self, draft: Path, name: str) -> Outcome:
        """The rename is the dot: before it there is no mail, after it there is a whole one."""
        if name in self._read:
            _forget(draft)
            return Outcome(kind=OutcomeKind.ACCEPTED, remote=f"{name} was already there")
        try:
            draft.replace(self._final / name)
        except OSError as exc:
            # The draft stays: as long as it is there, everybody can see that the mail is not. A repeat writes over it.
            return _relay_fault(f"{self._final}: {exc.strerror}")
        try:
            _sync_folder(self._final)
        except OSError as exc:
            return Outcome(kind=OutcomeKind.UNCERTAIN, remote=f"{self._final / name}: {exc.strerror}")
        return Outcome(kind=OutcomeKind.ACCEPTED, remote=str(self._final / name))


def arrived(relay: Relay, message_id: str) -> bool | None:
    """Whether a mail that was being put into its place is there; None where the folder does not tell.

    ``message_id`` is the left side of its own. A rename is one step: where the draft is, the mail is not.
    """
    assert relay.path is not None
    if relay.transport == "folder":
        draft, places = relay.path / f".{message_id}.eml.part", [relay.path / f"{message_id}.eml"]
    else:
        draft = relay.path / "tmp" / f".{message_id}.part"
        places = [relay.path / "new" / message_id, relay.path / "cur" / message_id]
        places += (relay.path / "cur").glob(f"{message_id}:*")
    if any(place.exists() for place in places):
        return True
    return False if draft.exists() else None


def _forget(draft: Path) -> None:
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def _relay_fault(text: str) -> Outcome:
    return Outcome(kind=OutcomeKind.DEFERRED, scope=Scope.RELAY, remote=text)


def _file_name(segments: Sequence[bytes]) -> str:
    """The Message-ID's left side where it is a plain name, else a hash of it, or of the whole mail."""
    header = bytearray()
    for segment in segments:
        header += segment
        if b"\r\n\r\n" in header or len(header) > MAX_HEADER:
            break
    match = _MESSAGE_ID.search(bytes(header).partition(b"\r\n\r\n")[0])
    if match is None:
        return hashlib.sha256(b"".join(segments)).hexdigest()
    name = match[1].decode("utf-8", "replace")
    return name if _SAFE_NAME.fullmatch(name) else hashlib.sha256(match[1]).hexdigest()


def _write(path: Path, segments: Sequence[bytes]) -> None:
    # Mails hold addresses and the tokens by which their readers leave: they are nobody else's to read.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.writelines(segments)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(folder: Path) -> frozenset[str]:
    """Base names of a Maildir's read mails, without their flags."""
    return frozenset(path.name.partition(":")[0] for path in folder.iterdir())
