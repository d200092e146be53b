"""Calls: how the processes of a fleet are woken.

A call says no more than that there may be work of a kind; what is to be done stands in our tables. So a call that is
lost, doubled, late or heard by two changes nothing but the hour. There waits at most one call of a kind: whoever finds
more than it takes calls again (``Wake``), and so one after the other comes until none is idle or nothing is left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.tasks import Task
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from digest.services.ports import Work
from digest.storage import queue
from digest.storage.base import Tx
from digest.storage.engine import Store

log = structlog.get_logger("digest")

#: What every worker listens to besides its roles.
_KEEPING = "keeping"
#: Above every call that waits: what a lost worker was called for comes first.
_RESCUED = 100
_KEPT_HOURS = 24
#: A slot that is due waits for so many turns of fetching at most.
_UNFETCHED = 5
#: Between tries to reach a database that is away.
_AGAIN_SECONDS = (1.0, 2.0, 5.0, 10.0)


class Calls:
    """One process' side of the queue. ``handlers``: what it does at a call, one call of a kind at a time."""

    def __init__(self, store: Store, handlers: Mapping[Work, Callable[[], object]] | None = None) -> None:
        self._handlers = dict(handlers or {})
        self._store = store
        url = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        # One listens for each role, and a few ask and answer.
        most = len(self._handlers) + 3
        self._connector = PsycopgConnector(
            conninfo=url, kwargs=store.driver_options, min_size=1, max_size=most, pool_factory=self._pool
        )
        self._queue = App(connector=self._connector)
        self._tasks: dict[Work, Task[Any, Any, Any]] = {work: self._task(work) for work in Work}

    def _pool(self, **options: Any) -> AsyncConnectionPool:
        options["check"] = self._check
        return AsyncConnectionPool(**options)

    async def _check(self, connection: AsyncConnection) -> None:
        """A broken connection is seldom alone. Tried one by one, with longer and longer pauses between, those of a
        database that was restarted would keep us waiting for half a minute: so all are looked at."""
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            await self._connector.pool.check()
            raise

    def wake(self, tx: Tx, work: Work) -> None:
        """A ``Wake``: calls when the transaction commits; one that waits already is enough."""
        if not queue.are_there(tx):
            return
        try:
            with tx.begin_nested():
                self._tasks[work].configure(connection=queue.driver(tx), queueing_lock=work.value).defer()
        except AlreadyEnqueued:
            return
        except ConnectorException as error:
            with self._store.explained_driver():
                raise error.__cause__ or error from error

    async def serve(self, *, pace: timedelta) -> None:
        """Hears and acts until it is cancelled; then what is under way ends first. ``pace``: how often everybody looks
        by himself, called or not.
        """
        asyncio.get_running_loop().set_exception_handler(_unheard)
        self._tick(pace)
        tries = 0
        while True:
            try:
                async with self._queue.open_async():
                    tries = 0
                    await self._roles()
            except (ConnectorException, OSError) as error:
                log.warning(
                    "the queue cannot be reached", problem=" ".join(str(error.__cause__ or error).split())[:200]
                )
            await asyncio.sleep(_AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)])
            tries += 1

    async def _roles(self) -> None:
        """One worker of the queue a role, so that a long send keeps nothing else waiting. Ends when one of them has."""
        roles = [
            asyncio.create_task(
                self._queue.run_worker_async(
                    queues=[work.value, _KEEPING],
                    name=work.value,
                    concurrency=1,
                    install_signal_handlers=False,
                    delete_jobs=DeleteJobCondition.SUCCESSFUL,
                )
            )
            for work in self._handlers
        ]
        try:
            await asyncio.wait(roles, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for role in roles:
                role.cancel()
            ended = await asyncio.gather(*roles, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception):
                raise end

    def _task(self, work: Work) -> Task[Any, Any, Any]:
        handler = self._handlers.get(work)

        def act(**_said: object) -> None:
            """What a call of another version says besides is not for us."""
            if handler is not None:
                handler()

        return cast("Task[Any, Any, Any]", self._queue.task(name=f"digest.{work}", queue=work.value)(act))

    def _tick(self, pace: timedelta) -> None:
        """By the minute: our roles are called, and what lost workers were called for is called out again.

        All workers do so; of those who do it at the same instant the queue takes one.
        """
        for work in self._handlers:
            if work is Work.PUBLISH:
                continue
            self._queue.periodic(cron=_cron(pace), periodic_id=work.value, queueing_lock=work.value)(self._tasks[work])
        if Work.PUBLISH in self._handlers:
            self._publish_late(_UNFETCHED * pace)

        async def rescue(timestamp: int = 0) -> None:
            await self._rescue()

        named = self._queue.task(name="digest.rescue", queue=_KEEPING, priority=_RESCUED)(rescue)
        self._queue.periodic(cron=_cron(pace), queueing_lock="rescue")(named)

    def _publish_late(self, after: timedelta) -> None:
        """Whoever has fetched calls for publishing. It goes on without where nobody fetches, or not in time."""
        started = time.monotonic()
        publish = self._handlers[Work.PUBLISH]

        def act(timestamp: int = 0) -> None:
            if time.monotonic() - started >= after.total_seconds():
                publish()

        late = self._queue.task(name="digest.late", queue=Work.PUBLISH.value)(act)
        self._queue.periodic(cron=_cron(after), queueing_lock="late")(late)

    async def _rescue(self) -> None:
        manager = self._queue.job_manager
        for job in await manager.get_stalled_jobs():
            assert job.id is not None
            try:
                await manager.retry_job(job, priority=_RESCUED)
                log.info("a worker was lost, its call goes out again", work=job.queue)
            except UniqueViolation:  # such a call waits already
                await manager.finish_job_by_id_async(job.id, status=Status.FAILED, delete_job=True)
        await manager.delete_old_jobs(_KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True)


def _cron(every: timedelta) -> str:
    """Every so many whole minutes, or seconds below one."""
    seconds = max(1, int(every.total_seconds()))
    return f"*/{seconds // 60} * * * *" if seconds >= 60 else f"* * * * * */{seconds}"


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody waited for what failed there. That the queue cannot be reached is told once, by whoever serves."""
    if not isinstance(context.get("exception"), ConnectorException):
        loop.default_exception_handler(context)


class PlainLog(logging.Handler):
    """What the queue says of trouble, as a line of our own log, without its insides."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("queue", said=record.getMessage()[:300])


def quieten() -> None:
    """The queue's own log is heard from its warnings on."""
    queue = logging.getLogger("procrastinate")
    queue.setLevel(logging.WARNING)
    queue.propagate = False
    queue.handlers = [PlainLog()]
    logging.getLogger("psycopg.pool").handlers = [PlainLog()]
    logging.getLogger("psycopg.pool").propagate = False
