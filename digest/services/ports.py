"""The functions that services receive from the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from digest.model.editions import Digest, Edition, Item
from digest.model.feeds import Entry, FetchRequest, FetchResponse
from digest.model.mail import Message
from digest.model.people import Profile, Subscription
from digest.model.ranking import Evidence
from digest.storage.base import Tx

if TYPE_CHECKING:
    from digest.ranking.rank import Ranking

#: Gets one document; raises FetchError.
Fetch = Callable[[FetchRequest], FetchResponse]
#: Ranks one pool of entries for many profiles: (entries, evidence, now) -> (profile -> ranked).
Prepare = Callable[[Sequence[Entry], Evidence, datetime], Callable[[Profile], "Ranking"]]
#: What a profile learnt from likes: (entries, evidence, now, profile) -> (words, people), strongest first.
Lean = Callable[[Sequence[Entry], Evidence, datetime, Profile], tuple[tuple[str, ...], tuple[str, ...]]]
#: Prints one edition, or several joined in one mail, beside their digests.
Print = Callable[[tuple[Edition, ...], tuple[Digest, ...]], Message]
#: Prints a notice to a reader: (kind, digest, language, instant, key, context of templates/mail/KIND) -> message.
PrintLetter = Callable[[str, Digest, str, datetime, str, Mapping[str, object]], Message]
#: Asks whether somebody wants a digest: (digest's name, language or "" for the digest's, instant, key) -> message.
PrintQuestion = Callable[[str, str, datetime, str], Message]
#: The page of a mail with what the mail had no room for: (the mail's own HTML, items) -> HTML.
ReadPage = Callable[[str, Sequence[Item]], str]
#: What a reader is printed by: the digest's preferences with his own over them.
ProfileOf = Callable[[Digest, Subscription | None], Profile]
#: The current instant, aware UTC.
Clock = Callable[[], datetime]


class Work(StrEnum):
    """What a worker of a fleet can be called for; by the same names it is told what to do (`digest worker --roles`)."""

    FETCH = "fetch"
    PUBLISH = "publish"
    DELIVER = "deliver"
    INBOUND = "inbound"


#: Calls those who do such work, with the transaction that makes it: (transaction, work). A call may be lost, doubled or
#: late; what is to be done stands in the tables.
Wake = Callable[[Tx, Work], None]


def nobody(tx: Tx, work: Work) -> None:
    """On one machine nobody is called: it looks by the minute."""
