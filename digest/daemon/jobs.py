"""The daemon's jobs: once a minute, what is due? Then the same service calls as the commands make.

Four jobs, none of which ever overlaps itself: ``look`` fetches and publishes, ``send`` delivers, ``tidy`` reads the
mailbox, raises alerts and prunes, ``ask`` looks up the people that readers follow. A long send therefore holds up no
fetch, and no slot. What is due is computed from our own tables, so a tick that was missed changes nothing but the
minute.

What points at itself is looked for after each work that made much of it, and by the minute (memory.py says why).
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from digest.app import App
from digest.daemon.standing import swapped
from digest.model.errors import DigestError
from digest.services.publishing.serving import PublishedSlot
from digest.services.sending.relays import RelayRow
from digest.web.figures import Job, Pulse

log = structlog.get_logger("digest")

JOBS = ("look", "send", "tidy", "ask")
#: Silences last for days.
_HEAR_EVERY = timedelta(minutes=20)
_PRUNE_EVERY = timedelta(days=1)
_PRUNE_AGAIN = timedelta(hours=1)
#: How often is looked whether somebody is to be asked for in a catalogue, and how many questions one minute may ask.
_ASK_EVERY = timedelta(hours=1)
_MOST_ASKED = 20


class Daemon:
    """One App and its ticks; ``reload`` swaps the App between two ticks."""

    def __init__(self, app: App, *, rebuild: Callable[[], App] | None = None, names: Sequence[str] = JOBS) -> None:
        """``names`` are those of its jobs, as monitoring knows them."""
        self.app = app
        self._names = names
        self.stop = threading.Event()
        self._rebuild = rebuild
        self._fetching = threading.Lock()
        self._publishing = threading.Lock()
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._asked_at: datetime | None = None
        self._prune_at: datetime | None = None
        self._read_at: datetime | None = None
        self._heard_at: datetime | None = None
        self._told = ""
        self._held = False
        """Whether all relays are, and it was told."""
        self.refused: tuple[datetime, str] | None = None
        """Since when no relay could be used, and why; None while one can."""
        self._started_at = app.clock()
        self._jobs: dict[str, Job] = {}

    def look(self) -> int:
        """Fetches what is due and publishes what is due; gives how many deliveries were planned."""
        # A slot that is due is published whatever became of the fetching.
        guarded("fetch", self.fetch, self)()
        return self.publish()

    def fetch(self) -> None:
        """Fetches what is due."""
        with self._fetching:
            for row in self.app.ingest.run(stop=self.stop):
                log.info(
                    "fetched",
                    source=row.id,
                    state=row.state.value,
                    new=row.new,
                    revised=row.revised,
                    detail=row.detail,
                    next_at=_iso(row.next_at),
                )

    def publish(self) -> int:
        """Publishes what is due; gives how many deliveries were planned."""
        return self._publish(lambda app, now: app.publish.run(now).slots)

    def publish_with_others(self) -> int:
        """Opens what is due, if nobody else has, and publishes a share of what is open."""

        def share(app: App, now: datetime) -> Sequence[PublishedSlot]:
            app.publish.open_due(now)
            return app.publish.work(now, self.stop)

        return self._publish(share)

    def _publish(self, work: Callable[[App, datetime], Sequence[PublishedSlot]]) -> int:
        with self._publishing:
            slots = work(self.app, self.app.clock())
            for slot in slots:
                log.info(
                    "published",
                    digest=slot.digest,
                    slot=slot.slot.key,
                    readers=slot.readers,
                    editions=slot.editions,
                    planned=slot.planned,
                    reason=slot.reason,
                    notes=list(slot.notes),
                )
            planned = sum(slot.planned for slot in slots)
        if planned:
            gc.collect()
        return planned

    def send(self) -> None:
        """Delivers what is due; a relay that cannot be used is told once, not every minute."""
        with self._sending:
            sent = self.app.deliver.run(stop=self.stop)
            if sent.tried:
                log.info("delivered", **dict(sent.outcomes))
                gc.collect()
            problem = str(sent.problem) if sent.problem else ""
            held = self._tell_of_held(bool(problem or sent.passed_over))
            # Relays that rest are told once, below, and not with fewer minutes each time.
            if problem and problem != self._told and (sent.tried or not held):
                log.error("relay", problem=problem)
            self._told = problem
            if sent.outcomes["accepted"] or (sent.tried and not problem):
                self.refused = None
            elif problem:
                self.refused = (self.refused[0] if self.refused else self.app.clock(), problem)

    def _tell_of_held(self, may_be: bool) -> bool:
        """Whether all relays are held, so that mails wait; it is told when that begins and when it ends.

        ``may_be``: some relay was passed over.
        """
        rows = self.app.relays.held_back() if may_be or self._held else ()
        if rows and not self._held:
            log.warning("no relay may take mails now, they wait", relays=[_why_held(row) for row in rows])
        elif self._held and not rows:
            log.info("mails wait for no relay any more")
        self._held = bool(rows)
        return self._held

    def on_the_wire(self) -> Mapping[str, object]:
        """What a stop waits for, as it is told: mails whose answer is awaited, and for how long at most."""
        try:
            mails: object = self.app.relays.on_the_wire(self.app.parts.holder)
        except DigestError as error:
            mails = f"unknown: {error.what}"
        minutes = max((outlet.relay.dot_timeout for outlet in self.app.deliver.outlets), default=0.0) / 60
        return {"mails_on_the_wire": mails, "at_most": f"{minutes:.0f} min"}

    def tidy(self) -> None:
        """Reads returned mail, raises alerts, prunes once a day."""
        now = self.app.clock()
        if self._read_at is None or now - self._read_at >= self.app.config.inbound.every:
            self._read_at = now
            obeyed = self.app.read_mailbox()
            if obeyed.left:
                log.info("unsubscribed by mail", mails=obeyed.left, subscriptions=obeyed.ended)
            if came := obeyed.hard + obeyed.soft + obeyed.complaints:
                log.info(
                    "came back",
                    reports=came,
                    hard=obeyed.hard,
                    soft=obeyed.soft,
                    complaints=obeyed.complaints,
                    suppressed=obeyed.suppressed,
                )
        for source in self.app.notify.sources():
            log.warning("source stays broken, the operator is told", source=source)
        if self._heard_at is None or now - self._heard_at >= _HEAR_EVERY:
            self._heard_at = now
            for name in self.app.notify.silences():
                log.warning("silent for unusually long, the operator is told", name=name)
        for digest in self.app.notify.deliveries(refused=self.refused or self.app.crew.refused()):
            log.warning("mails do not get through, the operator is told", digest=digest)
        if self._prune_at is None or now >= self._prune_at:
            self._prune(now)
            if (learnt := self.app.refit()) is not None:
                log.info("own prior", kept=learnt.kept, why=learnt.why)

    def _prune(self, now: datetime) -> None:
        self._prune_at = now + _PRUNE_AGAIN
        try:
            self.app.prune()
        except Exception:
            log.warning("what is old was not cleared away, it is tried again in an hour")
            raise
        self._prune_at = now + _PRUNE_EVERY

    def ask(self) -> None:
        """Asks the catalogues for followed people of whom a week was heard nothing."""
        with self._asking:
            now = self.app.clock()
            if self._asked_at is not None and now - self._asked_at < _ASK_EVERY:
                return
            asked = self.app.people.refresh(most=_MOST_ASKED, stop=self.stop)
            for answer in asked.answers:
                log.info("asked", person=answer.person, catalogue=answer.catalogue, state=answer.state, why=answer.why)
            if not asked.left or any(answer.state == "failed" for answer in asked.answers):
                self._asked_at = now

    def ended(self, name: str, *, failed: bool = False) -> None:
        """A job has come to its end."""
        before = self._jobs.get(name, Job(name=name))
        self._jobs[name] = replace(before, ended_at=self.app.clock(), failures=before.failures + failed)

    def pulse(self) -> Pulse:
        """How the jobs are doing, for monitoring."""
        jobs = tuple(self._jobs.get(name, Job(name=name)) for name in self._names)
        return Pulse(started_at=self._started_at, jobs=jobs, refused_since=self.refused[0] if self.refused else None)

    def tick(self) -> None:
        """Everything once, in order."""
        self.look()
        self.send()
        self.tidy()
        self.ask()

    def reload(self) -> None:
        """Reads the configuration again; a wrong one is told and the old one stays in force."""
        if self._rebuild is not None:
            swapped(self._rebuild, self._put)

    def _put(self, fresh: App) -> App:
        """A reload waits for what runs."""
        with self._fetching, self._publishing, self._sending, self._asking:
            old, self.app = self.app, fresh
        return old


def guarded(name: str, job: Callable[[], object], daemon: Daemon) -> Callable[[], None]:
    """A job whose trouble is told and never ends the daemon."""

    def safely() -> None:
        if daemon.stop.is_set():
            return
        try:
            job()
        except DigestError as error:
            log.error(name, problem=error.what, where=error.where, try_=error.try_)
            daemon.ended(name, failed=True)
        except Exception:
            log.exception(name, problem="a fault of ours; the next minute tries again")
            daemon.ended(name, failed=True)
        else:
            daemon.ended(name)

    return safely


def _why_held(row: RelayRow) -> str:
    until = f" until {row.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if row.until is not None else ""
    return f"{row.place}: {row.state}{until}" + (f", {row.detail}" if row.detail else "")


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
