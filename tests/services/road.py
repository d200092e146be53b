"""A whole installation for tests of the road: the real App over a fresh database, mails into a folder, a clock to turn.

Works come in through the real diff, as if a feed had brought them.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import cache
from pathlib import Path

from digest.app import App, build
from digest.config import from_table
from digest.entries.diff import diff
from digest.model.editions import Digest, Edition
from digest.model.feeds import EntryData, EntryId, Source, SourceId
from digest.model.mail import DeliveryState, Message, Outcome, OutcomeKind
from digest.model.people import Subscription
from digest.rendering.render import Renderer, default_template_folder
from digest.services.fetching.keeping import keep, known
from digest.services.publishing.preview import Previewed
from digest.services.publishing.publish import Published
from digest.services.readers.subscribe import Choices
from digest.storage import deliveries, editions, sending
from tests.apps import having

#: A Monday, 07:30 in Berlin.
SLOT = datetime(2026, 5, 4, 5, 30, tzinfo=UTC)
DAY = timedelta(days=1)
Table = Mapping[str, object]


@cache
def _renderer() -> Renderer:
    """One for all tests: inlining the templates' CSS takes longer than a test."""
    return Renderer((default_template_folder(),))


def table(url: str, *digests: Table, **sections: object) -> dict[str, object]:
    """A configuration: a folder as mail server, three sources that nobody fetches, the digests given."""
    every = [
        {"title": str(one["name"]).title(), "send_at": "07:30", "timezone": "Europe/Berlin", **one} for one in digests
    ]
    return {
        "database": {"url": url},
        "mail": {"from": "Digest <digest@example.org>"},
        "smtp": {"transport": "folder", "path": "out", "connections": 1},
        "web": {"enabled": False, "public_url": "https://digest.example.org"},
        "fetch": {"arxiv_api": ""},
        "source": [
            {"id": name, "kind": "feed", "url": f"https://{name}.example.org/feed"} for name in ("hf", "lab", "zoo")
        ],
        "digest": every or [{"name": "daily", "title": "Daily", "send_at": "07:30", "timezone": "Europe/Berlin"}],
        **sections,
    }


def paper(number: int, **fields: object) -> EntryData:
    """What a feed says of a paper; numbers make arXiv ids."""
    known: dict[str, object] = {
        "key": f"2605.{number:05d}",
        "title": f"Tidal gauges number {number} and the people who read them",
        "url": f"https://arxiv.org/abs/2605.{number:05d}",
        "abstract": f"Gauge {number} was read at dawn for a year; what was written down is compared with the sea.",
        "authors": (f"Ada Reader{number}", "Bo Writer"),
        "categories": ("cs.CL",),
        "arxiv_id": f"2605.{number:05d}",
        "upvotes": 100 - number,
        **fields,
    }
    return EntryData(**known)  # type: ignore[arg-type]


@dataclass
class Road:
    """One installation."""

    folder: Path
    url: str
    app: App
    now: datetime = SLOT + timedelta(minutes=1)
    printed: list[tuple[Edition, ...]] = field(default_factory=list)
    """The editions of every call of the printer."""

    @classmethod
    def open(cls, folder: Path, url: str, *digests: Table, **sections: object) -> Road:
        folder.mkdir(exist_ok=True)
        road = cls(folder, url, None)  # type: ignore[arg-type]
        road.use(*digests, **sections)
        return road

    def use(self, *digests: Table, **sections: object) -> None:
        """(Re)builds the App over the same database, as a restart with this configuration does."""
        if self.app is not None:
            self.app.close()
        config = from_table(table(self.url, *digests, **sections), folder=self.folder)
        app = build(config, clock=lambda: self.now)
        vars(app.parts).update(renderer=_renderer())
        real = app.publish.print_edition

        def counting(editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
            self.printed.append(editions)
            return real(editions, digests)

        self.app = having(app, publish=replace(app.publish, print_edition=counting))

    def narrow(self, room: int) -> None:
        """From now on a mail has room for so many papers only, as if they were of extreme size."""
        real = self.app.publish.print_edition

        def printing(editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
            shown: list[Edition] = []
            omitted: list[tuple[str, int]] = []
            left = room
            for edition in editions:
                omitted += [(edition.key, item.position) for item in edition.items[left:]]
                shown.append(_first_of(edition, left))
                left = max(0, left - edition.counts.printed)
            return replace(real(tuple(shown), digests), omitted=tuple(omitted))

        publish = replace(self.app.publish, print_edition=printing)
        preview = replace(self.app.preview, print_edition=printing)
        self.app = having(self.app, publish=publish, preview=preview)

    def digest(self, name: str = "") -> Digest:
        return self.app.config.digest(name) if name else self.app.config.digests[0]

    def reader(
        self, address: str = "ada@example.org", digest: str = "", *, since: datetime | None = None, **choices: object
    ) -> Subscription:
        """A confirmed reader, since a fortnight before the first slot unless said otherwise."""
        now, self.now = self.now, since or SLOT - 14 * DAY
        try:
            return self.app.subscribe.add(
                address,
                digest or self.digest().name,
                choices=Choices(**choices),  # type: ignore[arg-type]
            )
        finally:
            self.now = now

    def bring(self, *papers: EntryData, source: str = "hf", at: datetime | None = None) -> tuple[EntryId, ...]:
        """A feed shows these papers (three hours before the first slot); gives their rows."""
        at = at or SLOT - timedelta(hours=3)
        with self.app.store.transaction() as tx:
            taken, held = known(tx, papers, now=at)
            whence = Source(id=SourceId(source), kind="feed", url=f"https://{source}.example.org/feed")
            return keep(tx, diff(taken, held, source=whence, now=at, backfill=False), now=at)

    def publish(self, **options: object) -> Published:
        return self.app.publish.run(self.now, **options)  # type: ignore[arg-type]

    def preview(self, digest: str = "", *, to: str = "", at: str = "") -> Previewed:
        return self.app.preview.run(self.digest(digest), address=to, at=at)

    def deliver(self) -> dict[str, int]:
        sent = self.app.deliver.run()
        assert sent.problem is None
        return dict(sent.outcomes)

    def rows(self, address: str = "", *states: str) -> list[tuple[str, str, str]]:
        """(address, digest, state) of the ledger, in order."""
        with self.app.store.reading() as tx:
            found = deliveries.listing(tx, address=address, states=states, limit=100_000)
        return [(one.address, one.digest, one.state.value) for one in found]

    def settle(self, state: str, address: str = "") -> None:
        """Ends what is queued for an address (or all) as a sender would."""
        with self.app.store.transaction() as tx:
            until = self.now + DAY
            claimed = sending.claim(tx, lease="test", now=self.now, until=until, limit=10_000)
            for one in claimed:
                if address and one.address != address:
                    sending.unclaim(tx, [one.id], "test", self.now)
                    continue
                assert sending.gate_joined(tx, one.id, "test", now=self.now, until=until, relay="") == ""
                outcome = Outcome(kind=OutcomeKind(state)) if state in {kind.value for kind in OutcomeKind} else None
                assert sending.settle(tx, one.id, "test", state=DeliveryState(state), outcome=outcome, now=self.now)

    def printed_for(self, address: str, digest: str = "") -> list[list[str]]:
        """Per delivery of a reader the titles' numbers of its edition, oldest first."""
        found: list[list[str]] = []
        with self.app.store.reading() as tx:
            for row in deliveries.listing(tx, address=address, digest=digest, limit=100_000):
                edition = editions.load(tx, row.edition_id) if row.edition_id is not None else None
                found.append(numbers(edition))
        return found

    def mails(self) -> list[EmailMessage]:
        """What lies in the folder, by recipient and date."""
        raw = [path.read_bytes() for path in (self.folder / "out").glob("*.eml")]
        mails = [email.message_from_bytes(one, policy=email.policy.default) for one in raw]
        return sorted(mails, key=lambda mail: (str(mail["To"]), mail["Date"].datetime, str(mail["Subject"])))

    def raw_of(self, address: str) -> list[bytes]:
        found = [path.read_bytes() for path in (self.folder / "out").glob("*.eml")]
        return sorted(raw for raw in found if f"To: {address}\r\n".encode() in raw)


def _first_of(edition: Edition, most: int) -> Edition:
    """The edition with its first papers only, under its own name."""
    kept = {item.position for item in edition.items[:most]}
    sections = (replace(s, items=tuple(i for i in s.items if i.position in kept)) for s in edition.sections)
    return replace(edition, sections=tuple(one for one in sections if one.items))


def numbers(edition: Edition | None) -> list[str]:
    """Which papers an edition prints, by their number."""
    return [item.title.split()[3] for item in edition.items] if edition is not None else []


def in_mail(mail: EmailMessage, most: int = 40) -> list[int]:
    """The numbers of the papers that a mail's text names."""
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    flat = " ".join(text.split())
    return [number for number in range(most) if f"Tidal gauges number {number} and" in flat]


def titles(published: Published) -> Sequence[tuple[str, int, int, int]]:
    """(digest, readers, editions, planned) of what was published."""
    return [(one.digest, one.readers, one.editions, one.planned) for one in published.slots]
