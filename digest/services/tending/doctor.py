"""Looks at an installation from its configuration to its DNS; each finding says what, how it is, and what to do."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from digest.delivery.signing_key import GOOD_BITS, compare
from digest.editions.schedule import next_slot
from digest.model.editions import Counts, Digest, Edition, EditionId, Item, Part, Section, Slot
from digest.model.errors import DigestError
from digest.model.feeds import EntryId, FetchRequest, Source, SourceKind, SourceState, WorkId
from digest.model.mail import Sender
from digest.model.signing import KeyKind, SigningKey
from digest.ranking.prior.judge import choose
from digest.services.fetching.reading import read_document
from digest.services.fetching.sources import gone
from digest.services.learning.meaning import Reads
from digest.services.ports import Clock, Fetch, Print, PrintQuestion
from digest.services.publishing.publish import MOST_WITHOUT_URL
from digest.services.status.hush import hushes
from digest.services.tending.parts import Parts
from digest.sources.kinds import kind_of
from digest.sources.kinds.elsewhere import Foreign
from digest.storage import fits, meta, people, sources
from digest.storage.engine import Store
from digest.storage.sources import HeldSource

#: Where the mail server signs, the selector is its choice; these are the usual ones.
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
    """A way out: what to call it, whether it is a mail server, and how to look in there (raises RelayError)."""

    where: str
    is_server: bool
    look_in: Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """A file that only the account which Digest runs as should read: what is in it, and where it is."""

    holds: str
    file: Path
    read: Callable[[], object] | None = None
    """Tries to, for the key of a service, which is not needed before it is asked; raises ConfigError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doctor:
    """Looks; the only thing it writes is taken out again in the same transaction."""

    store: Store
    digests: tuple[Digest, ...]
    configured: tuple[Source, ...]
    sender: Sender
    exits: tuple[Exit, ...]
    fetch: Fetch
    is_ours: Callable[[str], bool]
    """Whether the stamp of a form on a page was made with the keys of this installation."""
    kinds: Mapping[str, SourceKind]
    foreign: Callable[[], Sequence[Foreign]]
    """The kinds that other packages bring, imported."""
    template_problems: Callable[[], tuple[DigestError, ...]]
    print_edition: Print
    print_question: PrintQuestion
    text_records: Callable[[str], Sequence[str]]
    """The TXT records of a name; raises OSError when no resolver answers."""
    signing: tuple[Callable[[], SigningKey], ...]
    """Reads each configured key; raises ConfigError. Empty where the mail server is to sign."""
    read_inbox: Callable[[], bool]
    """Opens the mailbox; False when none is named. Raises DigestError."""
    bounces_to: str
    """Where bounces come back to, if an address of their own."""
    webhooks: Callable[[], Iterable[tuple[str, DigestError | None]]]
    """The providers that tell over HTTP, and what is wrong with their keys."""
    secrets: Callable[[], Sequence[Secret]]
    load_model: Callable[[], Reads] | None
    """Loads the model of sentences; raises ConfigError. None where none is configured."""
    troubles: Callable[[], Iterable[tuple[str, str]]]
    """(what is wrong with the fleet, what to do); nothing where one machine works."""
    clock: Clock

    def run(self, *, live: bool = False) -> Iterator[Finding]:
        """The findings, as they are made. ``live`` also fetches every source, and a page at the public URL."""
        yield from self._database()
        yield from self._fleet()
        yield from self._secrets()
        yield from self._model()
        yield from self._prior()
        broken = self.template_problems()
        yield from (_failed("templates", problem) for problem in broken)
        yield from self._digests(are_printed=not broken)
        yield from self._kinds()
        yield from self._sources(live)
        yield from self._exits()
        yield from self._public_url(live)
        yield from self._mailbox()
        yield from self._webhooks()
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
        if Parts(store=self.store, clock=self.clock).are_late():
            yield Finding(
                what="database",
                state=State.WARN,
                detail="the ledger is large, and next week's part of it is not made: all works, but what has no part "
                "of its own is taken out row by row one day",
                try_="digest db prune; `digest run` and workers that deliver do so once a day",
            )

    def _fleet(self) -> Iterator[Finding]:
        try:
            for what, remedy in self.troubles():
                yield Finding(what="fleet", state=State.WARN, detail=what, try_=remedy)
        except DigestError as error:
            yield _failed("fleet", error)

    def _secrets(self) -> Iterator[Finding]:
        """Who else may read them; that one is missing or empty is told by what needs it now, of a key here."""
        closed: list[str] = []
        for one in self.secrets():
            if one.read is not None:
                try:
                    one.read()
                except DigestError as error:
                    yield Finding(
                        what="secrets",
                        state=State.FAIL,
                        detail=f"{one.holds} cannot be used: {error.where}: {error.what}",
                        try_="write it as the first line of that file, or take the file out of [keys]",
                    )
                    continue
            try:
                mode = one.file.stat().st_mode
            except OSError:
                continue
            open_to = {"its group": stat.S_IRGRP | stat.S_IWGRP, "everybody": stat.S_IROTH | stat.S_IWOTH}
            others = [name for name, bits in open_to.items() if mode & bits]
            if others:
                yield Finding(
                    what="secrets",
                    state=State.WARN,
                    detail=f"{one.file} holds {one.holds} and is open to {' and '.join(others)}",
                    try_=f"chmod 600 {shlex.quote(str(one.file))}; it should belong to the account that Digest runs as",
                )
            else:
                closed.append(one.file.name)
        if closed:
            detail = f"only its account reads {', '.join(closed)}"
            yield Finding(what="secrets", state=State.OK, detail=detail)

    def _model(self) -> Iterator[Finding]:
        if self.load_model is None:
            return
        try:
            width = len(self.load_model().embed(["A title and its abstract."])[0]) // 4
        except DigestError as error:
            yield _failed("model", error)
            return
        yield Finding(what="model", state=State.OK, detail=f"it reads papers into {width} numbers each")

    def _prior(self) -> Iterator[Finding]:
        """What is expected of papers before their first vote; the shipped prior needs no word."""
        with self.store.reading() as tx:
            body = fits.newest(tx, as_of=self.clock())
        if not body:
            return
        prior, wrong = choose(body)
        if wrong:
            detail = f"your own cannot be used, the shipped one is: {wrong}"
            yield Finding(what="prior", state=State.WARN, detail=detail, try_="digest backtest --store --fit")
        else:
            saw = f"your own, of {prior.saw.votes} papers from {prior.saw.first} to {prior.saw.last}"
            yield Finding(what="prior", state=State.OK, detail=saw)

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

    def _kinds(self) -> Iterator[Finding]:
        """Kinds of other packages; ours need no word."""
        for one in self.foreign():
            yield Finding(
                what=f"kind {one.name}",
                state=State.FAIL if one.problem else State.OK,
                detail=f"{one.package}: {one.problem or one.kind.about}",
                try_="tell its authors, or remove the package" if one.problem else "",
            )

    def _sources(self, live: bool) -> Iterator[Finding]:
        with self.store.reading() as tx:
            held = sources.all_held(tx)
            silent = hushes(tx, self.clock())
        if not held:
            yield Finding(what="sources", state=State.FAIL, detail="there is none", try_="add a [[source]]")
        for one in held:
            yield self._fetched(one.source) if live else _remembered(one)
            if one.source.id in silent:
                yield Finding(
                    what=f"source {one.source.id}",
                    state=State.WARN,
                    detail=f"it {silent[one.source.id].sentence}",
                    try_=f"look at its page; digest fetch {one.source.id} asks it now",
                )

    def _fetched(self, source: Source) -> Finding:
        what = f"source {source.id}"
        try:
            kind = kind_of(source.kind, self.kinds)
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
                one.look_in()
            except DigestError as error:
                yield _failed("mail server", error)
                continue
            if one.is_server:
                yield Finding(what="mail server", state=State.OK, detail=f"{one.where} answers and lets us in")
            else:
                yield Finding(
                    what="mail server",
                    state=State.WARN,
                    detail=f"none: {one.where} only writes mails into a folder",
                    try_="name a server in [smtp] when readers are to get them",
                )

    def _public_url(self, live: bool) -> Iterator[Finding]:
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
        elif _is_of_a_network(url):
            yield Finding(
                what="public URL",
                state=State.WARN,
                detail=f"{url} is known on this machine or in its network only: no reader can follow a link to it",
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
        if url and live:
            yield self._answering(url)

    def _answering(self, url: str) -> Finding:
        """Whether readers who follow our links come to us: a form there must be made with our keys."""
        what, page = "public URL now", f"{url}/link"
        wrong = "set public_url in [web] to where readers reach it, with the path below which the proxy passes them on"
        try:
            answer = self.fetch(FetchRequest(url=page, allow_private=True))
        except DigestError as error:
            answered = getattr(error, "http_status", None)
            state = State.WARN if answered is None or answered >= 500 else State.FAIL
            try_ = "start `digest run`, and a proxy that passes the URL on to bind of [web]"
            return Finding(
                what=what,
                state=state,
                detail=f"{page}: {error.what}",
                try_=try_ if state is State.WARN else wrong,
            )
        if answer.url != page:
            detail = f"{page} leads on to {answer.url}: one-click unsubscribing must not be led on (RFC 8058)"
            return Finding(what=what, state=State.FAIL, detail=detail, try_=wrong)
        stamps = re.findall(r'value="([^"]+)"', answer.body.decode("utf-8", "replace"))
        if not any(map(self.is_ours, stamps)):
            detail = f"{page}: it is not this installation that answers there"
            return Finding(what=what, state=State.FAIL, detail=detail, try_=wrong)
        return Finding(what=what, state=State.OK, detail=f"{page} is answered by this installation")

    def _mailbox(self) -> Iterator[Finding]:
        try:
            read = self.read_inbox()
        except DigestError as error:
            yield _failed("mailbox", error)
            return
        if read:
            yield Finding(what="mailbox", state=State.OK, detail="mail asking to leave is read, and so are bounces")
            return
        if self.bounces_to:
            yield Finding(
                what="bounces",
                state=State.WARN,
                detail=f"they come back to {self.bounces_to} and are not read: dead addresses stay on the list",
                try_="name its mailbox in [inbound], or pipe it to digest bounce",
            )
        yield Finding(
            what="mailbox",
            state=State.WARN,
            detail=f"mail asking to leave goes to {self.sender.unsubscribe_address} and is not read",
            try_="name its mailbox in [inbound], or pipe it to digest bounce",
        )

    def _webhooks(self) -> Iterator[Finding]:
        for name, problem in self.webhooks():
            what, url = f"webhook {name}", self.sender.public_url
            if problem is not None:
                yield _failed(what, problem)
            elif not url.startswith("https://"):
                yield Finding(
                    what=what,
                    state=State.WARN,
                    detail="its provider cannot reach it, or everybody on the way reads it: public_url is not https",
                    try_="put a TLS proxy before it, and set public_url in [web]",
                )
            else:
                yield Finding(
                    what=what, state=State.OK, detail=f"bounces and complaints are taken at {url}/webhooks/{name}"
                )

    def _domain(self) -> Iterator[Finding]:
        domain = self.sender.from_address.rpartition("@")[2]
        keys: list[SigningKey] = []
        for read in self.signing:
            try:
                keys.append(read())
            except DigestError as error:
                yield _failed("DKIM", error)
        if "." not in domain or domain.endswith((".localhost", ".test", ".example", ".invalid", ".local")):
            yield Finding(
                what="DNS",
                state=State.WARN,
                detail=f"{domain} is no public domain, so no other server will trust its mail",
                try_="set from in [mail] to an address of a domain of yours",
            )
            return
        try:
            # All or nothing: without a resolver there is one finding, not one for each record.
            yield from [*self._policies(domain), *self._keys(domain, keys)]
        except OSError as error:
            yield Finding(
                what="DNS", state=State.WARN, detail=f"not checked: {error}", try_="look again where a resolver answers"
            )

    def _policies(self, domain: str) -> Iterator[Finding]:
        spf = _having(self.text_records(domain), "v=spf1")
        yield _record("SPF", spf, f'publish a TXT record at {domain}: "v=spf1 … -all" with your mail server in it')
        dmarc = _having(self.text_records(f"_dmarc.{domain}"), "v=DMARC1")
        yield _record("DMARC", dmarc, f'publish a TXT record at _dmarc.{domain}: "v=DMARC1; p=none" to begin with')

    def _keys(self, domain: str, keys: Sequence[SigningKey]) -> Iterator[Finding]:
        for key in keys:
            yield _published(key, domain, self.text_records(key.name))
        if self.signing:
            return
        selector = next((s for s in SELECTORS if self._has_key(f"{s}._domainkey.{domain}")), "")
        yield _record(
            "DKIM",
            f"a key at {selector}._domainkey.{domain}" if selector else "",
            "let Digest sign (digest dkim keygen) or the mail server; if it does with a selector of its own, this is "
            "well: a test copy (digest send --to you@…) shows dkim=pass in its header",
            missing=f"no key under the usual selectors ({', '.join(SELECTORS)})",
        )

    def _has_key(self, name: str) -> bool:
        return any("p=" in record for record in self.text_records(name))


def _is_of_a_network(url: str) -> bool:
    """Whether nobody outside can know this host: of one word, of a private network, or reserved (RFC 6761)."""
    host = urlsplit(url).hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".invalid", ".test"))


def _remembered(held: HeldSource) -> Finding:
    what, state = f"source {held.source.id}", held.state
    if state is None:
        return Finding(
            what=what, state=State.WARN, detail="not fetched yet", try_="digest fetch --all, or doctor --live"
        )
    sentence, remedy = gone(held)
    if sentence:
        return Finding(what=what, state=State.FAIL, detail=f"it {sentence}", try_=remedy)
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


def _published(key: SigningKey, sender: str, records: Sequence[str]) -> Finding:
    """Whether receivers can verify what the key signs, and whether it speaks for the sender's domain."""
    what, found = f"DKIM {key.selector}", compare(key, records)
    if found.wrong:
        return Finding(
            what=what,
            state=State.FAIL,
            detail=f"{key.name}: {found.wrong}, so its signatures do not verify",
            try_=f'publish this TXT record there: "{key.record}" (digest dkim record prints it for zone files)',
        )
    if found.doubt:
        return Finding(
            what=what, state=State.WARN, detail=f"{key.name}: {found.doubt}", try_="take t=y out of the record"
        )
    if not _aligned(key.domain, sender):
        return Finding(
            what=what,
            state=State.WARN,
            detail=f"it signs for {key.domain}, but mails are from {sender}: for DMARC both must be one domain's",
            try_=f"leave domain out of its [[dkim]], and publish the key at {key.selector}._domainkey.{sender}",
        )
    if key.kind is KeyKind.RSA and key.bits < GOOD_BITS:
        return Finding(
            what=what,
            state=State.WARN,
            detail=f"the key at {key.name} has {key.bits} bits, which is weak",
            try_=f"make one of {GOOD_BITS} with digest dkim keygen, under another selector",
        )
    return Finding(what=what, state=State.OK, detail=f"the record at {key.name} is this key's")


def _aligned(signing: str, sender: str) -> bool:
    """Relaxed alignment (RFC 7489 section 3.1.1), as far as it shows without the list of public suffixes."""
    one, other = signing.lower(), sender.lower()
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


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
