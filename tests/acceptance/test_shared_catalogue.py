"""The seeds' pages as mails of a store: the author digest, the topic digest and the catalogue line.

``pytest -m shared tests/acceptance/test_shared_catalogue.py``; with SEEDS_TO=DIR the mails' HTML is left there, to be
looked at. The five pages are brought into a store as a feed would bring them, and configuration, ranking and printing
are the real ones. A page's own score, Novelty and AI score are never copied: ours stand in their place.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from digest.entries.normalize import clean
from digest.model.editions import Edition
from digest.model.feeds import EntryData, FetchResponse
from digest.rendering.language import ENGLISH
from digest.services.fetching.catalogue import People
from digest.sources.people.openalex import OPENALEX
from digest.storage import editions
from tests.acceptance.archive import shared
from tests.acceptance.mails import seed
from tests.services.road import SLOT, Road

pytestmark = pytest.mark.shared
WHO = "Alexander M. Rush"
ID = "openalex:A5017898742"
PAGES = ("000", "001", "002", "003", "004")
#: Whose papers a page lists; the page names three authors of each, and "et al.".
OWNERS = {"000": WHO, "002": "Yoon Kim"}
TOPICS = {"003": "perplexity of language models", "004": "sample complexity of learning"}
_SPACE = re.compile(r"\s+")


def author() -> dict[str, Any]:
    return json.loads((shared() / "data" / "seeds" / "author.json").read_text("utf-8"))


def title_of(row: Any) -> str:
    """Case aside: some papers stand on a page, or on two, as "Open-source" and as "Open-Source"."""
    return clean(EntryData(key="x", title=row["title"])).title.casefold()


def data(row: Any, owners: Mapping[str, set[str]]) -> EntryData:
    """A row of a page as a feed would say it: behind the three who are named stands whose page it is on."""
    others = sorted(owners.get(title_of(row), set()) - set(row["authors"] or ()))
    authors = (*(row["authors"] or ()), *others, *(["Et Alii"] if row["et_al"] and not others else []))
    return clean(
        EntryData(
            key=f"{row['seed']}-{row['n']}",
            title=row["title"],
            url=f"https://papers.example/{row['seed']}/{row['n']}",
            abstract=row["abstract"] or "",
            authors=authors,
            institutions=tuple(row["institutions"] or ()),
            categories=(f"cs.{row['category']}",) if row["category"] else (),
            published_at=datetime.fromisoformat(row["date"]).replace(tzinfo=UTC) if row["date"] else None,
            code_url=f"https://code.example/{row['n']}" if row["code"] else "",
        )
    )


@pytest.fixture
def open_road(tmp_path: Path) -> Iterator[Callable[..., Road]]:
    """A store with all five pages: those of people came this morning, the others over the last eighty days."""
    opened: list[Road] = []

    def open_(*digests: dict[str, object]) -> Road:
        road = Road.open(tmp_path, f"sqlite:///{tmp_path}/digest.db", *digests)
        opened.append(road)
        owners: dict[str, set[str]] = defaultdict(set)
        for page, owner in OWNERS.items():
            for row in seed(page):
                owners[title_of(row)].add(owner)
        for page in PAGES:
            # 19 titles stand on more than one page; what came this morning did not come before.
            rows = [data(row, owners) for row in seed(page) if page in OWNERS or title_of(row) not in owners]
            steps = 1 if page in OWNERS else 8
            for step in range(steps):
                back = timedelta(hours=3) if page in OWNERS else timedelta(days=1 + 10 * step)
                road.bring(*rows[step::steps], at=SLOT - back)
        return road

    yield open_
    for road in opened:
        road.app.close()


def sent(road: Road, name: str) -> tuple[Edition, EmailMessage, str]:
    """(edition, mail, text) of the first reader."""
    road.reader()
    shown = road.preview(to="ada@example.org", at="2026-05-04")
    assert shown.edition is not None and shown.mail is not None
    road.publish()
    assert road.deliver() == {"accepted": 1}
    (mail,) = road.mails()
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None and text is not None
    if os.environ.get("SEEDS_TO"):
        (Path(os.environ["SEEDS_TO"]) / f"{name}.html").write_text(html.get_content(), encoding="utf-8")
        (Path(os.environ["SEEDS_TO"]) / f"{name}.txt").write_text(text.get_content(), encoding="utf-8")
    return shown.edition, mail, _SPACE.sub(" ", text.get_content())


def ask_openalex(road: Road) -> None:
    """The catalogue answers with the figures that the page shows."""
    said = author()
    document = {
        "id": f"https://openalex.org/{ID.partition(':')[2]}",
        "display_name": said["name"],
        "works_count": said["papers"],
        "cited_by_count": said["citations"],
        "summary_stats": {"h_index": said["h_index"]},
        "last_known_institutions": [{"display_name": "Cornell University"}],
    }
    people = People(
        store=road.app.store,
        digests=road.app.config.digests,
        catalogues=(OPENALEX,),
        fetch=lambda request: FetchResponse(url=request.url, status=200, body=json.dumps(document).encode()),
        clock=lambda: road.now,
    )
    assert [answer.state for answer in people.refresh().answers] == ["found"]


def test_the_author_page_as_a_mail_has_every_field_of_the_seed(open_road):
    road = open_road(
        {
            "name": "people",
            "title": "Papers of " + WHO,
            "about": "authors",
            "authors": [f"{WHO} ({ID})"],
            "max_items": 60,
        }
    )
    ask_openalex(road)
    edition, _, text = sent(road, "author")
    rows, said = seed("000"), author()
    assert {item.title.casefold() for item in edition.items} == {title_of(row) for row in rows}
    (card,) = edition.cards
    assert (card.name, card.h_index, card.papers, card.citations) == (
        said["name"], said["h_index"], said["papers"], said["citations"],
    )  # fmt: skip
    assert (card.category, card.institutions) == (f"cs.{said['primary_category']}", ("Cornell University",))
    assert card.novelty is not None and card.ai_score is not None
    for shown in (
        said["name"], "Cornell University", "h-index 24", "papers 105", "citations 56,683",
        f"novelty {card.novelty}", f"AI score {card.ai_score}",
    ):  # fmt: skip
        assert shown in text
    by_title = {item.title.casefold(): item for item in edition.items}
    for row in rows:
        item = by_title[title_of(row)]
        assert item.authors[: len(row["authors"])] == tuple(row["authors"])
        assert item.institutions == tuple(row["institutions"] or ())
        assert (item.category, bool(item.code_url)) == (f"cs.{row['category']}", bool(row["code"]))
        day = item.published_at.date().isoformat() if item.published_at else None
        assert day in {other["date"] for other in rows if title_of(other) == title_of(row)}
        assert sum(part.points for part in item.parts) == item.score > 0


@pytest.mark.parametrize("page", TOPICS)
def test_a_topic_page_as_a_mail_reaches_into_the_store_and_prints_the_nearest_first(open_road, page):
    phrase = TOPICS[page]
    road = open_road({"name": "topic", "title": phrase.title(), "about": "topic", "topics": [phrase], "max_items": 25})
    edition, _, text = sent(road, f"topic-{page}")
    assert f"The papers closest to “{phrase}”." in text
    scores = [item.score for section in edition.sections for item in section.items]
    assert len(scores) >= 5
    for section in edition.sections:
        of_section = [item.score for item in section.items]
        assert of_section == sorted(of_section, reverse=True)
    assert min(scores) >= 50  # the cut-off of a topic is where half of its points are given
    road.now += timedelta(days=1)
    road.publish()
    with road.app.store.reading() as tx:
        later = editions.last_of(tx, "topic")
    # What was left over of the newest papers may follow; nothing comes again.
    assert later is not None
    works = {item.work for item in edition.items}
    assert later.slot == edition.slot or works.isdisjoint(item.work for item in later.items)


def test_the_catalogue_line_shows_score_category_date_and_code_authors_and_institutions(open_road):
    digest = {"about": "authors", "authors": [OWNERS["002"]], "layout": "catalogue", "max_items": 60}
    road = open_road({"name": "people", "title": "Papers of Yoon Kim", **digest})
    edition, _, text = sent(road, "catalogue")
    items = {item.title.casefold(): item for item in edition.items}
    rows = seed("002")
    assert items.keys() >= {title_of(row) for row in rows}
    for row in rows:
        item = items[title_of(row)]
        known = [str(item.score)]
        # A paper that stands on both people's pages has what either says.
        assert row["category"] in (None, item.category.removeprefix("cs."))
        assert bool(item.code_url) >= bool(row["code"])
        known += [item.category.removeprefix("cs.")] * (item.category != "other")
        if item.published_at is not None:
            known.append(ENGLISH.short_date(item.published_at.date(), with_year=item.published_at.year != 2026))
        known += ["Code"] * bool(item.code_url)
        block = text[text.index(item.title) :][: len(item.title) + 500]
        assert " · ".join(known) in block
        assert ", ".join(row["authors"]) in block
        assert not row["institutions"] or ", ".join(row["institutions"]) in block
