"""The mail that a query asks for, printed again when a template, the configuration or a profile file has changed.

Whatever goes wrong is told with the page, which meanwhile shows the last mail that could be printed. Takes a
configuration and a function that reads it anew; gives state (for the page) and frames (HTML). Safe to call from several
threads, one at a time prints.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING

from digest.cli.failures import Failure, failure
from digest.cli.workbench.clients import FRAMES, text_page
from digest.cli.workbench.excerpt import excerpt
from digest.cli.workbench.wish import LAYOUTS, Wish, granted
from digest.model.errors import ConfigError, TemplateError, UsageError
from digest.model.people import LANGUAGES

if TYPE_CHECKING:
    from digest.app import App
    from digest.config import Config
    from digest.model.editions import Digest, Edition
    from digest.model.mail import Message
    from digest.services.ports import Clock, Print
    from digest.services.publishing.preview import Preview, Previewed

_READERS, _SLOTS = 50, 14
#: So many wishes are remembered: somebody who compares goes to and fro.
_KEPT = 12
#: What does not pass by itself, as a busy database does.
_MENDED_BY_HAND = (TemplateError, ConfigError, UsageError)
#: What templates are made of. A folder may hold anything beside them, a whole installation.
_READ = (".j2", ".css", ".html", ".txt", ".svg")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proofs:
    """A mail as it was printed, and what it measures; without a mail ``reason`` says why. Times are milliseconds."""

    title: str
    slot: str
    reason: str
    notes: tuple[str, ...]
    html: str = ""
    text: str = ""
    sender: str = ""
    subject: str = ""
    preheader: str = ""
    printed: int = 0
    candidates: int = 0
    omitted: int = 0
    eml_bytes: int = 0
    composed_ms: float = 0.0
    first_ms: float = 0.0
    again_ms: float = 0.0

    @property
    def is_mail(self) -> bool:
        return bool(self.html)


@dataclass(slots=True)
class _Held:
    """What is known of one wish: the last good proofs, and what was wrong when it was printed last."""

    print: str
    proofs: Proofs | None
    wrong: Failure | None
    choices: Mapping[str, object]
    until: float
    """When it is tried again though nothing was edited; seconds of the monotonic clock."""

    @property
    def version(self) -> str:
        """Changes whenever a frame would."""
        shown = (self.proofs.html, self.proofs.text, self.proofs.reason) if self.proofs else ()
        return hashlib.sha256("\0".join(shown).encode("utf-8", "replace")).hexdigest()[:16]


class Bench:
    """Prints what is asked for. ``load`` reads the configuration again and raises ConfigError."""

    def __init__(
        self,
        config: Config,
        *,
        load: Callable[[], Config],
        clock: Clock,
        profiles: Iterable[Path] = (),
        patience: float = 2.0,
    ) -> None:
        self._config = config
        self._load = load
        self._clock = clock
        self._patience = patience
        self._profiles = {str(path): path for path in profiles}
        self._app: App | None = None
        self._read = fingerprint(self._config_files())
        self._opening = 0
        self._names: tuple[Path, ...] = ()
        self._wrong: Failure | None = None
        self._held: OrderedDict[Wish, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def state(self, wish: Wish, *, again: bool = False) -> dict[str, object]:
        """Everything the page shows but the frames, as JSON values. ``again`` prints it even if nothing changed."""
        with self._lock:
            held = self._look(wish, again)
            wrong = [_told(one, self._folders()) for one in (self._wrong, held.wrong) if one is not None]
            proofs = held.proofs
            return {
                "version": held.version,
                "errors": wrong,
                "stale": held.wrong is not None,
                "proofs": _measured(proofs) if proofs else None,
                "choices": held.choices,
                "frames": [{"name": f.name, "title": f.title, "note": f.note, "width": f.width} for f in FRAMES],
            }

    def frame(self, name: str, wish: Wish) -> str | None:
        """The HTML of a frame; None where there is none of that name."""
        frame = next((one for one in FRAMES if one.name == name), None)
        if frame is None:
            return None
        with self._lock:
            proofs = self._look(wish, False).proofs
        if proofs is None or not proofs.is_mail:
            return text_page("\n".join(("No mail.", proofs.reason, *proofs.notes)) if proofs else "")
        return frame.view(proofs.html if frame.part == "html" else proofs.text)

    def close(self) -> None:
        with self._lock:
            self._shut()

    def _shut(self) -> None:
        """What is printed next is printed by newly opened services."""
        self._opening += 1
        if self._app is not None:
            self._app.close()
            self._app = None

    def _look(self, wish: Wish, again: bool) -> _Held:
        # Before anything is read: what changes from here on is seen by the next look.
        now = fingerprint((*self._folders(), *self._config_files(), *self._profiles.values()))
        self._follow_config()
        self._follow_names()
        now = f"{self._opening} {now}"
        held = self._held.get(wish)
        if held is None or held.print != now or again or time.monotonic() > held.until:
            proofs, wrong, until = (held.proofs if held else None), None, math.inf
            try:
                proofs = self._printed(wish)
            except Exception as error:  # whatever it is, the page tells it and waits
                wrong = failure(error, "digest preview --serve")
                if not isinstance(error, _MENDED_BY_HAND):
                    until = time.monotonic() + self._patience
            held = _Held(print=now, proofs=proofs, wrong=wrong, choices=self._choices(wish), until=until)
            self._held[wish] = held
            while len(self._held) > _KEPT:
                self._held.popitem(last=False)
        self._held.move_to_end(wish)
        return held

    def _follow_config(self) -> None:
        """Reads the configuration again when its file changed; a wrong one leaves the old one in force."""
        now = fingerprint(self._config_files())
        if now == self._read:
            return
        self._read = now
        try:
            config = self._load()
        except Exception as error:
            self._wrong = failure(error, "digest preview --serve")
            return
        self._wrong = None
        self._config = config
        self._shut()

    def _follow_names(self) -> None:
        """Opens everything anew when a template came or went: a new file may hide one that is in use."""
        names = tuple(_files(self._folders()))
        if names != self._names:
            self._names = names
            self._shut()

    def _opened(self) -> App:
        if self._app is None:
            from digest.app import build

            self._app = build(self._config, clock=self._clock)
        return self._app

    def _printed(self, wish: Wish) -> Proofs:
        app, digest = self._opened(), self._digest(wish)
        timed = _Timed(app.preview.print_edition)
        preview: Preview = replace(app.preview, print_edition=timed)
        start = time.perf_counter()
        shown = granted(preview, digest, wish, profiles=self._profiles, afresh=True)
        return _proofs(shown, timed, time.perf_counter() - start)

    def _digest(self, wish: Wish) -> Digest:
        if wish.digest or len(self._config.digests) == 1:
            return self._config.digest(wish.digest or None)
        return self._config.digests[0] if self._config.digests else self._config.digest(None)

    def _choices(self, wish: Wish) -> dict[str, object]:
        """What the controls offer; as much of it as can be found out."""
        from digest.services.publishing.choices import latest_slots, readers

        try:
            digest = self._digest(wish)
            addresses = readers(self._opened().store, digest, _READERS)
            slots = latest_slots(digest, self._clock(), _SLOTS)
        except Exception:  # told already, by the attempt to print
            addresses, slots = (), ()
        return {
            "digests": [{"name": one.name, "title": one.title} for one in self._config.digests],
            "readers": addresses,
            "profiles": tuple(self._profiles),
            "languages": LANGUAGES,
            "layouts": LAYOUTS,
            "dates": [slot.local_date.isoformat() for slot in slots],
        }

    def _folders(self) -> tuple[Path, ...]:
        from digest.app.printing import template_folders

        return template_folders(self._config)

    def _config_files(self) -> tuple[Path, ...]:
        return (self._config.path,) if self._config.path else ()


class _Timed:
    """Prints twice, to tell what a template costs when it is read from what it costs in every further mail."""

    def __init__(self, print_edition: Print) -> None:
        self._print = print_edition
        self.first = self.again = 0.0

    def __call__(self, editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
        start = time.perf_counter()
        message = self._print(editions, digests)
        middle = time.perf_counter()
        self._print(editions, digests)
        self.again = time.perf_counter() - middle
        self.first += middle - start
        return message

    @property
    def seconds(self) -> float:
        return self.first + self.again


def _proofs(shown: Previewed, timed: _Timed, seconds: float) -> Proofs:
    from digest.services.publishing.documents import proof

    told = Proofs(title=shown.digest.title, slot=shown.slot.key, reason=shown.reason, notes=shown.notes)
    if shown.mail is None or shown.message is None or shown.edition is None:
        return told
    mail = proof(shown.mail)
    head = BytesParser(policy=policy.default).parsebytes(shown.mail, headersonly=True)
    return replace(
        told,
        html=mail.html,
        text=mail.text,
        sender=str(head["from"] or ""),
        subject=str(head["subject"] or ""),
        preheader=shown.message.preheader,
        printed=shown.edition.counts.printed,
        candidates=shown.edition.counts.candidates,
        omitted=len(shown.message.omitted),
        eml_bytes=len(mail.eml),
        composed_ms=max(0.0, seconds - timed.seconds) * 1000,
        first_ms=timed.first * 1000,
        again_ms=timed.again * 1000,
    )


def _measured(proofs: Proofs) -> dict[str, object]:
    from digest.services.publishing.documents import HTML_LIMIT

    told: dict[str, object] = asdict(proofs)
    html, text = str(told.pop("html")), str(told.pop("text"))
    return told | {
        "is_mail": proofs.is_mail,
        "html_bytes": len(html.encode("utf-8", "replace")),
        "text_bytes": len(text.encode("utf-8", "replace")),
        "limit_bytes": HTML_LIMIT,
    }


def _told(wrong: Failure, folders: Iterable[Path]) -> dict[str, object]:
    """An error with the lines it is about."""
    found = excerpt(wrong.where, folders)
    what = wrong.what
    if found is not None:
        # The error itself repeats the line, which stands below it here.
        what = what.partition(" – in: ")[0]
    return {
        "what": what,
        "where": wrong.where,
        "try": wrong.try_,
        "excerpt": asdict(found) if found else None,
    }


def fingerprint(paths: Iterable[Path]) -> str:
    """Changes when one of the files, or a template below one of the folders, is written, added or removed."""
    lines: list[str] = []
    for file in _files(paths):
        try:
            told = file.stat()
        except OSError:
            lines.append(f"{file} is away")  # removed meanwhile, which the next look sees again
            continue
        lines.append(f"{file} {told.st_mtime_ns} {told.st_size}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths that are files, and the templates below those that are folders."""
    for path in paths:
        if not path.is_dir():
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (Path(folder, name) for name in sorted(names) if name.endswith(_READ))
