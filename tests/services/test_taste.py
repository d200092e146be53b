"""What readers say of papers: kept, heard by the next edition, taken back, carried off, and gone with the person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select

from digest.model.errors import NotFound
from digest.model.mail import Stamp
from digest.rendering.message import parts, segments
from digest.services.learning import evidence
from digest.services.publishing.press import without
from digest.services.stamping import PREFERENCES, TASTE, scoped
from digest.storage import editions
from digest.storage.tastes import tastes
from tests.services.road import DAY, SLOT, Road, in_mail, paper
from tests.services.test_preview import is_stamped

ADA, BO = "ada@example.org", "bo@example.org"


@pytest.fixture
def road(url: str, tmp_path: Path) -> Iterator[Road]:
    made = Road.open(tmp_path, url)
    yield made
    made.app.close()


def link(road: Road, reader, *, purpose: str = TASTE, day=None) -> str:
    return scoped(purpose, reader.id, (day or road.now.date()).isoformat(), road.app.keys.links)


def said(road: Road, reader) -> list[tuple[str, int]]:
    return [(one.work, one.value) for one in road.app.tastes.said_by(reader.subscriber_id)]


class TestSaying:
    def test_a_paper_may_be_named_in_any_way_and_the_newest_word_counts(self, road):
        ada = road.reader(ADA)
        road.bring(paper(1, doi="10.1000/Tide"), paper(2))
        say = road.app.tastes.keep
        say(ada.subscriber_id, ["https://arxiv.org/abs/2605.00001v2", "arxiv:2605.00002"], 1)
        assert said(road, ada) == [("arxiv:2605.00002", 1), ("arxiv:2605.00001", 1)]
        (word,) = say(ada.subscriber_id, ["10.1000/tide"], -1)
        assert (word.work, word.value, word.day) == ("arxiv:2605.00001", -1, SLOT.date())
        assert said(road, ada) == [("arxiv:2605.00002", 1), ("arxiv:2605.00001", -1)]

    def test_an_unknown_paper_is_named_and_none_of_the_others_is_kept(self, road):
        ada = road.reader(ADA)
        road.bring(paper(1))
        with pytest.raises(NotFound, match=r"2605\.99999: no source has brought this paper"):
            road.app.tastes.keep(ada.subscriber_id, ["2605.00001", "2605.99999"], 1)
        assert said(road, ada) == []

    def test_undo_takes_back_one_and_says_when_there_is_nothing(self, road):
        ada = road.reader(ADA)
        road.bring(paper(1), paper(2))
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001", "2605.00002"], 1)
        (undone,) = road.app.tastes.undo(ada.subscriber_id, ["2605.00001"])
        assert (undone.work, said(road, ada)) == ("arxiv:2605.00001", [("arxiv:2605.00002", 1)])
        with pytest.raises(NotFound, match="nothing was said of this paper"):
            road.app.tastes.undo(ada.subscriber_id, ["2605.00001"])

    def test_the_export_is_all_that_is_kept_and_forgetting_leaves_nothing(self, road):
        ada, bo = road.reader(ADA), road.reader(BO)
        road.bring(paper(1))
        for who in (ada, bo):
            road.app.tastes.keep(who.subscriber_id, ["2605.00001"], -1)
        assert road.app.tastes.export(ada.subscriber_id) == {
            "tastes": [
                {
                    "id": "arxiv:2605.00001",
                    "title": "Tidal gauges number 1 and the people who read them",
                    "url": "https://arxiv.org/abs/2605.00001",
                    "value": -1,
                    "day": "2026-05-04",
                }
            ]
        }
        assert (road.app.tastes.forget(ada.subscriber_id), road.app.tastes.forget(ada.subscriber_id)) == (1, 0)
        assert (said(road, ada), said(road, bo)) == ([], [("arxiv:2605.00001", -1)])

    def test_a_reader_is_shown_the_words_and_people_that_his_likes_point_to(self, road):
        ada = road.reader(ADA)
        road.bring(
            paper(1, title="Mirrors of lighthouses", abstract="Mirrors and wicks.", authors=("Mira Halden",)),
            paper(2, title="Tomatoes in winter", abstract="Tomatoes under glass.", authors=("Tomás Vega",)),
            *(paper(number, title=f"On matter {number}", abstract=f"Word{number}.") for number in range(3, 40)),
        )
        assert road.app.tastes.leanings(ada.subscriber_id) == ((), ())
        road.app.tastes.keep(ada.subscriber_id, ["2605.00002"], -1)
        assert road.app.tastes.leanings(ada.subscriber_id) == ((), ())
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
        words, people = road.app.tastes.leanings(ada.subscriber_id)
        assert any(word.startswith("mirror") for word in words) and not any("tomato" in word for word in words)
        assert people == ("Mira Halden",)

    def test_with_the_person_goes_what_he_said(self, road):
        ada = road.reader(ADA)
        road.bring(paper(1))
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
        road.app.subscribe.erase(ADA)
        with road.app.store.reading() as tx:
            assert tx.execute(select(tastes)).all() == []


class TestByLink:
    def test_a_link_is_about_one_paper_and_one_reader(self, road):
        ada, bo = road.reader(ADA), road.reader(BO)
        first, second = road.bring(paper(1), paper(2))
        assert road.app.tastes.answer(link(road, ada), str(first), 1).value == 1
        road.app.tastes.answer(link(road, bo), str(second), -1)
        assert (said(road, ada), said(road, bo)) == ([("arxiv:2605.00001", 1)], [("arxiv:2605.00002", -1)])
        asked = road.app.tastes.asked(link(road, ada), str(first))
        assert (asked.entry.work, asked.value, asked.reader.address) == ("arxiv:2605.00001", 1, ADA)
        assert road.app.tastes.answer(link(road, ada), str(first), 0).value == 0
        assert said(road, ada) == []

    def test_what_is_forged_too_old_of_another_purpose_or_of_no_paper_says_nothing(self, road):
        ada = road.reader(ADA)
        (row,) = road.bring(paper(1))
        good = link(road, ada)
        bad = [
            (link(road, ada, purpose=PREFERENCES), str(row)),
            (link(road, ada, day=road.now.date() - timedelta(days=401)), str(row)),
            (good[:-1] + ("A" if good[-1] != "A" else "B"), str(row)),
            ("preview", str(row)),
            *((good, number) for number in ("0", "-1", "٣", "1.0", "", "x", "9" * 18, "9" * 30, str(row + 1))),
        ]
        for token, number in bad:
            assert road.app.tastes.asked(token, number) is None, (token, number)
            assert road.app.tastes.answer(token, number, 1) is None, (token, number)
        assert said(road, ada) == []

    def test_a_link_to_a_work_that_was_merged_is_about_the_survivor(self, road):
        ada = road.reader(ADA)
        title = "What the tides leave on the gauges of the north"
        old, new = road.bring(
            paper(1, title=title, key="tide", arxiv_id=None, doi="10.1000/tide", url="https://lab.example.org/tide"),
            paper(2, title=f"{title}, revised"),
        )
        road.bring(paper(2, title=f"{title}, revised", doi="10.1000/tide"), source="lab")
        road.app.tastes.answer(link(road, ada), str(new), 1)
        road.app.tastes.answer(link(road, ada), str(old), -1)
        assert [value for _, value in said(road, ada)] == [-1]


class TestHearing:
    def test_what_was_said_is_heard_by_the_next_edition_and_explained(self, road):
        ada = road.reader(ADA)
        tidal, lamps = "Tidal gauges and what the sea leaves on them", "Lamps of the old lighthouses"
        road.bring(
            paper(1, title=tidal, abstract="Salt, tides and gauges of the northern sea."),
            paper(2, title=lamps, abstract="Oil, wicks and mirrors of lighthouses."),
            *(
                paper(number, title=f"On matter {number}", abstract=f"Word{number}, and more.")
                for number in range(5, 30)
            ),
            at=SLOT - 2 * DAY,
        )
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
        road.app.tastes.keep(ada.subscriber_id, ["2605.00002"], -1)
        road.bring(
            paper(3, title="Mirrors of lighthouses after oil", abstract="Wicks, oil and mirrors.", upvotes=52),
            paper(4, title="Salt on gauges of the tides", abstract="What the northern sea leaves.", upvotes=50),
        )
        edition = road.preview(to=ADA, at="2026-05-05").edition
        assert [item.work for item in edition.items] == ["arxiv:2605.00004", "arxiv:2605.00003"]
        assert road.preview(at="2026-05-05").edition.items[0].work == "arxiv:2605.00003", (
            "for everybody else it is the other way round"
        )
        assert (edition.profile.likes, edition.profile.dislikes) == (("arxiv:2605.00001",), ("arxiv:2605.00002",))

    def test_a_paper_of_which_something_was_said_is_not_printed_and_explained_so(self, road):
        ada = road.reader(ADA)
        road.bring(paper(1), paper(2), paper(3))
        for number, value in ((1, 1), (2, -1)):
            road.app.tastes.keep(ada.subscriber_id, [f"2605.0000{number}"], value)
        assert [item.work for item in road.preview(to=ADA).edition.items] == ["arxiv:2605.00003"]
        verdicts = [road.app.explain.run(f"2605.0000{n}", road.digest(), address=ADA).verdict for n in (1, 2, 3)]
        assert verdicts == ["liked", "disliked", "printed"]

    def test_a_word_about_an_old_paper_is_heard_however_many_came_since(self, road, monkeypatch):
        monkeypatch.setattr(evidence, "EARLIER", 1)
        ada = road.reader(ADA)
        road.bring(paper(1), at=SLOT - 50 * DAY)
        road.bring(paper(2), paper(3), at=SLOT - 20 * DAY)
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
        found = road.bring(paper(4))
        with road.app.store.reading() as tx:
            known = evidence.gather(tx, evidence.entries.load(tx, found), road.now)
            before = evidence.gather(tx, (), SLOT - 51 * DAY)
        assert {entry.work for entry in known.history} == {"arxiv:2605.00001", "arxiv:2605.00003"}
        assert before.history == ()

    def test_readers_without_a_word_share_one_edition_and_publishing_asks_by_the_page(self, road):
        readers = [road.reader(f"r{number}@example.org") for number in range(30)]
        road.bring(paper(1), at=SLOT - 50 * DAY)
        road.bring(paper(2), paper(3))

        def questions() -> int:
            asked: list[str] = []

            def count(_connection, _cursor, statement: str, *_rest: object) -> None:
                if "tastes" in statement:
                    asked.append(statement)

            with road.app.store.reading() as tx:
                engine = tx.engine
            event.listen(engine, "before_cursor_execute", count)
            road.publish()
            event.remove(engine, "before_cursor_execute", count)
            return len(asked)

        for one in readers[:10]:
            road.app.tastes.keep(one.subscriber_id, ["2605.00001"], 1)
        for one in readers[10:15]:
            road.app.tastes.keep(one.subscriber_id, ["2605.00001"], -1)
        assert questions() <= 6
        assert len(road.printed) == 3

    def test_what_is_previewed_is_what_is_sent_and_links_differ_by_reader(self, road):
        ada, bo = road.reader(ADA), road.reader(BO)
        road.bring(paper(1), at=SLOT - 50 * DAY)
        rows = road.bring(paper(2), paper(3))
        for one in (ada, bo):
            road.app.tastes.keep(one.subscriber_id, ["2605.00001"], 1)
        previewed = road.preview(to=ADA, at="2026-05-04")
        road.publish()
        road.deliver()
        tokens: set[str] = set()
        for reader in (ada, bo):
            (raw,) = road.raw_of(reader.address)
            assert is_stamped(raw, previewed)
            token = link(road, reader, day=SLOT.date())
            tokens.add(token)
            for body in parts(raw):
                for row in rows:
                    assert body.count(f"https://digest.example.org/feedback/{token}/{row}") == 1
            assert road.app.tastes.asked(token, str(rows[0])) is not None
        assert (len(tokens), {len(token) for token in tokens}) == (2, {38})
        dead = parts(previewed.mail)
        assert all(body.count("/feedback/preview/") == len(rows) for body in dead)
        places = [piece for piece in segments(previewed.message) if piece is Stamp.TASTE]
        assert len(places) == 2 * len(rows)

    def test_without_a_public_address_no_mail_has_such_a_link(self, road):
        road.use(web={"enabled": False})
        road.reader(ADA)
        road.bring(paper(1))
        road.publish()
        road.deliver()
        (raw,) = road.raw_of(ADA)
        assert "feedback" not in "".join(parts(raw))
        assert in_mail(road.mails()[0]) == [1]

    def test_digests_in_one_mail_hear_the_reader_too(self, url, tmp_path):
        folder = tmp_path / "both"
        road = Road.open(folder, url, {"name": "daily", "max_items": 1}, {"name": "weekly"})
        try:
            for name in ("daily", "weekly"):
                reader = road.reader(ADA, name, joined=True)
            road.bring(paper(1), at=SLOT - 50 * DAY)
            road.app.tastes.keep(reader.subscriber_id, ["2605.00001"], 1)
            road.bring(paper(2), paper(3))
            road.publish()
            heard = {(one.slot.digest, one.profile.likes) for group in road.printed for one in group if not one.public}
            assert heard >= {("daily", ("arxiv:2605.00001",)), ("weekly", ("arxiv:2605.00001",))}
        finally:
            road.app.close()


def test_a_word_counts_over_the_lists_of_a_profile_and_the_profile_stays_canonical(road):
    wishes = {"likes": ["arxiv:2605.00009", "arxiv:2605.00001"], "dislikes": ["arxiv:2605.00002"]}
    ada = road.reader(ADA, preferences=wishes)
    road.bring(paper(1), paper(2), paper(3))
    for value, number in ((-1, 1), (1, 2), (1, 3)):
        road.app.tastes.keep(ada.subscriber_id, [f"2605.0000{number}"], value)
    profile = road.preview(to=ADA).edition.profile
    assert profile.likes == ("arxiv:2605.00002", "arxiv:2605.00003", "arxiv:2605.00009")
    assert profile.dislikes == ("arxiv:2605.00001",)


def test_an_edition_keeps_its_name_but_nothing_of_what_its_reader_said(road):
    ada = road.reader(ADA)
    road.bring(paper(1), at=SLOT - 50 * DAY)
    road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
    road.bring(paper(2))
    previewed = road.preview(to=ADA, at="2026-05-04")
    road.publish()
    with road.app.store.reading() as tx:
        frozen = editions.find(tx, previewed.edition.key)
        stored = tx.execute(select(editions.editions.c.profile)).scalars().all()
    assert (frozen.key, frozen.profile.likes, frozen.items) == (previewed.edition.key, (), previewed.edition.items)
    assert "2605.00001" not in str(stored)
    assert (cut := without(frozen, [1])).key == without(previewed.edition, [1]).key != frozen.key
    assert cut.profile_key == previewed.edition.profile.key
    assert road.publish().slots == ()
    assert road.preview(to=ADA, at="2026-05-04").mail == previewed.mail
