"""The daemon's figures as Prometheus knows them: what `digest status` tells, and how the daemon's jobs are doing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from digest import __version__
from digest.services.ports import Work
from digest.services.status.fleet import FleetStatus
from digest.services.status.report import Status

#: Jobs that take minutes at most, and for how long one of them may not end before it stands still. A send or a round of
#: questions may rightly take hours: of a send that stands still, the oldest open delivery tells.
BRIEF, STILL = ("look", "tidy"), timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """How one of the daemon's jobs is doing. ``ended_at`` is None before its first end."""

    name: str
    ended_at: datetime | None = None
    failures: int = 0
    """Since the process started."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulse:
    """What the daemon knows of itself."""

    started_at: datetime
    jobs: tuple[Job, ...]
    refused_since: datetime | None = None
    """Since when no relay takes anything."""

    def standing_still(self, now: datetime) -> tuple[Job, ...]:
        """Brief jobs that have not come to an end for long, also since the start."""
        return tuple(one for one in self.jobs if one.name in BRIEF and now - (one.ended_at or self.started_at) > STILL)


class Figures(Collector):
    """Status and pulse as metrics; worked out at each question, so nothing is counted twice or left over."""

    def __init__(self, told: Callable[[], tuple[Status, FleetStatus, Pulse]]) -> None:
        self._told = told

    def describe(self) -> Iterable[Metric]:
        return ()  # else registering would already read the store

    def collect(self) -> Iterator[Metric]:
        status, fleet, pulse = self._told()
        yield _gauge("build_info", "The version that runs.", {(__version__,): 1}, "version")
        yield from _of_sources(status)
        yield from _of_digests(status)
        yield from _of_mails(status)
        if fleet.is_one:
            yield from _of_fleet(fleet)
        yield from _of_jobs(pulse)


def _of_sources(status: Status) -> Iterator[Metric]:
    sources = status.sources
    yield _gauge("source_state", "1 for the state that a source is in.",
                 {(one.id, one.state or "new"): 1 for one in sources}, "source", "state")  # fmt: skip
    yield _gauge("source_failures", "Failures in a row.", {(one.id,): one.failures for one in sources}, "source")
    yield _instants("source_last_success", "When a source was last read without trouble.",
                    {(one.id,): one.last_ok_at for one in sources}, "source")  # fmt: skip
    yield _instants("source_last_news", "When a source last had something new.",
                    {(one.id,): one.last_new_at for one in sources}, "source")  # fmt: skip
    yield _gauge("source_unusually_silent", "1 for a source that is silent for unusually long by its own rhythm.",
                 {(one.id,): int(bool(one.silence)) for one in sources}, "source")  # fmt: skip
    yield _gauge("entries", "Papers held.", {(): status.entries})


def _of_digests(status: Status) -> Iterator[Metric]:
    digests = status.digests
    yield _gauge("readers", "Confirmed readers.", {(one.name,): one.readers for one in digests}, "digest")
    yield _gauge("digest_paused", "1 while a digest's deliveries are paused.",
                 {(one.name,): int(one.paused) for one in digests}, "digest")  # fmt: skip
    yield _gauge("last_slot_papers", "Papers that the last slot printed.",
                 {(one.name,): one.printed for one in digests}, "digest")  # fmt: skip
    yield _instants("due_slot", "The newest slot that was due by now.",
                    {(one.name,): _instant_of(one.due_slot) for one in digests}, "digest")  # fmt: skip
    yield _instants("last_slot", "The last slot that was published.",
                    {(one.name,): _instant_of(one.last_slot) for one in digests}, "digest")  # fmt: skip
    yield _gauge("slot_readers_to_serve", "Readers of a slot that is being published who are still to be served.",
                 {(one.digest, one.slot): one.waiting for one in status.open_slots}, "digest", "slot")  # fmt: skip
    yield _instants("next_slot", "The next slot.",
                    {(one.name,): _instant_of(one.next_slot) for one in digests}, "digest")  # fmt: skip


def _of_mails(status: Status) -> Iterator[Metric]:
    oldest = status.oldest_open.created_at if status.oldest_open else None
    yield _gauge("deliveries", "Deliveries held, by state; old ones are pruned.",
                 {(state,): number for state, number in status.deliveries.items()}, "state")  # fmt: skip
    yield _gauge("backlog", "Deliveries still to be sent, the deferred ones included.", {(): status.backlog})
    yield _instants("oldest_open_created", "When the delivery that waits for longest was planned.", {(): oldest})
    yield _gauge("bounces_week", "Reports of the last seven days.",
                 {(kind,): number for kind, number in status.bounces.items()}, "kind")  # fmt: skip
    yield _gauge("suppressions", "Addresses that get no mail.",
                 {(reason,): number for reason, number in status.suppressions_by_reason.items()}, "reason")  # fmt: skip


def _of_fleet(fleet: FleetStatus) -> Iterator[Metric]:
    living = fleet.living
    roles = [role for one in living for role in one.roles]
    yield _gauge("workers", "Workers that gave a sign of life lately, by role.",
                 {(work.value,): roles.count(work.value) for work in Work}, "role")  # fmt: skip
    yield _gauge("workers_lost", "Workers that fell silent within a day.", {(): len(fleet.lost)})
    yield _gauge("worker_info", "The version that a worker runs.",
                 {(one.holder, one.version): 1 for one in living}, "worker", "version")  # fmt: skip
    yield _gauge("worker_clock_ahead_seconds", "By how much a worker's clock is ahead of the database's.",
                 {(one.holder,): one.ahead for one in living}, "worker")  # fmt: skip
    yield _gauge("calls_waiting", "Calls that nobody has heard yet.",
                 {(one.work,): one.waiting for one in fleet.calls}, "work")  # fmt: skip
    yield _instants("call_oldest", "Since when the oldest call of a kind waits.",
                    {(one.work,): one.oldest for one in fleet.calls}, "work")  # fmt: skip
    accepted = CounterMetricFamily(
        "digest_accepted", "Mails a relay took from a worker.", labels=["worker", "relay", "domain"]
    )
    for one in living:
        for relay, domains in one.accepted.items():
            for domain, number in domains.items():
                accepted.add_metric([one.holder, relay, domain], number)
    yield accepted
    if fleet.connections is not None:
        yield _gauge("database_connections", "Connections of the database server in use.",
                     {(): fleet.connections.used})  # fmt: skip
        yield _gauge("database_connections_max", "Connections that it gives at most.",
                     {(): fleet.connections.most})  # fmt: skip


def _of_jobs(pulse: Pulse) -> Iterator[Metric]:
    yield _instants("job_end", "When a job of the daemon last came to an end.",
                    {(job.name,): job.ended_at for job in pulse.jobs}, "job")  # fmt: skip
    failures = CounterMetricFamily("digest_job_failures", "Turns of a job that ended in trouble.", labels=["job"])
    for job in pulse.jobs:
        failures.add_metric([job.name], job.failures)
    yield failures
    yield _instants("relays_refuse_since", "Since when no mail server takes anything.", {(): pulse.refused_since})


def _gauge(name: str, about: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    family = GaugeMetricFamily(f"digest_{name}", about, labels=labels)
    for given, value in values.items():
        family.add_metric(given, value)
    return family


def _instants(name: str, about: str, values: Mapping[tuple[str, ...], datetime | None], *labels: str) -> Metric:
    """Instants in seconds since 1970; one that has not come yet has no sample."""
    known = {given: at.timestamp() for given, at in values.items() if at is not None}
    return _gauge(f"{name}_timestamp_seconds", about, known, *labels)


def _instant_of(slot: str | None) -> datetime | None:
    """Of a slot's key, ``YYYY-MM-DD@UTC-INSTANT``."""
    return datetime.fromisoformat(slot.partition("@")[2]) if slot else None
