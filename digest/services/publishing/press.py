"""From composed editions to their mail, so that whatever is recorded as sent can also be read.

Publishing and preview print here, and so print the same. A mail of extreme size has no room for some of its papers.
With a public address the edition's page lists these, and the edition stays whole. Without one nobody could ever see
them: they are cut out of the edition before it is recorded, stay unsent, and may stand in the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from digest.model.editions import Digest, Edition, Remark, Section, WhenEmpty
from digest.model.mail import Message
from digest.rendering.render import message_key
from digest.services.ports import Print
from digest.storage import editions
from digest.storage.engine import Store

#: What an edition says of which nothing is left.
NO_ROOM = Remark(key="no-room")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """One edition as it will be recorded, and the mail that it makes alone; None when there is nothing to mail."""

    edition: Edition
    digest: Digest
    alone: Message | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pressed:
    """``sheets`` are the editions in the order they were given; ``message`` is the one mail of those that have any."""

    sheets: tuple[Sheet, ...]
    message: Message | None

    @property
    def messages(self) -> Iterator[Message]:
        """The mail, and behind a joined one the single mails, for a reader who leaves one of its digests in time."""
        if self.message is not None:
            yield self.message
        for sheet in self.sheets:
            if sheet.alone is not None and sheet.alone is not self.message:
                yield sheet.alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Press:
    """Prints editions. ``afresh`` prints them with the templates of now even where their bytes are kept."""

    store: Store
    print_edition: Print
    has_public_url: bool
    afresh: bool = False

    def run(self, chain: Sequence[tuple[Edition, Digest]]) -> Pressed:
        """The one mail of a reader's editions of one instant; those that are not worth a mail drop out of it."""
        sheets = tuple(self._sheet(edition, digest) for edition, digest in chain)
        while True:
            mailed = [sheet for sheet in sheets if sheet.alone is not None]
            if len(mailed) < 2:
                return Pressed(sheets=sheets, message=mailed[0].alone if mailed else None)
            message = self._together(tuple(one.edition for one in mailed), tuple(one.digest for one in mailed))
            if self.has_public_url or not message.omitted:
                return Pressed(sheets=sheets, message=message)
            # What has room alone may have none in company.
            names = {key for key, _ in message.omitted}
            if names.isdisjoint(one.edition.key for one in mailed):
                raise ValueError("the mail omits papers of editions that are not in it")
            sheets = tuple(
                self._sheet(self._cut(one.edition, message), one.digest) if one.edition.key in names else one
                for one in sheets
            )

    def _sheet(self, edition: Edition, digest: Digest) -> Sheet:
        """An edition alone; without a public address cut until all of it has room."""
        while is_printable(edition, digest):
            message = self._alone(edition, digest)
            if self.has_public_url or not message.omitted:
                return Sheet(edition=edition, digest=digest, alone=message)
            edition = self._cut(edition, message)
        return Sheet(edition=edition, digest=digest, alone=None)

    def _cut(self, edition: Edition, message: Message) -> Edition:
        """As it was frozen before, should it have been: a mail must print what its editions say."""
        less = without(edition, [position for key, position in message.omitted if key == edition.key])
        with self.store.reading() as tx:
            held = editions.find(tx, less.key)
        return less if held is None else replace(held, public=held.public or edition.public)

    def _alone(self, edition: Edition, digest: Digest) -> Message:
        """An edition's own mail."""
        return self._together((edition,), (digest,))

    def _together(self, printed: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
        """The mail of these editions; one that was printed before keeps its bytes."""
        if not self.afresh:
            with self.store.reading() as tx:
                kept = editions.message(tx, message_key(printed))
            if kept is not None:
                return kept
        return self.print_edition(printed, digests)


def is_printable(edition: Edition, digest: Digest) -> bool:
    """Whether there is a mail to send: papers, or an empty day that the digest wishes to say."""
    return edition.counts.printed > 0 or digest.when_empty is WhenEmpty.SAY_SO


def without(edition: Edition, positions: Collection[int]) -> Edition:
    """The edition without the papers at these positions, under a name of its own: other readers may have it whole.

    Raises ValueError when it prints none of them: cutting would never end.
    """
    gone = frozenset(positions) & {item.position for item in edition.items}
    if not gone:
        raise ValueError(f"edition {edition.key} prints no paper at {sorted(positions)}")
    left: list[Section] = []
    printed = 0
    for section in edition.sections:
        kept = [item for item in section.items if item.position not in gone]
        if kept:
            numbered = tuple(replace(item, position=printed + n) for n, item in enumerate(kept, 1))
            left.append(replace(section, items=numbered))
            printed += len(kept)
    name = "\n".join((edition.history_key, *(str(position) for position in sorted(gone))))
    return replace(
        edition,
        history_key=hashlib.sha256(name.encode()).hexdigest(),
        sections=tuple(left),
        counts=replace(edition.counts, printed=printed),
        reason=edition.reason if left else (NO_ROOM,),
    )
