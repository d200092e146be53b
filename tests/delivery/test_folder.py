"""Mails as files: whole or not at all, and a repeat is no second mail."""

from __future__ import annotations

import hashlib
import mailbox
from pathlib import Path

import pytest

from digest.delivery.folder import FolderSession
from digest.delivery.relay import Relay
from digest.model.errors import RelayError
from digest.model.mail import OutcomeKind, Scope
from tests.delivery.peers import CONTENT, ENVELOPE, connected, packed, submit

NAME = "0123456789abcdef0123456789abcdef"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def folder_relay(path: Path, transport="folder") -> Relay:
    return Relay(name="files", transport=transport, path=path)


@pytest.mark.parametrize(("transport", "place"), [("folder", f"{NAME}.eml"), ("maildir", f"new/{NAME}")])
def test_a_mail_is_written_as_it_is_and_named_by_its_message_id(tmp_path, transport, place):
    with connected(folder_relay(tmp_path / "out", transport)) as line:
        for _ in range(2):
            assert line.submit().kind is OutcomeKind.ACCEPTED
        assert line.session.alive and line.session.idle
    assert files(tmp_path / "out") == {place: b"".join(CONTENT)}


@pytest.mark.parametrize("transport", ["folder", "maildir"])
def test_before_the_rename_the_mail_is_not_there_and_stopping_leaves_nothing(tmp_path, transport):
    with connected(folder_relay(tmp_path, transport)) as line:
        assert line.offer(packed()) is None
        assert [name.endswith(".part") for name in files(tmp_path)] == [True]
        line.session.stop()
        assert files(tmp_path) == {}


def test_a_session_that_is_closed_before_the_rename_leaves_nothing(tmp_path):
    with connected(folder_relay(tmp_path)) as line:
        assert line.offer(packed()) is None
    assert files(tmp_path) == {}


def test_a_repeat_writes_over_what_a_killed_process_left(tmp_path):
    (tmp_path / f".{NAME}.eml.part").write_bytes(b"half")
    submit(folder_relay(tmp_path))
    assert files(tmp_path) == {f"{NAME}.eml": b"".join(CONTENT)}


def test_a_repeat_of_a_mail_that_was_read_is_not_new_again(tmp_path):
    submit(folder_relay(tmp_path, "maildir"))
    (tmp_path / "new" / NAME).rename(tmp_path / "cur" / f"{NAME}:2,RS")
    outcome = submit(folder_relay(tmp_path, "maildir"))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert list(files(tmp_path)) == [f"cur/{NAME}:2,RS"]


def test_the_standard_library_reads_our_maildir(tmp_path):
    submit(folder_relay(tmp_path, "maildir"))
    (mail,) = mailbox.Maildir(tmp_path)
    assert mail["Subject"] == "Papers"


@pytest.mark.parametrize("message_id", [b"../../etc/passwd", b".hidden", b"a/b", b"x" * 200, b"\xff\xfe", b"a:2,S"])
def test_a_message_id_never_names_a_place_of_its_own(tmp_path, message_id):
    submit(
        folder_relay(tmp_path / "out"),
        ENVELOPE,
        (b"Message-ID: <" + message_id + b"@example.org>\r\n", b"\r\n"),
    )
    assert list(files(tmp_path)) == [f"out/{hashlib.sha256(message_id).hexdigest()}.eml"]


def test_a_mail_without_message_id_is_named_by_its_bytes(tmp_path):
    content = (b"Subject: x\r\n\r\nMessage-ID: <no@header>\r\n",)
    submit(folder_relay(tmp_path), ENVELOPE, content)
    assert list(files(tmp_path)) == [hashlib.sha256(content[0]).hexdigest() + ".eml"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RelayError, match="the folder cannot be made: Not a directory"):
        submit(folder_relay(tmp_path / "file" / "out"))
    with pytest.raises(RelayError, match="no folder is named"):
        submit(Relay(name="files", transport="folder"))


def test_a_folder_that_went_away_is_a_safe_retry(tmp_path):
    with connected(folder_relay(tmp_path / "out")) as line:
        (tmp_path / "out").rmdir()
        outcome = line.submit()
    assert (outcome.kind, outcome.scope, line.ready) == (OutcomeKind.DEFERRED, Scope.RELAY, 0)


def test_a_target_that_cannot_be_replaced_is_a_safe_retry(tmp_path):
    (tmp_path / f"{NAME}.eml" / "in the way").mkdir(parents=True)
    outcome = submit(folder_relay(tmp_path))
    assert (outcome.kind, outcome.scope) == (OutcomeKind.DEFERRED, Scope.RELAY)
    assert list(files(tmp_path)) == [f".{NAME}.eml.part"], "the draft tells that the mail is not there"


def test_several_mails_follow_each_other_and_one_may_be_offered_with_the_dot_of_another(tmp_path):
    session = FolderSession(folder_relay(tmp_path))
    first, second = (packed(segments=(b"Message-ID: <m%d@example.org>\r\n" % n, b"\r\n")) for n in (1, 2))
    assert session.offer(first) is None
    assert (session.idle, session.ready, sorted(files(tmp_path))) == (False, first, [".m1.eml.part"])
    assert session.go(second) is None
    told = [(event.mail, event.outcome and event.outcome.kind) for event in session.turn()]
    assert told == [(first, None), (first, OutcomeKind.ACCEPTED), (second, None)]
    assert sorted(files(tmp_path)) == [".m2.eml.part", "m1.eml"]
    session.close()
    assert sorted(files(tmp_path)) == ["m1.eml"]
