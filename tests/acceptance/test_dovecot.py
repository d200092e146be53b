"""A mailbox of a real IMAP server, Dovecot, as a source: read once, left as it was; a fault is told in one sentence."""

from __future__ import annotations

import imaplib
import json
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from digest.delivery.mailbox import Imap
from tests.cli import conftest as cli
from tests.delivery import conftest as delivery
from tests.services.test_deliver import free_port

pytestmark = [pytest.mark.needs_dovecot_imapd, pytest.mark.xdist_group("dovecot")]

certificate = delivery.certificate
alone, call = cli.alone, cli.call

#: It lies where only root looks for programs.
DOVECOT = shutil.which("dovecot") or "/usr/sbin/dovecot"
MAILS = Path(__file__).parents[1] / "sources" / "mails"
PASSWORD = "sea-of-salt"
#: Mails belong to somebody who is not root, or Dovecot refuses them.
OWNER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@dataclass(frozen=True)
class Server:
    folder: Path
    trusted: Path
    starttls: int
    tls: int


@dataclass(frozen=True)
class Box:
    """A reader of this server, and his folder Alerts."""

    server: Server
    reader: str

    @property
    def folder(self) -> Path:
        return self.server.folder / self.reader / ".Alerts"

    def deliver(self, name: str) -> None:
        file = self.folder / "new" / f"{time.time_ns()}.{name}.host"
        file.write_bytes((MAILS / f"{name}.eml").read_bytes())
        file.chmod(0o644)

    def flags(self) -> list[bytes]:
        """Of each mail, as another program sees them."""
        context = ssl.create_default_context(cafile=self.server.trusted)
        with imaplib.IMAP4_SSL("localhost", self.server.tls, ssl_context=context) as client:
            client.login(self.reader, PASSWORD)
            client.select("Alerts", readonly=True)
            return [line for line in client.fetch("1:*", "(FLAGS)")[1] if isinstance(line, bytes)]


def configured(folder: Path, trusted: Path, starttls: int, tls: int) -> str:
    """Dovecot's configuration: everything under one folder, any reader, two ports of the loopback."""
    return f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{trusted.with_name("cert.pem")}
ssl_key = <{trusted.with_name("key.pem")}
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={OWNER.pw_uid} gid={OWNER.pw_gid} home={folder}/%u
}}
mail_location = maildir:{folder}/%u
first_valid_uid = 1
first_valid_gid = 1
service imap-login {{
  inet_listener imap {{
    port = {starttls}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


@pytest.fixture(scope="module")
def dovecot(certificate) -> Iterator[Server]:
    # Its sockets have long names of their own, and its processes are not root: no folder of pytest's.
    folder = Path(tempfile.mkdtemp(prefix="imap-"))
    folder.chmod(0o755)
    server = Server(folder, certificate.file, free_port(), free_port())
    settings = folder / "dovecot.conf"
    settings.write_text(configured(folder, certificate.file, server.starttls, server.tls), "utf-8")
    daemon = subprocess.Popen([DOVECOT, "-F", "-c", settings], stderr=subprocess.PIPE)
    try:
        for _ in range(500):
            assert daemon.poll() is None, daemon.communicate()[1].decode()
            with suppress(OSError), socket.create_connection(("127.0.0.1", server.tls), 1):
                break
            time.sleep(0.02)
        yield server
    finally:
        daemon.terminate()
        daemon.communicate()
        shutil.rmtree(folder)


@pytest.fixture
def box(dovecot, request) -> Box:
    found = Box(dovecot, f"{request.node.name[:20]}@example.org")
    for name in ("new", "cur", "tmp"):
        (found.folder / name).mkdir(parents=True)
    if os.geteuid() == 0:
        for path in (found.folder.parent, *found.folder.parent.rglob("*")):
            os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
    return found


def install(folder: Path, box: Box, *, password: str = PASSWORD) -> None:
    """The same folder as two sources: by STARTTLS and by TLS."""
    (folder / "secret").write_text(f"{password}\n", "utf-8")
    (folder / "secret").chmod(0o600)
    sources = "".join(
        f"""
[[source]]
id = "{name}"
kind = "imap"
url = "{address}/Alerts"
password_file = "secret"
"""
        for name, address in (
            ("starttls", f"imap://{quote(box.reader, safe='')}@localhost:{box.server.starttls}"),
            ("tls", f"imaps://{quote(box.reader, safe='')}@localhost:{box.server.tls}"),
        )
    )
    (folder / "config.toml").write_text(
        f"""
[mail]
from = "digest@example.org"
[smtp]
transport = "folder"
path = "outbox"
[fetch]
arxiv_api = ""
{sources}
[[digest]]
name = "papers"
""",
        "utf-8",
    )


@pytest.fixture
def fetched(call, tmp_path, box, monkeypatch):
    """Fetches all sources; gives the command's row of each."""
    monkeypatch.setenv("SSL_CERT_FILE", str(box.server.trusted))
    install(tmp_path, box)

    def fetch() -> dict[str, dict]:
        return {row["id"]: row for row in json.loads(call("fetch", "--all", "--json").out)["sources"]}

    return fetch


def test_alerts_are_read_once_and_stay_unseen(fetched, box):
    box.deliver("google_scholar")
    box.deliver("no_alert")
    first = fetched()
    assert sorted((row["state"], row["new"]) for row in first.values()) == [("ok", 3), ("quiet", 0)], "the same papers"
    assert "Lunch on Friday?" in first["tls"]["detail"]
    assert {(row["state"], row["http_status"], row["new"]) for row in fetched().values()} == {("unchanged", 304, 0)}
    box.deliver("pubmed_text")
    assert sum(row["new"] for row in fetched().values()) == 2
    assert len(box.flags()) == 3
    assert not any(b"\\Seen" in line for line in box.flags())


def test_a_wrong_password_is_told(fetched, box, tmp_path):
    install(tmp_path, box, password="wrong")
    rows = fetched()
    assert {row["state"] for row in rows.values()} == {"broken"}
    for row in rows.values():
        assert "Authentication failed" in row["detail"]
        assert "password_file" in row["detail"]
        assert "b'" not in row["detail"]
        assert "wrong" not in row["detail"]


def test_a_mailbox_of_bounces_is_marked_mail_by_mail(box):
    box.deliver("google_scholar")
    box.deliver("arxiv")
    bounces = Imap(
        host="localhost",
        port=box.server.tls,
        username=box.reader,
        password=lambda: PASSWORD,
        folder="Alerts",
        ca_file=box.server.trusted,
    )
    with closing(bounces):
        first, second = bounces.unread()
        assert first[1].replace(b"\r\n", b"\n") == (MAILS / "google_scholar.eml").read_bytes().replace(b"\r\n", b"\n")
        bounces.acknowledge(second[0])
        assert [handle for handle, _ in bounces.unread()] == [first[0]]
    assert [b"\\Seen" in line for line in box.flags()] == [False, True]
