"""Operators at the desk: logging in by password or by a link that works once, and who did what.

Sessions are rows: they end at logout, after a week, when the password in the configuration changes, and when the
operator is taken out of it. A browser holds a random secret, the database its hash.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from digest.delivery.tokens import address_key
from digest.model.desk import Deed, Operator
from digest.model.errors import NotFound
from digest.services.access import passwords
from digest.services.ports import Clock
from digest.services.readers.admission import network_of
from digest.storage import admission, desk
from digest.storage.base import Tx
from digest.storage.desk import Pass
from digest.storage.engine import Store

SESSION = timedelta(days=7)
LINK = timedelta(minutes=15)
_WINDOW = timedelta(minutes=15)
#: Tries in a window: of a name, wherever they come from, and of a network, whatever it names.
_MOST_OF_A_NAME, _MOST_OF_A_NETWORK = 20, 10
_MOST_PAGE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An operator who is logged in. ``csrf`` stands in every form of the desk; another site cannot know it."""

    operator: str
    secret: str = field(repr=False)

    @property
    def csrf(self) -> str:
        return hmac.digest(self.secret.encode(), b"desk form", "sha256").hex()[:32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operators:
    """The desk's door and its log."""

    store: Store
    known: tuple[Operator, ...]
    lasting: bytes = field(repr=False)
    public_url: str
    new_secret: Callable[[], str]
    clock: Clock

    @property
    def enabled(self) -> bool:
        return bool(self.known)

    def log_in(self, name: str, password: str, peer: str) -> Session | None:
        """A session; None for a wrong name or password, and after too many tries. ``peer`` is an IP address.

        Takes 32 MB and 0.2 s of a processor, so let few call it at once.
        """
        if not self._may_try(name, peer):
            return None
        operator = self._operator(name)
        line = operator.password_hash if operator is not None and operator.password_hash else passwords.NOBODY
        is_right = passwords.fits(password, line)
        if operator is None or not is_right:
            return None
        with self.store.transaction() as tx:
            return self._open(tx, operator, f"password, from {network_of(peer)}")

    def new_link(self, name: str) -> str:
        """The URL of a page that logs an operator in once, within a quarter of an hour. Raises NotFound."""
        operator = self._operator(name)
        if operator is None:
            names = ", ".join(one.name for one in self.known)
            raise NotFound(
                "is no operator",
                where=name,
                try_=f"known are {names}" if names else "add an [[operator]] to the configuration",
            )
        secret, now = self.new_secret(), self.clock()
        with self.store.transaction() as tx:
            desk.add_link(tx, self._pass(operator, secret, LINK))
            desk.note(tx, Deed(at=now, who=operator.name, deed="make link", about=f"operator {operator.name}"))
        return f"{self.public_url}/desk/enter/{secret}"

    def is_link(self, secret: str) -> bool:
        """Whether a link would still log somebody in; looking uses nothing up."""
        with self.store.reading() as tx:
            return self._valid(desk.link(tx, _hash(secret))) is not None

    def enter(self, secret: str, peer: str) -> Session | None:
        """Uses a link up; None for one that is used, too old or not ours."""
        with self.store.transaction() as tx:
            operator = self._valid(desk.link(tx, _hash(secret)))
            if operator is None or not desk.use_link(tx, _hash(secret)):
                return None
            return self._open(tx, operator, f"link, from {network_of(peer)}")

    def session(self, secret: str) -> Session | None:
        """Whose secret it is; None for one that is over or not ours."""
        if not secret or not self.known:
            return None
        with self.store.reading() as tx:
            operator = self._valid(desk.session(tx, _hash(secret)))
        return None if operator is None else Session(operator=operator.name, secret=secret)

    def log_out(self, session: Session) -> None:
        with self.store.transaction() as tx:
            if desk.end_session(tx, _hash(session.secret)):
                desk.note(tx, self._deed(session.operator, "log out"))

    def log_out_everywhere(self, name: str, *, who: str = "") -> int:
        """Ends all sessions and unused links of an operator; gives how many sessions that were."""
        with self.store.transaction() as tx:
            ended = desk.end_all(tx, name)
            desk.note(tx, Deed(at=self.clock(), who=who or name, deed="end sessions", about=f"operator {name}"))
        return ended

    def sessions(self) -> tuple[Pass, ...]:
        with self.store.reading() as tx:
            return tuple(one for one in desk.sessions(tx, self.clock()) if self._valid(one) is not None)

    def note(self, who: str, deed: str, about: str = "", detail: str = "") -> None:
        """Writes into the log what somebody did. ``about`` names no person: "subscriber 12", "source hf"."""
        with self.store.transaction() as tx:
            desk.note(tx, Deed(at=self.clock(), who=who, deed=deed, about=about[:300], detail=detail[:2_000]))

    def log(self, *, limit: int = 100, before: int | None = None, who: str = "", about: str = "") -> tuple[Deed, ...]:
        """The newest deeds first; ``before`` is the id of the last one read."""
        with self.store.reading() as tx:
            return desk.read_deeds(tx, limit=min(limit, _MOST_PAGE), before=before, who=who, about=about)

    def _may_try(self, name: str, peer: str) -> bool:
        """Counts a try, right or wrong. A network that had its share locks no operator out."""
        keys: Mapping[str, int] = {
            address_key(f"desk network {network_of(peer)}", self.lasting): _MOST_OF_A_NETWORK,
            address_key(f"desk operator {name[:200]}", self.lasting): _MOST_OF_A_NAME,
        }
        now = self.clock()
        with self.store.transaction() as tx:
            return all(admission.take(tx, key, now=now, window=_WINDOW, limit=most) for key, most in keys.items())

    def _open(self, tx: Tx, operator: Operator, how: str) -> Session:
        secret = self.new_secret()
        desk.add_session(tx, self._pass(operator, secret, SESSION))
        desk.note(tx, self._deed(operator.name, "log in", how))
        return Session(operator=operator.name, secret=secret)

    def _deed(self, name: str, deed: str, detail: str = "") -> Deed:
        return Deed(at=self.clock(), who=name, deed=deed, about=f"operator {name}", detail=detail)

    def _pass(self, operator: Operator, secret: str, lasts: timedelta) -> Pass:
        now = self.clock()
        return Pass(
            key=_hash(secret),
            operator=operator.name,
            standing=self._standing(operator),
            made_at=now,
            ends_at=now + lasts,
        )

    def _valid(self, one: Pass | None) -> Operator | None:
        operator = None if one is None else self._operator(one.operator)
        if one is None or operator is None or one.ends_at <= self.clock():
            return None
        return operator if hmac.compare_digest(one.standing, self._standing(operator)) else None

    def _standing(self, operator: Operator) -> str:
        """Changes with the password, so that a new one ends what the old one opened."""
        return address_key(f"desk standing {operator.name} {operator.password_hash}", self.lasting)

    def _operator(self, name: str) -> Operator | None:
        return next((one for one in self.known if one.name == name), None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
