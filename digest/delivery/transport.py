"""The one door to sending: a relay's settings in, a session out. Does I/O."""

from __future__ import annotations

from digest.delivery.folder import FolderSession
from digest.delivery.relay import Relay, Session
from digest.delivery.smtp import SmtpSession


def connect(relay: Relay) -> Session:
    """Open a session. Raises RelayError with what to try."""
    if relay.transport in ("maildir", "folder"):
        return FolderSession(relay)
    return SmtpSession(relay)
