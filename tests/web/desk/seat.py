"""A browser that is logged in at the desk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from starlette.testclient import TestClient

from digest.services.access.passwords import hashed
from tests.services.road import Road

PASSWORD = "seven tides a fortnight"
ORIGIN = "https://digest.example.org"


@cache
def password_hash() -> str:
    """Once for all tests: it takes its time on purpose."""
    return hashed(PASSWORD, b"0123456789abcdef")


@dataclass
class Seated:
    """A browser that is logged in: ``get`` and ``post`` as an operator does, with the form's hidden field."""

    client: TestClient
    csrf: str

    def get(self, path: str, **query: str):
        return self.client.get(path, params=query)

    def post(self, path: str, **fields: object):
        return self.client.post(path, data={"csrf": self.csrf, **fields})


def log_in(client: TestClient, road: Road) -> Seated:
    """By a link: no password has to be hashed."""
    link = road.app.operators.new_link("ada")
    answer = client.post(link.removeprefix(ORIGIN))
    assert answer.status_code == 303, answer.text
    page = client.get("/desk/log")
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return Seated(client, found[1])
