"""The file that `digest init` writes."""

from __future__ import annotations

from datetime import time

import pytest

from digest.config import Answers, load, write_config
from digest.model.errors import ConfigError


def test_the_defaults_give_a_config_that_works_without_a_server(tmp_path):
    file = tmp_path / "new/config.toml"
    write_config(file, Answers())
    config = load(file, {})
    (relay,) = config.relays
    assert (relay.transport, relay.path) == ("folder", tmp_path / "new/outbox")
    assert [source.id for source in config.sources] == ["hf-daily", "arxiv-cs-cl", "arxiv-cs-lg", "arxiv-cs-cv"]
    assert config.digest(None).profile.categories == (("cs.CL", 1.0), ("cs.LG", 1.0), ("cs.CV", 1.0))


def test_the_answers_are_in_the_file(tmp_path):
    file = tmp_path / "config.toml"
    write_config(
        file,
        Answers(
            from_address='"Papers, daily" <papers@example.org>',
            smtp_host="mail.example.org:2587",
            reader="me@example.org",
            categories=("stat.ML",),
            send_at="06:15",
            timezone="Asia/Tokyo",
        ),
    )
    config = load(file, {})
    (relay,) = config.relays
    assert (relay.transport, relay.host, relay.port, relay.security) == ("smtp", "mail.example.org", 2587, "starttls")
    assert (config.sender.from_name, config.mail.alerts_to) == ("Papers, daily", ("me@example.org",))
    schedule = config.digest("papers").schedule
    assert (schedule.send_at, schedule.timezone) == (time(6, 15), "Asia/Tokyo")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1025"])
def test_a_server_on_this_machine_needs_no_certificate(tmp_path, host):
    write_config(tmp_path / "config.toml", Answers(smtp_host=host))
    assert load(tmp_path / "config.toml", {}).relays[0].security == "none"


def test_an_existing_file_is_never_overwritten(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_config(file, Answers())
    assert file.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        write_config(tmp_path / "file/config.toml", Answers())
    assert "--config" in caught.value.try_
