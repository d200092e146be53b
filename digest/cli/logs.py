"""The log of a command that runs on: standard error, one event a line, for a person or, with --json, for a machine.

Whatever a library says goes the same way. Addresses of people and the tokens of their links are taken out of every
text: an exception may quote a row or a request.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from digest.cli.door import Door

_ADDRESS = re.compile(r"""[^\s<>"'(),;:/=@]+@(?=[\w-]+(\.[\w-]+)+)""")
_PASSWORD = re.compile(r"(?<=://)[^\s/@]*:[^\s/@]*(?=@)")
#: Readers' links end with a token, or with several joined by dots, or name a paper behind it; an operator's opens the
#: desk. A folder may be called data, so what stands in it is a token only where it is as long as one.
_TOKEN = re.compile(
    r"(/(?:(?:confirm|desk/enter|feedback|never|preferences|read|unsubscribe)/|(?:my)?data/(?=[\w=-]{16})))[\w.=-]{8,}"
)


def log_to_stderr(door: Door) -> None:
    level = logging.DEBUG if door.verbose else logging.WARNING if door.quiet else logging.INFO
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        without_people,
    ]
    # Its pretty tracebacks would show every variable.
    for_people = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    last: Processor = structlog.processors.JSONRenderer() if door.json else for_people
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    # A turn that a long send leaves out is the next minute's.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.captureWarnings(True)


def without_people(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """The event, with no address, password in a URL or token in any of its texts."""
    return cast(EventDict, _masked(event))


def _masked(told: object) -> object:
    if isinstance(told, str):
        return _TOKEN.sub(r"\1…", _ADDRESS.sub("…@", _PASSWORD.sub("…", told)))
    if isinstance(told, dict):
        return {key: _masked(value) for key, value in cast(dict[str, object], told).items()}
    if isinstance(told, list | tuple):
        return [_masked(one) for one in cast(list[object], told)]
    return told
