"""One SMTP or LMTP connection and the mails that go over it (RFC 5321, 2920, 1870, 6152, 6531, 2033). Does I/O.

Takes an envelope and a message's segments, gives one Outcome; a remote's fault is never an exception. The envelope
and DATA dialogue is our own, because all depends on one instant: before the final dot a failure is a safe retry,
after it, without an answer, the mail is uncertain (RFC 1047). ``before_dot`` is called between the two. Leases,
ledger and retries are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from digest.delivery.content import wire_form
from digest.delivery.handshake import Connection, open_connection
from digest.delivery.relay import Relay
from digest.delivery.retry import Stage, decide
from digest.delivery.wire import BrokenError, OutOfStepError, Reply, Wire
from digest.model.errors import RelayError
from digest.model.mail import Envelope, Outcome, OutcomeKind, Scope

DOT = b".\r\n"
#: RFC 5321 section 4.5.3.1: 64 for the local part, 255 for the domain.
MAX_ADDRESS = 320
#: How long to be polite for: QUIT, and a refusal sent just before the server hung up.
PARTING_SECONDS = 2.0


class SmtpSession:
    """An open connection to a relay. One mail at a time; for several connections open several sessions."""

    def __init__(self, relay: Relay) -> None:
        """Connect and log in, or raise RelayError."""
        self._relay = relay
        self._connection = open_connection(relay)
        self._pipelining = "pipelining" in self.features

    @property
    def features(self) -> Mapping[str, str]:
        """What the server offers: lower-case keyword -> parameters."""
        return self._connection.features

    @property
    def tls(self) -> str:
        """The TLS version; empty without encryption."""
        return self._connection.tls

    @property
    def alive(self) -> bool:
        """Whether another mail can be tried; if not, open a new session."""
        return not self._wire.closed

    def submit(self, envelope: Envelope, segments: Sequence[bytes], before_dot: Callable[[], bool]) -> Outcome:
        """Try to hand over one mail.

        ``before_dot`` is called once the whole content has been sent, and at most once; False drops the connection
        without the dot (outcome STOPPED). What it raises is passed on, after the connection is dropped likewise.
        """
        try:
            sender, recipient = _path(envelope.sender, may_be_empty=True), _path(envelope.recipient)
            commands = (self._mail_command(envelope, sender, recipient), b"RCPT TO:" + recipient + b"\r\n")
            content = wire_form(segments)
        except _NotSentError as refusal:
            return refusal.outcome
        except ValueError as exc:
            return Outcome(kind=OutcomeKind.REJECTED, scope=Scope.MESSAGE, remote=f"not sent: {exc}")
        try:
            refused = self._envelope(commands)
            if refused is not None:
                return refused
            early = self._content(content)
        except BrokenError as exc:
            return self._lost(exc)
        if early is not None:
            return early
        return self._finish(before_dot)

    def close(self) -> None:
        """Say goodbye, if the other side still listens."""
        if self._wire.closed:
            return
        try:
            self._wire.send([b"QUIT\r\n"])
            self._wire.reply(PARTING_SECONDS)
        except BrokenError:
            pass
        finally:
            self._wire.close()

    @property
    def _wire(self) -> Wire:
        return self._connection.wire

    def _mail_command(self, envelope: Envelope, sender: bytes, recipient: bytes) -> bytes:
        """MAIL FROM with what this mail needs. Raises _NotSentError for what the server does not offer."""
        features = self.features
        command = b"MAIL FROM:" + sender
        if "size" in features:
            limit = features["size"].strip()
            if limit.isdecimal() and 0 < int(limit) < envelope.size:
                raise _NotSentError(Scope.MESSAGE, f"the mail has {envelope.size} bytes, the server takes {limit}")
            command += b" SIZE=%d" % envelope.size
        if envelope.eight_bit:
            if "8bitmime" not in features:
                raise _NotSentError(Scope.MESSAGE, "the mail has 8-bit text, and the server does not offer 8BITMIME")
            command += b" BODY=8BITMIME"
        if not (sender + recipient).isascii():
            if "smtputf8" not in features:
                raise _NotSentError(Scope.RECIPIENT, "the address is not ASCII, and the server does not offer SMTPUTF8")
            command += b" SMTPUTF8"
        return command + b"\r\n"

    def _envelope(self, commands: tuple[bytes, bytes]) -> Outcome | None:
        """MAIL, RCPT and DATA. None: the server waits for the content."""
        if self._wire.spoke():
            return self._unasked(self._wire.reply(PARTING_SECONDS))
        if not self._pipelining:
            return self._envelope_in_turn(commands)
        try:
            return self._envelope_at_once(commands)
        except OutOfStepError:
            # Some servers offer PIPELINING and lose what follows the first command. Nothing was sent yet that could be
            # delivered, so the mail is tried again in plain steps, on a new connection.
            self._wire.close()
            self._connection = self._reopened()
            self._pipelining = False
            return self._envelope_in_turn(commands)

    def _unasked(self, reply: Reply) -> Outcome:
        """The server spoke while nothing was asked of it: 421 as it shuts down, or we have lost step."""
        if reply.code != 421:
            raise BrokenError(f"the server said {reply.code} {reply.text} unasked")
        self._wire.close()
        return _decided(reply, Stage.MAIL)

    def _reopened(self) -> Connection:
        try:
            return open_connection(self._relay)
        except RelayError as exc:
            raise BrokenError(str(exc)) from exc

    def _envelope_in_turn(self, commands: tuple[bytes, bytes]) -> Outcome | None:
        for stage, command in zip((Stage.MAIL, Stage.RCPT), commands, strict=True):
            self._wire.send([command])
            reply = self._wire.reply()
            if not reply.positive:
                return self._refused(reply, stage)
        self._wire.send([b"DATA\r\n"])
        reply = self._wire.reply()
        return None if reply.code == 354 else self._refused(reply, Stage.DATA)

    def _envelope_at_once(self, commands: tuple[bytes, bytes]) -> Outcome | None:
        """RFC 2920: one write, three replies, whatever the first of them says."""
        self._wire.send([*commands, b"DATA\r\n"])
        first: tuple[Reply, Stage] | None = None
        for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA):
            try:
                reply = self._wire.reply()
            except OutOfStepError:
                raise
            except BrokenError:
                if first is None:
                    raise
                break  # refused, then hung up: the refusal stands
            good = reply.code == 354 if stage is Stage.DATA else reply.positive
            if not good and first is None:
                first = (reply, stage)
            if reply.code == 421:
                break
            if good and stage is Stage.DATA and first is not None:
                self._end_empty()
        return None if first is None else self._refused(*first)

    def _end_empty(self) -> None:
        """DATA was allowed although nobody is to receive: end it with nothing in it (RFC 2920 section 3.1)."""
        if self._relay.transport == "lmtp":
            self._wire.close()  # LMTP answers once a recipient, so here not at all
            return
        try:
            self._wire.send([DOT])
            self._wire.reply()
        except BrokenError:
            self._wire.close()

    def _refused(self, reply: Reply, stage: Stage) -> Outcome:
        """Decide on a refusal, and leave the connection fit for the next mail."""
        outcome = _decided(reply, stage)
        if reply.code < 400 or reply.code == 421:
            self._wire.close()
        if not self._wire.closed:
            try:
                self._wire.send([b"RSET\r\n"])
                if not self._wire.reply().positive:
                    self._wire.close()
            except BrokenError:
                self._wire.close()
        return outcome

    def _content(self, content: Sequence[bytes]) -> Outcome | None:
        """Send everything but the dot. An outcome: the server refused before we were through."""
        try:
            self._wire.send(content)
            if not self._wire.spoke():
                return None
        except BrokenError:
            # A server may refuse and hang up while we still write. What it said then is definite, for it never got
            # the dot.
            reply = self._last_words()
            if reply is None:
                raise
            return self._dropped(reply)
        return self._dropped(self._wire.reply(PARTING_SECONDS))

    def _last_words(self) -> Reply | None:
        try:
            return self._wire.reply(PARTING_SECONDS)
        except BrokenError:
            return None

    def _dropped(self, reply: Reply) -> Outcome:
        self._wire.close()
        # A yes to what was not yet said is no yes.
        return _decided(reply, Stage.DATA)

    def _finish(self, before_dot: Callable[[], bool]) -> Outcome:
        """The instant after which nothing is a safe retry."""
        go = False
        try:
            go = before_dot()
        finally:
            if not go:
                self._wire.close()
        if not go:
            return Outcome(kind=OutcomeKind.STOPPED, remote="stopped before the final dot")
        try:
            self._wire.send([DOT])
            reply = self._wire.reply(self._relay.dot_timeout)
        except BrokenError as exc:
            self._wire.close()
            return Outcome(kind=OutcomeKind.UNCERTAIN, remote=f"after the final dot: {exc}")
        if 300 <= reply.code <= 399:
            self._wire.close()
            return Outcome(kind=OutcomeKind.UNCERTAIN, code=reply.code, enhanced=reply.enhanced, remote=reply.text)
        if reply.code == 421:
            self._wire.close()
        return _decided(reply, Stage.DOT)

    def _lost(self, exc: BrokenError) -> Outcome:
        self._wire.close()
        return Outcome(kind=OutcomeKind.DEFERRED, scope=Scope.RELAY, remote=str(exc))


class _NotSentError(Exception):
    """The mail cannot be offered to this server at all; nothing was said to it."""

    def __init__(self, scope: Scope, text: str) -> None:
        super().__init__(text)
        self.outcome = Outcome(kind=OutcomeKind.REJECTED, scope=scope, remote=f"not sent: {text}")


def _path(address: str, *, may_be_empty: bool = False) -> bytes:
    """``<address>``. What could end the command, and so begin another one, is refused."""
    if not address and not may_be_empty:
        raise _NotSentError(Scope.RECIPIENT, "the address is empty")
    if len(address) > MAX_ADDRESS:
        raise _NotSentError(Scope.RECIPIENT, f"the address has more than {MAX_ADDRESS} characters")
    if any(char in "<> " or not char.isprintable() for char in address):
        raise _NotSentError(Scope.RECIPIENT, "the address has a blank, an angle bracket or a control character")
    return b"<" + address.encode() + b">"


def _decided(reply: Reply, stage: Stage) -> Outcome:
    return decide(reply.code, reply.enhanced, reply.text, stage)
