"""Ranked entries become an edition: snapshots in sections, counts that add up, a name for profile and history."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from digest.editions.compose import compose, history_key
from digest.model.editions import Counts, Edition, Part, Ranked, Remark, Selection, Slot
from digest.model.feeds import Alias, Entry, EntryId, Sighting, SourceId, VoteObservation, WorkId
from digest.model.people import Profile

AT = datetime(2026, 5, 4, 5, 30, tzinfo=UTC)
SLOT = Slot(digest="daily", local_date=date(2026, 5, 4), at=AT)


def entry(number: int, **fields: object) -> Entry:
    known: dict[str, object] = {
        "id": EntryId(number),
        "work": WorkId(f"arxiv:2605.{number:05d}"),
        "aliases": (Alias(f"arxiv:2605.{number:05d}"), Alias(f"url:https://lab.example.org/{number}")),
        "title": f"Paper {number}",
        "title_key": "",
        "url": f"https://arxiv.org/abs/2605.{number:05d}",
        "first_seen_at": AT,
        "arxiv_id": f"2605.{number:05d}",
        **fields,
    }
    return Entry(**known)  # type: ignore[arg-type]


def ranked(number: int, category: str = "cs.CL", **fields: object) -> Ranked:
    part = Part(key="trend", points=50)
    return Ranked(entry=entry(number, **fields), score=50, exact=50.0, trend=1.0, parts=(part,), category=category)


def composed(candidates: tuple[Ranked, ...], selection: Selection, **changes: object) -> Edition:
    known: dict[str, object] = {
        "slot": SLOT,
        "profile": Profile(),
        "history": history_key(AT - timedelta(days=3), ()),
        "composed_at": AT,
        "selection": replace(selection, candidates=Counter(one.category.casefold() for one in candidates)),
        "already_sent": 0,
        "title_of": lambda category: f"The {category} section",
        "source_titles": lambda source: {"hf": "Daily Papers"}.get(source, source),
        **changes,
    }
    return compose(**known)  # type: ignore[arg-type]


def test_positions_run_through_the_sections_and_counts_add_up():
    one, two, three, four = ranked(1), ranked(2, "cs.CV"), ranked(3), ranked(4)
    muted = ((entry(9), "lidar"),)
    selection = Selection(sections=(("cs.CV", (two,)), ("cs.CL", (one, three))), muted=muted)
    edition = composed((one, two, three, four), selection, already_sent=7)
    assert [(s.category, s.title, s.new) for s in edition.sections] == [
        ("cs.CV", "The cs.CV section", 1),
        ("cs.CL", "The cs.CL section", 3),
    ]
    assert [(item.position, item.title, item.category) for item in edition.items] == [
        (1, "Paper 2", "cs.CV"),
        (2, "Paper 1", "cs.CL"),
        (3, "Paper 3", "cs.CL"),
    ]
    assert edition.counts == Counts(candidates=5, already_sent=7, muted=1, printed=3)
    assert (edition.id, edition.slot, edition.composed_at) == (0, SLOT, AT)


def test_a_section_without_papers_is_not_printed():
    reason, notes = (Remark(key="nothing-new"),), (Remark(key="source", figures={"source": "hf", "state": "quiet"}),)
    edition = composed((), Selection(sections=(("cs.CV", ()),)), reason=reason, notes=notes)
    assert (edition.sections, edition.items, edition.counts) == ((), (), Counts())
    assert (edition.reason, edition.notes) == (reason, notes)


def test_an_item_is_a_snapshot_of_everything_that_is_shown():
    votes = tuple(VoteObservation(source_id=SourceId(s), at=AT, upvotes=n) for s, n in (("hf", 8), ("zoo", 3)))
    seen = tuple(
        Sighting(source_id=SourceId(s), key="k", url="https://x.example", first_seen_at=AT) for s in ("hf", "lab", "hf")
    )
    one = replace(
        ranked(1, votes=votes, sightings=seen, submitted_at=AT, stars=4, comments=2, version=3, language="fr"),
        probability=0.25,
    )
    (item,) = composed((one,), Selection(sections=(("cs.CL", (one,)),))).items
    assert (item.entry_id, item.work, item.upvotes, item.probability) == (1, "arxiv:2605.00001", 8, 0.25)
    assert (item.published_at, item.stars, item.comments, item.version, item.language) == (AT, 4, 2, 3, "fr")
    assert (item.score, item.parts) == (50, (Part(key="trend", points=50),))
    assert item.also == ("url:https://lab.example.org/1",)
    assert item.seen_in == ("Daily Papers", "lab")
    assert item.pdf_url == "https://arxiv.org/pdf/2605.00001"


@pytest.mark.parametrize(
    ("fields", "url", "pdf"),
    [
        ({"url": ""}, "https://arxiv.org/abs/2605.00001", "https://arxiv.org/pdf/2605.00001"),
        ({"url": "", "arxiv_id": None, "doi": "10.1000/x"}, "https://doi.org/10.1000/x", ""),
        ({"url": "", "arxiv_id": None}, "", ""),
        ({"pdf_url": "https://p.example/1.pdf"}, "https://arxiv.org/abs/2605.00001", "https://p.example/1.pdf"),
    ],
)
def test_a_paper_without_a_link_gets_the_one_its_id_stands_for(fields, url, pdf):
    one = ranked(1, **fields)
    (item,) = composed((one,), Selection(sections=(("cs.CL", (one,)),))).items
    assert (item.url, item.pdf_url) == (url, pdf)


def test_the_history_key_depends_on_the_windows_start_and_on_which_works_not_on_their_order():
    since = AT - timedelta(days=3)
    assert history_key(since, [EntryId(3), EntryId(1)]) == history_key(since, frozenset({EntryId(1), EntryId(3)}))
    keys = {
        history_key(since, []),
        history_key(since, [EntryId(1)]),
        history_key(since, [EntryId(11)]),
        history_key(since, [EntryId(1), EntryId(11)]),
        history_key(since - timedelta(days=1), []),
    }
    assert len(keys) == 5


def test_an_editions_key_names_slot_profile_and_history_and_nothing_else():
    one = ranked(1)
    full = Selection(sections=(("cs.CL", (one,)),))
    base = composed((one,), full)
    assert (
        base.key == composed((), Selection(sections=()), already_sent=5, public=True, composed_at=AT + timedelta(1)).key
    )
    others = {
        composed((one,), full, slot=replace(SLOT, digest="other")).key,
        composed((one,), full, slot=replace(SLOT, local_date=date(2026, 5, 5))).key,
        composed((one,), full, slot=replace(SLOT, at=AT + timedelta(hours=1))).key,
        composed((one,), full, profile=Profile(language="de")).key,
        composed((one,), full, history=history_key(AT, [EntryId(1)])).key,
    }
    assert len(others) == 5 and base.key not in others
