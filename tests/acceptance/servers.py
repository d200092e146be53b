"""Postfix, Exim and OpenSMTPD from Debian as relays, each in a root of its own, for their packages exclude each other.

A root is an overlay over this machine's files, kept in memory, in namespaces of mounts and processes: what is installed
there changes nothing here, and all of it is gone with its first process. The servers listen on loopback, want STARTTLS
and a login, and take mail for everybody: readers' mailboxes are Maildirs that can be read as files, and what they
cannot deliver they bounce afterwards, with reports of their own, into the Maildir of ``BOUNCES``.
"""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.relays import unused_port

USER, PASSWORD = "digest", "correct horse"
#: Where mailboxes are, and where our own bounces come back to; the rest of ours is no mailbox.
READERS, OURS = "readers.example", "ours.example"
BOUNCES = f"bounces@{OURS}"
#: Mail for there goes on to another server, ``Onward``.
AWAY = "away.example"
MAILBOXES = tuple(f"reader-{number:02d}" for number in range(60))
#: Names that need quotes (RFC 5321 section 4.1.2).
QUOTED = ("john..doe", "o brien")
#: A mailbox whose name is no ASCII (RFC 6531).
WIDE = "måns"
#: Has a mailbox that holds nothing more.
FULL = "full"
#: Where the Maildirs lie, as the servers see it.
POST = "/srv/post"

#: The first process: makes the root, installs, says so, and ends when its input does.
ENTER = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/tree"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/tree"
tree="$1/tree" post="$2" packages="$3"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
mount -t tmpfs -o mode=755 tmpfs "$tree/run"
mkdir -p "$tree/srv/post"
mount --bind "$post" "$tree/srv/post"
# Of files that are mounts of their own, the overlay shows what lies below.
cp --remove-destination -L /etc/resolv.conf /etc/hosts "$tree/etc/"
# The index of manuals is not built anew.
rm -f "$tree/var/lib/man-db/auto-update"
printf '#!/bin/sh\\nexit 101\\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
cd "$tree"
exec chroot . sh -c '
  export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
  get() { apt-get install -y -q --no-install-recommends $0 2>&1; }
  get || { apt-get update -q 2>&1 && get; } || exit
  useradd -r -M -d /srv/post -s /usr/sbin/nologin vmail
  echo READY
  read end' "$packages"
"""


class Root:
    """A tree of files with packages installed in it, and the processes that run there."""

    def __init__(self, folder: Path, packages: str) -> None:
        assert os.geteuid() == 0, "only root can make a root"
        missing = [tool for tool in ("unshare", "nsenter", "apt-get") if shutil.which(tool) is None]
        assert not missing, f"{', '.join(missing)}: not installed"
        self.post = folder / "post"
        (folder / "root").mkdir()
        self.post.mkdir(mode=0o755)
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"]
        self._first = subprocess.Popen(
            [*command, str(folder / "root"), str(self.post), packages],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._first.stdout is not None
        said: list[str] = []
        while not (said and said[-1] == "READY\n"):
            line = self._first.stdout.readline()
            assert line, f"{packages}: {''.join(said)[-3000:]}"
            said.append(line)
        pid = self._first.pid
        self._inside = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]

    def run(self, *command: str, given: str | None = None, must: bool = True) -> str:
        """What a command in the root prints; it must end well unless told otherwise."""
        enter = ["nsenter", "--target", self._inside, "--mount", "--pid", "--root", "--wd"]
        # Not a pipe: a daemon that is started would hold it open.
        with (self.post / "said").open("w+") as said:
            done = subprocess.run(
                [*enter, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command],
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            said.seek(0)
            text = said.read()
        assert done.returncode == 0 or not must, f"{' '.join(command)}: {text}"
        return text

    def path(self, inside: str) -> Path:
        """A file of the root, as seen from here."""
        return Path(f"/proc/{self._inside}/root{inside}")

    def write(self, inside: str, text: str) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Ends every process in it."""
        self._first.communicate("end\n", timeout=20)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One that runs."""

    name: str
    port: int
    root: Root
    logs: tuple[str, ...]
    encrypts: bool = True
    """Whether it speaks TLS, and then wants a login."""

    def mails(self, mailbox: str) -> list[bytes]:
        """What lies in a Maildir, as stored."""
        new = self.root.post / "mail" / mailbox / "new"
        return [file.read_bytes() for file in sorted(new.iterdir())] if new.is_dir() else []

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    @property
    def log(self) -> str:
        paths = [self.root.path(inside) for inside in self.logs]
        return "".join(path.read_text("utf-8", "replace") for path in paths if path.exists())


#: Of the server behind a relay, by the name of a recipient.
ANSWERS = {
    "gone": "550 5.1.1 No such person here",
    "full": "552 5.2.2 The mailbox is full",
    "busy": "450 4.2.1 Come back later",
}


class Onward:
    """The server behind a relay, by SMTP and LMTP. It takes no mail from anybody."""

    def __init__(self) -> None:
        self._server = _Threads(("127.0.0.1", 0), _Refusal)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Refusal(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._say("220 away.example")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"LHLO"):
                self._say("250-away.example\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME")
            elif verb == b"RCPT":
                name = line.partition(b"<")[2].partition(b"@")[0].decode().lower()
                self._say(ANSWERS.get(name, ANSWERS["gone"]))
            elif verb == b"DATA":
                self._say("554 5.5.1 No recipients")
            elif verb == b"QUIT":
                self._say("221 2.0.0 Bye")
                return
            else:
                self._say("250 2.0.0 Ok")

    def _say(self, reply: str) -> None:
        self.wfile.write(f"{reply}\r\n".encode())


@contextmanager
def running(name: str, folder: Path, onward: Onward) -> Iterator[Server]:
    """Installs and starts the server of that name; some five seconds."""
    packages, start = STARTS[name]
    root = Root(folder, packages)
    try:
        _prepare(root)
        server = start(root, onward)
        wait_for(server.answers, server)
        yield server
    finally:
        root.close()


def _prepare(root: Root) -> None:
    root.run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost", "-keyout", f"{POST}/key.pem", "-out", f"{POST}/cert.pem"),
    )
    for mailbox in (*MAILBOXES, *QUOTED, WIDE, "bounces"):
        for part in ("new", "cur", "tmp"):
            (root.post / "mail" / mailbox / part).mkdir(parents=True)
    root.run("chown", "-R", "vmail:vmail", f"{POST}/mail")


POSTFIX_MAIN = """\
compatibility_level = 3
maillog_file = /var/log/postfix.log
myhostname = postfix.example
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
default_transport = error:5.4.4 nothing leaves this machine
transport_maps = inline:{{ {{ {AWAY} = smtp:[127.0.0.1]:{onward} }} }}
relay_domains = {AWAY}
recipient_delimiter = +
virtual_mailbox_domains = {READERS}, {OURS}
virtual_mailbox_base = {POST}/mail
virtual_mailbox_maps = texthash:/etc/postfix/mailboxes
virtual_uid_maps = static:{vmail}
virtual_gid_maps = static:{vmail}
message_size_limit = 1000000
virtual_mailbox_limit = 1000000
# Take mail for those that it does not know, and say so afterwards.
smtpd_reject_unlisted_recipient = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = $myhostname
smtpd_tls_cert_file = {POST}/cert.pem
smtpd_tls_key_file = {POST}/key.pem
smtpd_tls_auth_only = yes
delay_warning_time = 1s
minimal_backoff_time = 1s
queue_run_delay = 1s
"""
POSTFIX_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 1 1 qmgr
tlsmgr     unix - - n 1000? 1 tlsmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
proxymap   unix - - n - - proxymap
pickup     unix n - n 60 1 pickup
showq      unix n - n - - showq
flush      unix n - n 1000? 0 flush
smtp       unix - - n - - smtp
virtual    unix - n n - - virtual
error      unix - - n - - error
retry      unix - - n - - error
anvil      unix - - n - 1 anvil
scache     unix - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""
SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
"""


def _postfix(root: Root, onward: Onward) -> Server:
    port = unused_port()
    vmail = root.run("id", "-u", "vmail").strip()
    places = {"AWAY": AWAY, "READERS": READERS, "OURS": OURS, "POST": POST}
    lines = [f"{name}@{READERS} {name}/\n" for name in (*MAILBOXES, WIDE)]
    lines += [f'"{name}"@{READERS} {name}/\n' for name in QUOTED]
    # A mailbox that is one file may be as large as the largest mail, and is.
    lines += [f"{FULL}@{READERS} {FULL}\n", f"{BOUNCES} bounces/\n"]
    root.write(f"{POST}/mail/{FULL}", "x" * 999_999)
    root.run("chown", "vmail:vmail", f"{POST}/mail/{FULL}")
    root.write("/etc/postfix/mailboxes", "".join(lines))
    root.write("/etc/postfix/main.cf", POSTFIX_MAIN.format(**places, onward=onward.port, vmail=vmail))
    root.write("/etc/postfix/master.cf", POSTFIX_MASTER.format(port=port))
    root.write("/etc/postfix/sasl/smtpd.conf", SASL)
    root.run("saslpasswd2", "-c", "-p", "-u", "postfix.example", USER, given=PASSWORD)
    root.run("chown", "postfix", "/etc/sasldb2")
    root.run("postfix", "start")
    return Server(name="Postfix", port=port, root=root, logs=("/var/log/postfix.log",))


EXIM = """\
primary_hostname = exim.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
domainlist ours = {READERS} : {OURS}
host_lookup =
rfc1413_hosts =
dns_again_means_nonexist = *
tls_advertise_hosts = *
tls_certificate = /etc/exim4/cert.pem
tls_privatekey = /etc/exim4/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
message_size_limit = 1000000
acl_smtp_rcpt = rcpt
acl_smtp_data = data
# The second is never reached.
delay_warning = 1s:1d
# Without this it warns of nothing that is a mailing list's.
delay_warning_condition = yes
queue_run_in_order

begin acl
rcpt:
  accept authenticated = *
  deny message = log in first
data:
  accept

begin routers
bounces:
  driver = accept
  domains = {OURS}
  local_parts = bounces
  local_part_suffix = +*
  local_part_suffix_optional
  transport = bounces
away:
  driver = manualroute
  domains = {AWAY}
  route_list = * 127.0.0.1
  self = send
  transport = onward
full:
  driver = accept
  domains = {READERS}
  local_parts = {FULL}
  transport = full
mailbox:
  driver = accept
  domains = {READERS}
  local_parts = dsearch,filter=dir;{POST}/mail
  local_part_suffix = +*
  local_part_suffix_optional
  transport = mailbox

begin transports
onward:
  driver = smtp
  port = {onward}
  hosts_avoid_tls = *
mailbox:
  driver = appendfile
  directory = {POST}/mail/$local_part_data
  maildir_format
  user = vmail
  return_path_add
  delivery_date_add
  envelope_to_add
bounces:
  driver = appendfile
  directory = {POST}/mail/bounces
  maildir_format
  user = vmail
  return_path_add
  envelope_to_add
full:
  driver = appendfile
  directory = {POST}/mail/{FULL}
  create_directory
  maildir_format
  user = vmail
  quota = 1

begin retry
# A full mailbox is at once given up.
* quota
* * F,1h,1s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1
"""


def _exim(root: Root, onward: Onward) -> Server:
    port = unused_port()
    places = {"AWAY": AWAY, "READERS": READERS, "OURS": OURS, "POST": POST, "FULL": FULL}
    text = EXIM.format(**places, port=port, onward=onward.port, USER=USER, PASSWORD=PASSWORD)
    root.write("/etc/exim4/exim4.conf", text)
    for name in ("cert.pem", "key.pem"):
        root.run("install", "-o", "Debian-exim", "-m", "600", f"{POST}/{name}", f"/etc/exim4/{name}")
    root.run("exim4", "-bd", "-q1s")
    return Server(name="Exim", port=port, root=root, logs=("/var/log/exim4/mainlog", "/var/log/exim4/paniclog"))


# Debian 12's cannot serve TLS: with its OpenSSL 3 it never finds its own key (OpenSMTPD's issue 1171). Without TLS it
# lets nobody log in.
OPENSMTPD = """\
table mailboxes file:/etc/mailboxes
table people file:/etc/people
smtp max-message-size 1000000
bounce warn-interval 1s
listen on 127.0.0.1 port {port} hostname opensmtpd.example
action mailbox maildir "{POST}/mail/%{{rcpt.user:strip}}" virtual <mailboxes>
action bounces maildir "{POST}/mail/bounces" virtual {{ "@" = vmail }}
action full mda "echo 552 5.2.2 The mailbox is full; exit 73" virtual {{ "@" = vmail }}
action strangers mda "echo 550 5.1.1 No such person here; exit 67" virtual {{ "@" = vmail }}
action behind lmtp "127.0.0.1:{onward}" rcpt-to virtual {{ "@" = vmail }}
action onward relay host "smtp://127.0.0.1:{onward}" helo opensmtpd.example
match from local for domain "{OURS}" action bounces
match from local for domain "{AWAY}" action onward
match from local for rcpt-to "{FULL}@{READERS}" action full
match from local for domain "lmtp.example" action behind
match from local for rcpt-to <people> action mailbox
match from local for domain "{READERS}" action strangers
"""


def _opensmtpd(root: Root, onward: Onward) -> Server:
    port = unused_port()
    places = {"AWAY": AWAY, "READERS": READERS, "OURS": OURS, "POST": POST, "FULL": FULL}
    root.write("/etc/mailboxes", "".join(f"{name}@{READERS} vmail\n" for name in MAILBOXES))
    root.write("/etc/people", "".join(f"{name}@{READERS}\n" for name in MAILBOXES))
    root.write("/etc/smtpd.conf", OPENSMTPD.format(**places, port=port, onward=onward.port))
    root.run("sh", "-c", "smtpd -d >/var/log/smtpd.log 2>&1 &")
    return Server(name="OpenSMTPD", port=port, root=root, logs=("/var/log/smtpd.log",), encrypts=False)


#: name -> (packages, what configures and starts it).
STARTS: dict[str, tuple[str, Callable[[Root, Onward], Server]]] = {
    "Postfix": ("opendkim openssl postfix sasl2-bin libsasl2-modules", _postfix),
    "Exim": ("opendkim openssl exim4-daemon-light", _exim),
    "OpenSMTPD": ("opendkim openssl opensmtpd", _opensmtpd),
}


NEEDS = {
    "Postfix": pytest.mark.needs_postfix,
    "Exim": pytest.mark.needs_exim4,
    "OpenSMTPD": pytest.mark.needs_opensmtpd,
}


def parameter(name: str, group: str) -> Any:
    """That server for a fixture of module scope: a group's tests run in one process, which installs it once."""
    return pytest.param(name, marks=(NEEDS[name], pytest.mark.xdist_group(f"{group}, {name}")))


def wait_for(condition: Callable[[], object], server: Server, *, seconds: float = 20.0) -> None:
    """Until it is true; then tells what the server said."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{server.name}: {server.log[-6000:]}"
        time.sleep(0.05)
