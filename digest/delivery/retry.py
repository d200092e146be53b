"""What a refusal means, and when to try again. Takes SMTP reply codes (RFC 5321), enhanced codes (RFC 3463, RFC 5248)
and the remote's text, gives an Outcome. Pure; states and suppressions are written by the caller.

| reply                                                  | outcome                                                 |
|--------------------------------------------------------|---------------------------------------------------------|
| 2xx to the dot                                         | accepted                                                |
| 5.4.5, 5.1.90, 5.7.23x, a daily or relay limit reached | deferred, relay: send nothing for an hour               |
| x.7.28; 421, 454, 4.7.x with rates; 4.7.500-699        | deferred, relay: send nothing for ten minutes           |
| 5.3.4, 5.6.x, 552 not to RCPT                          | rejected, message: too big or malformed for any reader  |
| 432 454 530 534 535 538                                | deferred, relay: the login needs the operator           |
| 503; 500 502, x.5.1 x.5.2                              | deferred, relay: one of us has lost step                |
| 501 504 555, 5.1.7 5.5.4 to MAIL                       | deferred, message: the way its command is written       |
| 5.6.7-10 to MAIL                                       | rejected: this reader's address needs what is not there |
| other 5xx to MAIL, and 4xx to it as in the next row    | deferred, relay: it does not send for us, for an hour   |
| x.7.20-27 29 30 32 40, x.1.7 x.1.8, 5.7.500-799, other | deferred, message: ours to mend, again after an hour    |
| "relay denied", block lists, SPF, DKIM …               |                                                         |
| 421, 4xx to MAIL, 4.3.1 4.3.2 4.3.5 4.4.2 4.5.3        | deferred, relay: nothing was said about this recipient  |
| other 4xx (450 451 452, greylisting …), 5.2.1 on rates | deferred, recipient                                     |
| 5.1.1 5.1.2 5.1.3 5.1.6 5.1.10 5.2.1                   | rejected, and suppressed: there is no such mailbox      |
| 550-554 to RCPT without a code, saying just that       | the same                                                |
| other 5xx: 5.2.2 full, 5.4.1, 5.5.0, 5.7.1 policy …    | rejected, not suppressed: the next mail may pass        |
| anything else                                          | deferred, relay: the server speaks another language     |

The first row that fits counts. A wait that the text itself names ("try again in 5 minutes") is kept, within bounds.
docs/delivery.md shows each row by answers that servers really give; a test compares.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

from digest.model.mail import Outcome, OutcomeKind, Scope

THROTTLE_SECONDS = 600.0
#: After a daily limit, or a refusal that only the operator can mend.
OPERATOR_SECONDS = 3600.0
FIRST_DELAY = timedelta(minutes=5)
LONGEST_DELAY = timedelta(hours=4)
#: A wait that a relay or a recipient's server names is believed between these (seconds).
RELAY_WAITS = (30.0, 3600.0)
RECIPIENT_WAITS = (60.0, LONGEST_DELAY.total_seconds())
#: So many tries a recipient's server may time by what it says; then our own waits grow, too.
NAMED_TRIES = 2

#: Enhanced codes of an address that does not exist.
HARD = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
#: What is said, behind the class, of a mailbox or the way to it that may be better tomorrow: heard a few times it is no
#: reason to stop, heard always it is.
SOFT = frozenset(
    {"1.0", "1.1", "1.2", "1.4", "1.6", "2.0", "2.1", "2.2", "2.4", "3.0", "3.1", "3.2", "3.5", "5.0"}
    | {f"4.{detail}" for detail in range(9) if detail != 5}
)
_MAILBOX_FULL = frozenset({"5.2.2", "5.2.3"})
_RELAY_BUSY = frozenset({"4.3.1", "4.3.2", "4.3.5", "4.4.2", "4.5.3"})
_LIMIT_CODES = frozenset({"5.4.5", "5.1.90", "5.7.230", "5.7.231", "5.7.232", "5.7.233", "5.7.705"})
_LOST_STEP = frozenset({"5.5.1", "5.5.2"})
#: Answers to MAIL about how the address or a parameter is written (RFC 5321 section 4.2.2, RFC 3463), and about
#: letters outside ASCII (RFC 6531 section 3.5), which only a reader's address brings in.
_WRITTEN = frozenset({"5.1.7", "5.5.4"})
_WIDE = frozenset({"5.6.7", "5.6.8", "5.6.9", "5.6.10"})
_LOGIN = frozenset({432, 454, 530, 534, 535, 538})
#: Sender authentication and sender addresses (RFC 7372, RFC 7505; 29-40 as Gmail uses them).
_PROOF = frozenset(f"7.{detail}" for detail in (20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 32, 40, 509, 515))
_SENDER = frozenset({"1.7", "1.8", "7.54", "7.57", "7.60", "7.64"})

_RATE = re.compile(
    r"\brate\b|\btoo (?:many|much|fast|quickly)\b|throttl|\bslow(?:ing)? down\b|\bexceed|\bunusual\b"
    r"|\bunexpected volume\b|temporarily blocked|\bexcessive\b",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"\b(?:daily|hourly|monthly|relay|sending|submission)\b[^.;:]{0,40}\b(?:limit|quota)\b[^.;:]{0,20}\b(?:exceed|reach)"
    r"|\b(?:exceed|reach)\w*\b[^.;:]{0,30}\b(?:daily|hourly|monthly|relay|sending|submission)\b[^.;:]{0,20}\b(?:limit|quota)\b"
    r"|\bdaily message quota exceeded\b",
    re.IGNORECASE,
)
_GREYLIST = re.compile(r"gr[ae]y-?\s?list", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"\bno such (?:user|mailbox|recipient|address|person)\b"
    r"|\b(?:user|recipient|mailbox|address|account)(?: is)? (?:unknown|not found|does not exist|doesn't exist)\b"
    r"|\b(?:unknown|invalid) (?:user|recipient|mailbox)\b"
    r"|\b(?:doesn't|does not) have an? [\w.@-]*\s?account\b",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"\bmailbox (?:is )?(?:full|unavailable|disabled|inactive|over quota)\b|\bover ?quota\b|\bquota exceeded\b"
    r"|\bunrout(?:e)?able\b|\baccount (?:is )?(?:disabled|inactive|full)\b|\btimed? ?out\b"
    r"|\bhost (?:unknown|not found)\b",
    re.IGNORECASE,
)
_PROOF_TEXT = re.compile(r"\bSPF\b|\bDKIM\b|\bDMARC\b|\bPTR\b|\breverse DNS\b|\bunauthenticated\b", re.IGNORECASE)
_SENDER_TEXT = re.compile(
    r"\brelay(?:ing)?(?: access)?(?: is)? (?:denied|not (?:permitted|allowed)|prohibited)\b|\bunable to relay\b"
    r"|\bnot owned by user\b|\bSendAsDenied\b|\bnot (?:allowed|permitted|authori[sz]ed) to send\b"
    r"|\baddress is not verified\b|\bauthentication (?:is )?required\b",
    re.IGNORECASE,
)
_LISTED_TEXT = re.compile(
    r"\bblock ?list|\bblack ?list|\bDNSBL\b|\bRBL\b|\bspamhaus\b|\bbanned sending\b", re.IGNORECASE
)
_AGAIN = re.compile(r"\bagain\b|\bretry\b|\bcome back\b|\bwait\b|\bresend\b|gr[ae]y-?\s?list", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(?:in|for|after|wait)\s+(?:(?:at least|another|about)\s+)?"
    r"(?:(?P<clock>\d{1,2}:\d{2}:\d{2})\b|(?P<count>\d{1,5})\s*(?P<unit>s|m|h)(?:ec(?:ond)?s?|in(?:ute)?s?|(?:ou)?rs?)?\b)",
    re.IGNORECASE,
)
_UNITS = {"s": 1, "m": 60, "h": 3600}
#: Exchange Online: too fast for a sender it does not know; and a sender, tenant or network that it refuses.
_WAIT_CODES = re.compile(r"4\.7\.[56]\d\d")
_BLOCKED_CODES = re.compile(r"5\.7\.[5-7]\d\d")


class Stage(StrEnum):
    """What the reply answers."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


def decide(code: int, enhanced: str, text: str, stage: Stage) -> Outcome:
    """What this reply to this command means, by the table above."""
    kind, scope, suppress, retry_after = _verdict(code, enhanced, text, stage)
    return Outcome(
        kind=kind,
        scope=scope,
        code=code,
        enhanced=enhanced,
        remote=text,
        suppress=suppress,
        retry_after=retry_after,
    )


def next_attempt(attempts: int, now: datetime, outcome: Outcome, jitter: float) -> datetime:
    """When to try a deferred delivery again; ``attempts`` were made (1 after the first), ``jitter`` is in [0, 1).

    5 min x 2^n, at most 4 h, spread by a fifth either way: 5, 15, 35 and 75 minutes after the first try, which is what
    greylisting servers ask for. The first wait is never shorter than 5 minutes. A wait that the outcome itself names is
    kept, and only ever lengthened; a recipient's server may name it ``NAMED_TRIES`` times, or it could have us knock
    each minute for days.
    """
    named = None if outcome.retry_after is None else timedelta(seconds=outcome.retry_after * (1 + 0.2 * jitter))
    if named is not None and (outcome.scope is not Scope.RECIPIENT or attempts <= NAMED_TRIES):
        return now + named
    if attempts <= 1:
        return now + FIRST_DELAY * (1 + 0.2 * jitter)
    delay = min(FIRST_DELAY * 2 ** min(attempts - 1, 16), LONGEST_DELAY)
    delay = min(delay * (0.8 + 0.4 * jitter), LONGEST_DELAY)
    return now + (delay if named is None else max(delay, named))


def is_hard(enhanced: str, text: str = "", code: int | None = None) -> bool:
    """Whether a permanent refusal, live or in a report, says that there is no such mailbox.

    ``enhanced`` may be empty or the 5.0.0 that says nothing; then the text decides, where ``code`` fits or is unknown.
    """
    if enhanced and enhanced != "5.0.0":
        # Gmail answers 5.2.1 also to a reader who gets too much mail just now.
        return enhanced in HARD and not (enhanced == "5.2.1" and _RATE.search(text))
    return (code is None or 550 <= code <= 554) and _UNKNOWN.search(text) is not None


def is_soft(enhanced: str, text: str = "", code: int | None = None) -> bool:
    """Whether a refusal, live or in a report of failure, is one of those that are counted against an address.

    Those are the ones about the mailbox or the way to it. What is said about us (policy, rates, authentication) or
    about the mail (size, form) says nothing about the reader and never counts: one bad day would cost all the readers
    of a provider.
    """
    if is_hard(enhanced, text, code) or is_ours(enhanced, text):
        return False
    if enhanced and not enhanced.endswith(".0.0"):
        hurried = enhanced[2:] != "2.2" and _RATE.search(text) is not None
        return enhanced[0] in "45" and enhanced[2:] in SOFT and not hurried
    return _ABSENT.search(text) is not None and _LIMIT.search(text) is None


def is_ours(enhanced: str, text: str = "") -> bool:
    """Whether a refusal is about the sender's name, records or address: the operator's to mend, whoever reads it."""
    return bool(remedy(enhanced, text))


def remedy(enhanced: str, text: str = "", sender: str = "") -> str:
    """What an operator can do about a refusal that is about us; empty for all others.

    ``sender``: the return path, where it was this that was refused, whatever the words are.
    """
    detail = enhanced[2:]
    if detail in _PROOF or (_by_text(detail) and _PROOF_TEXT.search(text)):
        return "check SPF, DKIM, DMARC and the relay's PTR record: `digest doctor` looks at them"
    if detail in _SENDER or (_by_text(detail) and _SENDER_TEXT.search(text)):
        return "the relay does not send for this address: check [mail] from and the login in [smtp]"
    if _BLOCKED_CODES.fullmatch(enhanced) or (_by_text(detail) and _LISTED_TEXT.search(text)):
        return "the relay's address is on a list of blocked senders: follow the answer's link, or use another relay"
    if sender:
        return "let the relay send for this address, or check [mail] from and bounces_to and the login in [smtp]"
    return ""


def refuses_sender(code: int, enhanced: str, text: str, stage: Stage) -> bool:
    """Whether a relay will not send for us, whichever the mail: another relay may. To MAIL, for then neither a reader
    nor a content was named.
    """
    if stage is not Stage.MAIL or not 400 <= code <= 599:
        return False
    about_form = enhanced in _WRITTEN or enhanced in _WIDE or (code in (501, 504, 555) and not enhanced)
    about_mail = about_form or _about_message(code, enhanced, stage)
    other_trouble = _about_login(code, enhanced) or _lost_step(code, enhanced) or _slowed(code, enhanced, text)
    return not (about_mail or other_trouble) and (code >= 500 or is_ours(enhanced, text))


def _by_text(detail: str) -> bool:
    """Where the enhanced code leaves open what a refusal is about."""
    return detail in ("", "0.0", "1.0", "2.0", "7.0", "7.1", "7.2", "7.9")


def _verdict(code: int, enhanced: str, text: str, stage: Stage) -> tuple[OutcomeKind, Scope, bool, float | None]:
    if 200 <= code <= 299 and stage is Stage.DOT:
        return OutcomeKind.ACCEPTED, Scope.RECIPIENT, False, None
    if not 400 <= code <= 599:
        return OutcomeKind.DEFERRED, Scope.RELAY, False, None
    if _limited(enhanced, text):
        return OutcomeKind.DEFERRED, Scope.RELAY, False, OPERATOR_SECONDS
    if _throttled(code, enhanced, text):
        return OutcomeKind.DEFERRED, Scope.RELAY, False, _named(text, RELAY_WAITS) or THROTTLE_SECONDS
    if _about_message(code, enhanced, stage):
        return OutcomeKind.REJECTED, Scope.MESSAGE, False, None
    if _about_login(code, enhanced) or _lost_step(code, enhanced):
        return OutcomeKind.DEFERRED, Scope.RELAY, False, None
    if refuses_sender(code, enhanced, text, stage):
        return OutcomeKind.DEFERRED, Scope.RELAY, False, OPERATOR_SECONDS
    if is_ours(enhanced, text) or (code >= 500 and stage is Stage.MAIL and enhanced not in _WIDE):
        return OutcomeKind.DEFERRED, Scope.MESSAGE, False, OPERATOR_SECONDS
    if code < 500:
        return _later(code, enhanced, text, stage)
    if enhanced == "5.2.1" and _RATE.search(text):
        return OutcomeKind.DEFERRED, Scope.RECIPIENT, False, _named(text, RECIPIENT_WAITS)
    # Words alone are believed only where they answer the address: a filter's prose may speak of users, too.
    suppress = is_hard(enhanced, text, code) and (enhanced in HARD or stage is Stage.RCPT)
    return OutcomeKind.REJECTED, Scope.RECIPIENT, suppress, None


def _later(code: int, enhanced: str, text: str, stage: Stage) -> tuple[OutcomeKind, Scope, bool, float | None]:
    """A 4xx that is neither a throttling nor ours to mend."""
    # We name one recipient a mail, so too many are too many of this connection. 432 4.3.2 is Exchange's for a mailbox.
    busy = (enhanced in _RELAY_BUSY and code != 432) or "too many recipients" in text.lower()
    if code == 421 or stage is Stage.MAIL or busy:
        return OutcomeKind.DEFERRED, Scope.RELAY, False, _named(text, RELAY_WAITS)
    return OutcomeKind.DEFERRED, Scope.RECIPIENT, False, _named(text, RECIPIENT_WAITS)


def _slowed(code: int, enhanced: str, text: str) -> bool:
    """A limit is reached, or we are too fast."""
    return _limited(enhanced, text) or _throttled(code, enhanced, text)


def _limited(enhanced: str, text: str) -> bool:
    return enhanced in _LIMIT_CODES or (enhanced not in _MAILBOX_FULL and _LIMIT.search(text) is not None)


def _throttled(code: int, enhanced: str, text: str) -> bool:
    """Asked to slow down. A 4.7.1 alone is not: one recipient's policy must not stop everybody's mail."""
    if enhanced[1:] == ".7.28" or _WAIT_CODES.fullmatch(enhanced):
        return True
    hinted = code in (421, 454) or enhanced.startswith("4.7.")
    proof = enhanced[2:] in _PROOF
    return hinted and not proof and _RATE.search(text) is not None and _GREYLIST.search(text) is None


def _about_message(code: int, enhanced: str, stage: Stage) -> bool:
    """Too big or malformed for any reader. 5.6.7 and its neighbours mean a recipient's address (RFC 6531)."""
    if code < 500:
        return False
    if enhanced == "5.3.4" or (enhanced.startswith("5.6.") and enhanced not in _WIDE):
        return True
    return code == 552 and enhanced not in _MAILBOX_FULL and stage is not Stage.RCPT


def _about_login(code: int, enhanced: str) -> bool:
    """Some servers use these codes for mailboxes too, and then say so (432 4.3.2: too much at once)."""
    return code in _LOGIN and enhanced[2:3] in ("", "5", "7")


def _lost_step(code: int, enhanced: str) -> bool:
    """The server did not know or expect the command: on a new connection it may. 503 always says just that."""
    return enhanced in _LOST_STEP or code == 503 or (code in (500, 502) and not enhanced)


def _named(text: str, bounds: tuple[float, float]) -> float | None:
    """Seconds that the text asks us to wait, within bounds."""
    if not _AGAIN.search(text):
        return None
    found = _NAMED.search(text)
    if found is None:
        return None
    if clock := found["clock"]:
        hours, minutes, seconds = map(int, clock.split(":"))
        wait = hours * 3600 + minutes * 60 + seconds
    else:
        wait = int(found["count"]) * _UNITS[found["unit"].lower()]
    return min(max(float(wait), bounds[0]), bounds[1])
