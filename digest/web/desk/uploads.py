"""Tables that an operator brought, from the upload over the dry run to what became of them. Does I/O.

They lie in files without a name: whatever ends this process, nothing of them stays behind. Each belongs to the session
that brought it, and is dropped an hour after it was last looked at.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import BinaryIO

import structlog
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from digest.model.errors import DigestError, InputError, NotFound
from digest.services.readers.people_csv import Foreseen
from digest.services.readers.table import Imported
from digest.web.desk.door import told
from digest.web.forms import TooLarge, announced

#: Two million readers with a profile each.
MOST_BYTES = 256 << 20
_LASTS = timedelta(hours=1)
#: Files that lie here at a time.
_MOST_HELD = 4
_MOST_NAME = 200

log = structlog.get_logger("digest")


class Stage(StrEnum):
    BROUGHT = "brought"
    TRYING = "trying"
    TRIED = "tried"
    TAKING = "taking"
    TAKEN = "taken"
    FAILED = "failed"


@dataclass(slots=True)
class Upload:
    """One table. ``row`` and ``share`` (0 to 1) say how far a running stage is."""

    token: str
    owner: str
    """What only the session that brought it knows."""
    what: str
    """What it lists: subscribers or suppressions."""
    name: str
    file: BinaryIO
    size: int
    seen_at: datetime
    stage: Stage = Stage.BROUGHT
    row: int = 0
    share: float = 0.0
    foreseen: Foreseen | None = None
    imported: Imported | None = None
    problem: tuple[str, ...] = ()

    @property
    def is_running(self) -> bool:
        return self.stage in (Stage.TRYING, Stage.TAKING)

    @property
    def may_be_taken(self) -> bool:
        """Whether the dry run is over: also after a taking that stopped, for what was taken is not taken twice."""
        return self.stage is Stage.TRIED or (self.stage is Stage.FAILED and self.foreseen is not None)

    def reached(self, row: int) -> None:
        self.row = row
        self.share = min(1.0, self.file.tell() / self.size) if self.size else 1.0


Work = Callable[[Upload], None]


@dataclass(frozen=True, slots=True)
class Uploads:
    """What lies here, and the one thread at a time that works on it."""

    _held: dict[str, Upload] = field(default_factory=dict[str, Upload])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def add(self, request: Request, *, owner: str, what: str, now: datetime) -> Upload:
        """Keeps what ``read_upload`` read. Raises InputError where there is no file, or no room for it."""
        came: UploadFile | None = getattr(request.state, "upload", None)
        if came is None or not came.size:
            raise InputError("no file came, or an empty one", where="the form", try_="choose a CSV file")
        with self._lock:
            self._sweep(now)
            if len(self._held) >= _MOST_HELD:
                raise InputError(
                    f"{len(self._held)} tables lie here already", where="the upload", try_="finish or drop one of them"
                )
            one = Upload(
                token=secrets.token_urlsafe(16),
                owner=owner,
                what=what,
                name=(came.filename or "table.csv")[:_MOST_NAME],
                file=came.file,
                size=came.size,
                seen_at=now,
            )
            self._held[one.token] = one
            return one

    def get(self, token: str, *, owner: str, what: str, now: datetime) -> Upload:
        """Raises NotFound for one that is not this session's, is too old, or was lost as the daemon ended."""
        with self._lock:
            self._sweep(now)
            one = self._held.get(token)
            if one is None or one.owner != owner or one.what != what:
                raise NotFound("this table is not here any more", where="the upload", try_="upload it again")
            one.seen_at = now
            return one

    def drop(self, one: Upload) -> None:
        with self._lock:
            if not one.is_running and self._held.pop(one.token, None) is not None:
                one.file.close()

    def start(self, one: Upload, stage: Stage, work: Work) -> bool:
        """Begins a stage in a thread of its own; False where it is not its turn, as for a form that comes twice."""
        with self._lock:
            is_next = one.stage is Stage.BROUGHT if stage is Stage.TRYING else one.may_be_taken
            if not is_next:
                return False
            one.stage, one.row, one.share = stage, 0, 0.0
        threading.Thread(target=self._run, args=(one, work), name=f"desk {stage.value}", daemon=True).start()
        return True

    def _run(self, one: Upload, work: Work) -> None:
        with self._turn:
            try:
                work(one)
                one.stage = Stage.TRIED if one.stage is Stage.TRYING else Stage.TAKEN
            except DigestError as error:
                one.problem, one.stage = tuple(told(error)), Stage.FAILED
            except Exception:
                log.exception("an import stopped", row=one.row)
                one.problem, one.stage = ("It stopped by a fault of ours; the log says more.",), Stage.FAILED

    def _sweep(self, now: datetime) -> None:
        for token, one in list(self._held.items()):
            if now - one.seen_at > _LASTS and not one.is_running:
                del self._held[token]
                one.file.close()


async def read_upload(request: Request) -> Mapping[str, list[str]]:
    """The fields of a multipart form; its file is left in ``request.state.upload``. Raises TooLarge, and InputError for
    a body that is no such form.
    """
    if announced(request) > MOST_BYTES:
        raise TooLarge
    parser = MultiPartParser(request.headers, _limited(request), max_files=1, max_fields=10, max_part_size=64_000)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError):
        return {}
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            request.state.upload = value
        else:
            fields.setdefault(name, []).append(value)
    return fields


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > MOST_BYTES:
            raise TooLarge
        yield chunk
