"""Who reads: subscribers, their link to a digest, what they wish to see, and who must not be written to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import NewType

from digest.model.feeds import EntryId, WorkId

SubscriberId = NewType("SubscriberId", int)
SubscriptionId = NewType("SubscriptionId", int)

#: The languages that mails are written in, by their BCP 47 code.
LANGUAGE_NAMES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese", "ar": "Arabic"}
LANGUAGES = tuple(LANGUAGE_NAMES)
#: What their readers call them.
OWN_NAMES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "zh": "中文", "ar": "العربية"}
#: Language, script, region (RFC 5646); an underscore as POSIX writes it.
_TAG = re.compile(r"([A-Za-z]{2})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?", re.ASCII)


def language_tag(text: str) -> str:
    """The tag in its usual spelling (``de``, ``de-AT``, ``zh-Hans-CN``), so that one language is one profile.

    Raises ValueError, with a sentence that names the known languages and the nearest, where no mail is written in it.
    """
    found = _TAG.fullmatch(text.strip())
    if (
        found is not None
        and found[1].lower() == "zh"
        and {"hant", "tw", "hk", "mo"} & set(re.split("[-_]", text.strip().lower()))
    ):
        raise ValueError(
            f"{text[:40]!r} is written in traditional Chinese; mails are written in simplified Chinese: zh"
        )
    if found is not None and found[1].lower() in LANGUAGES:
        parts = (found[1].lower(), (found[2] or "").title(), (found[3] or "").upper())
        return "-".join(filter(None, parts))
    known = ", ".join(f"{code} ({name})" for code, name in LANGUAGE_NAMES.items())
    near = _nearest_language(text.strip().lower())
    hint = f'did you mean "{near}"? ' if near else ""
    raise ValueError(f"{text[:40]!r} is not a language that mails are written in; {hint}known are: {known}")


def _nearest_language(text: str) -> str:
    """The code that was meant by a name (german) or a longer code (deu, de-Austria); empty where nothing is near."""
    names = {name.lower(): code for code, name in LANGUAGE_NAMES.items()}
    if near := get_close_matches(text, names, n=1, cutoff=0.7):
        return names[near[0]]
    return next((code for code in LANGUAGES if re.match(rf"{code}([^a-z]|[a-z]?$)", text)), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutes:
    """What this reader never wants to see; a mute always wins. Matching is by case-folded words (ranking/match.py)."""

    keywords: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    anything: tuple[str, ...] = ()
    """Plain strings from ``mute = ["…"]``:

    each mutes a keyword, an author, an institution or a category of that name.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Shares of the score, 0 allowed; scaled to 100 in sum before use."""

    trend: float = 50.0
    topic: float = 30.0
    people: float = 15.0
    novelty: float = 5.0


class Say(StrEnum):
    """When a mail says, source by source, why there is little in it."""

    EMPTY = "empty"
    SHORT = "short"
    """Also when it holds far fewer papers than usual."""
    NEVER = "never"


class Layout(StrEnum):
    FULL = "full"
    BRIEF = "brief"
    CATALOGUE = "catalogue"
    """A line of facts and a line of authors for each paper."""
    TITLES = "titles"


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """Everything that changes what a reader is printed; canonical and hashable."""

    categories: tuple[tuple[str, float], ...] = ()
    """(category, weight), in the order given; empty means every category, unweighted."""
    seats: tuple[tuple[str, int, int | None], ...] = ()
    """(category, at least, at most) of the papers that are printed, for categories that have such a bound."""
    keywords: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    mute: Mutes = Mutes()
    weights: Weights | None = None
    """None: general (trend 95, novelty 5) when nothing personal is named, else personal (50/30/15/5)."""
    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()
    max_items: int | None = None
    per_category: int | None = None
    min_score: int | None = None
    layout: str = Layout.FULL
    language: str = "en"
    explain: str = Say.EMPTY

    @property
    def personal(self) -> bool:
        return bool(self.keywords or self.authors or self.institutions or self.topics or self.likes)

    def canonical(self) -> str:
        """The profile as JSON with sorted keys: equal profiles give equal text."""
        values = asdict(self) | {"categories": [(name, float(weight)) for name, weight in self.categories]}
        if not self.seats:  # profiles from before there were bounds keep their key
            del values["seats"]
        if self.explain == Say.EMPTY:
            del values["explain"]
        if self.weights is not None:  # 1 and 1.0 are equal, so they must read alike
            values["weights"] = {name: float(share) for name, share in asdict(self.weights).items()}
        return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def key(self) -> str:
        """SHA-256, hex, of the canonical form."""
        return _key_of(self)

    def having(self, likes: tuple[str, ...], dislikes: tuple[str, ...]) -> Profile:
        """The profile of a reader who said this of papers; his own word counts over the lists that are here."""
        if not likes and not dislikes:
            return self
        return replace(
            self,
            likes=tuple(sorted({*self.likes, *likes}.difference(dislikes))),
            dislikes=tuple(sorted({*self.dislikes, *dislikes}.difference(likes))),
        )


@lru_cache(maxsize=4096)
def _key_of(profile: Profile) -> str:
    return hashlib.sha256(profile.canonical().encode()).hexdigest()


class SubscriptionState(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscriber:
    """An address (ASCII domain), once."""

    id: SubscriberId
    address: str
    created_at: datetime
    joined: bool = False
    """Wishes several digests of one instant in one mail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """An address's link to a digest, with what this reader changed of the digest's settings."""

    id: SubscriptionId
    subscriber_id: SubscriberId
    address: str
    digest: str
    state: SubscriptionState
    secret: str
    """Random, 22 URL-safe characters;

    the unsubscribe token of every mail ever sent for it. Never changes until erased.
    """
    created_at: datetime
    confirmed_at: datetime | None = None
    language: str = ""
    timezone: str = ""
    send_at: time | None = None
    days: tuple[int, ...] = ()
    """Weekdays, Monday 0; empty means the digest's."""
    preferences: Mapping[str, object] = field(default_factory=dict[str, object])
    """Preference keys of a [[digest]] that this reader set, as plain JSON values."""
    joined: bool = False
    last_slot_at: datetime | None = None
    """The newest slot that was published for this reader, printed or not."""
    last_slot_date: str = ""
    """Its local date, ISO."""
    paused_on: date | None = None
    """The local date of the first mail that the reader's newest pause left out; None without one."""
    paused_until: date | None = None
    """The local date from which mail comes again;

    None, or a day that has passed: not paused.
    """
    likes: tuple[str, ...] = ()
    """Works of which the reader said "more like this", in alphabetical order; read only where somebody is printed for.
    """
    dislikes: tuple[str, ...] = ()
    """Works of which the reader said "less like this"."""

    def is_paused(self, day: date) -> bool:
        """Whether no mail of a local date is to be planned now, at the reader's own wish."""
        is_read = self.state is SubscriptionState.CONFIRMED  # who has left is not paused, until a return brings it back
        return is_read and self.paused_until is not None and day < self.paused_until

    def was_paused(self, day: date) -> bool:
        """Whether the newest pause holds a local date, also once it has ended."""
        return self.paused_on is not None and self.paused_on <= day and self.is_paused(day)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taste:
    """What a reader said of a paper."""

    entry_id: EntryId
    work: WorkId
    title: str
    url: str
    value: int
    """1: more like this; -1: less."""
    day: date
    """When it was said last (UTC)."""


class SuppressionReason(StrEnum):
    HARD_BOUNCE = "hard-bounce"
    SOFT_BOUNCE = "soft-bounce"
    """Undeliverable so often that it is no passing trouble."""
    COMPLAINT = "complaint"
    OPERATOR = "operator"
    REQUEST = "request"
    """The person asked never to be mailed."""
    ERASED = "erased"


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """Do not send to this address, why and since when.

    ``address`` is empty after an erasure: only the keyed hash stays.
    """

    key: str
    """HMAC of the address with the installation's secret."""
    address: str
    reason: SuppressionReason
    detail: str
    since_at: datetime
