"""An installation with an operator, and a browser that is logged in at its desk."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from digest.web.application import application
from tests.services.road import Road
from tests.web.desk.seat import ORIGIN, log_in, password_hash


@pytest.fixture
def road(url, tmp_path):
    """Two digests; the operators ada (password) and bo (links only)."""
    digests = [{"name": "daily", "categories": {"cs.CL": 2, "cs.CV": 1}}, {"name": "weekly"}]
    operators = [{"name": "ada", "password_hash": password_hash()}, {"name": "bo"}]
    made = Road.open(tmp_path / "home", url, *digests, operator=operators)
    yield made
    made.app.close()


@pytest.fixture
def anybody(road):
    """A browser that is not logged in."""
    return TestClient(
        application(lambda: road.app), base_url=ORIGIN, raise_server_exceptions=False, follow_redirects=False
    )


@pytest.fixture
def desk(road, anybody):
    return log_in(anybody, road)
