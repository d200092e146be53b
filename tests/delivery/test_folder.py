"""Mails as files: whole or not at all, and a repeat is no second mail."""

from __future__ import annotations

import hashlib
import mailbox
from pathlib import Path

import pytest

from digest.delivery.folder import FolderSession
from digest.delivery.relay import Relay
from digest.delivery.smtp import SmtpSession
from digest.delivery.transport import connect
from digest.model.errors import RelayError
from digest.model.mail import OutcomeKind, Scope
from tests.delivery.peers import CONTENT, ENVELOPE, FEATURES, Dot, playing, relay_to

NAME = "0123456789abcdef0123456789abcdef"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def folder_relay(path: Path, transport="folder") -> Relay:
    return Relay(name="files", transport=transport, path=path)


@pytest.mark.parametrize(("transport", "place"), [("folder", f"{NAME}.eml"), ("maildir", f"new/{NAME}")])
def test_a_mail_is_written_as_it_is_and_named_by_its_message_id(tmp_path, transport, place):
    session = connect(folder_relay(tmp_path / "out", transport))
    for _ in range(2):
        assert session.submit(ENVELOPE, CONTENT, Dot()).kind is OutcomeKind.ACCEPTED
    session.close()
    assert session.alive
    assert files(tmp_path / "out") == {place: b"".join(CONTENT)}


@pytest.mark.parametrize("transport", ["folder", "maildir"])
def test_before_the_rename_the_mail_is_not_there_and_stopping_leaves_nothing(tmp_path, transport):
    seen: list[list[str]] = []

    def stop() -> bool:
        seen.append([name for name in files(tmp_path) if not name.endswith(".part")])
        return False

    session = FolderSession(folder_relay(tmp_path, transport))
    assert session.submit(ENVELOPE, CONTENT, stop).kind is OutcomeKind.STOPPED
    assert (seen, files(tmp_path)) == ([[]], {})


def test_an_error_of_our_own_before_the_rename_is_passed_on_and_leaves_nothing(tmp_path):
    def broken() -> bool:
        raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError, match="the database is gone"):
        FolderSession(folder_relay(tmp_path)).submit(ENVELOPE, CONTENT, broken)
    assert files(tmp_path) == {}


def test_a_repeat_writes_over_what_a_killed_process_left(tmp_path):
    (tmp_path / f".{NAME}.eml.part").write_bytes(b"half")
    FolderSession(folder_relay(tmp_path)).submit(ENVELOPE, CONTENT, Dot())
    assert files(tmp_path) == {f"{NAME}.eml": b"".join(CONTENT)}


def test_a_repeat_of_a_mail_that_was_read_is_not_new_again(tmp_path):
    FolderSession(folder_relay(tmp_path, "maildir")).submit(ENVELOPE, CONTENT, Dot())
    (tmp_path / "new" / NAME).rename(tmp_path / "cur" / f"{NAME}:2,RS")
    outcome = FolderSession(folder_relay(tmp_path, "maildir")).submit(ENVELOPE, CONTENT, Dot())
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert list(files(tmp_path)) == [f"cur/{NAME}:2,RS"]


def test_the_standard_library_reads_our_maildir(tmp_path):
    FolderSession(folder_relay(tmp_path, "maildir")).submit(ENVELOPE, CONTENT, Dot())
    (mail,) = mailbox.Maildir(tmp_path)
    assert mail["Subject"] == "Papers"


@pytest.mark.parametrize("message_id", [b"../../etc/passwd", b".hidden", b"a/b", b"x" * 200, b"\xff\xfe", b"a:2,S"])
def test_a_message_id_never_names_a_place_of_its_own(tmp_path, message_id):
    FolderSession(folder_relay(tmp_path / "out")).submit(
        ENVELOPE, (b"Message-ID: <" + message_id + b"@example.org>\r\n", b"\r\n"), Dot()
    )
    assert list(files(tmp_path)) == [f"out/{hashlib.sha256(message_id).hexdigest()}.eml"]


def test_a_mail_without_message_id_is_named_by_its_bytes(tmp_path):
    content = (b"Subject: x\r\n\r\nMessage-ID: <no@header>\r\n",)
    FolderSession(folder_relay(tmp_path)).submit(ENVELOPE, content, Dot())
    assert list(files(tmp_path)) == [hashlib.sha256(content[0]).hexdigest() + ".eml"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RelayError, match="the folder cannot be made: Not a directory"):
        connect(folder_relay(tmp_path / "file" / "out"))
    with pytest.raises(RelayError, match="no folder is named"):
        connect(Relay(name="files", transport="folder"))


def test_a_folder_that_went_away_is_a_safe_retry(tmp_path):
    session = FolderSession(folder_relay(tmp_path / "out"))
    (tmp_path / "out").rmdir()
    dot = Dot()
    outcome = session.submit(ENVELOPE, CONTENT, dot)
    assert (outcome.kind, outcome.scope, dot.calls) == (OutcomeKind.DEFERRED, Scope.RELAY, 0)


def test_a_target_that_cannot_be_replaced_is_a_safe_retry(tmp_path):
    (tmp_path / f"{NAME}.eml" / "in the way").mkdir(parents=True)
    outcome = FolderSession(folder_relay(tmp_path)).submit(ENVELOPE, CONTENT, Dot())
    assert (outcome.kind, outcome.scope) == (OutcomeKind.DEFERRED, Scope.RELAY)
    assert files(tmp_path) == {}


def test_a_server_is_reached_through_the_same_door():
    with playing(lambda talk: (talk.greet(*FEATURES), talk.idle())) as peer:
        session = connect(relay_to(peer.port))
        assert isinstance(session, SmtpSession)
        session.close()
