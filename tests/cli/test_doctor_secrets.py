"""`digest doctor` and the files that nobody else should read."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def found(call):
    """What the doctor says of secrets: {(state, detail, try)}; another finding is none of ours."""

    def found_() -> set[tuple[str, str, str]]:
        findings = call("doctor", "--json").json["findings"]
        return {(one["state"], one["detail"], one["try"]) for one in findings if one["what"] == "secrets"}

    return found_


@pytest.fixture(autouse=True)
def without_dns(monkeypatch) -> None:
    monkeypatch.setattr("digest.app.operating.text_records", lambda name: ())


def configured(more: str, **files: int) -> None:
    """Adds to config.toml, and makes files of these modes."""
    path = Path("config.toml")
    path.write_text(f"{path.read_text()}\n{more}\n")
    for name, mode in files.items():
        Path(name).write_text("secret word\n")
        Path(name).chmod(mode)


MAILBOX = '[inbound]\nhost = "127.0.0.1"\nport = 1\nusername = "digest"\npassword_file = "mailbox"'


def test_without_secrets_there_is_nothing_to_say(installed, found):
    Path("config.toml").chmod(0o644)
    assert found() == set()


@pytest.mark.parametrize(
    ("mode", "whom"),
    [
        (0o640, "its group"),
        (0o604, "everybody"),
        (0o644, "its group and everybody"),
        (0o622, "its group and everybody"),
    ],
)
def test_a_password_that_others_may_read_is_named_with_its_cure(installed, found, mode, whom):
    configured(MAILBOX, mailbox=mode)
    file = Path("mailbox").absolute()
    assert found() == {
        (
            "warn",
            f"{file} holds the mailbox's password and is open to {whom}",
            f"chmod 600 {file}; it should belong to the account that Digest runs as",
        )
    }


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o711])
def test_a_password_that_nobody_else_reads_is_well(installed, found, mode):
    configured(MAILBOX, mailbox=mode)
    assert found() == {("ok", "only its account reads mailbox", "")}


def test_every_kind_of_secret_is_looked_at(installed, found, call):
    assert call("dkim", "keygen").code == 0
    text = Path("config.toml").read_text()
    login = 'host = "127.0.0.1"\nport = 1\nsecurity = "tls"\nusername = "digest"\npassword_file = "relay"'
    text = text.replace('transport = "folder"\npath = "outbox"', login)
    assert text.count("[web]") == 1
    text = text.replace("[web]", '[web]\nsecret_file = "links"')
    Path("config.toml").write_text(text)
    configured(f'{MAILBOX}\n[[dkim]]\nselector = "digest"\nkey_file = "dkim-digest.pem"', mailbox=0o644, relay=0o644)
    Path("links").write_text("l" * 64 + "\n")
    Path("links").chmod(0o644)
    Path("dkim-digest.pem").chmod(0o644)
    told = found()
    assert {state for state, _, _ in told} == {"warn"}
    assert {detail.split(" and is open")[0].removeprefix(f"{installed}/") for _, detail, _ in told} == {
        "dkim-digest.pem holds a DKIM key",
        "relay holds the mail server's password",
        "mailbox holds the mailbox's password",
        "links holds the secret of all links",
    }


def test_a_missing_file_is_told_by_what_needs_it(installed, found):
    configured(MAILBOX)
    assert found() == set()


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ('url = "https://me:hunter2@feeds.example/atom"', True),
        ('url = "https://feeds.example/"\n# or "https://me:hunter2@feeds.example/"', False),
        ('url = "https://feeds.example:8080/@me"', False),
    ],
)
def test_a_configuration_with_a_password_in_it_is_a_secret(installed, found, line, holds):
    configured(f'[[source]]\nid = "theirs"\nkind = "feed"\n{line}')
    Path("config.toml").chmod(0o644)
    told = found()
    assert bool(told) is holds
    for state, detail, try_ in told:
        assert (state, "config.toml holds a password" in detail, try_.startswith("chmod 600 ")) == ("warn", True, True)
        assert "hunter2" not in detail + try_


@pytest.mark.parametrize(("text", "why"), [(None, "cannot be read: No such file or directory"), ("\n", "is empty")])
def test_a_key_that_is_not_in_its_file_is_told_with_its_path_and_what_to_do(installed, found, text, why):
    configured('[keys]\nopenalex = "openalex-key"')
    file = Path("openalex-key").absolute()
    if text is not None:
        file.write_text(text)
        file.chmod(0o600)
    ((state, detail, remedy),) = found()
    assert state == "fail"
    assert detail.startswith(f"the key of openalex in [keys] cannot be used: {file}: ") and detail.endswith(why)
    assert remedy == "write it as the first line of that file, or take the file out of [keys]"
