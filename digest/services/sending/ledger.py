"""The operator's hand in the ledger: look at deliveries, try again, decide what is uncertain, pause, cancel."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from digest.delivery.retry import remedy
from digest.model.editions import Digest
from digest.model.errors import DigestError, NotFound, SendingRefused, UsageError
from digest.model.mail import OPEN_STATES, Delivery, DeliveryState, MessageKey
from digest.services.ports import Clock
from digest.services.sending.packing import ReturnPath
from digest.services.stamping import Keys, message_id_of
from digest.storage import deliveries, editions, oversight
from digest.storage.base import Tx, storable
from digest.storage.engine import Store
from digest.storage.oversight import Which

#: What becomes of an uncertain delivery at the operator's word. A lost one frees its works, as an expired one does.
RESOLUTIONS = {
    "accepted": (DeliveryState.ACCEPTED, "the operator says it arrived"),
    "lost": (DeliveryState.EXPIRED, "the operator says it was lost"),
    "resend": (DeliveryState.QUEUED, "the operator wants it sent again"),
}
#: Stands for all digests.
ALL = "*"
#: Of many deliveries, so many are changed in one transaction: a running send waits for none of them long.
_AT_ONCE = 200
_REFUSED = {
    DeliveryState.ACCEPTED: ("it was accepted; sending it again would send the same papers twice", ""),
    DeliveryState.LEASED: ("it is being sent now", "wait until it is settled"),
    DeliveryState.SENDING: ("it is being sent now", "wait until it is settled"),
    DeliveryState.UNCERTAIN: (
        "nobody knows whether it arrived",
        "ask the relay's log: digest deliveries reconcile --log FILE; or the reader, then: "
        "digest deliveries resolve ID --as accepted, lost or resend",
    ),
    DeliveryState.EXPIRED: (
        "it has ended, and its papers are free for the next edition",
        "leave it to the next edition",
    ),
    DeliveryState.SUPPRESSED: ("its reader must not be written to", "look at `digest suppressions list`"),
}
_NEXT = {
    DeliveryState.QUEUED: "it goes out by itself; `digest deliveries pause` or `cancel` stops it",
    DeliveryState.LEASED: "it is being sent now",
    DeliveryState.SENDING: "it is being sent now",
    DeliveryState.DEFERRED: "it is tried again by itself; `digest deliveries retry {id}` makes it due now",
    DeliveryState.ACCEPTED: "from here on the relay knows more: look for the Message-ID in its log",
    DeliveryState.REJECTED: "its papers come in the next edition; once the cause is mended, "
    "`digest deliveries retry {id}` sends it while no later edition is planned",
    DeliveryState.UNCERTAIN: "`digest deliveries reconcile --log FILE` asks the relay's log, "
    "`digest deliveries resolve {id} --as accepted|lost|resend` decides",
    DeliveryState.SUPPRESSED: "`digest suppressions list` tells why its reader must not be written to",
    DeliveryState.EXPIRED: "its papers come in the next edition",
}
#: States that a try led to by itself, or is about to.
_TRIED = (
    DeliveryState.LEASED,
    DeliveryState.SENDING,
    DeliveryState.ACCEPTED,
    DeliveryState.REJECTED,
    DeliveryState.UNCERTAIN,
)
_IN_FOLDER = {
    DeliveryState.ACCEPTED: "it was written into {folder}; its file is named after the Message-ID",
    DeliveryState.UNCERTAIN: "look into {folder} for a file named after the Message-ID; "
    "`digest deliveries resolve {id} --as accepted|lost|resend` decides",
}
_SAME = re.compile(
    r"(?P<word>\b(?:(?-i:[A-Z]{3,}\d|\d[A-Z]{3,})\b(?![.-]\w)|RFC[ -]?\d{3,5}\b))"  # SMTPUTF8, 8BITMIME
    r"|(?P<address><?[^\s<>()]+@[^\s<>()]+>?)"
    r"|(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}\b|\[?(?:[0-9a-f]{0,4}:){3,}[0-9a-f]{0,4}\]?)"
    r"|(?P<id>(?<=queued as )[^\s,;]+|\b(?=[A-Za-z-]*\d)(?![245]\.\d{1,3}\.\d{1,3}\b)[\w.-]{6,}\b|\b\d{4,}\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryRow:
    """One delivery as it is shown."""

    id: int
    kind: str
    digest: str
    address: str
    local_date: date | None
    state: str
    attempts: int
    reason: str
    code: int | None
    enhanced: str
    remote: str
    created_at: datetime
    next_at: datetime | None
    settled_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One attempt; ``outcome`` is empty while it goes on."""

    started_at: datetime
    ended_at: datetime | None
    outcome: str
    code: int | None
    enhanced: str
    remote: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One delivery of a mail that joins several digests."""

    id: int
    digest: str
    local_date: date | None
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CameBack:
    """A report that came back for a delivery: hard, soft or complaint."""

    kind: str
    status: str
    detail: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryReport:
    """One delivery and all that is known of it. ``message_id`` and ``return_path`` are what a relay's log names it by;
    ``joined`` is empty unless its mail carries several digests."""

    delivery: DeliveryRow
    tries: tuple[Try, ...]
    message_id: str
    return_path: str
    relay: str
    joined: tuple[Member, ...]
    bounces: tuple[CameBack, ...]
    next: tuple[str, ...]
    """What happens now, and what can be done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Deliveries of one state that got the same answer; what differs from one to the other is left out of ``text``."""

    state: str
    number: int
    code: int | None
    enhanced: str
    text: str
    example: int
    """The oldest of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """What a decision about many deliveries did. ``refused`` counts those it could not be done to, by the reason."""

    changed: int
    refused: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """Looks at the ledger and, at the operator's word, changes it."""

    store: Store
    digests: tuple[Digest, ...]
    keys: Keys
    return_path: ReturnPath
    host: str
    """Right of the @ in Message-IDs of mails whose bytes are no longer kept."""
    folders: tuple[str, ...] = ()
    """Relays that are folders, as the ledger remembers them: there is no log to ask."""
    clock: Clock

    def listing(
        self,
        which: Which = Which(),  # noqa: B008
        *,
        after: int = 0,
        limit: int = 100,
        newest: bool = False,
    ) -> tuple[DeliveryRow, ...]:
        """The oldest first (``newest``: the newest first), those behind an id.

        Raises UsageError for a state or a digest that does not exist.
        """
        which = self.checked(which)
        with self.store.reading() as tx:
            found = deliveries.listing(
                tx,
                states=which.states,
                digest=which.digest,
                address=which.address,
                local_date=which.local_date,
                after=after,
                limit=limit,
                newest=newest,
            )
        return tuple(_row(one) for one in found)

    def count(self, which: Which) -> Mapping[str, int]:
        """By state, the states without any left out."""
        which = self.checked(which)
        with self.store.reading() as tx:
            return dict(sorted(oversight.count(tx, which).items()))

    def answers(self, which: Which, *, limit: int = 100) -> tuple[Answer, ...]:
        """What was answered, the most frequent first: addresses, numbers and ids in the texts count as equal."""
        which = self.checked(which)
        numbers: Counter[tuple[str, int | None, str, str]] = Counter()
        first: dict[tuple[str, int | None, str, str], int] = {}
        with self.store.reading() as tx:
            for said in oversight.answers(tx, which):
                key = (said.state, said.code, said.enhanced, shape(_words(said)))
                numbers[key] += said.number
                first[key] = min(said.first, first.get(key, said.first))
        return tuple(
            Answer(state=key[0], number=number, code=key[1], enhanced=key[2], text=key[3], example=first[key])
            for key, number in numbers.most_common(limit)
        )

    def show(self, delivery_id: int) -> DeliveryReport:
        """Raises NotFound."""
        with self.store.reading() as tx:
            one = _known(tx, delivery_id)
            leader = one.leader_id or one.id
            leading = _known(tx, leader)
            row = oversight.row(tx, leader)
            members = oversight.joined(tx, leader)
            tries = [_try(row) for row in deliveries.tries(tx, leader)]
            if row is not None and (last := _last_try(row, tries)) is not None:
                tries.append(last)
            return DeliveryReport(
                delivery=_row(one),
                tries=tuple(tries),
                message_id=f"<{message_id(tx, leading, self.keys, self.host)}>",
                return_path=self.return_path.of(leader, self.keys),
                relay=row.relay if row is not None else "",
                joined=tuple(
                    Member(id=member.id, digest=member.digest, local_date=member.local_date, state=member.state)
                    for member in members
                )
                if len(members) > 1
                else (),
                bounces=tuple(
                    CameBack(kind=back.kind, status=back.status, detail=back.detail, at=back.at)
                    for back in oversight.came_back(tx, sorted({one.id, leader}))
                ),
                next=_next(one, row.relay if row is not None and row.relay in self.folders else ""),
            )

    def retry(self, delivery_id: int) -> DeliveryRow:
        """Makes a waiting delivery due now, a rejected one only while no later edition can hold its papers."""
        with self.store.transaction() as tx:
            self._retry(tx, _known(tx, delivery_id))
            return _row(_known(tx, delivery_id))

    def retry_all(self, which: Which, *, dry_run: bool = False) -> Changed:
        """The same for many: those of ``which``, or all that are deferred or rejected."""
        states = which.states or (DeliveryState.DEFERRED.value, DeliveryState.REJECTED.value)
        return self._each(which, states, self._retry, dry_run=dry_run)

    def resolve(self, delivery_id: int, decision: str) -> DeliveryRow:
        """Settles an uncertain delivery as accepted or lost, or sends it again under the same Message-ID."""
        decide = self._decision(decision)
        with self.store.transaction() as tx:
            decide(tx, _known(tx, delivery_id))
            return _row(_known(tx, delivery_id))

    def resolve_all(self, which: Which, decision: str, *, dry_run: bool = False) -> Changed:
        """The same for all uncertain ones of ``which``."""
        return self._each(which, (DeliveryState.UNCERTAIN.value,), self._decision(decision), dry_run=dry_run)

    def pause(self, digest: str) -> bool:
        """Stops the sending of a digest, or of all; False when it was paused. What is on the wire is finished."""
        self._named(digest)
        with self.store.transaction() as tx:
            return deliveries.pause(tx, digest, self.clock())

    def resume(self, digest: str) -> bool:
        """False when it was not paused. A digest that left the configuration can be resumed, too."""
        with self.store.transaction() as tx:
            known = {one.name for one in self.digests} | {ALL, *deliveries.paused(tx)}
            if digest not in known:
                raise self._unknown(digest)
            return deliveries.resume(tx, digest)

    def still_paused(self) -> tuple[str, ...]:
        """What is paused now; "*" stands for all digests."""
        with self.store.reading() as tx:
            return deliveries.paused(tx)

    def cancel(self, digest: str) -> int:
        """Ends what waits; its papers are free again. Gives how many."""
        self._named(digest)
        with self.store.transaction() as tx:
            return deliveries.cancel(tx, digest, self.clock())

    def _retry(self, tx: Tx, one: Delivery) -> None:
        now = self.clock()
        if one.state in _REFUSED:
            what, remedy_ = _REFUSED[one.state]
            raise SendingRefused(what, where=_where(one), try_=remedy_)
        if deliveries.is_suppressed(tx, one.id):
            raise SendingRefused(
                "its reader must not be written to",
                where=_where(one),
                try_=f"digest suppressions remove {one.address}, if that is no longer so",
            )
        if one.state is DeliveryState.REJECTED and deliveries.later_edition(tx, one):
            raise SendingRefused(
                "a later edition was planned for this reader, and the papers may stand in it",
                where=_where(one),
                try_="leave it; nothing of it is lost",
            )
        _in_time(one, now)
        deliveries.force(tx, one.leader_id or one.id, DeliveryState.QUEUED, now=now, reason="")

    def _decision(self, decision: str) -> Callable[[Tx, Delivery], None]:
        if decision not in RESOLUTIONS:
            raise UsageError(
                f'there is no decision "{decision}"', where="--as", try_=f"one of {', '.join(RESOLUTIONS)}"
            )
        state, reason = RESOLUTIONS[decision]

        def decide(tx: Tx, one: Delivery) -> None:
            if one.state is not DeliveryState.UNCERTAIN:
                raise SendingRefused(
                    f"it is {one.state.value}, not uncertain",
                    where=_where(one),
                    try_="only what is uncertain is resolved",
                )
            now = self.clock()
            if state is DeliveryState.QUEUED:
                _in_time(one, now)
            oversight.decide(
                tx, one.leader_id or one.id, DeliveryState.UNCERTAIN, settled(state, now=now, reason=reason)
            )

        return decide

    def _each(
        self, which: Which, states: tuple[str, ...], work: Callable[[Tx, Delivery], None], *, dry_run: bool
    ) -> Changed:
        """Does ``work`` to each of the deliveries that were there at the beginning, in id order."""
        which = self.checked(
            Which(states=states, digest=which.digest, local_date=which.local_date, address=which.address)
        )
        if dry_run:
            return Changed(changed=sum(self.count(which).values()), refused={})
        changed, after = 0, 0
        refused: Counter[str] = Counter()
        while True:
            with self.store.transaction() as tx:
                some = oversight.ids(tx, which, after=after, limit=_AT_ONCE)
                for delivery_id in some:
                    one = _known(tx, delivery_id)
                    if one.state.value not in which.states:
                        changed += 1  # with the mail that joins them
                        continue
                    try:
                        work(tx, one)
                    except DigestError as error:
                        refused[error.what] += 1
                    else:
                        changed += 1
            if not some:
                return Changed(changed=changed, refused=refused)
            after = some[-1]

    def checked(self, which: Which) -> Which:
        """Raises UsageError for a state or a digest that does not exist; one that left the configuration does while
        the ledger holds deliveries of it.
        """
        for state in which.states:
            if state not in tuple(DeliveryState):
                raise UsageError(
                    f'there is no state "{state}"', where="--state", try_=f"one of {', '.join(DeliveryState)}"
                )
        digest = storable(which.digest)
        if digest and digest not in [one.name for one in self.digests]:
            with self.store.reading() as tx:
                if not deliveries.listing(tx, digest=digest, limit=1):
                    raise self._unknown(digest)
        return Which(
            states=which.states,
            digest=digest,
            local_date=which.local_date,
            address=storable(which.address),
        )

    def _named(self, digest: str) -> None:
        if digest != ALL and digest not in [one.name for one in self.digests]:
            raise self._unknown(digest)

    def _unknown(self, digest: str) -> UsageError:
        names = ", ".join(one.name for one in self.digests)
        return UsageError(
            f'there is no digest "{digest}"',
            where="--digest",
            try_=f"known are: {names}" if names else "add a [[digest]]",
        )


def shape(text: str) -> str:
    """An answer without what differs from mail to mail, so that equal answers are equal: at most 120 characters."""
    return _SAME.sub(_general, " ".join(text.split()))[:120]


def _general(found: re.Match[str]) -> str:
    return found[0] if found.lastgroup == "word" else f"({found.lastgroup})"


def _words(said: Any) -> str:
    """What was answered or noted, without the code, which is told beside it."""
    text: str = said.reason or said.remote
    code = " ".join(str(part) for part in (said.code, said.enhanced) if part)
    return text.removeprefix(code).lstrip() if code else text


def settled(state: DeliveryState, *, now: datetime, reason: str) -> dict[str, object]:
    """The values of a row that was decided about; what was answered before stays."""
    waits = state is DeliveryState.QUEUED
    return {"state": state.value, "reason": reason, "next_at": now, "settled_at": None if waits else now}


def message_id(tx: Tx, one: Delivery, keys: Keys, host: str) -> str:
    """What a mail is named in a relay's log, without the angle brackets; ``one`` leads where mails are joined."""
    return f"{message_id_of(one, keys)}@{message_host(tx, one.message_key) or host}"


def message_host(tx: Tx, key: MessageKey) -> str:
    """The right side of a message's Message-ID, from its own bytes; empty when they are no longer kept."""
    message = editions.message(tx, key)
    found = re.search(rb"^Message-ID: <@([^<>\s]+)>\r?$", message.content, re.MULTILINE) if message else None
    return found[1].decode("ascii", "replace") if found else ""


def _known(tx: Tx, delivery_id: int) -> Delivery:
    found = deliveries.one(tx, delivery_id) if 0 < delivery_id < 2**63 else None
    if found is None:
        raise NotFound("there is no such delivery", where=str(delivery_id), try_="`digest deliveries list` shows them")
    return found


def _in_time(one: Delivery, now: datetime) -> None:
    if one.expires_at is not None and one.expires_at < now and one.state not in OPEN_STATES:
        raise SendingRefused(
            f"its time ended at {one.expires_at:%Y-%m-%d %H:%M} UTC; it is too late to send it",
            where=_where(one),
            try_="leave it: rejected and lost papers come in the next edition",
        )


def _where(one: Delivery) -> str:
    return f"delivery {one.id}"


def _next(one: Delivery, folder: str) -> tuple[str, ...]:
    """``folder``: where it was written; empty for a relay that is a server."""
    ours = remedy(one.enhanced, one.remote) if one.state in (DeliveryState.REJECTED, DeliveryState.DEFERRED) else ""
    text = (_IN_FOLDER if folder else _NEXT).get(one.state, _NEXT[one.state])
    return tuple(filter(None, (ours, text.replace("{id}", str(one.id)).replace("{folder}", folder))))


def _told(one: Any) -> str:
    """What we noted of a row and what the server said, where the one does not hold the other."""
    if one.remote and one.remote[:100] not in one.reason:  # a reason may be cut
        return f"{one.reason}: {one.remote}" if one.reason else one.remote
    return one.reason


def _try(row: Any) -> Try:
    return Try(
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        code=row.code,
        enhanced=row.enhanced,
        remote=row.remote,
    )


def _last_try(row: Any, tries: list[Try]) -> Try | None:
    """The try that ended a delivery, or goes on: it is told by the delivery's own row."""
    state = DeliveryState(row.state)
    if row.tried_at is None or state not in _TRIED or any(one.started_at == row.tried_at for one in tries):
        return None
    on = state in OPEN_STATES
    return Try(
        started_at=row.tried_at,
        ended_at=None if on else row.settled_at,
        outcome="" if on else state.value,
        code=None if on else row.code,
        enhanced="" if on else row.enhanced,
        remote="" if on else _told(row),
    )


def _row(one: Delivery) -> DeliveryRow:
    waiting = one.state in (DeliveryState.QUEUED, DeliveryState.DEFERRED)
    return DeliveryRow(
        id=one.id,
        kind=one.kind,
        digest=one.digest,
        address=one.address,
        local_date=one.local_date,
        state=one.state.value,
        attempts=one.attempts,
        reason=one.reason,
        code=one.code,
        enhanced=one.enhanced,
        remote=one.remote,
        created_at=one.created_at,
        next_at=one.next_at if waiting else None,
        settled_at=one.settled_at,
        expires_at=one.expires_at,
    )
