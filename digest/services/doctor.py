"""Looks at an installation from its configuration to its DNS; each finding says what, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from digest.delivery.relay import Session
from digest.editions.schedule import next_slot
from digest.model.editions import Counts, Digest, Edition, EditionId, Item, Part, Section, Slot
from digest.model.errors import DigestError
from digest.model.feeds import EntryId, Source, SourceState, WorkId
from digest.model.mail import Sender
from digest.services.ingest import read_document
from digest.services.ports import Clock, Fetch, Print, PrintQuestion
from digest.services.publish import MOST_WITHOUT_URL
from digest.sources.kinds import kind_of
from digest.storage import meta, people, sources
from digest.storage.engine import Store
from digest.storage.sources import HeldSource

#: DKIM's selector is the mail server's choice; these are the usual ones.
SELECTORS = ("default", "dkim", "mail", "selector1", "s1", "k1", "google", "key1")


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the doctor's."""

    what: str
    state: State
    detail: str
    try_: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """A way out: what to call it, whether it is a mail server, and how to open it (raises RelayError)."""

    where: str
    is_server: bool
    connect: Callable[[], Session]


@dataclass(frozen=True, kw_only=True, slots=True)
class Doctor:
    """Looks; the only thing it writes is taken out again in the same transaction."""

    store: Store
    digests: tuple[Digest, ...]
    configured: tuple[Source, ...]
    sender: Sender
    exits: tuple[Exit, ...]
    fetch: Fetch
    template_problems: Callable[[], tuple[DigestError, ...]]
    print_edition: Print
    print_question: PrintQuestion
    text_records: Callable[[str], Sequence[str]]
    """The TXT records of a name; raises OSError when no resolver answers."""
    read_inbox: Callable[[], bool]
    """Opens the mailbox; False when none is named. Raises DigestError."""
    clock: Clock

    def run(self, *, live: bool = False) -> Iterator[Finding]:
        """The findings, as they are made. ``live`` also fetches every source."""
        yield from self._database()
        broken = self.template_problems()
        yield from (_failed("templates", problem) for problem in broken)
        yield from self._digests(are_printed=not broken)
        yield from self._sources(live)
        yield from self._exits()
        yield from self._leaving()
        yield from self._domain()

    def _database(self) -> Iterator[Finding]:
        try:
            with self.store.transaction() as tx:
                sources.sync(tx, self.configured)
                meta.put(tx, "doctor", self.clock().isoformat())
                meta.drop(tx, "doctor")
                restored = meta.get(tx, meta.RESTORED)
        except DigestError as error:
            yield _failed("database", error)
            return
        yield Finding(what="database", state=State.OK, detail=f"{self.store.where} can be written")
        if restored is not None:
            yield Finding(
                what="database",
                state=State.FAIL,
                detail=f"it is a backup of {restored}: nothing is sent from it",
                try_="digest db restored --sent-until INSTANT, the last time the lost one sent",
            )

    def _digests(self, *, are_printed: bool) -> Iterator[Finding]:
        """``are_printed``: whether the templates can be tried; what is wrong with them was told before."""
        if not self.digests:
            yield Finding(what="digest", state=State.FAIL, detail="there is none", try_="add a [[digest]]")
        with self.store.reading() as tx:
            readers = people.readers_by_digest(tx)
        for digest in self.digests:
            what = f"digest {digest.name}"
            if not are_printed:
                continue
            try:
                mail = self.print_edition((_sample(digest, self.clock()),), (digest,))
                if self.sender.public_url:  # without it nobody can join by himself, so nobody is asked
                    self.print_question(digest.name, "", self.clock(), "doctor")
            except DigestError as error:
                yield _failed(what, error)
                continue
            size = f"its templates print ({len(mail.content) / 1000:.0f} kB)"
            if not readers.get(digest.name):
                yield Finding(
                    what=what,
                    state=State.WARN,
                    detail=f"{size}, but nobody reads it",
                    try_=f"digest subscribers add ADDRESS --digest {digest.name}",
                )
            else:
                yield Finding(what=what, state=State.OK, detail=f"{size}; {readers[digest.name]} read it")

    def _sources(self, live: bool) -> Iterator[Finding]:
        with self.store.reading() as tx:
            held = sources.all_held(tx)
        if not held:
            yield Finding(what="sources", state=State.FAIL, detail="there is none", try_="add a [[source]]")
        for one in held:
            yield self._fetched(one.source) if live else _remembered(one)

    def _fetched(self, source: Source) -> Finding:
        what = f"source {source.id}"
        try:
            kind = kind_of(source.kind)
            request = kind.plan(source, self.clock(), None)[0]
            parsed = read_document(
                kind,
                source,
                self.fetch,
                replace(request, allow_private=source.allow_private, allow_files=source.from_operator),
            )
        except DigestError as error:
            return _failed(what, error)
        return Finding(what=what, state=State.OK, detail=f"{len(parsed.entries)} papers now")

    def _exits(self) -> Iterator[Finding]:
        for one in self.exits:
            try:
                one.connect().close()
            except DigestError as error:
                yield _failed("mail server", error)
                continue
            if one.is_server:
                yield Finding(what="mail server", state=State.OK, detail=f"{one.where} answers and takes mail from us")
            else:
                yield Finding(
                    what="mail server",
                    state=State.WARN,
                    detail=f"none: {one.where} only writes mails into a folder",
                    try_="name a server in [smtp] when readers are to get them",
                )

    def _leaving(self) -> Iterator[Finding]:
        url = self.sender.public_url
        if not url:
            with self.store.reading() as tx:
                many = people.count_readers(tx) > MOST_WITHOUT_URL
            yield Finding(
                what="public URL",
                state=State.FAIL if many else State.WARN,
                detail="none: mails carry no one-click unsubscribing, only the mailto form"
                + (f", and above {MOST_WITHOUT_URL} readers sending is refused" if many else ""),
                try_="set public_url in [web] to where readers reach it",
            )
        elif not url.startswith("https://"):
            yield Finding(
                what="public URL",
                state=State.WARN,
                detail=f"{url} is not https, which one-click unsubscribing needs (RFC 8058)",
                try_="put a TLS proxy before it",
            )
        else:
            yield Finding(what="public URL", state=State.OK, detail=f"one-click unsubscribing at {url}/unsubscribe/")
        try:
            read = self.read_inbox()
        except DigestError as error:
            yield _failed("mailbox", error)
            return
        if read:
            yield Finding(what="mailbox", state=State.OK, detail="mail asking to leave is read")
        else:
            yield Finding(
                what="mailbox",
                state=State.WARN,
                detail=f"mail asking to leave goes to {self.sender.unsubscribe_address} and is not read",
                try_="name its mailbox in [inbound], or pipe it to digest bounce",
            )

    def _domain(self) -> Iterator[Finding]:
        domain = self.sender.from_address.rpartition("@")[2]
        if "." not in domain or domain.endswith((".localhost", ".test", ".example", ".invalid", ".local")):
            yield Finding(
                what="DNS",
                state=State.WARN,
                detail=f"{domain} is no public domain, so no other server will trust its mail",
                try_="set from in [mail] to an address of a domain of yours",
            )
            return
        try:
            spf = _having(self.text_records(domain), "v=spf1")
            dmarc = _having(self.text_records(f"_dmarc.{domain}"), "v=DMARC1")
            selector = next((s for s in SELECTORS if self._has_key(f"{s}._domainkey.{domain}")), "")
        except OSError as error:
            yield Finding(
                what="DNS", state=State.WARN, detail=f"not checked: {error}", try_="look again where a resolver answers"
            )
            return
        yield _record("SPF", spf, f'publish a TXT record at {domain}: "v=spf1 … -all" with your mail server in it')
        yield _record("DMARC", dmarc, f'publish a TXT record at _dmarc.{domain}: "v=DMARC1; p=none" to begin with')
        yield _record(
            "DKIM",
            f"a key at {selector}._domainkey.{domain}" if selector else "",
            "let the mail server sign; if it does with a selector of its own, this is well: a test copy "
            "(digest send --to you@…) shows dkim=pass in its header",
            missing=f"no key under the usual selectors ({', '.join(SELECTORS)})",
        )

    def _has_key(self, name: str) -> bool:
        return any("p=" in record for record in self.text_records(name))


def _remembered(held: HeldSource) -> Finding:
    what, state = f"source {held.source.id}", held.state
    if state is None:
        return Finding(
            what=what, state=State.WARN, detail="not fetched yet", try_="digest fetch --all, or doctor --live"
        )
    if state is SourceState.BROKEN:
        return Finding(
            what=what,
            state=State.FAIL,
            detail=held.detail,
            try_=f"digest fetch {held.source.id} asks it again now",
        )
    calm = state not in (SourceState.STALE, SourceState.THROTTLED)
    return Finding(what=what, state=State.OK if calm else State.WARN, detail=f"{state.value}. {held.detail}".strip())


def _failed(what: str, error: DigestError) -> Finding:
    detail = f"{error.where}: {error.what}" if error.where else error.what
    return Finding(what=what, state=State.FAIL, detail=detail, try_=error.try_)


def _having(records: Sequence[str], begin: str) -> str:
    return next((record for record in records if record.lower().startswith(begin.lower())), "")


def _record(what: str, found: str, remedy: str, *, missing: str = "there is no record") -> Finding:
    if found:
        return Finding(what=what, state=State.OK, detail=found[:200])
    return Finding(what=what, state=State.WARN, detail=missing, try_=remedy)


def _sample(digest: Digest, now: datetime) -> Edition:
    """An edition of one invented paper, to see whether the templates print it."""
    slot = next_slot(digest.name, digest.schedule, now) or Slot(digest=digest.name, local_date=now.date(), at=now)
    item = Item(
        position=1,
        entry_id=EntryId(0),
        work=WorkId("work:doctor"),
        title="A paper that only the doctor reads",
        url="https://example.org/",
        abstract="It has an abstract of one sentence.",
        authors=("Ada Lovelace",),
        category="other",
        score=1,
        parts=(Part(key="novelty", points=1),),
    )
    return Edition(
        id=EditionId(0),
        slot=slot,
        profile=digest.profile,
        history_key="doctor",
        composed_at=now,
        sections=(Section(category="other", title="Other", items=(item,), new=1),),
        counts=Counts(candidates=1, printed=1),
    )
