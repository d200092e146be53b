"""Two relays on this machine: a real Postfix set up as a submission server, and a strict 7-bit one of our own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.delivery.conftest import Certificate

#: It lies where only root looks for programs.
POSTFIX = shutil.which("postfix") or "/usr/sbin/postfix"
#: RFC 5321 section 4.5.3.1.6: a line has at most 1000 bytes with its CRLF.
MAX_LINE = 998

MAIN_CF = """\
compatibility_level = 3
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file_prefixes = {folder}
maillog_file = {folder}/log
myhostname = submission.wren.example
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
# Nothing is looked up and nothing leaves: what has no place below, such as a bounce, is thrown away.
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
default_transport = discard:
transport_maps = inline:{{ {transports} }}
# Complete and rewrite the headers, as for the mail of an operator's own clients.
local_header_rewrite_clients = static:all
always_add_missing_headers = yes
append_dot_mydomain = no
strict_rfc821_envelopes = yes
# Take 8-bit mail only if it says so, and make it 7-bit for whoever does not offer 8BITMIME.
strict_7bit_headers = yes
strict_8bitmime_body = yes
strict_mime_encoding_domain = yes
disable_mime_output_conversion = no
smtp_line_length_limit = 998
smtpd_forbid_bare_newline = yes
smtpd_forbid_bare_newline_exclusions =
message_size_limit = 10240000
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtp_tls_security_level = none
"""
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o cleanup_service_name=submission-cleanup
submission-cleanup unix n - n - 0 cleanup
  -o syslog_name=postfix/submission
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
tlsmgr     unix - - n 1000? 1 tlsmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
proxymap   unix - - n - - proxymap
smtp       unix - - n - - smtp
error      unix - - n - - error
retry      unix - - n - - error
discard    unix - - n - - discard
anvil      unix - - n - 1 anvil
scache     unix - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Postfix:
    """A running instance."""

    port: int
    folder: Path

    @property
    def log(self) -> str:
        """What it and its daemons wrote so far."""
        return "".join(
            path.read_text("utf-8", "replace") for path in (self.folder / "said", self.folder / "log") if path.exists()
        )


@contextmanager
def submission_server(certificate: Certificate, relays: Mapping[str, int]) -> Iterator[Postfix]:
    """Postfix with configuration, queue and data of its own: takes mail with STARTTLS on an unprivileged port, and
    relays a domain's mail to the port that ``relays`` has for it. Needs root.
    """
    assert os.geteuid() == 0, "Postfix starts only as root"
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    try:
        folder.chmod(0o755)  # the daemons run as its own user
        (folder / "queue").mkdir()
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "postfix")
        for name in ("cert.pem", "key.pem"):
            shutil.copyfile(certificate.file.with_name(name), folder / name)
        port = unused_port()
        transports = ", ".join(f"{{ {domain} = smtp:[127.0.0.1]:{at} }}" for domain, at in relays.items())
        (folder / "main.cf").write_text(MAIN_CF.format(folder=folder, transports=transports))
        (folder / "master.cf").write_text(MASTER_CF.format(port=port))
        postfix = Postfix(port=port, folder=folder)
        try:
            _control(postfix, "start")
            yield postfix
        finally:
            if (folder / "queue/pid/master.pid").exists():
                _control(postfix, "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _control(postfix: Postfix, command: str) -> None:
    """Starting returns when the server listens, stopping when it is gone."""
    # Not a pipe: the daemon would hold it open.
    with (postfix.folder / "said").open("a") as said:
        done = subprocess.run(
            [POSTFIX, "-c", str(postfix.folder), command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, f"postfix {command}: {postfix.log}"


def unused_port() -> int:
    """Below those that the system hands out, so that nobody else is given it in the meantime; processes that
    started together look at different ones.
    """
    for port in range(20_000 + os.getpid() * 50 % 9_000, 30_000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("there is no unused port")


class SevenBit:
    """A relay of RFC 5321 and no extension, which insists: it refuses every byte over 127 and NUL, every line of more
    than 998 bytes, and a CR or LF that is not part of a CRLF. Use it in a ``with``.
    """

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.refusals: list[str] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> SevenBit:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, relay: SevenBit) -> None:
        self.relay = relay
        super().__init__(("127.0.0.1", 0), _Dialogue)


class _Dialogue(socketserver.StreamRequestHandler):
    """One client's conversation. What does not fit is refused with the reason."""

    disable_nagle_algorithm = True
    timeout = 30

    def setup(self) -> None:
        super().setup()
        assert isinstance(self.server, _Server)
        self._relay = self.server.relay

    def handle(self) -> None:
        try:
            self._say("220 seven.example")
            while line := self.rfile.readline():
                if not self._answer(line):
                    return
        except OSError:
            return  # the client is gone

    def _say(self, reply: str) -> None:
        if reply[0] in "45":
            self._relay.refusals.append(reply)
        self.wfile.write(f"{reply}\r\n".encode())

    def _answer(self, line: bytes) -> bool:
        fault = fault_of(line)
        if fault or len(line) > 512:
            self._say(f"500 5.5.2 {fault or 'command too long'}")
            return True
        words = line.decode("ascii").split()
        verb = words[0].upper() if words else ""
        if verb in ("MAIL", "RCPT"):
            # RFC 5321 section 4.1.1.11: parameters belong to extensions, and none was offered.
            fits = re.fullmatch(r"(MAIL FROM|RCPT TO):<[^<>\s]*>\r\n", line.decode("ascii"), re.IGNORECASE)
            self._say("250 ok" if fits else "555 5.5.4 only an address is taken")
        elif verb == "DATA":
            self._say("354 go ahead")
            self._data()
        elif verb in ("EHLO", "HELO", "RSET", "NOOP"):
            self._say("250 seven.example")
        elif verb == "QUIT":
            self._say("221 bye")
            return False
        else:
            self._say("500 5.5.1 unknown command")
        return True

    def _data(self) -> None:
        lines: list[bytes] = []
        fault = ""
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("left before the final dot")
            line = line.removeprefix(b".")
            fault = fault or fault_of(line)
            lines.append(line)
        if fault:
            self._say(f"554 5.6.0 {fault}")
            return
        self._relay.taken.append(b"".join(lines))
        self._say("250 taken")


def fault_of(line: bytes) -> str:
    """What a 7-bit relay has against a line up to and with its LF; empty if nothing."""
    if not line.endswith(b"\r\n"):
        return "bare LF"
    text = line[:-2]
    if b"\r" in text:
        return "bare CR"
    if b"\0" in text or not text.isascii():
        return "a byte that is not 7-bit text"
    return "a line of more than 998 bytes" if len(text) > MAX_LINE else ""
