"""Webhooks as the operator meets them: what doctor says, and that a key that cannot be used is told at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivery.hooks import TOPIC, sendgrid_public


@pytest.fixture(autouse=True)
def on_the_web(monkeypatch) -> None:
    monkeypatch.setattr("digest.app.operating.text_records", lambda name: ())
    monkeypatch.setenv("DIGEST_WEB__ENABLED", "true")
    monkeypatch.setenv("DIGEST_WEB__BIND", "127.0.0.1:0")
    monkeypatch.setenv("DIGEST_WEB__PUBLIC_URL", "https://digest.example.org")


def configure(more: str) -> None:
    path = Path("config.toml")
    path.write_text(f"{path.read_text()}\n[webhooks]\n{more}\n")


def findings(call) -> dict[str, tuple[str, str, str]]:
    found = call("doctor", "--json").json["findings"]
    return {one["what"]: (one["state"], one["detail"], one["try"]) for one in found if "webhook" in one["what"]}


def test_without_webhooks_there_is_nothing_to_say(installed, call):
    assert findings(call) == {}


def test_doctor_says_where_each_provider_is_taken_and_which_key_is_wrong(installed, call):
    Path("word").write_text("secret\n")
    configure(f'ses_topics = ["{TOPIC}"]\nsendgrid_key = "nonsense"\npostmark_password_file = "word"\n')
    url = "https://digest.example.org/webhooks"
    found = findings(call)
    assert found["webhook ses"] == ("ok", f"bounces and complaints are taken at {url}/ses", "")
    assert found["webhook postmark"] == ("ok", f"bounces and complaints are taken at {url}/postmark", "")
    assert found["webhook sendgrid"][:2] == ("fail", "[webhooks] sendgrid_key: is no public key of SendGrid")
    assert set(found) == {"webhook ses", "webhook postmark", "webhook sendgrid"}


def test_doctor_warns_where_the_provider_cannot_reach_it_or_has_no_tls(installed, call, monkeypatch):
    monkeypatch.setenv("DIGEST_WEB__PUBLIC_URL", "http://digest.example.org")
    configure(f'sendgrid_key = "{sendgrid_public()}"')
    assert findings(call)["webhook sendgrid"][0] == "warn"


def test_a_key_that_cannot_be_used_is_told_at_the_start(installed, call, monkeypatch):
    monkeypatch.delenv("DIGEST_NOW")
    configure('mailgun_key_file = "nowhere"')
    done = call("run")
    assert done.code == 2
    assert "nowhere: cannot be read" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("topics", ["bounces", "arn:aws:sns:s3-eu-west-1:123456789012:x", "arn:aws:sqs:eu-west-1:1:x"])
def test_a_topic_that_is_none_is_refused(installed, call, topics):
    configure(f'ses_topics = ["{topics}"]')
    done = call("status")
    assert done.code == 2
    assert "ses_topics should hold ARNs" in done.err
