"""A feed against what is held: what is new, revised, unchanged; what is one work and what never is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from digest.entries.diff import bands, bands_of, diff, keys
from digest.entries.normalize import clean
from digest.entries.works import Held
from digest.model.feeds import (
    ChangeKind,
    Entry,
    EntryChange,
    EntryData,
    EntryId,
    ParsedFeed,
    Source,
    SourceId,
    VoteObservation,
)

NOW = datetime(2025, 10, 3, 8, tzinfo=UTC)
HF = Source(id=SourceId("hf"), kind="huggingface")
ARXIV = Source(id=SourceId("cl"), kind="arxiv", category="cs.CL")
TITLE = "A Study of Many Small Things"


def said(key: str = "", **fields: object) -> EntryData:
    return clean(EntryData(**{"key": key or "k", "title": TITLE, "authors": ("Ann One",), **fields}))  # type: ignore[arg-type]


class Store:
    """Holds what the changes say, as the storage does: one entry an id, aliases unique."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}

    def held(self, entries: Sequence[EntryData]) -> Held:
        aliases, titles = keys(entries)
        by_alias = {a: e for e in self.entries.values() for a in e.aliases if a in aliases}
        by_title = {t: tuple(e for e in self.entries.values() if e.title_key == t) for t in titles}
        asked = bands(entries, by_alias)
        by_band = {b: tuple(e for e in self.entries.values() if b in bands_of(e)) for b in asked}
        return Held(by_alias=by_alias, by_title={t: e for t, e in by_title.items() if e}, by_band=by_band)

    def take(
        self, *entries: EntryData, source: Source = HF, now: datetime = NOW, backfill: bool = False
    ) -> tuple[EntryChange, ...]:
        changes = diff(ParsedFeed(entries=entries), self.held(entries), source=source, now=now, backfill=backfill)
        for change in changes:
            for gone in change.absorbed:
                del self.entries[gone]
            number = change.after.id or EntryId(max(self.entries, default=0) + 1)
            self.entries[number] = replace(change.after, id=number)
        aliases = [a for e in self.entries.values() for a in e.aliases]
        assert len(aliases) == len(set(aliases)), "an alias belongs to two works"
        works = [e.work for e in self.entries.values()]
        assert len(works) == len(set(works)), "two works have one name"
        return changes


def kinds(changes: Sequence[EntryChange]) -> list[str]:
    return [c.kind.value for c in changes]


def test_a_first_sight_is_new_with_everything_the_feed_said() -> None:
    (change,) = Store().take(
        said("2510.01459", arxiv_id="2510.01459", upvotes=4, abstract="Text.", categories=("cs.CL",))
    )
    assert (change.kind, change.before, change.absorbed, change.fields) == (ChangeKind.NEW, None, (), ())
    assert change.after.id == 0 and change.after.work == "arxiv:2510.01459" and change.after.first_seen_at == NOW
    assert change.aliases == change.after.aliases == ("arxiv:2510.01459",)
    assert change.observation == VoteObservation(source_id=HF.id, at=NOW, upvotes=4) == change.after.votes[0]
    assert change.sighting == change.after.sightings[0] and change.sighting.key == "2510.01459"


def test_the_same_paper_in_four_spellings_is_one_work() -> None:
    store = Store()
    store.take(said("2510.01459", url="https://huggingface.co/papers/2510.01459"))
    feed = [
        said("oai:arXiv.org:2510.01459v2", url="https://arxiv.org/abs/2510.01459", title="Another Spelling"),
        said("g1", url="https://arxiv.org/pdf/2510.01459v1.pdf", title="Link"),
        said("g2", doi="10.48550/arXiv.2510.01459", title="By DOI"),
    ]
    changes = store.take(*feed, source=ARXIV)
    assert kinds(changes) == ["revised"] and len(store.entries) == 1
    assert changes[0].after.title == "Another Spelling", "arXiv speaks for its papers"


def test_new_votes_comments_stars_and_categories_alone_are_no_revision() -> None:
    store = Store()
    store.take(said(arxiv_id="2510.01459", upvotes=1, comments=1))
    (change,) = store.take(
        said(arxiv_id="2510.01459", upvotes=9, comments=5, stars=3, categories=("cs.CL",)), now=NOW + timedelta(hours=1)
    )
    assert (change.kind, change.fields) == (ChangeKind.UNCHANGED, ())
    assert (change.after.upvotes, change.after.comments, change.after.stars) == (9, 5, 3)
    assert change.after.categories == ("cs.CL",) and change.after.first_seen_at == NOW


def test_what_a_feed_is_silent_about_stays() -> None:
    store = Store()
    store.take(
        said(arxiv_id="2510.01459", upvotes=7, abstract="Text.", code_url="https://github.com/a/b", stars=2, comments=4)
    )
    (change,) = store.take(said(arxiv_id="2510.01459", authors=()), now=NOW + timedelta(hours=1))
    assert change.kind is ChangeKind.UNCHANGED and change.observation is None
    assert change.after == change.before


def test_a_higher_version_revises_and_a_lower_one_never_does() -> None:
    store = Store()
    store.take(said(arxiv_id="2510.01459", version=2, abstract="Second."), source=ARXIV)
    (older,) = store.take(said(arxiv_id="2510.01459", version=1, abstract="First.", title="An Older Title Of Things"))
    assert (older.kind, older.after.abstract, older.after.title) == (ChangeKind.UNCHANGED, "Second.", TITLE)
    (newer,) = store.take(said(arxiv_id="2510.01459", version=3, abstract="Third."), source=HF)
    assert (newer.kind, newer.fields, newer.after.version) == (ChangeKind.REVISED, ("abstract", "version"), 3)


def test_another_sources_spelling_of_the_text_is_no_revision_and_fills_only_what_is_empty() -> None:
    store = Store()
    store.take(said(arxiv_id="2510.01459", abstract="We show $x$."))
    other = said(
        arxiv_id="2510.01459", version=1, abstract="We really show x!", institutions=("MIT",), title=TITLE.upper()
    )
    (change,) = store.take(other, source=ARXIV)
    assert (change.kind, change.after.abstract, change.after.title) == (ChangeKind.UNCHANGED, "We show x.", TITLE)
    assert (change.after.institutions, change.after.version) == (("MIT",), 1)
    assert kinds(store.take(other, source=ARXIV)) == ["unchanged"]
    assert [s.source_id for s in store.entries[1].sightings] == ["hf", "cl"]


def test_the_source_that_brought_the_text_may_revise_it() -> None:
    store = Store()
    post = {"url": "https://blog.example.org/a"}
    store.take(said(**post, abstract="Draft."))
    assert kinds(store.take(said(**post, abstract="draft"))) == ["unchanged"]
    (change,) = store.take(said(**post, abstract="Final."))
    assert (change.kind, change.fields, change.after.abstract) == (ChangeKind.REVISED, ("abstract",), "Final.")


def test_a_new_doi_code_link_or_withdrawal_is_a_revision() -> None:
    store = Store()
    store.take(said(arxiv_id="2510.01459"))
    (linked,) = store.take(
        said(arxiv_id="2510.01459", doi="10.1000/x", code_url="https://github.com/a/b"), source=ARXIV
    )
    assert (linked.kind, linked.fields, linked.aliases) == (ChangeKind.REVISED, ("doi", "code_url"), ("doi:10.1000/x",))
    (gone,) = store.take(said(arxiv_id="2510.01459", comment="This paper has been withdrawn"), source=ARXIV)
    assert (gone.kind, gone.fields, gone.after.withdrawn) == (ChangeKind.REVISED, ("withdrawn",), True)


def test_a_new_paper_that_is_withdrawn_is_new_and_says_so() -> None:
    (change,) = Store().take(said(arxiv_id="2510.01459", comment="Withdrawn"))
    assert change.kind is ChangeKind.NEW and change.after.withdrawn


def test_an_equal_title_needs_four_words_and_a_common_author() -> None:
    store = Store()
    store.take(said(url="https://a.example.org/1"))
    assert kinds(store.take(said(url="https://b.example.org/1", authors=("A. ONE",)))) == ["unchanged"]
    assert kinds(store.take(said(url="https://c.example.org/1", authors=("Zoe Other",)))) == ["new"]
    store.take(said(url="https://d.example.org/1", title="Editorial Board"))
    assert kinds(store.take(said(url="https://d.example.org/2", title="Editorial Board"))) == ["new"]


def test_two_arxiv_ids_are_two_works_whatever_they_share() -> None:
    store = Store()
    store.take(said("a", arxiv_id="2510.00001", doi="10.1000/x"))
    (change,) = store.take(said("b", arxiv_id="2510.00002", doi="10.1000/x"))
    assert change.kind is ChangeKind.NEW and change.aliases == ("arxiv:2510.00002",)
    both = [said("a", arxiv_id="2510.00003", doi="10.1000/y"), said("b", arxiv_id="2510.00004", doi="10.1000/y")]
    assert kinds(store.take(*both)) == ["new", "new"]
    assert kinds(store.take(*both)) == ["unchanged", "unchanged"]


def test_an_item_that_bridges_two_held_works_joins_them_under_the_older() -> None:
    store = Store()
    store.take(said("a", url="https://a.example.org/1", title="One Name", upvotes=2), now=NOW)
    store.take(said("b", doi="10.1000/x", title="Other Name", upvotes=5), source=ARXIV, now=NOW + timedelta(days=1))
    (change,) = store.take(
        said("c", url="https://a.example.org/1", doi="10.1000/x", arxiv_id="2510.00001"), now=NOW + timedelta(days=2)
    )
    assert (change.after.id, change.absorbed, change.after.first_seen_at) == (1, (2,), NOW)
    assert change.after.work == "arxiv:2510.00001"
    assert set(change.after.aliases) == {"url:https://a.example.org/1", "doi:10.1000/x", "arxiv:2510.00001"}
    assert change.aliases == ("arxiv:2510.00001",)
    assert {v.source_id: v.upvotes for v in change.after.votes} == {"hf": 2, "cl": 5}
    assert [s.key for s in change.after.sightings] == ["a", "b", "c"]


def test_two_items_of_one_work_in_a_feed_are_one_change() -> None:
    items = [
        said("v1", arxiv_id="2510.01459", version=1, abstract="First.", upvotes=8, doi="10.1000/x"),
        said("v2", arxiv_id="2510.01459", version=2, abstract="Second.", upvotes=3),
    ]
    (change,) = Store().take(*items)
    assert (change.after.version, change.after.abstract, change.after.upvotes) == (2, "Second.", 8)
    assert change.aliases == ("arxiv:2510.01459", "doi:10.1000/x") and change.sighting.key == "v2"


def test_a_backfill_dates_entries_by_their_own_date_but_never_later_than_now() -> None:
    early, late = NOW - timedelta(days=40), NOW + timedelta(days=3)
    items = [
        said("a", url="https://e.org/a", title="A", submitted_at=early, published_at=NOW),
        said("b", url="https://e.org/b", title="B", published_at=early),
        said("c", url="https://e.org/c", title="C", published_at=late),
        said("d", url="https://e.org/d", title="D"),
    ]
    assert [c.after.first_seen_at for c in Store().take(*items, backfill=True)] == [early, early, NOW, NOW]
    assert [c.after.first_seen_at for c in Store().take(*items)] == [NOW] * 4


def test_a_link_that_the_whole_feed_shares_does_not_make_one_work_of_it() -> None:
    items = [said(f"item-number-{n}", url="https://journal.example.org/toc", title=f"Paper {n}") for n in range(4)]
    store = Store()
    assert kinds(store.take(*items)) == ["new"] * 4
    assert kinds(store.take(*items)) == ["unchanged"] * 4


def test_keys_name_everything_that_diff_looks_up() -> None:
    items = [said("a", arxiv_id="2510.01459", doi="10.1000/x"), said("b", url="https://e.org/b", title="Short")]
    assert keys(items) == (
        ("arxiv:2510.01459", "doi:10.1000/x", "url:https://e.org/b"),
        ("a study of many small things",),
    )


def item(draw: st.DrawFn) -> EntryData:
    fields: dict[str, object] = {"key": draw(st.sampled_from(["key-number-one", "key-number-two", "key-number-six"]))}
    fields["title"] = draw(st.sampled_from([TITLE, TITLE.lower(), "Quite Another Title Of Five", "Short One"]))
    fields["authors"] = draw(st.sampled_from([(), ("Ann One",), ("Bob Two",), ("Ann One", "Bob Two")]))
    fields["arxiv_id"] = draw(st.sampled_from([None, None, "2510.00001", "2510.00002", "2510.00003"]))
    fields["doi"] = draw(st.sampled_from([None, None, "10.1000/x", "10.1000/y"]))
    fields["url"] = draw(st.sampled_from(["", "https://e.org/a", "https://e.org/b", "https://e.org/c"]))
    fields["version"] = draw(st.sampled_from([None, 1, 2])) if fields["arxiv_id"] else None
    fields["abstract"] = draw(st.sampled_from(["", "One.", "Two."]))
    fields["upvotes"] = draw(st.sampled_from([None, 1, 5]))
    return clean(EntryData(**fields))  # type: ignore[arg-type]


feeds = st.lists(st.composite(item)(), min_size=1, max_size=7)


@given(feeds, feeds)
@settings(max_examples=150, deadline=None)
def test_no_alias_is_ever_held_twice_and_arxiv_ids_never_merge(first: list[EntryData], second: list[EntryData]) -> None:
    store = Store()
    for feed, source in ((first, HF), (second, ARXIV)):
        changes = store.take(*feed, source=source)
        fresh = [a for c in changes if c.kind is ChangeKind.NEW for a in c.aliases]
        assert len(fresh) == len(set(fresh))
    for entry in store.entries.values():
        assert len([a for a in entry.aliases if a.startswith("arxiv:")]) <= 1
    named = {d.arxiv_id for d in (*first, *second) if d.arxiv_id}
    assert {e.arxiv_id for e in store.entries.values() if e.arxiv_id} == named


@given(feeds)
@settings(max_examples=150, deadline=None)
def test_a_feed_seen_again_holds_nothing_new(feed: list[EntryData]) -> None:
    store = Store()
    store.take(*feed)
    entries = set(store.entries)
    changes = store.take(*feed, now=NOW + timedelta(hours=1))
    assert kinds(changes) == ["unchanged"] * len(changes)
    assert set(store.entries) == entries


BLOG = Source(id=SourceId("blog"), kind="feed")
WHOLE = "A first sentence that says what was done. " * 10
LINES = "A first sentence."


def shown(where: str, **fields: object) -> EntryData:
    return said(url=where, **{"arxiv_id": "2510.01459", **fields})


ON_BLOG, ON_HF, ON_ARXIV = (
    "https://b.example.org/1", "https://huggingface.co/papers/2510.01459", "https://arxiv.org/abs/2510.01459"
)  # fmt: skip


def test_the_nearest_source_speaks_and_two_never_take_turns() -> None:
    store = Store()
    store.take(shown(ON_BLOG, abstract=LINES, title="We Wrote a Paper of Things"), source=BLOG)
    for where, source, kind in ((ON_HF, HF, "revised"), (ON_ARXIV, ARXIV, "revised"), (ON_HF, HF, "unchanged")):
        text = WHOLE + f"As told on {where}."
        (change,) = store.take(shown(where, abstract=text), source=source)
        assert change.kind.value == kind
    (held,) = store.entries.values()
    assert (held.url, held.title, held.abstract) == (ON_ARXIV, TITLE, WHOLE + f"As told on {ON_ARXIV}.")
    for _ in range(2):
        assert kinds(store.take(shown(ON_BLOG, abstract=LINES, title="We Wrote a Paper of Things"), source=BLOG)) == [
            "unchanged"
        ]
        assert kinds(store.take(shown(ON_ARXIV, abstract=held.abstract), source=ARXIV)) == ["unchanged"]


def test_a_line_gives_way_to_an_abstract_and_never_the_other_way_round() -> None:
    store = Store()
    store.take(shown(ON_ARXIV, abstract=LINES), source=ARXIV)
    assert kinds(store.take(shown(ON_BLOG, abstract=WHOLE), source=BLOG)) == ["revised"]
    assert kinds(store.take(shown(ON_ARXIV, abstract=LINES), source=ARXIV)) == ["unchanged"]
    assert kinds(store.take(shown(ON_BLOG, abstract=WHOLE), source=BLOG)) == ["unchanged"]
    assert [e.abstract for e in store.entries.values()] == [WHOLE.strip()]


@given(st.permutations([(ON_BLOG, BLOG, LINES), (ON_HF, HF, WHOLE), (ON_ARXIV, ARXIV, WHOLE + "More.")]))
def test_whoever_comes_first_the_text_comes_to_rest(order: list[tuple[str, Source, str]]) -> None:
    store = Store()
    for _ in range(2):
        last = [kinds(store.take(shown(w, abstract=text), source=source)) for w, source, text in order]
    assert last == [["unchanged"]] * 3
    assert [(e.url, e.abstract) for e in store.entries.values()] == [(ON_ARXIV, WHOLE + "More.")]


def test_the_ids_of_authors_go_with_their_names() -> None:
    store = Store()
    store.take(shown(ON_HF))
    ids = ("orcid:0000-0002-1825-0097",)
    (change,) = store.take(shown(ON_BLOG, author_ids=ids), source=BLOG)
    assert (change.kind, change.after.author_ids) == (ChangeKind.UNCHANGED, ids)
    assert store.take(shown(ON_HF, authors=("Ann One", "Bo Two")))[0].after.author_ids == ()


def test_what_somebody_told_apart_is_never_joined_not_even_by_a_link() -> None:
    store = Store()
    store.take(shown(ON_ARXIV))
    store.take(said(url=ON_BLOG, title="Quite Another Title Of Five"), source=BLOG)
    bridge = shown(ON_BLOG)
    held = replace(store.held([bridge]), apart=frozenset({(EntryId(1), EntryId(2))}))
    (change,) = diff([bridge], held, source=BLOG, now=NOW, backfill=False)
    assert change.absorbed == () and change.resembles == ()


def test_words_find_what_no_name_finds_and_the_feed_again_proves_nothing_new() -> None:
    abstract = " ".join(f"word{n} of the abstract" for n in range(30))
    held = clean(EntryData(key="k", title="A Study of Many Small Thinges", url=ON_BLOG, abstract=abstract))
    items = [said(url=ON_HF, arxiv_id="2510.01459", abstract=abstract), held, said("z", url="https://z.example/1")]
    store = Store()
    assert kinds(store.take(*items)) == ["new"]
    assert kinds(store.take(*items)) == ["unchanged"]
    (change,) = store.take(
        said("y", url="https://y.example/1", title="Things That Are Small", abstract=abstract), source=BLOG
    )
    assert change.kind is ChangeKind.NEW
    assert [(like.alias, like.overlap) for like in change.resembles] == [("arxiv:2510.01459", 1.0)]


HN = Source(id=SourceId("hn"), kind="hackernews")
LINK = "https://arxiv.org/abs/2510.01459"


def story(number: int = 1, **fields: object) -> EntryData:
    known = {"title": "Many small things, oh my", "authors": (), "arxiv_id": "2510.01459", "url": LINK}
    return said(f"hn:{number}", **{**known, "upvotes": 300, "comments": 120, **fields})


def test_a_story_that_links_to_a_held_paper_brings_votes_and_comments_and_no_words() -> None:
    store = Store()
    store.take(said("oai:arXiv.org:2510.01459v1", url=LINK, version=1, abstract="Text."), source=ARXIV)
    (change,) = store.take(story(), source=HN, now=NOW + timedelta(hours=1))
    assert (change.kind, change.fields, len(store.entries)) == (ChangeKind.UNCHANGED, (), 1)
    assert (change.after.title, change.after.abstract, change.after.authors) == (TITLE, "Text.", ("Ann One",))
    assert (change.after.upvotes, change.after.comments) == (300, 120)


def test_a_paper_that_a_story_named_first_is_named_by_whoever_comes_next() -> None:
    hf = said(
        "2510.01459", url="https://huggingface.co/papers/2510.01459", title="As The List Has It", abstract="Text."
    )
    listed = said("oai:arXiv.org:2510.01459v1", url=LINK, version=1, abstract="All of the text.")
    for first in (hf, listed):
        store = Store()
        store.take(story(), source=HN)
        (change,) = store.take(first, source=HF if first is hf else ARXIV, now=NOW + timedelta(hours=1))
        assert (change.after.title, change.after.abstract) == (first.title, first.abstract)
        assert change.after.authors == ("Ann One",)
    store = Store()
    for source, data in ((HN, story()), (HF, hf), (ARXIV, listed), (HN, story()), (HF, hf)):
        (change,) = store.take(data, source=source, now=NOW + timedelta(hours=2))
    assert (change.after.title, change.after.url) == (TITLE, LINK), "arXiv speaks in the end, whatever came before"
    assert change.kind is ChangeKind.UNCHANGED


def test_another_story_on_the_same_paper_revises_nothing() -> None:
    store = Store()
    store.take(story(), source=HN)
    (change,) = store.take(
        story(2, title="Posted once more", upvotes=4, comments=0), source=HN, now=NOW + timedelta(hours=1)
    )
    assert (change.kind, change.after.title) == (ChangeKind.UNCHANGED, "Many small things, oh my")
    assert (change.after.upvotes, change.after.comments) == (4, 0), "the newest count of the only source"


def test_two_sources_that_count_comments_do_not_take_turns() -> None:
    store = Store()
    store.take(said(arxiv_id="2510.01459", comments=2))
    counts = []
    for source, comments in ((HN, 120), (HF, 3), (HN, 119)):
        data = story(comments=comments) if source is HN else said(arxiv_id="2510.01459", comments=comments)
        counts.append(store.take(data, source=source, now=NOW + timedelta(hours=1))[0].after.comments)
    assert counts == [120, 120, 120]


def test_releases_of_one_repository_are_works_of_their_own_whatever_their_words() -> None:
    text = "Full list of what has changed since the release of before, with thanks to all who helped to make it."
    site = "https://github.com/harbour/lamp/releases/tag"
    entries = [
        said(f"r{tag}", title=f"harbour/lamp v{tag}", url=f"{site}/v{tag}", abstract=text, authors=())
        for tag in ("2.1.0", "2.1.1", "2.2.0")
    ]
    store = Store()
    assert kinds(store.take(*entries)) == ["new", "new", "new"]
    assert kinds(store.take(*entries)) == ["unchanged"] * 3


LINKS = Source(id=SourceId("links"), kind="feed")


def test_a_title_alone_gives_way_to_a_whole_record_of_equal_standing() -> None:
    store = Store()
    store.take(said("g1", url=LINK, title="You must read this", authors=()), source=LINKS)
    listed = said("oai:arXiv.org:2510.01459v1", url=LINK, version=1, abstract="Text.")
    (change,) = store.take(listed, source=ARXIV, now=NOW + timedelta(hours=1))
    assert (change.after.title, change.after.abstract, change.after.authors) == (TITLE, "Text.", ("Ann One",))


def test_a_link_to_a_higher_version_tells_the_version_and_not_the_title() -> None:
    store = Store()
    store.take(said("oai:arXiv.org:2510.01459v1", url=LINK, version=1, abstract="Text."), source=ARXIV)
    (change,) = store.take(said("g1", url=f"{LINK}v2", version=2, title="You must read this", authors=()), source=LINKS)
    assert (change.after.title, change.after.version, change.fields) == (TITLE, 2, ("version",))
