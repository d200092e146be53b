"""The yes: it is obeyed once, and with it comes a welcome with the last edition, of which nothing comes again."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.admission import Asked
from digest.services.readers.subscribe import Choices
from digest.services.stamping import CONFIRM, PREFERENCES, scoped
from digest.storage import deliveries
from tests.services.road import DAY, SLOT, Road, in_mail, paper

BOTH = {"send_at": "07:30", "timezone": "Europe/Berlin", "join": True}
DAILY = {"name": "daily", "title": "The Daily", **BOTH}
WEEKLY = {"name": "weekly", "title": "Weekly", **BOTH}
ADA = "ada@example.org"


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, DAILY, WEEKLY)
    yield made
    made.app.close()


def ask(road, address=ADA, digest="daily", **choices) -> str:
    """Joins; gives the token of the confirmation."""
    road.app.admission.join(Asked(address=address, digest=digest, choices=Choices(**choices)))
    link = next(one for one in road.app.subscribe.show(address) if one.digest == digest)
    return scoped(CONFIRM, link.id, road.now.date().isoformat(), road.app.keys.links)


def welcomes(road, address=ADA) -> list[tuple[str, bool]]:
    """(digest, whether an edition came along) of the welcomes that were planned."""
    with road.app.store.reading() as tx:
        rows = deliveries.listing(tx, address=address, limit=1000)
    return [(one.digest, one.edition_id is not None) for one in rows if one.kind == "welcome"]


def sent(road, kind) -> list[list[int]]:
    """The numbers of the papers in each mail to Ada, of the welcomes or of the editions."""
    mine = [mail for mail in road.mails() if str(mail["To"]) == ADA and "confirm" not in str(mail["Subject"])]
    return [in_mail(mail) for mail in mine if ("Welcome to" in str(mail["Subject"])) == (kind == "welcome")]


class TestTheYes:
    def test_sets_what_was_wished_for_and_confirms(self, road):
        token = ask(
            road, language="de", timezone="Asia/Tokyo", send_at="20:15", days=(0, 2), preferences={"topics": ["x"]}
        )
        before = road.app.subscribe.show(ADA)[0]
        assert (before.state, before.language, before.preferences) == (SubscriptionState.PENDING, "", {})
        done = road.app.welcome.confirm(token)
        assert (done.state, done.language, done.timezone, done.days) == (
            SubscriptionState.CONFIRMED,
            "de",
            "Asia/Tokyo",
            (0, 2),
        )
        assert (f"{done.send_at:%H:%M}", done.preferences) == ("20:15", {"topics": ["x"]})

    def test_a_second_one_changes_nothing_and_plans_no_second_welcome(self, road):
        token = ask(road)
        first = road.app.welcome.confirm(token)
        road.now += timedelta(hours=1)
        assert road.app.welcome.confirm(token) == first
        assert welcomes(road) == [("daily", False)]

    def test_two_at_one_instant_plan_one_welcome(self, road):
        token = ask(road)
        start = threading.Barrier(4)
        done = []

        def press():
            start.wait()
            done.append(road.app.welcome.confirm(token))

        threads = [threading.Thread(target=press) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.state.value for one in done] == ["confirmed"] * 4
        assert welcomes(road) == [("daily", False)]

    def test_of_before_somebody_left_brings_nobody_back_until_asked_anew(self, road):
        token = ask(road)
        road.app.welcome.confirm(token)
        road.now += 7 * DAY
        road.app.subscribe.leave(ADA)
        assert road.app.welcome.confirm(token) is None
        assert road.app.subscribe.show(ADA)[0].state is SubscriptionState.UNSUBSCRIBED
        again = ask(road)
        assert road.app.welcome.confirm(again).state is SubscriptionState.CONFIRMED

    def test_counts_only_while_its_link_is_fresh_and_for_its_purpose(self, road):
        token = ask(road)
        link = road.app.subscribe.show(ADA)[0]
        other = scoped(PREFERENCES, link.id, road.now.date().isoformat(), road.app.keys.links)
        assert [road.app.welcome.confirm(one) for one in (other, "", "x" * 5000)] == [None] * 3
        road.now += timedelta(days=15)
        assert road.app.welcome.confirm(token) is None
        assert road.app.subscribe.show(ADA)[0].state is SubscriptionState.PENDING

    def test_does_not_count_for_who_must_not_be_written_to_or_a_digest_that_is_gone(self, road):
        token, other = ask(road), ask(road, "bo@example.org")
        road.app.subscribe.suppress(ADA, SuppressionReason.REQUEST)
        assert road.app.welcome.confirm(token) is None
        road.use(WEEKLY)
        assert road.app.welcome.confirm(other) is None

    def test_leaving_and_coming_back_on_one_day_brings_no_second_welcome(self, road):
        token = ask(road)
        for _ in range(3):
            road.app.welcome.confirm(token)
            road.app.subscribe.leave(ADA)
        assert welcomes(road) == [("daily", False)]


class TestTheEditionInAWelcome:
    @pytest.fixture
    def published(self, road):
        """Yesterday's edition is out, printed by papers 1 and 2."""
        road.bring(paper(1), paper(2))
        road.publish()
        road.now += timedelta(hours=3)
        return road

    def test_comes_at_once_and_nothing_of_it_comes_again(self, published):
        road = published
        road.app.welcome.confirm(ask(road))
        assert welcomes(road) == [("daily", True)]
        assert road.publish().slots == (), "the welcome was today's edition"
        road.bring(paper(3), at=road.now)
        road.now = SLOT + DAY + timedelta(minutes=1)
        road.publish()
        road.deliver()
        assert (sent(road, "welcome"), sent(road, "edition")) == ([[1, 2]], [[3]])

    def test_says_how_often_it_comes_in_the_readers_language(self, published):
        road = published
        road.app.welcome.confirm(ask(road, language="de", send_at="20:15", days=(0, 2)))
        road.deliver()
        mail = next(mail for mail in road.mails() if "Willkommen" in str(mail["Subject"]))
        text = " ".join(mail.get_body(("plain",)).get_content().split())
        assert "jeden Montag und Mittwoch um 20:15 Uhr (Europe/Berlin)" in text
        assert "neueste Ausgabe" in text
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_readers_who_get_the_same_share_one_message(self, published):
        road = published
        for name in ("ada", "bo", "cy"):
            road.app.welcome.confirm(ask(road, f"{name}@example.org"))
        with road.app.store.reading() as tx:
            rows = [one for one in deliveries.listing(tx, limit=100) if one.kind == "welcome"]
        assert (len(rows), len({one.message_key for one in rows})) == (3, 1)

    def test_stays_away_where_one_of_its_papers_came_already_with_another_digest(self, published):
        road = published
        road.app.welcome.confirm(ask(road))
        road.now += DAY
        road.app.welcome.confirm(ask(road, digest="weekly"))
        assert welcomes(road) == [("daily", True), ("weekly", False)]

    def test_stays_away_when_it_is_no_news_any_more(self, published):
        road = published
        road.now = SLOT + timedelta(days=7, minutes=1)
        road.app.welcome.confirm(ask(road))
        assert welcomes(road) == [("daily", False)]

    def test_stays_away_from_who_had_the_edition_of_that_day(self, published):
        road = published
        road.reader(ADA, digest="daily")
        road.app.publish.run(road.now)
        road.app.subscribe.leave(ADA)
        road.now += DAY
        road.app.welcome.confirm(ask(road))
        assert welcomes(road) == [("daily", False)]

    def test_of_two_at_the_same_instant_one_stays_away(self, published, monkeypatch):
        road = published
        tokens = [ask(road)]
        road.now += DAY
        tokens.append(ask(road, digest="weekly"))
        both_look, looked = threading.Barrier(2), deliveries.history

        def history(*given, **named):
            with suppress(threading.BrokenBarrierError):
                both_look.wait(0.3)
            return looked(*given, **named)

        monkeypatch.setattr(deliveries, "history", history)
        threads = [threading.Thread(target=road.app.welcome.confirm, args=(token,)) for token in tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(with_edition for _, with_edition in welcomes(road)) == [False, True]

    def test_stays_away_when_a_restored_database_does_not_know_what_was_sent(self, published):
        road = published
        road.app.upkeep.restored(road.now)
        road.app.welcome.confirm(ask(road))
        assert welcomes(road) == [("daily", False)]

    def test_of_a_digest_about_topics_the_first_edition_is_the_readers_own(self, published):
        road = published
        road.use({**DAILY, "about": "topic", "topics": ["tidal gauges"]}, WEEKLY)
        road.app.welcome.confirm(ask(road))
        assert welcomes(road) == [("daily", False)]

    def test_what_had_no_room_in_it_stands_on_the_page_of_its_edition(self, published):
        road = published
        road.app.welcome.confirm(ask(road))
        key = road.app.welcome.newest("daily").key
        road.deliver()
        (mail,) = [mail for mail in road.mails() if "Welcome" in str(mail["Subject"])]
        assert f"https://digest.example.org/read/{key}" in mail.get_body(("plain",)).get_content()
        page = road.app.preview.stored_html(key)
        assert "Tidal gauges number 1" in page
        assert "Tidal gauges number 2" in page

    def test_without_a_public_address_only_what_has_room_is_recorded(self, published, monkeypatch):
        road = published
        welcome = road.app.welcome
        real = welcome.print_letter

        def narrow(kind, digest, language, at, key, context):
            message = real(kind, digest, language, at, key, context)
            edition = context.get("edition")
            left = edition is not None and len(edition.items) > 1
            return replace(message, omitted=((edition.key, edition.items[-1].position),)) if left else message

        token = ask(road)
        replace(welcome, print_letter=narrow, has_public_url=False).confirm(token)
        assert road.printed_for(ADA, "daily")[-1] == ["1"]
