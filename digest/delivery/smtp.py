"""One SMTP or LMTP connection and the mails that go over it (RFC 5321, 2920, 3030, 1870, 6152, 6531, 2033). Does I/O.

The envelope and DATA dialogue is our own, because all depends on one instant: before the final dot a failure is a safe
retry, after it, without an answer, the mail is uncertain (RFC 1047). The dot goes only in ``go``, which the caller
calls once it has written down that it goes. A remote's fault is never an exception, but an event that ends a mail with
an Outcome. Leases, ledger and retries are the caller's.

Where the server offers PIPELINING, one write carries [content, dot, MAIL, RCPT, DATA]: a round trip a mail. Where it
offers CHUNKING, one BDAT carries the content, and the next envelope follows it likewise. A mail is never sent before
the one before it was answered, so at most one is unacknowledged.
"""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from digest.delivery.handshake import Connection
from digest.delivery.relay import Event, Mail, Relay
from digest.delivery.retry import Stage, decide, refuses_sender
from digest.delivery.wire import BrokenError, OutOfStepError, Reply
from digest.model.mail import Envelope, Outcome, OutcomeKind, Scope

DOT = b".\r\n"
#: RFC 5321 section 4.5.3.1: 64 for the local part, 255 for the domain.
MAX_ADDRESS = 320
#: How long to be polite for: QUIT, and a refusal sent just before the server hung up.
PARTING_SECONDS = 2.0

_UNSAFE = re.compile(rb"[^!-*,-<>-~]")
_PLAIN_PATH = re.compile(r"[!-;=?-~]+")
_QUOTED = re.compile(r'^"(?:[^"\\]|\\.)*"(?=@)')


class _Await(StrEnum):
    """Beside the stages, what a reply may answer."""

    RESET = "reset"
    EMPTY = "empty"
    """The end of a content with nothing in it."""
    QUIT = "quit"


_DOT = Stage.DOT


class SmtpSession:
    """An open connection to a relay; see relay.Session for what each method promises."""

    def __init__(self, relay: Relay, connection: Connection) -> None:
        self.relay = relay
        self.out_of_step = False
        self.tls = connection.tls
        self.round_trip = connection.round_trip
        self.features: Mapping[str, str] = connection.features
        """What the server offers: lower-case keyword -> parameters."""
        self.wire = connection.wire
        self.deadline: float | None = None
        """When what is awaited must have come, in time.monotonic's seconds; None: nothing is awaited."""
        self.pipelining = relay.pipelining and "pipelining" in self.features
        self.chunking = relay.chunking and "chunking" in self.features
        self._last = Stage.RCPT if self.chunking else Stage.DATA
        """The last answer before the content may go …"""
        self._before = (Stage.MAIL,) if self.chunking else (Stage.MAIL, Stage.RCPT)
        """… and those before it."""
        self._limit = _size_limit(self.features)
        self._simple = self._limit is not None
        self._reports = "dsn" in self.features
        self._room = self._limit or sys.maxsize
        self._awaited: deque[tuple[Stage | _Await, Mail | None]] = deque()
        self._coming: Mail | None = None
        """Whose envelope is under way."""
        self._steps: list[tuple[Stage, bytes]] = []
        """What is still to be said of it, in single steps."""
        self._stepped = False
        """A command was said in answer to what was heard in this turn."""
        self._refusal: tuple[Reply, Stage] | None = None
        self._ready: Mail | None = None
        self._sent: Mail | None = None
        """Whose content is under way or unanswered."""
        self._dot_at = 0
        """Where its dot ends among the bytes ever sent."""
        self._reset = False
        """A refused envelope must be cleared before the next one."""
        self._events: list[Event] = []

    @property
    def alive(self) -> bool:
        return not self.wire.closed

    @property
    def idle(self) -> bool:
        return not (self.wire.closed or self._awaited or self._ready or self._sent or self._coming)

    @property
    def ready(self) -> Mail | None:
        return self._ready

    def offer(self, mail: Mail) -> Outcome | None:
        commands = self._commands(mail.envelope)
        if isinstance(commands, Outcome):
            return commands
        self.wire.send(self._announce(mail, commands))
        self.deadline = time.monotonic() + self.relay.answer_timeout
        return None

    def go(self, following: Mail | None = None) -> Outcome | None:
        mail, self._ready = self._ready, None
        assert mail is not None
        chunk = b"BDAT %d LAST\r\n"
        out = [chunk % sum(map(len, mail.parts)), *mail.parts] if self.chunking else [*mail.dotted, DOT]
        self._sent = mail
        self._awaited.append((_DOT, mail))
        refused = None
        behind = 0
        if following is not None:
            commands = self._commands(following.envelope)
            if isinstance(commands, Outcome):
                refused = commands
            else:
                announced = self._announce(following, commands)
                behind = sum(map(len, announced))
                out += announced
        self.wire.send(out)
        self._dot_at = self.wire.queued - behind
        self._wait_for_dot(time.monotonic())
        return refused

    def stop(self) -> None:
        self._ready = None
        if self.chunking and not self._awaited:
            self._reset = True  # nothing of the content was sent: RSET clears the envelope
        else:
            self.wire.close()  # once DATA was allowed, only hanging up keeps the dot back

    def turn(self, now: float) -> list[Event]:
        """Reads and writes what can be read and written; what that brought."""
        wire = self.wire
        if wire.closed:
            return []
        if wire.unsent:
            before = wire.sent
            wire.flush()
            if wire.sent != before and self._sent is not None:
                self._wait_for_dot(now)
        awaited = self._awaited
        self._stepped = False
        passed = False
        for reply in wire.receive():
            # To most mails a server says yes, and to each of their commands: then only the last answer means anything.
            if self.pipelining and awaited and awaited[0][0] in self._before and 200 <= reply.code <= 299:
                awaited.popleft()
                passed = True
                continue
            passed = False
            if self._stepped:
                # It was there before the command that it would answer.
                self._lose(BrokenError(f"the server said {reply.code} {reply.words()[1]} unasked"))
            else:
                self._hear(reply, now)
            if wire.closed:
                break
        if passed:
            # The next answer has a time of its own, also where its command was sent together with the others.
            self.deadline = now + self.relay.answer_timeout
        if wire.fault is not None and not wire.closed:
            self._lose(wire.fault)
        elif wire.deaf is not None and not wire.closed:
            # It may have said why before it hung up.
            self.deadline = min(self.deadline or now + PARTING_SECONDS, now + PARTING_SECONDS)
        events, self._events = self._events, []
        return events

    def overdue(self, now: float) -> list[Event]:
        """Called when the deadline has passed."""
        if self.wire.deaf is not None:
            self._lose(self.wire.deaf)
        elif self.wire.unsent:
            self._lose(BrokenError(f"the server took nothing for {self.relay.answer_timeout:g} seconds"))
        else:
            waited = self.relay.dot_timeout if self._sent is not None else self.relay.answer_timeout
            self._lose(OutOfStepError(f"the server did not answer within {waited:g} seconds"))
        events, self._events = self._events, []
        return events

    def quit(self) -> None:
        """Say goodbye where that is possible; hang up else. ``turn`` closes when it was answered."""
        if self.idle and self.wire.deaf is None:
            self.wire.send([b"QUIT\r\n"])
            self._awaited.append((_Await.QUIT, None))
            self.deadline = time.monotonic() + PARTING_SECONDS
        else:
            self.wire.close()

    def close(self) -> None:
        self.quit()
        self.wire.close()

    def _commands(self, envelope: Envelope) -> tuple[bytes, bytes] | Outcome:
        """MAIL and RCPT for a mail, or why it cannot be offered to this server."""
        sender, recipient, size = envelope.sender, envelope.recipient, envelope.size
        if (
            self._simple
            and not envelope.eight_bit
            and size <= self._room
            and _PLAIN_PATH.fullmatch(sender)
            and _PLAIN_PATH.fullmatch(recipient)
            and len(sender) <= MAX_ADDRESS
            and len(recipient) <= MAX_ADDRESS
        ):
            # As for nearly all: nothing to be refused, nothing to be negotiated.
            by, to = sender.encode(), recipient.encode()
            if not self._reports:
                return b"MAIL FROM:<%b> SIZE=%d\r\n" % (by, size), b"RCPT TO:<%b>\r\n" % to
            if not _UNSAFE.search(to):
                return (
                    b"MAIL FROM:<%b> SIZE=%d RET=HDRS\r\n" % (by, size),
                    b"RCPT TO:<%b> ORCPT=rfc822;%b\r\n" % (to, to),
                )
        return self._special_commands(envelope)

    def _special_commands(self, envelope: Envelope) -> tuple[bytes, bytes] | Outcome:
        try:
            sender, recipient = _path(envelope.sender, may_be_empty=True), _path(envelope.recipient)
        except ValueError as exc:
            return _not_sent(Scope.RECIPIENT, str(exc))
        features = self.features
        command = b"MAIL FROM:" + sender
        if self._limit is not None:
            if 0 < self._limit < envelope.size:
                text = f"the mail has {envelope.size} bytes, the server takes {self._limit}"
                return _not_sent(Scope.MESSAGE, text)
            command += b" SIZE=%d" % envelope.size
        wide = not (sender.isascii() and recipient.isascii())
        if wide and "smtputf8" not in features:
            return _not_sent(Scope.RECIPIENT, "the address is not ASCII, and the server does not offer SMTPUTF8")
        if envelope.eight_bit or wide:
            if "8bitmime" not in features:
                return _not_sent(Scope.MESSAGE, "the mail has 8-bit text, and the server does not offer 8BITMIME")
            command += b" BODY=8BITMIME SMTPUTF8" if wide else b" BODY=8BITMIME"
        if "dsn" in features:
            command += b" RET=HDRS"
            if not wide:
                # A report then names this address also where the mail was forwarded (RFC 3461 section 4.2).
                recipient += b" ORCPT=rfc822;" + _UNSAFE.sub(_xtext, envelope.recipient.encode())
        return command + b"\r\n", b"RCPT TO:" + recipient + b"\r\n"

    def _announce(self, mail: Mail, commands: tuple[bytes, bytes]) -> list[bytes]:
        """What to write for an envelope now; the answers are awaited, further steps kept."""
        self._coming = mail
        self._refusal = None
        out: list[bytes] = []
        if self._reset:
            self._reset = False
            out.append(b"RSET\r\n")
            self._awaited.append((_Await.RESET, None))
        awaited = self._awaited
        mail_from, rcpt_to = commands
        if self.pipelining:
            out += commands
            awaited.append((Stage.MAIL, mail))
            awaited.append((Stage.RCPT, mail))
            if not self.chunking:
                out.append(b"DATA\r\n")
                awaited.append((Stage.DATA, mail))
            return out
        self._steps = [(Stage.RCPT, rcpt_to)]
        if not self.chunking:
            self._steps.append((Stage.DATA, b"DATA\r\n"))
        if out:  # the answer to RSET first
            self._steps.insert(0, (Stage.MAIL, mail_from))
            return out
        awaited.append((Stage.MAIL, mail))
        return [mail_from]

    def _wait_for_dot(self, now: float) -> None:
        """While content goes out, each step of it must be taken in time; then the reply to the dot is awaited."""
        self.deadline = now + (self.relay.answer_timeout if self.wire.unsent else self.relay.dot_timeout)

    def _hear(self, reply: Reply, now: float) -> None:
        if not self._awaited:
            self._unasked(reply)
            return
        step, mail = self._awaited.popleft()
        self.deadline = now + self.relay.answer_timeout if self._awaited else None
        if step is _DOT:
            self._answered(reply, mail)
        elif mail is not None:
            assert isinstance(step, Stage)
            self._envelope(reply, step, mail, now)
        elif step is _Await.EMPTY and reply.code != 421:
            # Yes or no ("554 no valid recipients"): nobody was to receive it.
            assert self._coming is not None
            self._refused(self._coming)
        elif step is _Await.QUIT or reply.code == 421 or not reply.positive:
            # A server that refuses RSET cannot be led back into step.
            self._lose(BrokenError(f"the server answered {reply.code} {reply.words()[1]}"))
        elif self._steps:
            self._next_step(now)

    def _unasked(self, reply: Reply) -> None:
        """The server spoke while nothing was asked of it: 421 as it shuts down, or we have lost step."""
        mail, self._ready = self._ready, None
        self.wire.close()
        if reply.code == 421:
            self._events.append(Event(self, mail, _decided(reply, Stage.MAIL)))
        elif mail is not None:
            text = f"the server said {reply.code} {reply.words()[1]} unasked"
            self._events.append(Event(self, mail, _relay_fault(text)))

    def _answered(self, reply: Reply, mail: Mail | None) -> None:
        """The reply to the dot; or one that came while the content was still going out, and so never got it."""
        self._sent = None
        if self.wire.sent < self._dot_at:
            # A yes to what was not yet said is no yes.
            self._events.append(Event(self, mail, _decided(reply, Stage.DATA)))
            self._lose(BrokenError("the server refused while the content was sent"))
            return
        enhanced, text = reply.words()
        # With DATA, the 354 shows when a server says more than it was asked. With BDAT only this does.
        about_address = self.chunking and enhanced.startswith("2.1.") and self.relay.transport == "smtp"
        if 300 <= reply.code <= 399 or about_address:
            unsure = Outcome(kind=OutcomeKind.UNCERTAIN, code=reply.code, enhanced=enhanced, remote=text)
            self._events.append(Event(self, mail, unsure))
            self._lose(BrokenError("the server is out of step"))
            return
        if reply.positive:
            taken = Outcome(kind=OutcomeKind.ACCEPTED, code=reply.code, enhanced=enhanced, remote=text)
            self._events.append(Event(self, mail, taken))
            return
        self._events.append(Event(self, mail, _decided(reply, Stage.DOT)))
        if reply.code == 421:
            self._lose(BrokenError(f"the server said {reply.code} {reply.words()[1]} and hung up"))

    def _envelope(self, reply: Reply, stage: Stage, mail: Mail, now: float) -> None:
        good = reply.code == 354 if stage is Stage.DATA else reply.positive
        is_last = stage is self._last
        if not good and self._refusal is None:
            self._refusal = (reply, stage)
        if reply.code == 421 or (reply.code < 400 and not good):
            self._refused(mail)
            self._lose(BrokenError(f"the server said {reply.code} {reply.words()[1]}"))
        elif not is_last and self.pipelining:
            return
        elif self._refusal is not None:
            if good and stage is Stage.DATA:
                if self.relay.transport != "lmtp" and self._refusal[1] is not Stage.MAIL:
                    self._end_empty(now)
                    return
                # LMTP answers the content once a recipient, so here not at all; and a server that refused the sender
                # and yet took a recipient might deliver an empty mail.
                self.wire.close()
            self._refused(mail)
        elif is_last:
            self._coming, self._ready = None, mail
            self.deadline = None
            self._events.append(Event(self, mail, None))
        else:
            self._next_step(now)

    def _next_step(self, now: float) -> None:
        self._stepped = True
        stage, command = self._steps.pop(0)
        self._awaited.append((stage, self._coming))
        self.wire.send([command])
        self.deadline = now + self.relay.answer_timeout

    def _end_empty(self, now: float) -> None:
        """DATA was allowed although nobody is to receive: end it with nothing in it (RFC 2920 section 3.1). The refusal
        is told when that was answered, for only then another mail can be offered.
        """
        self._stepped = True
        self.wire.send([DOT])
        self._awaited.append((_Await.EMPTY, None))
        self.deadline = now + self.relay.answer_timeout

    def _refused(self, mail: Mail) -> None:
        assert self._refusal is not None
        reply, stage = self._refusal
        self._coming, self._refusal, self._steps = None, None, []
        self._reset = True
        self._events.append(Event(self, mail, self._refused_by(reply, stage, mail)))
        if self.out_of_step:
            self._lose(BrokenError("the server lost count of commands that came together"))

    def _refused_by(self, reply: Reply, stage: Stage, mail: Mail) -> Outcome:
        """What a refusal of an envelope means. 503, bad sequence, to commands that were sent in their order: the server
        offers PIPELINING and cannot do it.
        """
        if self.pipelining and reply.code == 503:
            self.out_of_step = True
        outcome = _decided(reply, stage)
        if refuses_sender(reply.code, outcome.enhanced, outcome.remote, stage):
            return replace(outcome, sender=mail.envelope.sender or "<>")
        return outcome

    def _lose(self, fault: BrokenError) -> None:
        """The connection is of no further use: each mail it still had ends here, by what is known of it."""
        self.wire.close()
        self.deadline = None
        sent, self._sent = self._sent, None
        if sent is not None and self.wire.sent >= self._dot_at:
            unsure = Outcome(kind=OutcomeKind.UNCERTAIN, remote=f"after the final dot: {fault}")
            self._events.append(Event(self, sent, unsure))
        elif sent is not None:
            self._events.append(Event(self, sent, _relay_fault(str(fault))))
        unsent = self._coming or self._ready
        if unsent is not None:
            refusal = self._refusal
            self._coming = self._ready = self._refusal = None
            if refusal is not None:  # refused, then hung up: the refusal stands
                self._events.append(Event(self, unsent, self._refused_by(*refusal, unsent)))
            else:
                # Some servers offer PIPELINING and lose what follows the first command.
                self.out_of_step = sent is None and self.pipelining and isinstance(fault, OutOfStepError)
                self._events.append(Event(self, unsent, _relay_fault(str(fault))))
        self._awaited.clear()


def _size_limit(features: Mapping[str, str]) -> int | None:
    """The largest mail the server takes, 0 where it names none; None where it knows no SIZE."""
    if "size" not in features:
        return None
    limit = features["size"].strip()
    return int(limit) if limit.isdecimal() else 0


def _path(address: str, *, may_be_empty: bool = False) -> bytes:
    """``<address>``. What could end the command, and so begin another one, is refused with ValueError."""
    if _PLAIN_PATH.fullmatch(address) is None:
        if not address:
            if may_be_empty:
                return b"<>"
            raise ValueError("the address is empty")
        # Within quotes, blanks and angle brackets are allowed (RFC 5321 section 4.1.2).
        bare = _QUOTED.sub("", address)
        if any(char in "<> " for char in bare) or not address.isprintable():
            raise ValueError("the address has a blank, an angle bracket or a control character")
    if len(address) > MAX_ADDRESS:
        raise ValueError(f"the address has more than {MAX_ADDRESS} characters")
    return b"<" + address.encode() + b">"


def _xtext(match: re.Match[bytes]) -> bytes:
    """A byte that ends or escapes a parameter's value, as RFC 3461 section 4 writes it."""
    return b"+%02X" % match[0][0]


def _decided(reply: Reply, stage: Stage) -> Outcome:
    enhanced, text = reply.words()
    return decide(reply.code, enhanced, text, stage)


def _relay_fault(text: str) -> Outcome:
    return Outcome(kind=OutcomeKind.DEFERRED, scope=Scope.RELAY, remote=text)


def _not_sent(scope: Scope, text: str) -> Outcome:
    return Outcome(kind=OutcomeKind.REJECTED, scope=scope, remote=f"not sent: {text}")
