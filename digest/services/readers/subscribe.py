"""Who reads what: adding, choosing, leaving, erasing; the suppression list. Leaving works for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from email_validator import EmailNotValidError, validate_email

from digest.delivery.tokens import address_key
from digest.model.editions import Digest
from digest.model.errors import DigestError, InputError, NotFound, UsageError
from digest.model.people import (
    Subscriber,
    SubscriberId,
    Subscription,
    SubscriptionId,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    language_tag,
)
from digest.services.ports import Clock, ProfileOf
from digest.services.readers.pausing import check_day, first_left_out, today_of
from digest.services.stamping import CONFIRM, PREFERENCES, Keys, read_scoped
from digest.storage import access, admission, bounces, deliveries, erasing, people, tastes
from digest.storage.base import Tx
from digest.storage.engine import Store

#: How long a leaving can be taken back by the page that followed it.
_RETURN = timedelta(hours=1)


def normal_address(text: str) -> str:
    """The address as we keep it: lower case, for two spellings are one reader, and the domain in ASCII.

    What stands before the @ may be quoted, and hold any letters (RFC 6531): such a mail goes out where the relay offers
    SMTPUTF8, and fails alone where it does not. Raises InputError with what is wrong.
    """
    try:
        found = validate_email(
            text.strip(),
            check_deliverability=False,
            test_environment=True,
            allow_domain_literal=False,
            allow_quoted_local=True,
        )
    except EmailNotValidError as error:
        raise InputError(
            f"is not an e-mail address: {error}", where=text.strip()[:200], try_="write name@example.org"
        ) from error
    return f"{found.local_part.lower()}@{found.ascii_domain.lower()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What a reader sets for one subscription; None leaves a value as it is, "" or () returns to the digest's."""

    language: str | None = None
    timezone: str | None = None
    send_at: str | None = None
    days: tuple[int, ...] | None = None
    preferences: Mapping[str, object] | None = None
    joined: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Joining:
    """One subscription on the operator's word; the address is ``normal_address``'s."""

    address: str
    digest: str
    state: SubscriptionState
    choices: Choices


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """One address for the suppression list; the address is ``normal_address``'s. ``since_at``: None is now."""

    address: str
    reason: SuppressionReason
    detail: str = ""
    since_at: datetime | None = None


class Effect(StrEnum):
    """What taking a subscription does to what is held."""

    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscribe:
    """The use cases around a subscription."""

    store: Store
    digests: tuple[Digest, ...]
    keys: Keys
    profile_of: ProfileOf
    new_secret: Callable[[], str]
    clock: Clock

    def digest(self, name: str) -> Digest:
        for digest in self.digests:
            if digest.name == name:
                return digest
        known = ", ".join(digest.name for digest in self.digests)
        raise UsageError(f'there is no digest "{name}"', where="digest", try_=f"known are: {known}")

    def add(
        self,
        address: str,
        digest: str,
        *,
        state: SubscriptionState = SubscriptionState.CONFIRMED,
        choices: Choices = Choices(),
    ) -> Subscription:
        """Subscribes on the operator's word. An address on the suppression list is refused until it is lifted."""
        one = Joining(address=normal_address(address), digest=digest, state=state, choices=choices)
        (problem,) = self.add_all([one])
        if problem is not None:
            raise problem
        return next(link for link in self.show(one.address) if link.digest == digest)

    def add_all(self, joining: Sequence[Joining]) -> tuple[DigestError | None, ...]:
        """Subscribes each, the later ones over the earlier, together; gives what is wrong with each that is not taken.

        A list of a million is written in a thousandth of the transactions.
        """
        checked = self._checked(joining)
        problems: list[DigestError | None] = []
        good: dict[tuple[str, str], Joining] = {}
        with self.store.transaction() as tx:
            for one, problem in zip(joining, self._refusals(tx, joining, checked), strict=True):
                problems.append(problem)
                if problem is not None:
                    continue
                if (one.address, one.digest) in good:
                    self._take(tx, list(good.values()))
                    good.clear()
                good[one.address, one.digest] = one
            self._take(tx, list(good.values()))
        return tuple(problems)

    def foresee(self, joining: Sequence[Joining]) -> tuple[Effect | DigestError, ...]:
        """What ``add_all`` would do with each, were it the only one; nothing is changed."""
        checked = self._checked(joining)
        with self.store.reading() as tx:
            refusals = self._refusals(tx, joining, checked)
            ids = people.subscriber_ids(tx, [one.address for one in joining])
            held = {(one.address, one.digest): one for one in people.subscriptions_of_each(tx, list(ids.values()))}
        return tuple(
            problem or _effect(one, held.get((one.address, one.digest)))
            for one, problem in zip(joining, refusals, strict=True)
        )

    def leave(self, address: str, digest: str | None = None) -> int:
        """Unsubscribes an address from one digest or all; gives how many subscriptions ended. Raises NotFound."""
        who = self.find(address)
        now = self.clock()
        with self.store.transaction() as tx:
            mine = [s for s in people.subscriptions_of(tx, who.id) if digest is None or s.digest == digest]
            return sum(people.set_state(tx, s.id, SubscriptionState.UNSUBSCRIBED, now) for s in mine)

    def leave_by_token(self, token: str, only: Sequence[str] = ()) -> tuple[Subscription, ...] | None:
        """Obeys an unsubscribe token (secrets joined by dots): ends each subscription in it, or those of ``only``.

        None for a token nobody has; a second call is a no-op with the same answer.
        """
        now = self.clock()
        with self.store.transaction() as tx:
            found = self._by_token(tx, token)
            for one in found:
                if not only or one.digest in only:
                    people.set_state(tx, one.id, SubscriptionState.UNSUBSCRIBED, now)
            return tuple(people.subscription(tx, one.id) or one for one in found) or None

    def may_return(self, token: str) -> bool:
        """Whether ``return_by_token`` would bring something back."""
        with self.store.reading() as tx:
            return bool(self._returning(tx, token))

    def return_by_token(self, token: str) -> tuple[Subscription, ...]:
        """Takes back a leaving of the last hour, by the token that left; gives what is confirmed again by it.

        Not later: a mail that was forwarded once must not bring back, years after, who has left for good. And nobody
        who never said yes, or whose address must not be written to.
        """
        with self.store.transaction() as tx:
            back = self._returning(tx, token)
            people.take_back(tx, back)
            return tuple(found for one in back if (found := people.subscription(tx, one)) is not None)

    def look_up(self, token: str) -> tuple[Subscription, ...]:
        """The subscriptions of an unsubscribe token; nothing changes."""
        with self.store.reading() as tx:
            return self._by_token(tx, token)

    def preferences_of(self, token: str) -> Subscription | None:
        """The subscription a preferences link is for; None for a token that is forged or too old."""
        return self._scoped(PREFERENCES, token)

    def confirmable(self, token: str) -> Subscription | None:
        """The subscription a confirmation link is for; nothing changes."""
        return self._scoped(CONFIRM, token)

    def never(self, token: str) -> bool:
        """Puts the address behind a confirmation link on the suppression list, at its owner's word."""
        found = self._scoped(CONFIRM, token)
        if found is None:
            return False
        self.suppress(found.address, SuppressionReason.REQUEST, "said so in a confirmation mail")
        with self.store.transaction() as tx:
            people.set_state(tx, found.id, SubscriptionState.UNSUBSCRIBED, self.clock())
            admission.forget(tx, found.subscriber_id)
        return True

    def choose(
        self, subscription: Subscription, choices: Choices, *, pause_until: date | None = None, resumes: bool = False
    ) -> Subscription:
        """Changes what a reader is printed and when, and with it pauses or ``resumes``: all of it or nothing.

        Raises InputError for a value that cannot be, and what ``pause`` raises; NotFound for who was erased meanwhile.
        """
        self.check(subscription.digest, choices)
        with self.store.transaction() as tx:
            people.hold(tx, subscription.address)
            mine = people.subscription(tx, subscription.id)
            if mine is None:
                raise NotFound("is not a subscriber any more", where=subscription.address)
            self._choose(tx, mine, choices)
            if pause_until is not None:
                self._pause(tx, mine, pause_until)
            elif resumes:
                self._resume(tx, mine)
            return people.subscription(tx, mine.id) or mine

    def pause(self, subscription: Subscription, until: date) -> Subscription:
        """No mail of this digest is planned of a local date before ``until``. Raises InputError for a day that cannot
        be, and for who gets no mail anyway; UsageError for a digest that is gone.
        """
        with self.store.transaction() as tx:
            self._pause(tx, subscription, until)
            return people.subscription(tx, subscription.id) or subscription

    def resume(self, subscription: Subscription) -> Subscription:
        """Ends a pause: mail comes again from today's on. Nothing changes for who is not paused."""
        with self.store.transaction() as tx:
            self._resume(tx, subscription)
            return people.subscription(tx, subscription.id) or subscription

    def today_of(self, subscription: Subscription) -> date:
        """The date where the reader is at home."""
        return today_of(self.digest(subscription.digest), subscription, self.clock())

    def check(self, digest: str, choices: Choices) -> None:
        """Raises InputError or ConfigError for choices that could not be printed."""
        if choices.language:
            _language(choices.language)
        if choices.timezone:
            try:
                ZoneInfo(choices.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise InputError(
                    f"{choices.timezone!r} is not a time zone",
                    where="timezone",
                    try_="write a name such as Europe/Berlin",
                ) from error
        if choices.send_at:
            _hour(choices.send_at)
        if choices.preferences:
            try:
                self.profile_of(self.digest(digest), _with(choices.preferences, digest))
            except DigestError as error:
                raise InputError(error.what, where=error.where or "profile", try_=error.try_) from error

    def find(self, address: str) -> Subscriber:
        address = normal_address(address)
        with self.store.reading() as tx:
            found = people.subscriber(tx, address)
        if found is None:
            raise NotFound("is not a subscriber", where=address, try_="`digest subscribers list` shows who is")
        return found

    def show(self, address: str) -> tuple[Subscription, ...]:
        who = self.find(address)
        with self.store.reading() as tx:
            return people.subscriptions_of(tx, who.id)

    def everybody(self, *, digest: str = "", state: str = "") -> tuple[Subscription, ...]:
        with self.store.reading() as tx:
            return people.everybody(tx, digest=digest, state=state)

    def erase(self, address: str) -> None:
        """Takes the person out: a tombstone stays, and a keyed hash on the suppression list."""
        who = self.find(address)
        now = self.clock()
        with self.store.transaction() as tx:
            people.erase(tx, who.id, now)  # first: it waits for whoever is just planning them a mail
            deliveries.forget_address(tx, who.id, now)
            erasing.forget_wishes(tx, who.id)
            tastes.erase(tx, who.id)
            admission.forget(tx, who.id)
            access.forget(tx, who.address)
            hashed = address_key(who.address, self.keys.lasting)
            bounces.forget(tx, hashed)
            people.lift(tx, hashed)
            listed = Suppression(key=hashed, address="", reason=SuppressionReason.ERASED, detail="", since_at=now)
            people.suppress(tx, listed)
        with self.store.transaction() as tx:
            access.forget(tx, who.address)  # requests that began meanwhile

    def suppress(
        self, address: str, reason: SuppressionReason, detail: str = "", *, since: datetime | None = None
    ) -> bool:
        """Adds to the list, as of now or of an earlier instant; False when the address was on it already."""
        address = normal_address(address)
        hashed = address_key(address, self.keys.lasting)
        entry = Suppression(key=hashed, address=address, reason=reason, detail=detail, since_at=since or self.clock())
        with self.store.transaction() as tx:
            return people.suppress(tx, entry)

    def suppress_all(self, listing: Sequence[Listing]) -> int:
        """Adds many together; those on the list already stay as they are. Gives how many are new."""
        now = self.clock()
        entries = [
            Suppression(
                key=address_key(one.address, self.keys.lasting),
                address=one.address,
                reason=one.reason,
                detail=one.detail,
                since_at=one.since_at or now,
            )
            for one in listing
        ]
        with self.store.transaction() as tx:
            return people.suppress_all(tx, entries)

    def on_list(self, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses (``normal_address``'s) that are on the list."""
        hashed = {address: address_key(address, self.keys.lasting) for address in addresses}
        with self.store.reading() as tx:
            listed = people.suppressed(tx, list(hashed.values()))
        return frozenset(address for address, key in hashed.items() if key in listed)

    def lift(self, address: str) -> bool:
        """Takes off the list and forgives what came back; False when the address was not on it."""
        hashed = address_key(normal_address(address), self.keys.lasting)
        with self.store.transaction() as tx:
            bounces.forgive(tx, hashed)
            return people.lift(tx, hashed)

    def suppressed(self, addresses: Iterable[str]) -> Mapping[str, Suppression]:
        """Those of the addresses (``normal_address``'s) that must not be written to."""
        hashed = {address_key(address, self.keys.lasting): address for address in addresses}
        with self.store.reading() as tx:
            return {hashed[one.key]: one for one in people.suppression_list(tx, list(hashed))}

    def suppressions(self) -> tuple[Suppression, ...]:
        with self.store.reading() as tx:
            return people.suppression_list(tx)

    def _scoped(self, purpose: str, token: str) -> Subscription | None:
        subscription_id = read_scoped(purpose, token, self.clock().date(), self.keys.links)
        if subscription_id is None:
            return None
        with self.store.reading() as tx:
            return people.subscription(tx, subscription_id)

    def _returning(self, tx: Tx, token: str) -> tuple[SubscriptionId, ...]:
        found = self._by_token(tx, token)
        if not found or people.suppressed(tx, [address_key(one.address, self.keys.lasting) for one in found]):
            return ()
        return people.left_since(tx, [one.id for one in found], self.clock() - _RETURN)

    def _by_token(self, tx: Tx, token: str) -> tuple[Subscription, ...]:
        found = (people.by_secret(tx, part) for part in token.split(".")[:50] if part)
        return tuple(one for one in found if one is not None)

    def _checked(self, joining: Sequence[Joining]) -> Mapping[tuple[str, int], DigestError | None]:
        """What is wrong with each digest and its choices, whoever wishes them."""
        checked: dict[tuple[str, int], DigestError | None] = {}
        for one in joining:
            if (one.digest, id(one.choices)) not in checked:
                checked[one.digest, id(one.choices)] = self._wrong_with(one)
        return checked

    def _refusals(
        self, tx: Tx, joining: Sequence[Joining], checked: Mapping[tuple[str, int], DigestError | None]
    ) -> list[DigestError | None]:
        hashed = {one.address: address_key(one.address, self.keys.lasting) for one in joining}
        listed = people.suppressed(tx, list(hashed.values()))
        refusals: list[DigestError | None] = []
        for one in joining:
            why = listed.get(hashed[one.address])
            problem = checked[one.digest, id(one.choices)]
            if problem is None and why is not None and one.state is not SubscriptionState.UNSUBSCRIBED:
                problem = InputError(
                    f"is on the suppression list ({why.value})",
                    where=one.address,
                    try_="`digest suppressions remove` lifts it",
                )
            refusals.append(problem)
        return refusals

    def _wrong_with(self, one: Joining) -> DigestError | None:
        try:
            self.digest(one.digest)
            self.check(one.digest, one.choices)
        except DigestError as error:
            return error
        return None

    def _take(self, tx: Tx, joining: Sequence[Joining]) -> None:
        """Writes subscriptions of which no two are the same."""
        now = self.clock()
        ids = people.add_subscribers(tx, [one.address for one in joining], now)
        held = people.links(tx, list(ids.values()))
        fresh: list[Mapping[str, object]] = []
        for one in joining:
            who = ids[one.address]
            values = columns_of(one.choices)
            if one.choices.joined is not None:
                people.set_joined(tx, who, one.choices.joined)
            if (who, one.digest) not in held:
                secret = self.new_secret()
                fresh.append(people.fresh(who, one.digest, state=one.state, secret=secret, now=now) | values)
                continue
            link = held[who, one.digest]
            people.set_state(tx, link, one.state, now)
            if values:
                people.choose(tx, link, values)
        people.add_fresh(tx, fresh)

    def _pause(self, tx: Tx, link: Subscription, until: date) -> None:
        digest, now = self.digest(link.digest), self.clock()
        mine = people.subscription(tx, link.id)
        check_day(until, today_of(digest, mine or link, now))
        if mine is None or mine.state is not SubscriptionState.CONFIRMED:
            raise InputError(f"{digest.title} does not come here, so there is nothing to pause", where=link.address)
        people.pause(tx, mine.id, on=first_left_out(digest, mine, now), until=until)

    def _resume(self, tx: Tx, link: Subscription) -> None:
        mine = people.subscription(tx, link.id)
        if mine is None:
            return
        today = today_of(self.digest(mine.digest), mine, self.clock())
        if mine.is_paused(today):
            people.pause(tx, mine.id, on=mine.paused_on or today, until=today)

    def _choose(self, tx: Tx, link: Subscription, choices: Choices) -> None:
        values = columns_of(choices)
        if values:
            people.choose(tx, link.id, values)
        if choices.joined is not None:
            people.set_joined(tx, link.subscriber_id, choices.joined)


def columns_of(choices: Choices) -> dict[str, object]:
    """The columns that choices set."""
    send_at = _hour(choices.send_at) if choices.send_at else choices.send_at
    language = _language(choices.language) if choices.language else choices.language
    plain = {"language": language, "timezone": choices.timezone, "send_at": send_at}
    values: dict[str, object] = {name: value for name, value in plain.items() if value is not None}
    if choices.days is not None:
        values["days"] = list(choices.days)
    if choices.preferences is not None:
        values["preferences"] = dict(choices.preferences)
    return values


def _effect(one: Joining, held: Subscription | None) -> Effect:
    if held is None:
        return Effect.ADDED
    stands = {
        "language": held.language,
        "timezone": held.timezone,
        "send_at": f"{held.send_at:%H:%M}" if held.send_at else "",
        "days": list(held.days),
        "preferences": dict(held.preferences),
    }
    wanted = columns_of(one.choices)
    is_same = one.state is held.state and all(stands[name] == value for name, value in wanted.items())
    return Effect.SAME if is_same and one.choices.joined in (None, held.joined) else Effect.CHANGED


def _language(text: str) -> str:
    """A language's tag in its usual spelling. Raises InputError."""
    try:
        return language_tag(text)
    except ValueError as error:
        what, _, try_ = str(error).rpartition("; ")
        raise InputError(what, where="language", try_=try_) from error


def _hour(text: str) -> str:
    """A time of day as ``HH:MM``. Raises InputError."""
    try:
        return f"{datetime.strptime(text, '%H:%M'):%H:%M}"  # noqa: DTZ007  a time of day has no zone
    except ValueError as error:
        raise InputError(f"{text!r} is not a time of day", where="send_at", try_="write 07:30") from error


def _with(preferences: Mapping[str, object], digest: str) -> Subscription:
    """A subscription that has only these preferences, to see whether they make a profile."""
    return Subscription(
        id=SubscriptionId(0),
        subscriber_id=SubscriberId(0),
        address="",
        digest=digest,
        state=SubscriptionState.PENDING,
        secret="",
        created_at=datetime.min.replace(tzinfo=UTC),
        preferences=preferences,
    )
