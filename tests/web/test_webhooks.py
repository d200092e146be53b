"""Providers' webhooks over the wire: done is 200, forged 403, ours to mend 503, and never a fault of ours."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from digest.app.webhooks import Webhooks
from digest.model.errors import ConfigError, FetchError, StorageError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.model.people import SubscriptionState
from digest.storage.base import metadata
from digest.web.application import application
from tests.apps import having
from tests.delivery import hooks
from tests.delivery.hooks import ADA, HOST, MAILGUN_KEY, PASSWORD, TOPIC, Asked, odd
from tests.services.road import SLOT, Road, paper

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PROVIDERS = ("ses", "mailgun", "sendgrid", "postmark")


class Amazon:
    """Amazon's host: certificates, and what else was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False

    def fetch(self, request: FetchRequest) -> FetchResponse:
        self.asked.append(request.url)
        if self.fails or not request.url.startswith(HOST):
            raise FetchError("no answer", where=request.url)
        return FetchResponse(url=request.url, status=200, body=hooks.amazon().pem)


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
def road(url, tmp_path, amazon):
    """Ada reads; every provider is configured, and one mail to her has left."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "postmark").write_text(PASSWORD + "\n", encoding="utf-8")
    (home / "mailgun").write_text(MAILGUN_KEY + "\n", encoding="utf-8")
    settings = {
        "ses_topics": [TOPIC],
        "postmark_password_file": "postmark",
        "mailgun_key_file": "mailgun",
        "sendgrid_key": hooks.sendgrid_public(),
    }
    made = Road.open(home, url, webhooks=settings, mail={"from": "digest@example.org", "bounces_to": "b@example.org"})
    made.app = having(made.app, webhooks=Webhooks(made.app.config, amazon.fetch, made.app.clock))
    made.reader()
    made.bring(paper(1))
    made.publish()
    made.deliver()
    yield made
    made.app.close()


@pytest.fixture
def client(road):
    return TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)


def everything(road) -> dict[str, list[tuple[object, ...]]]:
    with road.app.store.reading() as tx:
        return {table.name: [tuple(row) for row in tx.execute(select(table))] for table in metadata.sorted_tables}


def names(road) -> tuple[str, str]:
    """What names Ada's mail: (return path, Message-ID), as the mail that left says."""
    (mail,) = road.mails()
    return str(mail["X-PM-Metadata-digest"]), str(mail["Message-ID"])


def bounce(road, provider: str, *, path: str = "", message_id: str = "", address: str = ADA) -> Asked:
    """A hard bounce of a mail as this provider tells it, now."""
    at = road.now
    match provider:
        case "ses":
            source = path or "digest@example.org"
            told = hooks.bounced(address=address, source=source, message_id=message_id.strip("<>"))
            return hooks.sns(told, at=at)
        case "mailgun":
            mail = {"headers": {"message-id": message_id.strip("<>")}}
            told = hooks.mailgun_event(recipient=address, message=mail, envelope={"sender": path})
            return hooks.mailgun(told, at=at)
        case "sendgrid":
            event = hooks.sendgrid_event(email=address, digest=path or None, **{"smtp-id": message_id or None})
            return hooks.sendgrid([event], at=at)
        case _:
            return hooks.postmark(hooks.postmark_event(Email=address, Metadata={"digest": path}))


def post(client, provider: str, asked: Asked):
    return client.post(f"/webhooks/{provider}", content=asked.body, headers=asked.headers)


def listed(road) -> list[tuple[str, str]]:
    return [(one.address, one.reason.value) for one in road.app.subscribe.suppressions()]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_from_the_mail_that_left_to_the_suppressed_address_and_a_second_time_nothing(road, client, provider):
    path, message_id = names(road)
    # Postmark gives each mail a Message-ID of its own.
    known = {"path": path} if provider == "postmark" else {"message_id": message_id}
    asked = bounce(road, provider, **known)
    answer = post(client, provider, asked)
    assert (answer.status_code, answer.content) == (200, b"")
    assert listed(road) == [(ADA, "hard-bounce")]
    before = everything(road)
    assert post(client, provider, asked).status_code == 200
    assert everything(road) == before


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_signed_event_about_anothers_mail_or_none_changes_nothing(road, client, provider):
    path, message_id = names(road)
    before = everything(road)
    eve = "eve@example.org"
    for asked in (
        bounce(road, provider),
        bounce(road, provider, path=path, address=eve),
        bounce(road, provider, message_id=message_id, address=eve),
        bounce(road, provider, path=path[:-9] + "0@digest", message_id=f"<{'0' * 32}@example.org>"),
        bounce(road, provider, message_id="<пример@пример.рф>", address="ада@пример.рф"),
    ):
        assert post(client, provider, asked).status_code == 200
    assert everything(road) == before


def test_a_complaint_ends_the_subscription(road, client):
    event = hooks.sendgrid_event("spamreport", digest=names(road)[0], **{"smtp-id": None})
    assert post(client, "sendgrid", hooks.sendgrid([event], at=road.now)).status_code == 200
    assert listed(road) == [(ADA, "complaint")]
    assert road.app.subscribe.show(ADA)[0].state is SubscriptionState.UNSUBSCRIBED


def forgeries(road) -> dict[str, Asked]:
    path, message_id = names(road)
    known = {"path": path, "message_id": message_id}
    ses, sendgrid = bounce(road, "ses", **known), bounce(road, "sendgrid", **known)
    old = road.now - timedelta(days=2)
    told = hooks.bounced(source=path)
    return {
        "ses, changed": Asked(ses.headers, ses.body.replace(b"5.1.1", b"5.1.2")),
        "ses, another key": hooks.sns(told, signing=hooks.amazon("another"), at=road.now),
        "ses, old": hooks.sns(told, at=old),
        "ses, another topic": hooks.sns(told, at=road.now, TopicArn=TOPIC + "s"),
        "ses, certificate elsewhere": hooks.sns(told, at=road.now, SigningCertURL="https://evil.example/a.pem"),
        "mailgun, another key": hooks.mailgun(hooks.mailgun_event(), key="another", at=road.now),
        "mailgun, old": hooks.mailgun(hooks.mailgun_event(), at=old),
        "sendgrid, changed": Asked(sendgrid.headers, sendgrid.body + b" "),
        "sendgrid, unsigned": Asked({}, sendgrid.body),
        "sendgrid, old": hooks.sendgrid([hooks.sendgrid_event(digest=path)], at=old),
        "postmark, wrong password": hooks.postmark(hooks.postmark_event(), password="wrong"),
        "postmark, no password": Asked({}, hooks.postmark(hooks.postmark_event()).body),
    }


@on_sqlite
def test_what_is_forged_or_old_is_refused_changes_nothing_and_asks_nobody_elsewhere(road, client, amazon):
    before = everything(road)
    with capture_logs() as logs:
        for name, asked in forgeries(road).items():
            answer = post(client, name.partition(",")[0], asked)
            assert (name, answer.status_code, answer.content) == (name, 403, b"")
    assert everything(road) == before
    assert all(url.startswith(HOST) for url in amazon.asked)
    assert [one["event"] for one in logs] == ["webhook refused"] * 4, "one a provider and minute"
    assert ADA not in repr(logs)


@on_sqlite
def test_refusals_are_counted_until_they_are_told(road, client):
    forged = hooks.postmark({}, password="wrong")
    with capture_logs() as logs:
        for _ in range(3):
            post(client, "postmark", forged)
        road.now += timedelta(minutes=2)
        post(client, "postmark", forged)
    assert [one["requests"] for one in logs] == [1, 3]


@on_sqlite
def test_nothing_secret_and_no_address_is_logged(road, client):
    path, message_id = names(road)
    with capture_logs() as logs:
        for provider in PROVIDERS:
            post(client, provider, bounce(road, provider, path=path, message_id=message_id))
    assert [one["provider"] for one in logs] == list(PROVIDERS)
    for secret in (ADA, PASSWORD, MAILGUN_KEY, path, message_id, "no such user"):
        assert secret not in repr(logs)


@on_sqlite
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_body_that_is_cut_off_or_no_json_is_refused_and_one_of_two_megabytes_is_not_read(road, client, provider):
    asked = bounce(road, provider, path=names(road)[0])
    for body in (b"", asked.body[:-30], b"[" * 100_000, b"\xff", b"null", b"7", b'""', b"{}", b"[]"):
        assert post(client, provider, Asked(asked.headers, body)).status_code in (200, 400, 403)
    assert post(client, provider, Asked(asked.headers, b"x" * 2_000_000)).status_code == 413
    assert listed(road) == []


@on_sqlite
def test_a_provider_that_is_not_configured_or_known_is_not_there(url, tmp_path):
    road = Road.open(tmp_path / "bare", url)
    try:
        client = TestClient(application(lambda: road.app), raise_server_exceptions=False)
        for provider in (*PROVIDERS, "mailchimp", "ses%2F", "..%2Fses"):
            answer = client.post(f"/webhooks/{provider}", content=b"{}")
            assert answer.status_code == 404
            assert client.get(f"/webhooks/{provider}").status_code in (404, 405)
    finally:
        road.app.close()


@on_sqlite
def test_a_get_changes_nothing(road, client):
    before = everything(road)
    for provider in PROVIDERS:
        assert client.get(f"/webhooks/{provider}").status_code == 405
    assert everything(road) == before


def test_the_provider_must_repeat_what_could_not_be_written_or_is_early(road, client, amazon, monkeypatch):
    path, _ = names(road)
    asked = {provider: bounce(road, provider, path=path) for provider in PROVIDERS}
    with monkeypatch.context() as patched:

        def failing(self, report):
            raise StorageError("the disk is full", where="digest.db")

        patched.setattr(type(road.app.feedback), "told", failing)
        assert {post(client, name, one).status_code for name, one in asked.items()} == {503}
    with road.app.store.transaction() as tx:
        tx.execute(metadata.tables["deliveries"].update().values(state="sending"))
    assert {post(client, name, one).status_code for name, one in asked.items()} == {503}
    with road.app.store.transaction() as tx:
        tx.execute(metadata.tables["deliveries"].update().values(state="accepted"))
    assert {post(client, name, one).status_code for name, one in asked.items()} == {200}
    assert listed(road) == [(ADA, "hard-bounce")]


@on_sqlite
def test_amazon_s_certificate_is_fetched_once_a_day_and_when_it_cannot_be_had_amazon_must_repeat(road, client, amazon):
    amazon.fails = True
    assert post(client, "ses", bounce(road, "ses")).status_code == 503
    amazon.fails = False
    for _ in range(3):
        assert post(client, "ses", bounce(road, "ses")).status_code == 200
    assert amazon.asked == [hooks.CERTIFICATE] * 2
    road.now += timedelta(hours=25)
    assert post(client, "ses", bounce(road, "ses")).status_code == 200
    assert amazon.asked == [hooks.CERTIFICATE] * 3


@on_sqlite
def test_strangers_cannot_make_us_ask_amazon_without_end(road, client, amazon):
    def forged(number: int) -> Asked:
        return hooks.sns(hooks.bounced(), at=road.now, SigningCertURL=f"{HOST}/a{number}.pem", Signature="AAAA")

    assert [post(client, "ses", forged(number)).status_code for number in range(25)] == [403] * 20 + [503] * 5
    assert len(amazon.asked) == 20
    road.now += timedelta(hours=2)
    assert post(client, "ses", bounce(road, "ses")).status_code == 200


@on_sqlite
def test_the_question_of_a_configured_topic_is_answered(road, client, amazon):
    asked = hooks.sns("You have chosen to subscribe", kind="SubscriptionConfirmation", at=road.now)
    assert post(client, "ses", asked).status_code == 200
    assert amazon.asked == [hooks.CERTIFICATE, f"{HOST}/?Action=ConfirmSubscription&Token=2336412f37"]
    other = hooks.sns("You", kind="SubscriptionConfirmation", at=road.now, TopicArn=TOPIC + "s")
    assert post(client, "ses", other).status_code == 403
    assert len(amazon.asked) == 2


@on_sqlite
def test_a_key_that_is_missing_is_told_at_the_start_and_later_the_provider_must_repeat(road, client):
    asked = bounce(road, "mailgun")
    (road.folder / "mailgun").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        application(lambda: road.app)
    assert post(client, "mailgun", asked).status_code == 503
    (road.folder / "mailgun").write_text("changed\n", encoding="utf-8")
    changed = hooks.mailgun(hooks.mailgun_event(), key="changed", at=road.now)
    assert post(client, "mailgun", changed).status_code == 200, "a changed file needs no restart"


def signed(road, chance: random.Random) -> tuple[str, Asked]:
    """A request with a right signature and wrong types in it."""
    path, at = names(road)[0], road.now
    make: dict[str, Callable[[], Asked]] = {
        "ses": lambda: hooks.sns(odd(chance, chance.choice([hooks.bounced(source=path), hooks.complained()])), at=at),
        "mailgun": lambda: hooks.mailgun(odd(chance, hooks.mailgun_event()), at=at),
        "sendgrid": lambda: hooks.sendgrid(odd(chance, [hooks.sendgrid_event()] * 3), at=at),
        "postmark": lambda: hooks.postmark(odd(chance, hooks.postmark_event())),
    }
    provider = chance.choice(PROVIDERS)
    return provider, make[provider]()


@on_sqlite
def test_wrong_types_anywhere_are_never_a_fault_of_ours(road, client):
    chance = random.Random(5)
    readers = everything(road)["subscribers"]
    for _ in range(60):
        provider, asked = signed(road, chance)
        answer = post(client, provider, asked)
        assert answer.status_code in (200, 400), (provider, asked.body)
    for _ in range(60):
        provider = chance.choice(PROVIDERS)
        asked = bounce(road, provider)
        try:
            whole = odd(chance, json.loads(asked.body))
        except ValueError:
            whole = None
        headers = {name: chance.choice([value, value[::-1], "ü".encode()]) for name, value in asked.headers.items()}
        answer = client.post(f"/webhooks/{provider}", content=json.dumps(whole).encode(), headers=headers)
        assert answer.status_code in (200, 400, 403), (provider, whole)
    assert set(listed(road)) <= {(ADA, "hard-bounce"), (ADA, "complaint")}
    assert everything(road)["subscribers"] == readers


@on_sqlite
def test_the_marks_stand_in_the_mail_only_where_their_provider_is_configured(road, url, tmp_path):
    (mail,) = road.mails()
    path, _ = names(road)
    assert re.fullmatch(r"mail\+b[0-9a-f]+-[0-9a-f]{20}@digest", path)
    assert json.loads(str(mail["X-SMTPAPI"])) == {"unique_args": {"digest": path}}
    road.use(webhooks={"mailgun_key_file": "mailgun"})
    road.now = SLOT + timedelta(days=1, minutes=1)
    road.bring(paper(2), at=SLOT + timedelta(hours=20))
    road.publish()
    road.deliver()
    unmarked = [one for one in road.mails() if one["X-PM-Metadata-digest"] is None]
    assert len(unmarked) == 1
    assert unmarked[0]["X-SMTPAPI"] is None
