"""DIGEST_… variables over the file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.config import from_table
from digest.config.environment import known_names
from digest.model.editions import Look
from digest.model.errors import ConfigError

TABLE = {"mail": {"from": "digest@example.org"}, "smtp": {"host": "file.example.org", "port": 25}}


def configured(folder, table=TABLE, **environ):
    return from_table(table, folder=folder, environ={f"DIGEST_{name}": value for name, value in environ.items()})


def test_a_variable_goes_over_the_file_and_leaves_its_neighbours(tmp_path):
    (relay,) = configured(tmp_path, SMTP__HOST="env.example.org", SMTP__RATE="2.5", SMTP__TIMEOUT="2m").relays
    assert (relay.host, relay.port, relay.rate, relay.timeout) == ("env.example.org", 25, 2.5, timedelta(minutes=2))


def test_a_variable_goes_into_the_only_relay_of_a_list(tmp_path):
    (relay,) = configured(tmp_path, {**TABLE, "smtp": [{"host": "a", "port": 26}]}, SMTP__HOST="b").relays
    assert (relay.host, relay.port) == ("b", 26)


def test_a_variable_for_one_of_several_relays_is_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, {**TABLE, "smtp": [{"host": "a"}, {"host": "b"}]}, SMTP__HOST="c")
    assert caught.value.where == "DIGEST_SMTP__HOST"
    assert "DIGEST_SMTP" in caught.value.try_


def test_lists_and_tables_are_json(tmp_path):
    config = configured(
        tmp_path,
        SOURCE='[{"id": "hf", "kind": "huggingface"}]',
        DIGEST='[{"name": "daily", "categories": {"cs.CL": 2}}]',
        SMTP__DOMAIN_RATES='{"example.com": 1}',
        MAIL__ALERTS_TO="ops@example.org",
    )
    assert [source.id for source in config.sources] == ["hf"]
    assert config.digests[0].profile.categories == (("cs.CL", 1.0),)  # alone, any weight is all
    assert config.relays[0].domain_rates == {"example.com": 1.0}
    assert config.mail.alerts_to == ("ops@example.org",)


def test_numbers_truths_and_texts_are_plain(tmp_path):
    config = configured(tmp_path, WEB__ENABLED="false", RETENTION__DAYS="500", SMTP__USERNAME="12345",
                        SMTP__PASSWORD_FILE="7")  # fmt: skip
    assert (config.web.enabled, config.retention.days) == (False, 500)
    assert (config.relays[0].username, config.relays[0].password_file) == ("12345", tmp_path / "7")


def test_the_look_the_language_and_the_inliner_come_from_the_environment_too(tmp_path):
    config = configured(
        tmp_path,
        MAIL__INLINER="css-inline",
        DIGEST='[{"name": "daily", "language": "zh-hans", "accent": "#06F", "logo": "Labs", "header": "A.",'
        ' "footer": "B."}]',
    )
    (digest,) = config.digests
    assert (config.mail.inliner, digest.profile.language) == ("css-inline", "zh-Hans")
    assert digest.look == Look(accent="#0066ff", logo="Labs", header="A.", footer="B.")


def test_the_environment_alone_is_enough(tmp_path):
    assert configured(tmp_path, {}, MAIL__FROM="a@example.org").sender.from_address == "a@example.org"


def test_reserved_and_foreign_names_are_left_alone(tmp_path):
    environ = {"DIGEST_CONFIG": "x", "DIGEST_SHARED": "y", "DIGEST_NOW": "z", "HOME": "/", "XDIGEST_WEB": "1"}
    assert from_table(TABLE, folder=tmp_path, environ=environ).variables == {}


@pytest.mark.parametrize(
    ("name", "try_"),
    [
        ("SMTP__HOTS", 'did you mean "DIGEST_SMTP__HOST"?'),
        ("SMTP_HOST", 'did you mean "DIGEST_SMTP__HOST"?'),
        ("COLOUR__OF__MONEY", "docs/configuration.md lists every variable"),
        ("SOURCE__0__URL", "docs/configuration.md lists every variable"),
        ("DIGEST__NAME", "docs/configuration.md lists every variable"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(tmp_path, name, try_):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, **{name: "x"})
    assert caught.value.what == f"DIGEST_{name} is not a variable of Digest"
    assert caught.value.try_.startswith("did you mean") or caught.value.try_ == try_
    if try_.startswith("did"):
        assert caught.value.try_ == try_


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("SMTP__PORT", "http", "should be"),
        ("SMTP__PORT", "25.5", "should be a whole number"),
        ("WEB__ENABLED", "perhaps", "should be true or false"),
        ("SOURCE", "hf", "should be JSON"),
        ("SOURCE", "[{]", "is not valid JSON at character 3"),
        ("SOURCE", '[{"id": "a", "kind": "huggingface", "evry": 1}]', "evry is not known"),
        ("DIGEST", '[{"name": "a", "timezone": "Mars/Base"}]', "is not a time zone"),
        ("DIGEST", '[{"name": "a", "language": "pt"}]', "'pt' is not a language that mails are written in"),
        ("DIGEST", '[{"name": "a", "accent": "red"}]', "should be a colour"),
        ("DIGEST", r'[{"name": "a", "logo": "half \ud83d"}]', "should be one line of text"),
        ("MAIL__INLINER", "juice", "should be 'premailer' or 'css-inline'"),
        ("MAIL__REPLY_TO", "nobody", "is not an e-mail address"),
    ],
)
def test_a_wrong_value_is_refused_under_its_variable(tmp_path, name, value, what):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, **{name: value})
    assert caught.value.where == f"DIGEST_{name}"
    assert what in caught.value.what


def test_every_known_name_is_upper_case_and_begins_with_digest():
    assert all(name == name.upper() and name.startswith("DIGEST_") for name in known_names())
