"""The daemon door: once a minute, what is due? Then the same service calls as the commands make.

Four jobs, none of which ever overlaps itself: ``look`` fetches and publishes, ``send`` delivers, ``tidy`` reads the
mailbox, raises alerts and prunes, ``ask`` looks up the people that readers follow. A long send therefore holds up no
fetch, and no slot. APScheduler lives here only;
what is due is computed from our own tables, so a tick that was missed changes nothing but the minute.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler  # pyright: ignore[reportMissingTypeStubs]

from digest.app import App
from digest.model.errors import DigestError
from digest.web.application import application
from digest.web.figures import Job, Pulse
from digest.web.monitor import Monitor
from digest.web.server import WebServer

log = structlog.get_logger("digest")

_JOBS = ("look", "send", "tidy", "ask")
#: Silences last for days.
_HEAR_EVERY = timedelta(minutes=20)
_PRUNE_EVERY = timedelta(days=1)
#: How often is looked whether somebody is to be asked for in a catalogue, and how many questions one minute may ask.
_ASK_EVERY = timedelta(hours=1)
_MOST_ASKED = 20


class Daemon:
    """One App and its ticks; ``reload`` swaps the App between two ticks."""

    def __init__(self, app: App, *, rebuild: Callable[[], App] | None = None) -> None:
        self.app = app
        self.stop = threading.Event()
        self._rebuild = rebuild
        self._turn = threading.RLock()
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._asked_at: datetime | None = None
        self._pruned_at: datetime | None = None
        self._read_at: datetime | None = None
        self._heard_at: datetime | None = None
        self._told = ""
        self.refused: tuple[datetime, str] | None = None
        """Since when no relay could be used, and why; None while one can."""
        self._started_at = app.clock()
        self._jobs: dict[str, Job] = {}

    def look(self) -> int:
        """Fetches what is due and publishes what is due; gives how many deliveries were planned."""
        with self._turn:
            # A slot that is due is published whatever became of the fetching.
            _guarded("fetch", self._fetch, self)()
            published = self.app.publish.run(self.app.clock())
            for slot in published.slots:
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
            return sum(slot.planned for slot in published.slots)

    def _fetch(self) -> None:
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

    def send(self) -> None:
        """Delivers what is due; a relay that cannot be used is told once, not every minute."""
        with self._sending:
            sent = self.app.deliver.run(stop=self.stop)
            if sent.tried:
                log.info("delivered", **dict(sent.outcomes))
            problem = str(sent.problem) if sent.problem else ""
            if problem and problem != self._told:
                log.error("relay", problem=problem)
            self._told = problem
            if sent.outcomes["accepted"] or (sent.tried and not problem):
                self.refused = None
            elif problem:
                self.refused = (self.refused[0] if self.refused else self.app.clock(), problem)

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
        for digest in self.app.notify.deliveries(refused=self.refused):
            log.warning("mails do not get through, the operator is told", digest=digest)
        if self._pruned_at is None or now - self._pruned_at >= _PRUNE_EVERY:
            self._pruned_at = now
            self.app.prune()
            if (learnt := self.app.refit()) is not None:
                log.info("own prior", kept=learnt.kept, why=learnt.why)

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
        jobs = tuple(self._jobs.get(name, Job(name=name)) for name in _JOBS)
        return Pulse(started_at=self._started_at, jobs=jobs, refused_since=self.refused[0] if self.refused else None)

    def tick(self) -> None:
        """Everything once, in order."""
        self.look()
        self.send()
        self.tidy()
        self.ask()

    def reload(self) -> None:
        """Reads the configuration again; a wrong one is told and the old one stays in force."""
        if self._rebuild is None:
            return
        _notify("RELOADING=1")
        try:
            fresh = self._rebuild()
        except DigestError as error:
            log.error("not reloaded, the old configuration stays", problem=str(error))
        else:
            with self._turn, self._sending, self._asking:
                old, self.app = self.app, fresh
            old.close()
            log.info("reloaded")
        _notify("READY=1")


def run(app: App, *, rebuild: Callable[[], App] | None = None) -> int:
    """Runs until SIGTERM or SIGINT, drains, and gives the exit code 0. Raises DigestError when it cannot start."""
    daemon = Daemon(app, rebuild=rebuild)
    servers = serve(daemon)
    ear = _listen()
    scheduler = _schedule(daemon)
    scheduler.start()  # pyright: ignore[reportUnknownMemberType]
    listening = {name: server.where for name, server in servers.items()}
    log.info("started", database=app.store.where, **{"web": "off", **listening})
    _notify("READY=1")
    while True:
        heard = _hear(ear)
        _notify("WATCHDOG=1")
        if signal.SIGTERM in heard or signal.SIGINT in heard:
            break
        if signal.SIGHUP in heard:
            # Not here: a reload waits for a running send, and meanwhile a stop must still be heard.
            scheduler.add_job(  # pyright: ignore[reportUnknownMemberType]
                _guarded("reload", daemon.reload, daemon), id="reload", replace_existing=True
            )
    _notify("STOPPING=1")
    log.info("stopping")
    daemon.stop.set()
    daemon.app.hurry()
    scheduler.shutdown(wait=True)  # pyright: ignore[reportUnknownMemberType]
    for server in servers.values():
        server.close()
    daemon.app.close()
    log.info("stopped")
    return 0


def serve(daemon: Daemon) -> dict[str, WebServer]:
    """What listens: readers' pages, and what monitoring asks. Raises DigestError when an address is taken."""
    settings, servers = daemon.app.config.web, dict[str, WebServer]()
    if settings.enabled:
        servers["web"] = WebServer(application(lambda: daemon.app), settings.bind, option="web.bind")
    if settings.monitor:
        monitor = Monitor(lambda: daemon.app, daemon.pulse)
        servers["monitor"] = WebServer(monitor.application(), settings.monitor, option="web.monitor")
    return servers


def _listen() -> socket.socket:
    """Where the numbers of our signals arrive, each as a byte.

    Written at once by the interpreter: an Event set in a handler may be seen only when its wait times out.
    """
    ear, mouth = socket.socketpair()
    ear.settimeout(20.0)
    mouth.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(mouth.detach())
    return ear


def _hear(ear: socket.socket) -> bytes:
    """The signals that came; empty after a while without."""
    try:
        return ear.recv(64)
    except TimeoutError:
        return b""


def _schedule(daemon: Daemon) -> BackgroundScheduler:
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600}
    )

    def look() -> None:
        if daemon.look():
            now = datetime.now(UTC)
            scheduler.modify_job("send", next_run_time=now)  # pyright: ignore[reportUnknownMemberType]

    for name, job in zip(_JOBS, (look, daemon.send, daemon.tidy, daemon.ask), strict=True):
        scheduler.add_job(  # pyright: ignore[reportUnknownMemberType]
            _guarded(name, job, daemon), "cron", minute="*", second=0, id=name, next_run_time=datetime.now(UTC)
        )
    return scheduler


def _guarded(name: str, job: Callable[[], object], daemon: Daemon) -> Callable[[], None]:
    """A job whose trouble is told and never ends the daemon."""

    def guarded() -> None:
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

    return guarded


def _notify(state: str) -> None:
    """sd_notify(3): tells systemd how we are, where it listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            log.warning("systemd cannot be told", state=state)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
