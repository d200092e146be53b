"""The API over a whole installation with two digests and two readers, and on wish a day's edition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from digest.services.access.tokens import SCOPES
from digest.storage.base import metadata
from digest.web.application import application
from tests.services.road import Road, paper

BASE = "/api/v1"
DIGESTS = (
    {"name": "daily", "title": "Daily", "categories": {"cs.CL": 2, "cs.CV": 1}},
    {"name": "weekly", "title": "Weekly", "days": ["mon"]},
)
WEB = {"enabled": False, "public_url": "https://digest.example.org", "api": True}


@pytest.fixture
def road(url: str, tmp_path: Path) -> Iterator[Road]:
    """Ada reads both digests, Bo one."""
    made = Road.open(tmp_path / "home", url, *DIGESTS, web=WEB)
    made.reader("ada@example.org", "daily")
    made.reader("ada@example.org", "weekly")
    made.reader("bo@example.org", "daily")
    yield made
    made.app.close()


@pytest.fixture
def printed(road: Road) -> None:
    """The first edition is printed, and sent to both."""
    road.bring(paper(1), paper(2, categories=("cs.CV",)))
    road.publish()
    road.deliver()


@pytest.fixture
def web(road: Road) -> TestClient:
    """Asks without a token."""
    return TestClient(application(lambda: road.app), base_url="http://digest", raise_server_exceptions=False)


@pytest.fixture
def as_(road: Road, web: TestClient) -> Callable[..., Client]:
    """Somebody with these scopes, or with all."""
    made = iter(range(100))

    def client(*scopes: str) -> Client:
        secret = road.app.tokens.add(f"t{next(made)}", scopes or SCOPES).secret
        return Client(web, secret)

    return client


@pytest.fixture
def api(as_: Callable[..., Client]) -> Client:
    """Somebody who may do everything."""
    return as_()


class Client:
    """Asks with a token."""

    def __init__(self, web: TestClient, secret: str) -> None:
        self.web, self.secret = web, secret

    def __call__(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str | bytes
    ) -> Any:
        """``body`` is sent as JSON, ``raw`` as it is."""
        sent: Any = {"Authorization": f"Bearer {self.secret}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        given = {"content": raw} if raw is not None else {} if body is None else {"json": body}
        return self.web.request(method, BASE + path, headers=sent, **given)

    def get(self, path: str) -> Any:
        """The document of an answer that must be good."""
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        answer = self("POST", path, body, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


def everything(road: Road, *but: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, but for those of some."""
    with road.app.store.reading() as tx:
        tables = [table for table in metadata.sorted_tables if table.name not in but]
        return {table.name: [tuple(row) for row in tx.execute(select(table))] for table in tables}


def id_of(road: Road, address: str) -> int:
    return road.app.subscribe.find(address).id
