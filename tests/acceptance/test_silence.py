"""Silent days of different causes, each explained right: to the operator, and in the words that the reader is told.

Everything is real: a store, fetching over HTTP from a server that stands for every host, publishing, the command's
service. Only the clock is turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.app import App, build
from digest.config import from_table
from digest.editions.schedule import next_slot
from digest.model.errors import NotFound, UsageError
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.publishing.documents import proof
from digest.services.publishing.silence import DaySilence, SourceLine
from digest.services.readers.subscribe import Choices
from digest.storage import entries, people
from digest.storage.deliveries import deliveries
from digest.storage.editions import messages
from tests.apps import having
from tests.services.recorded import START, Asked, Web, answer
from tests.services.road import Road, _renderer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ADA = "ada@example.org"
#: The days begin on a Monday; the mails go out at 07:30 UTC.
MONDAY = START.date()
TUESDAY, WEDNESDAY, THURSDAY, SATURDAY, SUNDAY = (MONDAY + number * DAY for number in (1, 2, 3, 5, 6))


def item(number: int, *, at: datetime = START, category: str = "", link: str = "", title: str = "") -> str:
    link = link or f"https://papers.example.org/{number}"
    return (
        f"<item><title>{title or f'Harbour lights, part {number} of many'}</title><link>{link}</link>"
        f"<guid>{link}</guid><pubDate>{at:%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
        + (f"<category>{category}</category>" if category else "")
        + "</item>"
    )


def feed(*items: str, head: str = "", title: str = "Harbour") -> bytes:
    return f"<rss version='2.0'><channel><title>{title}</title>{head}{''.join(items)}</channel></rss>".encode()


def listing(*numbers: int) -> bytes:
    """What arXiv's own feed of a category looks like."""
    found = (
        item(number, link=f"https://arxiv.org/abs/2605.{number:05d}", title=f"Tides and their tables, volume {number}")
        for number in numbers
    )
    return feed(*found, title="cs.CL updates on arXiv.org")


class Town:
    """An installation that lives through days of its clock."""

    def __init__(self, folder: Path, url: str, web: Web) -> None:
        self.folder, self.url, self.web = folder, url, web
        self.app: App | None = None
        self.digest: dict[str, object] = {}
        self.sources: list[dict[str, object]] = []

    def open(self, *sources: dict[str, object], web: dict[str, object] | None = None, **digest: object) -> Town:
        """(Re)starts with these sources, one feed called lab where none is named."""
        if self.app is not None:
            self.app.close()
        self.sources = list(sources)
        table: dict[str, object] = {
            "database": {"url": self.url},
            "mail": {"from": "Digest <digest@example.org>", "alerts_to": ["ops@example.org"]},
            "smtp": {"transport": "folder", "path": "out", "connections": 1},
            "web": {"enabled": False, **(web or {"public_url": "https://digest.example.org"})},
            "fetch": {"arxiv_api": ""},
            "source": self.sources,
            "digest": [
                {
                    "name": "daily",
                    "title": "The Daily",
                    "send_at": "07:30",
                    "window": 1,
                    "when_empty": "say-so",
                    **digest,
                }
            ],
        }
        config = from_table(table, folder=self.folder, environ={})
        app = build(config, clock=lambda: self.web.now)
        vars(app.parts).update(renderer=_renderer())
        fetcher = self.web.fetcher()
        ingest = replace(
            app.ingest, fetch=fetcher.fetch, queue=fetcher.queue, free_in=fetcher.free_in, hang_up=fetcher.hang_up
        )
        self.app = having(app, ingest=replace(ingest, jitter=lambda: 0.0))
        return self

    @property
    def services(self) -> App:
        assert self.app is not None
        return self.app

    def reader(self, address: str = ADA, **preferences: object) -> Town:
        """Somebody who joined in time for the first mail."""
        now, self.web.now = self.web.now, START - HOUR
        self.services.subscribe.add(address, "daily", choices=Choices(preferences=preferences))
        self.web.now = now
        return self

    def live(self, until: date | datetime, *, fetches: bool = True, publishes: bool = True) -> Town:
        """A daemon's life until an instant (of a date: five minutes after its mail).

        It is asked to publish at its beginning, at each slot and at its end.
        """
        end = until if isinstance(until, datetime) else datetime.combine(until, time(7, 35), UTC)
        slot = self.web.now
        while True:
            if fetches:
                self.services.ingest.run()
            if publishes and (self.web.now >= slot or self.web.now >= end):
                self.services.publish.run(self.web.now)
            if self.web.now >= end:
                return self
            slot = self._slot()
            self.web.now = min(end, slot, *self._looks())

    def _slot(self) -> datetime:
        """When the next slot is due."""
        (digest,) = self.services.config.digests
        slot = next_slot(digest.name, digest.schedule, self.web.now)
        assert slot is not None
        return slot.at

    def _looks(self) -> list[datetime]:
        """When sources are due next."""
        return [one.next_at for one in self.services.sources.known() if one.next_at and one.next_at > self.web.now]

    def why(self, day: date, address: str = "") -> DaySilence:
        (digest,) = self.services.config.digests
        return self.services.silence.run(digest, address=address, on=day.isoformat())

    def mail(self, day: date, address: str = ADA) -> str:
        """The text of the mail of a day, as it is stored."""
        (digest,) = self.services.config.digests
        shown = self.services.preview.run(digest, address=address, at=day.isoformat())
        assert shown.mail is not None
        return " ".join(proof(shown.mail).text.split())


@pytest.fixture
def database() -> str:
    """Most silences do not depend on the database; those that ask it hard are played on both below."""
    return "sqlite"


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.stop()


@pytest.fixture
def town(tmp_path: Path, url: str, web: Web) -> Iterator[Town]:
    town = Town(tmp_path, url, web)
    yield town
    if town.app is not None:
        town.app.close()


def lab(**fields: object) -> dict[str, object]:
    return {"id": "lab", "kind": "feed", "url": "http://lab.example/feed", **fields}


def arxiv(**fields: object) -> dict[str, object]:
    return {"id": "arxiv", "kind": "arxiv", "url": "http://arxiv.example/cs.CL", **fields}


def always(body: bytes) -> Callable[[Asked], bytes]:
    return lambda asked: answer(body=body)


def from_then(at: datetime, then: bytes, before: bytes) -> Callable[[Asked], bytes]:
    """One answer until an instant, another from then on."""
    return lambda asked: then if asked.at >= at else before


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


def only(found: DaySilence) -> SourceLine:
    (line,) = found.sources
    return line


ONE = answer(body=feed(item(1)))


# The sources


def test_a_quiet_day(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(TUESDAY)
    found = town.why(TUESDAY)
    assert (found.verdict, found.printed) == ("empty", 0)
    assert found.sentences == ("The Daily of Tuesday, 05 May 2026 printed nothing. Nothing new arrived.",)
    assert only(found).state == "unchanged"
    assert only(found).sentence == "Harbour (lab): Nothing has changed since the last fetch."
    assert only(found).told == "Harbour: nothing new"
    assert "Harbour: nothing new" in town.mail(TUESDAY)


def test_a_week_end_of_arxiv(town, web):
    web.pages["arxiv.example"] = always(listing(1, 2))
    town.open(arxiv(every="3h")).reader().live(SATURDAY)
    line = only(town.why(SATURDAY))
    assert (line.state, line.sentence) == (
        "holiday",
        "cs.CL updates on arXiv.org (arxiv): arXiv announces no papers at week-ends.",
    )
    assert line.told == "cs.CL updates on arXiv.org: announces no papers today (weekend or holiday)"


def test_a_holiday_of_arxiv(town, web):
    memorial_day = date(2026, 5, 25)
    web.now = START + 16 * DAY
    web.pages["arxiv.example"] = always(listing(1, 2))
    town.open(arxiv(every="3h")).reader().live(memorial_day)
    line = only(town.why(memorial_day))
    assert (line.state, line.told.partition(": ")[2]) == (
        "holiday",
        "announces no papers today (weekend or holiday)",
    )
    assert line.sentence.endswith("arXiv announces no papers around this holiday.")


def test_a_day_that_the_feed_skips(town, web):
    web.pages["lab.example"] = always(feed(item(1), head="<skipDays><day>Sunday</day></skipDays>"))
    town.open(lab(every="3h")).reader().live(SUNDAY)
    line = only(town.why(SUNDAY))
    assert (line.state, line.told) == ("holiday", "Harbour: announces no papers today (weekend or holiday)")
    assert line.sentence.startswith("Harbour (lab): The feed says that it does not publish on Sundays")
    assert line.until == at(SUNDAY + DAY, 0), "it rests until Monday"


def test_a_stale_list_on_a_working_day(town, web):
    web.pages["arxiv.example"] = always(listing(1, 2))
    town.open(arxiv(), send_at="12:30").reader().live(at(WEDNESDAY, 12, 35))
    line = only(town.why(WEDNESDAY))
    assert (line.state, line.told.partition(": ")[2]) == ("stale", "today’s list has not appeared yet")
    assert line.sentence.endswith(
        "arXiv still shows the listing of before; the one of Wednesday, 06 May 2026 has not appeared."
    )


def test_throttled_until_an_instant(town, web):
    busy = answer("429 Too Many Requests", Retry_After="7200")
    web.pages["lab.example"] = from_then(at(TUESDAY, 7), busy, ONE)
    town.open(lab()).reader().live(TUESDAY)
    line = only(town.why(TUESDAY))
    assert (line.state, line.tries, line.until) == ("throttled", 1, at(TUESDAY, 9))
    assert line.sentence.endswith("Throttled until 2026-05-05 09:00 UTC.")
    assert line.told == "Harbour: asked us to wait and will be read later"


def test_broken_since_an_instant(town, web):
    web.pages["lab.example"] = from_then(at(MONDAY, 12), answer("500 Internal Server Error"), ONE)
    town.open(lab()).reader().live(WEDNESDAY)
    line = only(town.why(WEDNESDAY))
    assert (line.state, line.since) == ("broken", at(MONDAY, 12))
    assert line.tries >= 4
    assert "HTTP 500" in line.sentence
    assert line.sentence.endswith(f"Broken since 2026-05-04 12:00 UTC ({line.tries} tries).")
    assert line.told == "Harbour: could not be read since 4 May"
    yesterday = only(town.why(TUESDAY))
    assert yesterday.since == line.since
    assert yesterday.tries < line.tries, "told as it was then"


def test_gone_for_good(town, web):
    web.pages["lab.example"] = from_then(at(MONDAY, 12), answer("410 Gone"), ONE)
    town.open(lab()).reader().live(THURSDAY)
    line = only(town.why(THURSDAY))
    assert (line.state, line.tries, line.told) == ("gone", 1, "Harbour: is gone for good")
    assert "It is not asked again until somebody calls `digest fetch lab`." in line.sentence


def test_a_name_that_is_gone_from_the_dns(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(MONDAY)

    def gone(host: str, port: int) -> tuple[str, ...]:
        raise OSError(f"no address of {host}")

    web.resolve = gone
    town.open(lab()).live(TUESDAY)
    line = only(town.why(TUESDAY))
    assert (line.state, line.told) == ("broken", "Harbour: could not be read since 4 May")
    assert "lab.example" in line.sentence


def test_a_page_instead_of_a_feed(town, web):
    page = answer(body=b"<!doctype html><html><body>We moved.</body></html>", Content_Type="text/html")
    web.pages["lab.example"] = from_then(at(TUESDAY, 2), page, ONE)
    town.open(lab()).reader().live(TUESDAY)
    line = only(town.why(TUESDAY))
    assert (line.state, line.told) == ("broken", "Harbour: could not be read since 5 May")
    assert "not a feed" in line.sentence.lower()


def test_a_changed_schema_names_the_field(town, web):
    web.pages["hf.example"] = always(b'[{"papers": {"id": "2605.00001"}}]')
    town.open({"id": "hf", "kind": "huggingface", "url": "http://hf.example/api"}).reader().live(TUESDAY)
    line = only(town.why(TUESDAY))
    assert (line.state, line.told) == ("broken", "hf: could not be read since 4 May")
    assert "paper" in line.sentence


def test_not_fetched_yet(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader()
    town.services.sources.known()
    town.live(MONDAY, fetches=False)
    found = town.why(MONDAY)
    assert (only(found).state, only(found).sentence) == ("not-fetched", "lab: not fetched yet")
    assert only(found).told == "lab: not read yet"
    assert found.told == "No source could be read yet."


def test_a_day_before_the_first_fetch(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(MONDAY)
    line = only(town.why(MONDAY - 2 * DAY))
    assert line.sentence == "Harbour (lab): Not fetched by then; its papers of these days came later."


def test_nobody_looked(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(MONDAY).live(WEDNESDAY, fetches=False)
    line = only(town.why(WEDNESDAY))
    assert (line.state, line.told) == ("idle", "Harbour: was not looked at in time")
    assert line.sentence == (
        "Harbour (lab): It was due on 2026-05-04 08:00 UTC, but nobody looked: "
        "its last look was on 2026-05-04 07:00 UTC."
    )


def test_a_source_that_was_taken_out_of_the_configuration(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    other = {"id": "zoo", "kind": "feed", "url": "http://zoo.example/feed"}
    web.pages["zoo.example"] = always(feed(item(2), title="Zoo"))
    town.open(lab(), other).reader().live(at(MONDAY, 20)).open(lab()).live(TUESDAY)
    by_id = {line.id: line for line in town.why(TUESDAY).sources}
    assert (by_id["zoo"].state, by_id["zoo"].told) == ("removed", "Zoo: is no longer read for this mail")
    assert by_id["zoo"].sentence.startswith("Zoo (zoo): It is no longer among the sources; it was last looked at on")
    assert by_id["lab"].state == "unchanged"


def test_no_source_at_all(town):
    town.open().reader().live(MONDAY)
    found = town.why(MONDAY)
    assert found.sources == ()
    assert found.sentences == ("The Daily of Monday, 04 May 2026 printed nothing. It reads no source.",)


def test_what_is_no_longer_known_is_said_to_be(town, web):
    """What was frozen with an edition stays known; the rounds of a day without any edition do not."""
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(TUESDAY).live(WEDNESDAY, publishes=False)
    web.now = START + 80 * DAY
    town.services.prune()
    assert only(town.why(TUESDAY)).state == "unchanged"
    found = town.why(WEDNESDAY)
    assert (found.verdict, only(found).state) == ("unpublished", "lost")
    assert only(found).told == "Harbour: how it stood then is no longer known"
    assert only(found).sentence.endswith("is no longer known (looks that bring nothing are kept for 35 days).")


# What became of what they brought


def test_everything_was_sent_already(town, web):
    web.pages["lab.example"] = always(feed(item(1), item(2)))
    town.open(lab(), window=3).reader().live(TUESDAY)
    found = town.why(TUESDAY)
    assert found.told == "Everything new was already sent to you."
    assert dict(only(found).became) == {"already-sent": 2}
    assert only(found).told == "Harbour: 2 papers (2 already sent to you)"
    assert only(found).sentence.endswith("It brought 2 papers (2 already sent to you).")


@pytest.mark.parametrize(
    ("digest", "category", "cause", "words"),
    [
        ({"min_score": 100}, "cs.CL", "below-min-score", "below your minimum score"),
        ({"mute": ["harbour"]}, "cs.CL", "muted", "muted"),
        ({"categories": ["cs.CL"]}, "math.NT", "category", "in other categories"),
        ({"categories": ["cs.CL"]}, "", "category unknown yet", "of a category not known yet"),
    ],
)
def test_nothing_of_it_fits(town, web, digest, category, cause, words):
    web.pages["lab.example"] = always(feed(item(1, category=category), item(2, category=category)))
    town.open(lab(), **digest).reader().live(MONDAY)
    found = town.why(MONDAY)
    assert found.told == f"No new paper fits your settings: 2 {words}."
    assert found.sentences == (f"The Daily of Monday, 04 May 2026 printed nothing. {found.told}",)
    assert (dict(only(found).became), only(found).told) == ({cause: 2}, f"Harbour: 2 papers (2 {words})")
    assert f"2 {words}" in town.mail(MONDAY)


@pytest.mark.parametrize(
    ("digest", "told", "cause", "words"),
    [
        (
            {"about": "authors", "authors": ["Ada Lovelace"]},
            "2 papers came for this mail, none of them by anyone you follow.",
            "nobody-followed",
            "by nobody you follow",
        ),
        (
            {"about": "topic", "topics": ["desalination membranes"]},
            "Nothing near “desalination membranes” today.",
            "off-topic",
            "not near your topics",
        ),
    ],
)
def test_nothing_by_whom_or_of_what_it_is_about(town, web, digest, told, cause, words):
    web.pages["lab.example"] = always(feed(item(1), item(2)))
    town.open(lab(), **digest).reader().live(MONDAY)
    found = town.why(MONDAY)
    assert (found.verdict, found.told, dict(only(found).became)) == ("empty", told, {cause: 2})
    assert only(found).told == f"Harbour: 2 papers (2 {words})"


def test_several_causes_of_one_source_are_counted_apart(town, web):
    night = answer(body=feed(item(1), item(2, title="Survey of quays"), item(3, category="math.NT")))
    web.pages["lab.example"] = from_then(at(TUESDAY, 3), night, answer(body=feed(item(1))))
    town.open(lab(), window=3, mute=["survey"], min_score=1, categories=["cs.CL"]).reader().live(TUESDAY)
    found = town.why(TUESDAY)
    assert dict(only(found).became) == {"category": 1, "category unknown yet": 1, "muted": 1}
    assert only(found).told == ("Harbour: 3 papers (1 in other categories, 1 of a category not known yet, 1 muted)")


def test_a_readers_own_minimum_is_his_silence_alone(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader(min_score=100).live(MONDAY)
    assert town.why(MONDAY).verdict == "printed"
    his = town.why(MONDAY, ADA)
    assert (his.verdict, dict(only(his).became)) == ("empty", {"below-min-score": 1})
    assert his.sentences == (
        f"The Daily for {ADA} of Monday, 04 May 2026 printed nothing. {his.told}",
        *his.sentences[1:],
    )


@pytest.mark.parametrize(
    ("value", "cause", "words"), [(1, "liked", "that you liked already"), (-1, "disliked", "that you did not like")]
)
def test_the_reader_spoke_of_it_already(town, web, value, cause, words):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(at(MONDAY, 6, 30))
    with town.services.store.reading() as tx:
        (paper,) = entries.in_window(tx, since=START - DAY, until=START + DAY, source_ids=())
    town.reader()
    with town.services.store.reading() as tx:
        who = people.subscriber(tx, ADA)
    town.services.tastes.keep(who.id, [paper.work], value)
    town.live(MONDAY)
    found = town.why(MONDAY, ADA)
    assert (found.verdict, dict(only(found).became)) == ("empty", {cause: 1})
    assert only(found).told == f"Harbour: 1 paper (1 {words})"


def test_the_first_look_brings_only_old_papers(town, web):
    old = START - 30 * DAY
    web.pages["lab.example"] = always(feed(item(1, at=old), item(2, at=old)))
    town.open(lab()).reader().live(MONDAY)
    line = only(town.why(MONDAY))
    assert (line.papers, line.older) == (0, 2)
    assert line.told == "Harbour: 2 from before the days of this mail"


def test_another_source_had_shown_it_before_the_window(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    zoo = {"id": "zoo", "kind": "feed", "url": "http://zoo.example/feed", "every": "3h"}
    late = answer(body=feed(item(9), item(1), title="Zoo"))
    web.pages["zoo.example"] = from_then(at(WEDNESDAY, 3), late, answer(body=feed(item(9), title="Zoo")))
    town.open(lab(every="3h"), zoo).reader().live(WEDNESDAY)
    by_id = {line.id: line for line in town.why(WEDNESDAY).sources}
    assert (by_id["zoo"].papers, by_id["zoo"].older) == (0, 1)
    assert by_id["zoo"].told == "Zoo: 1 from before the days of this mail"
    assert by_id["lab"].told == "Harbour: nothing new"


def test_a_withdrawn_paper(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(at(MONDAY, 6, 30))
    with town.services.store.transaction() as tx:
        tx.execute(entries.entries.update().values(withdrawn=True))
    town.live(MONDAY)
    assert dict(only(town.why(MONDAY)).became) == {"withdrawn": 1}
    assert only(town.why(MONDAY)).told == "Harbour: 1 paper (1 withdrawn)"


def test_after_a_restore_what_came_counts_as_sent(town, web):
    web.pages["lab.example"] = from_then(at(TUESDAY, 3), answer(body=feed(item(1), item(2))), ONE)
    town.open(lab()).reader().live(at(TUESDAY, 6))
    town.services.upkeep.restored(web.now)
    town.live(TUESDAY)
    found = town.why(TUESDAY)
    assert found.told == "What came counts as sent, since our database was restored."
    assert dict(only(found).became) == {"counted-as-sent": 1}
    assert only(found).told == "Harbour: 1 paper (1 that counts as sent since a restore)"


def test_the_mail_had_no_room(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab(), web={"public_url": ""}).reader()
    Road.narrow(town, 0)  # type: ignore[arg-type]
    town.live(MONDAY)
    found = town.why(MONDAY, ADA)
    assert (found.verdict, dict(only(found).became)) == ("no-room", {"no-room": 1})
    assert found.told == "The mail had no room for its papers; they stay unsent and come with the next one."
    assert only(found).told == "Harbour: 1 paper (1 without room in the mail)"


# The digest and the reader


def test_it_does_not_go_out_on_that_weekday(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab(every="3h"), days=["mon", "tue", "wed", "thu", "fri"]).reader().live(SATURDAY)
    found = town.why(SATURDAY)
    assert (found.verdict, found.slot, found.sources) == ("closed", None, ())
    assert found.sentences == ("The Daily is not published on Saturdays. The next one is of Monday, 11 May 2026.",)


def test_nothing_ran_at_its_hour(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader().live(at(MONDAY, 6, 30)).live(TUESDAY, fetches=False, publishes=False)
    found = town.why(MONDAY)
    assert found.verdict == "unpublished"
    assert found.sentences[0].startswith(
        "The Daily of Monday, 04 May 2026 was not published: nothing ran at 2026-05-04 07:30 UTC or after."
    )


def test_its_hour_is_still_to_come(town, web):
    web.pages["lab.example"] = always(feed(item(1), head=""))
    town.open(lab(), min_score=100).reader().live(at(MONDAY, 6, 30))
    found = town.why(MONDAY)
    assert (found.verdict, dict(only(found).became)) == ("to-come", {"below-min-score": 1})
    assert found.sentences[0] == (
        "The Daily of Monday, 04 May 2026 is due at 2026-05-04 07:30 UTC; until now: "
        "No new paper fits your settings: 1 below your minimum score."
    )


def test_paused_deliveries(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab()).reader()
    town.services.ledger.pause("daily")
    town.live(MONDAY)
    found = town.why(MONDAY, ADA)
    assert (found.verdict, found.printed) == ("printed", 1)
    assert found.sentences[1] == f"The mail to {ADA} is held: deliveries are paused (`digest deliveries resume`)."


@pytest.mark.parametrize("state", ["pending", "unsubscribed", "late", "suppressed"])
def test_a_reader_without_a_mail(town, web, state):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab())
    town.services.sources.known()
    subscribe = town.services.subscribe
    expected = {
        "pending": f"{ADA} has not confirmed yet, and gets no mail.",
        "unsubscribed": f"{ADA} has left The Daily, and gets no mail.",
        "late": f"{ADA} joined on 2026-05-05 07:35 UTC, after it.",
        "suppressed": f"The mail to {ADA} is suppressed: hard-bounce.",
    }[state]
    if state == "pending":
        subscribe.add(ADA, "daily", state=SubscriptionState.PENDING)
    if state in ("unsubscribed", "suppressed"):
        town.reader()
    if state == "unsubscribed":
        subscribe.leave(ADA, "daily")
    if state == "suppressed":
        subscribe.suppress(ADA, SuppressionReason.HARD_BOUNCE)
    town.live(MONDAY)
    if state == "late":
        town.live(TUESDAY)
        subscribe.add(ADA, "daily")
    assert town.why(MONDAY, ADA).sentences[1] == expected


def test_who_reads_something_else_only_is_refused(town):
    town.open()
    with town.services.store.transaction() as tx:
        people.add_subscriber(tx, ADA, START)
    with pytest.raises(NotFound, match=f"{ADA}: is not a subscriber of daily"):
        town.why(MONDAY, ADA)


def test_a_wrong_day_is_refused(town):
    town.open()
    with pytest.raises(UsageError, match="not a date"):
        town.services.silence.run(town.services.config.digests[0], on="yesterday")


# Several at once, and on both databases


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_each_of_several_sources_has_its_own_cause(town, web):
    web.pages["lab.example"] = from_then(at(TUESDAY, 1), answer("503 Service Unavailable"), ONE)
    web.pages["arxiv.example"] = always(listing(1))
    seven, eight = (item(number, title=f"Survey of zoos {number}") for number in (7, 8))
    before, after = (answer(body=feed(*some, title="Zoo")) for some in ((seven,), (seven, eight)))
    web.pages["zoo.example"] = from_then(at(TUESDAY, 3), after, before)
    zoo = {"id": "zoo", "kind": "feed", "url": "http://zoo.example/feed"}
    town.open(lab(), arxiv(), zoo, mute=["survey"]).reader().live(TUESDAY)
    found = town.why(TUESDAY)
    by_id = {line.id: line for line in found.sources}
    assert found.told == "No new paper fits your settings: 1 muted."
    assert (by_id["lab"].state, by_id["arxiv"].state) == ("broken", "unchanged")
    assert dict(by_id["zoo"].became) == {"muted": 1}
    assert by_id["lab"].told == "Harbour: could not be read since 5 May"
    again = town.why(TUESDAY, ADA)
    assert [line.told for line in again.sources] == [line.told for line in found.sources]
    (status,) = town.services.report.status().digests
    assert status.notes == tuple(line.sentence for line in found.sources)


# Short mails


def growing(usual: int, few: int, day: date) -> Callable[[Asked], bytes]:
    """A feed with so many new papers each night, and with fewer in the night before a day."""

    def page(asked: Asked) -> bytes:
        since = (asked.at - START + 6 * HOUR) // DAY
        short = (day - MONDAY).days
        numbers = [
            (night, number)
            for night in range(since + 1)
            for number in range(few if night == short else usual)
            if night > since - 3
        ]
        return answer(body=feed(*(item(100 * night + number, at=START + night * DAY) for night, number in numbers)))

    return page


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_short_mail_says_why_at_its_foot_to_who_wishes_it(town, web):
    last = MONDAY + 7 * DAY
    web.pages["lab.example"] = growing(8, 2, last)
    web.pages["zoo.example"] = from_then(at(last, 3), answer("503 Service Unavailable"), answer(body=feed(title="Zoo")))
    zoo = {"id": "zoo", "kind": "feed", "url": "http://zoo.example/feed", "every": "3h"}
    town.open(lab(every="3h"), zoo).reader()
    town.reader("bo@example.org", explain="short").reader("cy@example.org", explain="never")
    town.services.subscribe.add(
        "dee@example.org", "daily", choices=Choices(language="de", preferences={"explain": "short"})
    )
    town.live(last)
    found = town.why(last)
    assert (found.verdict, found.printed, found.usual) == ("short", 2, 8.0)
    assert found.sentences == ("The Daily of Monday, 11 May 2026 printed 2 papers; usual are 8.",)
    told = "Fewer papers than usual: 2, and mostly about 8. - Harbour: 2 papers (2 printed)"
    assert told in town.mail(last, "bo@example.org")
    assert town.mail(last, "bo@example.org").index(told) > town.mail(last, "bo@example.org").index("Harbour lights")
    assert "Weniger Arbeiten als sonst: 2, und meist etwa 8." in town.mail(last, "dee@example.org")
    for address in (ADA, "cy@example.org"):
        assert "Fewer papers" not in town.mail(last, address)
        assert "printed)" not in town.mail(last, address)
    (status,) = town.services.report.status().digests
    assert status.notes[0] == "Fewer papers than usual: 2, and mostly about 8."
    assert "Broken since 2026-05-11 03:00 UTC" in status.notes[2]


def test_the_mail_of_who_does_not_wish_it_keeps_its_bytes(town, web):
    """With "never" and "empty" a short mail is the same to the byte as one whose shortness nobody could know."""
    last = MONDAY + 7 * DAY
    web.pages["lab.example"] = growing(8, 2, last)
    town.open(lab(every="6h")).reader().live(last)
    (digest,) = town.services.config.digests
    shown = town.services.preview.run(digest, address=ADA, at=last.isoformat(), afresh=True)
    edition = replace(shown.edition, notes=())
    plain = town.services.publish.print_edition((edition,), (digest,))
    assert shown.edition.notes != ()
    assert plain.content == shown.message.content


def test_never_keeps_the_lines_out_of_an_empty_mail_but_not_from_the_operator(town, web):
    web.pages["lab.example"] = always(feed(item(1)))
    town.open(lab(), explain="never").reader().live(TUESDAY)
    assert "Nothing new arrived." in town.mail(TUESDAY)
    assert "Harbour: nothing new" not in town.mail(TUESDAY)
    (status,) = town.services.report.status().digests
    assert status.notes == ("Harbour (lab): Nothing has changed since the last fetch.",)


def test_preview_is_what_is_sent_on_a_short_day(town, web):
    last = MONDAY + 7 * DAY
    web.pages["lab.example"] = growing(8, 2, last)
    town.open(lab(every="6h"), explain="short").reader().live(at(last, 7, 29))
    web.now = at(last, 7, 30)
    (digest,) = town.services.config.digests
    before = town.services.preview.run(digest, address=ADA, at=last.isoformat())
    town.services.publish.run(web.now)
    after = town.services.preview.run(digest, address=ADA, at=last.isoformat())
    assert after.kept
    assert before.mail == after.mail
    assert b"Fewer papers than usual" in before.message.content


# The operator hears of it


def alerts(town: Town) -> list[str]:
    """The subjects of the alerts that were planned."""
    query = (
        select(messages.c.subject)
        .join(deliveries, deliveries.c.message_key == messages.c.key)
        .where(deliveries.c.kind == "alert")
        .order_by(deliveries.c.id)
    )
    with town.services.store.reading() as tx:
        return list(tx.execute(query).scalars())


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_source_silent_unusually_long_for_its_own_rhythm_is_told_once(town, web):
    ended = START + 24 * DAY

    def page(asked: Asked) -> bytes:
        # Every third day something, then nothing for twelve days, then again.
        days = (min(asked.at, ended) - START) // (3 * DAY) + max(timedelta(), asked.at - ended) // (12 * DAY)
        return answer(body=feed(*(item(number, at=START) for number in range(days + 1))))

    web.pages["lab.example"] = page
    town.open(lab(every="12h")).reader()
    told: list[tuple[int, tuple[str, ...]]] = []
    for day in range(39):
        town.live(START + day * DAY, publishes=False)
        if heard := town.services.notify.silences():
            told.append((day, heard))
        if day == 34:
            (status,) = town.services.report.status().sources
            assert status.silence == "has brought nothing for 9 days; before, never more than 3 days passed"
            assert town.services.sources.silent()["lab"].sentence == status.silence
    assert told == [(31, ("lab",))]
    assert alerts(town) == ["The source Harbour is silent"]
    assert town.services.report.status().sources[0].silence == ""


def test_a_digest_that_printed_nothing_where_it_usually_does_is_told_once(town, web):
    empty_from = START + 28 * DAY

    def page(asked: Asked) -> bytes:
        nights = (min(asked.at, empty_from - DAY) - START + 6 * HOUR) // DAY
        return answer(body=feed(*(item(number, at=START) for number in range(max(0, nights - 5), nights + 1))))

    web.pages["lab.example"] = page
    town.open(lab(every="6h"), when_empty="skip").reader()
    told: list[tuple[int, tuple[str, ...]]] = []
    for day in range(32):
        town.live(MONDAY + day * DAY)
        if heard := town.services.notify.silences():
            told.append((day, heard))
    assert [one for one in told if "daily" in one[1]] == [(28, ("daily",))]
    assert "The Daily of 01 June 2026 printed nothing" in alerts(town)[0]
