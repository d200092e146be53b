"""Where mail leaves: the settings of one relay, and what an open session can do. Pure; opening it is the
work of transport.connect, which services are given as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from digest.model.mail import Envelope, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Relay:
    """One way out. ``password`` is called at each connect, so that a changed file needs no restart."""

    name: str
    """What errors and logs call it."""
    transport: Literal["smtp", "lmtp", "maildir", "folder"] = "smtp"
    host: str = "localhost"
    """A name or address; for lmtp also the path of a Unix socket."""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Callable[[], str] | None = field(default=None, repr=False)
    allow_plain_auth: bool = False
    """Let the password travel unencrypted (security none)."""
    connections: int = 4
    timeout: float = 60.0
    """Seconds to wait for an answer, or for the network to take the next bytes."""
    dot_timeout: float = 600.0
    """Seconds to wait for the answer to the final dot (RFC 5321 section 4.5.3.2.6: ten minutes)."""
    helo_name: str = ""
    """How we introduce ourselves; empty: this machine's full name."""
    path: Path | None = None
    """Where maildir and folder write."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    @property
    def where(self) -> str:
        """The place, for an error's text."""
        place = str(self.path) if self.transport in ("maildir", "folder") else f"{self.host}:{self.port}"
        return f"{self.name} ({place})" if self.name else place


class Session(Protocol):
    """What mail goes through, one at a time."""

    @property
    def alive(self) -> bool:
        """Whether another mail can be tried; if not, connect again."""
        ...

    def submit(self, envelope: Envelope, segments: Sequence[bytes], before_dot: Callable[[], bool]) -> Outcome:
        """Try one mail. ``before_dot`` is called at the last instant at which not sending is certain."""
        ...

    def close(self) -> None:
        """End the session; to be called also when it is no longer alive."""
        ...


#: Opens a session; raises RelayError.
Connect = Callable[[Relay], Session]
