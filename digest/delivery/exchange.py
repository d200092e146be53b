"""All sessions of a run in one thread: connects in the background, waits for whichever has something to say. Does I/O.

One thread, because a mail costs a few dozen microseconds and handing it from thread to thread would cost more. Only
connecting waits (names, TLS, logins take round trips), so that is done aside.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from dataclasses import replace
from itertools import count

from digest.delivery.folder import FolderSession
from digest.delivery.handshake import open_connection
from digest.delivery.relay import Event, Mail, Opened, Relay, Session
from digest.delivery.smtp import PARTING_SECONDS, SmtpSession
from digest.model.errors import DigestError, RelayError
from digest.model.mail import Outcome, OutcomeKind

#: While answers gather: a commit for fifty mails costs little more than one for a single mail.
NAP_SECONDS = 0.002
MOST_NAPS = 6
#: A connection, with its login, may take as long as so many answers.
MOST_STEPS = 4


class Exchange:
    """See relay.Exchange for what each method promises."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []
        self._sessions: dict[int, SmtpSession] = {}
        self._folders: list[FolderSession] = []
        self._writing: set[int] = set()
        self._poll = select.poll()
        self._arrived: deque[tuple[int, Opened]] = deque()
        self._tickets = count(1)
        self._awaited: dict[int, tuple[Relay, float]] = {}
        """Connections that are being opened, and until when."""
        self._lock = threading.Lock()
        self._closed = False
        # A connector wakes the loop through this pipe.
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._ear, False)
        self._poll.register(self._ear, select.POLLIN)

    def open(self, relay: Relay) -> None:
        if relay.transport in ("maildir", "folder"):
            # Files are made at once; there is nothing to wait for.
            try:
                session = FolderSession(relay)
            except RelayError as error:
                self.opened.append(Opened(relay, None, error))
            else:
                self._folders.append(session)
                self.opened.append(Opened(relay, session, None))
            return
        ticket = next(self._tickets)
        self._awaited[ticket] = (relay, time.monotonic() + MOST_STEPS * relay.timeout)
        threading.Thread(target=self._connect, args=(ticket, relay), name="connect", daemon=True).start()

    def poll(self, seconds: float, gather: int = 0) -> list[Event]:
        now = time.monotonic()
        for session in self._sessions.values():
            if session.deadline is not None:
                seconds = min(seconds, max(0.0, session.deadline - now))
            if session.wire.unsent:
                self._listen(session, writing=True)
        events: list[Event] = []
        for folder in self._folders:
            events += folder.turn()
        if events or self.opened:
            seconds = 0.0
        found = self._poll.poll(0)
        naps = MOST_NAPS if seconds > 0 else 0
        while len(found) < gather and naps:
            naps -= 1
            time.sleep(NAP_SECONDS)
            found = self._poll.poll(0)
        if not found and seconds > 0:
            found = self._poll.poll(1 + int(seconds * 1000))
        now = time.monotonic()
        for number, _ in found:
            if number == self._ear:
                self._welcome()
                continue
            session = self._sessions[number]
            events += session.turn(now)
            if number in self._writing and not session.wire.unsent and session.alive:
                self._listen(session, writing=False)
        self._look_after(now, events)
        return events

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._welcome()
        self._awaited.clear()
        for session in self._sessions.values():
            session.quit()
        for folder in self._folders:
            folder.close()
        # Nobody takes them any more; a poll would come back at once for each.
        self.opened.clear()
        until = time.monotonic() + PARTING_SECONDS
        while self._sessions and (left := until - time.monotonic()) > 0:
            self.poll(left)
        for session in self._sessions.values():
            session.wire.close()
        self._sessions.clear()
        with self._lock:
            os.close(self._ear)
            os.close(self._mouth)

    def _listen(self, session: SmtpSession, *, writing: bool) -> None:
        number = session.wire.fileno()
        if writing is not (number in self._writing):
            (self._writing.add if writing else self._writing.discard)(number)
            self._poll.modify(number, select.POLLIN | (select.POLLOUT if writing else 0))

    def _look_after(self, now: float, events: list[Event]) -> None:
        """Lets go of what is closed; ends what has waited too long."""
        for ticket, (relay, until) in list(self._awaited.items()):
            if until <= now:
                # Each step of a handshake has its own time; a server that draws out each of them has them all.
                del self._awaited[ticket]
                text = f"no connection came about within {MOST_STEPS * relay.timeout:g} seconds"
                late = RelayError(text, where=relay.where, try_="check host and port, or ask the server's operator")
                self.opened.append(Opened(relay, None, late))
        for number, session in list(self._sessions.items()):
            if session.deadline is not None and session.deadline <= now and session.alive:
                events += session.overdue(now)
            elif session.wire.deaf is not None and session.alive:
                events += session.turn(now)
            if not session.alive:
                del self._sessions[number]
                self._writing.discard(number)
                with contextlib.suppress(KeyError):
                    self._poll.unregister(number)

    def _welcome(self) -> None:
        """Takes in the connections that were opened meanwhile."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._ear, 4096)
        while self._arrived:
            ticket, opened = self._arrived.popleft()
            if self._awaited.pop(ticket, None) is None:  # it came too late
                if opened.session is not None:
                    opened.session.close()
                continue
            if isinstance(opened.session, SmtpSession):
                number = opened.session.wire.fileno()
                self._sessions[number] = opened.session
                self._writing.discard(number)  # the number of a connection that was just closed may come again
                self._poll.register(number, select.POLLIN)
            self.opened.append(opened)

    def _connect(self, ticket: int, relay: Relay) -> None:
        try:
            opened = Opened(relay, SmtpSession(relay, open_connection(relay)), None)
        except RelayError as error:
            opened = Opened(relay, None, error)
        except DigestError as error:
            opened = Opened(relay, None, RelayError(error.what, where=error.where or relay.where, try_=error.try_))
        except Exception as error:
            # A fault of ours must not leave the run waiting for this connection for ever.
            opened = Opened(relay, None, RelayError(f"connecting failed: {error!r}", where=relay.where))
        with self._lock:
            if not self._closed:
                self._arrived.append((ticket, opened))
                os.write(self._mouth, b"!")
                return
        if opened.session is not None:
            opened.session.close()


def look_in(relay: Relay) -> None:
    """Connects, logs in, and leaves again. Raises RelayError when that cannot be done."""
    exchange = Exchange()
    try:
        _first_session(exchange, relay)
    finally:
        exchange.close()


def hand_over(relay: Relay, mail: Mail) -> Outcome:
    """Sends one mail and waits for its end. Raises RelayError when the relay cannot be reached."""
    exchange = Exchange()
    try:
        session = _first_session(exchange, relay)
        refused = session.offer(mail)
        if refused is not None:
            return refused
        while True:
            for event in exchange.poll(relay.timeout):
                if event.mail is not mail:
                    continue
                if event.outcome is None:
                    session.go()
                elif session.out_of_step and event.outcome.kind is OutcomeKind.DEFERRED:
                    return hand_over(replace(relay, pipelining=False), mail)
                else:
                    return event.outcome
    finally:
        exchange.close()


def _first_session(exchange: Exchange, relay: Relay) -> Session:
    exchange.open(relay)
    while not exchange.opened:
        exchange.poll(relay.timeout)
    opened = exchange.opened.pop()  # while it lies there, each poll comes back at once
    if opened.session is None:
        raise opened.error or RelayError("no connection came about", where=relay.where)
    return opened.session
