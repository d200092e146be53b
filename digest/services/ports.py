"""The functions that services receive from the composition root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from digest.model.editions import Digest, Edition, Item, Ranked
from digest.model.feeds import Entry, FetchRequest, FetchResponse
from digest.model.mail import Message
from digest.model.people import Profile, Subscription
from digest.model.ranking import Evidence

#: Gets one document; raises FetchError.
Fetch = Callable[[FetchRequest], FetchResponse]
#: Ranks one pool of entries for many profiles: (entries, evidence, now) -> (profile -> ranked).
Prepare = Callable[[Sequence[Entry], Evidence, datetime], Callable[[Profile], tuple[Ranked, ...]]]
#: Prints one edition, or several joined in one mail, beside their digests.
Print = Callable[[tuple[Edition, ...], tuple[Digest, ...]], Message]
#: Asks whether somebody wants a digest: (digest's name, language or "" for the digest's, instant, key) -> message.
PrintQuestion = Callable[[str, str, datetime, str], Message]
#: The page of a mail with what the mail had no room for: (the mail's own HTML, items) -> HTML.
ReadPage = Callable[[str, Sequence[Item]], str]
#: What a reader is printed by: the digest's preferences with his own over them.
ProfileOf = Callable[[Digest, Subscription | None], Profile]
#: The current instant, aware UTC.
Clock = Callable[[], datetime]
