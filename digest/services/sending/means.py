"""What sending needs: the store, the ways out, the keys, and the policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from digest.delivery.relay import Exchange
from digest.delivery.sign import Signer
from digest.services.ports import Clock, Wake, nobody
from digest.services.sending.outlets import Outlet
from digest.services.sending.packing import ReturnPath
from digest.services.stamping import Keys
from digest.storage.engine import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What sending needs."""

    store: Store
    outlets: tuple[Outlet, ...]
    """The relays in order of preference; what they ask of us lives longer than one run."""
    exchange: Callable[[], Exchange]
    keys: Keys
    return_path: ReturnPath
    signer: Callable[[], Signer | None]
    """Reads the keys at each run, so that a changed file needs no restart. Raises ConfigError."""
    resend: bool
    """Policy for uncertain deliveries: send again under the same Message-ID."""
    holder: str
    lease: timedelta
    """Renewed while its mail is on the wire; a sender that says nothing for this long has lost its mails."""
    soft_bounces: int
    """So many, on different days within ``soft_window``, suppress an address."""
    soft_window: timedelta
    clock: Clock
    jitter: Callable[[], float]
    seconds: Callable[[], float]
    """A steady clock."""
    call_others: Wake = nobody
    """Calls the other senders of a fleet where there is more than one takes."""
