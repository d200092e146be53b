"""The public archive: what each digest printed for everybody, by day, by paper, by words, and as a feed.

Takes what an address names, gives views ready for a page, or a feed's bytes; None for what is not there or not public.
It reads public editions alone, of the digests whose operator said ``archive = true``, so that no reader, no token and
no number of readers can be in any answer. Nothing is changed. Every answer is bounded: so many days, papers and hits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from digest.model.editions import Digest
from digest.model.feeds import EntryId
from digest.rendering import feeds
from digest.rendering.archive import whole
from digest.rendering.language import ENGLISH
from digest.rendering.text import plain
from digest.services.archive.search import folded, searched
from digest.services.archive.views import (
    Days,
    EditionPage,
    Found,
    PaperPage,
    PaperView,
    Place,
    day_view,
    paper_view,
    place_of,
    sections_of,
)
from digest.storage import archive, entries
from digest.storage.base import storable
from digest.storage.engine import Store

DAYS = 20
"""Editions on a page of the list."""
PAPERS = 40
"""Papers on a page of an edition."""
POSTS = 100
"""Papers of a feed."""
_FEED_DAYS = 30
_TITLES_OF = 40
_MOST_WORDS, _LONGEST_QUERY = 8, 200
#: No position is larger, and no larger one can be asked a database for.
_LAST = 2**31 - 1
_SITEMAP_DAYS = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """A document for machines."""

    body: bytes
    changed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Paths:
    """Where everything of the archive is, behind ``base``: a path before it, or the installation's public address."""

    base: str = ""

    def home(self) -> str:
        return f"{self.base}/archive"

    def digest(self, name: str) -> str:
        return f"{self.base}/archive/{name}"

    def day(self, name: str, day: date) -> str:
        return f"{self.base}/archive/{name}/{day.isoformat()}"

    def paper(self, name: str, entry: int) -> str:
        return f"{self.base}/archive/{name}/paper/{entry}"

    def atom(self, name: str) -> str:
        return f"{self.base}/archive/{name}/feed.atom"

    def json(self, name: str) -> str:
        return f"{self.base}/archive/{name}/feed.json"

    def search(self, name: str) -> str:
        return f"{self.base}/archive/{name}/search"


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """Reads the store. ``publisher`` is who writes the mails, ``public_url`` where readers reach us."""

    store: Store
    digests: tuple[Digest, ...]
    publisher: str
    public_url: str

    def places(self) -> tuple[Place, ...]:
        """The digests whose archive is public."""
        return tuple(place_of(digest) for digest in self.digests if digest.archive)

    def days(self, name: str, before: date | None = None) -> Days | None:
        """The newest editions, or those before a day."""
        digest = self._public(name)
        if digest is None:
            return None
        with self.store.reading() as tx:
            found = archive.newest(tx, name, before=before, limit=DAYS + 1)
            shown = found[:DAYS]
            titles = archive.best_titles(tx, [one.id for one in shown], of=_TITLES_OF)
        return Days(
            place=place_of(digest),
            days=tuple(day_view(one, titles.get(one.id, ())) for one in shown),
            before=shown[-1].day if len(found) > DAYS else None,
        )

    def edition(self, name: str, day: date, after: int = 0) -> EditionPage | None:
        """An edition's papers behind a position."""
        digest = self._public(name)
        if digest is None:
            return None
        with self.store.reading() as tx:
            head = archive.on(tx, name, day)
            if head is None:
                return None
            found = archive.papers(tx, head.id, day, after=min(after, _LAST), limit=PAPERS + 1)
            best = archive.best(tx, head.id, day) if head.printed > 1 else None
            earlier = archive.newest(tx, name, before=day, limit=1)
            later = archive.day_after(tx, name, day)
        shown, first = found[:PAPERS], after <= 0
        lead = paper_view(best, head, leads=True) if best is not None and first else None
        listed = [one for one in shown if best is None or one.item.position != best.item.position]
        return EditionPage(
            place=place_of(digest),
            head=day_view(head, ()),
            lead=lead,
            sections=sections_of(head, listed),
            first=first,
            part=f"{shown[0].item.position:,} to {shown[-1].item.position:,}"
            if shown and len(shown) < head.printed
            else "",
            after=shown[-1].item.position if len(found) > PAPERS else None,
            earlier=earlier[0].day if earlier else None,
            later=later,
            changed_at=head.composed_at,
        )

    def paper(self, name: str, entry: int) -> PaperPage | None:
        """A paper that a public edition of this digest printed, as the newest of them did."""
        digest = self._public(name)
        if digest is None:
            return None
        with self.store.reading() as tx:
            root = entries.roots(tx, [entry]).get(entry, entry)
            rows = entries.rows_of(tx, EntryId(root))
            found = archive.printings(tx, name, rows, limit=DAYS)
            head = archive.on(tx, name, found[0].day) if found else None
        if head is None:
            return None
        return PaperPage(
            place=place_of(digest),
            paper=paper_view(found[0], head, leads=True),
            whole=whole(found[0].item),
            days=tuple((day, ENGLISH.long_date(day)) for day in dict.fromkeys(one.day for one in found)),
        )

    def search(self, name: str, query: str, after: tuple[date, int] | None = None) -> Found | None:
        """Papers in whose title, authors, abstract or ids all words of the query begin a word."""
        digest = self._public(name)
        if digest is None:
            return None
        query = plain(storable(query), _LONGEST_QUERY)
        words = tuple(dict.fromkeys(folded(query).split()))[:_MOST_WORDS]
        hits: tuple[PaperView, ...] = ()
        end: tuple[date, int] | None = None
        if words:
            with self.store.reading() as tx:
                hits, end = searched(tx, name, words, after)
        return Found(
            place=place_of(digest),
            query=query,
            hits=hits,
            until=ENGLISH.long_date(end[0]) if end else "",
            after=end,
        )

    def atom(self, name: str) -> Feed | None:
        return self._feed(name, is_json=False)

    def json(self, name: str) -> Feed | None:
        return self._feed(name, is_json=True)

    def sitemap(self) -> Feed | None:
        """The lists and the newest editions of all public digests; None where there is none."""
        paths = Paths(base=self.public_url)
        pages: list[tuple[str, datetime | None]] = []
        with self.store.reading() as tx:
            for digest in self.digests:
                if digest.archive:
                    found = archive.newest(tx, digest.name, limit=_SITEMAP_DAYS)
                    pages.append((paths.digest(digest.name), found[0].composed_at if found else None))
                    pages += [(paths.day(digest.name, one.day), one.composed_at) for one in found]
        if not pages:
            return None
        changed_at = max((at for _, at in pages if at is not None), default=None)
        return Feed(body=feeds.sitemap([(paths.home(), None), *pages]), changed_at=changed_at)

    def _feed(self, name: str, *, is_json: bool) -> Feed | None:
        digest = self._public(name)
        if digest is None:
            return None
        paths = Paths(base=self.public_url)
        posts: dict[int, feeds.Post] = {}
        with self.store.reading() as tx:
            heads = archive.newest(tx, name, limit=_FEED_DAYS)
            for head in heads:
                for one in archive.papers(tx, head.id, head.day, after=0, limit=POSTS - len(posts)):
                    post = feeds.Post(
                        permalink=paths.paper(name, one.item.entry_id), item=one.item, updated_at=head.composed_at
                    )
                    posts.setdefault(one.item.entry_id, post)
                if len(posts) >= POSTS:
                    break
        channel = feeds.Channel(
            title=plain(digest.title, 200),
            subtitle=plain(digest.look.header, 300),
            author=plain(self.publisher, 80),
            page=paths.digest(name),
            atom=paths.atom(name),
            json=paths.json(name),
        )
        write = feeds.json_feed if is_json else feeds.atom
        return Feed(body=write(channel, tuple(posts.values())), changed_at=heads[0].composed_at if heads else None)

    def _public(self, name: str) -> Digest | None:
        return next((one for one in self.digests if one.name == name and one.archive), None)
