"""From settings to Config: what needs several sections at once is checked here, and every relative path is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from email.utils import parseaddr
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from digest.config.nearest import nearest
from digest.config.problems import Loc, key_name, place
from digest.config.publication import DigestSettings, SourceSettings
from digest.config.record import Config
from digest.config.relaying import RelaySettings
from digest.config.settings import Settings, SigningSettings
from digest.model.desk import Operator
from digest.model.editions import WEIGHTS, About, Digest, Look, Schedule
from digest.model.errors import ConfigError
from digest.model.feeds import Source, SourceId
from digest.model.mail import Sender
from digest.model.people import Profile

_Section = TypeVar("_Section", bound=BaseModel)


class Builder:
    """Knows where the settings came from, so that a problem between two sections names its place too."""

    def __init__(
        self, settings: Settings, *, path: Path | None, folder: Path, variables: Mapping[Loc, str], text: str
    ) -> None:
        self.settings, self.path, self.folder = settings, path, folder
        self.variables, self.text = variables, text

    def config(self) -> Config:
        s = self.settings
        self._unique("source", "id", [source.id for source in s.source])
        self._unique("operator", "name", [operator.name for operator in s.operator])
        self._unique("digest", "name", [digest.name for digest in s.digest])
        mail = self._absolute(s.mail)
        if mail.templates is not None and not mail.templates.is_dir():
            raise self._wrong(
                ("mail", "templates"), f"names {mail.templates}, which is no folder", "make it, or leave it out"
            )
        name, address = parseaddr(s.mail.from_)
        fetch = self._absolute(s.fetch)
        return Config(
            path=self.path,
            folder=self.folder,
            database_url=self._database_url(s.database.url),
            relays=self._relays(),
            signing=self._signing(address.rpartition("@")[2]),
            delivery=s.delivery,
            mail=mail,
            web=self._absolute(s.web),
            operators=tuple(Operator(name=one.name, password_hash=one.password_hash) for one in s.operator),
            fetch=fetch if fetch.contact else fetch.model_copy(update={"contact": address}),
            keys=self._absolute(s.keys),
            catalogues=self._catalogues(),
            inbound=self._absolute(s.inbound),
            webhooks=self._absolute(s.webhooks),
            ranking=s.ranking,
            retention=s.retention,
            sources=tuple(self._source(source) for source in s.source),
            source_places=tuple(self._place(("source", number)) for number in range(len(s.source))),
            digests=tuple(self._digest(index, digest, address) for index, digest in enumerate(s.digest)),
            sender=Sender(
                from_name=name,
                from_address=address,
                reply_to=s.mail.reply_to,
                postal_address=s.mail.postal_address,
                unsubscribe_address=s.mail.unsubscribe_to or address,
                public_url=s.web.public_url,
            ),
            variables={".".join(map(str, loc)): name for loc, name in self.variables.items()},
        )

    def _wrong(self, loc: Loc, what: str, try_: str = "") -> ConfigError:
        return ConfigError(f"{key_name(loc, self.text)} {what}", where=self._place(loc), try_=try_)

    def _place(self, loc: Loc) -> str:
        return place(loc, where=str(self.path or "configuration"), variables=self.variables, text=self.text)

    def _relays(self) -> tuple[RelaySettings, ...]:
        """The [[smtp]]. What nothing tells apart would be paused, slowed and counted as one."""
        found = tuple(self._absolute(relay) for relay in self.settings.smtp)
        seen: dict[tuple[str, str], int] = {}
        for index, relay in enumerate(found):
            if (first := seen.setdefault((relay.address, relay.username), index)) != index:
                account = f" as {relay.username}" if relay.username else ""
                raise self._wrong(
                    ("smtp", index),
                    f"leads to {relay.address}{account}, as [[smtp]] {first + 1} does",
                    "leave one out and give the other its connections; two accounts differ in username or port",
                )
        return found

    def _signing(self, sender: str) -> tuple[SigningSettings, ...]:
        """The [[dkim]] keys; one record in the DNS cannot hold two."""
        seen: dict[tuple[str, str], int] = {}
        for index, key in enumerate(self.settings.dkim):
            record = (key.selector.lower(), (key.domain or sender).lower())
            if record in seen:
                raise self._wrong(
                    ("dkim", index, "selector"),
                    f'"{key.selector}" is already the selector of [[dkim]] {seen[record] + 1}',
                    "give each key of a domain its own selector",
                )
            seen[record] = index
        return tuple(self._absolute(key) for key in self.settings.dkim)

    def _catalogues(self) -> tuple[str, ...]:
        """The services that are asked about people."""
        keys = self.settings.keys
        named = self.settings.catalogue.services
        if "openalex" in named and keys.openalex is None:
            raise self._wrong(
                ("catalogue", "services"), "names openalex, which answers only with a key", "name its file in [keys]"
            )
        with_key = (name for name in ("openalex", "semanticscholar") if getattr(keys, name) is not None)
        return tuple(dict.fromkeys(named or with_key))

    def _unique(self, section: str, key: str, names: Iterable[str]) -> None:
        seen: dict[str, int] = {}
        for index, name in enumerate(names):
            if name in seen:
                raise self._wrong(
                    (section, index, key),
                    f'"{name}" is already the {key} of [[{section}]] {seen[name] + 1}',
                    f"give each [[{section}]] its own {key}",
                )
            seen[name] = index

    def _absolute(self, section: _Section) -> _Section:
        changed: dict[str, Any] = {
            name: self._path(value)
            for name in type(section).model_fields
            if isinstance(value := getattr(section, name), Path)
        }
        return section.model_copy(update=changed) if changed else section

    def _path(self, path: Path) -> Path:
        return (self.folder / path.expanduser()).absolute()

    def _database_url(self, url: str) -> str:
        if not url:
            return f"sqlite:///{self.folder / 'digest.db'}"
        scheme, separator, rest = url.partition("://")
        if not separator:
            return f"sqlite:///{self._path(Path(url))}"
        base = scheme.lower().partition("+")[0]
        if base == "sqlite":
            file = rest.removeprefix("/")
            if not file or file.startswith(":memory:"):
                raise self._wrong(("database", "url"), "should name a file", "sqlite:///digest.db is beside this file")
            return f"sqlite:///{self._path(Path(file))}"
        if base in ("postgresql", "postgres"):
            # Whoever opens the database does so by its URL alone, so this goes along in it.
            if not self.settings.database.prepared_statements:
                rest += ("&" if "?" in rest else "?") + "prepared_statements=false"
            return f"postgresql+psycopg://{rest}"
        raise self._wrong(
            ("database", "url"),
            "should begin with sqlite:/// or postgresql://",
            nearest(base, ("sqlite", "postgresql")),
        )

    def _source(self, source: SourceSettings) -> Source:
        source = self._absolute(source)
        url = source.url
        if url and not urlsplit(url).scheme:
            url = str(self._path(Path(url)))
        return Source(
            id=SourceId(source.id),
            kind=source.kind,
            url=url,
            category=source.category,
            options=tuple(source.given().items()),
            every=source.every,
            allow_private=source.allow_private,
        )

    def _check_about(self, index: int, digest: DigestSettings) -> None:
        """A digest about people names some, one about topics too."""
        if digest.about is About.AUTHORS and not (digest.authors or digest.institutions):
            said, try_ = 'is "authors", but it follows nobody', 'write for example authors = ["Ada Lovelace"]'
        elif digest.about is About.TOPIC and not digest.topics:
            said, try_ = 'is "topic", but it has no topics', 'write for example topics = ["small language models"]'
        else:
            return
        raise self._wrong(("digest", index, "about"), said, try_)

    def _digest(self, index: int, digest: DigestSettings, sender: str) -> Digest:
        ids = [source.id for source in self.settings.source]
        for wanted in digest.sources:
            if wanted not in ids:
                raise self._wrong(
                    ("digest", index, "sources"), f'names "{wanted}", which is no [[source]]', nearest(wanted, ids)
                )
        self._check_about(index, digest)
        if digest.archive and not self.settings.web.public_url:
            raise self._wrong(
                ("digest", index, "archive"),
                "is true, but nothing says at which address the archive is",
                'give [web] a public_url, such as "https://digest.example.org"',
            )
        domain = sender.rpartition("@")[2]
        profile = replace(Profile(language=digest.language), **digest.fields_given())
        return Digest(
            name=digest.name,
            title=digest.title or digest.name,
            about=digest.about,
            list_id=digest.list_id or f"{digest.name}.{domain if '.' in domain else 'localhost'}",
            sources=tuple(SourceId(wanted) for wanted in digest.sources),
            schedule=Schedule(send_at=digest.send_at, timezone=digest.timezone, days=digest.days),
            window=digest.window,
            when_empty=digest.when_empty,
            profile=replace(profile, weights=profile.weights or WEIGHTS.get(digest.about)),
            template=digest.template,
            join=digest.join,
            archive=digest.archive,
            expire_after=digest.expire_after or self.settings.delivery.expire_after,
            look=Look(accent=digest.accent, logo=digest.logo, header=digest.header, footer=digest.footer),
        )
