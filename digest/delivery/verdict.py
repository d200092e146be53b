"""What a report of failure says about the address, by its status (RFC 3463) and the remote server's words. Pure.

Which codes mean what is retry.py's knowledge (HARD, SOFT, is_hard, is_soft), for a refusal is the same whether it comes
at once or by mail; here are the words of programs that write prose, and what is done where the status says nothing.

| status                                  | verdict                                                             |
|-----------------------------------------|---------------------------------------------------------------------|
| 5.1.1 5.1.2 5.1.3 5.1.6 5.1.10 5.2.1    | hard: there is no such mailbox                                      |
| 5.0.0 5.1.0 5.2.0 5.3.0 5.5.0, or none  | by an exact code in the words, else by the words: "no such user" …  |
| 5.2.2, 4.2.2, 5.4.x, 4.4.x …            | soft, and counts: the mailbox is full, its server out of reach      |
| 5.7.x 4.7.x policy, 5.6.x form, 5.3.4   | soft, and does not count: that is about us or the mail, not about   |
|                                         | the reader                                                          |
"""

from __future__ import annotations

import re

from digest.delivery.retry import is_hard, is_soft
from digest.model.mail import ReportKind

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.-])([45]\d\d)(?=[ -])")
_VAGUE = frozenset({"", "5.0.0", "5.1.0", "5.2.0", "5.3.0", "5.5.0"})
_FULL = re.compile(
    r"\b(?:mailbox|inbox|quota|storage|user)\b[^.;:]{0,40}\b(?:full|exceeded|over quota)\b"
    r"|\bover ?quota\b|\bquota exceeded\b",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"\bno (?:such )?(?:mailbox|user|account|recipient) (?:here|by that name|found)\b"
    r"|\b(?:doesn't|does not) have an? \S{1,80} account\b|\bunrout(?:e)?able address\b"
    r"|\bnot listed in (?:[\w&]+ ){0,4}(?:address book|directory)\b|\bunknown local[ -]?part\b|\baddressee unknown\b"
    r"|\b(?:account|address|mailbox|user|recipient)\b(?:[^.;:]|[.:](?=\S)){0,80} "
    r"(?:(?:does not|doesn't|no longer) exists?|(?:could not be|couldn't be|wasn't|was not) found"
    r"|(?:is|has been) (?:not valid|disabled|deactivated|discontinued|no longer (?:valid|available|active)))\b",
    re.IGNORECASE,
)


def status_in(text: str) -> str:
    """The first enhanced code in a text, empty without one; an IP address holds none."""
    found = _STATUS.search(text)
    return found[1] if found else ""


def is_vague(status: str) -> bool:
    """Whether a status says only that something failed."""
    return status in _VAGUE


def verdict(status: str, text: str) -> tuple[ReportKind, bool, str]:
    """Of a delivery that has failed for good: hard or soft, whether it counts against the address, and the status as
    exactly as it is known.
    """
    if status in _VAGUE:
        exact = status_in(text)
        status = status if exact.startswith("2") else exact or status
    if _is_hard(status, text):
        return ReportKind.HARD, True, status
    return ReportKind.SOFT, is_soft(status, text) or (status in _VAGUE and _FULL.search(text) is not None), status


def _is_hard(status: str, text: str) -> bool:
    if status not in _VAGUE:
        return is_hard(status, text)
    if _FULL.search(text) or _is_passing(text):
        return False
    return is_hard("", text) or _GONE.search(text) is not None


def _is_passing(text: str) -> bool:
    """The server's last reply was a 4xx: it was put off until it was too late."""
    reply = _REPLY.search(text)
    return reply is not None and reply[1].startswith("4")
