"""Every page that a browser can open, with something on it: for whoever looks at all of them.

``python -m tests.acceptance.gallery FOLDER`` photographs them, wide and narrow, light and dark. A route that answers
GET and of which nothing is shown here is named by ``unseen``, so that no page is forgotten.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx2

from digest.services.access.passwords import hashed
from digest.services.stamping import CONFIRM, DATA, PREFERENCES, TASTE, scoped
from digest.web.application import application, routes
from digest.web.pages import Site
from digest.web.server import WebServer
from tests.acceptance.browser import Browser, chromium
from tests.services.road import DAY, SLOT, Road, paper

OPEN: Mapping[str, object] = {
    "name": "daily",
    "title": "The Daily",
    "join": True,
    "archive": True,
    "categories": {"cs.CL": 2, "cs.CV": 1},
    "topics": ["small language models"],
}
#: What no browser shows as a page: documents for programs.
_NO_PAGES = re.compile(r".*\.(json|atom|xml|txt|svg|csv|toml)|/health|/api(/.*)?|.*/export")
_COMPLETE = "document.readyState == 'complete' && !document.documentElement.dataset.old"
_SUBMIT = """(path, fields) => {
  document.documentElement.dataset.old = 'yes';
  const form = document.createElement('form'), csrf = document.querySelector('[name=csrf]');
  Object.assign(form, {method: 'post', action: path});
  for (const [name, value] of [...Object.entries(fields), ...(csrf ? [['csrf', csrf.value]] : [])])
    form.append(Object.assign(document.createElement('input'), {name, value}));
  document.body.append(form);
  form.submit();
}"""
#: (width, dark)
VIEWS = ((1024, False), (320, True))


class Gallery:
    """An installation that listens on a socket, and its pages: a path under a name."""

    def __init__(self, road: Road, base: str) -> None:
        self.road, self.base = road, base
        self.pages: dict[str, str] = {}
        self.answers: dict[str, tuple[str, Mapping[str, str]]] = {}
        """What comes after a form: its path and fields."""

    def open(self, browser: Browser, name: str) -> None:
        """A page, or the answer to a form, whole."""
        if name in self.pages:
            browser.ask("document.documentElement.dataset.old = 'yes'")
            browser.open(self.base + self.pages[name])
        else:
            path, fields = self.answers[name]
            browser.ask("document.documentElement.dataset.old = 'yes'")
            browser.open(f"{self.base}/{'desk/log' if path.startswith('/desk') else 'link'}")
            browser.wait(_COMPLETE)
            browser.ask(f"({_SUBMIT})({json.dumps(path)}, {json.dumps(fields)})")
        browser.wait(_COMPLETE)

    @property
    def names(self) -> tuple[str, ...]:
        """Pages first: some forms end what is shown on others."""
        return (*self.pages, *self.answers)

    def show(self, **pages: str) -> None:
        assert not pages.keys() & self.pages.keys()
        self.pages |= pages

    def unseen(self) -> list[str]:
        """The routes of which no page is shown."""
        paths = [path.partition("?")[0] for path in self.pages.values()]
        return [
            route.path
            for route in routes(Site(lambda: self.road.app))
            if "GET" in (route.methods or ())
            and not _NO_PAGES.fullmatch(route.path)
            and not any(route.path_regex.match(path) for path in paths)
        ]

    def log_in(self, browser: Browser) -> None:
        """The desk's session, as a cookie of the browser; and a table that this session brought."""
        link = self.road.app.operators.new_link("ada")
        with httpx2.Client(base_url=self.base) as client:
            client.post(link)
            browser.cookie("desk", client.cookies["desk"], self.base)
            form = client.get("/desk/subscribers/import").text
            csrf = re.search(r'name="csrf" value="([^"]+)"', form)
            assert csrf is not None
            table = b"address,digest\nfay@example.org,daily\nnobody,daily\n"
            sent = client.post(
                "/desk/subscribers/import", data={"csrf": csrf[1]}, files={"file": ("readers.csv", table)}
            )
            self.show(desk_imported=sent.headers["location"])
            for _ in range(100):
                if "refresh" not in client.get(self.pages["desk_imported"]).headers:
                    break
                time.sleep(0.1)


@contextmanager
def gallery(url: str, folder: Path) -> Iterator[Gallery]:
    """Two days of a small installation: papers, readers, mails that went and one that did not."""
    operators = [{"name": "ada", "password_hash": hashed("seven tides a fortnight", b"0123456789abcdef")}]
    weekly = {"name": "weekly", "title": "The Weekly", "join": True}
    road = Road.open(folder, url, OPEN, weekly, operator=operators)
    server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
    try:
        base = f"http://127.0.0.1:{server.port}"
        web = {"enabled": False, "public_url": base}
        road.use(OPEN, weekly, operator=operators, web=web, source=_sources())
        shown = Gallery(road, base)
        _live(road)
        _pages_of_readers(shown)
        _pages_of_the_archive(shown)
        _pages_of_the_desk(shown)
        yield shown
    finally:
        server.close()
        road.app.close()


def _sources() -> list[Mapping[str, object]]:
    return [{"id": name, "kind": "feed", "url": f"https://{name}.example.org/feed"} for name in ("hf", "lab", "zoo")]


def _live(road: Road) -> None:
    """Two days: on the first a mail is refused, on the second all of them go."""
    ada = road.reader("ada@example.org", "daily")
    road.reader("bo@example.org", "daily")
    road.reader("cy@example.org", "weekly")
    road.bring(*(paper(number) for number in range(1, 9)))
    road.publish()
    road.settle("rejected", "bo@example.org")
    road.deliver()
    road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
    road.bring(*(paper(number) for number in range(9, 15)), at=SLOT + timedelta(hours=5))
    road.now = SLOT + DAY + timedelta(minutes=1)
    road.publish()
    road.deliver()


def _pages_of_readers(shown: Gallery) -> None:
    road = shown.road
    ada = road.app.subscribe.show("ada@example.org")[0]
    today = road.now.date().isoformat()
    keys = road.app.keys.links
    opens = {name: scoped(name, ada.id, today, keys) for name in (PREFERENCES, TASTE, CONFIRM, DATA)}
    assert road.app.mydata.ask(opens[PREFERENCES])
    with road.app.store.reading() as tx:
        key = tx.exec_driver_sql("select key from messages order by created_at limit 1").scalar()
    shown.show(
        join="/join",
        join_daily="/join/daily",
        snippet="/join/daily/snippet",
        link="/link",
        confirm=f"/confirm/{opens[CONFIRM]}",
        never=f"/never/{opens[CONFIRM]}",
        unsubscribe=f"/unsubscribe/{ada.secret}",
        preferences=f"/preferences/{opens[PREFERENCES]}",
        said=f"/preferences/{opens[PREFERENCES]}/said",
        feedback=f"/feedback/{opens[TASTE]}/1",
        read=f"/read/{key}",
        data=f"/data/{opens[PREFERENCES]}",
        mydata=f"/mydata/{opens[DATA]}",
        erase=f"/mydata/{opens[DATA]}/erase",
        nothing="/nothing",
        dead_link="/preferences/x",
        dead_data="/mydata/x",
    )
    road.now -= timedelta(minutes=1)  # what comes back at once was filled in by a machine
    form = road.app.admission.new_form()
    road.now += timedelta(minutes=1)
    choices = {"days": "0", "send_at": "07:30", "timezone": "Europe/Berlin", "language": "en", "layout": "full"}
    shown.answers |= {
        "join_again": ("/join/daily", {"email": "dee@example.org"}),
        "join_sent": ("/join/daily", {"email": "dee@example.org", "form": form}),
        "join_refused": ("/join/daily", {"email": "dee@example"}),
        "link_sent": ("/link", {"email": "dee@example.org", "form": form}),
        "outdated": ("/preferences/x", {**choices, "keywords": "tides"}),
        "preferences_refused": (f"/preferences/{opens[PREFERENCES]}", {**choices, "timezone": "Mars/Olympus"}),
        "preferences_shown": (f"/preferences/{opens[PREFERENCES]}", {**choices, "show": "yes"}),
        "saved": (f"/preferences/{opens[PREFERENCES]}", choices),
        "more": (f"/feedback/{opens[TASTE]}/1", {"say": "more"}),
        "paused": (f"/unsubscribe/{ada.secret}/pause", {"for": "week"}),
        "pause_refused": (f"/unsubscribe/{ada.secret}/pause", {"for": "date", "until": "2020-01-01"}),
        "resumed": (f"/unsubscribe/{ada.secret}/pause", {"for": "resume"}),
        "data_sent": (f"/data/{opens[PREFERENCES]}", {}),
        "left": (f"/unsubscribe/{ada.secret}", {}),
        "returned": (f"/unsubscribe/{ada.secret}/return", {}),
        "erased": (f"/mydata/{opens[DATA]}/erase", {}),
    }


def _pages_of_the_archive(shown: Gallery) -> None:
    shown.show(
        archive="/archive",
        archive_daily="/archive/daily",
        archive_search="/archive/daily/search?q=tidal",
        archive_none="/archive/daily/search?q=zebra",
        archive_paper="/archive/daily/paper/1",
        archive_day=f"/archive/daily/{SLOT.date().isoformat()}",
    )


def _pages_of_the_desk(shown: Gallery) -> None:
    link = shown.road.app.operators.new_link("ada").removeprefix(shown.base)
    shown.show(
        login="/desk/login",
        enter=link,
        enter_used="/desk/enter/x",
        desk="/desk",
        desk_digests="/desk/digests",
        desk_digest="/desk/digests/daily",
        desk_deliveries="/desk/deliveries",
        desk_delivery="/desk/deliveries/1",
        desk_silence="/desk/silence?digest=daily",
        desk_plots="/desk/plots",
        desk_sources="/desk/sources",
        desk_source="/desk/sources/hf",
        desk_source_new="/desk/new-source",
        desk_subscribers="/desk/subscribers",
        desk_subscriber="/desk/subscribers/1",
        desk_nobody="/desk/subscribers/99",
        desk_import="/desk/subscribers/import",
        desk_import_gone="/desk/subscribers/import/x",
        desk_suppressions_import="/desk/suppressions/import",
        desk_suppressions_import_gone="/desk/suppressions/import/x",
        desk_papers="/desk/papers",
        desk_paper="/desk/papers?paper=2605.00001",
        desk_suppressions="/desk/suppressions",
        desk_log="/desk/log",
        desk_machines="/desk/machines",
    )
    shown.answers |= {
        "wrong_password": ("/desk/login", {"name": "bo", "password": "x"}),
        "desk_explained": ("/desk/papers", {"paper": "2605.00001", "digest": "daily", "for": "ada@example.org"}),
        "desk_preview": ("/desk/digests/daily", {}),
        "desk_found": ("/desk/subscribers", {"search": "example"}),
        "desk_refused": ("/desk/subscribers/add", {"address": "nobody", "digest": "daily"}),
    }


def photograph(folder: Path) -> None:
    """Pictures of every page: NAME-WIDTH[-dark].png."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        url = f"sqlite:///{home}/digest.db"
        with gallery(url, Path(home) / "home") as shown, chromium() as browser:
            shown.log_in(browser)
            for name in shown.names:
                shown.open(browser, name)
                for width, dark in VIEWS:
                    browser.size(width, 900, dark=dark)
                    browser.photograph(folder / f"{name}-{width}{'-dark' if dark else ''}.png", whole=True)
            print(f"{2 * len(shown.names)} pictures in {folder}; no page of: {', '.join(shown.unseen()) or 'none'}")


if __name__ == "__main__":
    photograph(Path(sys.argv[1]))
