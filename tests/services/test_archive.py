"""The public archive: what was printed for everybody and nothing else, page by page, by words, and as feeds."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta

import feedparser
import pytest
from sqlalchemy import select

from digest.entries.normalize import clean
from digest.model.editions import Part, Remark, Slot
from digest.model.feeds import FetchResponse, Source, SourceId
from digest.services.archive.archive import PAPERS
from digest.services.archive.search import MOST, folded
from digest.sources.kinds.feed import FEED
from digest.storage import editions
from digest.storage.base import metadata
from tests.services.road import Road, paper
from tests.services.shelf import item, put

MONDAY = date(2026, 5, 4)
DAY = timedelta(days=1)


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(
        tmp_path / "home", url, {"name": "daily", "title": "The Daily", "archive": True}, {"name": "private"}
    )
    yield made
    made.app.close()


@pytest.fixture
def archive(road):
    return road.app.archive


def papers_of(page) -> list[str]:
    lead = [page.lead.card.title] if page.lead else []
    return lead + [one.card.title for section in page.sections for one in section.papers]


class TestPublic:
    def test_the_public_edition_is_there_and_a_readers_own_is_not(self, road, archive):
        road.reader(digest="daily", preferences={"keywords": ["gauges"], "max_items": 1})
        road.bring(paper(1), paper(2))
        road.publish()
        own = [edition for printed in road.printed for edition in printed if edition.profile.max_items == 1]
        page = archive.edition("daily", MONDAY)
        assert own
        assert sorted(papers_of(page)) == [f"Tidal gauges number {n} and the people who read them" for n in (1, 2)]
        assert [one.papers for one in archive.days("daily").days] == [2]
        assert not any("gauges" in why.text for one in page.sections[0].papers for why in one.card.why)

    def test_a_paper_of_a_readers_edition_alone_is_nowhere(self, road, archive):
        ours, theirs = road.bring(paper(1), paper(2))
        put(road, "daily", MONDAY, [item(1, ours, title="Ours")])
        put(road, "daily", MONDAY, [item(1, theirs, title="Theirs")], public=False)
        put(road, "private", MONDAY, [item(1, theirs, title="Theirs")])
        assert papers_of(archive.edition("daily", MONDAY)) == ["Ours"]
        assert archive.paper("daily", ours).paper.card.title == "Ours"
        assert archive.paper("daily", theirs) is None
        assert archive.search("daily", "theirs").hits == ()
        assert b"Theirs" not in archive.atom("daily").body + archive.json("daily").body

    def test_a_digest_that_is_not_archived_is_as_one_that_does_not_exist(self, road, archive):
        (entry,) = road.bring(paper(1))
        put(road, "private", MONDAY, [item(1, entry)])
        assert [one.name for one in archive.places()] == ["daily"]
        for name in ("private", "no-such"):
            assert archive.days(name) is None
            assert archive.edition(name, MONDAY) is None
            assert archive.paper(name, entry) is None
            assert archive.search(name, "paper") is None
            assert (archive.atom(name), archive.json(name)) == (None, None)
        assert b"private" not in archive.sitemap().body

    def test_nothing_is_written(self, road, archive):
        road.bring(paper(1))
        road.publish()

        def everything():
            with road.app.store.reading() as tx:
                return {t.name: [tuple(row) for row in tx.execute(select(t))] for t in metadata.sorted_tables}

        before = everything()
        archive.days("daily")
        archive.paper("daily", archive.edition("daily", MONDAY).sections[0].papers[0].id)
        archive.search("daily", "gauges")
        for read in (archive.atom, archive.json):
            read("daily")
        archive.sitemap()
        assert everything() == before


class TestDays:
    def test_days_come_newest_first_page_by_page(self, road, archive):
        (entry,) = road.bring(paper(1))
        days = [MONDAY + n * DAY for n in range(45)]
        for day in days:
            put(road, "daily", day, [item(1, entry)])
        seen, before = [], None
        while True:
            page = archive.days("daily", before)
            seen.append([one.day for one in page.days])
            before = page.before
            if before is None:
                break
        assert [len(one) for one in seen] == [20, 20, 5]
        assert [day for page in seen for day in page] == days[::-1]

    def test_a_day_names_its_best_papers(self, road, archive):
        ids = road.bring(*map(paper, range(4)))
        scores = (10, 90, 40, 60)
        put(road, "daily", MONDAY, [item(n + 1, ids[n], score=scores[n], title=f"With {scores[n]}") for n in range(4)])
        assert archive.days("daily").days[0].titles == ("With 90", "With 60", "With 40")

    def test_an_edition_without_papers_says_nothing_of_anybody(self, road, archive):
        put(road, "daily", MONDAY, [], reason=(Remark(key="all-sent"),))
        assert archive.days("daily").days[0].says == "no new papers"
        assert papers_of(archive.edition("daily", MONDAY)) == []

    def test_the_second_edition_of_a_day_takes_the_firsts_place(self, road, archive):
        one, other = road.bring(paper(1), paper(2))
        put(road, "daily", MONDAY, [item(1, one, title="Morning")])

        with road.app.store.transaction() as tx:
            held = editions.public_on(tx, "daily", MONDAY)
        evening = datetime(2026, 5, 4, 16, 0, tzinfo=UTC)

        section = dataclasses.replace(held.sections[0], items=(item(1, other, title="Evening"),))
        later = dataclasses.replace(
            held, slot=Slot(digest="daily", local_date=MONDAY, at=evening), composed_at=evening, sections=(section,)
        )
        with road.app.store.transaction() as tx:
            editions.freeze(tx, later)
        assert papers_of(archive.edition("daily", MONDAY)) == ["Evening"]
        assert [one.titles for one in archive.days("daily").days] == [("Evening",)]
        assert archive.paper("daily", one).paper.card.title == "Morning"


class TestEdition:
    def test_eight_hundred_papers_come_in_pages_each_paper_once_the_best_first(self, road, archive):
        ids = road.bring(*map(paper, range(20)))
        number = 800
        items = [
            item(n + 1, ids[n % 20], title=f"Paper {n + 1}", category="cs.CL" if n < 500 else "cs.CV", score=n % 97)
            for n in range(number)
        ]
        put(road, "daily", MONDAY, items)
        seen, after = [], 0
        while after is not None:
            page = archive.edition("daily", MONDAY, after)
            assert len(papers_of(page)) <= PAPERS + 1
            assert (page.lead is not None) == (after == 0)
            seen += papers_of(page)
            after = page.after
        best = max(items, key=lambda one: (one.score, -one.position)).title
        assert seen[0] == best
        assert seen[1:] == [one.title for one in items if one.title != best]

    def test_a_page_behind_the_last_paper_is_empty(self, road, archive):
        (entry,) = road.bring(paper(1))
        put(road, "daily", MONDAY, [item(1, entry)])
        page = archive.edition("daily", MONDAY, 10**17)
        assert (papers_of(page), page.after) == ([], None)

    def test_editions_know_their_neighbours(self, road, archive):
        (entry,) = road.bring(paper(1))
        for day in (MONDAY, MONDAY + DAY, MONDAY + 7 * DAY):
            put(road, "daily", day, [item(1, entry)])
        page = archive.edition("daily", MONDAY + DAY)
        assert (page.earlier, page.later) == (MONDAY, MONDAY + 7 * DAY)

    def test_reasons_speak_of_the_digest_not_to_a_reader(self, road, archive):
        (entry,) = road.bring(paper(1))
        parts = (
            Part(key="topic", points=20, figures={"closeness": 0.9}),
            Part(key="people", points=30, figures={"authors": ("Ada Lovelace",)}),
        )
        put(road, "daily", MONDAY, [item(1, entry, parts=parts)])
        why = [one.text for one in archive.paper("daily", entry).paper.card.why]
        assert why == ["close to this digest's topics", "by Ada Lovelace, whom this digest follows"]


class TestPaper:
    def test_it_shows_all_that_was_printed_and_where(self, road, archive):
        (entry,) = road.bring(paper(1))
        authors = tuple(f"Author {n}" for n in range(500))
        long = "A sentence of some length. " * 200
        for day in (MONDAY, MONDAY + DAY):
            put(road, "daily", day, [item(1, entry, authors=authors, abstract=long, arxiv_id="2605.1", version=3)])
        page = archive.paper("daily", entry)
        assert page.whole.abstract == long.strip()
        assert (len(page.whole.authors), page.whole.more_authors) == (300, 200)
        assert page.whole.ids == ("arXiv:2605.1v3",)
        assert [day for day, _ in page.days] == [MONDAY + DAY, MONDAY]

    def test_what_was_joined_is_found_by_either_address(self, road, archive):
        post = "https://blog.example/post"
        one, other = road.bring(paper(1), paper(2, key=post, url=post, arxiv_id=None))
        put(road, "daily", MONDAY, [item(1, one, title="As one")])
        road.app.works.join(post, "2605.00001")
        assert archive.paper("daily", one).paper.card.title == "As one"
        assert archive.paper("daily", other).paper.card.title == "As one"

    def test_an_unknown_one_is_none(self, archive):
        assert [archive.paper("daily", number) for number in (0, 999_999, 10**18 - 1)] == [None] * 3


#: What is searched for, and whether the first of two papers is found.
QUERIES = {
    "gradient": True,
    "GRADIENT descent": True,
    "grad desc": True,
    "radient": False,
    "gradient ascent": False,
    "muller": True,
    "MÜLLER": True,
    "erdos": True,
    "深度": True,
    "度学": True,
    "学深": False,
    "2605.77777": True,
    "10.1234/abc": True,
    "efficient": True,
    "100%": False,
    "%": False,
    "_": False,
    "a\\b\"'": False,
    "\x00": False,
    "\ud800": False,
    "": False,
}


class TestSearch:
    def test_all_words_begin_a_word_of_the_paper(self, road, archive):
        ids = road.bring(paper(1), paper(2))
        wanted = item(
            1,
            ids[0],
            title="Stochastic gradient-descent: 深度学习",
            authors=("Jörg Müller", "Paul Erdős"),
            abstract="It is eﬃcient.",
            arxiv_id="2605.77777",
            doi="10.1234/abc",
        )
        put(road, "daily", MONDAY, [wanted, item(2, ids[1], title="Nothing of that, nor ráre letters")])
        for query, found in QUERIES.items():
            hits = [one.id for one in archive.search("daily", query).hits]
            assert hits == ([ids[0]] if found else []), query

    def test_it_goes_on_where_it_ended_and_finds_each_once(self, road, archive):
        ids = road.bring(*map(paper, range(10)))
        for n in range(9):
            put(road, "daily", MONDAY + n * DAY, [item(p + 1, ids[p], title=f"Tide {n} {p}") for p in range(10)])
        seen, after, rounds = [], None, 0
        while rounds < 10:
            found = archive.search("daily", "tide", after)
            assert len(found.hits) <= MOST
            seen += [one.card.title for one in found.hits]
            after, rounds = found.after, rounds + 1
            if after is None:
                break
        assert seen == [f"Tide {n} {p}" for n in reversed(range(9)) for p in range(10)]

    def test_it_says_how_far_it_came(self, road, archive, monkeypatch):
        monkeypatch.setattr("digest.services.archive.search._SCAN", 3)
        monkeypatch.setattr("digest.services.archive.search._BATCH", 2)
        (entry,) = road.bring(paper(1))
        for n in range(6):
            put(road, "daily", MONDAY + n * DAY, [item(1, entry, title="Old" if n == 0 else "New")])
        first = archive.search("daily", "old")
        assert (first.hits, first.until) == ((), "Wednesday 6 May 2026")
        assert [one.card.title for one in archive.search("daily", "old", first.after).hits] == ["Old"]

    def test_folding(self):
        assert folded("Müller's LoRA\u2014ＦＵＬＬ ﬁne") == "muller s lora full fine"


NASTY = item(
    1,
    1,  # type: ignore[arg-type]
    title="When p<0.05 & x>y: the bold claim",
    abstract="We show x<y and z>0, a < b, AT&T and \x0b\ufffe f(x) > 0 for “all” cases; 深度学习.",
    authors=("Ada O'Neil", "Wen Li 李文"),
    categories=("cs.CL", "stat.ML"),
    published_at=datetime(2026, 5, 3, 17, 30, tzinfo=UTC),
    arxiv_id="2605.00001",
    doi="10.1234/ab.c",
    pdf_url="https://arxiv.org/pdf/2605.00001",
)


class TestFeeds:
    @pytest.fixture
    def entry(self, road):

        ids = road.bring(paper(1), paper(2))
        put(road, "daily", MONDAY, [dataclasses.replace(NASTY, entry_id=ids[0]), item(2, ids[1], title="Plain")])
        return ids[0]

    def read(self, body: bytes, kind: str):
        response = FetchResponse(
            url="https://digest.example.org/feed",
            status=200,
            headers={"content-type": kind},
            body=body,
        )
        return FEED.parse(Source(id=SourceId("x"), kind="feed", url=response.url), response)

    def test_atom_is_valid(self, archive, entry):
        body = archive.atom("daily").body
        parsed = feedparser.parse(body)
        assert (parsed.bozo, parsed.version) == (False, "atom10")
        feed = parsed.feed
        assert feed.id == "https://digest.example.org/archive/daily/feed.atom"
        assert {link.rel: link.href for link in feed.links} == {
            "self": "https://digest.example.org/archive/daily/feed.atom",
            "alternate": "https://digest.example.org/archive/daily",
        }
        assert (feed.title, feed.author, feed.updated) == ("The Daily", "Digest", "2026-05-04T05:30:00Z")
        assert [one.id for one in parsed.entries] == [
            f"https://digest.example.org/archive/daily/paper/{n}" for n in (entry, entry + 1)
        ]
        # What is no markup is none to a reader that takes it for HTML.
        first = parsed.entries[0]
        assert (first.summary_detail.type, "x&lt;y" in first.summary) == ("text/html", True)
        assert (first.title_detail.type, "p&lt;0.05 &amp; x&gt;y" in first.title) == ("text/html", True)
        for one in parsed.entries:
            assert one.updated
            assert one.link.startswith("https://arxiv.org/abs/")

    @pytest.mark.parametrize("kind", ["atom", "json"])
    def test_our_own_kind_reads_it_back_without_loss(self, archive, entry, kind):
        body = (archive.atom if kind == "atom" else archive.json)("daily").body
        read = self.read(body, "application/atom+xml" if kind == "atom" else "application/feed+json")
        assert (read.problems, read.title, len(read.entries)) == ((), "The Daily", 2)
        back = clean(read.entries[0])
        assert back.key == f"https://digest.example.org/archive/daily/paper/{entry}"
        assert back.url == NASTY.url
        assert back.title == NASTY.title
        assert back.abstract == NASTY.abstract.replace("\x0b", "").replace("\ufffe", "").replace("  ", " ")
        assert back.authors == NASTY.authors
        assert back.categories == NASTY.categories
        assert back.published_at == NASTY.published_at
        assert back.arxiv_id == NASTY.arxiv_id
        if kind == "atom":  # JSON Feed has no place for these two
            assert back.doi == NASTY.doi
            assert back.pdf_url == NASTY.pdf_url

    def test_json_feed_has_what_1_1_asks_for(self, archive, entry):
        feed = json.loads(archive.json("daily").body)
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["title"] == "The Daily"
        assert feed["feed_url"] == "https://digest.example.org/archive/daily/feed.json"
        for one in feed["items"]:
            assert isinstance(one["id"], str)
            assert one["content_html"]
        assert "a &lt; b" in feed["items"][0]["content_html"]

    def test_a_digest_without_editions_has_an_empty_feed(self, archive):
        assert feedparser.parse(archive.atom("daily").body).entries == []
        assert json.loads(archive.json("daily").body)["items"] == []
        assert archive.atom("daily").changed_at is None

    def test_feeds_hold_the_newest_hundred_each_once(self, road, archive):
        ids = road.bring(*map(paper, range(60)))
        for n in range(3):
            put(road, "daily", MONDAY + n * DAY, [item(p + 1, ids[p + n], title=f"{n}") for p in range(50)])
        items = json.loads(archive.json("daily").body)["items"]
        assert len({one["id"] for one in items}) == len(items) == 52
        assert [one["title"] for one in items] == ["2"] * 50 + ["1", "0"]

    def test_the_sitemap_names_lists_and_editions(self, archive, entry):
        body = archive.sitemap().body.decode()
        for path in ("", "/daily", "/daily/2026-05-04"):
            assert f"<loc>https://digest.example.org/archive{path}</loc>" in body
        assert "<lastmod>2026-05-04T05:30:00Z</lastmod>" in body
