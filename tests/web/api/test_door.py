"""Who gets in, and what no request can do, however it is made."""

from __future__ import annotations

import json
import socket
import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete
from structlog.testing import capture_logs

from digest.model.errors import Conflict, NotFound, StorageError, UsageError
from digest.services.access.once import KEPT, Answered, Once
from digest.services.access.tokens import SCOPES
from digest.services.readers.subscribe import Subscribe
from digest.storage import access
from digest.web.api import OPERATIONS
from digest.web.application import application
from digest.web.server import WebServer
from tests.services.road import Road
from tests.web.api.conftest import BASE, DIGESTS, WEB, Client, everything, id_of

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
MAYBE = {"id": "1", "digest": "daily", "day": "2026-05-04"}
ADD = {"address": "cy@example.org", "digest": "daily", "confirmed": True}

#: (body, Content-Type, status, words)
BODIES = (
    (b"", "application/json", 400, "cannot be read as JSON"),
    (b"{", "application/json", 400, "cannot be read as JSON"),
    (b"{}", "text/plain", 415, "must be JSON"),
    (b"{}", "application/json; charset=latin-1", 415, "must be JSON"),
    (b"{}", "", 415, "must be JSON"),
    (b"[]", "application/json", 400, "object"),
    (b"null", "application/json", 400, "object"),
    (b'"\xff"', "application/json", 400, "not UTF-8"),
    (b'{"search": "a", "search": "b"}', "application/json", 400, "same key twice"),
    (b'{"search": NaN}', "application/json", 400, "no number"),
    (b'{"limit": 1e999}', "application/json", 400, "too large"),
    (b'{"search": "a", "limit": ' + b"9" * 5000 + b"}", "application/json", 400, "beyond 2^53"),
    (b'{"search": "a", "limit": 9007199254740993}', "application/json", 400, "beyond 2^53"),
    (b"[" * 30_000, "application/json", 400, "nested more than 20"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "application/json", 400, "nested more than 20"),
    (b'{"search": "a\\u0000"}', "application/json", 422, "a NUL"),
    (b'{"search": "\\ud800"}', "application/json", 422, "half of a character"),
    (b'{"\\u0000": 1}', "application/json", 422, "a NUL"),
    (b'{"search": "a", "serach": "b"}', "application/json", 400, "is not known"),
    (b'{"search": 1}', "application/json", 400, "valid string"),
    (b'{"search": "a", "limit": "5"}', "application/json", 400, "valid integer"),
    (b'{"search": "a", "limit": true}', "application/json", 400, "valid integer"),
    (b'{"search": "' + b"x" * 70_000 + b'"}', "application/json", 413, "more than 64,000 bytes"),
)
PATHS = (
    ("/subscribers?limit=0", 400),
    ("/subscribers?limit=201", 400),
    ("/subscribers?limit=x", 400),
    ("/subscribers?limit=1&limit=2", 400),
    ("/subscribers?limit=1_0", 400),
    ("/subscribers?limit=%2B5", 400),
    ("/subscribers?limit=%205", 400),
    ("/subscribers?limit=05", 400),
    ("/subscribers?limit=5.0", 400),
    ("/subscribers?after=%D9%A5", 400),
    ("/subscribers/0_1", 400),
    ("/subscribers/+1", 400),
    ("/subscribers?nothing=1", 400),
    ("/subscribers?digest=%00", 422),
    ("/subscribers?digest=%ff", 400),
    ("/subscribers?after=" + "9" * 5000, 400),
    ("/subscribers?after=99999999999999999999", 400),
    ("/subscribers/" + "9" * 5000, 400),
    ("/subscribers/-1", 400),
    ("/subscribers/1?id=2", 400),
    ("/subscribers/9007199254740991", 404),
    ("/digests/%2e%2e", 400),
    ("/digests/a%00", 422),
    ("/digests/a%0A", 400),
    ("/no%0Athing", 404),
    ("/digests/daily/editions/2026-13-01", 400),
    ("/digests/daily/editions/0001-01-01", 404),
    ("/entries?search=%00", 422),
    ("/entries/one", 400),
    ("/entries/one?paper=%20", 404),
    ("/nothing", 404),
    ("/", 404),
    ("", 404),
    ("/digests/", 404),
)


def problem(answer, status: int) -> str:
    """What a problem says; it must be one, whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail", "what", "where", "try", "errors"}
    assert (told["type"], told["status"]) == ("about:blank", status)
    return told["what"]


@on_sqlite
class TestTokens:
    def test_it_is_off_unless_it_is_wished_for(self, road, api):
        assert api.get("/digests")
        road.use(*DIGESTS, web={**WEB, "api": False})
        for path in ("/digests", "/openapi.json", "/nothing"):
            answer = api("GET", path)
            assert (answer.status_code, "There is nothing here" in answer.text) == (404, True)

    def test_a_token_is_kept_as_a_hash_alone_and_told_once(self, road):
        made = road.app.tokens.add("desk", ["digests:read"], days=3)
        assert made.secret.startswith("digest_")
        assert made.secret not in str(everything(road))
        assert made.secret not in repr(made)
        (held,) = road.app.tokens.listing()
        assert (held.name, held.scopes, held.expires_at) == ("desk", ("digests:read",), road.now + timedelta(days=3))

    def test_without_a_good_one_nothing_opens(self, web):
        unknown = "digest_" + "A" * 43
        given = (
            "",
            "Bearer",
            "Bearer ",
            "Bearer digest_",
            f"Bearer {unknown}",
            f"Basic {unknown}",
            "Bearer " + "x" * 30_000,
        )
        for header in (*given, "Bearer digest_\u00e9", None):
            headers = {} if header is None else {"Authorization": header.encode("latin-1")}
            answer = web.get(f"{BASE}/digests", headers=headers)
            assert problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith('Bearer realm="digest"')

    def test_one_counts_in_the_header_alone_and_only_once(self, web, api):
        assert problem(web.get(f"{BASE}/digests?access_token={api.secret}"), 401)
        twice = [("Authorization", f"Bearer {api.secret}")] * 2
        assert problem(web.get(f"{BASE}/digests", headers=twice), 401)
        assert web.get(f"{BASE}/digests", headers={"Authorization": f"bearer {api.secret}"}).status_code == 200

    def test_one_that_is_revoked_or_over_opens_nothing_from_then_on(self, road, web):
        for end in (lambda: road.app.tokens.revoke("t"), lambda: setattr(road, "now", road.now + timedelta(days=1))):
            client = Client(web, road.app.tokens.add("t", SCOPES, days=1).secret)
            assert client.get("/digests")
            end()
            assert problem(client("GET", "/digests"), 401) == "the token is not known, or no longer good"

    def test_a_token_opens_only_what_it_has_all_scopes_of(self, road, web):
        before = everything(road, "api_tokens")
        without = {
            scope: road.app.tokens.add(f"no-{n}", [s for s in SCOPES if s != scope]) for n, scope in enumerate(SCOPES)
        }
        for operation in OPERATIONS:
            path = operation.path.format(**MAYBE)
            for lacking in operation.scopes:
                answer = Client(web, without[lacking].secret)(operation.method, path, {})
                assert lacking in problem(answer, 403)
                assert f'scope="{lacking}"' in answer.headers["www-authenticate"]
        assert everything(road, "api_tokens") == before

    def test_a_token_with_the_scopes_of_one_thing_opens_that(self, as_):
        for operation in OPERATIONS:
            answer = as_(*operation.scopes)(operation.method, operation.path.format(**MAYBE), {"nothing": 1})
            assert answer.status_code in (200, 400, 404, 409), operation.name

    def test_every_scope_opens_something(self, database):
        assert {scope for one in OPERATIONS for scope in one.scopes} == set(SCOPES)

    def test_a_token_that_cannot_be_is_refused(self, road):
        for name, scopes, days, words in (
            ("a b", ["digests:read"], None, "is not a name"),
            ("", ["digests:read"], None, "is not a name"),
            ("t", ["editions:write"], None, 'there is no scope "editions:write"'),
            ("t", [], None, "it would open nothing"),
            ("t", ["digests:read"], 0, "is not a number of days"),
            ("t", ["digests:read"], 10**9, "is not a number of days"),
        ):
            with pytest.raises(UsageError, match=words):
                road.app.tokens.add(name, scopes, days=days)
        assert road.app.tokens.listing() == ()

    def test_a_name_is_given_once_and_again_after_it_was_revoked(self, road):
        road.app.tokens.add("t", ["digests:read"])
        with pytest.raises(UsageError, match="there is a token of this name"):
            road.app.tokens.add("t", ["digests:read"])
        road.app.tokens.revoke("t")
        road.app.tokens.add("t", ["digests:read"])
        with pytest.raises(NotFound):
            road.app.tokens.revoke("u")

    def test_a_get_writes_when_the_token_was_used_once_an_hour_and_nothing_else(self, road, api):
        paths = [
            "/digests",
            f"/subscribers/{id_of(road, 'bo@example.org')}",
            "/deliveries",
            "/entries",
            "/suppressions",
        ]
        before, first = everything(road, "api_tokens"), road.now
        for minutes, used in ((0, first), (59, first), (1, first + timedelta(hours=1))):
            road.now += timedelta(minutes=minutes)
            for path in paths:
                assert (api("GET", path).status_code, api("HEAD", path).content) == (200, b"")
            assert road.app.tokens.listing()[0].last_used_at == used
        assert everything(road, "api_tokens") == before

    def test_who_asks_too_often_is_told_when_to_come_again(self, road, as_):
        road.use(*DIGESTS, web={**WEB, "api_requests": 3})
        client, other = as_(), as_()
        statuses = [client("GET", "/digests").status_code for _ in range(4)]
        answer = client("GET", "/digests")
        assert (statuses, other("GET", "/digests").status_code) == ([200, 200, 200, 429], 200)
        assert problem(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        road.now += timedelta(seconds=int(answer.headers["retry-after"]))
        assert client("GET", "/digests").status_code == 200

    def test_what_is_work_counts_for_more(self, road, as_):
        road.use(*DIGESTS, web={**WEB, "api_requests": 30})
        client = as_()
        body = {"paper": "2605.00001", "digest": "daily"}
        assert [client("POST", "/entries/explain", body).status_code for _ in range(2)] == [404, 429]


class TestForms:
    def test_a_body_that_is_not_what_it_should_be_is_named(self, api):
        for body, kind, status, words in BODIES:
            answer = api("POST", "/subscribers/search", raw=body, Content_Type=kind)
            assert words in problem(answer, status), body[:80]

    def test_a_path_or_query_that_is_not_what_it_should_be_is_refused(self, api):
        for path, status in PATHS:
            answer = api("GET", path)
            assert answer.status_code == status, (path[:80], answer.text)
            if path:
                assert problem(answer, status)


@on_sqlite
class TestRequests:
    def test_a_body_where_nothing_is_to_be_said_is_refused_and_nothing_done(self, road, api):
        path = f"/subscribers/{id_of(road, 'ada@example.org')}/erase"
        for body, status in (
            (b'{"dry_run": true}', 400),
            (b"[]", 400),
            (b"digest=weekly", 400),
            (b'{"\\u0000": 1}', 422),
            (b" " * 70_000, 413),
        ):
            assert problem(api("POST", path, raw=body), status)
        assert road.app.subscribe.find("ada@example.org")
        assert api("POST", path, raw=b" {} ").status_code == 200

    def test_no_body_and_an_empty_one_are_one_request(self, api):
        assert api.post("/digests/daily/pause", Idempotency_Key="k")["changed"] is True
        assert api.post("/digests/daily/pause", {}, Idempotency_Key="k")["changed"] is True

    def test_the_wrong_key_is_named_with_the_right_one_and_all_that_is_wrong(self, api):
        answer = api("POST", "/subscribers/search", {"serach": "x", "limit": 0}).json()
        assert [one["where"] for one in answer["errors"]] == ["body.search", "body.limit", "body.serach"]
        answer = api("POST", "/subscribers/search", {"search": "x", "limti": 1}).json()
        assert (answer["where"], answer["try"]) == ("body.limti", 'did you mean "limit"?')

    def test_a_method_that_is_not_there_is_refused_with_those_that_are(self, road, api):
        before = everything(road)
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
            answer = api(method, "/subscribers")
            assert problem(answer, 405)
            assert answer.headers["allow"] == "GET, POST, HEAD"
        assert everything(road) == before

    def test_no_answer_may_be_kept_or_read_by_another_site(self, api):
        headers = api("GET", "/subscribers").headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert not [name for name in headers if name.startswith("access-control")]

    def test_a_database_that_does_not_answer_is_told_as_503_and_a_fault_of_ours_as_500(self, api, monkeypatch):
        def failing(error):
            def fail(*_given, **_more):
                raise error

            return fail

        body = {"address": "secret@example.org", "digest": "daily", "confirmed": True}
        with capture_logs() as logs:
            lost = StorageError("no answer from db.host as role ours", where="postgresql://db.host", try_="see db.host")
            monkeypatch.setattr(Subscribe, "add", failing(lost))
            answer = api("POST", "/subscribers", body, Idempotency_Key="k")
            assert (problem(answer, 503), answer.headers["retry-after"]) == ("it cannot be done now", "5")
            assert not [word for word in ("db.host", "ours") if word in answer.text]
            monkeypatch.setattr(Subscribe, "add", failing(Conflict("Key (address)=(secret@example.org) exists")))
            assert problem(api("POST", "/subscribers", body, Idempotency_Key="k"), 503) == "another change came first"
            monkeypatch.setattr(Subscribe, "add", failing(ValueError("secret@example.org")))
            assert problem(api("POST", "/subscribers", body, Idempotency_Key="k"), 500) == "this is a fault of ours"
        monkeypatch.undo()
        assert "secret" not in json.dumps(logs)
        problems = ["no answer from db.host as role ours", "another change came first", "ValueError"]
        assert [one["problem"] for one in logs] == problems
        assert api.post("/subscribers", body, Idempotency_Key="k")["outcome"] == "confirmed"


class TestOnce:
    def test_a_repeated_request_gets_the_first_answer_and_is_done_once(self, road, api):
        first = api("POST", "/suppressions", {"address": "x@example.org"}, Idempotency_Key="k1")
        state = everything(road)
        again = api("POST", "/suppressions", {"address": "x@example.org"}, Idempotency_Key="k1")
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json()["added"] is True
        assert everything(road) == state
        assert api.post("/suppressions", {"address": "x@example.org"})["added"] is False

    def test_a_refusal_is_an_answer_too(self, api):
        refused = api("POST", "/suppressions/remove", {"address": "x@example.org"}, Idempotency_Key="k")
        api.post("/suppressions", {"address": "x@example.org"})
        again = api("POST", "/suppressions/remove", {"address": "x@example.org"}, Idempotency_Key="k")
        assert problem(again, 404) == problem(refused, 404)

    def test_a_key_is_good_for_one_request_of_one_token_for_a_day(self, road, api, as_):
        body = {"address": "x@example.org"}
        api.post("/suppressions", body, Idempotency_Key="k")
        other = {"address": "X@example.org"}
        assert problem(api("POST", "/suppressions", other, Idempotency_Key="k"), 422)
        assert problem(api("POST", "/suppressions/remove", body, Idempotency_Key="k"), 422)
        assert as_().post("/suppressions", body, Idempotency_Key="k")["added"] is False
        road.now += KEPT
        assert api.post("/suppressions", other, Idempotency_Key="k")["added"] is False

    def test_one_that_comes_while_the_first_is_worked_on_waits(self, road, api, monkeypatch):
        begun, go = threading.Event(), threading.Event()
        real = Subscribe.suppress

        def slow(*given, **more):
            begun.set()
            assert go.wait(20)
            return real(*given, **more)

        monkeypatch.setattr(Subscribe, "suppress", slow)
        answers = []
        body = {"address": "x@example.org"}
        first = threading.Thread(target=lambda: answers.append(api("POST", "/suppressions", body, Idempotency_Key="k")))
        first.start()
        assert begun.wait(20)
        second = api("POST", "/suppressions", body, Idempotency_Key="k")
        go.set()
        first.join(20)
        assert problem(second, 409) == "the same request is being worked on"
        assert second.headers["retry-after"] == "2"
        assert answers[0].json()["added"] is True

    def test_after_a_crash_between_deed_and_answer_the_deed_is_not_doubled(self, road, api, monkeypatch):
        """The process dies when the subscriber is asked and the answer is not kept: the key is free after its time."""
        monkeypatch.setattr("digest.services.access.once.Once.keep", lambda *_: None)
        body = {"address": "cy@example.org", "digest": "daily"}
        assert api.post("/subscribers", body, Idempotency_Key="k")["outcome"] == "planned"
        monkeypatch.undo()
        assert problem(api("POST", "/subscribers", body, Idempotency_Key="k"), 409)
        road.now += timedelta(minutes=2)
        assert api.post("/subscribers", body, Idempotency_Key="k")["outcome"] == "repeated"
        assert road.rows("cy@example.org") == [("cy@example.org", "daily", "queued")]

    def test_an_answer_about_who_is_erased_before_it_is_kept_is_not_kept(self, road, api, monkeypatch):
        def keep(once, hold, answered):
            monkeypatch.undo()
            road.app.subscribe.erase("cy@example.org")
            once.keep(hold, answered)

        monkeypatch.setattr(Once, "keep", keep)
        assert api.post("/subscribers", ADD, Idempotency_Key="k")["outcome"] == "confirmed"
        assert "cy@example.org" not in str(everything(road))
        assert everything(road)["api_answers"] == []

    @on_sqlite
    def test_an_answer_that_names_nobody_is_kept_also_then(self, road, api, monkeypatch):
        def keep(once, hold, answered):
            monkeypatch.undo()
            road.app.subscribe.erase("bo@example.org")
            once.keep(hold, answered)

        monkeypatch.setattr(Once, "keep", keep)
        first = api.post("/digests/daily/pause", Idempotency_Key="k")
        assert api.post("/digests/daily/pause", Idempotency_Key="k") == first

    @on_postgresql
    def test_an_answer_that_is_kept_while_somebody_is_being_erased_goes_too(self, road, api, monkeypatch):
        """It was begun and answered while the erasing transaction was open, of what is there for everybody still."""
        real, once = access.forget, road.app.once

        def forget(*given):
            monkeypatch.undo()
            real(*given)
            once.keep(once.take(1, "k", "a request"), Answered(status=200, body='{"address": "bo@example.org"}'))

        monkeypatch.setattr(access, "forget", forget)
        assert api.get("/digests")
        road.app.subscribe.erase("bo@example.org")
        assert "bo@example.org" not in str(everything(road))

    @on_sqlite
    def test_with_who_is_erased_goes_an_answer_of_a_longer_address_and_is_given_anew(self, road, api):
        road.reader("da@example.org", "daily")
        body = {"address": "zada@example.org"}
        assert api.post("/suppressions", body, Idempotency_Key="k")["added"] is True
        road.app.subscribe.erase("da@example.org")
        assert api.post("/suppressions", body, Idempotency_Key="k")["added"] is False

    @on_postgresql
    def test_a_key_that_is_let_go_while_it_is_asked_for_is_busy(self, road, api, monkeypatch):
        real, body = access.add_missing, {"address": "x@example.org"}
        api.post("/suppressions", body, Idempotency_Key="k")

        def add_missing(tx, table, rows):
            added = real(tx, table, rows)
            with road.app.store.transaction() as other:
                other.execute(delete(access.answers))
            return added

        monkeypatch.setattr(access, "add_missing", add_missing)
        answer = api("POST", "/suppressions", body, Idempotency_Key="k")
        assert problem(answer, 409) == "the same request is being worked on"
        monkeypatch.undo()
        assert api.post("/suppressions", body, Idempotency_Key="k")["added"] is False

    @on_sqlite
    def test_no_key_and_no_request_can_be_read_in_the_database(self, road, api):
        api.post(
            "/suppressions", {"address": "x@example.org", "detail": "told by phone"}, Idempotency_Key="a-telling-key"
        )
        (held,) = everything(road)["api_answers"]
        assert not [word for word in ("a-telling-key", "by phone") if word in str(held)]

    def test_answers_are_dropped_after_a_day_and_with_their_token(self, road, as_):
        api = as_()
        api.post("/suppressions", {"address": "x@example.org"}, Idempotency_Key="k")
        road.app.prune()
        assert len(everything(road)["api_answers"]) == 1
        road.now += KEPT
        road.app.prune()
        assert everything(road)["api_answers"] == []
        api.post("/suppressions", {"address": "x@example.org"}, Idempotency_Key="k")
        road.app.tokens.revoke("t0")
        assert everything(road)["api_answers"] == []

    @on_sqlite
    def test_a_key_that_is_none_is_refused(self, api):
        for key in (b"", b" ", b"a b", b"x" * 256, b"\xe9"):
            answer = api("POST", "/suppressions", {"address": "x@example.org"}, Idempotency_Key=key)
            assert problem(answer, 400) == "it is no key"

    @on_sqlite
    def test_a_backup_holds_the_tokens_and_no_answers(self, road, api, tmp_path):
        from digest.storage.engine import open_store

        api.post("/suppressions", {"address": "x@example.org"}, Idempotency_Key="k")
        road.app.upkeep.backup(tmp_path / "copy.db")
        copy = open_store(f"sqlite:///{tmp_path / 'copy.db'}")
        with copy.reading() as tx:
            assert tx.exec_driver_sql("SELECT count(*) FROM api_tokens").scalar() == 1
            assert tx.exec_driver_sql("SELECT count(*) FROM api_answers").scalar() == 0
        copy.close()


@on_sqlite
class TestOverASocket:
    """Bodies without end, as the daemon's server meets them."""

    @pytest.fixture
    def address(self, road: Road):
        server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
        yield ("127.0.0.1", server.port)
        server.close()

    def send(self, address, head: bytes, chunk: bytes, most: int) -> tuple[bytes, int]:
        """(what was answered, how much of the body was sent before the server would take no more)."""
        sent = 0
        with socket.create_connection(address, timeout=20) as peer:
            try:
                peer.sendall(head)
                while sent < most:
                    peer.sendall(chunk)
                    sent += len(chunk)
            except OSError:
                pass
            answer = b""
            try:
                while part := peer.recv(65_536):
                    answer += part
            except OSError:
                pass
        return answer, sent

    @pytest.mark.parametrize("framing", ["length", "chunked"])
    @pytest.mark.parametrize("with_token", [True, False])
    def test_a_body_of_a_gigabyte_is_stopped_early(self, address, api, framing, with_token):
        secret = api.secret if with_token else "digest_" + "A" * 43
        kind = b"Content-Length: 1000000000" if framing == "length" else b"Transfer-Encoding: chunked"
        head = (
            b"POST /api/v1/subscribers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer " + secret.encode() + b"\r\n" + kind + b"\r\n\r\n"
        )
        chunk = b"x" * 65_536 if framing == "length" else b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        _, sent = self.send(address, head, chunk, 1_000_000_000)
        assert sent < 50_000_000
        answer, _ = self.send(address, head, chunk, 2 * len(chunk))
        assert answer.startswith(b"HTTP/1.1 413" if with_token else b"HTTP/1.1 401"), answer[:100]

    def test_a_header_that_is_too_large_is_refused_and_the_next_one_is_served(self, address, api):
        head = b"GET /api/v1/digests HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        refused, _ = self.send(address, head + b"x" * 100_000 + b"\r\n\r\n", b"", 0)
        assert not refused or refused.startswith(b"HTTP/1.1 4")  # nothing, where we were still writing when it closed
        served, _ = self.send(address, head + api.secret.encode() + b"\r\n\r\n", b"", 0)
        assert served.startswith(b"HTTP/1.1 200")
