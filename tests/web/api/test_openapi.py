"""The OpenAPI document, and a machine that reads it and asks whatever it allows, and whatever it does not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from starlette.testclient import TestClient

from digest.services.access.tokens import SCOPES
from digest.web.api import OPERATIONS
from digest.web.application import application
from tests.services.road import Road
from tests.web.api.conftest import BASE, DIGESTS, WEB, id_of

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
#: A request in the right form may still be about nothing (404), come at the wrong time (409) or be impossible (422).
CONFIG = {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]}}}
EXAMPLES = 5


@pytest.fixture
def road(road: Road, printed: None) -> Road:
    """With an edition, and without a limit that a machine could meet."""
    road.use(*DIGESTS, web={**WEB, "api_requests": 1_000_000})
    return road


@pytest.fixture
def document(web: TestClient) -> dict[str, Any]:
    answer = web.get(f"{BASE}/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def test_it_needs_no_token_and_names_every_operation_with_its_scopes(document):
    found = {
        (one["operationId"], method.upper(), path, tuple(one["security"][0]["token"]))
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        if one["security"]
    }
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "https://digest.example.org/api/v1"}]
    assert found == {(one.name.replace(" ", "_"), one.method, one.path, one.scopes) for one in OPERATIONS}


def test_it_tells_of_no_way_to_say_more_than_is_known(document):
    forms = [form for form in document["components"]["schemas"].values() if form.get("type") == "object"]
    assert [form["title"] for form in forms if form.get("additionalProperties") is not False] == []


def test_its_forms_have_plain_names_each_of_its_own(document):
    assert [name for name in document["components"]["schemas"] if "__" in name] == []


def test_it_tells_how_a_body_is_refused_where_there_is_none(document):
    erase, get = (document["paths"]["/subscribers/{id}" + end] for end in ("/erase", ""))
    assert {"400", "413", "422"} <= set(erase["post"]["responses"])
    assert "413" not in get["get"]["responses"]


def test_it_is_kept_by_caches_until_it_changes(web):
    first = web.get(f"{BASE}/openapi.json")
    again = web.get(f"{BASE}/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, web.head(f"{BASE}/openapi.json").content) == (304, b"")
    assert web.post(f"{BASE}/openapi.json").status_code == 405


def test_whatever_is_asked_is_answered_as_the_document_says(road):
    """Requests in the right form and in the wrong one, at every operation, with the numbers of what is there."""
    app = application(lambda: road.app)
    schema = schemathesis.openapi.from_asgi(f"{BASE}/openapi.json", app, config=SchemathesisConfig.from_dict(CONFIG))
    secret = road.app.tokens.add("machine", SCOPES).secret
    there = {"id": id_of(road, "bo@example.org"), "digest": "daily", "day": "2026-05-04", "delivery": 1}
    asked: set[str] = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        asked.add(operation.label)
        some = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
        if names := {name: there[name] for name in ("id", "digest", "day") if f"{{{name}}}" in operation.path}:
            names |= {"id": there["delivery"]} if operation.path.startswith("/deliveries") else {}
            some.append(operation.as_strategy(path_parameters=names))

        @seed(7)
        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(some))
        def ask(case):
            case.call_and_validate(headers={"Authorization": f"Bearer {secret}"})

        ask()
    assert len(asked) == len(OPERATIONS)
