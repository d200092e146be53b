"""Where mail leaves: the settings of one relay, and what an open session can do. Pure; opening one is the work of
exchange.Exchange, which services are given as a function.

A session never waits. It is offered a mail (its envelope goes out), says when the content may follow, is told to go on
or to stop, and later says how the mail ended. So one thread drives as many sessions as a relay allows, and the caller
can write down "the final dot is about to go" for all that are ready in one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from digest.model.errors import RelayError
from digest.model.mail import Envelope, Outcome

#: RFC 5321 section 4.5.3.2: at least five minutes for MAIL and RCPT, two for DATA, three for a part of the content.
ANSWER_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Relay:
    """One way out. ``password`` and ``token`` are called at each connect, so that a changed file needs no restart."""

    name: str
    """What errors and logs call it."""
    transport: Literal["smtp", "lmtp", "maildir", "folder"] = "smtp"
    host: str = "localhost"
    """A name or address; for lmtp also the path of a Unix socket."""
    port: int = 587
    account: str = ""
    """What tells it from another relay of the same host and port; empty where there is none."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Callable[[], str] | None = field(default=None, repr=False)
    token: Callable[[], str] | None = field(default=None, repr=False)
    """Gives an OAuth 2.0 access token; then the login is XOAUTH2, without a password."""
    allow_plain_auth: bool = False
    """Let the password travel unencrypted (security none)."""
    connections: int = 8
    timeout: float = 60.0
    """Seconds for each step of connecting: name, greeting, EHLO, TLS, login."""
    answer_timeout: float = ANSWER_SECONDS
    """Seconds to wait for the answer to each command of a mail, or for the network to take the next bytes."""
    dot_timeout: float = 600.0
    """Seconds to wait for the answer to the final dot (RFC 5321 section 4.5.3.2.6: ten minutes)."""
    chunking: bool = True
    """Send by BDAT (RFC 3030) where it is offered."""
    pipelining: bool = True
    """Send several commands at once (RFC 2920) where it is offered."""
    helo_name: str = ""
    """How we introduce ourselves; empty: this machine's full name."""
    path: Path | None = None
    """Where maildir and folder write."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    @property
    def place(self) -> str:
        """What the ledger remembers it by: host and port, with the account where several go there, or a folder."""
        return (f"{self.account}@{self.address}" if self.account else self.address)[-200:]

    @property
    def address(self) -> str:
        """Where it leads, by whatever account."""
        return str(self.path) if self.transport in ("maildir", "folder") else f"{self.host}:{self.port}"

    @property
    def where(self) -> str:
        """The place, for an error's text."""
        return f"{self.name} ({self.place})" if self.name else self.place


class Mail:
    """One mail on its way. ``parts`` and ``dotted`` are its content in pieces that end in CRLF: as it is, and with
    every line's leading dot doubled (RFC 5321 section 4.5.2); the same object where no line begins with a dot.

    ``about`` is the caller's own. Not a dataclass: one is made for each of some thousand mails a second.
    """

    __slots__ = ("about", "dotted", "envelope", "parts")

    def __init__(
        self, envelope: Envelope, parts: Sequence[bytes], dotted: Sequence[bytes] | None = None, about: Any = None
    ) -> None:
        self.envelope = envelope
        self.parts = parts
        self.dotted = parts if dotted is None else dotted
        self.about = about


class Event(NamedTuple):
    """What a session has to say. ``outcome`` None: the envelope of ``mail`` was accepted, and its content may go.

    ``mail`` None: the server hung up on nobody's account.
    """

    session: Session
    mail: Mail | None
    outcome: Outcome | None


class Session(Protocol):
    """What mail goes through. At most one mail of a session is ever unacknowledged."""

    relay: Relay
    pipelining: bool
    """Whether ``go`` may be given a following mail."""
    out_of_step: bool
    """The server has lost count of commands that were sent together. What was offered was not taken and may be offered
    again at once; the next session should send singly."""

    round_trip: float
    """Seconds that the other side took for its first answer."""

    @property
    def alive(self) -> bool:
        """Whether another mail can be tried; if not, connect again."""
        ...

    @property
    def idle(self) -> bool:
        """Whether a mail can be offered now."""
        ...

    @property
    def ready(self) -> Mail | None:
        """The mail whose envelope was accepted and whose content waits for ``go``."""
        ...

    def offer(self, mail: Mail) -> Outcome | None:
        """Send a mail's envelope. An outcome: it cannot be offered to this server, and nothing was said."""
        ...

    def go(self, following: Mail | None = None) -> Outcome | None:
        """Send the content of what is ready and the dot, and the envelope of ``following`` in the same write.

        An outcome: of ``following``, which cannot be offered.
        """
        ...

    def stop(self) -> None:
        """Give up what is ready: its dot is never sent."""
        ...

    def close(self) -> None:
        """End the session. What it still had is forgotten: only an idle or dead one is closed without loss."""
        ...


class Opened(NamedTuple):
    """A connection attempt that ended: a session, or why there is none."""

    relay: Relay
    session: Session | None
    error: RelayError | None


class Exchange(Protocol):
    """All sessions of one run."""

    opened: list[Opened]
    """Connection attempts that ended since the list was last emptied; the caller empties it."""

    def open(self, relay: Relay) -> None:
        """Begin to connect, in the background."""
        ...

    def poll(self, seconds: float, gather: int = 0) -> list[Event]:
        """What happened, waiting at most so long for it. ``gather``: worth a short nap to hear so many together."""
        ...

    def close(self) -> None:
        """Say goodbye everywhere."""
        ...
