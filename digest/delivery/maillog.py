"""A relay's mail log -> what became of our mails. Pure: takes blocks of bytes, gives Evidence for each delivery.

Our mails are known by their Message-ID, which Postfix's cleanup writes, and by the return path that names the delivery
(VERP), which Postfix's qmgr and every line of OpenSMTPD write. Everything else is other people's.

| program        | lines that count                                                                            |
|----------------|---------------------------------------------------------------------------------------------|
| Postfix        | cleanup ``message-id=``; qmgr ``from=`` (queue active, expired); ``to= … status=``;         |
|                | refusals of a milter or of header checks; ``removed``                                       |
| OpenSMTPD 6, 7 | ``smtp envelope evpid=``, ``mda delivery evpid=``, ``mta delivery evpid=``, ``event=`` forms |
| OpenSMTPD 5    | ``smtp-in: Accepted message``, ``relay: Ok for``, ``delivery: PermFail for`` …              |

Postfix writes the Message-ID while it still reads the mail, so that line alone proves nothing: a mail was taken when
qmgr has it, or when somebody delivers it. Queue ids are used again after ``removed``, and two relays may use the same
one. A mail that passes a filter gets a second queue id; what became of the last one counts.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import IntEnum

#: A line longer than this is none of a mail log's (Postfix cuts its own at 2,000 bytes).
_LONGEST_LINE = 64 * 1024
#: Queue ids a mail is followed through, and recipients of each: a mail that goes in circles must not fill the memory.
_MOST_LIVES, _MOST_RECIPIENTS = 16, 16
#: How far from either end of a block a date is looked for.
_EDGE = 16 * 1024

_STAMP = rb"""
    (?:<\d{1,3}>)?
    (?P<stamp>
      [A-Z][a-z]{2}\ [\d\ ]\d\ \d\d:\d\d:\d\d(?:\.\d{1,9})?
      | (?:[A-Z][a-z]{2}\ )?\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:\ ?(?:Z|UTC|[+-]\d\d:?\d\d))?
    )\ (?P<host>[^\s\[\]]+)\ """
_DATED = re.compile(_STAMP, re.VERBOSE)
_LINE = re.compile(
    _STAMP + rb"(?P<program>[\w.-]+(?:/[\w.-]+)*)\[\d+\]:\ (?P<rest>.*)",
    re.VERBOSE | re.DOTALL,
)
_MONTHS = {m: n for n, m in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_CLASSIC = re.compile(rb"(\w{3}) ([\d ]\d) (\d\d):(\d\d):(\d\d)")
_ISO = re.compile(rb"(\d{4})-(\d\d)-(\d\d).(\d\d):(\d\d):(\d\d)(?:[.,]\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?$")

_MESSAGE_ID = re.compile(rb": message-id=<([0-9a-f]{32}@[^<>\s]+)>")
_TOKEN = re.compile(rb"\+b([0-9a-f]{1,15})-[0-9a-f]{20}@")
_PATH = re.compile(rb"<([^<>\s]*\+b([0-9a-f]{1,15})-[0-9a-f]{20}@[^<>\s]+)>")

_QUEUED = re.compile(rb"(?P<id>[0-9A-Za-z]{5,32}): (?P<event>.*)", re.DOTALL)
_STATUS = re.compile(
    rb"to=<(?P<to>.*?)>, (?:orig_to=<(?P<meant>.*?)>, )?relay=(?P<relay>.*?), (?:.*?, )?"
    rb"(?:dsn=(?P<dsn>[245]\.\d{1,3}\.\d{1,3}), )?status=(?P<status>[\w-]+) \((?P<text>.*?)\)?\Z",
    re.DOTALL,
)
_REFUSAL = re.compile(rb"(?:milter-)?reject: .*?: (?P<dsn>[45]\.\d{1,3}\.\d{1,3}) (?P<text>[^;]*)", re.DOTALL)
_ACTIVE = re.compile(rb"from=<.*>, size=\d+, nrcpt=\d+ \(queue active\)\Z", re.DOTALL)
_EXPIRED = re.compile(rb"from=<.*>, status=(?:force-)?expired, returned to sender\Z", re.DOTALL)
_PASSED_ON = re.compile(rb"queued as ([0-9A-Za-z]{5,32})|\b([0-9a-f]{8}) Message accepted for delivery")
_AGENTS = frozenset(b"smtp lmtp local virtual pipe error retry discard bounce".split())

_OPEN_TAKEN = re.compile(
    rb"(?:[0-9a-f]{16} smtp (?:envelope evpid|event=message (?:\S+ )*?msgid)=(?P<id>[0-9a-f]{8})[0-9a-f]* "
    rb"|smtp-in: Accepted message (?P<old>[0-9a-f]{8}) on session [0-9a-f]{16}: )from=<",
)
_OPEN_STATUS = re.compile(
    rb"(?:[0-9a-f]{16} (?:mda|mta) (?:event=)?delivery evpid=(?P<id>[0-9a-f]{8})[0-9a-f]* "
    rb"|(?:relay|delivery): (?P<result5>\w+) for (?P<old>[0-9a-f]{8})[0-9a-f]*: (?:session=[0-9a-f]+, )?)"
    rb"from=<.*?>,? to=<(?P<to>.*?)>,? (?:rcpt=<(?P<meant>.*?)>,? )?.*?"
    rb"(?:result=\"?(?P<result>\w+)\"? )?stat=\"?(?P<text>.*?)\"?\Z",
    re.DOTALL,
)
_OPEN_RESULTS = {
    b"Ok": b"sent",
    b"TempFail": b"deferred",
    b"PermFail": b"bounced",
    b"LoopDetected": b"bounced",
    b"Expire": b"expired",
    b"Expired": b"expired",
}

_CODE = re.compile(r"(?:\bsaid: |\A)([245]\d\d)\b")
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


class Trace(IntEnum):
    """What a log tells of a mail; of several the smallest counts."""

    SENT = 0
    """The relay passed it on, or put it into the mailbox."""
    TAKEN = 1
    """The relay has it, and still tries."""
    BOUNCED = 2
    """The relay had it, and the reader's server refused it for good."""
    EXPIRED = 3
    """The relay had it, and gave up trying."""
    REFUSED = 4
    """The relay refused the content for good."""
    BEGUN = 5
    """The relay read its head; no line says that it was kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the log tells of one delivery. ``code`` and ``enhanced`` are the last server's, None and "" if unknown."""

    trace: Trace
    at: datetime | None
    """When the relay first spoke of it; None when the log's date does not exist."""
    host: str
    queue_id: str
    code: int | None = None
    enhanced: str = ""
    text: str = ""


@dataclass(slots=True)
class _Status:
    word: bytes
    dsn: bytes
    text: bytes
    meant: bytes


@dataclass(slots=True)
class _Life:
    """One stay of a mail in a queue: from its first line until ``removed``."""

    delivery_id: int
    host: bytes
    queue_id: bytes
    at: datetime | None
    taken: bool = False
    expired: bool = False
    refused: _Status | None = None
    statuses: dict[bytes, _Status] = field(default_factory=dict[bytes, _Status])
    """The last one of each recipient."""


@dataclass(slots=True)
class LogReader:
    """Reads blocks of one log after another, the oldest first, and remembers what concerns us.

    Memory grows with the mails asked for, not with the log.
    """

    wanted: Mapping[bytes, int]
    """Delivery by whole Message-ID, without the angle brackets."""
    addresses: Mapping[int, str]
    """The recipient of each delivery that is asked for."""
    owner: Callable[[str], int | None]
    """The delivery that a return path names; None when it is not ours."""
    near: datetime
    """Stamps without a year are put into the year in which they are nearest to this."""
    zone: tzinfo | None
    """Of stamps without one; None: this machine's."""
    lines: int = 0
    is_mail_log: bool = False
    spans: list[tuple[datetime, datetime]] = field(default_factory=list[tuple[datetime, datetime]])
    """(first, last) stamp of each log."""
    _lives: dict[int, list[_Life]] = field(default_factory=dict[int, list[_Life]])
    _queues: dict[bytes, dict[bytes, _Life]] = field(default_factory=dict[bytes, dict[bytes, _Life]])
    """Queue id -> host -> the mail that has it now."""

    def read(self, blocks: Iterable[bytes]) -> None:
        """One log, in blocks of any size."""
        span: tuple[datetime, datetime] | None = None
        rest, skipping = b"", False
        for block in blocks:
            head, newline, tail = block.rpartition(b"\n")
            if not newline:
                rest = b"" if skipping else rest + block
                skipping = skipping or len(rest) > _LONGEST_LINE
                continue
            if skipping:
                head = head.partition(b"\n")[2]
            span = _wider(span, self._block(rest + head))
            rest, skipping = tail, False
        if rest and not skipping:
            span = _wider(span, self._block(rest))
        if span is not None:
            self.spans.append(span)

    def first_instant(self, block: bytes) -> datetime | None:
        """The first stamp in a block, to put logs in order."""
        return next(self._instants(block[:_EDGE].split(b"\n")), None)

    def evidence(self) -> dict[int, Evidence]:
        """What was found, by delivery."""
        return {
            delivery_id: _verdict(lives, self.addresses.get(delivery_id, "").lower())
            for delivery_id, lives in self._lives.items()
        }

    def _block(self, block: bytes) -> tuple[datetime, datetime] | None:
        self.lines += block.count(b"\n") + 1
        if not self.is_mail_log:
            self.is_mail_log = any(sign in block for sign in (b"/qmgr[", b"/cleanup[", b"/smtpd[", b" smtpd["))
        if self._queues or self._names_us(block):
            for line in block.split(b"\n"):
                self._look(line)
        first = next(self._instants(block[:_EDGE].split(b"\n")), None)
        last = next(self._instants(reversed(block[-_EDGE:].split(b"\n"))), None)
        return (first, last) if first is not None and last is not None else None

    def _names_us(self, block: bytes) -> bool:
        """Whether a block names a mail that is asked for.

        Nearly all of a log is other mail. Looking through it as a whole is several times faster than line by line.
        """
        return any(found[1] in self.wanted for found in _MESSAGE_ID.finditer(block)) or any(
            int(found[1], 16) in self.addresses for found in _TOKEN.finditer(block)
        )

    def _look(self, line: bytes) -> None:
        """Reads a line closely if it may concern us."""
        at = line.find(b"]: ") + 3
        if line[at : line.find(b":", at)] in self._queues:
            self._line(line)
        elif b": message-id=<" in line:
            if (named := _MESSAGE_ID.search(line)) and named[1] in self.wanted:
                self._line(line)
        elif b"+b" in line and (token := _TOKEN.search(line)) and int(token[1], 16) in self.addresses:
            self._line(line)

    def _instants(self, lines: Iterable[bytes]) -> Iterator[datetime]:
        for line in lines:
            if (found := _DATED.match(line)) and (at := _instant(found["stamp"], self.near, self.zone)):
                yield at

    def _line(self, line: bytes) -> None:
        if len(line) > _LONGEST_LINE or (found := _LINE.match(line.rstrip(b"\r"))) is None:
            return
        path, _, service = found["program"].rpartition(b"/")
        if path:
            if queued := _QUEUED.match(found["rest"]):
                self._postfix(found, service, queued["id"], queued["event"])
        elif service in (b"smtpd", b"opensmtpd"):
            self._opensmtpd(found)

    def _postfix(self, line: re.Match[bytes], service: bytes, queue_id: bytes, event: bytes) -> None:
        host = line["host"]
        life = self._queues.get(queue_id, {}).get(host)
        if service == b"smtpd" and event.startswith(b"client="):
            # The id is given out anew; its earlier mail is gone.
            self._close(queue_id, host)
        elif service == b"cleanup" and event.startswith(b"message-id="):
            named = _MESSAGE_ID.match(b": " + event)
            delivery_id = self.wanted.get(named[1]) if named else None
            if delivery_id is None:
                self._close(queue_id, host)
            elif life is None or life.delivery_id != delivery_id:
                self._open(delivery_id, line, queue_id)
        elif service in (b"qmgr", b"nqmgr") and event.startswith(b"from=<"):
            self._in_queue(line, queue_id, event, life)
        elif event.startswith((b"milter-reject: ", b"reject: ")) and service in (b"cleanup", b"smtpd"):
            life = life or self._named(line, queue_id, event)
            if life is not None and (told := _REFUSAL.match(event)):
                life.refused = _Status(b"refused", told["dsn"], told["text"], b"")
        elif event == b"removed":
            self._close(queue_id, host)
        elif life is not None and service in _AGENTS and (told := _STATUS.match(event)):
            self._told(life, line, told, told["status"].lower(), told["dsn"] or b"")

    def _in_queue(self, line: re.Match[bytes], queue_id: bytes, event: bytes, life: _Life | None) -> None:
        if _EXPIRED.match(event):
            if life is not None:
                life.expired = True
        elif _ACTIVE.match(event):
            life = life or self._named(line, queue_id, event)
            if life is not None:
                life.taken = True

    def _opensmtpd(self, line: re.Match[bytes]) -> None:
        rest = line["rest"]
        told = _OPEN_STATUS.match(rest)
        taken = None if told else _OPEN_TAKEN.match(rest)
        found = told or taken
        if found is None:
            return
        delivery_id = self._asked(rest)
        if delivery_id is None:
            return
        message = found["id"] or found["old"]
        known = [life for life in self._lives.get(delivery_id, ()) if life.queue_id == message]
        life = known[0] if known else self._begin(delivery_id, line, message)
        if life is None:
            return
        life.taken = True
        if told:
            word = _OPEN_RESULTS.get(told["result"] or told["result5"] or b"", b"")
            if word == b"expired":
                life.expired = True
            elif word:
                self._told(life, line, told, word, b"")

    def _told(self, life: _Life, line: re.Match[bytes], told: re.Match[bytes], word: bytes, dsn: bytes) -> None:
        life.taken = True
        to = told["to"].lower()
        if to in life.statuses or len(life.statuses) < _MOST_RECIPIENTS:
            meant = told["meant"] or b""
            life.statuses[to] = _Status(word, dsn, told["text"], meant.lower())

    def _named(self, line: re.Match[bytes], queue_id: bytes, event: bytes) -> _Life | None:
        """The life of a mail that only its return path names."""
        delivery_id = self._asked(event)
        return self._open(delivery_id, line, queue_id) if delivery_id is not None else None

    def _asked(self, text: bytes) -> int | None:
        """The delivery that the return path in a line names, if it is one that is asked for."""
        found = _PATH.search(text)
        if found is None or int(found[2], 16) not in self.addresses:
            return None
        return self.owner(found[1].decode("ascii", "replace"))

    def _open(self, delivery_id: int, line: re.Match[bytes], queue_id: bytes) -> _Life | None:
        self._close(queue_id, line["host"])
        life = self._begin(delivery_id, line, queue_id)
        if life is not None:
            self._queues.setdefault(queue_id, {})[life.host] = life
        return life

    def _begin(self, delivery_id: int, line: re.Match[bytes], queue_id: bytes) -> _Life | None:
        lives = self._lives.setdefault(delivery_id, [])
        if len(lives) >= _MOST_LIVES:
            return None
        lives.append(_Life(delivery_id, line["host"], queue_id, _instant(line["stamp"], self.near, self.zone)))
        return lives[-1]

    def _close(self, queue_id: bytes, host: bytes) -> None:
        if held := self._queues.get(queue_id):
            held.pop(host, None)
            if not held:
                del self._queues[queue_id]


def _verdict(lives: list[_Life], address: str) -> Evidence:
    """The best of what became of each copy; a stay that handed the mail to another one of ours tells nothing."""
    own = {life.queue_id for life in lives}
    told: list[Evidence] = []
    for life in lives:
        passed_on = [
            found[1] or found[2]
            for status in life.statuses.values()
            if status.word == b"sent" and (found := _PASSED_ON.search(status.text))
        ]
        if not any(queue_id in own and queue_id != life.queue_id for queue_id in passed_on):
            told.append(_of_life(life, address))
    # Of mails that hand each other on in a circle, the last one speaks.
    return min(told, key=lambda one: one.trace) if told else _of_life(lives[-1], address)


def _of_life(life: _Life, address: str) -> Evidence:
    reader = address.encode()
    his = [one for to, one in life.statuses.items() if reader in (to, one.meant)] or list(life.statuses.values())
    by_word = {one.word: one for one in his}
    if sent := by_word.get(b"sent"):
        return _evidence(Trace.SENT, life, sent)
    if life.expired:
        return _evidence(Trace.EXPIRED, life, his[-1] if his else None)
    waiting = next((one for one in his if one.word not in (b"bounced", b"expired")), None)
    if waiting is not None:
        return _evidence(Trace.TAKEN, life, waiting)
    if his:
        trace = Trace.BOUNCED if b"bounced" in by_word else Trace.EXPIRED
        return _evidence(trace, life, by_word.get(b"bounced", his[-1]))
    if life.refused is not None and not life.taken:
        trace = Trace.REFUSED if life.refused.dsn.startswith(b"5") else Trace.BEGUN
        return _evidence(trace, life, life.refused)
    return _evidence(Trace.TAKEN if life.taken else Trace.BEGUN, life, None)


def _evidence(trace: Trace, life: _Life, status: _Status | None) -> Evidence:
    text = " ".join(status.text.decode("utf-8", "replace").split()) if status else ""
    code, dsn = _CODE.search(text), _ENHANCED.search(text)
    return Evidence(
        trace=trace,
        at=life.at,
        host=life.host.decode("utf-8", "replace"),
        queue_id=life.queue_id.decode("ascii", "replace"),
        code=int(code[1]) if code else None,
        enhanced=(status.dsn.decode() if status else "") or (dsn[1] if dsn else ""),
        text=text,
    )


def _wider(
    span: tuple[datetime, datetime] | None, more: tuple[datetime, datetime] | None
) -> tuple[datetime, datetime] | None:
    if span is None or more is None:
        return span or more
    return min(*span, *more), max(*span, *more)


def _instant(stamp: bytes, near: datetime, zone: tzinfo | None) -> datetime | None:
    """The instant of a stamp (RFC 3164, or ISO 8601); None for a date that does not exist."""
    try:
        if found := _ISO.search(stamp):
            year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
            return _placed((year, month, day, hour, minute, second), _zone(found[7]) or zone)
        if found := _CLASSIC.match(stamp):
            month = _MONTHS[found[1]]
            day, hour, minute, second = (int(found[n]) for n in range(2, 6))
            years = (year for year in (near.year - 1, near.year, near.year + 1) if _exists(year, month, day))
            at = (_placed((year, month, day, hour, minute, second), zone) for year in years)
            return min(at, key=lambda one: abs(one - near), default=None)
    except (ValueError, KeyError, OverflowError):
        pass
    return None


def _exists(year: int, month: int, day: int) -> bool:
    """29 February comes in some years only."""
    return month != 2 or day < 29 or monthrange(year, 2)[1] >= day


def _placed(clock: tuple[int, int, int, int, int, int], zone: tzinfo | None) -> datetime:
    year, month, day, hour, minute, second = clock
    # Without a zone, astimezone takes it for this machine's time.
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone).astimezone(UTC)


def _zone(text: bytes | None) -> tzinfo | None:
    if text is None:
        return None
    if text in (b"Z", b"UTC"):
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text.startswith(b"-") else offset)
