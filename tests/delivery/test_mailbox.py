"""Reading changes nothing; acknowledging marks one mail, and only that."""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from digest.delivery import mailbox
from digest.delivery.inbound import Batch
from digest.delivery.mailbox import MAX_MAIL, Imap, MailboxError, Maildir


@pytest.fixture
def maildir(tmp_path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "2.host").write_bytes(b"second")
    (tmp_path / "new" / "1.host").write_bytes(b"first\r\n")
    (tmp_path / "new" / ".hidden").write_bytes(b"no mail")
    (tmp_path / "new" / "folder").mkdir()
    (tmp_path / "cur" / "0.host:2,S").write_bytes(b"read")
    (tmp_path / "tmp" / "3.host").write_bytes(b"half")
    return tmp_path


def settled(path: Path) -> Maildir:
    """The box as it is looked at when all that lies in it has lain there for a while."""
    return Maildir(path, clock=lambda: time.time_ns() + 3_000_000_000)


def tree(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in path.rglob("*") if each.is_file()}


def test_a_maildir_gives_its_new_mails_and_stays_as_it_is(maildir):
    before = tree(maildir)
    assert list(Maildir(maildir).unread()) == [("1.host", b"first\r\n"), ("2.host", b"second")]
    assert tree(maildir) == before


def test_an_acknowledged_mail_is_moved_and_marked_and_the_others_are_not(maildir):
    box = Maildir(maildir)
    for handle, raw in box.unread():
        if raw == b"second":
            box.acknowledge(handle)
            box.acknowledge(handle)
    box.close()
    assert [handle for handle, _ in box.unread()] == ["1.host"]
    assert (maildir / "cur" / "2.host:2,S").read_bytes() == b"second"


def test_mails_that_were_looked_at_before_are_not_read_again(maildir):
    assert list(Maildir(maildir).unread({"1.host"})) == [("2.host", b"second")]


def test_a_mail_that_another_reader_took_is_passed_over(maildir):
    mails = Maildir(maildir).unread()
    assert next(mails)[0] == "1.host"
    (maildir / "new" / "2.host").unlink()
    assert list(mails) == []


def test_a_giant_mail_is_read_only_in_part(maildir):
    (maildir / "new" / "1.host").write_bytes(b"x" * (MAX_MAIL + 5))
    assert len(next(Maildir(maildir).unread())[1]) == MAX_MAIL


def test_a_missing_maildir_is_one_sentence(tmp_path):
    with pytest.raises(MailboxError, match="the Maildir cannot be read: No such file"):
        list(Maildir(tmp_path / "none").unread())


def test_a_maildir_gives_what_came_after_a_mark_and_stays_as_it_is(maildir):
    box, before = settled(maildir), tree(maildir)
    first = box.after("", most=10, size=100, total=1000)
    assert sorted(raw for _, raw in first.mails) == [b"first\r\n", b"read", b"second"]
    assert box.after(first.mark, most=10, size=100, total=1000) == Batch(mails=(), mark=first.mark)
    (maildir / "new" / "4.host").write_bytes(b"third")
    os.utime(maildir / "new" / "4.host", (1, 1))  # brought here by a program that keeps its old date
    then = box.after(first.mark, most=10, size=3, total=1000)
    assert then.mails == (("4.host", b"thi"),)
    assert box.after(then.mark, most=10, size=100, total=1000).mails == ()
    assert tree(maildir) - before == {"new/4.host"}


def test_of_many_new_mails_the_oldest_come_first_and_the_others_wait(maildir):
    box = settled(maildir)
    mark = box.after("", most=10, size=100, total=1000).mark
    for number in range(5):
        (maildir / "new" / f"1{number}.host").write_bytes(b"%d" % number)
        time.sleep(0.02)
    seen: list[bytes] = []
    waiting: list[int] = []
    while (batch := box.after(mark, most=2, size=100, total=1000)).mails:
        seen += [raw for _, raw in batch.mails]
        waiting.append(batch.waiting)
        mark = batch.mark
    assert (seen, waiting) == ([b"0", b"1", b"2", b"3", b"4"], [3, 1, 0])


def test_without_a_mark_only_the_newest_mails_are_read(maildir):
    time.sleep(0.02)
    (maildir / "new" / "4.host").write_bytes(b"newest")
    batch = settled(maildir).after("", most=1, size=100, total=1000)
    assert ([raw for _, raw in batch.mails], batch.waiting) == ([b"newest"], 0)


def test_a_mail_of_the_same_instant_as_the_mark_is_not_lost(maildir):
    first = settled(maildir).after("", most=10, size=100, total=1000)
    instant, _, name = first.mark.partition(":")
    assert name.endswith(".host")
    then = settled(maildir).after(f"{instant}:", most=10, size=100, total=1000)
    assert then.mails[-1] == first.mails[-1]


def test_a_batch_ends_where_its_bytes_are_used_up_and_the_others_wait(maildir):
    for number in range(10, 14):
        (maildir / "new" / f"{number}.host").write_bytes(b"x" * 40)
        time.sleep(0.02)
    box, mark = settled(maildir), "0:"
    seen: list[tuple[int, int]] = []
    while (batch := box.after(mark, most=10, size=100, total=100)).mails:
        seen.append((sum(len(raw) for _, raw in batch.mails), batch.waiting))
        mark = batch.mark
    assert seen == [(17 + 80, 2), (80, 0)]
    # One that is too large alone is read all the same.
    alone = box.after("0:", most=10, size=100, total=1)
    assert (len(alone.mails), alone.waiting) == (1, 6)


def test_a_mail_that_has_just_changed_waits_so_that_none_of_its_instant_is_skipped(maildir):
    box = Maildir(maildir)
    assert box.after("", most=10, size=100, total=1000) == Batch(mails=(), mark="", waiting=3)
    clock = time.time_ns() + 2_000_000_000
    mark = Maildir(maildir, clock=lambda: clock).after("", most=10, size=100, total=1000).mark
    (maildir / "new" / "4.host").write_bytes(b"third")
    late = Maildir(maildir, clock=lambda: clock).after(mark, most=10, size=100, total=1000)
    assert late == Batch(mails=(), mark=mark, waiting=1)
    assert [raw for _, raw in settled(maildir).after(mark, most=10, size=100, total=1000).mails] == [b"third"]


def test_a_mail_that_moves_while_the_box_is_read_is_met_in_the_next_round(maildir, monkeypatch):
    read = mailbox._read

    def moving(path: Path, size: int) -> bytes:
        if path.name == "2.host":
            path.rename(maildir / "cur" / "2.host:2,S")
        return read(path, size)

    time.sleep(0.02)
    os.utime(maildir / "new" / "1.host")  # the newest now
    monkeypatch.setattr(mailbox, "_read", moving)
    first = settled(maildir).after("", most=10, size=100, total=1000)
    assert b"second" not in [raw for _, raw in first.mails]
    then = settled(maildir).after(first.mark, most=10, size=100, total=1000)
    assert {b"second", b"first\r\n"} <= {raw for _, raw in (*first.mails, *then.mails)}


def test_all_mails_that_come_into_an_empty_maildir_are_new(maildir):
    for path in (*(maildir / "new").glob("*.host"), *(maildir / "cur").iterdir()):
        path.unlink()
    mark = settled(maildir).after("", most=1, size=100, total=1000).mark
    for number in range(3):
        (maildir / "new" / f"{number}.host").write_bytes(b"%d" % number)
    batch = settled(maildir).after(mark, most=1, size=100, total=1000)
    assert (len(batch.mails), batch.waiting) == (1, 2)


class ImapPeer:
    """Just enough of IMAP4rev1, over TLS, to hold three mails of which two are unseen."""

    def __init__(self, context: ssl.SSLContext, *, validity=7, starttls=False) -> None:
        self.mails = {3: b"old", 5: b"first\r\nline", 9: b"second {3}"}
        self.seen = {3}
        self.heard: list[str] = []
        self.validity = validity
        self.drops: set[int] = set()
        """In the middle of these mails the connection ends, once."""
        self._starttls = starttls
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            try:
                sock.settimeout(5)
                self._serve(sock if self._starttls else self._context.wrap_socket(sock, server_side=True))
            except (OSError, ValueError):
                continue

    def _serve(self, sock: socket.socket) -> None:
        reader = sock.makefile("rb")
        sock.sendall(b"* OK ready\r\n")
        while line := reader.readline().decode():
            tag, _, command = line.strip().partition(" ")
            self.heard.append(command)
            if command == "STARTTLS":
                sock.sendall(f"{tag} OK go\r\n".encode())
                sock = self._context.wrap_socket(sock, server_side=True)
                reader = sock.makefile("rb")
                continue
            status = "OK"
            for answer in self._answers(command):
                if answer == b"DROP":
                    reader.close()
                    sock.close()
                    return
                if answer == b"NO":
                    status = "NO"
                else:
                    sock.sendall(answer + b"\r\n")
            sock.sendall(f"{tag} {status} done\r\n".encode())

    def _answers(self, command: str) -> list[bytes]:
        match command.split(" ")[0], command:
            case "CAPABILITY", _:
                return [b"* CAPABILITY IMAP4rev1 STARTTLS" if self._starttls else b"* CAPABILITY IMAP4rev1"]
            case "LOGIN", _:
                return [] if command == 'LOGIN leave "p\\"w"' else [b"NO"]
            case "SELECT" | "EXAMINE", _:
                return [b"* 3 EXISTS", b"* OK [UIDVALIDITY %d] ok" % self.validity] if '"INBOX"' in command else [b"NO"]
            case "LOGOUT", _:
                return [b"* BYE"]
            case _, "UID SEARCH UNSEEN":
                return [b"* SEARCH " + b" ".join(b"%d" % uid for uid in self.mails if uid not in self.seen)]
        if match := re.fullmatch(r"UID SEARCH UID (\d+):\*", command):
            # RFC 3501 section 6.4.8: the newest mail is among them, whatever its number.
            found = [uid for uid in self.mails if uid >= int(match[1]) or uid == max(self.mails)]
            return [b"* SEARCH " + b" ".join(b"%d" % uid for uid in found)]
        if match := re.fullmatch(r"UID FETCH ([\d,]+) \(RFC822\.SIZE\)", command):
            uids = map(int, match[1].split(","))
            return [b"* 1 FETCH (RFC822.SIZE %d UID %d)" % (len(self.mails[uid]), uid) for uid in uids]
        if match := re.fullmatch(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.\d+>\)", command):
            raw = self.mails[int(match[1])]
            if int(match[1]) in self.drops:
                self.drops.remove(int(match[1]))
                return [b"* 1 FETCH (UID %s BODY[]<0> {%d}\r\n%s" % (match[1].encode(), len(raw), raw[:3]), b"DROP"]
            return [b"* 1 FETCH (UID %s BODY[]<0> {%d}\r\n%s)" % (match[1].encode(), len(raw), raw)]
        if match := re.fullmatch(r"UID STORE (\d+) \+FLAGS\.SILENT \(\\Seen\)", command):
            self.seen.add(int(match[1]))
        return []


@pytest.fixture(params=["tls", "starttls"])
def imap(request, certificate):
    peer = ImapPeer(certificate.server, starttls=request.param == "starttls")
    box = Imap(
        host="localhost" if request.param == "tls" else "127.0.0.1",
        port=peer.port,
        security=request.param,
        username="leave",
        password=lambda: 'p"w',
        timeout=5,
        ca_file=certificate.file,
    )
    yield peer, box
    box.close()
    peer.close()


def test_imap_gives_the_unseen_mails_without_marking_them(imap):
    peer, box = imap
    for _ in range(2):
        assert list(box.unread()) == [("7:5", b"first\r\nline"), ("7:9", b"second {3}")]
    assert peer.seen == {3}


def test_imap_gives_the_mails_after_a_mark_read_or_unread(imap):
    peer, box = imap
    first = box.after("", most=2, size=100, total=1000)
    assert ([handle for handle, _ in first.mails], first.mark, first.waiting) == (["7:5", "7:9"], "7:9", 0)
    assert box.after(first.mark, most=2, size=100, total=1000).mails == ()
    peer.mails |= {10: b"third", 11: b"fourth", 12: b"fifth"}
    then = box.after(first.mark, most=2, size=100, total=1000)
    assert (then.mails, then.mark, then.waiting) == ((("7:10", b"third"), ("7:11", b"fourth")), "7:11", 1)
    assert [raw for _, raw in box.after(then.mark, most=2, size=100, total=1000).mails] == [b"fifth"]
    assert peer.seen == {3}


def test_a_batch_of_imap_ends_where_its_bytes_are_used_up_before_more_is_fetched(imap):
    peer, box = imap
    peer.mails |= {10: b"x" * 60, 11: b"x" * 60, 12: b"x" * 500}
    first = box.after("7:9", most=9, size=100, total=100)
    assert ([handle for handle, _ in first.mails], first.mark, first.waiting) == (["7:10"], "7:10", 2)
    assert not any(command.startswith("UID FETCH 11 ") for command in peer.heard)
    then = box.after(first.mark, most=9, size=100, total=160)
    assert ([handle for handle, _ in then.mails], then.waiting) == (["7:11", "7:12"], 0)
    new = box.after("", most=2, size=100, total=100)
    assert (new.mark, new.waiting) == ("7:11", 1)


def test_a_folder_made_anew_is_read_from_its_newest_mails(imap):
    _, box = imap
    assert [handle for handle, _ in box.after("6:900", most=1, size=100, total=1000).mails] == ["7:9"]


def test_a_folder_that_is_a_source_is_opened_for_reading_only(certificate):
    peer = ImapPeer(certificate.server)
    box = Imap(
        host="localhost",
        port=peer.port,
        username="leave",
        password=lambda: 'p"w',
        timeout=5,
        ca_file=certificate.file,
        read_only=True,
    )
    assert len(box.after("", most=9, size=100, total=1000).mails) == 3
    box.close()
    peer.close()
    assert [command for command in peer.heard if command.startswith(("SELECT", "EXAMINE"))] == ['EXAMINE "INBOX"']


def test_an_acknowledged_imap_mail_is_seen_and_the_others_are_not(imap):
    peer, box = imap
    for handle, raw in box.unread():
        if raw.startswith(b"second"):
            box.acknowledge(handle)
    assert peer.seen == {3, 9}
    box.close()
    assert [handle for handle, _ in box.unread()] == ["7:5"]


def test_a_folder_made_anew_is_not_marked_by_old_numbers(imap):
    peer, box = imap
    (handle, _), *_ = box.unread()
    box.close()
    peer.validity = 8
    box.acknowledge(handle)
    assert peer.seen == {3}


def test_imap_fetches_nothing_again_that_was_looked_at_before(imap):
    peer, box = imap
    assert list(box.unread({"7:5"})) == [("7:9", b"second {3}")]
    assert not any("FETCH 5" in command for command in peer.heard)


def test_a_server_that_drops_in_the_middle_of_a_mail_is_one_sentence_and_the_next_round_goes_on(imap):
    peer, box = imap
    peer.drops.add(9)
    read = []
    with pytest.raises(MailboxError, match="the mailbox cannot be used"):
        for handle, raw in box.unread():
            read.append(raw)
            box.acknowledge(handle)
    assert (read, peer.seen) == ([b"first\r\nline"], {3, 5})
    assert list(box.unread()) == [("7:9", b"second {3}")]


def imap_at(port: int, certificate, **settings) -> Imap:
    base = {
        "host": "localhost",
        "username": "leave",
        "password": lambda: 'p"w',
        "timeout": 2,
        "ca_file": certificate.file,
    }
    return Imap(port=port, **{**base, **settings})


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"password": lambda: "wrong-secret"}, "done"),
        ({"password": lambda: "grün"}, "the mailbox cannot be used"),
        ({"folder": "None"}, "the folder None cannot be opened"),
        ({"ca_file": None}, "CERTIFICATE_VERIFY_FAILED|certificate verify failed"),
        ({"security": "none"}, "the password would travel unencrypted"),
        ({"host": "no-such-host.invalid"}, "the mailbox cannot be used"),
    ],
)
def test_a_mailbox_that_cannot_be_used_is_one_sentence(certificate, settings, what):
    peer = ImapPeer(certificate.server)
    try:
        with pytest.raises(MailboxError, match=what) as caught:
            list(imap_at(peer.port, certificate, **settings).unread())
        assert caught.value.try_
        assert "wrong-secret" not in str(caught.value)
    finally:
        peer.close()


def test_a_connection_that_broke_is_made_anew(imap):
    _, box = imap
    assert len(list(box.unread())) == 2
    box._client.shutdown()
    with pytest.raises(MailboxError):
        list(box.unread())
    assert len(list(box.unread())) == 2
