"""What a refusal means, and when to try again. Takes SMTP reply codes (RFC 5321), enhanced codes (RFC 3463, RFC 5248)
and the remote's text, gives an Outcome. Pure; states and suppressions are written by the caller.

| reply                                        | outcome                                                          |
|----------------------------------------------|------------------------------------------------------------------|
| 2xx to the dot                               | accepted                                                         |
| x.7.28; 4.7.x, 421, 454 speaking of rates    | deferred, relay: send nothing for ten minutes                    |
| 421, any 4xx to MAIL                         | deferred, relay: nothing was said about this recipient           |
| 432 454 530 534 535 538                      | deferred, relay: the login needs the operator                    |
| other 4xx (450 451 452, greylisting …)       | deferred, recipient                                              |
| 5.1.1 5.1.2 5.1.3 5.1.6 5.1.10 5.2.1         | rejected, and suppressed: there is no such mailbox               |
| 550 551 553 without a code, saying just that | the same                                                         |
| 5.2.2 5.2.3, 552 to RCPT                     | rejected: the mailbox is full or small, but it lives             |
| 5.3.4, other 552, other 5xx to MAIL          | rejected, message: too big or not wanted, whoever reads it       |
| other 5xx (5.7.x policy …)                   | rejected, not suppressed: the next mail may pass                 |
| anything else                                | deferred, relay: the server speaks another language              |
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

from digest.model.mail import Outcome, OutcomeKind, Scope

THROTTLE_SECONDS = 600.0
FIRST_DELAY = timedelta(minutes=5)
LONGEST_DELAY = timedelta(hours=4)

_NO_SUCH_MAILBOX = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_MAILBOX_FULL = frozenset({"5.2.2", "5.2.3"})
_LOGIN = frozenset({432, 454, 530, 534, 535, 538})
_RATE = re.compile(
    r"\brate\b|\btoo (?:many|much|fast)\b|throttl|\bslow(?:ing)? down\b|\bexceed|\bunusual\b|temporarily blocked",
    re.IGNORECASE,
)
_GREYLIST = re.compile(r"gr[ae]y-?\s?list", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"\bno such (?:user|mailbox|recipient|address|person)\b"
    r"|\b(?:user|recipient|mailbox|address|account)(?: is)? (?:unknown|not found|does not exist|doesn't exist)\b"
    r"|\b(?:unknown|invalid) (?:user|recipient|mailbox)\b",
    re.IGNORECASE,
)


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

    5 min x 2^n, at most 4 h, spread by a fifth either way. The first wait is never shorter than 5 minutes, which is
    what greylisting servers ask for. A wait that the outcome itself names is kept, and only ever lengthened.
    """
    if outcome.retry_after is not None:
        return now + timedelta(seconds=outcome.retry_after * (1 + 0.2 * jitter))
    if attempts <= 1:
        return now + FIRST_DELAY * (1 + 0.2 * jitter)
    delay = min(FIRST_DELAY * 2 ** min(attempts - 1, 16), LONGEST_DELAY)
    return now + min(delay * (0.8 + 0.4 * jitter), LONGEST_DELAY)


def _verdict(code: int, enhanced: str, text: str, stage: Stage) -> tuple[OutcomeKind, Scope, bool, float | None]:
    if 200 <= code <= 299 and stage is Stage.DOT:
        return OutcomeKind.ACCEPTED, Scope.RECIPIENT, False, None
    if not 400 <= code <= 599:
        return OutcomeKind.DEFERRED, Scope.RELAY, False, None
    if _throttled(code, enhanced, text):
        return OutcomeKind.DEFERRED, Scope.RELAY, False, THROTTLE_SECONDS
    if code == 421 or code in _LOGIN or (code < 500 and stage is Stage.MAIL):
        return OutcomeKind.DEFERRED, Scope.RELAY, False, None
    if code < 500:
        return OutcomeKind.DEFERRED, Scope.RECIPIENT, False, None
    if _about_message(code, enhanced, stage):
        return OutcomeKind.REJECTED, Scope.MESSAGE, False, None
    return OutcomeKind.REJECTED, Scope.RECIPIENT, _gone(code, enhanced, text, stage), None


def _throttled(code: int, enhanced: str, text: str) -> bool:
    """Asked to slow down. A 4.7.1 alone is not: one recipient's policy must not stop everybody's mail."""
    if enhanced[1:] == ".7.28":
        return True
    hinted = code in (421, 454) or enhanced.startswith("4.7.")
    return hinted and _RATE.search(text) is not None and _GREYLIST.search(text) is None


def _about_message(code: int, enhanced: str, stage: Stage) -> bool:
    if stage is Stage.MAIL or enhanced == "5.3.4":
        return True
    return code == 552 and enhanced not in _MAILBOX_FULL and stage is not Stage.RCPT


def _gone(code: int, enhanced: str, text: str, stage: Stage) -> bool:
    if enhanced:
        return enhanced in _NO_SUCH_MAILBOX
    return code in (550, 551, 553) and stage is Stage.RCPT and _UNKNOWN.search(text) is not None
