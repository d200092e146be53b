"""How soon a page of subscribers is there: ``python benchmarks/listing.py [--readers 100000] [--rounds 40]``.

Over a real socket, from the API's own server, on SQLite and on PostgreSQL: pages of 50 from the beginning, the middle
and the end, of a digest, of a rare state, and by words that many, one or no address holds. Of the readers a thousandth
also reads a second digest, and three never answered. In milliseconds: the median and the worst.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2
import sample
from prepared import postgresql
from processes import machine

from digest.app import App, build
from digest.config import from_table
from digest.services.access.tokens import SCOPES
from digest.storage import people
from digest.web.application import application
from digest.web.server import WebServer

DIGESTS = [{"name": name, "title": name, "send_at": "07:00"} for name in ("papers", "second")]


def opened(url: str, folder: Path) -> App:
    table = {
        "database": {"url": url},
        "mail": {"from": "Digest <digest@example.org>"},
        "smtp": {"transport": "folder", "path": "outbox"},
        "web": {"enabled": False, "public_url": "https://digest.example.org", "api": True, "api_requests": 1_000_000},
        "digest": DIGESTS,
    }
    return build(from_table(table, folder=folder), clock=lambda: sample.NOW)


def fill(app: App, readers: int) -> None:
    sample.crowd(app, readers)
    with app.store.transaction() as tx:
        ids = [one.id for one in people.page(tx, limit=readers)]
        for number, one in enumerate(ids[::1_000]):
            subscriber = people.subscription(tx, one)
            assert subscriber is not None
            row = people.fresh(
                subscriber.subscriber_id, "second", state=subscriber.state, secret=f"s{number}", now=sample.NOW
            )
            people.add_fresh(tx, [row])
        for one in ids[:: max(1, readers // 3)]:
            people.choose(tx, one, {"state": "pending"})
    with app.store.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def asked(readers: int) -> dict[str, tuple[str, str, object]]:
    """(method, path, body) of each question."""
    page, look = "/api/v1/subscribers", "/api/v1/subscribers/search"
    return {
        "first page": ("GET", page, None),
        "middle": ("GET", f"{page}?after={readers // 2}", None),
        "last": ("GET", f"{page}?after={readers - 60}", None),
        "of a digest": ("GET", f"{page}?digest=papers&after={readers // 2}", None),
        "of the small digest": ("GET", f"{page}?digest=second", None),
        "pending": ("GET", f"{page}?state=pending", None),
        "pending of a digest": ("GET", f"{page}?digest=papers&state=pending", None),
        "search, all match": ("POST", look, {"search": "example"}),
        "search, one matches": ("POST", look, {"search": f"reader{readers - 7}@"}),
        "search, none matches": ("POST", look, {"search": "nobody"}),
    }


def measure(url: str, folder: Path, readers: int, rounds: int) -> dict[str, object]:
    app = opened(url, folder)
    fill(app, readers)
    token = app.tokens.add("bench", SCOPES).secret
    server = WebServer(application(lambda: app), "127.0.0.1:0", option="web.bind")
    told: dict[str, object] = {}
    try:
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            transport=httpx2.HTTPTransport(retries=20),
        ) as web:
            for name, (method, path, body) in asked(readers).items():
                took: list[float] = []
                for _ in range(rounds):
                    started = time.perf_counter()
                    answer = web.request(method, path, **({} if body is None else {"json": body}))
                    took.append(1e3 * (time.perf_counter() - started))
                assert answer.status_code == 200, answer.text
                median, worst = round(statistics.median(took), 1), round(max(took), 1)
                told[name] = {"items": len(answer.json()["items"]), "median_ms": median, "worst_ms": worst}
    finally:
        server.close()
        app.close()
    return told


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--readers", type=int, default=100_000)
    given.add_argument("--rounds", type=int, default=40)
    options = given.parse_args()
    alone = machine()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        urls = {"sqlite": f"sqlite:///{name}/digest.db", "postgresql": stack.enter_context(postgresql()).create()}
        found = {kind: measure(url, Path(name), options.readers, options.rounds) for kind, url in urls.items()}
    print(json.dumps({"machine": alone, "readers": options.readers, **found}, indent=1))


if __name__ == "__main__":
    main()
